//! The windows of one series: hand-checked cases. `reference` has the property tests.

mod prior;
mod reference;
mod stored;

use super::{Closed, Pane, Placed, Slot, Slots, Spec, Windows};
use crate::aggregate::Moments;
use crate::time::{AgentTime, Now, Time};
use crate::window::Shape;

extern crate std;
use std::vec::Vec;

impl Pane for Moments {
    type Value = f64;

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
        rev_max: u32::MAX,
        by_clock: false,
        by_arrival: false,
    }
}

/// A moment of a clock that nobody sets (ms).
fn at(ms: i64) -> Now {
    Now::uncorrected(Time(ms))
}

fn drain<P: Pane, S: Slots<Slot<P>>>(windows: &mut Windows<P, S>, spec: &Spec, now: Now) -> Vec<Closed<P>> {
    core::iter::from_fn(|| windows.poll(spec, now)).collect()
}

/// Start and number of readings of each.
fn starts(closed: &[Closed<Moments>]) -> Vec<(i64, u64)> {
    closed.iter().map(|closed| (closed.window.start.0, closed.readings)).collect()
}

#[test]
fn event_time_closes_after_lateness_and_places_disorder() {
    let spec = minutes();
    let mut windows = Few::new();
    let mut read = |time: i64| {
        let placed = windows.on_reading(&spec, Time(time), 1.0, at(0), Moments::new);
        (placed, starts(&drain(&mut windows, &spec, at(0))))
    };
    assert_eq!(read(1_000), (Placed::InWindow, Vec::new()));
    assert_eq!(read(61_000), (Placed::InWindow, Vec::new()));
    assert_eq!(read(59_000), (Placed::InWindow, Vec::new()));
    assert_eq!(read(64_999), (Placed::InWindow, Vec::new()));
    assert_eq!(read(65_000), (Placed::InWindow, std::vec![(0, 2)]));
    assert_eq!(read(59_999), (Placed::Late, Vec::new()));
    assert_eq!(read(60_000), (Placed::InWindow, Vec::new()));
    assert_eq!(windows.readings(&spec), 4);
}

#[test]
fn silence_closes_a_window_only_when_its_end_must_have_come() {
    let spec = minutes();
    let mut windows = Few::new();
    windows.on_reading(&spec, Time(100_000), 1.0, at(101_000), Moments::new);
    assert_eq!(windows.due(&spec, at(101_000)), Some(AgentTime(161_000)));
    assert_eq!(windows.poll(&spec, at(160_999)), None);
    assert_eq!(starts(&drain(&mut windows, &spec, at(161_000))), [(60_000, 1)]);
    assert_eq!(windows.due(&spec, at(161_000)), None);
    let hours = Spec { shape: Shape::tumbling(3_600_000).unwrap(), ..minutes() };
    windows.on_reading(&hours, Time(200_000), 1.0, at(200_000), Moments::new);
    assert_eq!(windows.poll(&hours, at(300_000)), None);
    assert_eq!(windows.due(&hours, at(300_000)), Some(AgentTime(3_600_000)));
    assert!(windows.poll(&hours, at(3_600_000)).is_some());
}

#[test]
fn a_device_with_a_wrong_clock_still_closes() {
    let spec = minutes();
    let ahead = 1_000_000_000;
    let mut windows = Few::new();
    windows.on_reading(&spec, Time(ahead), 1.0, at(0), Moments::new);
    let end = (ahead / 60_000 + 1) * 60_000;
    let due = 60_000.max(end - ahead);
    assert_eq!(windows.due(&spec, at(0)), Some(AgentTime(due)));
    assert_eq!(windows.poll(&spec, at(due - 1)), None);
    assert!(windows.poll(&spec, at(due)).is_some());
}

#[test]
fn by_arrival_the_clock_closes() {
    let spec = Spec { by_arrival: true, ..minutes() };
    let mut windows = Few::new();
    windows.on_reading(&spec, Time(10), 1.0, at(10), Moments::new);
    assert_eq!(windows.due(&spec, at(10)), Some(AgentTime(60_000)));
    assert_eq!(windows.poll(&spec, at(59_999)), None);
    assert!(windows.poll(&spec, at(60_000)).is_some());
    assert_eq!(windows.on_reading(&spec, Time(59_999), 1.0, at(60_000), Moments::new), Placed::Late);
}

