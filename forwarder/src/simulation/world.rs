//! The other side of the links: brokers that come and go, and what they have received.

use crate::link::Heard;
use crate::{Ended, Link, LinkEvent, LinkEvents, Message, Opened, Output, Packet, Render, SendError, Tag};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// What a broker got.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) link: usize,
    /// When the link came up.
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
    /// Cuts the link for one message in so many; 0: for none.
    pub(super) poison: u32,
    /// The messages for which it did in this life, and how often.
    pub(super) cut_for: BTreeMap<String, u32>,
    /// Payloads that were alone on their way when a link was cut: they may come after later ones.
    pub(super) put_off: BTreeSet<String>,
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
        Box::new(FakeOutput { world: self.clone(), broker, window })
    }
}

struct FakeOutput {
    world: World,
    broker: usize,
    window: usize,
}

#[derive(Default)]
struct Pipe {
    up: bool,
    closing: bool,
    on_the_way: usize,
    sent: VecDeque<(Option<Tag>, Packet)>,
    /// Payloads that are not answered.
    open: Vec<String>,
}

struct FakeLink {
    pipe: Rc<RefCell<Pipe>>,
    came: Rc<Notify>,
    window: usize,
}

struct FakeEvents {
    world: World,
    broker: usize,
    link: usize,
    up_at: Option<Instant>,
    pipe: Rc<RefCell<Pipe>>,
    came: Rc<Notify>,
    /// Payloads that the events to come acknowledge.
    acked: Vec<String>,
}

impl Output for FakeOutput {
    fn open(&mut self, _will: Option<&Packet>) -> Result<Opened, Ended> {
        let link = self.world.broker(self.broker, |broker| {
            broker.opened += 1;
            broker.opened
        });
        let (pipe, came) = (Rc::<RefCell<Pipe>>::default(), Rc::new(Notify::new()));
        let sender = FakeLink { pipe: pipe.clone(), came: came.clone(), window: self.window };
        let (world, broker) = (self.world.clone(), self.broker);
        let acked = Vec::new();
        Ok((Box::new(sender), Box::new(FakeEvents { world, broker, link, up_at: None, pipe, came, acked })))
    }
}

impl Link for FakeLink {
    fn room(&self) -> usize {
        let pipe = self.pipe.borrow();
        if pipe.up && !pipe.closing { self.window - pipe.on_the_way } else { 0 }
    }

    fn window(&self) -> usize {
        self.window
    }

    fn send(&mut self, tag: Option<Tag>, packet: Packet) -> Result<(), SendError> {
        let mut pipe = self.pipe.borrow_mut();
        if tag.is_some() {
            pipe.on_the_way += 1;
            pipe.open.push(text_of(&packet));
        }
        pipe.sent.push_back((tag, packet));
        self.came.notify_one();
        Ok(())
    }

    fn close(&mut self) {
        self.pipe.borrow_mut().closing = true;
        self.came.notify_one();
    }
}

impl LinkEvents for FakeEvents {
    fn next(mut self: Box<Self>, mut events: Vec<LinkEvent>) -> Heard {
        Box::pin(async move {
            while events.is_empty() {
                self.step(&mut events).await;
            }
            let acked = std::mem::take(&mut self.acked);
            self.world.broker(self.broker, |broker| broker.heard.extend(acked));
            (self as Box<dyn LinkEvents>, events)
        })
    }
}

impl Pipe {
    fn answered(&mut self, packet: &Packet) {
        self.on_the_way -= 1;
        let payload = text_of(packet);
        self.open.retain(|open| *open != payload);
    }
}

fn text_of(packet: &Packet) -> String {
    String::from_utf8(packet.payload.to_vec()).unwrap()
}

impl FakeEvents {
    /// A message that is alone on its way may be put off.
    fn note_put_off(&self) {
        if let [alone] = self.pipe.borrow().open.as_slice() {
            self.world.broker(self.broker, |broker| broker.put_off.insert(alone.clone()));
        }
    }

    async fn step(&mut self, events: &mut Vec<LinkEvent>) {
        let wait = Duration::from_millis(self.world.rng(|rng| rng.u64(500..2_000)));
        let lost =
            |reason: &str| LinkEvent::Lost(Ended { reason: reason.into(), wait, by_peer: reason == "cut" });
        let Some(up_at) = self.up_at else {
            sleep(Duration::from_millis(self.world.rng(|rng| rng.u64(1..200)))).await;
            if !self.world.broker(self.broker, |broker| broker.reachable) {
                return events.push(lost("unreachable"));
            }
            self.up_at = Some(Instant::now());
            self.pipe.borrow_mut().up = true;
            return events.push(LinkEvent::Up);
        };
        if !self.world.broker(self.broker, |broker| broker.reachable) {
            self.note_put_off();
            return events.push(lost("cut"));
        }
        let next = self.pipe.borrow_mut().sent.pop_front();
        let Some((tag, packet)) = next else {
            if self.pipe.borrow().closing {
                return events.push(lost("farewell"));
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), self.came.notified()).await;
            return;
        };
        let delay_ms = self.world.broker(self.broker, |broker| broker.delay_ms);
        if self.world.rng(|rng| rng.u8(..4)) == 0 {
            sleep(Duration::from_millis(self.world.rng(|rng| rng.u64(0..=delay_ms)))).await;
        }
        self.receive(up_at, tag, packet, events);
        if matches!(events.last(), Some(LinkEvent::Lost(_))) {
            self.note_put_off();
        }
    }

    fn receive(&mut self, up_at: Instant, tag: Option<Tag>, packet: Packet, events: &mut Vec<LinkEvent>) {
        let roll = self.world.rng(|rng| rng.u64(..));
        let link = self.link;
        self.world.broker(self.broker, |broker| {
            let Some(tag) = tag.filter(|_| broker.reachable) else { return };
            let payload = text_of(&packet);
            if broker.poison > 0
                && !broker.mute
                && crc32fast::hash(payload.as_bytes()).is_multiple_of(broker.poison)
            {
                *broker.cut_for.entry(payload).or_default() += 1;
                let ended = Ended { reason: "cut".into(), wait: Duration::from_secs(1), by_peer: true };
                return events.push(LinkEvent::Lost(ended));
            }
            if broker.refuses > 0 && roll.is_multiple_of(broker.refuses) && !broker.mute {
                broker.refused += 1;
                broker.unwelcome.insert(payload);
                self.pipe.borrow_mut().answered(&packet);
                return events.push(LinkEvent::Refused { tag, why: "will not have it".into() });
            }
            let topic = packet.topic.clone();
            broker.received.push(Receipt { link, up_at, topic, payload: payload.clone() });
            // Now and then the answer is lost with the link.
            if roll % 500 == 1 {
                broker.reachable = false;
            }
            if !broker.mute && broker.reachable {
                self.pipe.borrow_mut().answered(&packet);
                self.acked.push(payload);
                events.push(LinkEvent::Acked(tag));
            }
        });
    }
}

/// Routes say who takes a message: a bit for each output.
pub(super) struct Mask(pub(super) usize);

impl Render for Mask {
    fn render(&self, message: &Message, late: bool) -> Option<Packet> {
        let takers: u64 = std::str::from_utf8(&message.route).unwrap().parse().unwrap();
        let topic = format!("{}/{:?}", if late { "late" } else { "live" }, message.lane);
        (takers & 1 << self.0 != 0).then(|| Packet { topic, payload: message.body.clone(), retain: false })
    }
}
