//! How old summaries become coarser ones when the buffer is full: 1 m to 5 m to 1 h to 1 d.
//!
//! A stored summary carries, beside its map, the accumulators that it was made of, so that a merged one says exactly what
//! a window over all its readings would have said (percentiles within the sketch's bound; points are chosen among those of
//! the finer windows). Alerts, readings and reports
//! are left as they are. A coarser window is made only of what lies whole in the messages at hand: one that goes on
//! behind their end waits for the next time, so that no two different summaries ever have the same id.

use crate::encode::{Messages, Route, Summary, Wire, read};
use crate::plan::{Pane, Plan};
use headwater_forwarder::{Message, Thin};
use headwater_kernel::series::Pane as _;
use headwater_kernel::state::{Corrupt, STATE_VERSION, State, Stored};
use std::collections::BTreeMap;

/// The lengths that windows are merged into, one after another (ms).
const LADDER_MS: [i64; 3] = [5 * 60_000, 3_600_000, 86_400_000];

/// What a stored summary carries beside its map.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Start of its window [ms since the Unix epoch].
    pub start_ms: i64,
    /// End of its window [ms since the Unix epoch].
    pub end_ms: i64,
    /// Its revision: a later one takes the place of an earlier one.
    pub rev: u32,
    /// What it was made of.
    pub pane: Pane,
}

/// Merges the summaries of an agent.
#[derive(Debug)]
pub struct Thinner {
    agent: String,
    plans: BTreeMap<String, Plan>,
}

/// A coarser window being put together.
struct Group {
    /// Windows by start and end, so that a revision takes the place of what it revises.
    windows: BTreeMap<(i64, i64), (u32, Pane)>,
    /// Where its last message stands among those at hand.
    last: usize,
    messages: usize,
}

/// Stream, series and start of a coarser window, and its length (ms).
type Key<'m> = (&'m str, &'m str, i64, i64);

impl Thinner {
    /// Of an agent and the plans of its streams.
    #[must_use]
    pub fn new(agent: &str, plans: impl IntoIterator<Item = (String, Plan)>) -> Self {
        Self { agent: agent.to_owned(), plans: plans.into_iter().collect() }
    }

    fn merged(&self, key: &Key<'_>, group: &Group, newest: &Message) -> Option<Message> {
        let (stream, series, start_ms, length_ms) = *key;
        let plan = self.plans.get(stream)?;
        let mut panes = group.windows.values().map(|(_, pane)| pane);
        let mut pane = panes.next()?.clone();
        panes.for_each(|later| pane.merge(later));
        let labels = labels_of(&newest.body);
        let summary = Summary {
            agent: &self.agent,
            stream,
            series,
            labels: &labels,
            start_ms,
            end_ms: start_ms + length_ms,
            rev: 0,
            number: None,
            plan,
            pane: &pane,
        };
        Some(Messages::default().message(&summary, newest.made_ms))
    }
}

impl Thin for Thinner {
    fn merge(&self, older: &[Message]) -> Option<Vec<Message>> {
        let (mut groups, places) = group(older, |stream| self.plans.contains_key(stream));
        groups.retain(|_, group| group.messages > 1);
        let mut results: BTreeMap<usize, Message> = BTreeMap::new();
        groups.retain(|key, group| {
            let merged = older.get(group.last).and_then(|newest| self.merged(key, group, newest));
            merged.is_some_and(|message| results.insert(group.last, message).is_none())
        });
        if groups.is_empty() {
            return None;
        }
        let is_merged = |at: &usize| places.get(at).is_some_and(|key| groups.contains_key(key));
        let kept = older.iter().enumerate().filter_map(|(at, message)| match results.remove(&at) {
            Some(merged) => Some(merged),
            None if is_merged(&at) => None,
            None => Some(message.clone()),
        });
        Some(kept.collect())
    }
}

