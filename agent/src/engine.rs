//! The pipeline with its surroundings: the clock that it is told, the forwarder that its messages go to, and the
//! reports about both. Everything here runs on one thread.

mod agent_clock;
mod checkpoint_writer;
mod checkpointing;
mod clock_follower;
mod durable;
mod earlier;
mod log_throttle;
mod outages;
mod outgoing;
mod pressure;
mod sink;
mod source_monitor;
mod source_states;
mod status;
mod write_budget;

pub(crate) use agent_clock::AgentClock;
pub(crate) use checkpoint_writer::CheckpointWriter;
pub(crate) use durable::FILE;
pub(crate) use earlier::{Earlier, restore};

use crate::account::{Changes, Ledger};
use crate::clock;
use crate::config::SourceConfig;
use crate::event::{Cause, Event, Report};
use crate::memory::MemoryCap;
use crate::pipeline::{Notice, Pipeline};
use crate::tap::Taps;
use checkpointing::Checkpointer;
use clock_follower::ClockFollower;
use headwater_forwarder::{Account, Forwarder};
use headwater_kernel::time::{Now, SteadyTime, Time};
use outages::Outages;
use outgoing::Outgoing;
pub(crate) use sink::{EngineSink, taken_at};
use source_monitor::SourceMonitor;
use source_states::SourceStates;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tokio::sync::Notify;

/// What the tasks of one agent share.
pub(crate) struct Engine {
    pipeline: RefCell<Pipeline>,
    clock: Rc<AgentClock>,
    outgoing: Outgoing,
    follower: ClockFollower,
    /// What earlier runs have left.
    earlier: Earlier,
    last_report: RefCell<LastReport>,
    /// Starts that no report has told of yet, as far as is durably known; 0: none.
    untold_starts: Cell<u32>,
    outages: RefCell<Outages>,
    checkpointer: Checkpointer,
    /// How often the ticker has looked at the windows.
    ticks: Cell<u64>,
    /// Rung when something may be due earlier than the ticker thinks.
    wake: Notify,
    status_changed: Notify,
    /// By the order of the config.
    sources: RefCell<Vec<SourceMonitor>>,
    /// When this run began (ms since boot).
    started_up_ms: i64,
    source_states: RefCell<SourceStates>,
    memory: MemoryCap,
}

/// Where the next report starts.
#[derive(Clone, Debug)]
struct LastReport {
    at: SteadyTime,
    readings: Ledger,
    messages: Account,
    suppressed: i64,
}

/// Reports may run ahead of the clock by less than this (ms); what is more is a clock that was set back.
const REPORTS_AHEAD_MS: i64 = 1_000;

impl Engine {
    pub(crate) fn new(
        (mut pipeline, mut earlier): (Pipeline, Earlier),
        memory: MemoryCap,
        clock: Rc<AgentClock>,
        (forwarder, taps, writer): (Forwarder, Taps, CheckpointWriter),
        sources: &[SourceConfig],
    ) -> Self {
        let (now, started_up_ms) = (clock.now(), clock::up_ms());
        if let Some(gap) = clock.restart_gap() {
            pipeline.on_clock_step(gap.before, gap.ms, clock.unsynced_boot());
        }
        pipeline.stamp_with(clock.unsynced_boot());
        pipeline.resume(now, earlier.has_crashed());
        let start = LastReport {
            at: clock.moment().steady,
            readings: pipeline.ledger(),
            messages: earlier.plus(&Account::default()),
            suppressed: pipeline.suppressed(),
        };
        let last_report = earlier.take_last_report().unwrap_or(start);
        let mut outages = earlier.take_outages();
        outages
            .keep_only(&forwarder.status().outputs.into_iter().map(|output| output.name).collect::<Vec<_>>());
        let engine = Self {
            last_report: RefCell::new(last_report),
            clock,
            follower: ClockFollower::new(now.synced),
            source_states: RefCell::new(SourceStates::new(sources, earlier.take_source_states())),
            untold_starts: Cell::new(earlier.untold_starts().saturating_add(1)),
            outages: outages.into(),
            checkpointer: Checkpointer::new(writer),
            earlier,
            ticks: Cell::new(0),
            pipeline: RefCell::new(pipeline),
            outgoing: Outgoing::new(forwarder, taps),
            wake: Notify::new(),
            memory,
            sources: RefCell::new(
                sources.iter().map(|source| SourceMonitor::new(&source.name, started_up_ms)).collect(),
            ),
            started_up_ms,
            status_changed: Notify::new(),
        };
        engine.forward(&mut engine.pipeline.borrow_mut());
        engine.clock.take_corrections().iter().for_each(|correction| engine.correct(correction));
        engine
    }

