//! The pipeline with its context: the clock that gives it the time, the forwarder that takes its messages, and the
//! reports about both. Everything here runs on one thread.

mod agent_clock;
mod checkpoint_pace;
mod checkpoint_writer;
mod checkpointing;
mod clock_follower;
mod durable;
mod earlier;
mod handed_over;
mod journal_syncing;
mod journaling;
mod listener;
mod log_throttle;
mod losses;
mod missing;
mod outages;
mod outgoing;
mod output_losses;
mod places;
mod pressure;
mod reload;
mod replay;
mod reporter;
mod sink;
mod source_monitor;
mod source_positions;
mod source_states;
mod sources;
mod status;
mod suspects;
mod ticker;
mod trends;
mod views;
mod write_budget;

pub(crate) use agent_clock::AgentClock;
pub(crate) use checkpoint_writer::CheckpointWriter;
pub(crate) use durable::{FILE, Snapshot};
pub(crate) use earlier::{Earlier, Stored, restore};
pub(crate) use journal_syncing::{SyncRates, journal_share};
pub(crate) use log_throttle::LogThrottle;
pub(crate) use reload::ConfigChange;
pub(crate) use suspects::Suspects;

use crate::clock;
use crate::config::SourceConfig;
use crate::journal::Journal;
use crate::memory::MemoryCap;
use crate::notify::Pulse;
use crate::status::RemoteStatus;
use crate::tap::Taps;
use crate::watched::WatchedSeries;
use checkpointing::Checkpointer;
use clock_follower::ClockFollower;
use headwater_forwarder::{Account, Forwarder};
use headwater_kernel::time::{AgentTime, Now};
use headwater_pipeline::account::MessageDelta;
use headwater_pipeline::event::{Event, ReportCause};
use headwater_pipeline::pipeline::Pipeline;
use headwater_sensors::{Receipt, Safety};
use journal_syncing::SyncMonitor;
use listener::ListenerState;
use outgoing::Outgoing;
use output_losses::OutputLosses;
use reporter::Reporter;
pub(crate) use sink::EngineSink;
use sources::Sources;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use ticker::Ticker;
use tokio::sync::Notify;
use trends::Trends;

/// Channels whose events become messages, which are smaller, before those of others are made.
const CLOSED_AT_ONCE: usize = 256;

/// What the tasks of one agent share.
pub(crate) struct Engine {
    pipeline: RefCell<Pipeline>,
    clock: Rc<AgentClock>,
    outgoing: Outgoing,
    follower: ClockFollower,
    reporter: Reporter,
    checkpointer: Checkpointer,
    /// How far what sources hand over is safe.
    safety: Safety,
    ticker: Ticker,
    sources: Sources,
    /// The messages that may end the program.
    pub(crate) suspects: Suspects,
    listener: ListenerState,
    memory: MemoryCap,
    /// What comes in, for a run after a crash.
    journal: Journal,
    /// Whether no source acknowledges what is written and not synced.
    all_durable: Cell<bool>,
    /// Events have been made since the journal was written last.
    made: Notify,
    syncing: SyncMonitor,
    output_losses: OutputLosses,
    trends: Trends,
    /// Readings that somebody watches.
    pub(crate) watched: WatchedSeries,
    /// When this run began (ms since boot).
    started_up_ms: i64,
    status_changed: Notify,
    /// What a person should know of the config.
    config_trouble: RefCell<Option<String>>,
    /// How remote changes of the config stand.
    remote_status: RefCell<Option<RemoteStatus>>,
}

impl Engine {
    pub(crate) fn new(
        (mut pipeline, mut earlier): (Pipeline, Earlier),
        memory: MemoryCap,
        clock: Rc<AgentClock>,
        (forwarder, taps, writer): (Forwarder, Taps, CheckpointWriter),
        (journal, suspects): (Journal, Suspects),
        sources: &[SourceConfig],
    ) -> Self {
        let (now, started_up_ms) = (clock.now(), clock::up_ms());
        pipeline.resume_after(now, earlier.has_crashed(), clock.restart_gap());
        pipeline.stamp_with(clock.unsynced_boot());
        pipeline.place_alerts(&|boot| clock.offset_of(boot));
        let before = earlier.run_before(&clock, &pipeline, sources);
        let outputs: Vec<String> = forwarder.status().outputs.into_iter().map(|output| output.name).collect();
        let reporter = Reporter::new(&mut earlier, &pipeline, clock.moment().steady, &outputs, before);
        let all_durable = Cell::new(are_durable(sources));
        let left = (earlier.take_sources_left(sources), earlier.take_positions(sources));
        let sources = Sources::new(sources, left, started_up_ms);
        let outgoing = Outgoing::new(forwarder, taps);
        let told = std::mem::take(&mut earlier.told);
        let engine = Self {
            pipeline: RefCell::new(pipeline),
            clock,
            outgoing,
            follower: ClockFollower::new(now.synced),
            reporter,
            checkpointer: Checkpointer::new(writer),
            safety: Safety::default(),
            ticker: Ticker::new(Pulse::rest()),
            sources,
            suspects,
            listener: ListenerState::default(),
            memory,
            journal,
            all_durable,
            made: Notify::new(),
            syncing: SyncMonitor::default(),
            output_losses: OutputLosses::default(),
            trends: Trends::default(),
            watched: WatchedSeries::default(),
            started_up_ms,
            status_changed: Notify::new(),
            config_trouble: RefCell::default(),
            remote_status: RefCell::default(),
        };
        engine.tell_again(told);
        engine.forward(&mut engine.pipeline.borrow_mut());
        engine.clock.take_corrections().iter().for_each(|correction| engine.correct(correction));
        engine
    }

