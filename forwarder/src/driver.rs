//! Moves messages from the spool to one output: connects, sends, hears, waits, connects again. Dumb on purpose: what
//! is to be sent, and when it is done with, the spool knows.
//!
//! Limits: late data takes at most three quarters of the link's window, so that what is live never waits for a place;
//! a link that acknowledges nothing for [`Output::ack_timeout`] is given up: the other side is not there any more, or
//! not in its right mind.

mod pace;
mod suspicion;

use crate::forwarder::{Event, OutletState, Shared};
use crate::link::{Ended, Heard, Link, LinkEvent, Output, SendError};
use crate::spool::{Next, Outcome, Parcel};
use crate::{Lane, Render, Tag};
use pace::Pace;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use suspicion::{Alone, Suspicion, Trial};
use tokio::time::{Instant, sleep, sleep_until};

/// Packets sent without a look at what came back.
const BURST: usize = 256;

/// The disk could not be read: ask again after this.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Which output this is, and how it sees messages.
pub(crate) struct Driver {
    pub(crate) shared: Rc<Shared>,
    /// Its place among the configured outputs.
    pub(crate) index: usize,
    /// Its bit in an `owed`.
    pub(crate) bit: usize,
    pub(crate) output: Box<dyn Output>,
    pub(crate) render: Arc<dyn Render>,
}

impl Driver {
    /// Runs until the forwarder stops.
    pub(crate) async fn run(mut self) {
        let (mut pace, mut suspicion) = (Pace::new(self.output.rate()), Suspicion::new());
        while !self.shared.is_stopping() {
            let will = self.state(|state| state.will.clone()).flatten();
            let ended = match self.output.open(will.as_ref()) {
                Ok((link, events)) => {
                    let mut session = Session::new(&self, (&mut pace, &mut suspicion), link);
                    let ended = session.run(events.next(Vec::new())).await;
                    let busy = !session.is_idle();
                    drop(session);
                    let ended = self.look_for_the_cause(&mut suspicion, ended, busy);
                    self.shared.down(self.bit);
                    ended
                }
                Err(ended) => ended,
            };
            self.on_down(&ended.reason);
            tokio::select! {
                () = sleep(ended.wait) => {}
                () = self.shared.stopped() => {}
            }
        }
    }

    fn state<T>(&self, look: impl FnOnce(&mut OutletState) -> T) -> Option<T> {
        self.shared.state(self.index, look)
    }

    /// Refuses the message that the link was closed for, if there is proof; says so if it may be one.
    fn look_for_the_cause(&self, suspicion: &mut Suspicion, ended: Ended, busy: bool) -> Ended {
        if self.shared.is_stopping() {
            return ended;
        }
        if let Some(Alone { tag, topic, bytes, .. }) = suspicion.ended(&ended, busy) {
            let why = format!(
                "{bytes} bytes, the link was closed each time that they were sent, and carried others: {}",
                ended.reason
            );
            self.refuse(&tag, &why, &topic);
        }
        let careful = suspicion.is_careful();
        self.state(|state| state.careful(careful));
        if !(careful && ended.by_peer && busy) {
            return ended;
        }
        let (reason, times) = (ended.reason, suspicion.closed());
        let reason =
            format!("{reason}, {times} times while messages were on their way: these go one at a time now");
        Ended { reason, ..ended }
    }

    fn refuse(&self, tag: &Tag, why: &str, topic: &str) {
        self.shared.done(self.bit, tag, Outcome::Refused);
        let what = if topic.is_empty() { why.to_owned() } else { format!("{topic}: {why}") };
        self.shared.tell(Event::Refused { output: self.index, lane: tag.lane, count: 1, what });
    }

    fn on_down(&self, reason: &str) {
        let now = self.shared.now_ms();
        let news = self.state(|state| state.down(reason, now));
        if news == Some(true) && !self.shared.is_stopping() {
            self.shared.tell(Event::Down { output: self.index, reason: reason.to_owned() });
        }
        self.shared.clerk.notify_one();
    }
}

/// One link's life.
struct Session<'d> {
    driver: &'d Driver,
    pace: &'d mut Pace,
    suspicion: &'d mut Suspicion,
    link: Box<dyn Link>,
    up: bool,
    /// Whether anything was acknowledged.
    answered: bool,
    /// Which status was sent last.
    presence: u64,
    closing: bool,
    /// When the other side was heard of last while something was on its way.
    heard: Instant,
    /// A read of the disk under way.
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = ()>>>;

impl<'d> Session<'d> {
    fn new(
        driver: &'d Driver,
        (pace, suspicion): (&'d mut Pace, &'d mut Suspicion),
        link: Box<dyn Link>,
    ) -> Self {
        Self {
            driver,
            pace,
            suspicion,
            link,
            up: false,
            answered: false,
            presence: 0,
            closing: false,
            heard: Instant::now(),
            reading: None,
        }
    }

    async fn run(&mut self, mut hearing: Heard) -> Ended {
        let shared = self.driver.shared.clone();
        let timeout = self.driver.output.ack_timeout();
        loop {
            let paced = self.send_what_there_is();
            let idle = self.is_idle();
            if self.closing_now(idle) {
                self.link.close();
            }
            let deadline = self.heard + timeout;
            tokio::select! {
                biased;
                (events, heard) = &mut hearing => {
                    if let Some(ended) = heard.into_iter().find_map(|event| self.on_event(event)) {
                        return ended;
                    }
                    self.heard = Instant::now();
                    hearing = events.next(Vec::new());
                }
                () = shared.woken(self.driver.index) => {
                    if idle {
                        self.heard = Instant::now();
                    }
                }
                () = finish(&mut self.reading) => self.reading = None,
                () = sleep_for(paced) => {}
                () = sleep_until(deadline), if self.up && !idle => {
                    let reason = format!("nothing was acknowledged for {} s, although messages are on their way", timeout.as_secs());
                    return Ended { reason, wait: READ_AGAIN, by_peer: false };
                }
                () = shared.gave_up() => return Ended { reason: "stopped".into(), wait: Duration::ZERO, by_peer: false },
            }
        }
    }

