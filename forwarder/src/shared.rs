//! What the forwarder's tasks share, on one thread.

mod lost;
mod members;

use crate::disk_signals::DiskSignals;
use crate::disk_thread::{Answer, DiskThread};
use crate::ending::{Ending, Phase};
use crate::events::{Events, ForwarderEvent};
use crate::opening::OpenLog;
use crate::output_set::OutputSet;
use crate::record::BufferRecord;
use crate::spool::{DeliveryOutcome, Spool};
use crate::status::{ForwarderStatus, OutputState};
use crate::writes::{Writes, Written, device_bytes, device_size_bytes, own_bytes};
use crate::{BufferConfig, Lane, Message, PerLane, Tag};
use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// The part of the state that is known once the buffer is open.
pub(crate) struct OpenBuffer {
    /// Names of outputs by their bits.
    pub(crate) names: RefCell<Vec<String>>,
    /// The outputs' bits, in the order of the config.
    pub(crate) bits: RefCell<Vec<usize>>,
    /// By how much the numbers have grown that messages had before.
    grown: PerLane<u64>,
}

/// A position in the sequence of messages; see [`crate::Forwarder::position`].
#[derive(Clone, Copy, Debug)]
pub struct SpoolPosition {
    numbers: PerLane<u64>,
    /// Whether the numbers count from the start of the program: the buffer was not open yet.
    before_open: bool,
}

pub(crate) struct Shared {
    pub(crate) config: BufferConfig,
    /// Where the buffer lies.
    folder: PathBuf,
    pub(crate) spool: RefCell<Spool>,
    pub(crate) disk_thread: DiskThread,
    buffer: OnceCell<OpenBuffer>,
    opened: Notify,
    /// Wakes the disk writer: a message waits for the disk.
    pub(crate) disk_writer: Notify,
    /// Wakes those who wait for messages to be safe or gone.
    settled: Notify,
    pub(crate) signals: DiskSignals,
    states: RefCell<Vec<OutputState>>,
    wake: RefCell<Vec<Rc<Notify>>>,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    events: RefCell<Events>,
    event_came: Notify,
    disk: RefCell<Disk>,
    /// What the kernel counts for this process, and was written before it was the agent: `cargo run` becomes what it
    /// has built (bytes).
    written_before: u64,
    /// The size of the buffer's device (bytes).
    device_size: Option<u64>,
    pub(crate) ending: Ending,
    /// Whether all waiting messages are to be written at once.
    hurry: Cell<bool>,
    failure: RefCell<Option<String>>,
    failure_came: Notify,
}

#[derive(Default)]
struct Disk {
    bytes: u64,
    oldest_ms: Option<i64>,
    is_used: bool,
    error: Option<String>,
    writes: Writes,
}

