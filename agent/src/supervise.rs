//! The supervisor of a running agent. It starts the outputs, then the engine, then the sources, and stops them in the
//! opposite order.

mod catalogue_keeper;
mod last_state;
mod loss_reporter;
mod losses;
mod start_sources;
mod status_publisher;
mod supervisor;

use crate::clock;
use crate::clock::Boots;
use crate::config::{Config, SourceConfig};
use crate::engine::{self, AgentClock, CheckpointWriter, Engine, Stored};
use crate::journal::{Journal, JournalFolder};
use crate::lock::DirLock;
use crate::memory::MemoryCap;
use crate::notify::{self, Pulse};
use crate::status_socket::StatusSocket;
use crate::tap::Taps;
use crate::web::WebRoutes;
use catalogue_keeper::CatalogueKeeper;
use headwater_forwarder::{Forwarder, Full, Start, Sync};
use headwater_pipeline::config::{Limits, StreamConfig};
use headwater_pipeline::event::ReportCause;
use headwater_pipeline::pipeline::{Pipeline, SourceEntry};
use headwater_wire::rollup::Thinner;
use loss_reporter::LossReporter;
use start_sources::start_sources;
use status_publisher::StatusPublisher;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
pub use supervisor::TaskEnded;
use supervisor::{Supervisor, catch_panic};
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

/// The time that sources have at a stop, to decode what they have received.
const SOURCES: Duration = Duration::from_secs(2);

/// The time that a stop waits for the first checkpoint of the run.
const FIRST_CHECKPOINT: Duration = Duration::from_secs(4);

/// The time that an agent has to save its state after one of its tasks has ended by itself.
const GIVE_UP: Duration = Duration::from_secs(15);

/// The time after which the log names the streams that no series has matched.
const MATCH_WITHIN: Duration = Duration::from_secs(60);

/// The time that the report of the start waits for a connected output. A report that is made before one is connected
/// arrives as backfill.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

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
    LocalSet::new().run_until(run_here(config, taps, shutdown)).await
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

async fn run_here(config: Config, taps: Taps, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut shutdown = pin!(shutdown);
    let lock = tokio::select! {
        lock = prepare(&config.agent.state_dir) => lock?,
        () = &mut shutdown => return Ok(()),
    };
    let mut running = Running::start(config, taps, lock)?;
    let ended = tokio::select! {
        () = shutdown => None,
        ended = running.ended() => Some(ended),
    };
    match ended {
        None => running.stop().await,
        Some(ended) => {
            tracing::error!("{ended}; the agent ends, so that the service manager starts it again");
            running.give_up().await;
            return Err(Error::Task(ended));
        }
    }
    Ok(())
}

/// An agent at work.
struct Running {
    engine: Rc<Engine>,
    losses: Rc<LossReporter>,
    status: Rc<StatusPublisher>,
    tasks: Supervisor,
    sources: Supervisor,
    /// True tells the sources to stop.
    stop: watch::Sender<bool>,
    checkpoint_ms: i64,
    /// What the listener tells, if there is one.
    web: Option<WebRoutes>,
}

