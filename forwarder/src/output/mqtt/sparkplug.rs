//! The agent as an edge node of Sparkplug B 3.0: births, data and deaths under `spBv1.0/GROUP/TYPE/NODE/DEVICE`.
//!
//! The node is the agent, and a device is a series in a stream. A device is born before its first data on a connection,
//! and again when it has another metric, or when a host asks for it. A birth says the last known value of each metric. Data
//! that waited for the connection, and data of an earlier time than the last, are historical. Payloads count from 0 to 255 behind
//! each birth of the node.
//!
//! Deviations: data have QoS 1, not 0, because the buffer lets a message go when the broker has it; no device dies as long as the
//! node lives; no primary host is waited for. Memory: the last value of each metric.
//!
//! Source: Eclipse Sparkplug 3.0.0, chapters 4 to 6.

mod connection;
mod metrics;

use super::publication::Publication;
use crate::{Encoder, Framing, Message};
use headwater_mqtt::{Qos, Will};
use headwater_protobuf::{put_bytes, put_number};
use metrics::{METRICS, Metric, metrics_of};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::rc::Rc;
use tokio::time::Instant;

const NAMESPACE: &str = "spBv1.0";

/// The metrics of a node's own.
const BIRTH_DEATH: &str = "bdSeq";
const REBIRTH: &str = "Node Control/Rebirth";

/// The numbers of the fields of a `Payload`.
mod fields {
    pub(super) const TIMESTAMP: u8 = 1;
    pub(super) const SEQUENCE: u8 = 3;
}

/// The formats that data have.
pub(super) const FORMATS: &[&str] = &["sparkplug"];

/// The names of a node, as levels of topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeName {
    group: String,
    node: String,
}

impl NodeName {
    /// # Errors
    /// What is wrong with the group.
    pub(super) fn new(group: &str, agent: &str) -> Result<Self, &'static str> {
        match group {
            "" => Err("it is empty"),
            _ if group.contains(['/', '+', '#']) => Err("a group cannot hold `/`, `+` or `#`"),
            _ => Ok(Self { group: group.to_owned(), node: escaped(agent) }),
        }
    }

    fn topic(&self, kind: &str, device: Option<&str>) -> String {
        let Self { group, node } = self;
        let mut topic = format!("{NAMESPACE}/{group}/{kind}/{node}");
        if let Some(device) = device {
            let _ = write!(topic, "/{device}");
        }
        topic
    }

    /// A filter that matches the topics of this node alone.
    pub(super) fn filter(&self) -> String {
        format!("{NAMESPACE}/{}/+/{}/#", self.group, self.node)
    }

    /// What hosts publish commands to.
    pub(super) fn command_topic(&self) -> String {
        self.topic("NCMD", None)
    }

    /// What the broker says once the connection is lost that `birth` begins.
    pub(super) fn last_will(&self, birth: u8) -> Will {
        Will {
            topic: self.topic("NDEATH", None),
            payload: death(birth).into(),
            qos: Qos::AtLeastOnce,
            retain: false,
        }
    }
}

/// What the connection's other half has heard from hosts.
pub(super) type Commands = Rc<Cell<bool>>;

/// Notes whether a command asks for a rebirth.
pub(super) fn hear(payload: &[u8], commands: &Commands) {
    let asks = |metric: &Metric<'_>| metric.name == REBIRTH && metric.is_true;
    if metrics_of(payload).is_ok_and(|metrics| metrics.iter().any(asks)) {
        commands.set(true);
    }
}

/// The node on one connection.
pub(super) struct EdgeNode {
    name: NodeName,
    /// Tells the births of connections apart, and which death belongs to which.
    birth: u8,
    is_born: bool,
    hears: bool,
    /// The number of the next payload.
    sequence: u8,
    devices: HashMap<String, Device>,
    /// Devices that are to be born again.
    unborn: VecDeque<String>,
    commands: Commands,
    /// A time that was told (ms since the Unix epoch), and when.
    told: (u64, Instant),
}

#[derive(Default)]
struct Device {
    is_born: bool,
    /// The latest time of its data (ms since the Unix epoch).
    time: u64,
    /// The last known metrics by their names, as they stand in a birth.
    metrics: BTreeMap<String, Vec<u8>>,
}

/// The data of a message.
pub(super) struct DeviceData {
    device: String,
    metrics: Vec<u8>,
}

impl EdgeNode {
    pub(super) fn new(name: NodeName, birth: u8, commands: Commands) -> Self {
        Self {
            name,
            birth,
            is_born: false,
            hears: false,
            sequence: 0,
            devices: HashMap::new(),
            unborn: VecDeque::new(),
            commands,
            told: (0, Instant::now()),
        }
    }

    /// What it subscribes to, until [`EdgeNode::hears`].
    pub(super) fn wants_to_hear(&self) -> Option<String> {
        (!self.hears).then(|| self.name.command_topic())
    }

    pub(super) fn hears(&mut self) {
        self.hears = true;
    }

    /// The time is `ms` since the Unix epoch.
    pub(super) fn tell_time(&mut self, ms: i64) {
        self.told = (ms.max(0).unsigned_abs(), Instant::now());
    }

