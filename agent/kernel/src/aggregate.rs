//! Accumulators: one reading at a time in, one answer per window out, constant memory, and they merge.
//!
//! `merge(a, b)` equals the accumulator over both inputs: to 1e-9 relative for sums that round, exactly for
//! counts, extremes, ends, states and sketches. `a` stands for what came first, where the order matters:
//! in order of arrival for [`Ends`], and in event time for what follows a path ([`Ordered`]).
//!
//! | accumulator | answers | bytes |
//! |---|---|---|
//! | [`Moments`] | count, sum, min, max, range, mean, variance, stddev | 48 |
//! | [`Ends`] | first, last, delta | 40 |
//! | [`Sketch`] | any percentile | 1160 |
//! | [`Slope`] | least squares | 56 |
//! | [`Comoments`] | covariance and correlation of two series | 48 |
//! | [`Ordered`] of [`Rate`], [`Integral`], [`States`] | increase, rate; integral, time-weighted mean; states | 64 to 72, and 16 a place |

mod comoments;
mod ends;
mod integral;
mod moments;
mod ordered;
mod rate;
mod sketch;
mod slope;
mod states;

pub use comoments::Comoments;
pub use ends::{Ends, Stamped};
pub use integral::Integral;
pub use moments::Moments;
pub use ordered::{Ordered, Path};
pub use rate::Rate;
pub use sketch::{Bin, Fixed, Room, SKETCH_BINS, Sketch, SketchIn};
pub use slope::Slope;
pub use states::States;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_the_table_says() {
        assert_eq!(size_of::<Moments>(), 48);
        assert_eq!(size_of::<Ends>(), 40);
        assert_eq!(size_of::<Sketch<SKETCH_BINS>>(), 1160);
        assert_eq!(size_of::<Slope>(), 56);
        assert_eq!(size_of::<Comoments>(), 48);
        let places = 8 * 16;
        assert_eq!(size_of::<Ordered<Rate, 8>>() - places, 64);
        assert_eq!(size_of::<Ordered<Integral, 8>>() - places, 64);
        assert_eq!(size_of::<Ordered<States, 8>>() - places, 72);
    }
}
