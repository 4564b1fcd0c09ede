//! Sends messages from the spool to one output: it connects, sends, listens, waits, and connects again. The spool
//! decides which message comes next and when a message is done with.
//!
//! Limits: backfill takes at most three quarters of the connection's window, so that live messages always have
//! room. A connection that acknowledges nothing for [`Output::ack_timeout`] is closed.

mod pace;
mod spread;

use crate::connection::{
    ConnectionEvent, Delivery, Disconnected, NextEvents, Output, OutputConnection, SendError,
};
use crate::ending::Ending;
use crate::events::ForwarderEvent;
use crate::shared::Shared;
use crate::spool::{DeliveryOutcome, Next};
use crate::status::OutputState;
use crate::{Encoder, Lane, Tag};
use pace::RateLimiter;
use spread::Spread;
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Messages that are sent before answers are handled.
const BURST: usize = 256;

/// The wait after a failed read of the disk.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// The task that serves one output.
pub(crate) struct Driver {
    pub(crate) shared: Rc<Shared>,
    /// Its place among the configured outputs, which may change.
    pub(crate) index: Rc<Cell<usize>>,
    /// Its bit in an [`OutputSet`](crate::output_set::OutputSet).
    pub(crate) bit: usize,
    pub(crate) output: Box<dyn Output>,
    pub(crate) encoder: Arc<dyn Encoder>,
    /// When it is to end.
    pub(crate) ending: Rc<Ending>,
}

impl Driver {
    /// Waits for the buffer to be open, then runs until the forwarder stops.
    pub(crate) async fn run(mut self) {
        let (shared, ending) = (self.shared.clone(), self.ending.clone());
        tokio::select! {
            _ = shared.opened() => match shared.bit_of(self.index.get()) {
                Some(bit) => self.bit = bit,
                None => return,
            },
            () = ending.stopped() => return,
        }
        let clock = self.shared.clone();
        self.output.tell_time(Rc::new(move || clock.now_ms()));
        self.shared.spool.borrow_mut().keep_order(self.bit, self.output.keeps_order());
        let mut limiter = RateLimiter::new(self.output.rate());
        while !self.ending.is_stopping() {
            let gone = self.state(|state| state.gone.clone()).flatten();
            let ended = match self.output.open(&self.encoder, gone.as_ref()) {
                Ok((connection, events)) => {
                    let mut session = DriverSession::new(&self, &mut limiter, connection);
                    let ended = session.run(events.next(Vec::new())).await;
                    drop(session);
                    self.note_order();
                    self.shared.down(self.bit);
                    ended
                }
                Err(ended) => ended,
            };
            self.on_down(&ended.reason);
            tokio::select! {
                () = sleep(ended.wait) => {}
                () = self.ending.stopped() => {}
            }
        }
    }

    fn state<T>(&self, look: impl FnOnce(&mut OutputState) -> T) -> Option<T> {
        self.shared.state(self.index.get(), look)
    }

    /// Notes whether messages go one at a time.
    fn note_order(&self) {
        let why = self.output.one_at_a_time();
        self.state(|state| state.one_at_a_time(why));
    }

    fn refuse(&self, tag: &Tag, what: String) {
        self.shared.done(self.bit, tag, DeliveryOutcome::Refused);
        self.shared.tell(ForwarderEvent::Refused {
            output: self.index.get(),
            lane: tag.lane,
            count: 1,
            what,
        });
    }

    fn on_down(&self, reason: &str) {
        let now = self.shared.now_ms();
        let news = self.state(|state| state.down(reason, now));
        if news == Some(true) && !self.ending.is_stopping() {
            self.shared.tell(ForwarderEvent::Down { output: self.index.get(), reason: reason.to_owned() });
        }
        self.shared.disk_writer.notify_one();
    }
}