/// The wall clock is set: waiting times continue, and `due` follows the new time.
#[test]
fn a_step_of_the_clock_is_no_silence() {
    let spec = minutes();
    let mut windows = Few::new();
    windows.on_reading(&spec, Time(100_000), 1.0, at(101_000), Moments::new);
    for step in [-3_600_000, 3_600_000] {
        let now = |alive| Now { time: Time(alive + step), alive: AgentTime(alive), synced: true };
        assert_eq!(windows.poll(&spec, now(160_999)), None);
        assert_eq!(windows.due(&spec, now(110_000)), Some(AgentTime(161_000)));
    }
    let hours = Spec { shape: Shape::tumbling(3_600_000).unwrap(), ..spec };
    let mut windows = Few::new();
    windows.on_reading(&hours, Time(100_000), 1.0, at(100_000), Moments::new);
    let now = Now { time: Time(3_000_000), ..at(110_000) };
    assert_eq!(windows.due(&hours, now), Some(AgentTime(710_000)));
    assert_eq!(windows.due(&Spec { by_arrival: true, ..hours }, now), Some(AgentTime(710_000)));
}

#[test]
fn the_ends_of_time_and_of_room_refuse_and_never_panic() {
    let wide = Spec { lateness_ms: i64::MAX, ..minutes() };
    let mut windows = Few::new();
    for time in [i64::MIN, i64::MAX] {
        assert_eq!(windows.on_reading(&wide, Time(time), 1.0, at(time), Moments::new), Placed::NoRoom);
    }
    for minute in 0..4 {
        let placed = windows.on_reading(&wide, Time(minute * 60_000), 1.0, at(0), Moments::new);
        assert_eq!(placed, Placed::InWindow);
    }
    assert_eq!(windows.on_reading(&wide, Time(240_000), 1.0, at(0), Moments::new), Placed::NoRoom);
    assert_eq!(windows.readings(&wide), 4);
}

#[test]
fn a_late_reading_revises_its_window_once_others_have_gathered() {
    let spec = Spec { retain_ms: 120_000, gather_ms: 1_000, ..minutes() };
    let mut windows = Few::new();
    let mut read = |time: i64, value: f64, now: i64| {
        let placed = windows.on_reading(&spec, Time(time), value, at(now), Moments::new);
        let told = drain(&mut windows, &spec, at(now));
        let told: Vec<_> = told
            .iter()
            .map(|c| (c.window.start.0, c.rev, c.readings, c.newly_reported, c.pane.sum()))
            .collect();
        (placed, told)
    };
    let none = Vec::new();
    assert_eq!(read(1_000, 1.0, 0), (Placed::InWindow, none.clone()));
    assert_eq!(read(65_000, 2.0, 1), (Placed::InWindow, std::vec![(0, 0, 1, 1, Some(1.0))]));
    assert_eq!(read(2_000, 3.0, 2), (Placed::Revised, none.clone()));
    assert_eq!(read(3_000, 4.0, 3), (Placed::Revised, none.clone()));
    assert_eq!(read(66_000, 5.0, 1_002), (Placed::InWindow, std::vec![(0, 1, 3, 2, Some(8.0))]));
    // A window without readings until now; it is emitted late, as revision 0.
    assert_eq!(read(-1_000, 6.0, 1_003), (Placed::Revised, none.clone()));
    assert_eq!(read(67_000, 7.0, 3_000), (Placed::InWindow, std::vec![(-60_000, 0, 1, 1, Some(6.0))]));
    // Two minutes after its end, less the lateness, a window is no longer kept.
    assert_eq!(read(-61_000, 8.0, 3_001), (Placed::Late, none.clone()));
    assert_eq!(read(124_999, 8.0, 3_002), (Placed::InWindow, none.clone()));
    assert_eq!(read(-2_000, 8.0, 3_003), (Placed::Revised, none));
    let told = read(125_000, 9.0, 3_004).1;
    assert_eq!(told, [(60_000, 0, 3, 3, Some(14.0)), (-60_000, 1, 2, 1, Some(14.0))]);
    assert_eq!(read(-2_000, 8.0, 3_005).0, Placed::Late);
}

