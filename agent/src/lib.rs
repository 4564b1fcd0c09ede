//! Headwater: one small agent for edge devices.
//!
//! Readings come in from sources, go through windows and detectors, and leave as summaries and alerts; what cannot
//! leave now waits on disk. This crate is the only one that knows all of that: it owns the config, the clock, the
//! wiring and the wire format. ARCHITECTURE.md has the map.

pub mod account;
mod blocking;
mod checkpoint;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod encode;
mod engine;
pub mod estimate;
mod evaluate;
pub mod event;
pub mod glob;
mod lock;
mod logging;
mod memory;
mod notify;
pub mod pipeline;
pub mod plan;
mod plot;
pub mod points;
pub mod sections;
pub mod show;
pub mod sketch;
pub mod status;
pub mod supervise;
pub mod tap;
pub mod thin;
