//! An agent at work: what it consists of, how it begins, how it changes its config without a stop, and how it ends.

mod outputs;
mod parts;

use super::catalogue_keeper::{CATALOGUES, CatalogueKeeper};
use super::housekeeping::housekeeping;
use super::inlets::{InletConfig, Inlets};
use super::last_state;
use super::loss_reporter::LossReporter;
use super::status_publisher::StatusPublisher;
use super::supervisor::{Supervisor, TaskEnded, catch_panic};
use super::{Error, pipeline};
use crate::clock::{self, Boots};
use crate::config::Config;
use crate::engine::{self, AgentClock, CheckpointWriter, ConfigChange, Engine, Snapshot, Stored, Suspects};
use crate::journal::{Journal, JournalFolder};
use crate::lock::DirLock;
use crate::memory::MemoryCap;
use crate::notify;
use crate::status_socket::StatusSocket;
use crate::tap::Taps;
use crate::web::WebRoutes;
use headwater_forwarder::{Forwarder, Full, Start};
use headwater_pipeline::config::{StreamConfig, Thinned};
use headwater_pipeline::event::ReportCause;
use headwater_pipeline::pipeline::Pipeline;
use headwater_wire::rollup::Thinner;
use parts::ConfigParts;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The time that sources have at a stop, to decode what they have received.
const SOURCES: Duration = Duration::from_secs(2);

/// The time that a stop, or another config, waits for the first checkpoint of the run.
const FIRST_CHECKPOINT: Duration = Duration::from_secs(4);

/// The time that an agent has to save its state after one of its tasks has ended by itself.
const GIVE_UP: Duration = Duration::from_secs(15);

/// The tasks that a change of the config begins anew.
const CHECKPOINTS: &str = "checkpoints";
const REPORTS: &str = "reports";
const SYNCS: &str = "sync of the journal";

/// An agent at work.
pub(super) struct Running {
    engine: Rc<Engine>,
    losses: Rc<LossReporter>,
    status: Rc<StatusPublisher>,
    tasks: Supervisor,
    inlets: Inlets,
    /// The config that it runs with.
    parts: ConfigParts,
    thinner: Arc<Thinner>,
    boots: Arc<Boots>,
    /// What the listener tells, if there is one.
    web: Option<WebRoutes>,
}

impl Running {
    /// Starts an agent, which holds the lock of its state directory.
    ///
    /// # Errors
    /// The state cannot be read, or the system gives no thread.
    pub(super) fn start(config: Config, taps: Taps, lock: DirLock) -> Result<Self, Error> {
        let parts = ConfigParts::of(&config);
        let fresh = || new_pipeline(&config);
        let (agent, boots) = (&config.agent, Arc::new(Boots::default()));
        let checkpoint = agent.state_dir.join(engine::FILE);
        let memory = MemoryCap::own();
        let mut opened = JournalFolder::of(agent, parts.is_synced);
        let suspects = Suspects::begin(&agent.runtime_dir);
        if !suspects.may_replay() {
            opened.segments.give_up();
        }
        let replaying = suspects.begin_replay();
        let stored = Stored { path: &checkpoint, segments: &opened.segments };
        let mut restored = engine::restore(&stored, &boots, &memory, fresh)
            .map_err(|error| Error::Checkpoint { path: checkpoint.display().to_string(), error })?;
        drop(replaying);
        let clock = Rc::new(AgentClock::start(config.clock, boots.clone(), &restored.1.past));
        let journal = Journal::new(opened, engine::goes_on(&restored.1, &clock));
        let status = Rc::new(StatusPublisher::new(agent, &config.outputs, clock.clone()));
        let losses = Rc::new(LossReporter::new(parts.output_names()));
        let catalogues = CatalogueKeeper::new(&config.outputs, &config.sources);
        let start = Start {
            config: config.buffer,
            folder: agent.state_dir.join("buffer"),
            outputs: config.outputs.into_iter().map(|output| status.slot(output, &boots)).collect(),
            clock: Arc::new(|| clock::now().0),
        };
        let thinner = Arc::new(Thinner::new(thinned(&config.streams)));
        let forwarder = Forwarder::start_compacting(start, thinner.clone()).map_err(Error::Thread)?;
        forwarder.had_written(restored.1.written);
        let troubles = std::mem::take(&mut restored.1.troubles);
        let writer = CheckpointWriter::new(checkpoint, lock);
        let keepers = (journal, suspects);
        let ends = (forwarder, taps, writer);
        let engine = Rc::new(Engine::new(restored, memory, clock.clone(), ends, keepers, &config.sources));
        // The snapshot is taken before any reading comes in: a second crash must find the revisions that this run
        // begins with.
        let first = engine.first_snapshot(agent.checkpoint_ms);
        let state = agent.state_dir.display().to_string();
        tracing::info!(agent = agent.id, version = env!("CARGO_PKG_VERSION"), state, "running");
        for (cause, trouble) in troubles {
            tracing::error!("{trouble}");
            engine.report(cause, &trouble);
        }
        notify::ready(&engine.status().line());
        let runtime_dir = config.agent.runtime_dir;
        let (tasks, inlets) = (Supervisor::default(), Inlets::default());
        let mut running = Self { engine, losses, status, tasks, inlets, parts, thinner, boots, web: None };
        running.start_tasks(clock);
        CatalogueKeeper::start(catalogues, &running.engine, &mut running.tasks);
        running.tell_status(&runtime_dir);
        running.begin(first);
        running.start_reports();
        running.open_inlets(InletConfig {
            sources: config.sources,
            http: config.http.map(|http| (http, config.http_print)),
            new_series: config.limits.new_series,
        });
        Ok(running)
    }

