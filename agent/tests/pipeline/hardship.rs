//! Bad input, detector by detector, as a subscriber would see it: how many alerts each kind raises, and that none stays.

use super::*;

/// Every kind with limits around a series that is usually 20 and about 1 to either side.
const KINDS: [(&str, &str); 14] = [
    ("auto", ""),
    ("threshold", "above = 40.0"),
    ("rate", "rise = 20.0\nper = \"1m\""),
    ("jump", "above = 20.0"),
    ("stuck", "after = \"30m\""),
    ("missing", ""),
    ("range", "max = 1000.0"),
    ("zscore", ""),
    ("hampel", ""),
    ("cusum", ""),
    ("page-hinkley", ""),
    ("seasonal", ""),
    ("quantile", ""),
    ("half-space", ""),
];

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// Noise that is the same in every run: even, 19 to 21.
fn noise(at: i64) -> f64 {
    let mixed = (at as u64 + 17).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    19.0 + 2.0 * ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A reading: its time and the agent's when it comes (ms after the start), its value.
type Reading = (i64, i64, f64);

/// So many readings a minute apart; from the middle on `change` has its way with them.
fn changed(change: impl Fn(Reading) -> Reading) -> Vec<Reading> {
    let usual = (0..2 * MIDDLE).map(|at| (at * MINUTE, at * MINUTE, noise(at)));
    usual.map(|reading| if reading.0 >= MIDDLE * MINUTE { change(reading) } else { reading }).collect()
}

const MIDDLE: i64 = 800;

fn watched(kind: &str, parameters: &str) -> Pipeline {
    let none = "evidence = { before = 0, after = 0 }";
    pipeline(&format!("[streams.a]\n[[streams.a.detectors]]\ntype = \"{kind}\"\n{parameters}\n{none}\n"), 10)
}

/// How many alerts the readings raise, and how many of them are not over at the end.
fn alerts(pipeline: &mut Pipeline, readings: impl IntoIterator<Item = Reading>) -> (usize, usize) {
    let series = pipeline.introduce(0, "t", &[]).unwrap();
    let (mut raised, mut cleared) = (0, 0);
    for (time, now, value) in readings {
        pipeline.on_tick(at(START + now));
        pipeline.on_reading(series, TakenAt::Event(START + time), value, at(START + now));
        for message in drained(pipeline) {
            raised += usize::from(message.text("state") == "raised");
            cleared += usize::from(message.text("state") == "cleared");
        }
    }
    (raised, raised - cleared)
}

/// Every kind over the same readings: those listed raise so many alerts, that many of which last; all others none.
#[track_caller]
fn check(readings: &[Reading], expected: &[(&str, usize, usize)]) {
    let told = KINDS.map(|(kind, parameters)| {
        let (raised, lasting) = alerts(&mut watched(kind, parameters), readings.iter().copied());
        (kind, raised, lasting)
    });
    let told: Vec<_> = told.into_iter().filter(|(_, raised, _)| *raised > 0).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_constant_series_is_news_only_to_who_was_asked_for_it() {
    let constant: Vec<Reading> = (0..1_000).map(|at| (at * MINUTE, at * MINUTE, 20.0)).collect();
    check(&constant, &[("stuck", 1, 1)]);
}

#[test]
fn two_readings_a_day_are_enough() {
    let half_day = DAY / 2;
    let year: Vec<Reading> = (0..730).map(|at| (at * half_day, at * half_day, noise(at))).collect();
    check(&year, &[]);
}

/// One value beyond all measure is one alert, and the past is not spoilt by it; `range` refuses it.
#[test]
fn a_wild_value_is_one_alert() {
    let wild = changed(|(time, now, value)| (time, now, if time == MIDDLE * MINUTE { 1e308 } else { value }));
    // One value is no shift and no rare combination, so not for cusum, page-hinkley and half-space.
    let once = ["auto", "threshold", "rate", "jump", "zscore", "hampel", "seasonal", "quantile"];
    check(&wild, &once.map(|kind| (kind, 1, 0)));
    let mut limited = watched("range", "max = 1000.0");
    alerts(&mut limited, wild);
    assert_eq!(limited.totals().refused, 1);
}

/// What has limits keeps to them; what learns says it and learns.
#[test]
fn a_step_to_another_unit_is_told_and_learned() {
    let expected = [
        ("auto", 1, 0),
        ("threshold", 1, 1),
        ("rate", 1, 0),
        ("jump", 1, 0),
        ("zscore", 1, 0),
        ("hampel", 1, 0),
        ("cusum", 1, 0),
        ("page-hinkley", 1, 0),
        // Every time of the day is news once.
        ("seasonal", 8, 0),
        ("quantile", 1, 0),
        ("half-space", 1, 0),
    ];
    check(&changed(|(time, now, value)| (time, now, 32.0 + 1.8 * value)), &expected);
}

/// Whether its readings still find a window or count as late or future: they are a sign of life all the same.
#[test]
fn a_step_of_the_devices_clock_is_no_anomaly() {
    for step in [3 * MINUTE, 60 * MINUTE, -60 * MINUTE, -30 * DAY] {
        check(&changed(|(time, now, value)| (time + step, now, value)), &[]);
    }
}

/// Days without readings are missed by who watches for that, and by nobody else.
#[test]
fn a_gap_of_days_is_missed_once() {
    check(&changed(|(time, now, value)| (time + 5 * DAY, now + 5 * DAY, value)), &[("missing", 1, 0)]);
}

/// The same gap, but we were away ourselves.
#[test]
fn our_own_outage_is_nobodys_fault() {
    for (kind, parameters) in KINDS {
        let readings = changed(|(time, now, value)| (time + 5 * DAY, now + 5 * DAY, value));
        let (before, after) = readings.split_at(MIDDLE as usize);
        let mut first = watched(kind, parameters);
        alerts(&mut first, before.iter().copied());
        let mut state = Vec::new();
        first.save(at(START), &mut state);
        let mut second = watched(kind, parameters);
        let back = at(START + MIDDLE * MINUTE + 5 * DAY - 1_000);
        let mut state = headwater_kernel::state::StateReader::new(&state);
        second.restore_since(back.alive, &mut state).unwrap();
        second.resume(back, true);
        assert_eq!(alerts(&mut second, after.iter().copied()), (0, 0), "{kind}");
    }
}

/// A wild tenth reading: who needs no past says it, who learns has nothing to compare it with.
#[test]
fn nothing_is_raised_while_learning() {
    let early: Vec<Reading> = changed(|reading| reading)
        .into_iter()
        .take(40)
        .enumerate()
        .map(|(at, (time, now, value))| (time, now, if at == 9 { 60.0 } else { value }))
        .collect();
    check(&early, &[("threshold", 1, 0), ("rate", 1, 0), ("jump", 1, 0)]);
}

/// No number is no reading: it is refused where payloads are decoded, and counted.
#[test]
fn what_is_no_number_never_comes_here() {
    let mut pipeline = watched("auto", "");
    pipeline.on_invalid(0);
    assert_eq!((pipeline.totals().invalid, pipeline.totals().in_windows), (1, 0));
}