    /// Whether nothing is on its way.
    fn is_idle(&self) -> bool {
        self.link.room() == self.link.window()
    }

    /// Sends until there is nothing to send or no room; how long to wait before late data may go on.
    fn send_what_there_is(&mut self) -> Option<Duration> {
        if !self.up || self.closing {
            return None;
        }
        if self.suspicion.is_careful() && !self.is_idle() {
            return None;
        }
        self.send_presence();
        for _ in 0..BURST {
            let (room, window) = (self.link.room(), self.link.window());
            if room == 0 || (self.suspicion.is_careful() && room < window) {
                return None;
            }
            let now = Instant::now();
            let late_data = room > window / 4 && self.pace.is_due(now) && !self.driver.shared.is_stopping();
            let parcel = match self.next(now, late_data) {
                Ok(Next::Send(parcel)) => parcel,
                Ok(Next::Read(lane, from)) => {
                    self.read(lane, from);
                    continue;
                }
                Ok(Next::Nothing) => return self.pace.wait(now),
                Err(wait) => return Some(wait),
            };
            if !self.send(parcel, now) {
                return None;
            }
        }
        // More is to be sent: come back as soon as what came in has been heard.
        Some(Duration::ZERO)
    }

    /// What the output gets next: what the spool has for it, and those that are put off in their time; or how long it
    /// gets nothing.
    fn next(&mut self, now: Instant, late_data: bool) -> Result<Next, Duration> {
        let shared = &self.driver.shared;
        let mut others = true;
        loop {
            match self.suspicion.trial(now, others) {
                _ if shared.is_stopping() => {}
                Trial::No => {}
                Trial::After(wait) => return Err(wait),
                Trial::Now(parcel) => return Ok(Next::Send(parcel)),
            }
            let next = match shared.spool.borrow_mut().next(self.driver.bit, late_data) {
                Next::Send(parcel) => self.suspicion.put_off(parcel).map(Next::Send),
                next => Some(next),
            };
            match next {
                None => {}
                Some(Next::Nothing) if others => others = false,
                Some(next) => return Ok(next),
            }
        }
    }

    fn send_presence(&mut self) {
        let status =
            self.driver.state(|state| Some((state.presence.clone()?, state.presence_version))).flatten();
        if let Some((packet, version)) = status.filter(|(_, version)| *version != self.presence)
            && self.link.send(None, packet) != Err(SendError::Busy)
        {
            self.presence = version;
        }
    }

    /// Whether the link can take more.
    fn send(&mut self, parcel: Parcel, now: Instant) -> bool {
        let Parcel { tag, late, message } = parcel;
        let idle = self.is_idle();
        let Some(packet) = self.driver.render.render(&message, late) else {
            self.driver.shared.done(self.driver.bit, &tag, Outcome::Unwanted);
            return true;
        };
        if late && !tag.lane.is_alert() {
            self.pace.sent(now, packet.payload.len());
        }
        if idle {
            self.heard = now;
        }
        let (topic, bytes) = (packet.topic.clone(), packet.payload.len());
        match self.link.send(Some(tag), packet) {
            Ok(()) => {
                self.suspicion.sent(now, &tag, &topic, bytes);
                true
            }
            Err(SendError::Unfit(why)) => {
                self.driver.refuse(&tag, &why, &topic);
                true
            }
            // The room was wrong: the message stays the spool's, and goes with the next link.
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

    fn on_event(&mut self, event: LinkEvent) -> Option<Ended> {
        let (shared, bit) = (&self.driver.shared, self.driver.bit);
        let answers = !matches!(event, LinkEvent::Up | LinkEvent::Lost(_));
        if answers && !std::mem::replace(&mut self.answered, true) {
            shared.tell(Event::Answered { output: self.driver.index });
        }
        match event {
            LinkEvent::Up => {
                self.up = true;
                shared.spool.borrow_mut().up(bit);
                let now = shared.now_ms();
                self.driver.state(|state| state.up(now));
                shared.tell(Event::Up { output: self.driver.index });
            }
            LinkEvent::Acked(tag) => {
                shared.done(bit, &tag, Outcome::Acked);
                self.on_answer(&tag, true);
            }
            LinkEvent::Answered => {}
            LinkEvent::Refused { tag, why } => {
                self.driver.refuse(&tag, &why, "");
                self.on_answer(&tag, false);
            }
            LinkEvent::Lost(ended) => return Some(ended),
        }
        None
    }

    fn on_answer(&mut self, tag: &Tag, acked: bool) {
        if self.suspicion.answered(Instant::now(), tag, acked) {
            self.driver.state(|state| state.careful(false));
        }
    }

    /// Whether it is time for the farewell: the forwarder stops, and nothing that could be sent is left.
    fn closing_now(&mut self, idle: bool) -> bool {
        let shared = &self.driver.shared;
        let now = self.up && !self.closing && (shared.is_closing() || (shared.is_stopping() && idle));
        if now {
            self.send_presence();
            self.closing = true;
        }
        now
    }
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
