//! The windows of one series against hand-checked cases and a naive reference.

use super::{Closed, Pane, Placed, Slot, Slots, Spec, Windows};
use crate::aggregate::Moments;
use crate::time::Time;
use crate::window::Shape;
use proptest::prelude::*;

extern crate std;
use std::collections::BTreeMap;
use std::vec::Vec;

impl Pane for Moments {
    fn push(&mut self, _: Time, value: f64) {
        Self::push(self, value);
    }

    fn merge(&mut self, later: &Self) {
        Self::merge(self, later);
    }
}

type Few = Windows<Moments, heapless::Vec<Slot<Moments>, 4>>;

/// Minutes, five seconds of lateness, silent after a minute.
fn minutes() -> Spec {
    Spec {
        shape: Shape::tumbling(60_000).unwrap(),
        lateness_ms: 5_000,
        idle_ms: 60_000,
        retain_ms: 0,
        gather_ms: 0,
        by_arrival: false,
    }
}

fn drain<P: Pane, S: Slots<Slot<P>>>(windows: &mut Windows<P, S>, spec: &Spec, now: Time) -> Vec<Closed<P>> {
    core::iter::from_fn(|| windows.poll(spec, now)).collect()
}

fn starts(closed: &[Closed<Moments>]) -> Vec<(i64, u64)> {
    closed.iter().map(|closed| (closed.window.start.0, closed.readings)).collect()
}

#[test]
fn event_time_closes_after_lateness_and_places_disorder() {
    let spec = minutes();
    let mut windows = Few::new();
    let mut read = |time: i64| {
        let placed = windows.on_reading(&spec, Time(time), 1.0, Time(0), Moments::new);
        (placed, starts(&drain(&mut windows, &spec, Time(0))))
    };
    assert_eq!(read(1_000), (Placed::InWindow, Vec::new()));
    assert_eq!(read(61_000), (Placed::InWindow, Vec::new()));
    assert_eq!(read(59_000), (Placed::InWindow, Vec::new()));
    assert_eq!(read(64_999), (Placed::InWindow, Vec::new()));
    assert_eq!(read(65_000), (Placed::InWindow, std::vec![(0, 2)]));
    assert_eq!(read(59_999), (Placed::Late, Vec::new()));
    assert_eq!(read(60_000), (Placed::InWindow, Vec::new()));
    assert_eq!(windows.readings(), 4);
}

#[test]
fn silence_closes_a_window_only_when_its_end_must_have_come() {
    let spec = minutes();
    let mut windows = Few::new();
    windows.on_reading(&spec, Time(100_000), 1.0, Time(101_000), Moments::new);
    let due = windows.due(&spec).unwrap();
    assert_eq!(due, Time(161_000));
    assert_eq!(windows.poll(&spec, Time(160_999)), None);
    assert_eq!(starts(&drain(&mut windows, &spec, Time(161_000))), [(60_000, 1)]);
    assert_eq!(windows.due(&spec), None);
    let hours = Spec { shape: Shape::tumbling(3_600_000).unwrap(), ..minutes() };
    windows.on_reading(&hours, Time(200_000), 1.0, Time(200_000), Moments::new);
    assert_eq!(windows.poll(&hours, Time(300_000)), None);
    assert_eq!(windows.due(&hours), Some(Time(3_600_000)));
    assert!(windows.poll(&hours, Time(3_600_000)).is_some());
}

#[test]
fn a_device_with_a_wrong_clock_still_closes() {
    let spec = minutes();
    let ahead = 1_000_000_000;
    let mut windows = Few::new();
    windows.on_reading(&spec, Time(ahead), 1.0, Time(0), Moments::new);
    let end = (ahead / 60_000 + 1) * 60_000;
    let due = windows.due(&spec).unwrap();
    assert_eq!(due, Time(60_000.max(end - ahead)));
    assert_eq!(windows.poll(&spec, due.minus(1)), None);
    assert!(windows.poll(&spec, due).is_some());
}

#[test]
fn by_arrival_the_clock_closes() {
    let spec = Spec { by_arrival: true, ..minutes() };
    let mut windows = Few::new();
    windows.on_reading(&spec, Time(10), 1.0, Time(10), Moments::new);
    assert_eq!(windows.due(&spec), Some(Time(60_000)));
    assert_eq!(windows.poll(&spec, Time(59_999)), None);
    assert!(windows.poll(&spec, Time(60_000)).is_some());
    assert_eq!(windows.on_reading(&spec, Time(59_999), 1.0, Time(60_000), Moments::new), Placed::Late);
}

#[test]
fn the_ends_of_time_and_of_room_refuse_and_never_panic() {
    let wide = Spec { lateness_ms: i64::MAX, ..minutes() };
    let mut windows = Few::new();
    for time in [i64::MIN, i64::MAX] {
        assert_eq!(windows.on_reading(&wide, Time(time), 1.0, Time(time), Moments::new), Placed::NoRoom);
    }
    for minute in 0..4 {
        let placed = windows.on_reading(&wide, Time(minute * 60_000), 1.0, Time(0), Moments::new);
        assert_eq!(placed, Placed::InWindow);
    }
    assert_eq!(windows.on_reading(&wide, Time(240_000), 1.0, Time(0), Moments::new), Placed::NoRoom);
    assert_eq!(windows.readings(), 4);
}

/// Every reading kept, sorted into minutes at the end.
fn naive(readings: &[(i64, f64)], lateness_ms: i64) -> (BTreeMap<i64, Vec<f64>>, u64) {
    let (mut windows, mut late, mut event) = (BTreeMap::<i64, Vec<f64>>::new(), 0, i64::MIN);
    for (time, value) in readings {
        event = event.max(*time);
        let start = time.div_euclid(60_000) * 60_000;
        if start + 60_000 <= event - lateness_ms {
            late += 1;
        } else {
            windows.entry(start).or_default().push(*value);
        }
    }
    (windows, late)
}

proptest! {
    #[test]
    fn tumbling_equals_the_naive_reference(
        readings in prop::collection::vec((-400_000..400_000_i64, -50.0..50.0_f64), 0..80),
        lateness_ms in prop_oneof![Just(0_i64), Just(5_000), Just(90_000), 0..300_000_i64],
    ) {
        let spec = Spec { lateness_ms, ..minutes() };
        let mut windows = Windows::<Moments, heapless::Vec<Slot<Moments>, 16>>::new();
        let (mut closed, mut late) = (Vec::new(), 0);
        for (time, value) in &readings {
            match windows.on_reading(&spec, Time(*time), *value, Time(0), Moments::new) {
                Placed::InWindow => {}
                Placed::Late => late += 1,
                Placed::NoRoom => prop_assert!(false),
            }
            closed.extend(drain(&mut windows, &spec, Time(0)));
        }
        prop_assert!(windows.slots.len() <= spec.slots_needed());
        closed.extend(drain(&mut windows, &spec, Time(10_000_000)));
        let (expected, expected_late) = naive(&readings, lateness_ms);
        prop_assert_eq!(late, expected_late);
        prop_assert_eq!(closed.len(), expected.len());
        for (closed, (start, values)) in closed.iter().zip(&expected) {
            let mut moments = Moments::new();
            values.iter().for_each(|value| moments.push(*value));
            prop_assert_eq!((closed.window.start.0, closed.readings, closed.pane), (*start, values.len() as u64, moments));
        }
    }
}
