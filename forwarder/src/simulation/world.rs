//! The other side of the connections: brokers that come and go, and what they have received.

use super::bodies::ids_of;
use crate::output::mqtt::{PoisonGuard, Retry, Verdict};
use crate::{
    ConnectionEvent, ConnectionEvents, Delivery, Disconnected, EncodeError, Encoder, Framing, Message,
    MessageAddress, NextEvents, Opened, Output, OutputConnection, SendError,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// What a broker got.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) link: usize,
    /// When the connection came up.
    pub(super) up_at: Instant,
    pub(super) topic: String,
    pub(super) payload: String,
}

/// One broker, and how it behaves just now.
#[derive(Default)]
pub(super) struct Broker {
    pub(super) reachable: bool,
    /// Takes everything and answers nothing.
    pub(super) mute: bool,
    /// Answers after about this (ms).
    pub(super) delay_ms: u64,
    /// Refuses one message in so many; 0: none.
    pub(super) refuses: u64,
    pub(super) received: Vec<Receipt>,
    /// Payloads whose acknowledgement the other side has heard in this life.
    pub(super) heard: BTreeSet<String>,
    /// Payloads that were refused. Of two copies of one on the line, the other may be taken.
    pub(super) unwelcome: BTreeSet<String>,
    pub(super) refused: u64,
    /// Cuts the connection for one message in so many; 0: for none.
    pub(super) poison: u32,
    /// By first number, how often a message was alone on its way in this life when a connection was cut. It stays the same
    /// message when others are merged into it.
    pub(super) cut_for: BTreeMap<u64, u32>,
    /// What was put off for that: it may come after later ones.
    pub(super) put_off: BTreeSet<u64>,
    pub(super) opened: usize,
}

#[derive(Clone)]
pub(super) struct World(pub(super) Rc<RefCell<Inner>>);

pub(super) struct Inner {
    pub(super) rng: fastrand::Rng,
    pub(super) brokers: Vec<Broker>,
}

impl World {
    pub(super) fn new(seed: u64, brokers: usize) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        // Slow ones still have messages in their hands when these give way.
        let slowness = if seed % 5 == 3 { 40 } else { 1 };
        let brokers = (0..brokers)
            .map(|_| Broker {
                reachable: rng.bool(),
                delay_ms: rng.u64(0..30) * slowness,
                ..Broker::default()
            })
            .collect();
        Self(Rc::new(RefCell::new(Inner { rng, brokers })))
    }

    pub(super) fn rng<T>(&self, roll: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        roll(&mut self.0.borrow_mut().rng)
    }

    pub(super) fn broker<T>(&self, broker: usize, look: impl FnOnce(&mut Broker) -> T) -> T {
        look(&mut self.0.borrow_mut().brokers[broker])
    }

    pub(super) fn output(&self, broker: usize, window: usize) -> Box<dyn Output> {
        let guard = Rc::new(RefCell::new(PoisonGuard::new()));
        Box::new(FakeOutput { world: self.clone(), broker, window, guard })
    }
}

struct FakeOutput {
    world: World,
    broker: usize,
    window: usize,
    guard: Rc<RefCell<PoisonGuard>>,
}

#[derive(Default)]
struct Pipe {
    up: bool,
    closing: bool,
    on_the_way: usize,
    sent: VecDeque<Delivery>,
    /// Payloads that are not answered.
    open: Vec<String>,
}

struct FakeConnection {
    pipe: Rc<RefCell<Pipe>>,
    guard: Rc<RefCell<PoisonGuard>>,
    came: Rc<Notify>,
    window: usize,
}

struct FakeEvents {
    world: World,
    broker: usize,
    link: usize,
    up_at: Option<Instant>,
    pipe: Rc<RefCell<Pipe>>,
    guard: Rc<RefCell<PoisonGuard>>,
    came: Rc<Notify>,
    /// Payloads that the events to come acknowledge.
    acked: Vec<String>,
}