#[test]
fn the_oldest_retained_windows_make_room() {
    let spec = Spec { retain_ms: 3_600_000, lateness_ms: 0, ..minutes() };
    let mut windows = Few::new();
    for minute in 0..10 {
        let placed = windows.on_reading(&spec, Time(minute * 60_000), 1.0, at(0), Moments::new);
        assert_eq!(placed, Placed::InWindow);
        drain(&mut windows, &spec, at(0));
    }
    let placed = |windows: &mut Few, minute: i64| {
        windows.on_reading(&spec, Time(minute * 60_000), 1.0, at(0), Moments::new)
    };
    assert_eq!(placed(&mut windows, 5), Placed::Late);
    assert_eq!(placed(&mut windows, 6), Placed::Revised);
    assert_eq!(starts(&drain(&mut windows, &spec, at(0))), [(360_000, 2)]);
}

#[test]
fn sliding_windows_overlap_and_settle_each_reading_once() {
    let spec = Spec { shape: Shape::sliding(30, 10).unwrap(), lateness_ms: 0, ..minutes() };
    let mut windows = Windows::<Moments, heapless::Vec<Slot<Moments>, 8>>::new();
    let mut told = Vec::new();
    for (time, value) in [(1, 1.0), (11, 2.0), (12, 4.0), (25, 8.0), (3, 16.0), (31, 32.0), (61, 64.0)] {
        assert_eq!(windows.on_reading(&spec, Time(time), value, at(0), Moments::new), Placed::InWindow);
        told.extend(drain(&mut windows, &spec, at(0)));
    }
    let told: Vec<_> = told
        .iter()
        .map(|c| (c.window.start.0, c.window.end.0, c.readings, c.newly_reported, c.pane.sum().unwrap()))
        .collect();
    let expected = [
        (-20, 10, 1, 1, 1.0),
        (-10, 20, 3, 2, 7.0),
        (0, 30, 5, 2, 31.0),
        (10, 40, 4, 1, 46.0),
        (20, 50, 2, 0, 40.0),
        (30, 60, 1, 0, 32.0),
    ];
    assert_eq!(told, expected);
    assert_eq!(windows.readings(&spec), 1);
}

#[test]
fn a_reading_between_two_sessions_makes_them_one() {
    let spec = Spec { shape: Shape::session(10, 100).unwrap(), lateness_ms: 30, ..minutes() };
    let mut windows = Few::new();
    for time in [0, 5, 20, 14, 130, 135] {
        assert_eq!(windows.on_reading(&spec, Time(time), 1.0, at(0), Moments::new), Placed::InWindow);
    }
    let told = drain(&mut windows, &spec, at(0));
    assert_eq!((starts(&told), told[0].window.end), (std::vec![(0, 4)], Time(30)));
    // At most 100 long: the next reading opens another.
    for time in (140..250).step_by(5) {
        windows.on_reading(&spec, Time(time), 1.0, at(0), Moments::new);
    }
    assert_eq!(
        windows.open(&spec).map(|(w, n, _)| (w.start.0, w.end.0, n)).collect::<Vec<_>>(),
        [(130, 230, 20), (230, 255, 4)]
    );
}

/// A told session that a late reading bridges with the next one is revised, under its own name; the next one is retracted.
/// What comes just before a told session begins another one in its place.
#[test]
fn told_sessions_become_one() {
    let spec =
        Spec { shape: Shape::session(10, 100).unwrap(), lateness_ms: 0, retain_ms: 1_000, ..minutes() };
    let mut windows = Few::new();
    let mut told = Vec::new();
    for (clock, time) in [0, 5, 20, 24, 60, 14, 58, 90].into_iter().enumerate() {
        windows.on_reading(&spec, Time(time), time as f64, at(clock as i64 * 10_000), Moments::new);
        told.extend(drain(&mut windows, &spec, at(clock as i64 * 10_000)));
    }
    told.extend(drain(&mut windows, &spec, at(1_000_000)));
    let told: Vec<_> = told
        .iter()
        .map(|c| (c.named.start.0, c.named.end.0, c.window.end.0, c.rev, c.readings, c.newly_reported))
        .collect();
    let expected = [
        (0, 15, 15, 0, 2, 2),
        (20, 34, 34, 0, 2, 2),
        (0, 15, 34, 1, 5, 1),
        (20, 34, 34, 1, 0, 0),
        (58, 70, 70, 0, 2, 2),
        (90, 100, 100, 0, 1, 1),
    ];
    assert_eq!(told, expected);
}

