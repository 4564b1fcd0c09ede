//! Cases that `auto` must flag, and cases that it must not.

use super::model::LEARNING;
use super::{Auto, AutoModel, AutoRows};
use crate::detect::testing::Noise;
use crate::detect::{Detector, Judgement, Verdict};
use crate::time::{Moment, Time};

extern crate std;
use std::{string::String, vec::Vec};

const MINUTE: i64 = 60_000;

/// A daily cycle of 20 with noise of about 1, every five minutes from `from` on.
fn days(auto: &mut Auto, noise: &mut Noise, from: i64, readings: i64) -> Vec<Judgement> {
    (from..from + readings).map(|at| auto.push(time(at), usual(at) + noise.normal())).collect()
}

fn time(at: i64) -> Moment {
    Time(at * 5 * MINUTE).into()
}

fn usual(at: i64) -> f64 {
    20.0 * libm::sin(at as f64 * core::f64::consts::TAU / 288.0)
}

fn alarms(judgements: &[Judgement]) -> usize {
    judgements.iter().filter(|judgement| matches!(judgement.verdict, Verdict::Anomalous(_))).count()
}

fn learned() -> (Auto, Noise) {
    let (mut auto, mut noise) = (Auto::new(), Noise::new(1));
    let judgements = days(&mut auto, &mut noise, 0, 4_032);
    assert!(judgements[..LEARNING as usize].iter().all(|judgement| judgement.verdict == Verdict::Learning));
    assert!(alarms(&judgements) <= 6, "{} false alarms in two weeks of noise", alarms(&judgements));
    (auto, noise)
}

#[test]
fn what_is_usual_at_noon_is_unusual_at_midnight() {
    let (auto, _) = learned();
    let of = |at: i64, value: f64| {
        let mut auto = auto;
        (0..6).map(|step| auto.push(time(at + step), value)).max_by(by_score).unwrap()
    };
    let (noon, midnight) = (4_032 + 72, 4_032 + 216);
    assert!(matches!(of(noon, 20.0).verdict, Verdict::Normal(_)));
    let judgement = of(midnight, 20.0);
    assert!(matches!(judgement.verdict, Verdict::Anomalous(_)), "{judgement:?}");
    assert!((judgement.expected.unwrap() + 20.0).abs() < 3.0);
}

/// What it says of the first of these values that it flags, from reading `at` on.
fn said_of(auto: &mut Auto, at: i64, values: impl IntoIterator<Item = f64>) -> Option<String> {
    let judged = (at..).zip(values).map(|(at, value)| auto.push(time(at), value));
    let flagged = judged.into_iter().find(|judgement| matches!(judgement.verdict, Verdict::Anomalous(_)))?;
    let mut said = String::new();
    auto.describe(&flagged, &mut said).unwrap();
    Some(said)
}

#[test]
fn reasons_name_the_time_the_neighbours_and_the_plateau() {
    let (auto, mut noise) = learned();
    let said = said_of(&mut auto.clone(), 4_032 + 216, [20.0; 6]);
    assert_eq!(said.as_deref(), Some("40 above what is usual at 18:00 UTC"));
    let mut auto = smooth();
    let said = said_of(&mut auto, 4_032, [curve(4_032) + 1.5]);
    assert_eq!(said.as_deref(), Some("1.8 above the readings just before it"));
    let mut auto = Auto::new();
    let values =
        (0..4_032).map(|at| libm::round(20.0 + 3.0 * noise.normal()) + if at % 9 == 0 { 0.5 } else { 0.0 });
    values.enumerate().for_each(|(at, value)| _ = auto.push(time(at as i64), value));
    let said = said_of(&mut auto, 4_032, [20.0; 200]).unwrap_or_default();
    assert!(said.starts_with("flat for ") && said.ends_with(" before"), "{said}");
}

#[test]
fn a_reason_names_a_time_of_day_only_where_other_days_were_seen() {
    let (mut auto, mut noise) = (Auto::new(), Noise::new(1));
    days(&mut auto, &mut noise, 0, 250);
    let said = said_of(&mut auto, 250, [60.0; 6]).unwrap_or_default();
    assert!(!said.is_empty() && !said.contains("UTC"), "{said}");
}

/// A door that is hardly ever open is above what is usual by all that it moves, not by the last thousandth.
#[test]
fn a_reason_tells_what_can_be_seen() {
    let mut auto = Auto::new();
    let open = |at: i64| at % 3_000 >= 2_960;
    let mut said = Vec::new();
    for at in 0..30_000 {
        let judgement = auto.push(Time(at * 1_000).into(), if open(at) { 1.0 } else { 0.0 });
        if let Verdict::Anomalous(_) = judgement.verdict {
            let mut reason = String::new();
            auto.describe(&judgement, &mut reason).unwrap();
            said.push(reason);
        }
    }
    assert!(said.iter().all(|reason| !reason.contains("0.00")), "{said:?}");
    assert!(!said.is_empty());
}