impl Output for FakeOutput {
    fn open(&mut self, _: &Arc<dyn Encoder>, _: Option<&Message>) -> Result<Opened, Disconnected> {
        let link = self.world.broker(self.broker, |broker| {
            broker.opened += 1;
            broker.opened
        });
        let (pipe, came) = (Rc::<RefCell<Pipe>>::default(), Rc::new(Notify::new()));
        let guard = self.guard.clone();
        guard.borrow_mut().opened();
        let (world, broker, window) = (self.world.clone(), self.broker, self.window);
        let sender = FakeConnection { pipe: pipe.clone(), guard: guard.clone(), came: came.clone(), window };
        let acked = Vec::new();
        let events = FakeEvents { world, broker, link, up_at: None, pipe, guard, came, acked };
        Ok((Box::new(sender), Box::new(events)))
    }
}

impl OutputConnection for FakeConnection {
    fn room(&self) -> usize {
        let (pipe, guard) = (self.pipe.borrow(), self.guard.borrow());
        match self.window - pipe.on_the_way {
            _ if !pipe.up || pipe.closing => 0,
            room if !guard.is_on() => room,
            _ if pipe.on_the_way == 0 && !guard.is_due(Instant::now()) => 1,
            _ => 0,
        }
    }

    fn window(&self) -> usize {
        if self.guard.borrow().is_on() { 1 } else { self.window }
    }

    fn is_idle(&self) -> bool {
        self.pipe.borrow().on_the_way == 0
    }

    fn send(&mut self, delivery: Delivery) -> Result<usize, SendError> {
        let bytes = delivery.message.body.len();
        let delivery = self.guard.borrow_mut().put_off(delivery);
        delivery.into_iter().for_each(|delivery| self.put(delivery));
        Ok(bytes)
    }

    fn flush(&mut self, more: bool) -> Option<Duration> {
        if !self.guard.borrow().is_on() || !self.is_idle() {
            return None;
        }
        let retry = self.guard.borrow_mut().retry(Instant::now(), more);
        match retry {
            Retry::No => None,
            Retry::After(wait) => Some(wait),
            Retry::Now(delivery) => {
                self.put(delivery);
                None
            }
        }
    }

    fn close(&mut self) {
        self.pipe.borrow_mut().closing = true;
        self.came.notify_one();
    }
}

impl FakeConnection {
    fn put(&self, delivery: Delivery) {
        let mut pipe = self.pipe.borrow_mut();
        let bytes = delivery.message.body.len();
        self.guard.borrow_mut().sent(Instant::now(), &delivery.tag, "topic", bytes);
        pipe.on_the_way += 1;
        pipe.open.push(text_of(&delivery));
        pipe.sent.push_back(delivery);
        self.came.notify_one();
    }
}

impl ConnectionEvents for FakeEvents {
    fn next(mut self: Box<Self>, mut events: Vec<ConnectionEvent>) -> NextEvents {
        Box::pin(async move {
            while events.is_empty() {
                self.step(&mut events).await;
            }
            let acked = std::mem::take(&mut self.acked);
            self.world.broker(self.broker, |broker| broker.heard.extend(acked));
            (self as Box<dyn ConnectionEvents>, events)
        })
    }
}

impl Pipe {
    fn answered(&mut self, delivery: &Delivery) {
        self.on_the_way -= 1;
        let payload = text_of(delivery);
        self.open.retain(|open| *open != payload);
    }
}

fn text_of(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.body.to_vec()).unwrap()
}

impl FakeEvents {
    /// A message that is alone on its way may be put off.
    fn note_put_off(&self) {
        if let [alone] = self.pipe.borrow().open.as_slice() {
            let ids = ids_of(alone);
            self.world.broker(self.broker, |broker| {
                *broker.cut_for.entry(ids[0]).or_default() += 1;
                broker.put_off.extend(ids);
            });
        }
    }

