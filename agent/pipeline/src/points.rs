//! `downsample`: selects the readings of a window that a chart needs.
//!
//! A window keeps all its readings, up to `room`. Beyond it, time is divided into equal spans aligned to the epoch,
//! and each span keeps its smallest and its largest reading. The spans double whenever the room is full. So the kept
//! readings depend on the readings alone, not on their order or on how they were split among panes: disorder,
//! revisions, merging and restarts change nothing. When the window closes, the points are selected among the kept
//! readings.
//!
//! Source: S. Steinarsson, University of Iceland, 2013 (LTTB); J. Van Der Donckt et al., "MinMaxLTTB", IEEE VIS 2023
//! (LTTB among preselected extremes; four for each point look the same, we keep four to eight); the doubling is that
//! of UDDSketch, in time. Cost: a binary search per reading; 16 bytes for each kept reading.

use headwater_kernel::aggregate::{Ends, Stamped};
use headwater_kernel::decimate;
use headwater_kernel::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use headwater_kernel::time::Time;
use std::fmt;

/// How the points of a window are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Largest triangle, three buckets.
    Lttb,
    /// The smallest and the largest reading of every part.
    MinMax,
}

/// `downsample` of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Downsample {
    /// The algorithm.
    pub choice: Choice,
    /// The most points, from 2 to [`Downsample::POINTS_MAX`].
    pub points: u16,
}

impl Downsample {
    /// The upper bound of `points`: the message stays far below any broker's limit.
    pub const POINTS_MAX: u16 = 1_000;

    /// How many readings a window keeps to select from.
    #[must_use]
    pub fn room(&self) -> usize {
        (usize::from(self.points) * ROOM_PER_POINT).max(ROOM_MIN)
    }
}

impl fmt::Display for Downsample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let choice = match self.choice {
            Choice::Lttb => "lttb",
            Choice::MinMax => "minmax",
        };
        write!(f, "{} points by {choice}", self.points)
    }
}

/// Kept readings for each point.
const ROOM_PER_POINT: usize = 8;

/// The least room (readings).
const ROOM_MIN: usize = 64;

/// Time has only two spans at this level, before and after 1970.
const LEVEL_MAX: u8 = 63;

/// The kept readings of a window, sorted by time; readings of the same time in order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    room: u16,
    /// 0: all readings are kept; else the extremes of spans of `2^level` milliseconds.
    level: u8,
    readings: Vec<Stamped>,
}

impl Points {
    /// The points of an empty window.
    #[must_use]
    pub fn new(downsample: Downsample) -> Self {
        debug_assert!(downsample.room() < usize::from(u16::MAX), "`points` is bounded");
        let room = u16::try_from(downsample.room()).unwrap_or(u16::MAX);
        Self { room, level: 0, readings: Vec::new() }
    }

    /// Present memory of the readings (bytes).
    pub fn heap_bytes(&self) -> usize {
        self.readings.capacity() * size_of::<Stamped>()
    }

    /// Takes one reading.
    pub fn push(&mut self, time: Time, value: f64) {
        let at = match self.readings.last() {
            Some((last, _)) if time < *last => self.readings.partition_point(|(other, _)| *other <= time),
            _ => self.readings.len(),
        };
        let (len, most) = (self.readings.len(), usize::from(self.room) + 1);
        if len == self.readings.capacity() {
            self.readings.reserve_exact(len.max(8).min(most.saturating_sub(len)));
        }
        self.readings.insert(at, (time, value));
        if self.level > 0 {
            self.thin_span(at);
        }
        self.fit();
    }

    /// Merges a later window.
    pub fn merge(&mut self, later: &Self) {
        self.readings.extend_from_slice(&later.readings);
        // Stable: of the same time, readings of this window stay first.
        self.readings.sort_by_key(|(time, _)| *time);
        self.level = self.level.max(later.level);
        if self.level > 0 {
            self.thin();
        }
        self.fit();
        self.readings.shrink_to(usize::from(self.room) + 1);
    }

