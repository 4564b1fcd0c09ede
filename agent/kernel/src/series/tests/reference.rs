//! The windows of one series against naive references that keep every reading.

use super::super::{Closed, Pane, Placed, Slot, Spec, Windows};
use super::at;
use crate::time::{AgentTime, Now, Time};
use crate::window::{Shape, Window};
use proptest::prelude::*;

extern crate std;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::vec::Vec;

/// A pane that keeps its readings: time, and the number of the reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kept(pub(super) Vec<(i64, u32)>);

impl Pane for Kept {
    type Value = f64;

    fn push(&mut self, time: Time, value: f64) {
        self.0.push((time.0, value as u32));
    }

    fn merge(&mut self, later: &Self) {
        self.0.extend(&later.0);
    }
}

type Roomy = Windows<Kept, heapless::Vec<Slot<Kept>, 200>>;
type Tight = Windows<Kept, heapless::Vec<Slot<Kept>, 6>>;
/// By the interval that names it, and number: the revision, the interval, and the readings.
type Told = BTreeMap<(i64, i64, u64), (u32, Window, Vec<(i64, u32)>)>;
/// By start and end.
type Contents = BTreeMap<(i64, i64), Vec<(i64, u32)>>;

/// Runs readings through a series, checks the accounting at every step, and returns the last content of each
/// window, and which readings were refused.
fn run<S: super::Slots<Slot<Kept>>>(spec: &Spec, times: &[i64]) -> (Told, Vec<usize>) {
    let mut windows = Windows::<Kept, S>::new();
    let (mut told, mut refused) = (Told::new(), Vec::new());
    let (mut placed, mut settled) = (0, 0);
    let mut poll = |windows: &mut Windows<Kept, S>, now: Now, placed: u64| {
        while let Some(closed) = windows.poll(spec, now) {
            settled += closed.newly_reported;
            note(&mut told, closed);
        }
        assert_eq!(placed, settled + windows.readings(spec));
    };
    for (number, time) in times.iter().enumerate() {
        let now = at(number as i64);
        match windows.on_reading(spec, Time(*time), number as f64, now, Kept::default) {
            Placed::InWindow | Placed::Revised => placed += 1,
            Placed::Late | Placed::NoRoom => refused.push(number),
        }
        assert!(windows.due(spec, now).is_none_or(|due| due >= AgentTime(0)));
        poll(&mut windows, now, placed);
        assert!(windows.due(spec, now).is_none_or(|due| due >= now.alive));
    }
    poll(&mut windows, at(i64::MAX), placed);
    (told, refused)
}

fn note(told: &mut Told, closed: Closed<Kept>) {
    let Closed { window, named, rev, readings, newly_reported, number, pane: Kept(mut kept) } = closed;
    if readings == 0 {
        (kept, _) = (Vec::new(), assert_eq!((newly_reported, window), (0, named), "a retraction"));
    }
    kept.sort_unstable_by_key(|(_, number)| *number);
    assert_eq!(readings, kept.len() as u64);
    assert!(kept.iter().all(|(time, _)| window.contains(Time(*time))));
    assert_eq!(window.start, named.start);
    let before = told.insert((named.start.0, named.end.0, number), (rev, window, kept));
    assert_eq!(rev, before.map_or(0, |(rev, ..)| rev + 1), "revisions follow one another");
}

/// What is not retracted.
fn standing(told: &Told) -> impl Iterator<Item = (Window, &Vec<(i64, u32)>)> {
    told.values().map(|(_, window, kept)| (*window, kept)).filter(|(_, kept)| !kept.is_empty())
}

pub(super) fn spec(shape: Shape, lateness_ms: i64, retain_ms: i64) -> Spec {
    Spec {
        shape,
        lateness_ms,
        idle_ms: 1_000,
        retain_ms,
        gather_ms: 3,
        rev_max: u32::MAX,
        by_clock: false,
        by_arrival: false,
    }
}