/// The coarser windows that lie whole in these messages, and which message belongs to which.
fn group<'m>(
    older: &'m [Message],
    knows: impl Fn(&str) -> bool,
) -> (BTreeMap<Key<'m>, Group>, BTreeMap<usize, Key<'m>>) {
    let mut groups: BTreeMap<Key<'m>, Group> = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut reached: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for (at, message) in older.iter().enumerate() {
        let Some((route, parts)) =
            Route::from_bytes(&message.route).and_then(|route| Some((route, parts_of(route)?)))
        else {
            continue;
        };
        if !knows(route.stream) {
            continue;
        }
        let newest = reached.entry((route.stream, route.series)).or_insert(i64::MIN);
        *newest = (*newest).max(parts.end_ms);
        let Some((start_ms, length_ms)) = coarser(&parts) else { continue };
        let key = (route.stream, route.series, start_ms, length_ms);
        let group = groups.entry(key).or_insert(Group { windows: BTreeMap::new(), last: at, messages: 0 });
        (group.last, group.messages) = (at, group.messages + 1);
        let known = group
            .windows
            .entry((parts.start_ms, parts.end_ms))
            .or_insert_with(|| (parts.rev, parts.pane.clone()));
        if parts.rev > known.0 {
            *known = (parts.rev, parts.pane);
        }
        places.insert(at, key);
    }
    groups.retain(|(stream, series, start_ms, length_ms), _| {
        reached.get(&(*stream, *series)).is_some_and(|end| *end >= start_ms + length_ms)
    });
    (groups, places)
}

fn parts_of(route: Route<'_>) -> Option<Parts> {
    Parts::load(&mut Stored::new(route.parts)).ok()
}

/// Start and length of the next coarser window that a window lies in.
fn coarser(parts: &Parts) -> Option<(i64, i64)> {
    let own = parts.end_ms.checked_sub(parts.start_ms)?;
    let length_ms = LADDER_MS.into_iter().find(|length| *length > own)?;
    let start_ms = parts.start_ms.checked_sub(parts.start_ms.rem_euclid(length_ms))?;
    (parts.end_ms <= start_ms.checked_add(length_ms)?).then_some((start_ms, length_ms))
}

fn labels_of(body: &[u8]) -> Vec<(String, String)> {
    let Ok(Wire::Map(entries)) = read(body) else { return Vec::new() };
    let Some((_, Wire::Map(labels))) = entries.into_iter().find(|(key, _)| key == "labels") else {
        return Vec::new();
    };
    let text = |value: Wire| if let Wire::Text(text) = value { text } else { String::new() };
    labels.into_iter().map(|(key, value)| (key, text(value))).collect()
}

impl State for Parts {
    fn save(&self, to: &mut (impl headwater_kernel::state::Sink + ?Sized)) {
        save_parts(self.start_ms, self.end_ms, self.rev, &self.pane, to);
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        // Stored by another version, it stays as it is.
        if u32::load(from)? != STATE_VERSION {
            return Err(Corrupt);
        }
        Ok(Self {
            start_ms: State::load(from)?,
            end_ms: State::load(from)?,
            rev: State::load(from)?,
            pane: State::load(from)?,
        })
    }
}

