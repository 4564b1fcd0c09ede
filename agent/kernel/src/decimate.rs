//! Decimation that keeps the shape of a series: fewer readings for charts.
//!
//! [`Deadband`] and [`SwingingDoor`] filter a series reading by reading; [`lttb`] and [`minmax`] select among the
//! readings of one window.

mod deadband;
mod lttb;
mod minmax;
mod swinging_door;

use crate::aggregate::Stamped;
pub use deadband::{Band, Deadband};
pub use lttb::lttb;
pub use minmax::minmax;
pub use swinging_door::SwingingDoor;

/// Where part `number` of `parts` equal parts of `length` begins.
fn boundary(length: usize, number: usize, parts: usize) -> usize {
    // In 128 bits, since length times number may not fit.
    (length as u128 * number as u128 / parts.max(1) as u128) as usize
}

/// The readings from `from` to `to`; fewer at the end of the list.
fn part(readings: &[Stamped], from: usize, to: usize) -> &[Stamped] {
    readings.get(from..to.min(readings.len())).unwrap_or_default()
}