impl Running {
    fn start(config: Config, taps: Taps, lock: DirLock) -> Result<Self, Error> {
        let Config { agent, sources, streams, outputs, buffer, limits, clock, http } = config;
        let checkpoint = agent.state_dir.join(engine::FILE);
        let boots = Arc::new(Boots::default());
        let keeps_panes = buffer.full == Full::Thin;
        let fresh = || {
            let mut fresh = pipeline(&agent.id, &sources, streams.clone(), limits);
            fresh.set_mergeable(keeps_panes);
            fresh
        };
        let memory = MemoryCap::own();
        let opened = JournalFolder::of(&agent, sources.iter().any(|source| source.source.is_durable()));
        let stored = Stored { path: &checkpoint, segments: &opened.segments };
        let mut restored = engine::restore(&stored, &boots, &memory, fresh)
            .map_err(|error| Error::Checkpoint { path: checkpoint.display().to_string(), error })?;
        let clock = Rc::new(AgentClock::start(clock, boots.clone(), &restored.1.past));
        let journal = Journal::new(opened, engine::goes_on(&restored.1, &clock));
        let status = Rc::new(StatusPublisher::new(&agent, &outputs, clock.clone()));
        let losses = Rc::new(LossReporter::new(outputs.iter().map(|output| output.name.clone()).collect()));
        let catalogues = CatalogueKeeper::new(&outputs, &sources);
        let (daily_writes, sync) = (buffer.daily_writes, buffer.sync);
        let start = Start {
            config: buffer,
            folder: agent.state_dir.join("buffer"),
            outputs: outputs.into_iter().map(|output| status.slot(output, &boots)).collect(),
            clock: Arc::new(|| clock::now().0),
        };
        let thinned = streams.iter().map(|stream| (stream.name.to_string(), stream.thinned()));
        let thinner = Arc::new(Thinner::new(thinned));
        let forwarder = Forwarder::start_compacting(start, thinner).map_err(Error::Thread)?;
        forwarder.had_written(restored.1.written);
        let troubles = std::mem::take(&mut restored.1.troubles);
        let writer = CheckpointWriter::new(checkpoint, lock);
        let engine =
            Engine::new(restored, memory, clock.clone(), (forwarder, taps, writer, journal), &sources);
        let engine = Rc::new(engine);
        // The snapshot is taken before any reading comes in: a second crash must find the revisions that this run
        // begins with.
        let first = engine.first_snapshot(agent.checkpoint_ms);
        let ((stop, stopped), has_listener) = (watch::channel(false), http.is_some());
        let sources = start_sources(&engine, (sources, http), limits.new_series, &stopped);
        let state = agent.state_dir.display().to_string();
        tracing::info!(agent = agent.id, version = env!("CARGO_PKG_VERSION"), state, "running");
        for (cause, trouble) in troubles {
            tracing::error!("{trouble}");
            engine.report(cause, &trouble);
        }
        notify::ready(&engine.status().line());
        let tasks = Supervisor::default();
        let checkpoint_ms = agent.checkpoint_ms;
        let mut running = Self { engine, losses, status, tasks, sources, stop, checkpoint_ms, web: None };
        running.start_tasks(clock, agent.report_ms, (sync, daily_writes));
        CatalogueKeeper::start(catalogues, &running.engine, &mut running.tasks);
        running.tell_status(&agent.runtime_dir, has_listener);
        let (engine, tasks) = (running.engine.clone(), &mut running.tasks);
        let checkpoints = async move { engine.checkpoint_forever(first, checkpoint_ms, daily_writes).await };
        tasks.spawn("checkpoints", checkpoints);
        Ok(running)
    }

    fn start_tasks(&mut self, clock: Rc<AgentClock>, report_ms: i64, (sync, daily_writes): (Sync, u64)) {
        let Self { engine, losses, status, tasks, .. } = self;
        let (ticking, watching, reporting) = (engine.clone(), engine.clone(), engine.clone());
        tasks.spawn("ticker", async move { ticking.tick_forever().await });
        let (writing, noting, syncing) = (engine.clone(), engine.clone(), engine.clone());
        tasks.spawn("sync of the journal", async move {
            syncing.sync_journal_forever(sync, daily_writes).await;
        });
        tasks.spawn("journal", async move { writing.journal_forever().await });
        tasks.spawn("journal of what is kept", async move { noting.note_kept_forever().await });
        tasks.spawn("clock", async move { clock.ask_forever().await });
        tasks.spawn("memory", async move { watching.watch_memory().await });
        tasks.spawn("reports", async move { housekeeping(&reporting, report_ms).await });
        let following = engine.clone();
        tasks.spawn("trends", async move { following.follow_trends().await });
        let (telling, losses) = (engine.clone(), losses.clone());
        tasks.spawn("losses", async move { losses.keep(&telling).await });
        let (showing, status) = (engine.clone(), status.clone());
        tasks.spawn("status", async move { status.keep(&showing).await });
    }

    /// Tells whoever asks how the agent stands: on this machine, and over the listener. The agent works without both.
    fn tell_status(&mut self, folder: &Path, has_listener: bool) {
        match StatusSocket::listen(folder) {
            Ok(socket) => {
                let engine = self.engine.clone();
                self.tasks.spawn("status socket", async move { socket.serve(|| engine.status()).await });
            }
            Err(error) => {
                let folder = folder.display();
                tracing::warn!("`headwater status` cannot ask this agent: no socket in {folder}: {error}");
            }
        }
        if !has_listener {
            return;
        }
        match WebRoutes::open(&self.engine) {
            Ok(web) => {
                self.tasks.spawn("those who follow", web.tell());
                self.web = Some(web);
            }
            Err(taken) => tracing::warn!("there is no page: {taken}"),
        }
    }