/// As [`Parts::save`], without a copy of the pane.
pub(crate) fn save_parts(
    start_ms: i64,
    end_ms: i64,
    rev: u32,
    pane: &Pane,
    to: &mut (impl headwater_kernel::state::Sink + ?Sized),
) {
    STATE_VERSION.save(to);
    start_ms.save(to);
    end_ms.save(to);
    rev.save(to);
    pane.save(to);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Aggregate;

    const START: i64 = 1_700_000_100_000; // A multiple of five minutes.

    fn plan() -> Plan {
        let names = ["count", "sum", "min", "max", "mean", "stddev", "first", "last", "p95", "rate", "slope"];
        Plan::new(
            names.iter().map(|name| ((*name).to_owned(), Aggregate::parse(name).unwrap())).collect(),
            None,
        )
    }

    fn value(step: i64) -> f64 {
        ((step * 7_919) % 1_000) as f64 / 7.0
    }

    /// One window's pane over readings of one a second.
    fn pane(start_ms: i64, length_ms: i64) -> Pane {
        use headwater_kernel::time::Time;
        let mut pane = plan().pane();
        for step in 0..length_ms / 1_000 {
            pane.push(Time(start_ms + step * 1_000), value((start_ms - START) / 1_000 + step));
        }
        pane
    }

    fn message(start_ms: i64, length_ms: i64, rev: u32, pane: &Pane) -> Message {
        let labels = [("zone".to_owned(), "bed1".to_owned())];
        let (agent, stream, series) = ("a", "s", "t");
        let plan = plan();
        let end_ms = start_ms + length_ms;
        let summary = Summary {
            agent,
            stream,
            series,
            labels: &labels,
            start_ms,
            end_ms,
            rev,
            number: None,
            plan: &plan,
            pane,
        };
        Messages::default().message(&summary, end_ms)
    }

    fn thinner() -> Thinner {
        Thinner::new("a", [("s".to_owned(), plan())])
    }

    #[test]
    fn a_merged_summary_says_what_one_window_over_all_readings_says() {
        let minute = 60_000;
        let minutes: Vec<Message> = (0..65)
            .map(|n| message(START + n * minute, minute, 0, &pane(START + n * minute, minute)))
            .collect();
        let fives = thinner().merge(&minutes).unwrap();
        assert_eq!(fives.len(), 13, "65 minutes are 13 times five");
        let hours = thinner().merge(&fives).unwrap();
        let (start, length) = (START + 15 * minute, 5 * minute);
        check(&fives[3], &message(start, length, 0, &pane(start, length)));
        // The hour's start lies before the first of these, its end within.
        let hour = hours
            .iter()
            .find(|message| read(&message.body).unwrap().text("id").ends_with("+3600000"))
            .unwrap();
        let count = read(&hour.body).unwrap().number("count").unwrap();
        assert!(count > 300.0 && hours.len() < fives.len());
    }

    fn check(merged: &Message, whole: &Message) {
        let (merged, whole) = (read(&merged.body).unwrap(), read(&whole.body).unwrap());
        for key in [
            "id", "agent", "stream", "series", "labels", "start", "end", "count", "min", "max", "first",
            "last", "p95",
        ] {
            assert_eq!(merged.get(key), whole.get(key), "{key}");
        }
        for key in ["sum", "mean", "stddev", "rate", "slope"] {
            let (a, b) = (merged.number(key).unwrap(), whole.number(key).unwrap());
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{key}: {a} and {b}");
        }
    }

    #[test]
    fn a_revision_takes_the_place_of_what_it_revises() {
        let minute = 60_000;
        let mut messages: Vec<Message> = (0..7)
            .map(|n| message(START + n * minute, minute, 0, &pane(START + n * minute, minute)))
            .collect();
        messages.push(message(START, minute, 1, &pane(START, minute)));
        let merged = thinner().merge(&messages).unwrap();
        check(
            merged.iter().find(|m| read(&m.body).unwrap().text("id").ends_with("+300000")).unwrap(),
            &message(START, 5 * minute, 0, &pane(START, 5 * minute)),
        );
        assert_eq!(merged.len(), 3, "five minutes, and two that wait for their others");
    }

    #[test]
    fn what_cannot_be_merged_stays_and_rubbish_does_no_harm() {
        let minute = 60_000;
        let lone = message(START, minute, 0, &pane(START, minute));
        assert_eq!(thinner().merge(std::slice::from_ref(&lone)), None);
        for cut in 0..lone.route.len() {
            let broken = Message { route: lone.route.slice(..cut), ..lone.clone() };
            assert_eq!(thinner().merge(&[broken.clone(), broken]), None);
        }
        let day = message(START, 86_400_000, 0, &pane(START, minute));
        assert_eq!(thinner().merge(&[day.clone(), day]), None);
    }
}
