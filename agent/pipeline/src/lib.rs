//! From readings to events: which streams take a series, its windows and detectors, and the account of it all.
//!
//! Nothing here does I/O, reads a clock or knows bytes of any wire. Time is an argument, so that the same pipeline runs
//! live, in `replay` and in the tests. What the pipeline has to say leaves it as [`event::Event`]s. Its state leaves it
//! as sections with versions of their own ([`sections`]), so that every later version can read it.

pub mod account;
pub mod config;
pub mod event;
pub mod glob;
pub mod pipeline;
pub mod plan;
pub mod points;
pub mod sections;
pub mod sketch;

pub use pipeline::Pipeline;
