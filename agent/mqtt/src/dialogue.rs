//! The protocol of an accepted connection, without its socket: bytes in, events out; requests in, bytes out.
//!
//! Messages are decoded one at a time, as they are asked for: there is no queue of them but the bytes that were read.
//!
//! Limits: a packet id for each unacknowledged message of the broker, [`OUTPUT_BYTES_MAX`] and one packet more of
//! publishes that the socket has not taken; acknowledgements go beyond it, because there is one at most for each
//! packet id.

use crate::client::{Client, ClientRequest, RequestQueue};
use crate::error::Fault;
use crate::event::{MqttEvent, Publish};
use crate::frame::{FrameLimits, LARGE_BYTES, Stage};
use crate::packet_ids::PacketIds;
use crate::packets::{self, BrokerPacket, PING, Welcome};
use crate::topic_aliases::{TopicAlias, TopicAliases};
use crate::{PACKET_BYTES_MAX, Qos};
use bytes::BytesMut;
use std::collections::VecDeque;

/// Publishes are written into the buffer while it has less than this (bytes).
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Acknowledgements of what was not sent that a connection outlives.
const STRAY_ACKS_MAX: u32 = 1_000;

/// The state of an accepted connection.
#[derive(Debug)]
pub(crate) struct Dialogue {
    limits: FrameLimits,
    manual_acks: bool,
    pub(crate) input: BytesMut,
    pub(crate) output: BytesMut,
    /// Whether `output` held so much that it is not kept.
    output_is_large: bool,
    notices: VecDeque<Notice>,
    /// Ours that the broker has not acknowledged.
    published: PacketIds,
    inflight_max: u16,
    /// The largest packet that the broker takes (bytes).
    pub(crate) packet_bytes_out: usize,
    aliases: TopicAliases,
    /// The broker's that we have not acknowledged.
    received: PacketIds,
    /// Messages to acknowledge on receipt.
    acks: Vec<u16>,
    /// Acknowledgements of what was not sent.
    stray_acks: u32,
    /// Messages since the last [`Dialogue::take_read`].
    messages: u32,
    farewell: Farewell,
}

/// An event of our own doing.
#[derive(Clone, Copy, Debug)]
enum Notice {
    Sent(u16),
    /// It was above the broker's limit, and has not been sent.
    Unsendable(u16),
    Disconnected,
}

/// How far our disconnect has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    No,
    /// It is in the buffer: nothing may follow it.
    Written,
    Told,
}

impl Dialogue {
    /// `input`: what was read behind the broker's answer. `inflight`: the most unacknowledged publishes.
    pub(crate) fn new(
        limits: FrameLimits,
        manual_acks: bool,
        inflight: u16,
        welcome: &Welcome,
        input: BytesMut,
    ) -> Self {
        Self {
            limits,
            manual_acks,
            input,
            output: BytesMut::new(),
            output_is_large: false,
            notices: VecDeque::new(),
            published: PacketIds::new(),
            inflight_max: welcome.receive_max.map_or(inflight, |max| max.min(inflight)),
            packet_bytes_out: welcome.packet_bytes_max.unwrap_or(PACKET_BYTES_MAX).min(PACKET_BYTES_MAX),
            aliases: TopicAliases::new(welcome.topic_alias_max),
            received: PacketIds::new(),
            acks: Vec::new(),
            stray_acks: 0,
            messages: 0,
            farewell: Farewell::No,
        }
    }

    /// The most unacknowledged publishes.
    pub(crate) fn inflight_max(&self) -> u16 {
        self.inflight_max
    }

    /// Whether our disconnect is written: what comes in is not answered any more, and comes again.
    pub(crate) fn is_leaving(&self) -> bool {
        self.farewell != Farewell::No
    }

    /// The messages that have come since the last call, and those of the broker that are unacknowledged.
    pub(crate) fn take_read(&mut self) -> (u32, u32) {
        (std::mem::take(&mut self.messages), u32::from(self.received.count()))
    }

    pub(crate) fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    /// The next event out of what was read; `None`: more must be read.
    ///
    /// # Errors
    /// The broker ends the connection, or breaks the protocol.
    pub(crate) fn next_event(&mut self) -> Result<Option<MqttEvent>, Fault> {
        if let Some(notice) = self.notices.pop_front() {
            return Ok(Some(notice.into()));
        }
        while let Some(frame) = self.limits.take(Stage::Connected, &mut self.input)? {
            match packets::read(self.limits.version, frame)? {
                BrokerPacket::Publish(publish) => {
                    self.messages += 1;
                    self.on_publish(&publish)?;
                    return Ok(Some(MqttEvent::Incoming(publish)));
                }
                BrokerPacket::PubAck { pkid, refused } if self.published.remove(pkid) => {
                    return Ok(Some(MqttEvent::Acked { pkid, refused }));
                }
                BrokerPacket::PubAck { pkid, .. } => self.on_stray_ack(pkid)?,
                BrokerPacket::SubAck { refused } => return Ok(Some(MqttEvent::Subscribed { refused })),
                BrokerPacket::Other => return Ok(Some(MqttEvent::Other)),
            }
        }
        Ok(None)
    }

