//! Rolls old summaries up into coarser ones when the buffer is full: 1 m to 5 m to 1 h to 1 d.
//!
//! A stored summary carries its accumulators, so that a merged one says exactly what a window over all its readings
//! would have said (percentiles within the sketch's bound; points are selected among those of the finer windows).
//! Alerts, readings and reports are left alone. A coarser window needs all of its finer windows among the given
//! messages, of any length that fits into it. If it reaches beyond the first or the last message, it waits until more
//! messages are given together. So no window is made of a part of its readings, and no two different summaries ever
//! have the same id. Summaries are merged with others of the same clock, by its own times.

use crate::{Mergeable, Messages, mergeable, read_event};
use headwater_forwarder::{Compactor, Message};
use headwater_kernel::series::Pane as _;
use headwater_pipeline::config::Thinned;
use headwater_pipeline::event::{ClockMark, Event, Summary, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The lengths of coarser windows, in order (ms).
const LADDER_MS: [i64; 3] = [5 * 60_000, 3_600_000, 86_400_000];

/// Merges the summaries of an agent.
#[derive(Debug)]
pub struct Thinner {
    streams: Mutex<Arc<ThinnedStreams>>,
}

type ThinnedStreams = BTreeMap<String, Thinned>;

/// The common properties of merged summaries: stream, series and clock.
type Key<'m> = (&'m str, &'m str, ClockMark);

/// Start and end (ms), and the number of a count window, since two may have the same interval.
type Interval = (i64, i64, Option<u64>);

/// A stored summary among the given messages.
struct Piece<'m> {
    at: usize,
    window: Mergeable<'m>,
}

/// A coarser window that the given messages cover.
struct Group<'m> {
    start_ms: i64,
    length_ms: i64,
    /// The revision of each finer window that counts, in order.
    windows: BTreeMap<Interval, &'m Mergeable<'m>>,
    /// The places of its messages, in order.
    places: Vec<usize>,
}

impl Thinner {
    /// The roll-up for an agent with these streams.
    #[must_use]
    pub fn new(streams: impl IntoIterator<Item = (String, Thinned)>) -> Self {
        Self { streams: Mutex::new(Arc::new(streams.into_iter().collect())) }
    }

    /// From now on the agent has these streams.
    pub fn change(&self, streams: impl IntoIterator<Item = (String, Thinned)>) {
        *self.streams.lock().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(streams.into_iter().collect());
    }

    fn merged(
        streams: &ThinnedStreams,
        (stream, _, clock): &Key<'_>,
        group: &Group<'_>,
        newest: &Message,
    ) -> Option<Message> {
        let plan = &streams.get(*stream)?.plan;
        let mut panes = group.windows.values().map(|window| &window.pane);
        let mut pane = panes.next()?.clone();
        plan.adopt(&mut pane);
        panes.for_each(|later| pane.merge(later));
        let Event::Summary(finer) = read_event(&newest.body).ok()? else { return None };
        let start = Timestamp { ms: group.start_ms, clock: clock.clone() };
        let end_ms = group.start_ms + group.length_ms;
        let mut summary = Summary::new(finer.about, (start, end_ms), plan, &pane);
        summary.is_partial = group.windows.values().any(|window| window.is_partial);
        summary.pane = Some(Box::new(plan.mergeable(pane)));
        Some(Messages::default().message(&Event::Summary(Box::new(summary)), newest.made_ms))
    }
}

impl Compactor for Thinner {
    fn merge(&self, older: &[Message]) -> Option<Vec<Message>> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut results: BTreeMap<usize, Message> = BTreeMap::new();
        let mut gone = BTreeSet::new();
        for (key, pieces) in pieces(older, |stream| streams.contains_key(stream)) {
            let overlap = streams.get(key.0).is_some_and(|stream| stream.overlap);
            for group in groups(&pieces, overlap) {
                let newest = group.places.last().and_then(|at| Some((*at, older.get(*at)?)));
                debug_assert!(newest.is_some(), "a group is made of messages that are here");
                let Some((last, newest)) = newest else { continue };
                if let Some(message) = Self::merged(&streams, &key, &group, newest) {
                    results.insert(last, message);
                    gone.extend(group.places);
                }
            }
        }
        if results.is_empty() {
            return None;
        }
        let kept = older.iter().enumerate().filter_map(|(at, message)| match results.remove(&at) {
            Some(merged) => Some(merged),
            None if gone.contains(&at) => None,
            None => Some(message.clone()),
        });
        Some(kept.collect())
    }
}