    /// Waits for a task or a thread of the agent to end by itself.
    async fn ended(&mut self) -> TaskEnded {
        tokio::select! {
            ended = self.tasks.ended() => ended,
            ended = self.sources.ended() => ended,
            what = self.engine.forwarder().failed() => TaskEnded::Elsewhere(what),
        }
    }

    /// Stops in the order of the data, in less time than the unit allows, whatever the disk and the uplink do.
    async fn stop(mut self) {
        let start = Instant::now();
        tracing::info!("stopping");
        self.stop_sources(SOURCES).await;
        // Messages that wait for the first checkpoint are not lost on the way out.
        if timeout(FIRST_CHECKPOINT, self.engine.sending()).await.is_err() {
            tracing::warn!("stopped before the first checkpoint of this run was written");
        }
        self.tasks.abort().await;
        let Self { engine, losses, status, checkpoint_ms, .. } = self;
        engine.send_held();
        // An agent that is stopped at once has not made this report yet.
        engine.report_start();
        losses.finish(&engine);
        engine.report(ReportCause::Stop, "");
        status.publish(engine.forwarder(), false);
        last_state::save(&engine, checkpoint_ms, start).await;
    }

    /// Saves the state of an agent one of whose tasks has ended by itself. The next run treats that as a crash.
    async fn give_up(mut self) {
        let saved = async {
            self.stop_sources(SOURCES).await;
            self.tasks.abort().await;
            let snapshot = self.engine.snapshot(Some(self.checkpoint_ms));
            let safe = self.engine.forwarder().write_down(Instant::now() + GIVE_UP / 2).await;
            safe && self.engine.write(snapshot).await.is_ok()
        };
        // The state that a panic has left may make this task panic too.
        match timeout(GIVE_UP, catch_panic(saved)).await {
            Ok(Ok(true)) => tracing::info!("a checkpoint has been written"),
            Ok(Err(panic)) => tracing::error!("no checkpoint: {panic}"),
            Ok(Ok(false)) | Err(_) => tracing::error!("no checkpoint: the disk does not take it in time"),
        }
    }

    /// Stops the sources, which decode what they have received.
    async fn stop_sources(&mut self, within: Duration) {
        let _ = self.stop.send(true);
        let panicked = timeout(within, self.sources.finish()).await.unwrap_or_default();
        panicked.iter().for_each(|ended| tracing::error!("{ended}"));
        self.sources.abort().await;
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

/// An engine that has not looked at its windows for so long stands still.
const STANDS_STILL: Duration = Duration::from_secs(60);

/// Makes the report of the start and those of the interval, feeds the watchdog, and looks once for streams that no series
/// has matched.
async fn housekeeping(engine: &Engine, report_ms: i64) {
    let mut reports = tokio::time::interval(Duration::from_millis(report_ms.unsigned_abs()));
    // One report is enough after a stall: two reports of one millisecond would have one id.
    reports.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut beaten, mut pulse) = (Instant::now(), Pulse::new());
    pulse.beat(engine.ticks(), &engine.status().line());
    let mut first_look = std::pin::pin!(tokio::time::sleep(MATCH_WITHIN));
    let mut restart = std::pin::pin!(tokio::time::sleep(CONNECT_WITHIN));
    // The account lacks the messages of earlier runs until the buffer is open.
    let mut opened = std::pin::pin!(engine.forwarder().opened());
    let (mut is_open, mut looked, mut said) = (false, false, false);
    reports.tick().await;
    loop {
        tokio::select! {
            () = &mut opened, if !is_open => is_open = true,
            _ = reports.tick(), if is_open => engine.report(ReportCause::Interval, ""),
            () = engine.look() => {
                if beaten.elapsed() > Pulse::every() / 2 {
                    beaten = Instant::now();
                    pulse.beat(engine.ticks(), &engine.status().line());
                }
            }
            // Every look begins this anew.
            () = tokio::time::sleep(STANDS_STILL) => {
                tracing::error!("the engine stands still: no window was looked at since the last time");
            }
            () = &mut restart, if is_open && !said => {
                said = true;
                engine.report_start();
            }
            () = &mut first_look, if !looked => {
                looked = true;
                engine.warn_of_idle_streams();
            }
        }
    }
}

#[cfg(test)]
mod tests;
