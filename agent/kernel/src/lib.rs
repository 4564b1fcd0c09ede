#![no_std]
//! The kernel: event-time windows, mergeable aggregates and detectors, for one series at a time.
//!
//! The caller passes readings and `now`, and the kernel returns what should happen. It owns no clock, does no I/O,
//! logs nothing and never allocates. So the same readings give the same answers on a gateway, on a microcontroller
//! and in a test, and a recorded week replays in a second.
//!
//! | module | holds |
//! |---|---|
//! | [`time`] | event and agent time in milliseconds |
//! | [`aggregate`] | accumulators that take readings one by one and merge |
//! | [`window`] | windows and their four shapes |
//! | [`series`] | the windows of one series: placing readings and closing windows |
//! | [`watermark`] | the progress of one series in event time |
//! | [`detect`] | detectors, and the life of an alert |
//! | [`model`] | trained models, and what they say of one row of features |
//! | [`normalise`] | readings on the scale of their series' past |
//! | [`decimate`] | fewer readings that keep the shape |
//! | [`state`] | stored state, for checkpoints |

pub mod aggregate;
pub mod decimate;
pub mod detect;
mod invariant;
pub mod model;
pub mod normalise;
mod range;
pub mod series;
pub mod state;
pub mod time;
pub mod watermark;
pub mod window;

pub use range::OutOfRange;
