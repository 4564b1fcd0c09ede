//! Starts the sources, each with a way into the engine.

use super::supervisor::Supervisor;
use crate::config::SourceConfig;
use crate::engine::{Engine, EngineSink};
use std::rc::Rc;
use tokio::sync::watch;

/// Starts all sources; `new_series` is that of `[limits]`.
pub(super) fn start_sources(
    engine: &Rc<Engine>,
    sources: Vec<SourceConfig>,
    new_series: usize,
    stopped: &watch::Receiver<bool>,
) -> Supervisor {
    let mut running = Supervisor::default();
    for (index, source) in sources.into_iter().enumerate() {
        let sink = EngineSink::new(engine.clone(), index, &source, new_series);
        running.spawn(format!("source {}", source.name), source.source.run(Box::new(sink), stopped.clone()));
    }
    running
}