/// The summaries among the messages by their common properties, in order.
fn pieces(older: &[Message], knows: impl Fn(&str) -> bool) -> BTreeMap<Key<'_>, Vec<Piece<'_>>> {
    let mut pieces: BTreeMap<Key<'_>, Vec<Piece<'_>>> = BTreeMap::new();
    for (at, message) in older.iter().enumerate() {
        if let Some(window) = mergeable(&message.body).filter(|window| knows(window.stream)) {
            let key = (window.stream, window.series, window.start.clock.clone());
            pieces.entry(key).or_default().push(Piece { at, window });
        }
    }
    pieces
}

/// The coarser windows of a series that the messages cover: of a length above that of most of its windows.
fn groups<'m>(pieces: &'m [Piece<'m>], overlap: bool) -> Vec<Group<'m>> {
    let mut lengths: Vec<i64> = pieces.iter().filter_map(|piece| piece.window.length_ms()).collect();
    lengths.sort_unstable();
    let usual = lengths.get(lengths.len() / 2);
    let length_ms = usual.and_then(|usual| LADDER_MS.into_iter().find(|length| length > usual));
    let (Some(first), Some(length_ms)) = (pieces.first(), length_ms) else { return Vec::new() };
    let reached = pieces.iter().map(|piece| piece.window.end_ms).max().unwrap_or(i64::MIN);
    let mut groups: BTreeMap<i64, Group<'_>> = BTreeMap::new();
    for Piece { at, window } in pieces {
        let Some(start_ms) = window.start_within(length_ms) else { continue };
        // A window that begins before the first of these messages has parts elsewhere, perhaps already sent. A window
        // that ends after the last one has parts that are still to come.
        if start_ms < first.window.start.ms || start_ms + length_ms > reached {
            continue;
        }
        let group = groups.entry(start_ms).or_insert_with(|| Group {
            start_ms,
            length_ms,
            windows: BTreeMap::new(),
            places: Vec::new(),
        });
        group.places.push(*at);
        let known = group.windows.entry(window.interval()).or_insert(window);
        if window.replaces(known) {
            *known = window;
        }
    }
    // A revision without its original is left alone: the original may have been merged already.
    let original = |interval: &Interval| {
        let own = |piece: &&Piece<'_>| piece.window.interval() == *interval;
        pieces.iter().filter(own).any(|piece| piece.window.rev == 0)
    };
    // Sessions that late readings have changed are left alone, because one may have taken the readings of another.
    let changed = pieces.iter().filter(|piece| piece.window.has_changed).map(|piece| piece.window.start.ms);
    let changed: BTreeSet<i64> = changed.collect();
    let whole = |group: &Group<'_>| {
        let is_whole = |(interval, window): (&Interval, &&Mergeable<'_>)| {
            !changed.contains(&interval.0) && (window.rev == 0 || original(interval))
        };
        group.windows.iter().all(is_whole)
    };
    groups.into_values().filter_map(|group| group.disjoint(overlap)).filter(whole).collect()
}

impl Group<'_> {
    /// Makes sure that each reading is in one window; `None`: that is impossible, or nothing is gained.
    fn disjoint(mut self, overlap: bool) -> Option<Self> {
        if overlap {
            self.windows.retain(|(start, end, _), _| {
                let length = end.saturating_sub(*start);
                length > 0 && start.rem_euclid(length) == 0 && self.length_ms % length == 0
            });
        }
        let ends = self.windows.keys().map(|(_, end, _)| *end);
        let starts = self.windows.keys().skip(1).map(|(start, ..)| *start);
        let disjoint = ends.zip(starts).all(|(end, next)| end <= next);
        (disjoint && !self.windows.is_empty() && self.places.len() > 1).then_some(self)
    }
}