    /// The engine.
    pub(super) fn engine(&self) -> Rc<Engine> {
        self.engine.clone()
    }

    /// Goes on with another config. What it leaves as it was goes on: sources and their connections, windows, detectors,
    /// outputs. Readings of those sources stop for as long as the state takes to be handed over. It waits for the first
    /// checkpoint of the present config, so that configs that follow each other fast leave no more than two journals; what
    /// runs does not wait.
    ///
    /// # Errors
    /// The config needs another engine; it is handed back.
    pub(super) async fn change(&mut self, config: Config) -> Result<(), Box<Config>> {
        let parts = ConfigParts::of(&config);
        notify::reloading();
        if let Some(why) = self.parts.why_restart(&parts) {
            tracing::info!("the config changes {why}: the engine stops and starts");
            return Err(Box::new(config));
        }
        self.first_checkpoint().await;
        let moved = self.parts.changed_outputs(&parts);
        let Some(given_up) = self.end_outputs(&moved).await else {
            tracing::info!("the config changes which outputs there are: the engine stops and starts");
            return Err(Box::new(config));
        };
        let pipeline = self.parts.changes_pipeline(&parts).then(|| new_pipeline(&config));
        let (checksum, checkpoint_ms) = (config.agent.checksum, config.agent.checkpoint_ms);
        let catalogues = CatalogueKeeper::new(&config.outputs, &config.sources);
        let inlets = InletConfig {
            sources: config.sources,
            http: config.http.map(|http| (http, config.http_print)),
            new_series: config.limits.new_series,
        };
        self.inlets.stop_others(&inlets, SOURCES).await;
        let (kept, outputs) = (self.inlets.kept(&inlets), parts.output_names());
        let reports = self.parts.report_ms != parts.report_ms;
        let syncs = self.parts.is_synced != parts.is_synced;
        self.parts = parts;
        self.thinner.change(thinned(&config.streams));
        // From here on nothing waits: between two readings the engine has one config, or the other.
        self.tasks.abort_one(CHECKPOINTS);
        self.tasks.abort_one(CATALOGUES);
        let replaced = self.rearrange_outputs(config.outputs, &moved);
        let change = ConfigChange {
            sources: &inlets.sources,
            kept: &kept,
            pipeline,
            outputs: &outputs,
            checksum,
            is_synced: self.parts.is_synced,
            checkpoint_ms,
        };
        let first = self.engine.change(change);
        self.begin(first);
        if syncs {
            self.tasks.abort_one(SYNCS);
            self.start_syncs();
        }
        if reports {
            self.tasks.abort_one(REPORTS);
            self.start_reports();
        }
        self.open_inlets(inlets);
        for text in given_up {
            tracing::warn!("{text}");
            self.engine.report(ReportCause::Refused, &text);
        }
        for (place, output) in replaced {
            let slot = self.status.slot(output, &self.boots);
            self.engine.forwarder().replace(place, slot).await;
        }
        CatalogueKeeper::start(catalogues, &self.engine, &mut self.tasks);
        tracing::info!("the config has been read again, and the agent goes on with it");
        notify::ready(&self.engine.status().line());
        Ok(())
    }

    /// Waits until the first checkpoint of the present config is written, so that none of its messages waits for it any more.
    async fn first_checkpoint(&self) {
        if timeout(FIRST_CHECKPOINT, self.engine.first_checkpoint()).await.is_err() {
            tracing::warn!(
                "another config comes before the first checkpoint of this one is written: the disk is slow"
            );
            self.engine.send_held();
        }
    }