    /// An acknowledgement of what was not sent, or a second one, changes nothing; without end, it is no accident.
    fn on_stray_ack(&mut self, pkid: u16) -> Result<(), Fault> {
        self.stray_acks += 1;
        if self.stray_acks > STRAY_ACKS_MAX {
            return Err(Fault::Protocol(format!("{STRAY_ACKS_MAX} acknowledgements of what was not sent")));
        }
        tracing::debug!(pkid, "the broker acknowledges what was not sent");
        Ok(())
    }

    /// A repeat may come under an id that is in use (MQTT 3.1.1, 4.4); anything else may not, so that the ids bound
    /// what is unacknowledged.
    fn on_publish(&mut self, publish: &Publish) -> Result<(), Fault> {
        if publish.qos == Qos::AtMostOnce {
            return Ok(());
        }
        let is_new = self.received.insert(publish.pkid);
        if !is_new && !publish.dup {
            let pkid = publish.pkid;
            return Err(Fault::Protocol(format!("the packet id {pkid} again, before its acknowledgement")));
        }
        if !self.manual_acks {
            self.acks.push(publish.pkid);
        }
        Ok(())
    }

    /// Writes acknowledgements, and as many requests as there is room for. Returns whether the buffer is full.
    ///
    /// # Errors
    /// A request that the broker cannot take.
    pub(crate) fn take_requests(&mut self, queue: &mut RequestQueue) -> Result<bool, Fault> {
        if self.is_leaving() {
            return Ok(false);
        }
        for pkid in self.acks.drain(..).chain(queue.acks.drain(..)) {
            if self.received.remove(pkid) {
                packets::acknowledge(pkid, &mut self.output);
            }
        }
        while self.output.len() < OUTPUT_BYTES_MAX
            && !self.is_leaving()
            && queue.requests.front().is_some_and(|request| self.may_go(request))
            && let Some(request) = queue.requests.pop_front()
        {
            self.write(request)?;
        }
        self.output_is_large |= self.output.len() > LARGE_BYTES;
        Ok(self.output.len() >= OUTPUT_BYTES_MAX)
    }

    fn may_go(&self, request: &ClientRequest) -> bool {
        let takes_id = matches!(request, ClientRequest::Publish { qos: Qos::AtLeastOnce, .. });
        !takes_id || self.published.count() < self.inflight_max
    }

    fn write(&mut self, request: ClientRequest) -> Result<(), Fault> {
        let (version, bytes_max) = (self.limits.version, self.packet_bytes_out);
        let (mut pkid, mut alias) = (0, TopicAlias::None);
        match &request {
            ClientRequest::Publish { topic, payload, qos, .. } => {
                let bytes = Client::publish_bytes_max(topic, payload);
                let is_sendable = bytes <= bytes_max;
                if *qos == Qos::AtLeastOnce {
                    pkid = self.next_pkid()?;
                    self.notices.push_back(Notice::Sent(pkid));
                    let notice = (!is_sendable).then_some(Notice::Unsendable(pkid));
                    self.notices.extend(notice);
                }
                if !is_sendable {
                    return Ok(());
                }
                self.published.insert(pkid);
                if bytes + TopicAlias::BYTES <= bytes_max {
                    alias = self.aliases.of(topic);
                }
            }
            ClientRequest::Subscribe { .. } | ClientRequest::Unsubscribe { .. } => pkid = self.next_pkid()?,
            ClientRequest::Disconnect => self.farewell = Farewell::Written,
        }
        packets::request(version, request, (pkid, alias), bytes_max, &mut self.output)
    }

    fn next_pkid(&mut self) -> Result<u16, Fault> {
        self.published.next_free().ok_or_else(|| Fault::Protocol("no packet id is left".into()))
    }

    /// Writes a ping.
    pub(crate) fn ping(&mut self) {
        if !self.is_leaving() {
            self.output.extend_from_slice(&PING);
        }
    }

    /// The socket has taken everything.
    pub(crate) fn on_written(&mut self) {
        if self.output_is_large {
            self.output = BytesMut::new();
            self.output_is_large = false;
        }
        if self.farewell == Farewell::Written {
            self.farewell = Farewell::Told;
            self.notices.push_back(Notice::Disconnected);
        }
    }
}

impl From<Notice> for MqttEvent {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Sent(pkid) => Self::Sent { pkid },
            Notice::Unsendable(pkid) => Self::Acked { pkid, refused: Some("packet too large".into()) },
            Notice::Disconnected => Self::Disconnected,
        }
    }
}
