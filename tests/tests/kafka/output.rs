//! Messages on their way to a real broker, while it and the agent are killed.

use crate::{START, STEP_MS, STREAM, check_summaries, kills, map_of, told, windows};
use headwater_tests::agent::{self, Background};
use headwater_tests::certs::Authority;
use headwater_tests::{
    Agent, Kafka, Mosquitto, Options, Publisher, TempDir, kafka, now_ms, wait_for, wait_within,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PLACES: [&str; 4] = ["a", "b", "c", "d"];

/// What comes after all that was sent must be there in this time, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(180);

fn config(source: &Mosquitto, output: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\n[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n\
         topics = [\"sensors/{{place}}\"]\nfields = [\"temp\"]\ntime = \"ts\"\n{STREAM}\
         [outputs.plant]\ntype = \"kafka\"\n{output}\n",
        source.port
    )
}

fn source() -> Mosquitto {
    Mosquitto::with(&Options { inflight: 1_000, quiet: true, ..Options::default() })
}

fn publish(publisher: &mut Publisher, step: i64) {
    for place in PLACES {
        let payload = format!(r#"{{"ts":{},"temp":{step}}}"#, START + step * STEP_MS);
        publisher.publish(&format!("sensors/{place}"), payload).expect("a publish");
    }
    publisher.flush().expect("the broker's acknowledgements");
}

/// Waits until the topic has so many windows of each series, and checks all that is in it.
#[track_caller]
fn check_all(broker: &Kafka, windows: usize) {
    wait_within(PATIENCE, &format!("{windows} windows of each series"), || {
        let records = broker.drain("headwater.summary");
        PLACES.iter().all(|place| told(&records, &format!("sensors/{place}/temp")) >= windows).then_some(())
    });
    check_summaries(&broker.drain("headwater.summary"));
}

/// The broker and the agent are killed in turn under load: every summary is there, repeats are equal, and the order of a
/// series holds.
#[test]
fn nothing_is_missing_whatever_is_killed() {
    let Some(mut broker) = Kafka::start() else { return };
    broker.create("headwater.summary", 3, &[]);
    let source = source();
    let dir = TempDir::new();
    // What waited goes so slowly that there is something new meanwhile.
    let rate = if kills() > 5 { "rate = { messages = 1000 }" } else { "rate = { messages = 200 }" };
    let config = config(&source, &format!("brokers = [\"127.0.0.1:1\", \"{}\"]\n{rate}", broker.address()));
    let mut agent = Some(Agent::start(&dir, &config));
    agent.as_ref().expect("an agent").wait_logs(&["source connected"], 1);
    let stop = AtomicBool::new(false);
    let steps = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let (mut publisher, mut step) = (Publisher::new(source.port), 0);
            while !stop.load(Ordering::Relaxed) || step % 10 != 1 {
                publish(&mut publisher, step);
                step += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            step
        });
        for kill in 0..kills() {
            std::thread::sleep(Duration::from_millis(u64::from(300 + kill * 137 % 900)));
            broker.kill9();
            broker.restart();
            std::thread::sleep(Duration::from_millis(u64::from(500 + kill * 271 % 1_500)));
            agent.take().expect("an agent").kill9();
            let next = agent.insert(Agent::start(&dir, &config));
            next.wait_logs(&["source connected"], 2 + kill as usize);
        }
        stop.store(true, Ordering::Relaxed);
        load.join().expect("the load")
    });
    check_all(&broker, windows(steps));
    assert_eq!(agent.take().expect("an agent").terminate().code(), Some(0));
}

/// A broker that stands still answers nothing, and its connection is not waited for without an end.
#[test]
fn a_broker_that_stands_still_is_given_up_and_asked_again() {
    let Some(broker) = Kafka::start() else { return };
    broker.create("headwater.summary", 2, &[]);
    let (source, dir) = (source(), TempDir::new());
    let agent = Agent::start(&dir, &config(&source, &format!("brokers = \"{}\"", broker.address())));
    agent.wait_logs(&["connected"], 2);
    let mut publisher = Publisher::new(source.port);
    (0..21).for_each(|step| publish(&mut publisher, step));
    check_all(&broker, 2);
    broker.freeze();
    (21..51).for_each(|step| publish(&mut publisher, step));
    let is_given_up = || agent.log().contains("did not answer Produce within 20 s").then_some(());
    wait_within(PATIENCE, "the connection to be given up", is_given_up);
    broker.thaw();
    check_all(&broker, 5);
    assert_eq!(agent.terminate().code(), Some(0));
}

