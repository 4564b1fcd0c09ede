//! `aggregates`, `downsample` and `sketch` of a stream: the contents of its summaries.

use super::window::WindowConfig;
use crate::plan::{AGGREGATES, Aggregate, AggregatePlan};
use crate::points::{Choice, Downsample};
use headwater_settings::{Or, Table, nearest};

const AGGREGATES_DEFAULT: [&str; 4] = ["count", "min", "max", "mean"];

/// The keys that need windows.
const OF_WINDOWS: [&str; 4] = ["aggregates", "counters", "downsample", "sketch"];

pub(super) fn read(stream: &mut Table<'_>, window: Option<&WindowConfig>) -> Option<AggregatePlan> {
    let aggregates = read_aggregates(stream);
    let downsample = stream.table("downsample").map(read_downsample);
    let sketch = stream.boolean("sketch").value_or(false);
    if matches!(window, Some(WindowConfig::None(_))) {
        for key in OF_WINDOWS.into_iter().filter(|key| stream.has(key)) {
            let what = format!("`{key}` is of windows, but this stream has none");
            let fix = "leave it out, or set a window, e.g. `window = { type = \"tumbling\", size = \"1m\" }`";
            stream.refuse(stream.place_of(key), what, fix);
        }
    }
    let hold_ms = match window {
        Some(WindowConfig::Cut(specs)) => specs.hold_ms(),
        _ => i64::MAX,
    };
    let plan = AggregatePlan::new(aggregates?, downsample.unwrap_or(Some(None))?);
    Some(plan.with_sketch(sketch).with_hold(hold_ms))
}

fn read_downsample(mut table: Table<'_>) -> Option<Option<Downsample>> {
    let choice = table.choice("type", &[("lttb", Choice::Lttb), ("minmax", Choice::MinMax)]);
    if choice.is_none() {
        table.missing("type", "add `type = \"lttb\"`");
    }
    table.note("points", "how many readings a window keeps for a chart");
    let points = table.integer("points", 2..=i64::from(Downsample::POINTS_MAX));
    if points.is_none() {
        table.missing("points", "add `points = 20`");
    }
    table.finish();
    let points = u16::try_from(points?.value).ok()?;
    Some(Some(Downsample { choice: choice?.value, points }))
}

fn read_aggregates(stream: &mut Table<'_>) -> Option<Vec<(String, Aggregate)>> {
    let Some(names) = stream.strings("aggregates") else {
        let defaults = AGGREGATES_DEFAULT
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), Aggregate::parse(name).ok()?)));
        return Some(defaults.collect());
    };
    if names.value.is_empty() {
        stream.refuse(names.span, "`aggregates` is empty", "name at least one, e.g. \"mean\"");
        return None;
    }
    let mut aggregates: Vec<(String, Aggregate)> = Vec::new();
    for name in names.value {
        if aggregates.iter().any(|(known, _)| *known == name.value) {
            stream.warn(name.span, format!("`{}` stands here twice", name.value), "once is enough");
            continue;
        }
        match Aggregate::parse(&name.value) {
            Ok(aggregate) => aggregates.push((name.value, aggregate)),
            Err(what) => stream.refuse(name.span, what, way_out(&name.value)),
        }
    }
    Some(aggregates)
}

/// What other programs call aggregates, and what they are called here.
const ELSEWHERE: [(&str, &str); 8] = [
    ("avg", "mean"),
    ("average", "mean"),
    ("median", "p50"),
    ("std", "stddev"),
    ("var", "variance"),
    ("total", "sum"),
    ("spread", "range"),
    ("derivative", "slope"),
];

/// The suggestion for an unknown name.
fn way_out(name: &str) -> String {
    let names = || AGGREGATES.iter().map(|(name, _)| *name);
    if name.strip_prefix('p').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '-')) {
        return "a percentile is p0 to p100, e.g. \"p95\" or \"p99.9\"".to_owned();
    }
    let elsewhere = ELSEWHERE.iter().find(|(word, _)| word.eq_ignore_ascii_case(name));
    elsewhere.map(|(_, ours)| *ours).or_else(|| nearest(name, names())).map_or_else(
        || format!("known: {}, and any percentile pNN", names().collect::<Vec<_>>().join(", ")),
        |word| format!("did you mean `{word}`?"),
    )
}

#[cfg(test)]
mod tests {
    use crate::config::parsed;

    #[test]
    fn an_aggregate_of_another_program_is_known_by_its_name_there() {
        for (theirs, ours) in [("avg", "mean"), ("Median", "p50"), ("meen", "mean"), ("std", "stddev")] {
            let (_, mistakes) = parsed(&format!("[streams.a]\naggregates = [\"{theirs}\"]\n"));
            assert!(mistakes.contains(&format!("did you mean `{ours}`?")), "{theirs}: {mistakes}");
        }
    }
}
