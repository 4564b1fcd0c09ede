//! Against brokers on loopback that break the protocol: every connection ends with a plain error, and nothing is kept
//! of what they sent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use headwater_mqtt::{
    Client, ConnectError, Connection, MqttEvent, MqttSession, Publish, Qos, Settings, Version, connect,
};
use std::cell::Cell;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const VERSIONS: [Version; 2] = [Version::V4, Version::V5];
const PACKET_BYTES_MAX: usize = 64 << 10;

const QOS_1: u8 = 0b0010;
const DUP: u8 = 0b1000;

/// A broker that accepts one connection, answers its first packet with `answer`, and keeps it open.
async fn broker(version: Version, answer: &[u8], session: MqttSession) -> (Client, Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let settings = Settings { version, ..Settings::parse_url(&url).unwrap() };
    let (client, mut connection) = connect(&settings, &session).unwrap();
    let accept = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 256]).await.unwrap() > 0);
        stream.write_all(answer).await.unwrap();
        stream
    };
    // Polling is what connects.
    let stream = tokio::select! {
        biased;
        stream = accept => stream,
        early = connection.poll() => panic!("{early:?}"),
    };
    (client, connection, stream)
}

fn session() -> MqttSession {
    MqttSession { packet_bytes_max: PACKET_BYTES_MAX, ..MqttSession::passing("a") }
}

fn accepted(version: Version) -> &'static [u8] {
    if version == Version::V5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] }
}

async fn attack(version: Version, session: MqttSession, bytes: &[u8]) -> (Vec<Publish>, ConnectError) {
    let (_client, mut connection, mut stream) = broker(version, accepted(version), session).await;
    let mut messages = Vec::new();
    let talk = async {
        assert!(matches!(connection.poll().await, Ok(MqttEvent::Connected { .. })));
        loop {
            match connection.poll().await {
                Ok(MqttEvent::Incoming(publish)) => messages.push(publish),
                Ok(event) => assert!(matches!(event, MqttEvent::Other), "{event:?}"),
                Err(error) => return error,
            }
        }
    };
    let (write, error) = tokio::join!(stream.write_all(bytes), timeout(PATIENCE, talk));
    drop(write);
    (messages, error.expect("an end in time"))
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first], variable_length(body.len()).as_slice(), body].concat()
}

/// Seven bits in each byte (MQTT 5, 1.5.5).
fn variable_length(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        bytes.push((number % 128) as u8 | if number >= 128 { 0x80 } else { 0 });
        number /= 128;
        if number == 0 {
            return bytes;
        }
    }
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A message; its properties, with their length, are left out with 3.1.1.
fn message(version: Version, flags: u8, topic: &[u8], pkid: u16, properties: &[u8]) -> Vec<u8> {
    let mut body = text(topic);
    if flags & 0b0110 != 0 {
        body.extend(pkid.to_be_bytes());
    }
    if version == Version::V5 {
        body.extend_from_slice(properties);
    }
    body.extend_from_slice(b"payload");
    packet(0x30 | flags, &body)
}