    fn lose(&self, reason: &str, mut wait: Duration, events: &mut Vec<ConnectionEvent>) {
        let (mut reason, pipe) = (reason.to_owned(), self.pipe.borrow());
        if reason == "cut" && pipe.on_the_way > 0 && !pipe.closing {
            let Verdict { refused, remark, soon } = self.guard.borrow_mut().closed(Instant::now(), &reason);
            wait = if soon { Duration::from_millis(20) } else { wait };
            events.extend(refused.map(|(tag, why)| ConnectionEvent::Refused { tag, why }));
            reason.push_str(&remark);
        }
        events.push(ConnectionEvent::Lost(Disconnected { reason, wait }));
    }

    async fn step(&mut self, events: &mut Vec<ConnectionEvent>) {
        let wait = Duration::from_millis(self.world.rng(|rng| rng.u64(500..2_000)));
        let Some(up_at) = self.up_at else {
            sleep(Duration::from_millis(self.world.rng(|rng| rng.u64(1..200)))).await;
            if !self.world.broker(self.broker, |broker| broker.reachable) {
                return self.lose("unreachable", wait, events);
            }
            self.up_at = Some(Instant::now());
            self.pipe.borrow_mut().up = true;
            return events.push(ConnectionEvent::Up);
        };
        if !self.world.broker(self.broker, |broker| broker.reachable) {
            self.note_put_off();
            return self.lose("cut", wait, events);
        }
        let next = self.pipe.borrow_mut().sent.pop_front();
        let Some(delivery) = next else {
            if self.pipe.borrow().closing {
                return self.lose("farewell", wait, events);
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), self.came.notified()).await;
            return;
        };
        let delay_ms = self.world.broker(self.broker, |broker| broker.delay_ms);
        if self.world.rng(|rng| rng.u8(..4)) == 0 {
            sleep(Duration::from_millis(self.world.rng(|rng| rng.u64(0..=delay_ms)))).await;
        }
        if self.receive(up_at, &delivery, events) {
            self.note_put_off();
            self.lose("cut", Duration::from_secs(1), events);
        }
    }

    /// Whether the connection is cut for the message.
    fn receive(&mut self, up_at: Instant, delivery: &Delivery, events: &mut Vec<ConnectionEvent>) -> bool {
        let roll = self.world.rng(|rng| rng.u64(..));
        let (link, tag) = (self.link, delivery.tag);
        self.world.broker(self.broker, |broker| {
            if !broker.reachable {
                return false;
            }
            let payload = text_of(delivery);
            if broker.poison > 0
                && !broker.mute
                && crc32fast::hash(payload.as_bytes()).is_multiple_of(broker.poison)
            {
                return true;
            }
            let mut guard = self.guard.borrow_mut();
            if broker.refuses > 0 && roll.is_multiple_of(broker.refuses) && !broker.mute {
                broker.refused += 1;
                broker.unwelcome.insert(payload);
                self.pipe.borrow_mut().answered(delivery);
                guard.answered(Instant::now(), &tag, false);
                events.push(ConnectionEvent::Refused { tag, why: "will not have it".into() });
                return false;
            }
            let topic =
                format!("{}/{:?}", if delivery.backfill { "late" } else { "live" }, delivery.message.lane);
            broker.received.push(Receipt { link, up_at, topic, payload: payload.clone() });
            // Now and then the answer is lost with the connection.
            if roll % 500 == 1 {
                broker.reachable = false;
            }
            if !broker.mute && broker.reachable {
                self.pipe.borrow_mut().answered(delivery);
                guard.answered(Instant::now(), &tag, true);
                self.acked.push(payload);
                events.push(ConnectionEvent::Acked(tag));
            }
            false
        })
    }
}

/// Bodies say who takes a message: a bit for each output.
pub(super) struct Mask(pub(super) usize);

impl Encoder for Mask {
    fn agent(&self) -> &str {
        "agent"
    }

    fn takes(&self, message: &Message) -> bool {
        let takers: u64 = super::split(super::text(message)).0.parse().unwrap();
        takers & 1 << self.0 != 0
    }

    fn address<'m>(&'m self, _: &'m Message) -> Option<MessageAddress<'m>> {
        None
    }

    fn encode(&self, _: &[&Message], _: Framing, _: &mut Vec<u8>) -> Result<(), EncodeError> {
        Ok(())
    }
}
