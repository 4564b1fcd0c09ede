//! The subscription of a source: connects, reads what comes, and acknowledges it.

use super::Mqtt;
use super::ack_window::{AckWindow, Delivery};
use super::in_hand::InHand;
use super::replies::Replies;
use super::requests::Requests;
use super::session::session;
use super::stall::Stall;
use crate::{AckFigures, ConnectionState, Decoder, Sink, Source};
use headwater_mqtt::{Backoff, Client, ConnectError, Connection, MqttEvent, Publish, Qos, connect};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Other tasks of the thread get a turn after this many events.
const EVENTS_PER_TURN: u32 = 256;

/// The time between the first message of an unmatched topic and the end of the session.
const GRACE: Duration = Duration::from_secs(10);

/// The time limit for disconnecting.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a message is not read.
const ENDS_THE_PROGRAM: &str = "it has ended the program twice while it was read, and is not read again";

/// Why serving a connection ended.
enum Ended {
    Stopped,
    Failed(ConnectError),
    /// The broker refuses every filter.
    Unserved,
    /// The session holds subscriptions of an earlier configuration.
    Outdated,
}

pub(super) struct Subscription<'a> {
    source: &'a Mqtt,
    sink: Box<dyn Sink>,
    decoder: Decoder,
    replies: Replies,
    /// The messages to be acknowledged; `None`: with QoS 0, or a sink that makes nothing safe.
    ack_window: Option<AckWindow>,
    /// Whether the source has subscribed to its topics since the start.
    subscribed: bool,
    /// Whether the session was replaced because of subscriptions of an earlier configuration; this happens once.
    renewed: bool,
    /// The last reason for a lost connection that was reported to the sink; `None` while it is up.
    told: Option<String>,
    /// The size of the last packet that was too large, until a connection settles (bytes).
    too_large: Option<usize>,
    /// The acknowledgements of what is to be durable, for the status.
    acks: Rc<AckFigures>,
}

impl<'a> Subscription<'a> {
    pub(super) fn new(source: &'a Mqtt, mut sink: Box<dyn Sink>) -> Self {
        let decoder = Decoder::new(&source.decode, &source.context);
        let has_acks = source.qos != Qos::AtMostOnce;
        let ack_window = has_acks.then(|| AckWindow::new(sink.as_mut(), source.ack)).flatten();
        let acks = Rc::new(AckFigures::default());
        if source.is_durable() {
            sink.acks(acks.clone());
        }
        ack_window.iter().for_each(|ack_window| name_earlier_session(source, ack_window));
        let known = ack_window.as_ref().map(AckWindow::filters).unwrap_or_default();
        Self {
            source,
            sink,
            decoder,
            replies: Replies::default(),
            // A new subscription would make the broker send its retained messages again.
            subscribed: source.is_durable() && known == source.filters,
            // The filters of the session are known: those of an earlier configuration are unsubscribed by name.
            renewed: !known.is_empty(),
            ack_window,
            told: Some(String::new()),
            too_large: None,
            acks,
        }
    }

    /// Connects, serves and reconnects until `stopped`.
    pub(super) async fn serve(mut self, stopped: impl Future<Output = ()>) {
        let mut stopped = pin!(stopped);
        let mut backoff = Backoff::by_chance();
        loop {
            let Some((client, mut connection)) = self.connect(false) else { return };
            let ended = self.converse(&client, &mut connection, stopped.as_mut()).await;
            self.ack_window.iter().for_each(AckWindow::on_lost);
            self.acks.reset();
            let wait = backoff.after(&connection);
            let mut forget = false;
            match ended {
                Ended::Stopped => return,
                Ended::Failed(error) => {
                    self.report_down(backoff.explain(&error, connection.client_id()));
                    forget = self.on_failure(&error, &connection);
                }
                Ended::Unserved => {
                    let broker = self.source.settings.address();
                    self.report_down(format!(
                        "{broker} refuses to serve any of `topics`; check its access rules"
                    ));
                }
                Ended::Outdated => {
                    tracing::warn!(
                        source = self.name(),
                        "topics of an earlier configuration came: the session is begun afresh"
                    );
                    forget = true;
                }
            }
            drop(connection);
            let pause = async {
                if forget {
                    self.forget_session().await;
                }
                sleep(wait).await;
            };
            tokio::select! {
                () = &mut stopped => return,
                () = pause => {}
            }
        }
    }

    fn connect(&mut self, clean: bool) -> Option<(Client, Connection)> {
        let source = self.source;
        let (bytes_max, manual_acks) = (source.context.payload_bytes_max, self.ack_window.is_some());
        let session = session(&source.client_id, bytes_max, clean, manual_acks, source.latency);
        connect(&source.settings, &session).map_err(|error| self.report_down(error.to_string())).ok()
    }