#[tokio::test]
async fn packets_that_no_broker_may_send_end_the_connection() {
    const NOT_HERE: &str = "a packet that no broker may send here";
    for version in VERSIONS {
        let message = |flags, topic: &[u8], pkid| message(version, flags, topic, pkid, &[0]);
        let attacks: [(&str, Vec<u8>); 15] = [
            (NOT_HERE, packet(0x10, &[])),
            (NOT_HERE, packet(0x82, &[0, 1, 0, 1, b't', 0])),
            (NOT_HERE, packet(0xa2, &[0])),
            (NOT_HERE, packet(0xf0, &[0, 0])),
            (NOT_HERE, accepted(version).to_vec()),
            (NOT_HERE, packet(0x42, &[0, 1])),
            (NOT_HERE, packet(0xd1, &[])),
            (NOT_HERE, message(0b0100, b"t", 1)),
            (NOT_HERE, message(0b0110, b"t", 1)),
            ("a length of more than four bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff]),
            ("a message without a topic", message(0, b"", 0)),
            ("a topic that is not UTF-8", message(0, b"\xff", 0)),
            ("a message with the packet id 0", message(QOS_1, b"t", 0)),
            ("a malformed packet", packet(0x30, &[0, 9, b't'])),
            ("a malformed packet", packet(0x40, &[1])),
        ];
        for (expected, bytes) in attacks {
            let (messages, error) = attack(version, session(), &bytes).await;
            assert!(messages.is_empty(), "{bytes:x?}");
            assert!(
                matches!(&error, ConnectError::Lost(why) if why.contains(expected)),
                "{error}: {bytes:x?}"
            );
        }
    }
    let (_, error) = attack(Version::V4, session(), &packet(0xe0, &[])).await;
    assert!(error.to_string().contains(NOT_HERE), "only MQTT 5 has a farewell of the broker: {error}");
}

#[tokio::test]
async fn a_size_above_the_limit_is_refused_before_the_packet_comes() {
    for version in VERSIONS {
        let (_, error) = attack(version, session(), &[0x30, 0xff, 0xff, 0xff, 0x7f]).await;
        assert_eq!(error, ConnectError::TooLarge { bytes: 268_435_460, max: PACKET_BYTES_MAX });
        let (_, error) = attack(version, session(), &[0x90, 0xff, 0xff, 0x7f]).await;
        assert!(error.to_string().contains("a packet of 2097155 bytes that is no message"), "{error}");
    }
}

#[tokio::test]
async fn properties_out_of_order_end_the_connection() {
    let empty_pairs = [38, 0, 0, 0, 0].repeat(25);
    for (expected, properties) in [
        ("a topic alias, although none is allowed", [3, 35, 0, 1].as_slice()),
        ("a malformed packet", &[20, 1, 0]),
        ("a malformed packet", &[5, 3, 0, 9, b'x', b'y']),
        ("a malformed packet", &[2, 2, 0]),
        ("a length of more than four bytes", &[6, 11, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("a message with the property 17", &[5, 17, 0, 0, 0, 1]),
        ("a malformed packet", &[&[126], empty_pairs.as_slice(), &[38]].concat()),
    ] {
        let bytes = message(Version::V5, 0, b"t", 0, properties);
        let (messages, error) = attack(Version::V5, session(), &bytes).await;
        assert!(messages.is_empty() && error.to_string().contains(expected), "{error}: {bytes:x?}");
    }
    // A topic alias without a topic, as MQTT 5 has it: there is no earlier message to take the topic from.
    let bytes = message(Version::V5, 0, b"", 0, &[3, 35, 0, 1]);
    assert!(attack(Version::V5, session(), &bytes).await.1.to_string().contains("a topic alias"));
}

/// Three million empty properties cost their bytes, and not a hundred bytes each.
#[tokio::test]
async fn properties_that_nobody_reads_are_passed_over() {
    let pairs = [38, 0, 0, 0, 0].repeat(3_000_000);
    let properties = [variable_length(pairs.len()), pairs].concat();
    let bytes = message(Version::V5, QOS_1, b"t", 1, &properties);
    let roomy = MqttSession { packet_bytes_max: 32 << 20, ..session() };
    let (messages, _) = attack(Version::V5, roomy, &[bytes, packet(0x10, &[])].concat()).await;
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].topic(), messages[0].payload.as_ref()), ("t", b"payload".as_slice()));
}

