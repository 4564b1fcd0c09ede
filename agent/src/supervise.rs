//! The supervisor of a running agent. It starts the outputs, then the engine, then the sources, and stops them in the
//! opposite order.

mod catalogue_keeper;
mod housekeeping;
mod inlets;
mod last_state;
mod loss_reporter;
mod losses;
mod running;
mod status_publisher;
mod supervisor;

use crate::config::{Config, SourceConfig};
use crate::engine::Engine;
use crate::lock::DirLock;
use crate::tap::Taps;
use headwater_pipeline::config::{Limits, StreamConfig};
use headwater_pipeline::pipeline::{Pipeline, SourceEntry};
use running::Running;
use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;
pub use supervisor::TaskEnded;
use tokio::task::LocalSet;

/// The number of attempts to lock the state directory, and the time between two of them.
const LOCK_LOOKS: u32 = 50;
const LOCK_AGAIN: Duration = Duration::from_millis(100);

/// The number of attempts after which the log names the directory.
const LOCK_LOOKS_SILENT: u32 = 10;

/// The agent could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state directory cannot be used.
    #[error(
        "cannot use the state directory {path}: {error}; create it for this user, or set [agent] state_dir"
    )]
    StateDir {
        /// The directory.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// Another program holds the state directory.
    #[error("another headwater holds the state directory {path}: end it, or set another [agent] state_dir")]
    Held {
        /// The directory.
        path: String,
    },
    /// The checkpoint can neither be read nor set aside.
    #[error("cannot read the checkpoint {path}: {error}; make it readable for this user, or move it away")]
    Checkpoint {
        /// The file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// A part of the agent has ended by itself.
    #[error("the agent has ended: {0}")]
    Task(TaskEnded),
}

/// What whoever runs an agent asks of it.
pub(crate) enum OperatorRequest {
    /// To stop.
    Stop,
    /// To go on with another config.
    Change(Box<Config>),
}

/// Whoever runs an agent.
pub(crate) trait Operator {
    /// Waits for the next request, while the agent runs.
    fn request(&mut self, engine: &Rc<Engine>) -> impl Future<Output = OperatorRequest>;

    /// Waits for a request to stop, while no agent runs yet.
    fn stopped(&mut self) -> impl Future<Output = ()>;
}

/// One who asks for nothing but the end.
struct UntilStopped<F>(Pin<Box<F>>);

impl<F: Future<Output = ()>> Operator for UntilStopped<F> {
    async fn request(&mut self, _: &Rc<Engine>) -> OperatorRequest {
        self.stopped().await;
        OperatorRequest::Stop
    }

    async fn stopped(&mut self) {
        self.0.as_mut().await;
    }
}

/// Runs an agent until `shutdown`. The agent starts with or without a network.
///
/// # Errors
/// [`Error`] if the agent could not start, or one of its tasks has ended by itself.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    run_tapped(config, Taps::default(), shutdown).await
}

/// Runs an agent until `shutdown`, with observers of its events.
///
/// # Errors
/// As [`run`].
pub async fn run_tapped(config: Config, taps: Taps, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    run_operated(config, taps, &mut UntilStopped(Box::pin(shutdown))).await
}

/// Runs an agent until its operator stops it.
///
/// # Errors
/// As [`run`].
pub(crate) async fn run_operated(
    mut config: Config,
    taps: Taps,
    operator: &mut impl Operator,
) -> Result<(), Error> {
    while let Some(next) = LocalSet::new().run_until(run_here(config, taps.clone(), operator)).await? {
        config = next;
    }
    Ok(())
}

/// The pipeline that a config asks for.
#[must_use]
pub fn pipeline(
    agent: &str,
    sources: &[SourceConfig],
    streams: Vec<StreamConfig>,
    limits: Limits,
) -> Pipeline {
    let entry = |source: &SourceConfig| SourceEntry {
        name: source.name.clone(),
        future_ms: source.future_ms,
        is_durable: source.source.redelivers(),
    };
    Pipeline::new(agent, sources.iter().map(entry).collect(), streams, limits)
}

/// Runs one engine until it is to stop. Answers the config of the next one, if there is to be one.
async fn run_here(config: Config, taps: Taps, operator: &mut impl Operator) -> Result<Option<Config>, Error> {
    let lock = {
        let mut stopped = pin!(operator.stopped());
        tokio::select! {
            lock = prepare(&config.agent.state_dir) => lock?,
            () = &mut stopped => return Ok(None),
        }
    };
    let mut running = Running::start(config, taps, lock)?;
    loop {
        let engine = running.engine();
        let request = tokio::select! {
            request = operator.request(&engine) => request,
            ended = running.ended() => {
                tracing::error!("{ended}; the agent ends, so that the service manager starts it again");
                running.give_up().await;
                return Err(Error::Task(ended));
            }
        };
        drop(engine);
        let next = match request {
            OperatorRequest::Stop => None,
            OperatorRequest::Change(config) => match running.change(*config).await {
                Ok(()) => continue,
                Err(next) => Some(*next),
            },
        };
        running.stop().await;
        return Ok(next);
    }
}

/// Makes the state directory and locks it. A program that holds it may be about to end, so this waits a while.
async fn prepare(state_dir: &Path) -> Result<DirLock, Error> {
    let path = || state_dir.display().to_string();
    let failed = |error| Error::StateDir { path: path(), error };
    let mut folders = std::fs::DirBuilder::new();
    // Nobody else may read the state. The mode applies to folders that are made here.
    std::os::unix::fs::DirBuilderExt::mode(folders.recursive(true), 0o700);
    folders.create(state_dir).map_err(failed)?;
    for look in 0..LOCK_LOOKS {
        if look == LOCK_LOOKS_SILENT {
            tracing::warn!("another headwater holds the state directory {}: waiting for it to end", path());
        }
        if let Some(lock) = DirLock::take(state_dir).map_err(failed)? {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_AGAIN).await;
    }
    Err(Error::Held { path: path() })
}

#[cfg(test)]
mod tests;