/// One connection's life.
struct DriverSession<'d> {
    driver: &'d Driver,
    limiter: &'d mut RateLimiter,
    spread: Spread,
    connection: Box<dyn OutputConnection>,
    up: bool,
    /// Whether anything was acknowledged.
    answered: bool,
    /// Which presence was announced last.
    presence: u64,
    closing: bool,
    /// When the other side was heard last, or began to have messages in flight.
    heard: Instant,
    /// The running read of the disk.
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = ()>>>;

impl<'d> DriverSession<'d> {
    fn new(driver: &'d Driver, limiter: &'d mut RateLimiter, connection: Box<dyn OutputConnection>) -> Self {
        Self {
            driver,
            limiter,
            spread: Spread::new(driver.output.spread()),
            connection,
            up: false,
            answered: false,
            presence: 0,
            closing: false,
            heard: Instant::now(),
            reading: None,
        }
    }

    async fn run(&mut self, mut next_events: NextEvents) -> Disconnected {
        let (shared, ending) = (self.driver.shared.clone(), self.driver.ending.clone());
        let timeout = self.driver.output.ack_timeout();
        loop {
            if self.connection.is_idle() {
                self.heard = Instant::now();
            }
            let wait = self.send_what_there_is();
            let idle = self.connection.is_idle();
            if self.closing_now(idle) {
                self.connection.close();
            }
            let deadline = self.heard + timeout;
            tokio::select! {
                biased;
                (events, heard) = &mut next_events => {
                    if let Some(ended) = heard.into_iter().find_map(|event| self.on_event(event)) {
                        return ended;
                    }
                    self.driver.note_order();
                    self.heard = Instant::now();
                    next_events = events.next(Vec::new());
                }
                () = shared.woken(self.driver.index.get()) => {}
                () = finish(&mut self.reading) => self.reading = None,
                () = sleep_for(wait) => {}
                () = sleep_until(deadline), if self.up && !idle => return not_acknowledged(timeout),
                () = ending.closing(), if !self.up => return Disconnected { reason: "stopped".into(), wait: Duration::ZERO },
                () = ending.gave_up() => {
                    return Disconnected { reason: "stopped".into(), wait: Duration::ZERO };
                }
            }
        }
    }

    /// Sends until there is no message or no room. Returns how long to wait before there may be more.
    fn send_what_there_is(&mut self) -> Option<Duration> {
        if !self.up || self.closing {
            return None;
        }
        self.send_presence();
        if let Some(catalogue) = self.driver.state(|state| state.catalogue.clone()).flatten() {
            self.connection.announce_catalogue(&catalogue);
        }
        for _ in 0..BURST {
            let room = self.connection.room();
            if room == 0 {
                return self.connection.flush(true);
            }
            let now = Instant::now();
            let is_stopping = self.driver.ending.is_stopping();
            let backfill = room > self.connection.window() / 4 && self.limiter.is_due(now) && !is_stopping;
            let (next, waiting, pause) = {
                let (mut spool, bit) = (self.driver.shared.spool.borrow_mut(), self.driver.bit);
                let waiting = if is_stopping { 0 } else { spool.live_data(bit) };
                let pause = self.spread.wait(now, waiting);
                spool.hold_live_data(bit, pause.is_some());
                (spool.next(bit, backfill), waiting, pause)
            };
            match next {
                Next::Send(delivery) => {
                    if !delivery.backfill && !delivery.tag.lane.is_alert() {
                        self.spread.sent(waiting.saturating_sub(1));
                    }
                    if !self.send(delivery, now) {
                        return self.connection.flush(true);
                    }
                }
                Next::Read(lane, from) => self.read(lane, from),
                Next::Nothing => {
                    // What is gathered leaves before the end.
                    let waits = [self.limiter.wait(now), self.connection.flush(is_stopping), pause];
                    return waits.into_iter().flatten().min();
                }
            }
        }
        // There is more to send: handle the answers first.
        Some(Duration::ZERO)
    }

