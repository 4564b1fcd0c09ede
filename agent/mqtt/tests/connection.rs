//! Against a real mosquitto, and a scripted broker for what mosquitto will not do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

mod broker;

use broker::Broker;
use bytes::Bytes;
use headwater_mqtt::{
    Backoff, Client, ClientError, ConnectError, Connection, MqttEvent, MqttSession, Qos, Settings, Tls,
    Version, connect,
};
use headwater_settings::Secret;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const VERSIONS: [Version; 2] = [Version::V4, Version::V5];

fn settings(url: &str, version: Version) -> Settings {
    Settings { version, ..Settings::parse_url(url).unwrap() }
}

fn session(client_id: &str) -> MqttSession {
    MqttSession {
        expiry: Duration::from_secs(60),
        inflight: 20,
        packet_bytes_max: 64 << 10,
        ..MqttSession::passing(client_id)
    }
}

async fn next(connection: &mut Connection) -> MqttEvent {
    timeout(PATIENCE, connection.poll()).await.expect("an event in time").expect("a connection that holds")
}

async fn failure(connection: &mut Connection) -> ConnectError {
    loop {
        if let Err(error) = timeout(PATIENCE, connection.poll()).await.expect("an event in time") {
            return error;
        }
    }
}

async fn connected(settings: &Settings, session: &MqttSession) -> (Client, Connection, bool) {
    let (client, mut connection) = connect(settings, session).unwrap();
    match next(&mut connection).await {
        MqttEvent::Connected { session_present } => (client, connection, session_present),
        other => panic!("{other:?}"),
    }
}

async fn subscribed(client: &Client, connection: &mut Connection, filter: &str) -> Vec<usize> {
    client.try_subscribe(&[filter.to_owned()], Qos::AtLeastOnce).unwrap();
    loop {
        if let MqttEvent::Subscribed { refused } = next(connection).await {
            return refused;
        }
    }
}

fn publish(client: &Client, topic: &str, payload: impl Into<Bytes>) -> Result<(), ClientError> {
    client.try_publish(topic.into(), payload.into(), Qos::AtLeastOnce, false)
}

#[tokio::test]
async fn every_publish_is_sent_in_order_acknowledged_and_comes_back() {
    const COUNT: usize = 500;
    let broker = Broker::start("");
    for version in VERSIONS {
        let (client, mut connection, _) = connected(&settings(&broker.url(), version), &session("a")).await;
        assert_eq!(subscribed(&client, &mut connection, "t/+").await, [0; 0]);
        let mut unsent = 0..COUNT;
        let (mut sent, mut in_flight, mut acked, mut got) = (0, Vec::new(), 0, Vec::new());
        while acked < COUNT || got.len() < COUNT {
            while let Some(n) = unsent.clone().next()
                && publish(&client, "t/xyz", n.to_string()).is_ok()
            {
                unsent.next();
            }
            match next(&mut connection).await {
                MqttEvent::Sent { pkid } => {
                    sent += 1;
                    in_flight.push(pkid);
                }
                MqttEvent::Acked { pkid, refused: None } => {
                    acked += 1;
                    in_flight.retain(|other| *other != pkid);
                }
                MqttEvent::Incoming(publish) => {
                    assert_eq!(publish.topic(), "t/xyz");
                    assert_eq!(publish.qos, Qos::AtLeastOnce);
                    got.push(String::from_utf8(publish.payload.to_vec()).unwrap());
                }
                other => assert!(matches!(other, MqttEvent::Other), "{other:?}"),
            }
            assert!(in_flight.len() <= usize::from(connection.inflight()));
        }
        assert_eq!((sent, in_flight.len()), (COUNT, 0));
        assert_eq!(got, (0..COUNT).map(|n| n.to_string()).collect::<Vec<_>>());
        client.try_disconnect().unwrap();
        while !matches!(next(&mut connection).await, MqttEvent::Disconnected) {}
    }
}

