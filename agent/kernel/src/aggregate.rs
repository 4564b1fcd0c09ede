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
//! | [`Sketch`] | any percentile | 1164 |
//! | [`Slope`] | least squares | 56 |
//! | [`Comoments`] | covariance and correlation of two series | 48 |
//! | [`Ordered`] of [`CounterRate`], [`Integral`], [`States`] | increase, rate; integral, time-weighted mean; states | 64 to 88, and 16 a place |
//! | [`Ordered`] of [`ValueSteps`] | mean and largest absolute change, longest run of equal values | 88, and 16 a place |

mod comoments;
mod ends;
mod integral;
mod moments;
mod ordered;
mod rate;
mod sketch;
mod slope;
mod states;
mod steps;

pub use comoments::Comoments;
pub use ends::{Ends, Stamped};
pub use integral::Integral;
pub use moments::Moments;
pub use ordered::{Ordered, Path};
pub use rate::{CounterRate, CounterRule, Dip};
pub use sketch::{Bin, Fixed, Room, SKETCH_BINS, Sketch, SketchIn};
pub use slope::Slope;
pub use states::States;
pub use steps::ValueSteps;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every accumulator is stored under its own tag, in its declared number of bytes or with a length prefix.
    #[test]
    fn tags_are_unique_and_what_is_lost_stays_lost() {
        extern crate std;
        use crate::state::{State, StateReader, Tagged};
        use crate::time::Time;
        fn of<T: Tagged + Default>() -> (u16, u16, usize) {
            let mut bytes = 0;
            T::default().save(&mut |more: &[u8]| bytes += more.len());
            (T::TAG, T::BYTES, bytes)
        }
        let all = [
            of::<Moments>(),
            of::<Ends>(),
            of::<Sketch<SKETCH_BINS>>(),
            of::<Ordered<CounterRate, 8>>(),
            of::<Ordered<Integral, 8>>(),
            of::<Ordered<States, 8>>(),
            of::<Slope>(),
            of::<Comoments>(),
            of::<Ordered<ValueSteps, 8>>(),
        ];
        assert_eq!(
            all.map(|(tag, ..)| tag),
            [1, 2, 3, 4, 5, 6, 7, 9, 11],
            "8 is the readings that a chart needs, 10 the reading before a window"
        );
        assert!(all.iter().all(|(_, said, bytes)| *said == 0 || usize::from(*said) == *bytes), "{all:?}");
        let (mut moments, mut ends) = (Moments::new(), Ends::new());
        moments.push(1.0);
        ends.push(Time(1), 1.0);
        let (mut lost, mut none) = (Moments::lost(), Ends::lost());
        moments.merge(&lost);
        ends.merge(&none);
        lost.push(2.0);
        lost.merge(&Moments::new());
        none.push(Time(2), 2.0);
        none.merge(&Ends::new());
        for moments in [moments, lost] {
            let mut bytes = std::vec::Vec::new();
            moments.save(&mut |more: &[u8]| bytes.extend_from_slice(more));
            let moments = Moments::load(&mut StateReader::new(&bytes)).unwrap();
            let answers = [moments.sum(), moments.min(), moments.max(), moments.mean(), moments.variance()];
            assert!(moments.is_lost() && answers == [None; 5], "{moments:?}");
        }
        for ends in [ends, none] {
            assert_eq!((ends.first(), ends.last(), ends.delta()), (None, None, None));
        }
    }

    #[test]
    fn sizes_are_as_the_table_says() {
        assert_eq!(size_of::<Moments>(), 48);
        assert_eq!(size_of::<Ends>(), 40);
        assert_eq!(size_of::<Sketch<SKETCH_BINS>>(), 1164);
        assert_eq!(size_of::<Slope>(), 56);
        assert_eq!(size_of::<Comoments>(), 48);
        let places = 8 * 16;
        assert_eq!(size_of::<Ordered<CounterRate, 8>>() - places, 88);
        assert_eq!(size_of::<Ordered<Integral, 8>>() - places, 64);
        assert_eq!(size_of::<Ordered<States, 8>>() - places, 72);
        assert_eq!(size_of::<Ordered<ValueSteps, 8>>() - places, 88);
    }
}
