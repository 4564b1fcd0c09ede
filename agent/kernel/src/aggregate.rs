//! Accumulators: one reading at a time in, one answer per window out, constant memory, and they merge.
//!
//! `merge(a, b)` equals the accumulator over both inputs: to 1e-9 relative for sums that round, exactly for
//! counts, extremes, ends and sketches. `a` stands for what arrived first, where the order matters.

mod ends;
mod moments;
mod sketch;

pub use ends::{Ends, Stamped};
pub use moments::Moments;
pub use sketch::{Bin, SKETCH_BINS, Sketch};