/// A record is stamped with the time of sending, self-test looks at the cluster, and tail follows it.
#[test]
fn a_record_is_what_the_guide_says() {
    let Some(broker) = Kafka::start() else { return };
    broker.create("headwater.summary", 2, &[]);
    let (source, dir) = (source(), TempDir::new());
    let config = config(&source, &format!("brokers = \"{}\"", broker.address()));
    let began = now_ms();
    let agent = Agent::start(&dir, &config);
    agent.wait_log(&["source connected"]);
    let path = dir.join("headwater.toml");
    let tail = Background::start(&dir, &["tail", "--json", "--config", path.to_str().unwrap()]);
    let mut publisher = Publisher::new(source.port);
    let mut step = 0;
    // The tail begins whenever it has found the partitions.
    wait_for("messages in the tail", || {
        publish(&mut publisher, step);
        step += 1;
        tail.stdout().contains("\"kind\":\"summary\"").then_some(())
    });
    assert_eq!(agent.terminate().code(), Some(0));
    let records = broker.drain("headwater.summary,headwater.report");
    let (reports, summaries): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|record| record.topic == "headwater.report");
    assert!(
        reports.iter().all(|record| record.key == "edge-1" && record.headers.starts_with("kind=report;id="))
    );
    assert!(reports.iter().any(|record| map_of(record)["cause"] == "stop"), "{reports:?}");
    check_summaries(&summaries);
    assert!(
        !summaries.is_empty() && summaries.iter().all(|record| (began..=now_ms()).contains(&record.time))
    );
    let tested = agent::run(&dir, &["self-test", "--config", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(said.contains("1 brokers, headwater.summary (2 partitions)"), "{said}");
    assert!(said.contains("not there yet: headwater.alert"), "{said}");
}

/// Java's consumer reads what each codec makes.
#[test]
fn compressed_records_are_read_by_others() {
    let Some(broker) = Kafka::start() else { return };
    let source = source();
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let (dir, topic) = (TempDir::new(), format!("by.{codec}"));
        broker.create(&topic, 1, &[]);
        let output = format!(
            "brokers = \"{}\"\ntopic = \"{topic}\"\nkinds = [\"summary\"]\ncompression = \"{codec}\"",
            broker.address()
        );
        let agent = Agent::start(&dir, &config(&source, &output));
        agent.wait_logs(&["connected"], 2);
        let mut publisher = Publisher::new(source.port);
        (0..101).for_each(|step| publish(&mut publisher, step));
        wait_within(PATIENCE, &format!("10 windows of each series in {codec}"), || {
            let records = broker.drain(&topic);
            let has_all = PLACES.iter().all(|place| told(&records, &format!("sensors/{place}/temp")) >= 10);
            has_all.then(|| check_summaries(&records))
        });
        assert_eq!(agent.terminate().code(), Some(0));
    }
}

/// TLS with an authority of one's own, and each mechanism; a wrong password is said, and not tried all the time.
#[test]
fn names_and_passwords_deliver_in_tls() {
    let dir = TempDir::new();
    let authority = Authority::new(&dir, "ca");
    let server = authority.server();
    let read = |path| std::fs::read_to_string(path).expect("a PEM file");
    let pem = dir.write("server.pem", read(&server.key) + &read(&server.cert));
    let Some(broker) = Kafka::with(Some(&pem), "") else { return };
    let (source, ca) = (source(), authority.ca.display());
    let (name, password) = kafka::USER;
    let guarded = |mechanism: &str, password: &str| {
        format!(
            "brokers = \"localhost:{}\"\ntls = {{ ca = \"{ca}\" }}\n\
             sasl = {{ mechanism = \"{mechanism}\", username = \"{name}\", password = \"{password}\" }}\n\
             topic = \"by.{mechanism}.{{kind}}\"",
            broker.sasl_port
        )
    };
    let tls = format!(
        "brokers = \"localhost:{}\"\ntls = {{ ca = \"{ca}\" }}\ntopic = \"by.tls.{{kind}}\"",
        broker.tls_port
    );
    let mut outputs = vec![("tls", tls)];
    outputs.extend(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].map(|name| (name, guarded(name, password))));
    for (name, output) in outputs {
        let dir = TempDir::new();
        let agent = Agent::start(&dir, &config(&source, &output));
        agent.wait_log(&["output connected"]);
        assert_eq!(agent.terminate().code(), Some(0));
        let reports = broker.drain(&format!("by.{name}.report"));
        assert!(reports.iter().any(|record| map_of(record)["cause"] == "stop"), "{name}: {reports:?}");
    }
    let wrong = TempDir::new();
    let agent = Agent::start(&wrong, &config(&source, &guarded("SCRAM-SHA-256", "guess")));
    agent.wait_log(&["refuses user `alice`", "check `username`, `password`"]);
    std::thread::sleep(Duration::from_secs(3));
    let (status, log) = agent.stop();
    assert_eq!((status.code(), log.contains("guess")), (Some(0), false));
    for (output, word) in [
        (format!("brokers = \"localhost:{}\"\ntls = true", broker.tls_port), "not signed by an authority"),
        (format!("brokers = \"localhost:{}\"", broker.tls_port), "a port with TLS (`tls = true`)"),
        (format!("brokers = \"localhost:{}\"\ntls = true", broker.port), "is it a port without TLS"),
        (format!("brokers = \"127.0.0.1:{}\"", source.port), "no broker?"),
    ] {
        let dir = TempDir::new();
        dir.write("headwater.toml", config(&source, &output));
        let tested =
            agent::run(&dir, &["self-test", "--config", dir.join("headwater.toml").to_str().unwrap()]);
        let said = String::from_utf8_lossy(&tested.stdout).into_owned();
        assert!(said.contains(word), "{output}: {said}");
    }
}