impl Mergeable<'_> {
    /// Whether it takes the place of another revision: a later one does, unless it lacks readings that the other has.
    fn replaces(&self, other: &Self) -> bool {
        let lacks = self.is_partial && self.pane.readings() < other.pane.readings();
        self.rev > other.rev && !lacks
    }

    fn interval(&self) -> Interval {
        (self.start.ms, self.end_ms, self.number)
    }

    fn length_ms(&self) -> Option<i64> {
        self.end_ms.checked_sub(self.start.ms)
    }

    /// The start of the window of `length_ms` that contains this one and is longer.
    fn start_within(&self, length_ms: i64) -> Option<i64> {
        let start_ms = self.start.ms.checked_sub(self.start.ms.rem_euclid(length_ms))?;
        let fits = self.end_ms <= start_ms.checked_add(length_ms)?;
        (fits && self.length_ms()? < length_ms).then_some(start_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Encoding, Unplaced, Wire, read};
    use headwater_pipeline::event::{BootId, Subject};
    use headwater_pipeline::plan::AggregatePlan;
    use headwater_pipeline::plan::{Accumulators, Aggregate};

    const START: i64 = 1_700_000_100_000; // A multiple of five minutes.

    fn plan() -> AggregatePlan {
        let names = ["count", "sum", "min", "max", "mean", "stddev", "first", "last", "p95", "rate", "slope"];
        AggregatePlan::new(
            names.iter().map(|name| ((*name).to_owned(), Aggregate::parse(name).unwrap())).collect(),
            None,
        )
    }

    fn value(step: i64) -> f64 {
        ((step * 7_919) % 1_000) as f64 / 7.0
    }

    /// One window's pane over readings of one a second.
    fn pane(start_ms: i64, length_ms: i64) -> Accumulators {
        use headwater_kernel::time::Time;
        let mut pane = plan().pane();
        for step in 0..length_ms / 1_000 {
            pane.push(Time(start_ms + step * 1_000), value((start_ms - START) / 1_000 + step));
        }
        pane
    }

    fn message(start_ms: i64, length_ms: i64, rev: u32, pane: &Accumulators) -> Message {
        message_of(ClockMark::True, (start_ms, length_ms), rev, pane)
    }

    fn message_of(
        clock: ClockMark,
        (start_ms, length_ms): (i64, i64),
        rev: u32,
        pane: &Accumulators,
    ) -> Message {
        let about = Subject {
            agent: "a".into(),
            stream: "s".into(),
            series: "t".into(),
            labels: [("zone".to_owned(), "bed1".to_owned())].into(),
        };
        let (plan, start, end_ms) = (plan(), Timestamp { ms: start_ms, clock }, start_ms + length_ms);
        let summary = Summary {
            rev,
            pane: Some(Box::new(plan.mergeable(pane.clone()))),
            ..Summary::new(about, (start, end_ms), &plan, pane)
        };
        Messages::default().message(&Event::Summary(Box::new(summary)), end_ms)
    }

    /// The message as it goes out.
    fn wire(message: &Message) -> Wire {
        let mut bytes = Vec::new();
        Encoding::Cbor.encode(&read_event(&message.body).unwrap(), &Unplaced, &mut bytes).unwrap();
        read(&bytes).unwrap()
    }

    fn thinner() -> Thinner {
        thinner_of(false)
    }

    fn thinner_of(overlap: bool) -> Thinner {
        Thinner::new([("s".to_owned(), Thinned { plan: plan(), overlap })])
    }

    #[test]
    fn a_merged_summary_says_what_one_window_over_all_readings_says() {
        let minute = 60_000;
        let minutes: Vec<Message> = (0..65)
            .map(|n| message(START + n * minute, minute, 0, &pane(START + n * minute, minute)))
            .collect();
        let fives = thinner().merge(&minutes).unwrap();
        assert_eq!(fives.len(), 13, "65 minutes are 13 times five");
        let (start, length) = (START + 15 * minute, 5 * minute);
        check(&fives[3], &message(start, length, 0, &pane(start, length)));
        assert_eq!(thinner().merge(&fives), None, "the hour begins before the first of these");
    }

    /// Boots that begin at the same wrong time overlap; what they say is not of one time for that.
    #[test]
    fn boots_without_the_time_are_merged_each_by_itself() {
        let minute = 60_000;
        let boot_message = |boot: &str, start: i64, length: i64| {
            let clock = ClockMark::Boot(BootId::from(boot));
            message_of(clock, (start, length), 0, &pane(start, length))
        };
        let of_boot = |boot: &'static str, minutes: i64| {
            (0..minutes).map(move |n| boot_message(boot, n * minute, minute))
        };
        let held: Vec<Message> = of_boot("boot-one", 12).chain(of_boot("boot-two", 7)).collect();
        let merged = thinner().merge(&held).unwrap();
        let expected = |boot: &str, n: i64, minutes: i64| boot_message(boot, n * minute, minutes * minute);
        let told = [
            ("boot-one", 0, 5),
            ("boot-one", 5, 5),
            ("boot-one", 10, 1),
            ("boot-one", 11, 1),
            ("boot-two", 0, 5),
            ("boot-two", 5, 1),
            ("boot-two", 6, 1),
        ];
        assert_eq!(merged.len(), told.len());
        for (merged, (boot, n, minutes)) in merged.iter().zip(told) {
            check(merged, &expected(boot, n, minutes));
            assert_eq!((merged.lane, wire(merged).text("boot")), (headwater_forwarder::Lane::HeldData, boot));
        }
    }

    /// Wherever the messages are cut into what is looked at together: every summary that comes of it says what one window
    /// over its readings says, each moment is in one of them, and none is made of a part of its readings.
    #[test]
    fn cuts_between_the_messages_do_not_show() {
        let (minute, hour) = (60_000, 3_600_000);
        let start = START - START.rem_euclid(hour) + 13 * minute;
        let minutes: Vec<Message> = (0..260)
            .map(|n| message(start + n * minute, minute, 0, &pane(start + n * minute, minute)))
            .collect();
        for cut in 1..minutes.len() {
            let (one, two) = minutes.split_at(cut);
            let thin = |messages: &[Message]| thinner().merge(messages).unwrap_or(messages.to_vec());
            let mut both = thin(one);
            both.extend(thin(two));
            let hours = thin(&both);
            let mut covered = start;
            for summary in &hours {
                let map = wire(summary);
                let (from, to) = (map.number("start").unwrap() as i64, map.number("end").unwrap() as i64);
                assert_eq!(from, covered, "cut at {cut}");
                check(summary, &message(from, to - from, 0, &pane(from, to - from)));
                covered = to;
            }
            assert_eq!(covered, start + 260 * minute);
            assert!(hours.len() < 50, "{} of 260 are left", hours.len());
        }
    }

    #[test]
    fn overlapping_windows_are_not_counted_twice() {
        let (minute, hour) = (60_000, 3_600_000);
        let start = START - START.rem_euclid(hour);
        let sliding: Vec<Message> = (0..130)
            .map(|n| message(start + n * minute, 5 * minute, 0, &pane(start + n * minute, 5 * minute)))
            .collect();
        assert_eq!(thinner().merge(&sliding), None, "only who knows that they overlap may merge them");
        let merged = thinner_of(true).merge(&sliding).unwrap();
        let hours = merged.iter().filter(|m| wire(m).text("id").ends_with("+3600000"));
        let hours: Vec<&Message> = hours.collect();
        assert_eq!(hours.len(), 2);
        check(hours[1], &message(start + hour, hour, 0, &pane(start + hour, hour)));
    }

    /// Their ids differ, and so do the times that they mean.
    #[test]
    fn windows_of_before_and_after_a_clock_was_set_back_do_not_merge() {
        let minute = 60_000;
        let minutes = |turned: ClockMark| {
            let of = |n: i64| {
                let (start, clock) =
                    (START + n * minute, if n < 2 { ClockMark::True } else { turned.clone() });
                message_of(clock, (start, minute), 0, &pane(start, minute))
            };
            (0..6).map(of).collect::<Vec<Message>>()
        };
        assert!(thinner().merge(&minutes(ClockMark::True)).is_some());
        assert_eq!(thinner().merge(&minutes(ClockMark::Turn(1))), None);
    }

    /// Neither is a revision of the other.
    #[test]
    fn two_count_windows_of_one_interval_both_stay() {
        let minute = 60_000;
        let numbered = |(n, number): (i64, u64)| {
            let start = START + n * minute;
            let whole = message(start, minute, 0, &pane(start, minute));
            let Ok(Event::Summary(summary)) = read_event(&whole.body) else { panic!("no summary") };
            let summary = Summary { number: Some(number), ..*summary };
            Messages::default().message(&Event::Summary(Box::new(summary)), whole.made_ms)
        };
        let apart: Vec<Message> = [(0, 0), (1, 1), (2, 2), (5, 3)].map(numbered).into();
        assert!(thinner().merge(&apart).is_some());
        let together: Vec<Message> = [(0, 0), (0, 1), (2, 2), (5, 3)].map(numbered).into();
        assert_eq!(thinner().merge(&together), None);
    }

    /// A window that was merged already is not made again from a late revision.
    #[test]
    fn a_revision_without_its_original_stays_as_it_is() {
        let minute = 60_000;
        let minutes = |rev| {
            let all = (0..7)
                .map(move |n| message(START + n * minute, minute, rev, &pane(START + n * minute, minute)));
            all.collect::<Vec<Message>>()
        };
        assert!(thinner().merge(&minutes(0)).is_some());
        assert_eq!(thinner().merge(&minutes(1)), None);
    }

    fn check(merged: &Message, whole: &Message) {
        let (merged, whole) = (wire(merged), wire(whole));
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
            merged.iter().find(|m| wire(m).text("id").ends_with("+300000")).unwrap(),
            &message(START, 5 * minute, 0, &pane(START, 5 * minute)),
        );
        assert_eq!(merged.len(), 3, "five minutes, and two that wait for their others");
    }

    /// A partial revision takes the place of what it revises only if it has no fewer readings.
    #[test]
    fn what_is_partial_takes_the_place_of_nothing_fuller() {
        let minute = 60_000;
        let partial = |length_ms: i64| {
            let of_part = message(START, minute, 9, &pane(START, length_ms));
            let Ok(Event::Summary(summary)) = read_event(&of_part.body) else { panic!("no summary") };
            let summary = Summary { is_partial: true, ..*summary };
            Messages::default().message(&Event::Summary(Box::new(summary)), of_part.made_ms)
        };
        let whole = message(START, 5 * minute, 0, &pane(START, 5 * minute));
        for (length_ms, is_taken) in [(minute / 2, false), (minute, true)] {
            let mut messages: Vec<Message> = (0..7)
                .map(|n| message(START + n * minute, minute, 0, &pane(START + n * minute, minute)))
                .collect();
            messages.push(partial(length_ms));
            let merged = thinner().merge(&messages).unwrap();
            let five = merged.iter().find(|m| wire(m).text("id").ends_with("+300000")).unwrap();
            check(five, &whole);
            assert_eq!(wire(five).get("partial"), is_taken.then_some(&Wire::Boolean(true)));
        }
    }

    #[test]
    fn what_cannot_be_merged_stays_and_rubbish_does_no_harm() {
        let minute = 60_000;
        let lone = message(START, minute, 0, &pane(START, minute));
        assert_eq!(thinner().merge(std::slice::from_ref(&lone)), None);
        for cut in 0..lone.body.len() {
            let broken = Message { body: lone.body.slice(..cut), ..lone.clone() };
            assert_eq!(thinner().merge(&[broken.clone(), broken]), None);
        }
        let day = message(START, 86_400_000, 0, &pane(START, minute));
        assert_eq!(thinner().merge(&[day.clone(), day]), None);
    }
}
