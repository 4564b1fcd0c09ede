//! What every detector must do with bad input, whatever it looks for.

use super::testing::Noise;
use super::{AnyDetector, Detector, DetectorKind, Judgement, KINDS, ParameterPresence, Parameters, Verdict};
use crate::state::StateReader;
use crate::time::Time;

extern crate std;
use std::vec::Vec;

/// The least that the kind can be built from, with limits that the usual readings below keep.
fn needed(kind: &DetectorKind) -> Parameters {
    let mut parameters = Parameters::new();
    for parameter in
        kind.parameters.iter().filter(|parameter| parameter.presence == ParameterPresence::Required)
    {
        parameters.set(parameter.name, 1e6).unwrap();
    }
    match kind.name {
        "threshold" => parameters.set("above", 1e6).unwrap(),
        "rate" => parameters.set("rise", 1e6).unwrap(),
        "range" => parameters.set("max", 1e6).unwrap(),
        _ => {}
    }
    parameters
}

fn built(kind: &DetectorKind) -> AnyDetector {
    kind.detector(&needed(kind)).unwrap()
}

/// What the list of parameters says is what the detector does.
#[test]
fn a_default_is_what_a_parameter_left_out_means() {
    for kind in KINDS {
        for parameter in kind.parameters {
            let ParameterPresence::Default(default) = parameter.presence else { continue };
            let mut given = needed(kind);
            given.set(parameter.name, default).unwrap();
            assert_eq!(kind.detector(&given).unwrap(), built(kind), "{}: {}", kind.name, parameter.name);
        }
    }
}

fn usual(detector: &mut AnyDetector, noise: &mut Noise, readings: core::ops::Range<i64>) -> Vec<Judgement> {
    readings.map(|at| detector.push(Time(at * 60_000).into(), 20.0 + noise.normal())).collect()
}

fn saved(detector: &AnyDetector) -> Vec<u8> {
    let mut bytes = Vec::new();
    detector.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
    bytes
}

fn anomalous(judgement: &Judgement) -> bool {
    matches!(judgement.verdict, Verdict::Anomalous(_))
}

#[test]
fn warm_up_and_noise_raise_nothing() {
    for kind in KINDS {
        let (mut detector, mut noise) = (built(kind), Noise::new(1));
        let judgements = usual(&mut detector, &mut noise, 0..3_000);
        let (early, all) =
            (judgements[..100].iter().filter(|j| anomalous(j)), judgements.iter().filter(|j| anomalous(j)));
        assert_eq!(early.count(), 0, "{} while learning", kind.name);
        let all = all.count();
        assert!(all <= 5, "{}: {all} in noise", kind.name);
    }
}

#[test]
fn what_is_no_number_is_refused_and_not_learned() {
    for kind in KINDS {
        let (mut detector, mut noise) = (built(kind), Noise::new(2));
        usual(&mut detector, &mut noise, 0..1_000);
        let before = detector;
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(
                detector.push(Time(60_000_000).into(), value).verdict,
                Verdict::Invalid,
                "{}",
                kind.name
            );
        }
        // These two count them, or hear from the sensor.
        assert!(detector == before || ["range", "missing"].contains(&kind.name), "{}", kind.name);
    }
}

#[test]
fn a_constant_series_is_quiet_and_a_wild_value_is_forgotten() {
    for kind in KINDS {
        let mut detector = built(kind);
        let constant =
            (0..3_000).filter(|at| anomalous(&detector.push(Time(at * 1_000).into(), 5.0))).count();
        assert!(constant == 0 || kind.name == "stuck", "{}", kind.name);
        let (mut detector, mut noise) = (built(kind), Noise::new(3));
        usual(&mut detector, &mut noise, 0..2_000);
        detector.push(Time(2_000 * 60_000).into(), 1e308);
        usual(&mut detector, &mut noise, 2_001..2_101);
        let after = usual(&mut detector, &mut noise, 2_101..3_000).iter().filter(|j| anomalous(j)).count();
        assert!(after <= 3, "{}: {after} after 1e308", kind.name);
    }
}

