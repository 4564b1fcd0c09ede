//! A mosquitto of a test's own, a listener on it, and a forwarder that publishes to it.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

pub mod child;
#[path = "../../../tests/src/ports.rs"]
mod ports;
pub mod scripted;

use headwater_forwarder::{
    BufferConfig, EncodeError, Encoder, Forwarder, Framing, Lane, Message, MessageAddress, OutputContext,
    OutputPresence, OutputSlot, Start, read_output_kind,
};
use headwater_mqtt::{MqttEvent, MqttSession, Qos, Settings};
use headwater_settings::Document;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// A folder of a test's own, gone when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("headwater-outputs-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct Broker {
    pub port: u16,
    folder: Folder,
    child: Option<Child>,
}

impl Broker {
    /// `lines` are added to a config that lets everybody in.
    pub fn start(lines: &str) -> Self {
        // Somebody else may take the port in between: then mosquitto ends, and the next one is tried.
        for _ in 0..5 {
            let mut broker = Self::stopped(lines);
            if broker.try_start() {
                return broker;
            }
        }
        panic!("mosquitto does not start; is it installed?");
    }

    pub fn stopped(lines: &str) -> Self {
        let port = ports::free_port();
        let folder = Folder::new();
        let config =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n{lines}");
        std::fs::write(folder.0.join("mosquitto.conf"), config).unwrap();
        Self { port, folder, child: None }
    }