#[tokio::test]
async fn a_killed_broker_is_told_and_found_again() {
    for version in VERSIONS {
        let mut broker = Broker::start("");
        let settings = settings(&broker.url(), version);
        let (_, mut connection, _) = connected(&settings, &session("a")).await;
        broker.kill();
        let lost = failure(&mut connection).await;
        assert!(
            matches!(&lost, ConnectError::Closed(why) if why.contains("closed the connection")),
            "{lost}"
        );
        assert!(connection.was_connected() && !connection.has_settled());
        let (_, mut connection) = connect(&settings, &session("a")).unwrap();
        let down = failure(&mut connection).await;
        assert!(
            matches!(&down, ConnectError::Unreachable(why) if why.contains("connection refused")),
            "{down}"
        );
        assert!(!connection.was_connected());
        broker.start_again("");
        let (_, _, session_present) = connected(&settings, &session("a")).await;
        assert!(!session_present);
    }
}

#[tokio::test]
async fn a_kept_session_is_present_and_delivers_what_waited() {
    let broker = Broker::start("");
    for version in VERSIONS {
        let settings = settings(&broker.url(), version);
        let kept = MqttSession { clean: false, manual_acks: true, ..session("kept") };
        let (client, mut connection, present) = connected(&settings, &kept).await;
        assert!(!present);
        subscribed(&client, &mut connection, "k/#").await;
        drop((client, connection));
        let (other, mut others, _) = connected(&settings, &session("other")).await;
        publish(&other, "k/1", "x").unwrap();
        while !matches!(next(&mut others).await, MqttEvent::Acked { .. }) {}
        // Not acknowledged by hand: it comes again. Acknowledged: it does not.
        for (again, ack) in [(false, false), (true, true)] {
            let (client, mut connection, present) = connected(&settings, &kept).await;
            assert!(present);
            let MqttEvent::Incoming(publish) = next(&mut connection).await else { panic!("no message") };
            assert_eq!(publish.topic(), "k/1");
            // The first time, too, if the broker had not noticed yet that the connection before is gone.
            assert!(publish.dup || !again);
            if ack {
                client.ack(publish.ticket()).unwrap();
                client.try_disconnect().unwrap();
                while !matches!(next(&mut connection).await, MqttEvent::Disconnected) {}
            }
        }
        let (_, mut connection, _) = connected(&settings, &kept).await;
        assert!(
            timeout(Duration::from_millis(300), connection.poll()).await.is_err(),
            "nothing waits any more"
        );
        let (_, _, present) = connected(&settings, &MqttSession { clean: true, ..kept }).await;
        assert!(!present);
    }
}

/// mosquitto 2.0 just closes the first one's connection.
#[tokio::test]
async fn two_clients_of_one_id_are_told_by_the_pattern() {
    let broker = Broker::start("");
    for version in VERSIONS {
        let settings = settings(&broker.url(), version);
        let mut backoff = Backoff::new(1);
        let mut told = String::new();
        for _ in 0..3 {
            let (_, mut first, _) = connected(&settings, &session("twin")).await;
            let _second = connected(&settings, &session("twin")).await;
            let error = failure(&mut first).await;
            backoff.after(&first);
            told = backoff.explain(&error, first.client_id());
        }
        assert!(told.contains("is another client using the client id `twin`?"), "{told}");
    }
}

