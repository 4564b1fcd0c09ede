//! A broker that breaks every promise: a peer of sources and outputs, MQTT 3.1.1 or 5 as its clients ask.

use crate::ports::free_listener;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the broker does once a client has connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Sends messages of QoS 1 as fast as it can, and never reads.
    Flood,
    /// Sends messages under one packet id, as new ones.
    OneId,
    /// The same, as repeats.
    OneIdAgain,
    /// Sends topics of 65 KB under every alias (MQTT 5).
    Aliases,
    /// Sends a message with 8 million empty user properties (MQTT 5).
    Properties,
    /// Wants no keep-alive, and says nothing (MQTT 5).
    NoKeepAlive,
    /// Takes no unacknowledged message at all (MQTT 5).
    NoReceiveMaximum,
    /// Ends each connection with 60 KB of line breaks and escape sequences as its reason (MQTT 5).
    Reason,
    /// Refuses each connection with such a reason (MQTT 5).
    RefusedWithReason,
    /// Sends a byte now and then.
    Slow,
    /// Says nothing once it has accepted.
    Silent,
    /// Refuses every message: in words (MQTT 5), by closing the connection (3.1.1).
    RefuseAll,
    /// Acknowledges what nobody has sent.
    AckAll,
    /// Closes the connection for messages whose topic holds `bad`, and takes others.
    CloseOnBad,
}

impl Trick {
    /// All but the one that is only unkind.
    pub const ALL: [Self; 13] = [
        Self::Flood,
        Self::OneId,
        Self::OneIdAgain,
        Self::Aliases,
        Self::Properties,
        Self::NoKeepAlive,
        Self::NoReceiveMaximum,
        Self::Reason,
        Self::RefusedWithReason,
        Self::Slow,
        Self::Silent,
        Self::RefuseAll,
        Self::AckAll,
    ];

    /// Whether only MQTT 5 has it.
    #[must_use]
    pub fn is_of_v5(self) -> bool {
        use Trick::{Aliases, NoKeepAlive, NoReceiveMaximum, Properties, Reason, RefusedWithReason};
        [Aliases, Properties, NoKeepAlive, NoReceiveMaximum, Reason, RefusedWithReason].contains(&self)
    }
}

/// A hostile broker on loopback; it ends when dropped.
pub struct HostileBroker {
    /// Its port on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    trick: Trick,
    ended: AtomicBool,
    connections: AtomicUsize,
    /// Topics and payloads that it has acknowledged.
    taken: Mutex<Vec<(String, Vec<u8>)>>,
}

impl HostileBroker {
    /// Starts one.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start(trick: Trick) -> Self {
        let listener = free_listener();
        let port = listener.local_addr().expect("an address").port();
        let shared = Shared {
            trick,
            ended: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            taken: Mutex::default(),
        };
        let shared = Arc::new(shared);
        let own = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if own.ended.load(Ordering::Relaxed) {
                    return;
                }
                own.connections.fetch_add(1, Ordering::Relaxed);
                let shared = own.clone();
                std::thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Self { port, shared }
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The topics and payloads of all messages that it has acknowledged, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<(String, Vec<u8>)> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HostileBroker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // It waits for one.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// A client, once it has said hello.
struct Peer<'s> {
    stream: TcpStream,
    is_v5: bool,
    shared: &'s Shared,
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_write_timeout(Some(Duration::from_millis(200)))?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        stream.set_nodelay(true)?;
        let mut peer = Peer { stream, is_v5: false, shared: self };
        let (_, hello) = peer.packet()?;
        // The protocol's name, then its version.
        peer.is_v5 = hello.get(6) == Some(&5);
        let is_refused = self.trick == Trick::RefusedWithReason;
        peer.write(&connack(peer.is_v5, self.trick))?;
        if is_refused { Ok(()) } else { peer.play(self.trick) }
    }
}

