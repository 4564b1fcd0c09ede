//! One simulated signal: a value at each moment.

use std::f64::consts::TAU;

/// A signal. Its value is the sum of its parts, unless a fault changes it.
#[derive(Debug)]
pub(super) struct Signal {
    /// The name of its series.
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) base: f64,
    pub(super) waves: Vec<Wave>,
    /// Standard deviation of the noise.
    pub(super) noise: f64,
    pub(super) steps: Vec<Step>,
    pub(super) faults: Vec<Fault>,
    /// Values are multiples of this; 0: not rounded.
    pub(super) resolution: f64,
}

/// A periodic part.
#[derive(Debug)]
pub(super) struct Wave {
    pub(super) shape: Shape,
    pub(super) period_ms: u64,
    pub(super) amplitude: f64,
    /// The lead, as a fraction of a period.
    pub(super) phase: f64,
}

/// From -1 to 1 in each period.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Sine,
    Triangle,
    Saw,
    Square,
}

/// A permanent change.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at_ms: u64,
    pub(super) by: f64,
}

/// A fault of a sensor, with a duration.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) at_ms: u64,
    pub(super) for_ms: u64,
    /// The fault recurs after this time.
    pub(super) every_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FaultKind {
    /// Adds a constant.
    Spike(f64),
    /// Adds a value that grows evenly to this.
    Drift(f64),
    /// The value stays constant.
    Stuck,
    /// There is no value.
    Dropout,
}

impl Signal {
    /// The value at `at_ms` since the start (ms); `None`: the sensor is silent.
    pub(super) fn value(&self, at_ms: u64, interval_ms: u64, seed: u64, number: u64) -> Option<f64> {
        let active = |kind| self.faults.iter().find_map(|f| f.since(at_ms).filter(|_| f.kind == kind));
        if active(FaultKind::Dropout).is_some() {
            return None;
        }
        // A stuck sensor repeats the value of the moment at which it stuck.
        let stuck = active(FaultKind::Stuck).map(|since_ms| at_ms - since_ms);
        let at_ms = stuck.unwrap_or(at_ms) / interval_ms * interval_ms;
        let at = exact(at_ms);
        let waves = self.waves.iter().map(|wave| wave.value(at));
        let steps = self.steps.iter().map(|step| if at_ms >= step.at_ms { step.by } else { 0.0 });
        let faults = self.faults.iter().map(|fault| fault.shift(at_ms));
        let noise = self.noise * normal(seed, number, at_ms / interval_ms);
        let value = self.base + waves.chain(steps).chain(faults).sum::<f64>() + noise;
        let rounded = (value / self.resolution).round() * self.resolution;
        Some(if self.resolution > 0.0 { rounded } else { value })
    }
}

impl Wave {
    fn value(&self, at_ms: f64) -> f64 {
        let turn = (at_ms / exact(self.period_ms) + self.phase).rem_euclid(1.0);
        self.amplitude
            * match self.shape {
                Shape::Sine => (TAU * turn).sin(),
                Shape::Triangle => 1.0 - 4.0 * (turn - 0.5).abs(),
                Shape::Saw => 2.0 * turn - 1.0,
                Shape::Square if turn < 0.5 => 1.0,
                Shape::Square => -1.0,
            }
    }
}

impl Fault {
    /// How long the fault has lasted (ms).
    fn since(&self, at_ms: u64) -> Option<u64> {
        let at_ms = at_ms.checked_sub(self.at_ms)?;
        let since_ms = self.every_ms.map_or(at_ms, |every_ms| at_ms % every_ms);
        (since_ms < self.for_ms).then_some(since_ms)
    }

    /// The number that the fault adds to the value.
    fn shift(&self, at_ms: u64) -> f64 {
        match (self.kind, self.since(at_ms)) {
            (FaultKind::Spike(by), Some(_)) => by,
            (FaultKind::Drift(by), Some(since_ms)) => by * exact(since_ms) / exact(self.for_ms),
            _ => 0.0,
        }
    }
}