    fn start_tasks(&mut self, clock: Rc<AgentClock>) {
        self.start_syncs();
        let Self { engine, losses, status, tasks, .. } = self;
        let (ticking, watching) = (engine.clone(), engine.clone());
        tasks.spawn("ticker", async move { ticking.tick_forever().await });
        let (writing, noting) = (engine.clone(), engine.clone());
        tasks.spawn("journal", async move { writing.journal_forever().await });
        tasks.spawn("journal of what is kept", async move { noting.note_kept_forever().await });
        tasks.spawn("clock", async move { clock.ask_forever().await });
        tasks.spawn("memory", async move { watching.watch_memory().await });
        let following = engine.clone();
        tasks.spawn("trends", async move { following.follow_trends().await });
        let (telling, losses) = (engine.clone(), losses.clone());
        tasks.spawn("losses", async move { losses.keep(&telling).await });
        let (showing, status) = (engine.clone(), status.clone());
        tasks.spawn("status", async move { status.keep(&showing).await });
    }

    /// Writes the first checkpoint of a config, and those that follow.
    fn begin(&mut self, first: Snapshot) {
        let (engine, daily_writes) = (self.engine.clone(), self.parts.buffer.daily_writes);
        let checkpoint_ms = self.parts.checkpoint_ms;
        let checkpoints = async move { engine.checkpoint_forever(first, checkpoint_ms, daily_writes).await };
        self.tasks.spawn(CHECKPOINTS, checkpoints);
    }

    fn start_syncs(&mut self) {
        let (engine, buffer) = (self.engine.clone(), self.parts.buffer.clone());
        let syncs = async move { engine.sync_journal_forever(buffer.sync, buffer.daily_writes).await };
        self.tasks.spawn(SYNCS, syncs);
    }

    fn start_reports(&mut self) {
        let (engine, report_ms) = (self.engine.clone(), self.parts.report_ms);
        self.tasks.spawn(REPORTS, async move { housekeeping(&engine, report_ms).await });
    }

    /// Starts what comes in and does not run yet.
    fn open_inlets(&mut self, config: InletConfig) {
        let has_listener = config.http.is_some();
        self.inlets.go_on(&self.engine, config);
        if !has_listener || self.web.is_some() {
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

    /// Tells whoever asks on this machine how the agent stands. The agent works without that.
    fn tell_status(&mut self, folder: &Path) {
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
    }

    /// Waits for a task or a thread of the agent to end by itself.
    pub(super) async fn ended(&mut self) -> TaskEnded {
        tokio::select! {
            ended = self.tasks.ended() => ended,
            ended = self.inlets.ended() => ended,
            what = self.engine.forwarder().failed() => TaskEnded::Elsewhere(what),
        }
    }

    /// Stops in the order of the data, in less time than the unit allows, whatever the disk and the uplink do.
    pub(super) async fn stop(mut self) {
        let start = Instant::now();
        tracing::info!("stopping");
        self.inlets.stop(SOURCES).await;
        // Messages that wait for the first checkpoint are not lost on the way out.
        if timeout(FIRST_CHECKPOINT, self.engine.sending()).await.is_err() {
            tracing::warn!("stopped before the first checkpoint of this run was written");
        }
        self.tasks.abort().await;
        let Self { engine, losses, status, parts, .. } = self;
        engine.send_held();
        // An agent that is stopped at once has not made this report yet.
        engine.report_start();
        losses.finish(&engine);
        engine.report(ReportCause::Stop, "");
        status.publish(engine.forwarder(), false);
        last_state::save(&engine, parts.checkpoint_ms, start).await;
        engine.suspects.end();
    }

    /// Saves the state of an agent one of whose tasks has ended by itself. The next run treats that as a crash.
    pub(super) async fn give_up(mut self) {
        let saved = async {
            self.inlets.stop(SOURCES).await;
            self.tasks.abort().await;
            let snapshot = self.engine.snapshot(Some(self.parts.checkpoint_ms));
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
}

/// How the summaries of streams are rolled up.
fn thinned(streams: &[StreamConfig]) -> impl Iterator<Item = (String, Thinned)> {
    streams.iter().map(|stream| (stream.name.to_string(), stream.thinned()))
}

/// The pipeline of a config, for an agent that publishes.
fn new_pipeline(config: &Config) -> Pipeline {
    let mut new = pipeline(&config.agent.id, &config.sources, config.streams.clone(), config.limits);
    new.set_mergeable(config.buffer.full == Full::Thin);
    new
}
