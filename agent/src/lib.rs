//! Headwater: one small agent for edge devices.
//!
//! Readings come in from sources, go through windows and detectors, and leave as summaries and alerts; what cannot
//! leave now waits on disk. This crate is the only one that knows all of that: it owns the config, the clock, the
//! wiring and the wire format. ARCHITECTURE.md has the map.

mod blocking;
mod checkpoint;
pub mod cli;
pub mod clock;
pub mod config;
mod engine;
pub mod estimate;
mod frames;
#[cfg(fuzzing)]
pub mod fuzzing;
mod journal;
mod lock;
mod logging;
mod memory;
mod models;
mod notify;
mod private_file;
mod reload;
mod remote;
mod schema;
pub mod show;
pub mod status;
mod status_socket;
pub mod supervise;
pub mod tap;
mod varint;
mod watched;
mod web;