fn by_score(a: &Judgement, b: &Judgement) -> core::cmp::Ordering {
    a.score().unwrap_or(0.0).total_cmp(&b.score().unwrap_or(0.0))
}

#[test]
fn one_alarm_for_a_shift_that_lasts() {
    let (mut auto, mut noise) = learned();
    let shifted: Vec<_> =
        (4_032..4_632).map(|at| auto.push(time(at), usual(at) + 60.0 + noise.normal())).collect();
    assert!(alarms(&shifted[..5]) == 1, "found within five readings, {}", alarms(&shifted[..5]));
    assert!(alarms(&shifted) <= 3, "{} alarms for one shift", alarms(&shifted));
    assert!(!shifted[5].clears && shifted[500].clears, "raised while it is new, over when it is usual");
}

#[test]
fn another_unit_is_one_event() {
    let (mut auto, mut noise) = learned();
    let fahrenheit: Vec<_> =
        (4_032..4_832).map(|at| auto.push(time(at), 32.0 + 1.8 * (usual(at) + noise.normal()))).collect();
    assert!((1..=4).contains(&alarms(&fahrenheit)), "{}", alarms(&fahrenheit));
    assert_eq!(alarms(&fahrenheit[400..]), 0);
    // Pascal instead of bar: the past does not help, so everything is learned anew.
    let (mut auto, mut noise) = learned();
    let pascal: Vec<_> =
        (4_032..4_532).map(|at| auto.push(time(at), 1e5 * (usual(at) + 40.0 + noise.normal()))).collect();
    assert!((1..=3).contains(&alarms(&pascal)), "{}", alarms(&pascal));
    assert!(pascal.iter().any(|judgement| judgement.verdict == Verdict::Learning));
}

#[test]
fn a_wild_value_is_an_alarm_and_teaches_nothing() {
    let (mut auto, mut noise) = learned();
    let before = auto.model.profile;
    assert!(matches!(auto.push(time(4_032), 1e308).verdict, Verdict::Anomalous(_)));
    assert_eq!(auto.model.profile, before);
    assert_eq!(alarms(&days(&mut auto, &mut noise, 4_033, 600)), 0);
    let spike: Vec<_> = (4_633..4_636).map(|at| auto.push(time(at), usual(at) - 30.0)).collect();
    assert_eq!(alarms(&spike), 1, "as sensitive as before");
}

#[test]
fn nan_is_never_learned() {
    let (mut auto, _) = learned();
    let before = auto;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(auto.push(time(4_032), value).verdict, Verdict::Invalid);
    }
    assert_eq!(auto, before);
}

#[test]
fn a_constant_series_is_quiet_until_it_changes() {
    let mut auto = Auto::new();
    assert_eq!(alarms(&(0..3_000).map(|at| auto.push(time(at), 20.0)).collect::<Vec<_>>()), 0);
    let change: Vec<_> = (3_000..3_100).map(|at| auto.push(time(at), 21.0)).collect();
    assert!((1..=2).contains(&alarms(&change)));
    assert_eq!(alarms(&change[70..]), 0);
    // Even a first change beyond all measure does not blind it for good.
    let mut auto = Auto::new();
    for at in 0..1_000 {
        auto.push(time(at), if at == 500 { 1e308 } else { 0.0 });
    }
    let mut noise = Noise::new(2);
    for at in 1_000..2_000 {
        auto.push(time(at), noise.normal());
    }
    assert!((2_000..2_003).any(|at| matches!(auto.push(time(at), 30.0).verdict, Verdict::Anomalous(_))));
}

#[test]
fn gaps_and_clock_steps_are_no_anomalies() {
    let (mut auto, mut noise) = learned();
    let gap = 288 * 9;
    assert_eq!(alarms(&days(&mut auto, &mut noise, 4_032 + gap, 288)), 0);
    let back: Vec<_> = (0..20).map(|at| auto.push(Time(at).into(), usual(0) + noise.normal())).collect();
    assert_eq!(alarms(&back), 0);
    for time in [Time::MIN, Time::MAX, Time(0)] {
        auto.push(time.into(), 0.0);
    }
}

#[test]
fn two_readings_a_day_take_two_months_to_learn() {
    let (mut auto, mut noise) = (Auto::new(), Noise::new(3));
    let year: Vec<_> = (0..730).map(|at| auto.push(time(at * 144), noise.normal())).collect();
    assert_eq!(year[124].verdict, Verdict::Learning);
    assert!(alarms(&year) <= 3);
    assert!((730..733).any(|at| matches!(auto.push(time(at * 144), 40.0).verdict, Verdict::Anomalous(_))));
}

