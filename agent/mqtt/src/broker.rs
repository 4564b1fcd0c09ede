//! A small MQTT 3.1.1 broker on loopback, for the demo: QoS 0 and 1, wildcards, retained messages, last wills.
//!
//! `rumqttc` reads and writes the packets; this file only routes them. The broker keeps everything in memory and has no
//! persistent sessions, no authentication and no TLS. It runs on a thread of its own and ends when it is dropped.
//!
//! Source: MQTT Version 3.1.1, OASIS Standard. Deviations: every session is a clean one, and QoS 2 delivers
//! at least once.
//!
//! Limits: [`CONNECTIONS_MAX`] clients, packets of [`PACKET_MAX`] bytes, [`RETAINED_MAX`] retained topics,
//! [`QUEUE_MAX`] messages that wait for a slow client, [`INFLIGHT_MAX`] of them on their way. Anything above a limit is
//! dropped, or the connection is closed.

use bytes::BytesMut;
use rumqttc::mqttbytes::{self, QoS, matches, valid_filter, valid_topic};
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Packet, PubAck, PubComp, PubRec, Publish, SubAck,
    Subscribe, SubscribeReasonCode, UnsubAck,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

/// The most clients.
const CONNECTIONS_MAX: usize = 100;

/// The largest packet (bytes).
const PACKET_MAX: usize = 1 << 20;

/// The most topics with a retained message.
const RETAINED_MAX: usize = 10_000;

/// The most messages that wait for one client.
const QUEUE_MAX: usize = 10_000;

/// The most unacknowledged QoS 1 messages of one client.
const INFLIGHT_MAX: usize = 100;

/// A running broker; it stops when this value is dropped.
#[derive(Debug)]
pub struct Broker {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker on a free port of 127.0.0.1. It accepts connections when this returns.
    ///
    /// # Errors
    /// The system gives no port, no thread or no runtime.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("broker".to_owned()).spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async {
                tokio::select! {
                    () = accept(listener) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { port, stop: Some(stop), thread: Some(thread) })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

/// Accepts clients until the listener fails.
async fn accept(listener: TcpListener) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let router = Rc::new(RefCell::new(Router::default()));
    while let Ok((stream, _)) = listener.accept().await {
        if Rc::strong_count(&router) <= CONNECTIONS_MAX {
            tokio::task::spawn_local(serve(stream, router.clone()));
        }
    }
}

/// Routes messages to subscribers.
#[derive(Default)]
struct Router {
    clients: HashMap<String, Subscriber>,
    retained: BTreeMap<String, Publish>,
    /// Tells a client from an earlier one of the same id.
    connections: u64,
}

struct Subscriber {
    connection: u64,
    filters: Vec<(String, QoS)>,
    queue: mpsc::Sender<Publish>,
}

impl Router {
    /// Registers a client. An earlier client of the same id loses its queue, and with it its connection.
    fn connect(&mut self, client_id: &str) -> (u64, mpsc::Receiver<Publish>) {
        self.connections += 1;
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        let subscriber = Subscriber { connection: self.connections, filters: Vec::new(), queue };
        self.clients.insert(client_id.to_owned(), subscriber);
        (self.connections, messages)
    }

    fn disconnect(&mut self, client_id: &str, connection: u64) {
        if self.clients.get(client_id).is_some_and(|client| client.connection == connection) {
            self.clients.remove(client_id);
        }
    }

    fn publish(&mut self, mut message: Publish) {
        if message.retain && message.payload.is_empty() {
            self.retained.remove(&message.topic);
        } else if message.retain
            && (self.retained.len() < RETAINED_MAX || self.retained.contains_key(&message.topic))
        {
            self.retained.insert(message.topic.clone(), message.clone());
        }
        message.retain = false;
        for client in self.clients.values() {
            let matching = client.filters.iter().filter(|(filter, _)| matches(&message.topic, filter));
            if let Some((_, qos)) = matching.max_by_key(|(_, qos)| *qos as u8) {
                client.send(&message, *qos);
            }
        }
    }

    /// Adds a filter, or changes its QoS, and sends the retained messages that match.
    fn subscribe(&mut self, client_id: &str, filter: &str, qos: QoS) {
        let Some(client) = self.clients.get_mut(client_id) else { return };
        client.filters.retain(|(known, _)| known != filter);
        client.filters.push((filter.to_owned(), qos));
        for (_, message) in self.retained.iter().filter(|(topic, _)| matches(topic, filter)) {
            client.send(message, qos);
        }
    }

    fn unsubscribe(&mut self, client_id: &str, filters: &[String]) {
        if let Some(client) = self.clients.get_mut(client_id) {
            client.filters.retain(|(known, _)| !filters.contains(known));
        }
    }
}

impl Subscriber {
    /// A client whose queue is full loses the message.
    fn send(&self, message: &Publish, granted: QoS) {
        let qos = if message.qos == QoS::AtMostOnce { QoS::AtMostOnce } else { granted };
        let message = Publish { qos, dup: false, pkid: 0, ..message.clone() };
        let _ = self.queue.try_send(message);
    }
}

