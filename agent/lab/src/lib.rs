//! Tools for recordings: replay them through the pipeline, plot them, and evaluate detectors on them. A running agent
//! needs none of it.

pub mod evaluate;
pub mod fleet;
pub mod plot;
pub mod replay;
mod svg;
pub mod train;
mod virtual_time;