    /// The agent's time. The future guard holds only while it can be believed.
    #[inline]
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Closes windows as their time comes; never returns.
    pub(crate) async fn tick_forever(&self) {
        // At rest a disk need not take more than this (ms).
        const NOTED_EVERY_MS: i64 = 60_000;
        let mut noted = AgentTime::MIN;
        loop {
            self.look_at_clock();
            let now = self.now();
            let due = {
                let mut pipeline = self.pipeline.borrow_mut();
                let changes = pipeline.poll_timeout().is_some_and(|due| due <= now.alive);
                let may_skip = self.journal.is_synced() && self.ticker.is_resting();
                if changes || !may_skip || now.alive.since(noted) >= NOTED_EVERY_MS {
                    self.journal.tick(now);
                    noted = now.alive;
                }
                while pipeline.on_tick_part(now, CLOSED_AT_ONCE) {
                    self.forward(&mut pipeline);
                }
                self.forward(&mut pipeline);
                pipeline.poll_timeout()
            };
            // The wall clock may be set while we sleep, and the time may become known.
            let wait = due.map(|due| Duration::from_millis(due.since(now.alive).max(0).unsigned_abs()));
            self.ticker.tick(wait, self.clock.is_synced()).await;
        }
    }

    /// Returns at the next look at the clock and the windows, with which everything else is looked at that changes by itself.
    pub(crate) async fn look(&self) {
        self.ticker.look().await;
    }

    /// Makes the report of the start, once.
    pub(crate) fn report_start(&self) {
        let Some(detail) = self.reporter.take_start() else { return };
        self.report(ReportCause::Restart, &detail);
        self.checkpointer.request();
    }

    /// Makes a report of everything since the last one and sends it.
    pub(crate) fn report(&self, cause: ReportCause, detail: &str) {
        self.settle();
        let moment = self.clock.moment();
        let (report, end) =
            self.reporter.report((cause, detail), &self.pipeline.borrow(), self.message_account(), moment);
        self.outgoing.send_noted(Event::Report(Box::new(report)), end, |message| self.note_report(message));
        if cause != ReportCause::Interval {
            self.on_status_changed();
        }
    }

    /// The messages' account, earlier runs included.
    pub(crate) fn message_account(&self) -> Account {
        self.reporter.messages(&self.forwarder().account())
    }

    /// Warns of streams that nothing has matched so far.
    pub(crate) fn warn_of_idle_streams(&self) {
        for stream in self.pipeline.borrow().idle_streams() {
            tracing::warn!(
                stream = &*stream.name,
                "no series has matched this stream so far; look at its `series` and `from`"
            );
        }
    }

    /// How often windows have been looked at: as often as a watchdog asks for while all is well.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticker.ticks()
    }

    /// Sends the messages that are held, whatever became of the first checkpoint.
    pub(crate) fn send_held(&self) {
        self.outgoing.open();
    }

    /// Waits until what is made is sent: the first checkpoint of this run is written.
    pub(crate) async fn sending(&self) {
        self.outgoing.opened().await;
    }

    pub(crate) fn forwarder(&self) -> &Forwarder {
        self.outgoing.forwarder()
    }

    /// What came in is in the journal, and what follows from it leaves.
    pub(super) fn settle(&self) {
        self.forward(&mut self.pipeline.borrow_mut());
        // Where the journal has just been given up, it is as safe as it can be.
        self.safety.on_written(self.safety.handed_over());
    }

    /// A source has handed over a message: its number.
    fn on_handed_over(&self, source: usize, receipt: Receipt) -> u64 {
        if self.journal.is_on() {
            self.journal.receipt(source, receipt);
        }
        self.handed_over()
    }

    /// A source has read an input up to here: its number.
    fn on_position(&self, source: usize, key: &[u8], at: &[u8]) -> u64 {
        self.sources.on_position(source, key, at);
        if self.journal.is_on() {
            self.journal.position(source, key, at);
        }
        self.handed_over()
    }

    /// The number of what a source has just handed over.
    fn handed_over(&self) -> u64 {
        let number = self.safety.hand_over();
        if !self.journal.is_on() {
            self.safety.on_written(number);
        }
        number
    }

    /// The same once the source pauses: the journal takes whole payloads, in one write.
    #[inline]
    fn forward_later(&self, pipeline: &mut Pipeline) {
        if !self.journal.is_on() {
            self.forward(pipeline);
        } else if pipeline.has_events() {
            self.made.notify_one();
        }
    }

    #[inline]
    fn forward(&self, pipeline: &mut Pipeline) {
        self.journal.flush();
        if pipeline.has_events() {
            let synced = self.clock.is_synced();
            for (at, event) in pipeline.drain() {
                let is_held = event.clock().is_unsynced();
                // So that it does not count as old when the time is known.
                let at = if synced || is_held { at } else { at.max(self.clock.made_at_least()) };
                self.outgoing.send(event, at);
            }
            if pipeline.wants_checkpoint() {
                self.checkpointer.request();
            }
        }
    }
}

/// Whether this run has all that the one before it had noted, on the same clock.
pub(crate) fn goes_on(earlier: &Earlier, clock: &AgentClock) -> bool {
    !earlier.has_crashed() && clock.restart_gap().is_none()
}

/// Whether no source acknowledges what is written and not synced.
fn are_durable(sources: &[SourceConfig]) -> bool {
    sources.iter().all(|source| source.source.is_durable())
}

/// The messages' account, as reports and the status count it.
fn counts_of(account: &Account) -> MessageDelta {
    MessageDelta {
        made: account.made.cast_signed(),
        delivered: account.delivered.cast_signed(),
        waiting: account.waiting.cast_signed(),
        thinned: account.thinned.cast_signed(),
        lost: account.lost.cast_signed(),
    }
}