/// One client, from its first packet to its last. An error ends the connection and publishes the last will.
async fn serve(stream: TcpStream, router: Rc<RefCell<Router>>) {
    // Small packets go out at once: the other side waits for acknowledgements.
    let _ = stream.set_nodelay(true);
    let mut wire = Wire { stream, input: BytesMut::new(), output: BytesMut::new() };
    let Ok(Packet::Connect(Connect { client_id, last_will, .. })) = wire.read().await else { return };
    let (connection, messages) = router.borrow_mut().connect(&client_id);
    let mut client = Client { id: client_id, wire, router, messages, unacked: HashSet::new(), last_pkid: 0 };
    let left = client.run().await;
    let mut router = client.router.borrow_mut();
    router.disconnect(&client.id, connection);
    if let (Err(_), Some(LastWill { topic, message, qos, retain })) = (left, last_will) {
        router.publish(Publish { retain, ..Publish::from_bytes(topic, qos, message) });
    }
}

struct Client {
    id: String,
    wire: Wire,
    router: Rc<RefCell<Router>>,
    messages: mpsc::Receiver<Publish>,
    /// Packet ids of messages on their way to the client.
    unacked: HashSet<u16>,
    last_pkid: u16,
}

impl Client {
    /// Serves the client until it disconnects.
    ///
    /// # Errors
    /// The connection is lost, the client breaks the protocol, or another one has taken its id.
    async fn run(&mut self) -> io::Result<()> {
        self.wire.write(&Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)))?;
        loop {
            self.wire.flush().await?;
            tokio::select! {
                packet = self.wire.read() => match packet? {
                    Packet::Disconnect => return Ok(()),
                    packet => self.on_packet(packet)?,
                },
                message = self.messages.recv(), if self.unacked.len() < INFLIGHT_MAX => {
                    self.deliver(message.ok_or_else(|| violation("another client has the same id"))?)?;
                }
            }
        }
    }

    fn on_packet(&mut self, packet: Packet) -> io::Result<()> {
        match packet {
            Packet::Publish(message) => {
                if !valid_topic(&message.topic) {
                    return Err(violation("a topic holds a wildcard"));
                }
                match message.qos {
                    QoS::AtMostOnce => {}
                    QoS::AtLeastOnce => self.wire.write(&Packet::PubAck(PubAck::new(message.pkid)))?,
                    QoS::ExactlyOnce => self.wire.write(&Packet::PubRec(PubRec::new(message.pkid)))?,
                }
                self.router.borrow_mut().publish(message);
                Ok(())
            }
            Packet::PubAck(ack) => {
                self.unacked.remove(&ack.pkid);
                Ok(())
            }
            Packet::PubRel(release) => self.wire.write(&Packet::PubComp(PubComp::new(release.pkid))),
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                self.router.borrow_mut().unsubscribe(&self.id, &unsubscribe.topics);
                self.wire.write(&Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)))
            }
            Packet::PingReq => self.wire.write(&Packet::PingResp),
            _ => Err(violation("a packet that no client sends")),
        }
    }

    fn subscribe(&mut self, subscribe: &Subscribe) -> io::Result<()> {
        let grant = |filter: &str, qos: QoS| {
            if !valid_filter(filter) {
                return SubscribeReasonCode::Failure;
            }
            let qos = if qos == QoS::AtMostOnce { qos } else { QoS::AtLeastOnce };
            self.router.borrow_mut().subscribe(&self.id, filter, qos);
            SubscribeReasonCode::Success(qos)
        };
        let codes = subscribe.filters.iter().map(|filter| grant(&filter.path, filter.qos)).collect();
        self.wire.write(&Packet::SubAck(SubAck::new(subscribe.pkid, codes)))
    }

    fn deliver(&mut self, mut message: Publish) -> io::Result<()> {
        if message.qos != QoS::AtMostOnce {
            // There are more ids than messages in flight, so a free one is near.
            while message.pkid == 0 || self.unacked.contains(&message.pkid) {
                self.last_pkid = self.last_pkid.wrapping_add(1);
                message.pkid = self.last_pkid;
            }
            self.unacked.insert(message.pkid);
        }
        self.wire.write(&Packet::Publish(message))
    }
}

/// A socket that carries packets.
struct Wire {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
}