    /// Serves one connection.
    async fn converse(
        &mut self,
        client: &Client,
        connection: &mut Connection,
        mut stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Ended {
        let mut events = 0_u32;
        let mut grace = pin!(sleep(GRACE));
        let mut is_outdated = false;
        let mut stall = Stall::new(self.acks.clone());
        self.sink.trouble(None);
        let mut requests = Requests::none();
        let is_durable = self.source.is_durable();
        loop {
            let buffered = connection.poll_buffered();
            if buffered.is_none() {
                self.acknowledge(client, &mut stall);
            }
            let event = match buffered {
                Some(event) => event,
                None => tokio::select! {
                    biased;
                    () = &mut stopped => {
                        self.disconnect(client, connection).await;
                        return Ended::Stopped;
                    }
                    () = &mut grace, if is_outdated => {
                        self.renewed = true;
                        return Ended::Outdated;
                    }
                    () = safer(&mut self.ack_window) => continue,
                    is_stopped = stall.noticed() => {
                        self.ack_window.iter().filter(|_| is_stopped).for_each(AckWindow::want_durable);
                        continue;
                    }
                    () = requests.due() => {
                        requests.publish(client);
                        continue;
                    }
                    polled = connection.poll() => match polled {
                        Ok(event) => event,
                        Err(error) => return Ended::Failed(error),
                    },
                },
            };
            if matches!(event, MqttEvent::Connected { .. }) {
                requests = Requests::begin(&self.source.publish);
            }
            let is_message = matches!(event, MqttEvent::Incoming(_));
            if let Err(ended) = self.on_event(client, event) {
                return ended;
            }
            if let Some(ack_window) = self.ack_window.as_ref().filter(|_| is_durable && is_message)
                && stall.on_message(ack_window.unacked())
            {
                ack_window.want_durable();
            }
            if self.decoder.had_unmatched_topic() && !self.renewed && !is_outdated {
                is_outdated = true;
                grace.set(sleep(GRACE));
            }
            events = events.wrapping_add(1);
            if events.is_multiple_of(EVENTS_PER_TURN) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Acknowledges what is safe, and says whether the broker has to wait too long for that.
    fn acknowledge(&mut self, client: &Client, stall: &mut Stall) {
        let Some(ack_window) = &self.ack_window else { return };
        ack_window.acknowledge(client);
        if self.source.is_durable() {
            stall.on_acknowledged(ack_window.unacked());
            if let Some(trouble) = stall.trouble() {
                self.sink.trouble(trouble.as_deref());
            }
        }
    }

    fn on_event(&mut self, client: &Client, event: MqttEvent) -> Result<(), Ended> {
        match event {
            MqttEvent::Incoming(publish) => {
                // The answer to the subscription may come behind all that the session has kept.
                self.report_up();
                self.on_message(&publish);
                if let Some(reply) = self.decoder.reply() {
                    self.replies.publish(reply, client);
                }
            }
            MqttEvent::Connected { session_present } => return self.on_connected(client, session_present),
            MqttEvent::Subscribed { refused } if refused.len() >= self.source.filters.len() => {
                return Err(Ended::Unserved);
            }
            MqttEvent::Subscribed { refused } => {
                // A refused filter is subscribed to again after the next start.
                let known = if refused.is_empty() { self.source.filters.as_slice() } else { &[] };
                self.ack_window.iter().for_each(|ack_window| ack_window.on_subscribed(known));
                for filter in refused.into_iter().filter_map(|position| self.source.filters.get(position)) {
                    let source = self.source.context.source.as_str();
                    tracing::warn!(
                        source,
                        filter,
                        "the broker refuses to serve this topic; check its access rules"
                    );
                }
                self.subscribed = true;
                self.report_up();
            }
            MqttEvent::Sent { .. } | MqttEvent::Acked { .. } | MqttEvent::Disconnected | MqttEvent::Other => {
            }
        }
        Ok(())
    }

    fn on_connected(&mut self, client: &Client, session_present: bool) -> Result<(), Ended> {
        let lost = |error: headwater_mqtt::ClientError| Ended::Failed(ConnectError::Lost(error.to_string()));
        let filters = &self.source.filters;
        if let Some(ack_window) = &self.ack_window {
            if !session_present {
                ack_window.on_new_session();
            }
            for old in ack_window.filters().iter().filter(|old| !filters.contains(old)) {
                client.try_unsubscribe(old).map_err(lost)?;
            }
        }
        if session_present && self.subscribed {
            self.report_up();
            return Ok(());
        }
        // A fresh queue has room, and the filters have been checked.
        client.try_subscribe(filters, self.source.qos).map_err(lost)
    }

    fn on_message(&mut self, publish: &Publish) {
        let hash = match self.ack_window.as_ref().map(|ack_window| ack_window.on_publish(publish)) {
            None => None,
            Some(Delivery::Repeated) => return self.sink.repeated(1),
            Some(Delivery::New(hash)) => Some(hash),
        };
        self.read_message(publish);
        if let Some((ack_window, hash)) = self.ack_window.as_ref().zip(hash) {
            ack_window.on_used(publish, hash, self.sink.as_mut());
        }
    }

    /// Decodes a message, unless it has ended the program before.
    fn read_message(&mut self, publish: &Publish) {
        let sink = self.sink.as_mut();
        let Some(in_hand) = InHand::take(publish, sink) else {
            return sink.invalid(publish.topic(), &ENDS_THE_PROGRAM);
        };
        self.decoder.on_message(publish.topic(), &publish.payload, publish.retain, in_hand.sink);
    }

    /// Acknowledges what is written, and disconnects. Messages that arrive in the meantime are used unless the broker sends
    /// them again, because they are not acknowledged.
    async fn disconnect(&mut self, client: &Client, connection: &mut Connection) {
        if !connection.was_connected() {
            return;
        }
        let last_words = async {
            if let Some(ack_window) = &mut self.ack_window {
                ack_window.written().await;
                ack_window.acknowledge(client);
            }
            if client.try_disconnect().is_err() {
                return;
            }
            loop {
                match connection.poll().await {
                    Ok(MqttEvent::Incoming(publish)) if self.ack_window.is_none() => {
                        self.on_message(&publish)
                    }
                    // The broker has read everything when it closes the connection.
                    Err(_) => return,
                    Ok(_) => {}
                }
            }
        };
        // After this time the broker notices by itself.
        let _ = timeout(FAREWELL, last_words).await;
        while let Some(event) = connection.poll_buffered() {
            if let MqttEvent::Incoming(publish) = event
                && self.ack_window.is_none()
            {
                self.on_message(&publish);
            }
        }
    }

    /// Counts a packet beyond every limit once. Returns whether the broker sent it again.
    fn on_failure(&mut self, error: &ConnectError, connection: &Connection) -> bool {
        if connection.has_settled() {
            self.too_large = None;
        }
        let ConnectError::TooLarge { bytes, .. } = error else { return false };
        if self.too_large != Some(*bytes) {
            self.too_large = Some(*bytes);
            self.sink.invalid(&self.source.settings.address(), error);
            return false;
        }
        tracing::error!(
            source = self.name(),
            bytes,
            "a packet too large comes again and again: its session is given up"
        );
        self.too_large = None;
        true
    }

    /// Makes the broker drop the session and the messages that wait in it.
    async fn forget_session(&mut self) {
        self.subscribed = false;
        self.ack_window.iter().for_each(AckWindow::on_new_session);
        let Some((client, mut connection)) = self.connect(true) else { return };
        if let Ok(MqttEvent::Connected { .. }) = connection.poll().await {
            self.disconnect(&client, &mut connection).await;
        }
    }

    fn name(&self) -> &str {
        &self.source.context.source
    }

    fn report_up(&mut self) {
        if self.told.take().is_some() {
            self.sink.connection(ConnectionState::Up);
        }
    }

    fn report_down(&mut self, reason: String) {
        if self.told.as_ref() != Some(&reason) {
            self.sink.connection(ConnectionState::Down { reason: &reason });
            self.told = Some(reason);
        }
    }
}

/// A broker keeps the session of a client id that is not used any more, and queues messages for it.
fn name_earlier_session(source: &Mqtt, ack_window: &AckWindow) {
    let client_id = source.settings.client_id.as_ref().unwrap_or(&source.client_id);
    if let Some(earlier) = ack_window.exchange_client_id(client_id) {
        tracing::warn!(
            source = source.context.source.as_str(),
            earlier,
            client_id,
            "the client id is another one: the broker keeps the session of the earlier one and queues messages for it; make it \
             forget that with a clean session: mosquitto_sub -i {earlier} -t x -E"
        );
    }
}

/// Returns when more of what was handed over is safe.
async fn safer(ack_window: &mut Option<AckWindow>) {
    match ack_window {
        Some(ack_window) => ack_window.safer().await,
        None => std::future::pending().await,
    }
}