impl Peer<'_> {
    fn play(&mut self, trick: Trick) -> std::io::Result<()> {
        match trick {
            Trick::Flood => {
                (1..=u16::MAX).cycle().try_for_each(|id| self.write(&self.publish("evil", id, 0, &[])))
            }
            Trick::OneId => self.forever(|peer| peer.write(&peer.publish("evil", 1, 0, &[]))),
            Trick::OneIdAgain => self.forever(|peer| peer.write(&peer.publish("evil", 1, 8, &[]))),
            Trick::Aliases => {
                let topic = "a".repeat(65_000);
                let alias = |id: u16| [&[0x23][..], &id.to_be_bytes()].concat();
                (1..=u16::MAX).try_for_each(|id| self.write(&self.publish(&topic, id, 0, &alias(id))))
            }
            Trick::Properties => self.write(&self.publish("evil", 1, 0, &[0x26, 0, 0, 0, 0].repeat(8 << 20))),
            Trick::Reason => {
                std::thread::sleep(Duration::from_millis(50));
                self.write(&packet(0xe0, &[&[0x80][..], &reason()].concat()))
            }
            Trick::Slow => {
                let bytes = self.publish("evil", 1, 0, &[]);
                for byte in bytes.repeat(100) {
                    self.write(&[byte])?;
                    std::thread::sleep(Duration::from_millis(300));
                }
                Ok(())
            }
            Trick::AckAll => {
                let ack = |id: u16| packet(0x40, &id.to_be_bytes());
                let acks: Vec<u8> = (1..=u16::MAX).flat_map(ack).collect();
                self.forever(|peer| {
                    std::thread::sleep(Duration::from_millis(100));
                    peer.write(&acks)
                })
            }
            Trick::Silent | Trick::NoKeepAlive | Trick::NoReceiveMaximum | Trick::RefusedWithReason => self
                .forever(|_| {
                    std::thread::sleep(Duration::from_millis(100));
                    Ok(())
                }),
            Trick::RefuseAll | Trick::CloseOnBad => self.answer(trick),
        }
    }

    fn forever(&mut self, mut turn: impl FnMut(&mut Self) -> std::io::Result<()>) -> std::io::Result<()> {
        while !self.shared.ended.load(Ordering::Relaxed) {
            turn(self)?;
        }
        Ok(())
    }

    /// Behaves, but for some messages.
    fn answer(&mut self, trick: Trick) -> std::io::Result<()> {
        loop {
            let (first, body) = self.packet()?;
            match first >> 4 {
                3 => {
                    let topic_bytes =
                        body.first_chunk::<2>().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
                    let (topic, rest) = body.split_at_checked(2 + topic_bytes).unwrap_or_default();
                    let id = rest.get(..2).unwrap_or(&[0, 0]);
                    let is_bad = trick == Trick::RefuseAll || topic.windows(3).any(|part| part == b"bad");
                    match (is_bad, self.is_v5) {
                        (true, false) => return Ok(()),
                        (true, true) if trick == Trick::CloseOnBad => return Ok(()),
                        (true, true) => self.write(&packet(0x40, &[id, &[0x87], &reason()].concat()))?,
                        (false, _) => {
                            self.write(&packet(0x40, id))?;
                            self.note(topic, rest);
                        }
                    }
                }
                8 => {
                    let id = body.get(..2).unwrap_or(&[0, 0]);
                    let properties: &[u8] = if self.is_v5 { &[0] } else { &[] };
                    self.write(&packet(0x90, &[id, properties, &[1]].concat()))?;
                }
                12 => self.write(&[0xd0, 0])?,
                14 => return Ok(()),
                _ => {}
            }
        }
    }

    fn note(&self, topic: &[u8], rest: &[u8]) {
        let topic = String::from_utf8_lossy(topic.get(2..).unwrap_or_default()).into_owned();
        // An id, and no properties.
        let payload = rest.get(if self.is_v5 { 3 } else { 2 }..).unwrap_or_default().to_vec();
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).push((topic, payload));
    }

    /// The next packet: its first byte, and what follows the length.
    fn packet(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let first = self.byte()?;
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        (0..length).map(|_| self.byte()).collect::<Result<_, _>>().map(|body| (first, body))
    }

    fn byte(&mut self) -> std::io::Result<u8> {
        let mut byte = [0];
        loop {
            match self.stream.read_exact(&mut byte) {
                Err(error) if is_timeout(error.kind()) && !self.shared.ended.load(Ordering::Relaxed) => {}
                read => return read.map(|()| byte[0]),
            }
        }
    }

    /// Writes all of it, however long the client takes to read.
    fn write(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = bytes.split_at(written).1,
                Err(error) if is_timeout(error.kind()) && !self.shared.ended.load(Ordering::Relaxed) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A message of QoS 1, whose first byte has `flags` too, with these properties where there are any.
    fn publish(&self, topic: &str, id: u16, flags: u8, properties: &[u8]) -> Vec<u8> {
        let mut body = u16::try_from(topic.len()).expect("a topic").to_be_bytes().to_vec();
        body.extend_from_slice(topic.as_bytes());
        body.extend_from_slice(&id.to_be_bytes());
        if self.is_v5 {
            put_length(properties.len(), &mut body);
            body.extend_from_slice(properties);
        }
        body.extend_from_slice(b"{\"v\":1}");
        packet(0x32 | flags, &body)
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted].contains(&kind)
}

fn connack(is_v5: bool, trick: Trick) -> Vec<u8> {
    let properties: Vec<u8> = match trick {
        _ if !is_v5 => return packet(0x20, &[0, 0]),
        Trick::RefusedWithReason => return packet(0x20, &[&[0, 0x87][..], &reason()].concat()),
        Trick::NoKeepAlive => vec![0x13, 0, 0],
        Trick::NoReceiveMaximum => vec![0x21, 0, 0],
        _ => Vec::new(),
    };
    packet(0x20, &[&[0, 0, properties.len() as u8], &properties[..]].concat())
}

/// The properties of an answer: a reason that no log should show as it is.
fn reason() -> Vec<u8> {
    let text = "\r\nERROR forged\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}".repeat(1_500);
    let mut property = vec![0x1f];
    property.extend_from_slice(&u16::try_from(text.len()).expect("a reason").to_be_bytes());
    property.extend_from_slice(text.as_bytes());
    let mut properties = Vec::new();
    put_length(property.len(), &mut properties);
    [properties, property].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    put_length(body.len(), &mut bytes);
    bytes.extend_from_slice(body);
    bytes
}

fn put_length(mut length: usize, to: &mut Vec<u8>) {
    while length > 0x7f {
        to.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    to.push(length as u8);
}