#[test]
fn count_windows_close_when_full_and_silence_does_not_close_them() {
    let spec = Spec { shape: Shape::count(3).unwrap(), ..minutes() };
    let mut windows = Few::new();
    let mut told = Vec::new();
    for time in [9, 7, 8, 8, 1_000_000, -5, 3] {
        assert_eq!(windows.on_reading(&spec, Time(time), 1.0, at(0), Moments::new), Placed::InWindow);
        told.extend(drain(&mut windows, &spec, at(0)));
    }
    assert_eq!(starts(&told), [(7, 3), (-5, 3)]);
    assert_eq!((told[0].window.end, told[1].window.end), (Time(10), Time(1_000_001)));
    assert_eq!((windows.due(&spec, at(0)), windows.poll(&spec, at(i64::MAX))), (None, None));
    assert_eq!(windows.readings(&spec), 1);
}

/// What the clock closes, it closes after the lateness and what the series usually lags.
#[test]
fn the_clock_closes_the_last_window_of_a_series_that_falls_silent() {
    let spec = Spec { by_clock: true, retain_ms: 60_000, ..minutes() };
    for lag in [0, 30_000] {
        let mut windows = Few::new();
        for second in 0..150 {
            let now = at(second * 1_000 + lag);
            let placed = windows.on_reading(&spec, Time(second * 1_000), 1.0, now, Moments::new);
            assert_eq!(placed, Placed::InWindow);
            assert!(drain(&mut windows, &spec, now).iter().all(|closed| closed.readings == 60));
        }
        assert_eq!(windows.due(&spec, at(150_000 + lag)), Some(AgentTime(185_000 + lag)));
        assert!(windows.poll(&spec, at(184_999 + lag)).is_none());
        assert_eq!(starts(&drain(&mut windows, &spec, at(185_000 + lag))), [(120_000, 30)]);
        // What comes now is of a closed window.
        let placed = windows.on_reading(&spec, Time(151_000), 1.0, at(186_000 + lag), Moments::new);
        assert_eq!(placed, Placed::Revised);
    }
    // A clock that is not known to be right closes nothing but what is silent.
    let mut windows = Few::new();
    let unsynced = |ms| Now { synced: false, ..at(ms) };
    windows.on_reading(&spec, Time(0), 1.0, unsynced(50_000), Moments::new);
    assert_eq!(windows.due(&spec, unsynced(50_000)), Some(AgentTime(110_000)));
    assert!(windows.poll(&spec, unsynced(109_999)).is_none());
    assert!(windows.poll(&spec, unsynced(110_000)).is_some());
}

/// A gateway that sends the readings of a minute together, some of them after their window's end.
#[test]
fn a_lag_is_learned_where_readings_come_in_batches() {
    let spec = Spec { by_clock: true, retain_ms: 600_000, ..minutes() };
    let (mut windows, mut revised) = (Few::new(), 0);
    for batch in 0..10_i64 {
        let sent = batch * 60_000 + 30_000;
        for time in (sent - 59_000..=sent).step_by(1_000).filter(|time| *time >= 0) {
            let placed = windows.on_reading(&spec, Time(time), 1.0, at(sent), Moments::new);
            revised += u32::from(placed == Placed::Revised);
            drain(&mut windows, &spec, at(sent));
        }
        (1..60).for_each(|second| drop(drain(&mut windows, &spec, at(sent + second * 1_000))));
    }
    assert_eq!(revised, 0);
}
