//! `headwater run`: the daemon.

use super::{Failure, load, runtime};
use crate::{logging, supervise};
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

pub(super) fn run(config_path: &Path) -> Result<(), Failure> {
    let config = load(config_path)?;
    logging::start(config.agent.log);
    runtime()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        supervise::run(config, shutdown).await.map_err(|error| Failure::Other(error.to_string()))
    })
}
