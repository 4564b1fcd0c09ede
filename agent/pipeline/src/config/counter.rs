//! `counters` of a stream: what the fall of a counter means.

use super::refuse::refuse_parameter;
use crate::plan::AggregatePlan;
use headwater_kernel::aggregate::{CounterRule, Dip};
use headwater_settings::{Amount, Or, Table};

/// The aggregates that follow a counter.
const OF_COUNTERS: [&str; 2] = ["increase", "rate"];

/// Reads `[streams.NAME.counters]` into the plan; `None`: there was a mistake.
pub(super) fn read(stream: &mut Table<'_>, plan: AggregatePlan) -> Option<AggregatePlan> {
    let Some(mut counters) = stream.table("counters") else { return Some(plan) };
    let wrap = counters.number("wrap", f64::MIN..=f64::MAX);
    counters.note("wrap", "where the counter begins anew at 0");
    counters.note(
        "dip",
        "the largest fall that is no reset: in the unit of the series, or a share such as \"1%\"",
    );
    let dip = counters.amount("dip");
    let is_read = wrap.is_some() == counters.has("wrap") && dip.is_some() == counters.has("dip");
    if !plan.names().any(|name| OF_COUNTERS.contains(&name)) {
        let what = "`counters` has no effect: `aggregates` has neither `increase` nor `rate`";
        stream.warn(counters.span(), what, "leave it out, or add \"increase\" to `aggregates`");
    }
    let dip = dip.given().map_or_else(Dip::default, |dip| match dip {
        Amount::Absolute(size) => Dip::Absolute(size),
        Amount::Percent(share) => Dip::Percent(share),
    });
    let rule = CounterRule::new(wrap.given(), dip)
        .map_err(|wrong| refuse_parameter(&counters, counters.place_of(wrong.parameter), &wrong));
    counters.finish();
    is_read.then_some(plan.with_counters(rule.ok()?))
}

#[cfg(test)]
mod tests {
    use crate::config::parsed;

    #[test]
    fn mistakes_name_their_place_and_the_way_out() {
        let shown = |counters: &str| {
            let stream = format!("[streams.a]\naggregates = [\"increase\"]\ncounters = {counters}\n");
            parsed(&stream).1
        };
        for good in
            ["{ wrap = 4294967296 }", "{ dip = \"1%\" }", "{ dip = 0.5, wrap = 99999.9 }", "{ dip = 0 }"]
        {
            assert_eq!(shown(good), "", "{good}");
        }
        let bad = [
            ("{ wrap = 0 }", "`wrap` must be above 0: the value at which the counter begins anew"),
            ("{ wrap = -5 }", "`wrap` must be above 0"),
            ("{ dip = \"one\" }", "a share such as \"1%\""),
            ("{ dip = \"101%\" }", "at most 100 %"),
            ("{ dip = -1 }", "`dip`"),
            ("{ warp = 5 }", "`wrap`"),
        ];
        for (counters, words) in bad {
            assert!(shown(counters).contains(words), "{counters}: {}", shown(counters));
        }
        let (_, warned) = parsed("[streams.a]\ncounters = { dip = 1 }\n");
        assert!(warned.contains("has no effect"), "{warned}");
    }
}