#[tokio::test]
async fn a_broker_that_says_why_it_hangs_up_is_quoted() {
    let welcome = [0x20, 3, 0, 0, 0];
    for (goodbye, expected) in [
        ([0xe0, 2, 0x8e, 0], "with the client id `a`; two agents need different ids"),
        ([0xe0, 2, 0x97, 0], "ended the connection: quota exceeded"),
    ] {
        let (url, script) = scripted([welcome.as_slice(), &goodbye].concat()).await;
        let (_, mut connection, _) = connected(&settings(&url, Version::V5), &session("a")).await;
        script.await.unwrap();
        let error = failure(&mut connection).await;
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let folder = broker::folder();
    std::fs::write(folder.join("users"), "").unwrap();
    let lines = format!("allow_anonymous false\npassword_file {}\n", folder.join("users").display());
    let broker = Broker::start(&lines);
    for version in VERSIONS {
        let nobody = settings(&broker.url(), version);
        let (_, mut connection) = connect(&nobody, &session("a")).unwrap();
        let error = failure(&mut connection).await;
        assert!(matches!(&error, ConnectError::Refused(why) if why.contains("set `username`")), "{error}");
        let password = Some(Secret::new("x".into()));
        let somebody = Settings { username: Some("eve".into()), password, ..nobody };
        let (_, mut connection) = connect(&somebody, &session("a")).unwrap();
        let error = failure(&mut connection).await;
        assert!(
            matches!(&error, ConnectError::Refused(why) if why.contains("refuses user `eve`")),
            "{error}"
        );
    }
    let unknown = settings("mqtt://no-such-host.invalid", Version::V4);
    let (_, mut connection) = connect(&unknown, &session("a")).unwrap();
    let error = failure(&mut connection).await;
    assert!(error.to_string().contains("the name `no-such-host.invalid` is not known"), "{error}");
    let _ = std::fs::remove_dir_all(folder);
}

#[tokio::test]
async fn tls_is_mutual_and_a_wrong_authority_is_named() {
    let folder = broker::folder();
    let ours = Authority::new(&folder, "ours");
    let theirs = Authority::new(&folder, "theirs");
    ours.sign(&folder, "server");
    ours.sign(&folder, "client");
    let file = |name: &str| folder.join(name);
    let lines = format!(
        "cafile {0}/ours.pem\ncertfile {0}/server.pem\nkeyfile {0}/server.key\nrequire_certificate true\n",
        folder.display()
    );
    let broker = Broker::start(&lines);
    let tls = |ca: &Path, mutual: bool| {
        let (cert, key) = (file("client.pem"), file("client.key"));
        Some(Tls::new(Some(ca), mutual.then_some((cert.as_path(), key.as_path()))).unwrap())
    };
    for version in VERSIONS {
        let plain = settings(&format!("mqtt://localhost:{}", broker.port), version);
        let good = Settings { tls: tls(&ours.file, true), ..plain.clone() };
        let (_, _, _) = connected(&good, &session("a")).await;
        for (settings, expected) in [
            (Settings { tls: tls(&theirs.file, true), ..plain.clone() }, "not signed by the configured ca"),
            (Settings { tls: tls(&ours.file, false), ..plain.clone() }, "certificate"),
            (Settings { host: "127.0.0.1".into(), ..good.clone() }, "not for the name `127.0.0.1`"),
            (plain, "is it a TLS port (mqtts://)?"),
        ] {
            let (_, mut connection) = connect(&settings, &session("a")).unwrap();
            let error = failure(&mut connection).await;
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}

/// What people make for a broker at home: a certificate that signs itself, and one that names no host.
#[tokio::test]
async fn one_certificate_is_trusted_alone_and_odd_ones_are_refused_in_words() {
    let folder = broker::folder();
    let (itself, other) = (Authority::new(&folder, "itself"), Authority::new(&folder, "other"));
    std::fs::write(folder.join("itself.key"), itself.issuer.key().serialize_pem()).unwrap();
    other.sign_for(&folder, "nameless", &[]);
    let broker_with = |name: &str| {
        Broker::start(&format!("certfile {0}/{name}.pem\nkeyfile {0}/{name}.key\n", folder.display()))
    };
    let trusting = |broker: &Broker, host: &str, ca: &Path| Settings {
        tls: Some(Tls::new(Some(ca), None).unwrap()),
        ..settings(&format!("mqtt://{host}:{}", broker.port), Version::V4)
    };
    let broker = broker_with("itself");
    for host in ["localhost", "127.0.0.1"] {
        let (_, _, _) = connected(&trusting(&broker, host, &itself.file), &session("a")).await;
    }
    let refused = |settings: Settings| async move {
        let (_, mut connection) = connect(&settings, &session("a")).unwrap();
        failure(&mut connection).await.to_string()
    };
    let why = refused(trusting(&broker, "localhost", &other.file)).await;
    assert!(why.contains("name this very certificate as `ca`"), "{why}");
    let broker = broker_with("nameless");
    let why = refused(trusting(&broker, "localhost", &other.file)).await;
    assert!(why.contains("no subject alt name") && why.contains("subjectAltName=DNS:localhost"), "{why}");
    let _ = std::fs::remove_dir_all(folder);
}

#[tokio::test]
async fn tls_to_a_plain_port_is_told() {
    let broker = Broker::start("");
    let settings =
        Settings { tls: Some(Tls::new(None, None).unwrap()), ..settings(&broker.url(), Version::V4) };
    let (_, mut connection) = connect(&settings, &session("a")).unwrap();
    let error = failure(&mut connection).await.to_string();
    assert!(error.contains("is it a TLS port") || error.contains("does not speak TLS"), "{error}");
}

#[tokio::test]
async fn a_packet_above_the_limit_is_an_error_of_its_own() {
    let broker = Broker::start("");
    let settings = settings(&broker.url(), Version::V4);
    let (client, mut connection, _) = connected(&settings, &session("a")).await;
    subscribed(&client, &mut connection, "big").await;
    publish(&client, "big", vec![0; 100_000]).unwrap();
    assert_eq!(failure(&mut connection).await, ConnectError::TooLarge { bytes: 100_011, max: 64 << 10 });
}

/// The broker sends what it has and closes.
#[tokio::test]
async fn what_came_before_the_end_is_delivered_before_the_error() {
    let mut answer = vec![0x20, 2, 0, 0];
    for n in (b'0'..=b'9').chain(b'0'..=b'9') {
        answer.extend_from_slice(&[0x30, 4, 0, 1, b't', n]);
    }
    let (url, script) = scripted(answer).await;
    let (_, mut connection, _) = connected(&settings(&url, Version::V4), &session("a")).await;
    script.await.unwrap();
    for n in (b'0'..=b'9').chain(b'0'..=b'9') {
        let MqttEvent::Incoming(publish) = next(&mut connection).await else { panic!("no message") };
        assert_eq!((publish.topic(), publish.payload.as_ref()), ("t", [n].as_slice()));
    }
    assert!(matches!(failure(&mut connection).await, ConnectError::Closed(_)));
}

/// A broker that takes one connection, sends `answer` to its first packet, and closes.
async fn scripted(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let script = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 256]).await.unwrap() > 0);
        stream.write_all(&answer).await.unwrap();
    });
    (url, script)
}

struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    file: std::path::PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: rcgen::Issuer::new(params, key), file }
    }

    /// Certificate and key for `localhost`.
    fn sign(&self, folder: &Path, name: &str) {
        self.sign_for(folder, name, &["localhost".to_owned()]);
    }

    /// Certificate and key for these hosts.
    fn sign_for(&self, folder: &Path, name: &str, hosts: &[String]) {
        let params = rcgen::CertificateParams::new(hosts).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[tokio::test]
async fn what_comes_fast_is_read_together() {
    let broker = Broker::start("");
    let settings = settings(&broker.url(), Version::V4);
    let patient = MqttSession { latency: Duration::from_millis(30), ..session("patient") };
    let (client, mut connection, _) = connected(&settings, &patient).await;
    subscribed(&client, &mut connection, "t").await;
    let (publisher, mut publishing, _) = connected(&settings, &session("publisher")).await;
    let (mut got, mut reads) = (0, 0);
    publish(&publisher, "t", "x").unwrap();
    while got < 1_000 {
        tokio::select! {
            event = next(&mut publishing) => if matches!(event, MqttEvent::Acked { .. }) {
                publish(&publisher, "t", "x").unwrap();
            },
            _ = next(&mut connection) => {
                reads += 1;
                got += 1 + std::iter::from_fn(|| connection.poll_buffered()).count();
            }
        }
    }
    assert!(reads < got / 3, "{reads} reads of {got} messages");
}
