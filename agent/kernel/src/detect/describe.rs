//! Numbers and durations in the way people write them.

use core::fmt;

/// A number to six significant digits, without trailing zeros.
pub struct Figure(pub f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(rounded(self.0, 6), f)
    }
}

/// A number to two significant digits, and to three from 10 on, but whole: `10`, `0.046`, `123`, `451000`.
pub(super) struct Rough(pub(super) f64);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.abs();
        let three = rounded(self.0, 3);
        show(if magnitude >= 10.0 { libm::round(three) } else { rounded(self.0, 2) }, f)
    }
}

fn show(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-5..1e15).contains(&magnitude) {
        return write!(f, "{number:e}");
    }
    write!(f, "{number}")
}

fn rounded(number: f64, significant: i32) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    // Scaled by division where the power is negative: 10^-k is inexact, and 36.2 must stay 36.2.
    let digits = significant - 1 - libm::floor(libm::log10(number.abs())) as i32;
    if digits.abs() > 300 {
        return number;
    }
    let scale = libm::pow(10.0, f64::from(digits.abs()));
    if digits >= 0 { libm::round(number * scale) / scale } else { libm::round(number / scale) * scale }
}

/// A duration in milliseconds, its parts largest first: `1h30m`, `30s`, `250ms`.
pub(super) struct Duration(pub(super) i64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 5] =
            [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        let mut rest = self.0.max(0);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (scale, unit) in UNITS {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Figure};

    extern crate std;
    use std::string::ToString;

    #[test]
    fn figures_and_durations_read_well() {
        let figures = [36.2, 0.1 + 0.2, -40.0, 0.0, 123_456_789.0, 1e300, 1.5e-7, 2.5e-320, 5e-324]
            .map(|number| Figure(number).to_string());
        let texts = ["36.2", "0.3", "-40", "0", "123457000", "1e300", "1.5e-7", "2.5e-320", "5e-324"];
        assert_eq!(figures, texts);
        let durations = [0, 250, 30_000, 90_000, 5_400_000, 90_061_001].map(|ms| Duration(ms).to_string());
        assert_eq!(durations, ["0s", "250ms", "30s", "1m30s", "1h30m", "1d1h1m1s1ms"]);
    }
}