    pub fn try_start(&mut self) -> bool {
        let program =
            if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.0.join("mosquitto.conf"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let child = self.child.insert(child);
        for _ in 0..500 {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// As a power cut does it.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A way to the broker that can be cut.
pub struct Gate {
    pub port: u16,
    open: Rc<Cell<bool>>,
    cut: Rc<Notify>,
}

impl Gate {
    /// A closed one.
    pub async fn to(broker: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Self { port, open: Rc::default(), cut: Rc::default() };
        let (open, cut) = (gate.open.clone(), gate.cut.clone());
        tokio::task::spawn_local(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let cut = cut.clone();
                if !open.get() {
                    continue;
                }
                tokio::task::spawn_local(async move {
                    let Ok(mut far) = tokio::net::TcpStream::connect(("127.0.0.1", broker)).await else {
                        return;
                    };
                    far.set_nodelay(true).unwrap();
                    near.set_nodelay(true).unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = cut.notified() => {}
                    }
                });
            }
        });
        gate
    }

    pub fn open(&self) {
        self.open.set(true);
    }

    pub fn close(&self) {
        self.open.set(false);
        self.cut.notify_waiters();
    }
}

/// How often a payload came in under a topic.
type Counted = BTreeMap<(String, Vec<u8>), u32>;

/// What came in.
#[derive(Clone, Default)]
pub struct Heard {
    pub all: Rc<RefCell<Counted>>,
    ready: Rc<Notify>,
}

impl Heard {
    /// Listens to everything, and connects again whenever it must.
    pub async fn listen(port: u16) -> Self {
        let heard = Self::default();
        let (all, tell) = (heard.all.clone(), heard.ready.clone());
        tokio::task::spawn_local(async move {
            let settings = Settings::parse_url(&format!("mqtt://127.0.0.1:{port}")).unwrap();
            let session = MqttSession {
                client_id: "listener".into(),
                clean: true,
                expiry: Duration::ZERO,
                manual_acks: false,
                inflight: 10,
                packet_bytes_max: 1 << 20,
                last_will: None,
                latency: Duration::ZERO,
            };
            loop {
                let (client, mut connection) = headwater_mqtt::connect(&settings, &session).unwrap();
                while let Ok(event) = connection.poll().await {
                    match event {
                        MqttEvent::Connected { .. } => {
                            client.try_subscribe(&["#".into()], Qos::AtLeastOnce).unwrap()
                        }
                        MqttEvent::Subscribed { .. } => tell.notify_one(),
                        MqttEvent::Incoming(publish) => {
                            let key = (publish.topic().to_owned(), publish.payload.to_vec());
                            *all.borrow_mut().entry(key).or_default() += 1;
                        }
                        _ => {}
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        heard.is_ready().await;
        heard
    }

    /// Waits until it is subscribed, again.
    pub async fn is_ready(&self) {
        self.ready.notified().await;
    }

    /// Payloads under a topic prefix.
    pub fn under(&self, prefix: &str) -> Vec<String> {
        let heard = self.all.borrow();
        let wanted = heard.keys().filter(|(topic, _)| topic.starts_with(prefix));
        wanted.map(|(_, payload)| String::from_utf8(payload.clone()).unwrap()).collect()
    }

    /// Payloads of messages, live or not.
    pub fn messages(&self) -> Vec<String> {
        let heard = self.all.borrow();
        let wanted = heard.keys().filter(|(topic, _)| topic.ends_with("/x"));
        wanted.map(|(_, payload)| String::from_utf8(payload.clone()).unwrap()).collect()
    }

    pub fn len(&self) -> usize {
        self.all.borrow().len()
    }
}

/// The lane is the kind, which the topic ends with; a presence is of kind `status`, and what begins with `summary` of that
/// kind. What begins with `not` is not taken.
pub struct Plain;

impl Encoder for Plain {
    fn agent(&self) -> &str {
        "agent"
    }

    fn takes(&self, message: &Message) -> bool {
        !message.body.starts_with(b"not")
    }

    fn address<'m>(&'m self, message: &'m Message) -> Option<MessageAddress<'m>> {
        let is_presence = matches!(&message.body[..], b"online" | b"offline");
        let kind = match &message.body[..] {
            _ if is_presence => "status".into(),
            body if body.starts_with(b"summary") => "summary".into(),
            _ => format!("{:?}/x", message.lane).into(),
        };
        Some(MessageAddress { kind, time_ms: message.made_ms, ..MessageAddress::default() })
    }

    fn encode(&self, batch: &[&Message], framing: Framing, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        for message in batch {
            to.extend_from_slice(&message.body);
            match framing {
                Framing::Single => {}
                Framing::Lines => to.push(b'\n'),
                Framing::Batch => to.push(b','),
            }
        }
        Ok(())
    }
}

pub fn message(lane: Lane, n: usize) -> Message {
    Message { lane, made_ms: n as i64, body: format!("{n}").into() }
}

/// A forwarder with one MQTT output; `lines` are added to its table.
pub fn forwarder(port: u16, folder: &Path, config: BufferConfig, lines: &str) -> Forwarder {
    forwarder_with(port, folder, config, lines, Plain)
}

pub fn forwarder_with(
    port: u16,
    folder: &Path,
    config: BufferConfig,
    lines: &str,
    encoder: impl Encoder + 'static,
) -> Forwarder {
    let text = format!("type = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\ntopic = \"{{kind}}\"\n{lines}");
    let document = Document::parse(Path::new("test.toml"), &text, |_| None);
    let mut table = document.root();
    let context = OutputContext { agent: "agent".into(), output: "cloud".into() };
    let output = read_output_kind(&mut table).and_then(|kind| (kind.read)(&mut table, &context));
    table.finish();
    assert!(document.mistakes().is_empty(), "{:?}", document.mistakes());
    let state = |word: &str| Message { lane: Lane::Data, made_ms: 0, body: word.to_owned().into() };
    let slot = OutputSlot {
        name: "cloud".into(),
        output: output.unwrap(),
        encoder: Arc::new(encoder),
        presence: Some(OutputPresence { online: state("online"), gone: state("offline") }),
    };
    let folder = folder.join("buffer");
    Forwarder::start(Start { config, folder, outputs: vec![slot], clock: Arc::new(|| 1_000) }).unwrap()
}

/// Waits until `done` holds.
pub async fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited a minute for {what}");
}

/// Runs a test on the kind of runtime that the agent has.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}
