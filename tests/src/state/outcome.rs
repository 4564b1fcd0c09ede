//! What an agent has said, without what differs from run to run.

use super::{Case, End};
use crate::Messages;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Every message with an identity, by kind, id, state and revision; and the account at the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome(BTreeMap<String, Map<String, Value>>);

/// What is told alike by every run that goes on with the same state.
const KINDS: [&str; 5] = ["summary", "reading", "alert", "evidence", "prediction"];

/// The counts of readings that do not depend on when the reports were made.
const COUNTS: [&str; 7] = ["received", "summarised", "late", "filtered", "invalid", "refused", "repeated"];

/// Keys that say when a run was, where readings are stamped on arrival.
const OF_ARRIVAL: [&str; 3] = ["id", "start", "end"];

/// What has another meaning than in an earlier version.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changed {
    /// Keys of summaries.
    numbers: &'static [&'static str],
    /// Keys of summaries of pairs.
    pairs: &'static [&'static str],
    /// Detectors that raise other alerts.
    detectors: &'static [&'static str],
    /// Whether revisions rise: after a crash the state is gone on with in another boot, or a detector learns anew.
    raises: bool,
}

/// Since version 0.1.0 totals begin at the last reading before the window, percentiles have nearest rank, the first readings
/// of two series are a pair, `rate` judges the change over all of `per`, and `auto` has other views.
const SINCE_0_1_0: Changed = Changed {
    numbers: &[
        "delta",
        "increase",
        "rate",
        "integral",
        "time_weighted_mean",
        "time_on",
        "time_off",
        "p90",
        "sketch",
    ],
    pairs: &["count", "covariance", "correlation"],
    detectors: &["auto", "rate"],
    raises: false,
};

/// Since the states of before 0.2.0 `auto` judges in other ways, and learns anew.
const SINCE_0_2_0_3: Changed = Changed { numbers: &[], pairs: &[], detectors: &["auto"], raises: false };

impl Changed {
    /// Since a version, by the name of its folder.
    #[must_use]
    pub fn since(version: &str, case: &Case) -> Self {
        let changed = match version {
            "0.1.0" => SINCE_0_1_0,
            "0.2.0-1" | "0.2.0-2" | "0.2.0-3" => SINCE_0_2_0_3,
            _ => Self::default(),
        };
        Self { raises: case.end != End::Stopped, ..changed }
    }
}

/// Keys that say nothing that the others do not.
const PLAIN: [&str; 3] = ["v", "agent", "kind"];

/// The key of a text that people read.
const FOR_PEOPLE: &str = "reason";

impl Outcome {
    /// Of all that a subscriber got.
    ///
    /// # Panics
    /// When a report or a repeat does not hold what it must.
    #[must_use]
    #[track_caller]
    pub fn of(messages: &Messages) -> Self {
        let mut all = BTreeMap::from([account(messages)]);
        for message in messages.iter().filter(|message| KINDS.contains(&message.text("kind"))) {
            let mut map = message.map.as_object().cloned().unwrap_or_default();
            let is_arrival = message.text("series").starts_with("arrivals/");
            map.retain(|key, _| !PLAIN.contains(&key.as_str()));
            map.retain(|key, _| !is_arrival || !OF_ARRIVAL.contains(&key.as_str()));
            let id = if is_arrival { message.text("series") } else { message.text("id") };
            let rev = message.map.get("rev").cloned().unwrap_or_default();
            all.insert(format!("{} {id} {} {rev}", message.text("kind"), message.text("state")), map);
        }
        Self(all)
    }

    /// Of what the windows of some series hold together, where they were merged: some of those before `merged_before_ms`
    /// must have been.
    ///
    /// # Panics
    /// When none was, or windows overlap, or a report does not hold what it must.
    #[must_use]
    #[track_caller]
    pub fn of_sums(messages: &Messages, series: [&str; 2], merged_before_ms: i64) -> Self {
        let mut all = BTreeMap::from([account(messages)]);
        for series in series {
            let summaries = messages.summaries("minutes", series);
            let number =
                |key: &str| summaries.values().map(|summary| summary.number(key)).collect::<Vec<_>>();
            let ends = summaries.values().map(|summary| summary.integer("end"));
            assert!(
                ends.zip(summaries.keys().skip(1)).all(|(end, next)| end <= *next),
                "{series}: windows overlap"
            );
            let is_merged =
                |summary: &&&crate::Message| summary.integer("end") - summary.integer("start") > 60_000;
            let merged =
                summaries.range(..merged_before_ms).filter(|(_, summary)| is_merged(summary)).count();
            assert!(merged > 0, "{series}: nothing of what was buffered before is merged");
            let sums = [("count", number("count").iter().sum::<f64>()), ("sum", number("sum").iter().sum())];
            let ends = [
                ("min", number("min").into_iter().fold(f64::MAX, f64::min)),
                ("max", number("max").into_iter().fold(f64::MIN, f64::max)),
            ];
            let held = sums.into_iter().chain(ends).map(|(key, number)| (key.to_owned(), number.into()));
            all.insert(format!("windows {series}"), held.collect());
        }
        Self(all)
    }

