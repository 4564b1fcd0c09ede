//! Against a stream in memory and a clock that stands still unless everything waits.

use super::*;
use crate::packets::Welcome;
use crate::{Qos, Ticket, Version};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{timeout, timeout_at};

/// The broker's end of a stream.
#[derive(Clone, Default)]
struct Far(Arc<Mutex<FarState>>);

#[derive(Default)]
struct FarState {
    /// What the client has not read.
    input: VecDeque<u8>,
    /// What the client wrote, one entry for each write.
    writes: Vec<Vec<u8>>,
    /// Whether it takes nothing.
    is_stuck: bool,
    /// Whether it is closed for what the client writes.
    is_shut: bool,
    wakers: Vec<std::task::Waker>,
}

impl Far {
    fn say(&self, bytes: &[u8]) {
        let mut far = self.0.lock().unwrap();
        far.input.extend(bytes);
        far.wakers.drain(..).for_each(std::task::Waker::wake);
    }

    fn writes(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.0.lock().unwrap().writes)
    }
}

impl AsyncRead for Far {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut far = self.0.lock().unwrap();
        if far.input.is_empty() && far.is_shut {
            return Poll::Ready(Ok(()));
        }
        if far.input.is_empty() {
            far.wakers.push(context.waker().clone());
            return Poll::Pending;
        }
        let count = far.input.len().min(to.remaining());
        far.input.drain(..count).for_each(|byte| to.put_slice(&[byte]));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Far {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut far = self.0.lock().unwrap();
        if far.is_stuck {
            return Poll::Pending;
        }
        if far.is_shut {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        far.writes.push(bytes.to_vec());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const KEEP_ALIVE: Duration = Duration::from_secs(60);

fn connected(session: MqttSession, welcome: Welcome) -> (Client, Connection, Far) {
    connected_with(Version::V4, session, welcome)
}

fn connected_with(version: Version, session: MqttSession, welcome: Welcome) -> (Client, Connection, Far) {
    let settings = Settings::parse_url("mqtt://nobody").unwrap();
    let settings = Settings { version, keep_alive: KEEP_ALIVE, ..settings };
    let (client, mut connection) = connect(&settings, &session).unwrap();
    let far = Far::default();
    let stream = (Box::new(far.clone()) as Box<dyn ByteStream>, ReadPause::default());
    connection.on_welcome(stream, BytesMut::new(), &welcome);
    (client, connection, far)
}

fn session() -> MqttSession {
    MqttSession { inflight: 1_000, ..MqttSession::passing("a") }
}

fn message(pkid: u16) -> Vec<u8> {
    let [high, low] = pkid.to_be_bytes();
    vec![0x32, 6, 0, 1, b't', high, low, b'x']
}

fn messages(pkids: impl Iterator<Item = u16>) -> Vec<u8> {
    pkids.flat_map(message).collect()
}

fn acks(pkids: impl Iterator<Item = u16>) -> Vec<u8> {
    pkids.flat_map(|pkid| [0x40, 2, pkid.to_be_bytes()[0], pkid.to_be_bytes()[1]]).collect()
}

/// Polls until nothing more comes at this moment.
async fn events(connection: &mut Connection) -> Vec<MqttEvent> {
    let mut events = Vec::new();
    while let Ok(event) = timeout(Duration::from_millis(1), connection.poll()).await {
        events.push(event.unwrap());
    }
    events
}

fn publish(client: &Client, payload: &'static [u8], qos: Qos) -> Result<(), ClientError> {
    client.try_publish("t".into(), payload.into(), qos, false)
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_of_what_was_read_together_leave_in_one_write() {
    let (_client, mut connection, far) = connected(session(), Welcome::default());
    far.say(&messages(1..=500));
    assert_eq!(events(&mut connection).await.len(), 500);
    assert_eq!(far.writes(), [acks(1..=500)]);

    let by_hand = MqttSession { manual_acks: true, ..session() };
    let (client, mut connection, far) = connected(by_hand, Welcome::default());
    far.say(&messages(1..=500));
    assert_eq!(events(&mut connection).await.len(), 500);
    assert_eq!(far.writes(), [[0; 0]; 0]);
    // Twice, and one that never came: the broker sees each that it waits for once.
    for pkid in (1..=500).chain([7, 600]) {
        client.ack(Ticket::at_least_once(pkid)).unwrap();
    }
    assert!(events(&mut connection).await.is_empty());
    assert_eq!(far.writes(), [acks(1..=500)]);
}

#[tokio::test(start_paused = true)]
async fn publishes_gather_within_the_window_and_skip_ids_in_use() {
    let (client, mut connection, far) =
        connected(session(), Welcome { receive_max: Some(3), ..Welcome::default() });
    (0..5).for_each(|_| publish(&client, b"x", Qos::AtLeastOnce).unwrap());
    publish(&client, b"y", Qos::AtMostOnce).unwrap();
    let sent = |events: &[MqttEvent]| {
        let pkids = events.iter().filter_map(|event| match event {
            MqttEvent::Sent { pkid } => Some(*pkid),
            _ => None,
        });
        pkids.collect::<Vec<_>>()
    };
    assert_eq!(connection.inflight(), 3);
    assert_eq!(sent(&events(&mut connection).await), [1, 2, 3]);
    assert_eq!(far.writes(), [messages(1..=3)]);
    far.say(&acks([2, 9, 2].into_iter()));
    let answered = events(&mut connection).await;
    assert!(matches!(answered[0], MqttEvent::Acked { pkid: 2, refused: None }), "{answered:?}");
    assert_eq!((answered.len(), sent(&answered)), (2, vec![4]));
    far.say(&acks([1, 3, 4].into_iter()));
    assert_eq!(sent(&events(&mut connection).await), [5]);
    assert_eq!(far.writes().concat(), [message(4), message(5), vec![0x30, 4, 0, 1, b't', b'y']].concat());
    // The fifth stays unacknowledged while all other ids are used up.
    for _ in 0..65_534 / 2 {
        (0..2).for_each(|_| publish(&client, b"x", Qos::AtLeastOnce).unwrap());
        let pkids = sent(&events(&mut connection).await);
        assert!(pkids.len() == 2 && !pkids.contains(&5) && !pkids.contains(&0), "{pkids:?}");
        far.say(&acks(pkids.into_iter()));
        events(&mut connection).await;
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_the_buffer_holds_leaves_as_soon_as_the_broker_takes_it() {
    let (client, mut connection, far) = connected(session(), Welcome::default());
    for _ in 0..100 {
        publish(&client, &[0; 8 << 10], Qos::AtMostOnce).unwrap();
    }
    assert!(events(&mut connection).await.is_empty());
    let sizes: Vec<usize> = far.writes().iter().map(Vec::len).collect();
    assert!(sizes.iter().sum::<usize>() > 100 * (8 << 10) && sizes.len() < 15, "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_cannot_take_is_refused_here() {
    let limit = Welcome { packet_bytes_max: Some(100), ..Welcome::default() };
    let (client, mut connection, far) = connected(session(), limit);
    publish(&client, &[0; 100], Qos::AtLeastOnce).unwrap();
    let told = events(&mut connection).await;
    let [MqttEvent::Sent { pkid: 1 }, MqttEvent::Acked { pkid: 1, refused: Some(why) }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((why.as_str(), far.writes().len()), ("packet too large", 0));
    client.try_subscribe(&["x".repeat(100)], Qos::AtMostOnce).unwrap();
    let error = connection.poll().await.unwrap_err();
    assert!(error.to_string().contains("more than the broker takes"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_nothing_makes_the_client_busy_and_is_given_up() {
    let (client, mut connection, far) = connected(session(), Welcome::default());
    far.0.lock().unwrap().is_stuck = true;
    let start = Instant::now();
    let payload: &[u8] = &[0; 8 << 10];
    let mut count = 0;
    while publish(&client, payload, Qos::AtMostOnce).is_ok() {
        count += 1;
        let polled = timeout(Duration::from_millis(1), connection.poll()).await;
        assert!(polled.is_err(), "{polled:?}");
    }
    // The buffer is full after eight, and the queue after a thousand.
    assert_eq!(count, 1_008);
    let error = connection.poll().await.unwrap_err();
    assert!(matches!(&error, ConnectError::Lost(why) if why.contains("no longer answers")), "{error}");
    assert_eq!(start.elapsed().as_secs(), TIMEOUT.as_secs());
}

/// The times of pings and the end, in seconds.
async fn quiet(connection: &mut Connection, far: &Far) -> (Vec<u64>, Option<u64>) {
    let start = Instant::now();
    let mut pings = Vec::new();
    while start.elapsed() < 10 * KEEP_ALIVE {
        let polled = timeout(Duration::from_secs(1), connection.poll()).await;
        pings.extend(far.writes().iter().map(|_| start.elapsed().as_secs()));
        if let Ok(Err(error)) = polled {
            assert!(error.to_string().contains("no longer answers"), "{error}");
            return (pings, Some(start.elapsed().as_secs()));
        }
    }
    (pings, None)
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_asked_and_given_up_after_one_and_a_half_times() {
    let keep_alive = |seconds| Some(Duration::from_secs(seconds));
    let (_client, mut connection, far) = connected(session(), Welcome::default());
    assert_eq!(quiet(&mut connection, &far).await, (vec![60], Some(90)));
    let (_client, mut connection, far) =
        connected(session(), Welcome { keep_alive: keep_alive(20), ..Welcome::default() });
    assert_eq!(quiet(&mut connection, &far).await, (vec![20], Some(30)), "the broker's own time rules");
    let (_client, mut connection, far) =
        connected(session(), Welcome { keep_alive: keep_alive(0), ..Welcome::default() });
    assert_eq!(quiet(&mut connection, &far).await, (vec![], None), "zero is none");
}

/// The seconds of pings within ten minutes in which the broker speaks and we publish every ten seconds, or do not.
async fn pings(broker_speaks: bool, we_publish: bool) -> Vec<u64> {
    let (client, mut connection, far) = connected(session(), Welcome::default());
    let mut pings = Vec::new();
    for second in 1..=600 {
        if second % 10 == 0 && broker_speaks {
            far.say(&[0x30, 3, 0, 1, b't']);
        }
        if second % 10 == 0 && we_publish {
            publish(&client, b"x", Qos::AtMostOnce).unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        while let Ok(polled) = timeout_at(deadline, connection.poll()).await {
            polled.expect("a broker that answers every ping is there");
        }
        if far.writes().iter().any(|write| write.ends_with(&[0xc0, 0])) {
            pings.push(second);
            far.say(&[0xd0, 0]);
        }
    }
    pings
}

#[tokio::test(start_paused = true)]
async fn pings_come_only_when_nothing_else_is_sent_or_heard() {
    assert_eq!(pings(true, true).await, [0; 0]);
    for (broker_speaks, we_publish) in [(false, false), (true, false), (false, true)] {
        let pings = pings(broker_speaks, we_publish).await;
        let gaps: Vec<u64> = pings.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.len() >= 8 && gaps.iter().all(|gap| (45..=61).contains(gap)), "{pings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_another_task_is_taken_at_once() {
    let (client, mut connection, far) = connected(session(), Welcome::default());
    let start = Instant::now();
    let told = async move {
        let polling = tokio::task::spawn_local(async move { connection.poll().await });
        tokio::task::yield_now().await;
        publish(&client, b"x", Qos::AtLeastOnce).unwrap();
        polling.await.unwrap()
    };
    let told = tokio::task::LocalSet::new().run_until(told).await;
    assert!(matches!(told, Ok(MqttEvent::Sent { pkid: 1 })), "{told:?}");
    assert_eq!((far.writes().len(), start.elapsed().as_secs()), (1, 0), "no tick was needed");
}

#[tokio::test(start_paused = true)]
async fn the_reason_that_came_before_a_write_failed_is_told() {
    let (client, mut connection, far) = connected_with(Version::V5, session(), Welcome::default());
    far.say(&[0xe0, 1, 0x8b]);
    far.0.lock().unwrap().is_shut = true;
    publish(&client, b"x", Qos::AtMostOnce).unwrap();
    let error = connection.poll().await.unwrap_err();
    assert!(error.to_string().contains("server shutting down"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_a_disconnect() {
    let (client, mut connection, far) = connected(session(), Welcome::default());
    publish(&client, b"x", Qos::AtMostOnce).unwrap();
    client.try_disconnect().unwrap();
    publish(&client, b"x", Qos::AtMostOnce).unwrap();
    far.say(&messages(1..=3));
    assert!(matches!(connection.poll().await, Ok(MqttEvent::Disconnected)));
    // What comes later is not acknowledged, and so it comes again on the next connection. It is read, so that the broker
    // has read everything when it closes the connection.
    let early = tokio::time::timeout(Duration::from_secs(1), connection.poll()).await;
    assert!(early.is_err() && far.0.lock().unwrap().input.is_empty(), "{early:?}");
    far.0.lock().unwrap().is_shut = true;
    let error = connection.poll().await.unwrap_err();
    assert!(matches!(error, ConnectError::Closed(_)), "{error}");
    assert_eq!(far.writes(), [[0x30, 4, 0, 1, b't', b'x', 0xe0, 0]]);
    assert_eq!(client.try_disconnect(), Ok(()));
    drop(connection);
    assert_eq!(client.try_disconnect(), Err(ClientError::Busy));
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_an_answer_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = Settings::parse_url(&format!("mqtt://{}", listener.local_addr().unwrap())).unwrap();
    for version in [Version::V4, Version::V5] {
        let (_client, mut connection) =
            connect(&Settings { version, ..settings.clone() }, &session()).unwrap();
        let error = connection.poll().await.unwrap_err();
        assert!(error.to_string().contains("in time; does a firewall drop it?"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn topics_that_come_again_go_by_their_numbers_as_far_as_the_broker_allows() {
    let welcome = Welcome { topic_alias_max: 1, ..Welcome::default() };
    let (client, mut connection, far) = connected_with(Version::V5, session(), welcome);
    for topic in ["a/topic", "a/topic", "another", "a/topic"] {
        client.try_publish(topic.into(), Bytes::from_static(b"x"), Qos::AtMostOnce, false).unwrap();
    }
    events(&mut connection).await;
    let named = |topic: &str, properties: &[u8]| {
        let body = [&[0, topic.len() as u8], topic.as_bytes(), &[properties.len() as u8], properties, b"x"];
        [&[0x30, body.concat().len() as u8][..], &body.concat()].concat()
    };
    let alias = [0x23, 0, 1];
    let expected = [named("a/topic", &alias), named("", &alias), named("another", &[]), named("", &alias)];
    assert_eq!(far.writes().concat(), expected.concat());
    // A broker that says nothing of it allows none.
    let (client, mut connection, far) = connected_with(Version::V5, session(), Welcome::default());
    for _ in 0..2 {
        client.try_publish("a/topic".into(), Bytes::from_static(b"x"), Qos::AtMostOnce, false).unwrap();
    }
    events(&mut connection).await;
    assert_eq!(far.writes().concat(), named("a/topic", &[]).repeat(2));
}