/// The ids bound what is unacknowledged: after all of them, the next message must repeat one.
#[tokio::test]
async fn a_broker_that_never_waits_for_acknowledgements_ends_the_connection() {
    for version in VERSIONS {
        let one = |flags, pkid| message(version, QOS_1 | flags, b"t", pkid, &[0]);
        let by_hand = MqttSession { manual_acks: true, ..session() };
        let flood: Vec<u8> = (1..=u16::MAX).chain([1]).flat_map(|pkid| one(0, pkid)).collect();
        let (messages, error) = attack(version, by_hand.clone(), &flood).await;
        assert_eq!(messages.len(), 65_535);
        assert!(error.to_string().contains("the packet id 1 again, before its acknowledgement"), "{error}");
        // A repeat is none, and it is marked.
        let repeated = [one(0, 7), one(DUP, 7), one(0, 7)].concat();
        let (messages, error) = attack(version, by_hand, &repeated).await;
        assert_eq!(messages.iter().map(|message| message.dup).collect::<Vec<_>>(), [false, true]);
        assert!(error.to_string().contains("the packet id 7 again"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_connection() {
    let message_first = message(Version::V4, 0, b"t", 0, &[]);
    let v5 = |properties: &[u8]| packet(0x20, &[&[0, 0, properties.len() as u8], properties].concat());
    let attacks: [(Version, &str, Vec<u8>); 12] = [
        (Version::V4, "a packet that no broker may send here", message_first),
        (Version::V4, "Invalid Connect return code: 9", packet(0x20, &[0, 9])),
        (Version::V4, "Malformed packet", packet(0x20, &[0])),
        (Version::V4, "a packet of 2097155 bytes", vec![0x20, 0xff, 0xff, 0x7f]),
        (Version::V5, "a limit of zero", v5(&[0x21, 0, 0])),
        (Version::V5, "a limit of zero", v5(&[0x27, 0, 0, 0, 0])),
        (Version::V5, "Packet is malformed", v5(&[0x27, 0, 0])),
        (Version::V5, "Invalid property type = 99", v5(&[99])),
        (Version::V5, "does not speak MQTT 5", packet(0x20, &[0, 1])),
        (Version::V5, "wants a user", packet(0x20, &[0, 5])),
        (Version::V5, "a malformed packet", packet(0x20, &[0, 0])),
        (Version::V5, "quota exceeded", packet(0x20, &[0, 0x97, 0])),
    ];
    for (version, expected, answer) in attacks {
        let (_client, mut connection, _stream) = broker(version, &answer, session()).await;
        let polled = timeout(PATIENCE, connection.poll()).await.expect("an end in time");
        let error = polled.expect_err("no connection");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!connection.was_connected());
    }
}

/// A broker of TLS that is broken, and one whose certificates have no end: each is told as what it is.
#[tokio::test]
async fn what_is_wrong_with_tls_is_said() {
    let record = |kind: u8, body: &[u8]| [&[kind, 3, 1, 0, body.len() as u8], body].concat();
    let hello = [&[2, 0, 0, 38, 3, 2][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    let attacks = [
        ("speaks only versions of TLS that are broken", record(21, &[2, 70])),
        ("speaks only versions of TLS that are broken", record(22, &hello)),
        ("is its chain of certificates too long?", record(22, &[11, 0xff, 0xff, 0xff, 0])),
        ("does not speak TLS", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
    ];
    for (expected, answer) in attacks {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtts://{}", listener.local_addr().unwrap());
        let (_client, mut connection) = connect(&Settings::parse_url(&url).unwrap(), &session()).unwrap();
        let accept = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1_024]).await.unwrap() > 0);
            stream.write_all(&answer).await.unwrap();
            std::future::pending::<()>().await;
        };
        let polled = tokio::select! {
            () = accept => unreachable!("it never ends"),
            polled = timeout(PATIENCE, connection.poll()) => polled.expect("an end in time"),
        };
        let error = polled.expect_err("no connection").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_farewell_may_be_short_and_is_not_quoted_without_end() {
    let words = "x".repeat(30_000);
    let property = [&[31], text(words.as_bytes()).as_slice()].concat();
    let long = [vec![0x97], variable_length(property.len()), property].concat();
    for (expected, farewell) in
        [("normal disconnection", vec![]), ("server shutting down", vec![0x8b]), ("xxx", long)]
    {
        let (_, error) = attack(Version::V5, session(), &packet(0xe0, &farewell)).await;
        let error = error.to_string();
        assert!(error.contains("ended the connection") && error.contains(expected), "{error}");
        assert!(error.len() < 400, "{} bytes", error.len());
    }
}

#[tokio::test]
async fn acknowledgements_of_nothing_without_end_end_the_connection() {
    for version in VERSIONS {
        let (_, error) = attack(version, session(), &[0x40, 2, 0, 9].repeat(1_001)).await;
        assert!(error.to_string().contains("1000 acknowledgements of what was not sent"), "{error}");
    }
}

/// A broker that sends without end has a turn as others have, and a short one.
#[tokio::test]
async fn a_flood_leaves_others_their_turn() {
    let version = Version::V4;
    let (_client, mut connection, stream) = broker(version, accepted(version), session()).await;
    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let pongs = [0xd0, 0].repeat(64 << 10);
    let flood = std::thread::spawn(move || while std::io::Write::write_all(&mut stream, &pongs).is_ok() {});
    let (events, most) = (Cell::new(0_u32), Cell::new(0));
    let listen = async {
        while connection.poll().await.is_ok() {
            events.set(events.get() + 1);
        }
    };
    let others = async {
        for _ in 0..100 {
            most.set(most.get().max(events.take()));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = listen => panic!("the connection has ended"),
        () = others => {}
    }
    let most = most.get();
    assert!((1..=3 * (16 << 10)).contains(&most), "{most} events in a turn");
    drop(connection);
    flood.join().unwrap();
}

/// An acknowledgement of what was not sent changes nothing, and a reason that is new to us refuses one message.
#[tokio::test]
async fn strange_acknowledgements_concern_their_message_only() {
    let (client, mut connection, mut stream) = broker(Version::V5, accepted(Version::V5), session()).await;
    assert!(matches!(connection.poll().await, Ok(MqttEvent::Connected { .. })));
    let publish = || client.try_publish("t".into(), "x".into(), Qos::AtLeastOnce, false).unwrap();
    (0..3).for_each(|_| publish());
    let acks = [[0x40, 3, 0, 9, 0], [0x40, 3, 0, 2, 0x95], [0x40, 3, 0, 1, 0xc3], [0x40, 3, 0, 3, 0x10]];
    stream.write_all(&acks.concat()).await.unwrap();
    let mut answered = Vec::new();
    while answered.len() < 3 {
        match timeout(PATIENCE, connection.poll()).await.unwrap().unwrap() {
            MqttEvent::Acked { pkid, refused } => answered.push((pkid, refused)),
            event => assert!(matches!(event, MqttEvent::Sent { .. }), "{event:?}"),
        }
    }
    let expected = [(2, Some("packet too large")), (1, Some("reason 0xc3")), (3, None)];
    assert_eq!(answered, expected.map(|(pkid, why)| (pkid, why.map(str::to_owned))));
}

/// Whether what comes is to gather or not: each message is told once it is whole, and so is the end.
#[tokio::test]
async fn a_broker_that_sends_one_byte_at_a_time_is_understood() {
    for latency in [Duration::ZERO, Duration::from_millis(20)] {
        let patient = MqttSession { latency, ..session() };
        let (_client, mut connection, mut stream) = broker(Version::V4, accepted(Version::V4), patient).await;
        stream.set_nodelay(true).unwrap();
        let bytes: Vec<u8> =
            (1..=100).flat_map(|pkid| message(Version::V4, QOS_1, b"t", pkid, &[])).collect();
        let drip = async {
            for byte in &bytes {
                stream.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut acks = vec![0; 400];
            stream.read_exact(&mut acks).await.unwrap();
            drop(stream);
            acks
        };
        let listen = async {
            let mut pkids = Vec::new();
            loop {
                match connection.poll().await {
                    Ok(MqttEvent::Incoming(publish)) => pkids.push(publish.ticket().packet_id()),
                    Ok(_) => {}
                    Err(error) => return (pkids, error),
                }
            }
        };
        let both = timeout(PATIENCE, async { tokio::join!(drip, listen) });
        let (acks, (pkids, error)) = both.await.expect("all in time");
        assert_eq!(pkids, (1..=100).collect::<Vec<u16>>());
        assert_eq!(acks, (1..=100).flat_map(|pkid| [0x40, 2, 0, pkid]).collect::<Vec<u8>>());
        assert!(matches!(error, ConnectError::Closed(_)), "{error}");
    }
}