/// What closes when by event time alone: every multiple of `every` ends a window of `size`.
fn naive(times: &[i64], size: i64, every: i64, lateness: i64) -> (Contents, Vec<usize>) {
    let (mut taken, mut told, mut refused) = (Vec::<(i64, u32)>::new(), BTreeMap::new(), Vec::new());
    let (mut event, mut emitted) = (i64::MIN, (-10_000_i64).div_euclid(every) * every);
    for (number, time) in times.iter().enumerate() {
        event = event.max(*time);
        let closed_to = (event - lateness).div_euclid(every) * every;
        if time.div_euclid(every) * every + size <= closed_to {
            refused.push(number);
        } else {
            taken.push((*time, number as u32));
        }
        let to = if number + 1 == times.len() { 10_000 } else { closed_to };
        while emitted + every <= to {
            emitted += every;
            let window = (emitted - size, emitted);
            let inside = |(time, _): &&(i64, u32)| window.0 <= *time && *time < window.1;
            let kept: Vec<_> = taken.iter().filter(inside).copied().collect();
            if !kept.is_empty() {
                told.insert(window, kept);
            }
        }
    }
    (told, refused)
}

fn contents(told: Told) -> Contents {
    standing(&told).map(|(window, kept)| ((window.start.0, window.end.0), kept.clone())).collect()
}

/// The sessions of readings in order.
fn naive_sessions(times: &[i64], gap: i64) -> Contents {
    let mut sorted: Vec<_> = times.iter().copied().zip(0_u32..).collect();
    sorted.sort_unstable();
    let sessions = sorted.chunk_by(|a, b| b.0 - a.0 < gap).map(|chunk| {
        let mut kept = chunk.to_vec();
        kept.sort_unstable_by_key(|(_, number)| *number);
        ((chunk[0].0, chunk[chunk.len() - 1].0 + gap), kept)
    });
    sessions.collect()
}

/// Streams that mostly go on, with jitter, gaps, jumps back and repeats.
pub(super) fn times() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![4 => 0..8_i64, 2 => -30..30_i64, 1 => -200..200_i64];
    (-500..500_i64, prop::collection::vec(step, 1..120)).prop_map(|(start, steps)| {
        let walk = steps.iter().scan(start, |time, step| {
            *time += step;
            Some((*time).clamp(-2_000, 2_000))
        });
        walk.collect()
    })
}

fn aligned_shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (1..90_i64).prop_map(|size| Shape::tumbling(size).unwrap()),
        (1..30_i64, 1..8_i64).prop_map(|(every, panes)| Shape::sliding(every * panes, every).unwrap()),
    ]
}

pub(super) fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        aligned_shapes(),
        aligned_shapes(),
        (1..40_i64, 0..300_i64).prop_map(|(gap, more)| Shape::session(gap, gap + more).unwrap()),
        (1..9_u64).prop_map(|size| Shape::count(size).unwrap()),
    ]
}