#[test]
fn what_keeps_happening_stops_being_news() {
    let (mut auto, mut noise) = learned();
    let bursts: Vec<_> = (4_032..8_064)
        .map(|at| auto.push(time(at), usual(at) + noise.normal() + if at % 97 == 0 { 80.0 } else { 0.0 }))
        .collect();
    let (early, late) = (alarms(&bursts[..1_000]), alarms(&bursts[3_032..]));
    assert!(early >= 1 && late < early.max(2), "{early} alarms at first, {late} later");
}

/// 20 with a deviation of 0.3 every ten seconds; after 3,000 readings a spike of ten deviations, or none, and so many
/// readings later a shift of 17 for good.
fn spike_then_shift(seed: u64, spike: f64, later: i64) -> usize {
    let (mut auto, mut noise) = (Auto::new(), Noise::new(seed));
    let mut push =
        |at: i64, offset: f64| auto.push(Time(at * 10_000).into(), 20.0 + 0.3 * noise.normal() + offset);
    (0..3_000).for_each(|at| _ = push(at, 0.0));
    push(3_000, spike);
    (3_001..3_000 + later).for_each(|at| _ = push(at, 0.0));
    alarms(&(0..6).map(|at| push(3_000 + later + at, 5.1)).collect::<Vec<_>>())
}

#[test]
fn what_is_beyond_everything_seen_is_raised_whatever_was_raised_before() {
    for seed in 1..=6 {
        for later in [5, 12, 20, 35] {
            for spike in [3.0, 0.0] {
                assert!(spike_then_shift(seed, spike, later) >= 1, "seed {seed}, {spike}, {later} later");
            }
        }
    }
}

#[test]
fn noise_is_quiet_at_any_pace() {
    for (interval_ms, at_most) in [(1_000, 2), (10_000, 2), (60_000, 9), (900_000, 9)] {
        let mut noise = Noise::new(9);
        let mut auto = Auto::new();
        let judged: Vec<_> = (0..20_000)
            .map(|at| auto.push(Time(at * interval_ms).into(), 20.0 + 0.3 * noise.normal()))
            .collect();
        let found = alarms(&judged);
        assert!(found <= at_most, "{found} of 20,000 readings, one every {interval_ms} ms");
    }
}

fn curve(at: i64) -> f64 {
    20.0 + 5.0 * libm::sin(at as f64 * core::f64::consts::TAU / 288.0)
}

/// Two weeks of a smooth curve.
fn smooth() -> Auto {
    let (mut auto, mut noise) = (Auto::new(), Noise::new(4));
    let days: Vec<_> = (0..4_032).map(|at| auto.push(time(at), curve(at) + 0.02 * noise.normal())).collect();
    assert!(alarms(&days[600..]) <= 2, "{} in ordinary days", alarms(&days[600..]));
    auto
}

#[test]
fn a_needle_within_the_range_of_a_smooth_curve_and_a_second_one() {
    let (mut auto, mut noise) = (smooth(), Noise::new(5));
    for needle in 0..2 {
        let from = 4_032 + needle * 50;
        assert!(
            matches!(auto.push(time(from), curve(from) - 18.0).verdict, Verdict::Anomalous(_)),
            "{needle}"
        );
        (1..50).for_each(|at| _ = auto.push(time(from + at), curve(from + at) + 0.02 * noise.normal()));
    }
}

#[test]
fn a_return_to_what_was_usual_is_no_second_event() {
    let mut auto = Auto::new();
    let mut noise = Noise::new(6);
    let mut push = |at: i64, level: f64| auto.push(Time(at * MINUTE).into(), level + 0.3 * noise.normal());
    (0..2_000).for_each(|at| _ = push(at, 20.0));
    let shifted: Vec<_> = (2_000..2_300).map(|at| push(at, 23.0)).collect();
    let back: Vec<_> = (2_300..2_600).map(|at| push(at, 20.0)).collect();
    assert!(alarms(&shifted) >= 1 && alarms(&back) == 0, "{} and {}", alarms(&shifted), alarms(&back));
    let later: Vec<_> = (2_600..2_610).map(|at| push(at, 15.0)).collect();
    assert!(alarms(&later) >= 1, "another event is one");
}