#[test]
fn gaps_and_clock_steps_raise_nothing() {
    for kind in KINDS {
        let (mut detector, mut noise) = (built(kind), Noise::new(4));
        usual(&mut detector, &mut noise, 0..2_000);
        for from in [20_000, 100, 5_000_000, -3_000_000] {
            let judgements = usual(&mut detector, &mut noise, from..from + 50);
            assert!(judgements.iter().filter(|j| anomalous(j)).count() <= 1, "{} at {from}", kind.name);
        }
    }
}

#[test]
fn another_unit_is_learned_by_what_learns() {
    for kind in KINDS {
        let (mut detector, mut noise) = (built(kind), Noise::new(5));
        usual(&mut detector, &mut noise, 0..1_000);
        let mut fahrenheit = |at: i64| detector.push(Time(at * 60_000).into(), 68.0 + 1.8 * noise.normal());
        let alarms = (1_000..1_700).filter(|at| anomalous(&fahrenheit(*at))).count();
        let late = (1_700..2_500).filter(|at| anomalous(&fahrenheit(*at))).count();
        assert!(alarms <= 300 && late <= 3, "{}: {alarms}, then {late}", kind.name);
    }
}

/// Any values at any times: scores are numbers, and nothing panics.
#[test]
fn anything_may_come() {
    const VALUES: [f64; 9] =
        [0.0, -0.0, 1e308, -1e308, f64::MIN_POSITIVE, 5e-324, 1.0, f64::NAN, f64::INFINITY];
    const TIMES: [i64; 5] = [i64::MIN, i64::MAX, 0, -1, 1 << 40];
    for kind in KINDS {
        let (mut detector, mut noise) = (built(kind), Noise::new(6));
        for at in 0..20_000 {
            let odd =
                |share: f64, noise: &mut Noise| (noise.even() < share).then(|| (noise.even() * 1e6) as usize);
            let value =
                odd(0.3, &mut noise).map_or_else(|| noise.normal(), |pick| VALUES[pick % VALUES.len()]);
            let time = odd(0.1, &mut noise).map_or(at * 1_000, |pick| TIMES[pick % TIMES.len()]);
            let score = detector.push(Time(time).into(), value).score();
            assert!(score.is_none_or(f64::is_finite), "{} scored {score:?} for {value}", kind.name);
            detector.on_tick(Time(time.saturating_add(5)).into());
        }
    }
}

#[test]
fn a_restart_goes_on_and_damage_is_refused_or_harmless() {
    for kind in KINDS {
        let (mut detector, mut noise) = (built(kind), Noise::new(7));
        for part in 0..4 {
            usual(&mut detector, &mut noise, part * 400..part * 400 + 400);
            let bytes = saved(&detector);
            let mut restored = built(kind);
            restored.restore(&mut StateReader::new(&bytes)).unwrap();
            assert_eq!(restored, detector, "{}", kind.name);
            let cut = bytes.len().checked_sub(1).map(|end| &bytes[..end]);
            assert!(
                cut.is_none_or(|cut| built(kind).restore(&mut StateReader::new(cut)).is_err()),
                "{}",
                kind.name
            );
        }
        for _ in 0..200 {
            let mut bytes = saved(&detector);
            for _ in 0..bytes.len().min(8) {
                let at = (noise.even() * bytes.len() as f64) as usize;
                bytes[at] = (noise.even() * 256.0) as u8;
            }
            let mut damaged = built(kind);
            if damaged.restore(&mut StateReader::new(&bytes)).is_ok() {
                usual(&mut damaged, &mut noise, 0..40);
                damaged.on_tick(Time(1 << 40).into());
            }
        }
    }
}

#[test]
fn two_readings_a_day_are_judged_in_the_end() {
    for kind in KINDS {
        let (mut detector, mut noise) = (built(kind), Noise::new(8));
        let years: Vec<_> = (0..1_460)
            .map(|half| detector.push(Time(half * 43_200_000).into(), 20.0 + noise.normal()))
            .collect();
        assert!(matches!(years.last().unwrap().verdict, Verdict::Normal(_)), "{}", kind.name);
        assert!(years.iter().filter(|j| anomalous(j)).count() <= 4, "{}", kind.name);
    }
}

#[test]
fn no_detector_is_larger_than_eight_kilobytes() {
    assert!(size_of::<AnyDetector>() <= 8 * 1_024);
    assert_eq!(KINDS.iter().filter(|kind| kind.doc.is_empty() || kind.name.contains('_')).count(), 0);
}