    /// How many messages it has of a kind.
    #[must_use]
    pub fn count(&self, kind: &str) -> usize {
        self.0.keys().filter(|key| key.starts_with(kind)).count()
    }

    /// A line for each message, and one for the account.
    #[must_use]
    pub fn lines(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (key, map)| {
            let _ = writeln!(text, "{}", Value::from(vec![key.as_str().into(), Value::Object(map.clone())]));
            text
        })
    }

    /// Reads what [`Outcome::lines`] wrote.
    ///
    /// # Panics
    /// When it was not that.
    #[must_use]
    pub fn read(lines: &str) -> Self {
        let line = |line: &str| {
            serde_json::from_str::<(String, Map<String, Value>)>(line).expect("a line of an outcome")
        };
        Self(lines.lines().map(line).collect())
    }

    /// The last revision of each message, without its number.
    fn last_revisions(&self) -> Self {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(|(_, map)| map.get("rev").and_then(Value::as_i64));
        let unnumbered = |(key, map): (&String, &Map<String, Value>)| {
            let mut map = map.clone();
            let rev = map.remove("rev").map_or_else(String::new, |rev| format!(" {rev}"));
            (key.strip_suffix(&rev).unwrap_or(key).to_owned(), map)
        };
        Self(all.into_iter().map(unnumbered).collect())
    }

    /// Checks that all of it is in `later` too, and no other message. A later version may say more of each, and something
    /// else of what has changed, and what people read in other words.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn check_later(&self, later: &Self, changed: Changed) {
        if changed.raises {
            let (then, now) = (self.last_revisions(), later.last_revisions());
            return then.check_later(&now, Changed { raises: false, ..changed });
        }
        let mut wrong = String::new();
        let is_meant =
            |key: &&String| !changed.detectors.iter().any(|name| key.contains(&format!("/{name}@")));
        for key in later.0.keys().filter(is_meant).filter(|key| !self.0.contains_key(*key)) {
            let _ = writeln!(wrong, "not said before: {key}");
        }
        for (key, map) in self.0.iter().filter(|(key, _)| is_meant(key)) {
            let Some(now) = later.0.get(key) else {
                let _ = writeln!(wrong, "not said any more: {key}");
                continue;
            };
            let otherwise = if map.contains_key("a") { changed.pairs } else { changed.numbers };
            let meant =
                map.iter().filter(|(name, _)| *name != FOR_PEOPLE && !otherwise.contains(&name.as_str()));
            for (name, value) in meant.filter(|(name, value)| !is_same(value, now.get(*name))) {
                let _ = writeln!(wrong, "{key}: {name} was {value} and is {:?}", now.get(name));
            }
        }
        let shown: String = wrong.lines().take(20).map(|line| format!("{line}\n")).collect();
        assert!(wrong.is_empty(), "{} differences:\n{shown}", wrong.lines().count());
    }
}

/// The account at the end.
#[track_caller]
fn account(messages: &Messages) -> (String, Map<String, Value>) {
    messages.check_repeats();
    messages.check_accounts();
    let stop = messages.of("report").filter(|report| report.text("cause") == "stop").last();
    let total = stop.map(|report| &report.map["total"]).expect("the report of the stop");
    ("account".to_owned(), COUNTS.iter().map(|key| ((*key).to_owned(), total[*key].clone())).collect())
}

/// Equal but for the rounding of sums.
fn is_same(then: &Value, now: Option<&Value>) -> bool {
    match (then.as_f64(), now.and_then(Value::as_f64)) {
        (Some(then), Some(now)) => (then - now).abs() <= 1e-9 * then.abs().max(1e-9),
        _ => now == Some(then),
    }
}
