//! Nanoseconds a reading and bytes a series of every detector, beside a bare EWMA z-score over the same readings in
//! the same run, so that the ratio holds on any machine. `cargo bench -p headwater-kernel --bench detectors`.

use headwater_kernel::detect::{
    AnyDetector, Detector, DetectorKind, DetectorVisitor, KINDS, ParameterPresence, Parameters,
};
use headwater_kernel::time::Time;
use std::hint::black_box;
use std::time::Instant;

const READINGS: usize = 200_000;
/// Readings that are timed together. The median of many short times holds on a busy machine, too.
const PART: usize = 500;

/// A daily cycle with noise, every five minutes, now and then a spike.
fn readings() -> Vec<(Time, f64)> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    let value = |at: usize, noise: f64| {
        let day = (at as f64 * core::f64::consts::TAU / 288.0).sin();
        20.0 + 5.0 * day + noise + if at.is_multiple_of(5_003) { 30.0 } else { 0.0 }
    };
    (0..READINGS).map(|at| (Time(at as i64 * 300_000), value(at, noise()))).collect()
}

/// One with its defaults, and limits where there are none.
fn built(kind: &DetectorKind) -> AnyDetector {
    let mut parameters = Parameters::new();
    let required =
        kind.parameters.iter().filter(|parameter| parameter.presence == ParameterPresence::Required);
    let names = required.map(|parameter| parameter.name).chain(match kind.name {
        "threshold" => Some("above"),
        "rate" => Some("rise"),
        "range" => Some("max"),
        _ => None,
    });
    for name in names {
        parameters.set(name, 1e6).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    kind.detector(&parameters).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Runs a detector of its own type; answers its bytes and its nanoseconds a reading.
struct Run<'r>(&'r [(Time, f64)]);

impl DetectorVisitor for Run<'_> {
    type Output = (usize, f64);

    fn visit<D: Detector + Copy + 'static>(self, detector: &D) -> (usize, f64) {
        let mut detector = *detector;
        let ns = median_ns(self.0, |time, value| {
            black_box(detector.push(time.into(), value));
        });
        (size_of::<D>(), ns)
    }
}

/// Nanoseconds a reading: the median over all parts.
fn median_ns(readings: &[(Time, f64)], mut push: impl FnMut(Time, f64)) -> f64 {
    let mut times: Vec<f64> = readings
        .chunks_exact(PART)
        .map(|part| {
            let start = Instant::now();
            part.iter().for_each(|(time, value)| push(*time, *value));
            start.elapsed().as_nanos() as f64 / PART as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn bare(readings: &[(Time, f64)]) -> f64 {
    let (mut mean, mut variance) = (0.0, 1.0);
    median_ns(readings, |_, value| {
        let distance: f64 = value - mean;
        black_box(distance.abs() > 4.0 * f64::sqrt(variance));
        mean += 0.01 * distance;
        variance = 0.99 * (variance + 0.01 * distance * distance);
    })
}

fn main() {
    let readings = readings();
    let bare = bare(&readings);
    println!("{:<14} {:>8} {:>8} {:>8}", "", "bytes", "ns", "ratio");
    println!("{:<14} {:>8} {bare:8.1} {:8.2}", "bare z-score", 16, 1.0);
    for kind in KINDS {
        let (bytes, ns) = built(kind).visit(Run(&readings));
        println!("{:<14} {bytes:>8} {ns:8.1} {:8.2}", kind.name, ns / bare);
    }
}
