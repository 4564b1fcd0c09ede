//! Turns readings into events: assigns series to streams, runs their windows and detectors, and accounts for every
//! reading.
//!
//! This crate does no I/O, reads no clock and knows no wire format. Time is an argument, so that the same pipeline
//! runs live, in `replay` and in tests. It emits [`event::Event`]s. Its state is stored in sections, each with its
//! own version ([`sections`]), so that every later version can read it.

pub mod account;
pub mod config;
pub mod event;
pub mod glob;
pub mod pipeline;
pub mod plan;
pub mod points;
pub mod sections;
pub mod sketch;
pub mod unit;

pub use pipeline::Pipeline;