/// Any times at all, many of them at the ends.
pub(super) fn wild_times() -> impl Strategy<Value = Vec<i64>> {
    let time = prop_oneof![any::<i64>(), -100..100_i64, Just(i64::MAX), Just(i64::MIN), Just(i64::MAX - 5)];
    prop::collection::vec(time, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn tumbling_equals_the_reference(times in times(), size in 1..90_i64, lateness in 0..60_i64) {
        let (told, refused) = run::<heapless::Vec<_, 200>>(&spec(Shape::tumbling(size).unwrap(), lateness, 0), &times);
        prop_assert_eq!((contents(told), refused), naive(&times, size, size, lateness));
    }

    #[test]
    fn sliding_equals_the_reference(times in times(), every in 1..30_i64, panes in 1..9_i64, lateness in 0..60_i64) {
        let shape = Shape::sliding(every * panes, every).unwrap();
        let (told, refused) = run::<heapless::Vec<_, 2500>>(&spec(shape, lateness, 0), &times);
        prop_assert_eq!((contents(told), refused), naive(&times, every * panes, every, lateness));
    }

    /// With retention for ever, disorder leaves no trace.
    #[test]
    fn revisions_end_where_order_would_have(times in times(), every in 5..30_i64, panes in 1..6_i64) {
        for shape in [Shape::tumbling(every).unwrap(), Shape::sliding(every * panes, every).unwrap()] {
            let size = if matches!(shape, Shape::Tumbling(_)) { every } else { every * panes };
            let (told, refused) = run::<heapless::Vec<_, 2500>>(&spec(shape, 0, 1_000_000), &times);
            prop_assert_eq!(refused, Vec::<usize>::new());
            prop_assert_eq!(contents(told), naive(&times, size, every, 1_000_000).0);
        }
    }

    #[test]
    fn sessions_split_at_gaps_whatever_the_order(times in times(), gap in 1..60_i64) {
        let spec = spec(Shape::session(gap, 1_000_000).unwrap(), 1_000_000, 0);
        let (told, refused) = run::<heapless::Vec<_, 200>>(&spec, &times);
        prop_assert_eq!(refused, Vec::<usize>::new());
        prop_assert_eq!(contents(told), naive_sessions(&times, gap));
    }

    /// With retention for ever, late readings leave the sessions that order would have made: what they bridge is one.
    #[test]
    fn late_readings_end_in_the_sessions_that_order_would_have_made(times in times(), gap in 1..60_i64, lateness in 0..60_i64) {
        let spec = spec(Shape::session(gap, 1_000_000).unwrap(), lateness, 1_000_000);
        let (told, refused) = run::<heapless::Vec<_, 300>>(&spec, &times);
        prop_assert_eq!(refused, Vec::<usize>::new());
        prop_assert_eq!(contents(told), naive_sessions(&times, gap));
    }

    #[test]
    fn sessions_end_at_their_greatest_length(mut times in times(), gap in 1..40_i64, more in 0..80_i64) {
        times.sort_unstable();
        let (told, _) = run::<heapless::Vec<_, 200>>(&spec(Shape::session(gap, gap + more).unwrap(), 0, 0), &times);
        let mut expected = Vec::<(i64, i64, u64)>::new();
        for time in &times {
            match expected.last_mut().filter(|last| *time < last.1) {
                Some(last) => *last = (last.0, last.1.max((time + gap).min(last.0 + gap + more)), last.2 + 1),
                None => expected.push((*time, time + gap, 1)),
            }
        }
        let told: Vec<_> = standing(&told).map(|(window, kept)| (window.start.0, window.end.0, kept.len() as u64)).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn sessions_never_overlap(
        times in times(), gap in 1..40_i64, more in 0..80_i64, lateness in 0..50_i64,
        retain in prop_oneof![Just(0_i64), 1..500_i64],
    ) {
        let spec = spec(Shape::session(gap, gap + more).unwrap(), lateness, retain);
        let (told, _) = run::<heapless::Vec<_, 200>>(&spec, &times);
        let windows: Vec<_> = standing(&told).map(|(window, _)| window).collect();
        prop_assert!(windows.windows(2).all(|pair| pair[0].end <= pair[1].start), "{windows:?}");
        prop_assert!(windows.iter().all(|window| window.length_ms() <= gap + more));
    }

    #[test]
    fn count_windows_are_runs_of_arrival(times in times(), size in 1..9_u64) {
        let (_, refused) = run::<heapless::Vec<_, 2>>(&spec(Shape::count(size).unwrap(), 0, 0), &times);
        prop_assert_eq!(refused, Vec::<usize>::new());
        let mut windows = Tight::new();
        let spec = spec(Shape::count(size).unwrap(), 0, 0);
        let mut next = 0;
        for (number, time) in times.iter().enumerate() {
            windows.on_reading(&spec, Time(*time), number as f64, at(0), Kept::default);
            while let Some(closed) = windows.poll(&spec, at(0)) {
                let numbers: Vec<u32> = closed.pane.0.iter().map(|(_, number)| *number).collect();
                prop_assert_eq!(numbers, (next..next + size as u32).collect::<Vec<_>>());
                next += size as u32;
            }
        }
    }

    /// Whatever the times and however little room: no panic, and every reading is accounted for.
    #[test]
    fn wild_times_are_survived(
        shape in shapes(), times in prop_oneof![wild_times(), times()], lateness in prop_oneof![0..60_i64, Just(i64::MAX)],
        retain in prop_oneof![Just(0_i64), 1..500_i64, Just(i64::MAX)],
    ) {
        run::<heapless::Vec<_, 6>>(&spec(shape, lateness, retain), &times);
        run::<heapless::Vec<_, 1>>(&spec(shape, lateness, retain), &times);
    }

    /// The room that a spec asks for is enough for streams in any order.
    #[test]
    fn the_room_asked_for_is_enough(shape in aligned_shapes(), times in times(), lateness in 0..60_i64, retain in 0..200_i64) {
        let spec = spec(shape, lateness, retain);
        let mut windows = Roomy::new();
        for (number, time) in times.iter().enumerate() {
            windows.on_reading(&spec, Time(*time), 0.0, at(number as i64), Kept::default);
            prop_assert!(windows.slots.len() <= spec.slots_needed() + spec.slots_retained(), "{} {:?}", windows.slots.len(), spec);
            while windows.poll(&spec, at(number as i64)).is_some() {}
        }
    }

    /// However little closed windows may take: every reading is accounted for, and only what has something to tell is
    /// kept past it.
    #[test]
    fn retention_keeps_to_its_bytes(shape in shapes(), times in times(), bytes in 0..2_000_usize, lateness in 0..60_i64) {
        let spec = spec(shape, lateness, i64::MAX);
        let mut windows = Windows::<Kept, heapless::Vec<Slot<Kept>, 200>>::new();
        let size = |pane: &Kept| pane.0.len() * 12;
        let (mut placed, mut settled) = (0, 0);
        for (number, time) in times.iter().enumerate() {
            let now = at(number as i64);
            if !matches!(windows.on_reading(&spec, Time(*time), 0.0, now, Kept::default), Placed::Late | Placed::NoRoom) {
                placed += 1;
            }
            while let Some(closed) = windows.poll(&spec, now) {
                settled += closed.newly_reported;
            }
            windows.retain_at_most(&spec, bytes, size);
            prop_assert_eq!(placed, settled + windows.readings(&spec));
            let base = Windows::<Kept, heapless::Vec<Slot<Kept>, 200>>::base(&spec);
            let retained = windows.slots.iter().skip(base).take(usize::from(windows.retained));
            let quiet = retained.filter(|slot| !slot.dirty);
            prop_assert!(quiet.map(|slot| size_of::<Slot<Kept>>() + size(&slot.pane)).sum::<usize>() <= bytes);
        }
    }

    /// Asking again when `due` says so finds all that asking at every moment finds.
    #[test]
    fn due_is_never_late(shape in shapes(), times in times(), by_arrival: bool, retain in 0..300_i64) {
        let spec = Spec { idle_ms: 20, by_arrival, ..spec(shape, 7, retain) };
        let mut windows = Roomy::new();
        let mut now = 0;
        for time in &times {
            let time = if by_arrival { now } else { *time };
            windows.on_reading(&spec, Time(time), 0.0, at(now), Kept::default);
            while windows.poll(&spec, at(now)).is_some() {}
            for _ in 0..5 {
                let due = windows.due(&spec, at(now));
                now += 7;
                if windows.poll(&spec, at(now)).is_some() {
                    prop_assert!(due.is_some_and(|due| due <= AgentTime(now)), "{due:?} {now}");
                }
                while windows.poll(&spec, at(now)).is_some() {}
            }
        }
    }
}

#[test]
fn windows_are_as_small_as_they_can_be() {
    assert_eq!(size_of::<Slot<()>>(), 48);
    assert_eq!(size_of::<Window>(), 16);
}

static MERGES: AtomicU64 = AtomicU64::new(0);

/// A pane that counts all merges.
#[derive(Clone)]
struct Merged;

impl Pane for Merged {
    type Value = f64;

    fn push(&mut self, _: Time, _: f64) {}

    fn merge(&mut self, _: &Self) {
        MERGES.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn closing_a_sliding_window_costs_the_same_for_any_number_of_panes() {
    for panes in [2, 60, 1_000] {
        let spec = spec(Shape::sliding(panes * 10, 10).unwrap(), 0, 0);
        let mut windows = Windows::<Merged, heapless::Vec<Slot<Merged>, 1_004>>::new();
        let (before, mut closed) = (MERGES.load(Ordering::Relaxed), 0);
        for number in 0..4 * panes {
            windows.on_reading(&spec, Time(number * 10), 0.0, at(0), || Merged);
            closed += core::iter::from_fn(|| windows.poll(&spec, at(0))).count() as u64;
        }
        assert_eq!(closed, 4 * panes as u64 - 1);
        assert!(MERGES.load(Ordering::Relaxed) - before <= 3 * closed);
    }
}
