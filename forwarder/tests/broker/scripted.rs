//! A broker that does what a test says, for what mosquitto will not do. It speaks as much of MQTT 3.1.1 and 5 as a
//! publisher needs.

use std::cell::RefCell;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Ack,
    /// MQTT 5: with this reason code.
    Refuse(u8),
    /// Take it and say nothing.
    Ignore,
    /// Take it and hang up.
    HangUp,
    /// Stop reading, and keep the connection.
    Freeze,
    /// Acknowledge it after the next one.
    AckAfterNext,
}

/// A message that came in.
#[derive(Clone, Debug)]
pub struct Got {
    pub connection: usize,
    pub topic: String,
    pub body: String,
    /// Messages before it that were not answered.
    pub open: usize,
}

type Script = dyn Fn(&Got) -> Action;

pub struct Scripted {
    pub port: u16,
    pub got: Rc<RefCell<Vec<Got>>>,
    pub connections: Rc<RefCell<usize>>,
}

impl Scripted {
    /// `properties` are those of an MQTT 5 CONNACK.
    pub async fn start(properties: &'static [u8], script: impl Fn(&Got) -> Action + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let broker = Self { port, got: Rc::default(), connections: Rc::default() };
        let (got, connections, script) = (broker.got.clone(), broker.connections.clone(), Rc::new(script));
        tokio::task::spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *connections.borrow_mut() += 1;
                let connection = *connections.borrow();
                let peer = Peer {
                    stream,
                    connection,
                    got: got.clone(),
                    script: script.clone(),
                    v5: false,
                    open: 0,
                    held: Vec::new(),
                };
                tokio::task::spawn_local(peer.serve(properties));
            }
        });
        broker
    }

    pub fn bodies(&self) -> Vec<String> {
        self.got.borrow().iter().map(|got| got.body.clone()).collect()
    }
}

struct Peer {
    stream: TcpStream,
    connection: usize,
    got: Rc<RefCell<Vec<Got>>>,
    script: Rc<Script>,
    v5: bool,
    open: usize,
    held: Vec<u16>,
}

impl Peer {
    async fn serve(mut self, properties: &[u8]) -> Option<()> {
        self.stream.set_nodelay(true).unwrap();
        loop {
            let (kind, packet) = self.packet().await?;
            match kind >> 4 {
                1 => {
                    self.v5 = packet[6] == 5;
                    let mut answer = vec![0x20, 2, 0, 0];
                    if self.v5 {
                        answer = vec![0x20, 3 + properties.len() as u8, 0, 0, properties.len() as u8];
                        answer.extend_from_slice(properties);
                    }
                    self.stream.write_all(&answer).await.ok()?;
                }
                3 => self.publish(kind, &packet).await?,
                12 => self.stream.write_all(&[0xd0, 0]).await.ok()?,
                _ => return None,
            }
        }
    }

    async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = self.stream.read_u8().await.ok()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut packet = vec![0; length];
        self.stream.read_exact(&mut packet).await.ok()?;
        Some((kind, packet))
    }

    async fn publish(&mut self, kind: u8, packet: &[u8]) -> Option<()> {
        assert_eq!(kind >> 1 & 3, 1, "QoS 1");
        let length = usize::from(u16::from_be_bytes([packet[0], packet[1]]));
        let (topic, rest) = packet[2..].split_at(length);
        let pkid = u16::from_be_bytes([rest[0], rest[1]]);
        let body = if self.v5 { &rest[3 + usize::from(rest[2])..] } else { &rest[2..] };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let got = Got { connection: self.connection, topic: text(topic), body: text(body), open: self.open };
        if got.topic == "status" {
            return self.answer(pkid, 0).await;
        }
        let action = (self.script)(&got);
        self.got.borrow_mut().push(got);
        self.open += 1;
        match action {
            Action::Ack => {
                self.answer(pkid, 0).await?;
                self.open -= 1;
                for pkid in std::mem::take(&mut self.held) {
                    self.answer(pkid, 0).await?;
                    self.open -= 1;
                }
            }
            Action::Refuse(code) => {
                self.answer(pkid, code).await?;
                self.open -= 1;
            }
            Action::Ignore => {}
            Action::HangUp => return None,
            Action::Freeze => std::future::pending().await,
            Action::AckAfterNext => self.held.push(pkid),
        }
        Some(())
    }

    async fn answer(&mut self, pkid: u16, code: u8) -> Option<()> {
        let [high, low] = pkid.to_be_bytes();
        let packet = if self.v5 { vec![0x40, 3, high, low, code] } else { vec![0x40, 2, high, low] };
        self.stream.write_all(&packet).await.ok()
    }
}
