//! What people do with recordings: replay them through the engine, plot them, and judge detectors by them. A running
//! agent needs nothing of it.

pub mod evaluate;
pub mod plot;
pub mod replay;