/// Approximately normal: the sum of four uniform numbers, scaled. The same arguments give the same number on every
/// machine.
fn normal(seed: u64, signal: u64, step: u64) -> f64 {
    const UNIFORM: f64 = 1.0 / 9_007_199_254_740_992.0; // 2^53
    let mut state = seed ^ mixed(signal.wrapping_add(1)) ^ mixed(step).rotate_left(32);
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        exact(mixed(state) >> 11) * UNIFORM - 0.5
    };
    (uniform() + uniform() + uniform() + uniform()) * 3.0_f64.sqrt()
}

/// The output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
fn mixed(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// For numbers up to 2^53; as milliseconds, 285,000 years.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn exact(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 100;

    fn signal() -> Signal {
        Signal {
            name: String::new(),
            labels: Vec::new(),
            base: 10.0,
            waves: Vec::new(),
            noise: 0.0,
            steps: Vec::new(),
            faults: Vec::new(),
            resolution: 0.0,
        }
    }

    fn at(signal: &Signal, times: &[u64]) -> Vec<Option<f64>> {
        times.iter().map(|ms| signal.value(*ms, STEP, 1, 0)).collect()
    }

    fn fault(kind: FaultKind, every_ms: Option<u64>) -> Fault {
        Fault { kind, at_ms: 1_000, for_ms: 1_000, every_ms }
    }

    #[test]
    fn waves_have_the_shapes_that_they_are_named_after() {
        for (shape, quarters) in [
            (Shape::Sine, [0.0, 1.0, 0.0, -1.0]),
            (Shape::Triangle, [-1.0, 0.0, 1.0, 0.0]),
            (Shape::Saw, [-1.0, -0.5, 0.0, 0.5]),
            (Shape::Square, [1.0, 1.0, -1.0, -1.0]),
        ] {
            let wave = Wave { shape, period_ms: 4_000, amplitude: 2.0, phase: 0.25 };
            for (quarter, expected) in quarters.into_iter().enumerate() {
                let at_ms = quarter as f64 * 1_000.0 + 7_000.0; // a phase of a quarter is a second
                assert!((wave.value(at_ms) - 2.0 * expected).abs() < 1e-12, "{shape:?} {quarter}");
            }
        }
    }

    #[test]
    fn faults_are_there_for_their_time_and_come_again() {
        let times = [0, 900, 1_000, 1_500, 1_900, 2_000, 6_500];
        let mut signal = Signal { steps: vec![Step { at_ms: 1_500, by: 1.0 }], ..signal() };
        let plain = [10.0, 10.0, 10.0, 11.0, 11.0, 11.0, 11.0].map(Some);
        assert_eq!(at(&signal, &times), plain);
        signal.faults = vec![fault(FaultKind::Spike(5.0), Some(5_000))];
        assert_eq!(at(&signal, &times), [10.0, 10.0, 15.0, 16.0, 16.0, 11.0, 16.0].map(Some));
        signal.faults = vec![fault(FaultKind::Drift(5.0), None)];
        assert_eq!(at(&signal, &times), [10.0, 10.0, 10.0, 13.5, 15.5, 11.0, 11.0].map(Some));
        signal.faults = vec![fault(FaultKind::Stuck, None)];
        assert_eq!(at(&signal, &times), [10.0, 10.0, 10.0, 10.0, 10.0, 11.0, 11.0].map(Some));
        signal.faults = vec![fault(FaultKind::Dropout, None)];
        assert_eq!(at(&signal, &times), [Some(10.0), Some(10.0), None, None, None, Some(11.0), Some(11.0)]);
    }

    #[test]
    fn noise_is_reproducible_and_of_the_width_that_is_asked_for() {
        let signal = Signal { noise: 0.5, ..signal() };
        let all = |seed, number| {
            let signal = &signal;
            (0..20_000).map(move |step| signal.value(step * STEP, STEP, seed, number).unwrap() - 10.0)
        };
        assert!(all(1, 0).eq(all(1, 0)));
        assert!(!all(1, 0).eq(all(2, 0)) && !all(1, 0).eq(all(1, 1)));
        let (sum, squares) = all(1, 0).fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
        assert!((sum / 20_000.0).abs() < 0.02, "{sum}");
        assert!(((squares / 20_000.0_f64).sqrt() - 0.5).abs() < 0.02, "{squares}");
        let rounded = Signal { resolution: 0.25, ..signal };
        assert!(at(&rounded, &[0, 100, 200]).iter().all(|value| value.unwrap() % 0.25 == 0.0));
    }
}