    fn send_presence(&mut self) {
        let presence =
            self.driver.state(|state| Some((state.online.clone()?, state.presence_version))).flatten();
        if let Some((message, version)) = presence.filter(|(_, version)| *version != self.presence)
            && self.connection.announce(&message) != Err(SendError::Busy)
        {
            self.presence = version;
        }
    }

    /// Whether the connection can take more.
    fn send(&mut self, delivery: Delivery, now: Instant) -> bool {
        let Delivery { tag, backfill, ref message } = delivery;
        if !self.driver.encoder.takes(message) {
            self.driver.shared.done(self.driver.bit, &tag, DeliveryOutcome::Unwanted);
            return true;
        }
        match self.connection.send(delivery) {
            Ok(bytes) => {
                if backfill && !tag.lane.is_alert() {
                    self.limiter.sent(now, bytes);
                }
                true
            }
            Err(SendError::Unfit(what)) => {
                self.driver.refuse(&tag, what);
                true
            }
            // There was no room after all. The message stays in the spool and goes with the next connection.
            Err(SendError::Busy) => false,
        }
    }

    fn read(&mut self, lane: Lane, from: u64) {
        let (shared, bit) = (self.driver.shared.clone(), self.driver.bit);
        let before = self.reading.take();
        self.reading = Some(Box::pin(async move {
            if let Some(before) = before {
                before.await;
            }
            match shared.read(lane, from).await {
                Ok(records) => shared.spool.borrow_mut().fill(bit, lane, from, records),
                Err(_) => {
                    sleep(READ_AGAIN).await;
                    shared.spool.borrow_mut().fill_failed(bit, lane);
                }
            }
        }));
    }

    fn on_event(&mut self, event: ConnectionEvent) -> Option<Disconnected> {
        let (shared, bit) = (&self.driver.shared, self.driver.bit);
        let answers = matches!(
            event,
            ConnectionEvent::Acked(_) | ConnectionEvent::Answered | ConnectionEvent::Refused { .. }
        );
        if answers && !std::mem::replace(&mut self.answered, true) {
            shared.tell(ForwarderEvent::Answered { output: self.driver.index.get() });
        }
        match event {
            ConnectionEvent::Up => {
                self.up = true;
                shared.spool.borrow_mut().up(bit);
                let now = shared.now_ms();
                self.driver.state(|state| state.up(now));
                shared.tell(ForwarderEvent::Up { output: self.driver.index.get() });
            }
            ConnectionEvent::Acked(tag) => shared.done(bit, &tag, DeliveryOutcome::Acked),
            ConnectionEvent::Answered | ConnectionEvent::Told => {}
            ConnectionEvent::Refused { tag, why } => self.driver.refuse(&tag, why),
            ConnectionEvent::Lost(ended) => return Some(ended),
            ConnectionEvent::Panicked => {
                let name = self.driver.state(|state| state.name().to_owned()).unwrap_or_default();
                shared.part_ended(&format!("a thread of the output `{name}` panicked"));
                return Some(Disconnected { reason: "its thread panicked".into(), wait: READ_AGAIN });
            }
        }
        None
    }

    /// Whether to close the connection now: the forwarder stops, and nothing is left that could be sent.
    fn closing_now(&mut self, idle: bool) -> bool {
        let ending = &self.driver.ending;
        let now = self.up && !self.closing && (ending.is_closing() || (ending.is_stopping() && idle));
        if now {
            self.send_presence();
            self.closing = true;
        }
        now
    }
}

fn not_acknowledged(timeout: Duration) -> Disconnected {
    let seconds = timeout.as_secs();
    let reason = format!("nothing was acknowledged for {seconds} s, although messages are on their way");
    Disconnected { reason, wait: READ_AGAIN }
}

async fn finish(reading: &mut Option<Reading>) {
    match reading {
        Some(reading) => reading.await,
        None => std::future::pending().await,
    }
}

async fn sleep_for(wait: Option<Duration>) {
    match wait {
        Some(Duration::ZERO) => tokio::task::yield_now().await,
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