    /// Selects the points, in order of time; `ends` belong to the same readings.
    pub fn choose(&self, downsample: Downsample, ends: &Ends) -> Vec<Stamped> {
        let mut all = self.readings.clone();
        // Spans keep their extremes, which need not include the first and the last reading.
        if let Some(first) = ends.first().filter(|first| all.first() != Some(first)) {
            all.insert(0, first);
        }
        if let Some(last) = ends.last().filter(|last| all.last() != Some(last)) {
            all.push(last);
        }
        let points = usize::from(downsample.points);
        let mut chosen = Vec::with_capacity(points);
        let choose = match downsample.choice {
            Choice::Lttb => decimate::lttb,
            Choice::MinMax => decimate::minmax,
        };
        choose(&all, points, |point| chosen.push(point));
        chosen
    }

    /// Keeps only the given readings.
    pub fn retain(&mut self, chosen: Vec<Stamped>) {
        self.readings = chosen;
    }

    /// Doubles the spans until there is room.
    fn fit(&mut self) {
        while self.readings.len() > usize::from(self.room) && self.level < LEVEL_MAX {
            self.level += 1;
            self.thin();
        }
    }

    /// The span of a time.
    fn span(&self, time: Time) -> i64 {
        time.0 >> self.level
    }

    fn thin(&mut self) {
        let mut kept = Vec::with_capacity(self.readings.len());
        kept.extend(self.readings.chunk_by(|a, b| self.span(a.0) == self.span(b.0)).flat_map(extremes));
        self.readings = kept;
    }

    /// Thins the span of the reading at `at`; every other span is thin already.
    fn thin_span(&mut self, at: usize) {
        let Some(span) = self.readings.get(at).map(|(time, _)| self.span(*time)) else { return };
        let here = |reading: &&Stamped| self.span(reading.0) == span;
        let (before, after) = self.readings.split_at(at);
        let from = at - before.iter().rev().take_while(here).count();
        let to = at + after.iter().take_while(here).count();
        let kept = self.readings.get(from..to).map_or([None; 2], extremes_of);
        self.readings.splice(from..to, kept.into_iter().flatten());
    }
}

fn extremes(span: &[Stamped]) -> impl Iterator<Item = Stamped> + use<> {
    extremes_of(span).into_iter().flatten()
}

/// The smallest and the largest reading, in order of time; only the first if all are equal. Among equal ones the
/// first counts.
fn extremes_of(span: &[Stamped]) -> [Option<Stamped>; 2] {
    let mut numbered = span.iter().enumerate();
    let Some(first) = numbered.next() else { return [None; 2] };
    let (low, high) = numbered.fold((first, first), |(low, high), here| {
        let value = here.1.1;
        (if value < low.1.1 { here } else { low }, if value > high.1.1 { here } else { high })
    });
    match low.0.cmp(&high.0) {
        std::cmp::Ordering::Less => [Some(*low.1), Some(*high.1)],
        std::cmp::Ordering::Equal => [Some(*low.1), None],
        std::cmp::Ordering::Greater => [Some(*high.1), Some(*low.1)],
    }
}

impl Tagged for Points {
    const TAG: u16 = 8;
    const VERSION: u16 = 1;
}

