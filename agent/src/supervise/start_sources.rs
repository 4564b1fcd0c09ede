//! Starts the sources, each with a way into the engine, and the listener that others ask.

use super::supervisor::Supervisor;
use crate::config::SourceConfig;
use crate::engine::{Engine, EngineSink};
use headwater_http::HttpSettings;
use std::rc::Rc;
use tokio::sync::watch;

/// Starts all sources, and behind them the listener, so that it answers as soon as they do. `new_series` is that of
/// `[limits]`.
pub(super) fn start_sources(
    engine: &Rc<Engine>,
    (sources, http): (Vec<SourceConfig>, Option<HttpSettings>),
    new_series: usize,
    stopped: &watch::Receiver<bool>,
) -> Supervisor {
    let mut running = Supervisor::default();
    for (index, source) in sources.into_iter().enumerate() {
        let sink = EngineSink::new(engine.clone(), index, &source, new_series);
        running.spawn(format!("source {}", source.name), source.source.run(Box::new(sink), stopped.clone()));
    }
    if let Some(http) = http {
        let (engine, stopped) = (engine.clone(), stopped.clone());
        running.spawn("HTTP listener", async move { engine.listen(http, stopped).await });
    }
    running
}