    /// The next birth that is due, if the time is known; [`EdgeNode::born`] follows when it was sent.
    pub(super) fn due(&mut self) -> Option<Publication> {
        if self.commands.take() {
            self.is_born = false;
        }
        if self.told.0 == 0 {
            return None;
        }
        if !self.is_born {
            // The births of all devices follow.
            self.devices.values_mut().for_each(|device| device.is_born = false);
            self.unborn = self.devices.keys().cloned().collect();
            self.sequence = 0;
            return Some(self.node_birth());
        }
        let device = self.unborn.front()?;
        Some(self.device_birth(device))
    }

    /// The birth that was due was sent.
    pub(super) fn born(&mut self) {
        if !std::mem::replace(&mut self.is_born, true) {
            return;
        }
        let device = self.unborn.pop_front().and_then(|device| self.devices.get_mut(&device));
        device.into_iter().for_each(|device| device.is_born = true);
    }

    /// The data of a message. A device that has to be born for them is due.
    ///
    /// # Errors
    /// The message cannot be encoded.
    pub(super) fn data(
        &mut self,
        encoder: &dyn Encoder,
        message: &Message,
        backfill: bool,
    ) -> Result<DeviceData, String> {
        let address = encoder.address(message).ok_or("it does not say what it is")?;
        self.tell_time(address.time_ms);
        let name = escaped(&format!("{}/{}", address.stream, address.series));
        let mut payload = Vec::with_capacity(2 * message.body.len());
        let encoded = encoder.encode(&[message], Framing::Single, &mut payload);
        encoded.map_err(|error| format!("{name}: {error}"))?;
        let metrics = metrics_of(&payload).map_err(|_| format!("{name}: its metrics cannot be read"))?;
        let time = metrics.first().map_or(0, |metric| metric.time);
        let device = self.devices.entry(name.clone()).or_default();
        let is_historical = backfill || time < device.time;
        for metric in &metrics {
            let is_known = device.metrics.contains_key(metric.name);
            if !is_known || !is_historical {
                let told = if is_historical { metric.without_value() } else { metric.bytes.to_vec() };
                device.metrics.insert(metric.name.to_owned(), told);
            }
            device.is_born &= is_known;
        }
        if !is_historical {
            device.time = time;
        }
        if !device.is_born && !self.unborn.contains(&name) {
            self.unborn.push_back(name.clone());
        }
        let mut data = Vec::with_capacity(payload.len() + 16);
        metrics.iter().for_each(|metric| metric.put(is_historical, &mut data));
        Ok(DeviceData { device: name, metrics: data })
    }

    /// The message that carries data, once nothing is due.
    pub(super) fn publication(&self, data: &DeviceData) -> Publication {
        let mut payload = self.payload();
        payload.extend_from_slice(&data.metrics);
        debug_assert!(self.devices.get(&data.device).is_some_and(|device| device.is_born));
        self.plain("DDATA", Some(&data.device), payload)
    }

    /// Appends the number of a payload; [`EdgeNode::sent`] follows when it was sent.
    pub(super) fn put_sequence(&self, payload: &mut Vec<u8>) {
        put_number(payload, fields::SEQUENCE, self.sequence.into());
    }

    pub(super) fn sent(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// What it says before it leaves.
    pub(super) fn farewell(&self) -> Will {
        self.name.last_will(self.birth)
    }

    fn node_birth(&self) -> Publication {
        let mut payload = self.payload();
        let time = self.now();
        put_bytes(&mut payload, METRICS, &metrics::number(BIRTH_DEATH, time, self.birth.into()));
        put_bytes(&mut payload, METRICS, &metrics::boolean(REBIRTH, time, false));
        self.plain("NBIRTH", None, payload)
    }

    fn device_birth(&self, name: &str) -> Publication {
        let mut payload = self.payload();
        let metrics = self.devices.get(name).into_iter().flat_map(|device| device.metrics.values());
        metrics.for_each(|metric| put_bytes(&mut payload, METRICS, metric));
        self.plain("DBIRTH", Some(name), payload)
    }

    fn payload(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(256);
        put_number(&mut payload, fields::TIMESTAMP, self.now());
        payload
    }

    fn now(&self) -> u64 {
        let (ms, told) = self.told;
        ms.saturating_add(u64::try_from(told.elapsed().as_millis()).unwrap_or_default())
    }

    fn plain(&self, kind: &str, device: Option<&str>, payload: Vec<u8>) -> Publication {
        Publication { topic: self.name.topic(kind, device), payload, retain: false, batch: None }
    }
}

/// The payload of a node's death.
fn death(birth: u8) -> Vec<u8> {
    let mut payload = Vec::new();
    put_bytes(&mut payload, METRICS, &metrics::number(BIRTH_DEATH, 0, birth.into()));
    payload
}

/// A name as one level of a topic that no other name has: `/` is written `:`.
fn escaped(name: &str) -> String {
    let mut level = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '/' => level.push(':'),
            ':' | '+' | '#' | '%' | '\0' => {
                let _ = write!(level, "%{:02X}", u32::from(c));
            }
            c => level.push(c),
        }
    }
    level
}

#[cfg(test)]
mod tests;