    /// The agent's time. The future guard holds only while it can be believed.
    #[inline]
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Closes windows as their time comes; never reticks.
    pub(crate) async fn tick_forever(&self) {
        // The wall clock may be set while we sleep: never sleep past a second without looking at it again.
        const LOOK_MS: i64 = 1_000;
        loop {
            self.look_at_clock();
            let now = self.now();
            let due = {
                let mut pipeline = self.pipeline.borrow_mut();
                pipeline.on_tick(now);
                self.forward(&mut pipeline);
                pipeline.poll_timeout()
            };
            self.ticks.set(self.ticks.get().wrapping_add(1));
            let wait = due.map_or(LOOK_MS, |due| due.since(now.alive).clamp(0, LOOK_MS));
            let sleep = std::time::Duration::from_millis(wait.unsigned_abs());
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Makes the report of the start, once.
    pub(crate) fn report_start(&self) {
        let detail = match self.untold_starts.replace(0) {
            0 => return,
            1 => String::new(),
            starts => format!("{starts} starts since the last one that is known to be told"),
        };
        self.report(Cause::Restart, &detail);
        self.checkpointer.requests.request();
    }

    /// Makes a report of everything since the last one and sends it.
    pub(crate) fn report(&self, cause: Cause, detail: &str) {
        let mut now = self.now();
        let pipeline = self.pipeline.borrow();
        let mut last = self.last_report.borrow_mut();
        // Its end is a part of its id: no two may end in the same millisecond, also when many losses come at once.
        let moment = self.clock.moment();
        let from = moment.time_of(last.at);
        if (0..REPORTS_AHEAD_MS).contains(&from.since(now.time)) {
            now.time = from.plus(1);
        }
        let (readings, messages) = (pipeline.ledger(), self.messages());
        let suppressed = pipeline.suppressed();
        let report = Report {
            agent: pipeline.agent().clone(),
            from_ms: from.min(now.time).0,
            to: pipeline.own_time(now.time),
            cause,
            detail: detail.to_owned(),
            readings: readings.since(&last.readings),
            messages: counts_of(&messages).since(&counts_of(&last.messages)),
            readings_total: readings.total,
            messages_total: counts_of(&messages),
            suppressed: suppressed - last.suppressed,
            suppressed_total: suppressed,
        };
        self.outgoing.send(Event::Report(Box::new(report)), now.time);
        let at = moment.steady.plus(now.time.since(moment.time));
        *last = LastReport { at, readings, messages, suppressed };
        if cause != Cause::Interval {
            self.on_status_changed();
        }
    }

    /// The messages' account, earlier runs included.
    fn messages(&self) -> Account {
        self.earlier.plus(&self.forwarder().account())
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

    /// How often windows have been looked at: at least once a second while all is well.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.get()
    }

    /// What is held goes, whatever became of the first checkpoint.
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

    #[inline]
    fn forward(&self, pipeline: &mut Pipeline) {
        if pipeline.has_events() {
            let synced = self.clock.is_synced();
            for (at, event) in pipeline.drain() {
                let is_held = event.clock().is_unsynced();
                // So that it does not count as old when the time is known.
                let at = if synced || is_held { at } else { at.max(self.clock.made_at_least()) };
                self.outgoing.send(event, at);
            }
            if pipeline.wants_checkpoint() {
                self.checkpointer.requests.request();
            }
        }
    }

    #[cold]
    fn log_notice(&self, notice: &Notice, now: Time) {
        let mut sources = self.sources.borrow_mut();
        let Some(monitor) = sources.get_mut(notice.source) else { return };
        if let Some(held) = monitor.notice.pass(now) {
            tracing::warn!(source = monitor.name(), held_back = held, "{}", notice.text);
        }
    }
}

/// The messages' account, as reports and the status count it.
fn counts_of(account: &Account) -> Changes {
    Changes {
        made: account.made.cast_signed(),
        delivered: account.delivered.cast_signed(),
        waiting: account.waiting.cast_signed(),
        thinned: account.thinned.cast_signed(),
        lost: account.lost.cast_signed(),
    }
}