impl Wire {
    /// The next packet. Cancel safe: bytes read stay in the buffer.
    async fn read(&mut self) -> io::Result<Packet> {
        loop {
            match Packet::read(&mut self.input, PACKET_MAX) {
                Ok(packet) => return Ok(packet),
                Err(mqttbytes::Error::InsufficientBytes(_)) => {}
                Err(error) => return Err(io::Error::other(error)),
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn write(&mut self, packet: &Packet) -> io::Result<()> {
        packet.write(&mut self.output, PACKET_MAX).map(|_| ()).map_err(io::Error::other)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        Ok(())
    }
}

fn violation(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Connection, MqttEvent, MqttSession, Qos, Settings, Will};
    use std::time::Duration;

    type Link = (Client, Connection);

    /// A client that is connected and, with a filter, subscribed.
    async fn client(broker: &Broker, session: &MqttSession, filter: Option<&str>) -> Link {
        let settings = Settings::parse_url(&format!("mqtt://127.0.0.1:{}", broker.port())).unwrap();
        let (client, mut connection) = crate::connect(&settings, session).unwrap();
        loop {
            match connection.poll().await.unwrap() {
                MqttEvent::Connected { .. } => match filter {
                    Some(filter) => client.try_subscribe(&[filter.to_owned()], Qos::AtLeastOnce).unwrap(),
                    None => return (client, connection),
                },
                MqttEvent::Subscribed { refused } => {
                    assert!(refused.is_empty());
                    return (client, connection);
                }
                _ => {}
            }
        }
    }

    async fn publish((client, connection): &mut Link, topic: &str, payload: &'static str, retain: bool) {
        client.try_publish(topic.to_owned(), payload.into(), Qos::AtLeastOnce, retain).unwrap();
        while !matches!(connection.poll().await.unwrap(), MqttEvent::Acked { .. }) {}
    }

    async fn next((_, connection): &mut Link) -> (String, String) {
        loop {
            if let MqttEvent::Incoming(publish) = connection.poll().await.unwrap() {
                return (publish.topic().to_owned(), String::from_utf8(publish.payload.to_vec()).unwrap());
            }
        }
    }

    async fn bounded(test: impl Future<Output = ()>) {
        tokio::time::timeout(Duration::from_secs(20), test).await.unwrap();
    }

    #[tokio::test]
    async fn retained_and_live_messages_reach_who_asked_for_them() {
        let broker = Broker::start().unwrap();
        bounded(async {
            let mut out = client(&broker, &MqttSession::passing("out"), None).await;
            publish(&mut out, "a/status", "old", true).await;
            publish(&mut out, "a/status", "kept", true).await;
            publish(&mut out, "a/gone", "kept", true).await;
            publish(&mut out, "a/gone", "", true).await;
            let mut seen = client(&broker, &MqttSession::passing("in"), Some("a/+")).await;
            assert_eq!(next(&mut seen).await, ("a/status".to_owned(), "kept".to_owned()));
            publish(&mut out, "b/live", "not asked for", false).await;
            publish(&mut out, "a/live", "new", false).await;
            assert_eq!(next(&mut seen).await, ("a/live".to_owned(), "new".to_owned()));
        })
        .await;
    }

    #[tokio::test]
    async fn a_lost_client_leaves_its_will_and_a_second_of_one_id_ends_the_first() {
        let broker = Broker::start().unwrap();
        bounded(async {
            let mut seen = client(&broker, &MqttSession::passing("in"), Some("#")).await;
            let will =
                Will { topic: "w".into(), payload: "lost".into(), qos: Qos::AtLeastOnce, retain: false };
            let session = MqttSession { last_will: Some(will), ..MqttSession::passing("out") };
            let _first = client(&broker, &session, None).await;
            let second = client(&broker, &session, None).await;
            assert_eq!(next(&mut seen).await, ("w".to_owned(), "lost".to_owned()));
            second.0.try_disconnect().unwrap();
            let mut second = second;
            while second.1.poll().await.is_ok_and(|event| !matches!(event, MqttEvent::Disconnected)) {}
            drop(second);
            let mut out = client(&broker, &MqttSession::passing("last"), None).await;
            publish(&mut out, "x", "after a farewell no will", false).await;
            assert_eq!(next(&mut seen).await.0, "x");
        })
        .await;
    }

    /// More than fit on their way at once, to a subscriber that acknowledges as it reads.
    #[tokio::test]
    async fn many_messages_arrive_in_order() {
        let broker = Broker::start().unwrap();
        bounded(async {
            let mut seen = client(&broker, &MqttSession::passing("in"), Some("n/#")).await;
            let mut out = client(&broker, &MqttSession::passing("out"), None).await;
            for n in 0..3 * INFLIGHT_MAX {
                publish(&mut out, &format!("n/{n}"), "x", false).await;
            }
            for n in 0..3 * INFLIGHT_MAX {
                assert_eq!(next(&mut seen).await.0, format!("n/{n}"));
            }
        })
        .await;
    }

    #[tokio::test]
    async fn rubbish_ends_its_connection_only() {
        let broker = Broker::start().unwrap();
        bounded(async {
            for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 40], &[0xff; 40], &[0x10, 0x01, 0x00]] {
                let mut stream = TcpStream::connect(("127.0.0.1", broker.port())).await.unwrap();
                stream.write_all(bytes).await.unwrap();
                stream.shutdown().await.unwrap();
                let mut answer = Vec::new();
                // A reset is an end too.
                let _ = stream.read_to_end(&mut answer).await;
                assert!(answer.is_empty());
            }
            let mut out = client(&broker, &MqttSession::passing("out"), None).await;
            publish(&mut out, "a", "b", false).await;
        })
        .await;
    }
}