/// A plateau between two levels, an hour each, breaks.
#[test]
fn a_plateau_that_breaks() {
    let (mut auto, mut noise) = (Auto::new(), Noise::new(7));
    let mut push = |at: i64, value: f64| auto.push(Time(at * MINUTE).into(), value + 0.05 * noise.normal());
    let level = |at: i64| if at / 60 % 2 == 0 { 18.0 } else { 25.0 };
    let usual: Vec<_> = (0..10_080).map(|at| push(at, level(at))).collect();
    assert!(alarms(&usual[1_440..]) <= 6, "{} alarms in six days", alarms(&usual[1_440..]));
    let broken: Vec<_> = (10_080..10_110).map(|at| push(at, if at < 10_095 { 18.0 } else { 21.5 })).collect();
    assert!(alarms(&broken) >= 1);
}

/// A compressor that no longer switches: its temperature stays where it is.
#[test]
fn a_cycle_that_stops() {
    let (mut auto, mut noise) = (Auto::new(), Noise::new(8));
    let mut push =
        |at: i64, value: f64| auto.push(Time(at * MINUTE).into(), libm::round(10.0 * value) / 10.0);
    let cycle = |at: i64| 5.0 + libm::sin(at as f64 * core::f64::consts::TAU / 45.0);
    let usual: Vec<_> = (0..10_080).map(|at| push(at, cycle(at) + 0.03 * noise.normal())).collect();
    assert!(alarms(&usual[1_440..]) <= 6, "{} alarms in six days", alarms(&usual[1_440..]));
    let stopped: Vec<_> = (10_080..10_380).map(|at| push(at, 5.0)).collect();
    assert!(alarms(&stopped) >= 1);
}

#[test]
fn what_is_odd_about_how_readings_come_is_no_anomaly() {
    let of = |seed: u64, readings: i64, time: fn(i64) -> i64, value: fn(i64, &mut Noise) -> f64| {
        let (mut auto, mut noise) = (Auto::new(), Noise::new(seed));
        let judged: Vec<_> =
            (0..readings).map(|at| auto.push(Time(time(at)).into(), value(at, &mut noise))).collect();
        alarms(&judged)
    };
    // From one reading a minute to six, and to one in ten minutes.
    let cadence = |at: i64| match at {
        ..5_000 => at * MINUTE,
        5_000..10_000 => 5_000 * MINUTE + (at - 5_000) * 10_000,
        _ => (5_833 + (at - 10_000) * 10) * MINUTE,
    };
    let found = of(1, 12_000, cadence, |_, noise| 20.0 + 0.3 * noise.normal());
    let minutes = |at: i64| at * MINUTE;
    let steady = of(1, 12_000, minutes, |_, noise| 20.0 + 0.3 * noise.normal());
    assert!(found.max(steady) <= 4, "{found}: cadence, {steady} without; 0.35 per 1,000 readings are 4");
    let found = of(2, 10_080, minutes, |at, noise| libm::floor(at as f64 * 0.4 + noise.even()));
    assert!(found <= 7, "{found}: a counter that only rises");
    let found = of(3, 10_080, minutes, |_, noise| libm::round(0.6 * noise.normal()).clamp(-1.0, 1.0));
    assert!(found <= 3, "{found}: three levels");
    // A person's day, an hour earlier by the clock of the agent from the second week on.
    let found = of(
        4,
        6_048,
        |at| at * 5 * MINUTE,
        |at, noise| usual(if at < 4_032 { at } else { at + 12 }) + noise.normal(),
    );
    assert!(found <= 6, "{found}: a clock change");
}

/// Humidity follows temperature; neither does anything odd in ten days.
#[test]
fn several_series_without_an_anomaly_are_hardly_ever_in_alert() {
    let mut rows = AutoRows::new([AutoModel::new(); 2]);
    let mut noise = Noise::new(11);
    let judged: Vec<_> = (0..14_400_i64)
        .map(|at| {
            let day = libm::sin(at as f64 * core::f64::consts::TAU / 1_440.0);
            let temperature = 20.0 + 5.0 * day + 0.2 * noise.normal();
            let humidity = 60.0 - 2.0 * (temperature - 20.0) + 0.5 * noise.normal();
            rows.push_row(Time(at * 60_000).into(), &[temperature, humidity])
        })
        .collect();
    assert!(alarms(&judged) <= 5, "{} alarms in ten days", alarms(&judged));
    let in_alert = judged.iter().filter(|judgement| !judgement.clears).count();
    assert!(in_alert < 144, "{in_alert} of 14,400 rows would keep an alert raised");
    let odd = rows.push_row(Time(14_400 * 60_000).into(), &[20.0, 95.0]);
    assert!(matches!(odd.verdict, Verdict::Anomalous(_)));
    assert_eq!(rows.most(), 1);
}

#[test]
fn state_is_bounded() {
    assert!(size_of::<Auto>() <= 8_000, "{}", size_of::<Auto>());
}