impl Shared {
    pub(crate) fn new(
        (config, folder): (BufferConfig, PathBuf),
        spool: Spool,
        disk_thread: DiskThread,
        states: Vec<OutputState>,
        clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    ) -> Self {
        Self {
            device_size: device_size_bytes(&folder),
            config,
            folder,
            spool: RefCell::new(spool),
            disk_thread,
            buffer: OnceCell::new(),
            opened: Notify::new(),
            disk_writer: Notify::new(),
            settled: Notify::new(),
            signals: DiskSignals::default(),
            wake: states.iter().map(|_| Rc::default()).collect::<Vec<_>>().into(),
            states: RefCell::new(states),
            clock,
            events: RefCell::default(),
            event_came: Notify::new(),
            disk: RefCell::default(),
            written_before: own_bytes(),
            ending: Ending::default(),
            hurry: Cell::new(false),
            failure: RefCell::default(),
            failure_came: Notify::new(),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Takes over the content of the open buffer. Messages that were pushed meanwhile come after it.
    pub(crate) fn on_opened(&self, answer: Answer<OpenLog>) {
        self.note_disk(&answer);
        let OpenLog { names, bits, progress, runs } = answer.value;
        let grown = self.spool.borrow_mut().adopt(progress, &runs, &bits);
        let opened = OpenBuffer { names: names.into(), bits: bits.into(), grown };
        let is_first = self.buffer.set(opened).is_ok();
        debug_assert!(is_first, "the buffer is opened once");
        self.on_log_events(answer.log_events);
        self.on_disk(true);
        self.opened.notify_waiters();
        self.on_settled();
    }

    /// Waits for the buffer to be open.
    pub(crate) async fn opened(&self) -> &OpenBuffer {
        loop {
            if let Some(buffer) = self.buffer.get() {
                return buffer;
            }
            self.opened.notified().await;
        }
    }

    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.buffer.get().is_some()
    }

    /// The bit of an output, given its place in the config. Before the buffer is open, the place stands for the
    /// bit.
    pub(crate) fn bit_of(&self, output: usize) -> Option<usize> {
        self.buffer.get().map_or(Some(output), |buffer| buffer.bits.borrow().get(output).copied())
    }

    pub(crate) fn position(&self) -> SpoolPosition {
        SpoolPosition { numbers: self.spool.borrow().position(), before_open: self.buffer.get().is_none() }
    }

    /// Whether every message before the position is acknowledged or on disk.
    pub(crate) fn is_kept(&self, position: &SpoolPosition) -> bool {
        let SpoolPosition { mut numbers, before_open } = *position;
        if let Some(buffer) = self.buffer.get().filter(|_| before_open) {
            numbers = PerLane::from_fn(|lane| numbers.of(lane) + buffer.grown.of(lane));
        }
        !self.spool.borrow_mut().has_unwritten_before(&numbers)
    }

    pub(crate) fn push(&self, message: Message, owed: OutputSet) {
        let (lost, call_disk_writer) = {
            let mut spool = self.spool.borrow_mut();
            let had = spool.has_unwritten();
            let lost = spool.push(message, owed);
            (lost, !had || spool.is_tight())
        };
        if call_disk_writer {
            self.disk_writer.notify_one();
        }
        self.wake_all();
        self.on_lost(lost);
    }

    pub(crate) fn done(&self, bit: usize, tag: &Tag, outcome: DeliveryOutcome) {
        let lost = self.spool.borrow_mut().done(bit, tag, outcome);
        self.on_settled();
        lost.into_iter().for_each(|lost| self.tell_lost(lost));
    }

    /// The output has lost its connection.
    pub(crate) fn down(&self, bit: usize) {
        let lost = self.spool.borrow_mut().down(bit);
        self.on_settled();
        self.on_lost(lost);
    }

    pub(crate) async fn read(&self, lane: Lane, from: u64) -> Result<Vec<BufferRecord>, String> {
        let Some(answer) = self.disk_thread.read(lane, from).await else {
            // The disk thread has ended: `failed` tells the agent.
            return std::future::pending().await;
        };
        self.note_disk(&answer);
        self.on_log_events(answer.log_events);
        answer.value
    }

    pub(crate) fn state<T>(&self, output: usize, look: impl FnOnce(&mut OutputState) -> T) -> Option<T> {
        self.states.borrow_mut().get_mut(output).map(look)
    }

    pub(crate) fn all_up(&self) -> bool {
        self.states.borrow().iter().all(OutputState::is_up)
    }

    /// Messages have become safe, or are gone.
    pub(crate) fn on_settled(&self) {
        self.settled.notify_waiters();
    }

    /// Waits for messages to become safe or gone. All tasks are on one thread: nothing can happen between the
    /// check and the wait.
    pub(crate) async fn settled(&self) {
        self.settled.notified().await;
    }

    /// There may be something to send.
    pub(crate) fn wake_all(&self) {
        self.wake.borrow().iter().for_each(|wake| wake.notify_one());
    }

    pub(crate) async fn woken(&self, output: usize) {
        let wake = self.wake.borrow().get(output).cloned();
        match wake {
            Some(wake) => wake.notified().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn tell(&self, event: ForwarderEvent) {
        self.events.borrow_mut().push(event);
        self.event_came.notify_one();
    }

    pub(crate) fn try_event(&self) -> Option<ForwarderEvent> {
        self.events.borrow_mut().pop()
    }

    pub(crate) async fn event(&self) -> ForwarderEvent {
        loop {
            if let Some(event) = self.try_event() {
                return event;
            }
            self.event_came.notified().await;
        }
    }

    pub(crate) fn note_disk<T>(&self, answer: &Answer<T>) {
        let mut disk = self.disk.borrow_mut();
        (disk.bytes, disk.is_used) = (answer.disk_bytes, !answer.is_empty);
        self.signals.set_used(disk.is_used);
        disk.oldest_ms = answer.oldest_ms;
    }

    pub(crate) fn disk_is_used(&self) -> bool {
        self.disk.borrow().is_used
    }

    /// Notes whether the disk takes messages, and tells the agent of a change.
    pub(crate) fn disk_state(&self, error: Option<&String>) {
        let before = std::mem::replace(&mut self.disk.borrow_mut().error, error.cloned());
        match (before, error) {
            (None, Some(reason)) => self.tell(ForwarderEvent::DiskBad { reason: reason.clone() }),
            (Some(_), None) => self.tell(ForwarderEvent::DiskGood),
            _ => {}
        }
    }

    /// The bytes that were written today. `earlier` is the count of an earlier run.
    pub(crate) fn written(&self, earlier: Option<Written>) -> Written {
        if let Some(earlier) = earlier {
            self.disk.borrow_mut().writes.go_on(earlier);
        }
        self.count_writes();
        self.disk.borrow().writes.written()
    }

    /// Counts the bytes that were written today, and tells the agent when they pass the budget.
    pub(crate) fn count_writes(&self) {
        let own = own_bytes().saturating_sub(self.written_before);
        let (device, now) = (device_bytes(&self.folder), self.now_ms());
        let news = self.disk.borrow_mut().writes.update(now, own, device, self.config.daily_writes);
        if news {
            let bytes = self.disk.borrow().writes.today;
            self.tell(ForwarderEvent::WornOut { bytes });
        }
    }

    pub(crate) fn status(&self) -> ForwarderStatus {
        let (spool, disk) = (self.spool.borrow(), self.disk.borrow());
        let output = |(output, state): (usize, &OutputState)| {
            let depth = self.bit_of(output).map(|bit| spool.depth(bit, disk.oldest_ms));
            state.status(depth.unwrap_or_default())
        };
        ForwarderStatus {
            outputs: self.states.borrow().iter().enumerate().map(output).collect(),
            waiting: spool.account().waiting,
            memory_bytes: spool.bytes(),
            disk_bytes: disk.bytes,
            max_size: self.config.max_size,
            disk_error: disk.error.clone(),
            written_today_bytes: disk.writes.today,
            device_written_today_bytes: disk.writes.device_today,
            counted_today_ms: disk.writes.counted_ms(self.now_ms()),
            device_size_bytes: self.device_size,
            daily_writes: self.config.daily_writes,
        }
    }

    /// A task or a thread has ended. While the forwarder runs, none should.
    pub(crate) fn part_ended(&self, what: &str) {
        if self.ending.is_running() || std::thread::panicking() {
            self.failure.borrow_mut().get_or_insert_with(|| what.to_owned());
            self.failure_came.notify_one();
        }
    }

    /// Waits for a task or a thread to end that should not.
    pub(crate) async fn failed(&self) -> String {
        let task = async {
            loop {
                if let Some(failure) = self.failure.borrow().clone() {
                    return failure;
                }
                self.failure_came.notified().await;
            }
        };
        tokio::select! {
            failure = task => failure,
            () = self.disk_thread.died() => "the thread `buffer` that works on the disk panicked".to_owned(),
        }
    }

    /// Whether all waiting messages are to be written at once.
    pub(crate) fn is_in_a_hurry(&self) -> bool {
        self.hurry.get()
    }

    pub(crate) fn hurry(&self, hurry: bool) {
        self.hurry.set(hurry);
        self.disk_writer.notify_one();
    }

    /// Begins a phase of the end.
    pub(crate) fn enter(&self, phase: Phase) {
        self.ending.enter(phase);
        self.wake_all();
    }
}