impl State for Points {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.room.save(to);
        self.level.save(to);
        (self.readings.len() as u32).save(to);
        self.readings.iter().for_each(|reading| reading.save(to));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (room, level, len) = (u16::load(from)?, u8::load(from)?, u32::load(from)?);
        if level > LEVEL_MAX || len > u32::from(room) {
            return Err(Corrupt);
        }
        let readings: Vec<Stamped> = (0..len).map(|_| State::load(from)).collect::<Result<_, _>>()?;
        let sorted = readings.is_sorted_by_key(|(time, _)| *time);
        if sorted { Ok(Self { room, level, readings }) } else { Err(Corrupt) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Readings = Vec<(i64, f64)>;

    const TEN: Downsample = Downsample { choice: Choice::Lttb, points: 10 };

    fn of(readings: &[(i64, f64)]) -> (Points, Ends) {
        let (mut points, mut ends) = (Points::new(TEN), Ends::new());
        for (time, value) in readings {
            points.push(Time(*time), *value);
            ends.push(Time(*time), *value);
        }
        (points, ends)
    }

    /// Readings with distinct times, some of them in bursts, some far apart; and in another order.
    fn readings() -> impl Strategy<Value = (Readings, Readings)> {
        let step = prop_oneof![4 => 1..20_i64, 1 => 1..100_000_i64, 1 => Just(1_i64 << 58)];
        let steps = prop::collection::vec((step, -100..100_i32), 1..400);
        (steps, any::<i32>()).prop_flat_map(|(steps, start)| {
            let walk = steps.iter().scan(i64::from(start) << 20, |time, (step, value)| {
                *time = time.saturating_add(*step);
                Some((*time, f64::from(*value)))
            });
            let mut sorted: Vec<_> = walk.collect();
            sorted.dedup_by_key(|(time, _)| *time);
            (Just(sorted.clone()), Just(sorted).prop_shuffle())
        })
    }

    #[test]
    fn few_readings_are_all_points_and_many_keep_their_peaks() {
        let (few, ends) = of(&[(5, 1.0), (3, 2.0), (4, 9.0), (4, 8.0)]);
        assert_eq!(
            few.choose(TEN, &ends),
            [(3, 2.0), (4, 9.0), (4, 8.0), (5, 1.0)].map(|(t, v)| (Time(t), v))
        );
        let mut many: Vec<_> = (0..100_000).map(|i| (i * 10, (i % 7) as f64 * 1e-3)).collect();
        many[33_333].1 = 5.0;
        many[70_000].1 = -5.0;
        for choice in [Choice::Lttb, Choice::MinMax] {
            let (points, ends) = of(&many);
            assert!(points.readings.len() <= TEN.room() && points.readings.capacity() <= TEN.room() + 1);
            let chosen = points.choose(Downsample { choice, ..TEN }, &ends);
            assert!(chosen.len() <= 10);
            for at in [33_333, 70_000] {
                assert!(chosen.contains(&(Time(many[at].0), many[at].1)), "{chosen:?}");
            }
        }
    }

    /// The module's documentation, written naively with all readings at hand.
    fn naive(sorted: &[(i64, f64)]) -> Vec<Stamped> {
        let all: Vec<Stamped> = sorted.iter().map(|(time, value)| (Time(*time), *value)).collect();
        let at_level = |level: u32| -> Vec<Stamped> {
            all.chunk_by(|a, b| a.0.0 >> level == b.0.0 >> level).flat_map(extremes).collect()
        };
        if all.len() <= TEN.room() {
            all
        } else {
            (1..64).map(at_level).find(|kept| kept.len() <= TEN.room()).unwrap()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(80))]

        #[test]
        fn neither_order_nor_split_nor_a_restart_leaves_a_trace((sorted, shuffled) in readings(), cut in 0..400_usize) {
            let (points, ends) = of(&shuffled);
            prop_assert_eq!(&points.readings, &naive(&sorted));
            let (a, b) = shuffled.split_at(cut.min(shuffled.len()));
            let mut merged = of(a).0;
            merged.merge(&of(b).0);
            prop_assert_eq!(&merged, &points);
            let mut bytes = Vec::new();
            points.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
            prop_assert_eq!(Points::load(&mut StateReader::new(&bytes)), Ok(points.clone()));
            let chosen = points.choose(TEN, &ends);
            prop_assert!(chosen.len() == sorted.len().min(10) && chosen.is_sorted_by_key(|(time, _)| *time));
            prop_assert_eq!(chosen.first().copied(), ends.first());
            prop_assert_eq!(chosen.last().copied(), ends.last());
        }

        #[test]
        fn bytes_from_outside_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Points::load(&mut StateReader::new(&bytes));
        }
    }
}
