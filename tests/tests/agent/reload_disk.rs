//! Another config while the disk takes nothing: what runs does not wait for it, and a crash meanwhile costs nothing.

use crate::{Config, publish};
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, SlowDisk, Subscriber, TempDir};
use std::collections::BTreeSet;

/// The time of the first reading.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// The values of the readings that were forwarded, which are consecutive numbers.
fn values(messages: &Messages) -> BTreeSet<i64> {
    messages.of("reading").map(|reading| reading.number("value") as i64).collect()
}

/// The readings in windows of a stream, each window as it was told last.
fn in_windows(messages: &Messages) -> i64 {
    let windows = messages.summaries("main", "sensors/office/temp");
    windows.values().map(|summary| summary.integer("count")).sum()
}

/// While the first checkpoint of another config is being written, and of one after it, readings are taken and told. A kill
/// in that time costs nothing, and nothing is told with two contents.
#[test]
fn readings_are_told_while_the_disk_does_not_take_the_checkpoint_of_another_config() {
    let (dir, broker) = (TempDir::new(), Mosquitto::start());
    let Some(disk) = SlowDisk::new(&dir) else { return };
    let subscriber = Subscriber::new(broker.port);
    let mut config = Config::new(broker.port, broker.port);
    config.agent = "report = \"1s\"\ncheckpoint = \"1h\"\ntrial = \"0s\"";
    config.streams = "[streams.raw]\nwindow = { type = \"none\" }\n[streams.main]\n\
                      window = { type = \"tumbling\", size = \"10s\" }\nlateness = \"0s\"\nidle = \"1h\"\n\
                      aggregates = [\"count\", \"sum\"]\n"
        .into();
    let base = config.text();
    let extra = |size: usize| {
        format!(
            "{base}[streams.extra]\nwindow = {{ type = \"tumbling\", size = \"{size}s\" }}\nidle = \"1h\"\n"
        )
    };
    let environment = disk.environment();
    let agent = Agent::start_with(&dir, &base, &environment);
    agent.wait_log(&["source connected"]);
    agent.wait_log(&["output connected"]);
    // The first, and the one that the report of the start asks for.
    agent.wait_logs(&["checkpoint written"], 2);
    let mut sent = 0_i64;
    let mut send = |count: i64| {
        let readings: Vec<_> = (sent..sent + count).map(|n| (BEGIN_MS + n * 20, n as f64)).collect();
        publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
        sent += count;
        sent
    };
    let sent_before = send(700);
    subscriber.wait_until("the readings before", |messages| values(messages).len() as i64 == sent_before);
    disk.stop();
    for number in 1..=2 {
        agent.reload_with(&dir, &extra(10 + number));
        let sent = send(700);
        subscriber.wait_until("readings while the disk stands still", |messages| {
            values(messages).len() as i64 == sent
        });
    }
    let told = in_windows(&subscriber.messages());
    assert!(told >= 1_500, "windows close too: {told}");
    let log = agent.log();
    let since = log.split_once("went on with another config").map_or("", |(_, since)| since);
    assert!(!since.contains("checkpoint written"), "the disk stands still");
    agent.kill9();
    disk.speed_up();
    let agent = Agent::start_with(&dir, &extra(12), &environment);
    agent.wait_logs(&["source connected"], 2);
    let sent = send(300);
    publish(
        &mut Publisher::new(broker.port),
        "office",
        "temp",
        &[(BEGIN_MS + sent * 20 + 60_000, sent as f64)],
    );
    let messages = subscriber.wait_until("all in windows", |messages| in_windows(messages) >= sent);
    assert_eq!(in_windows(&messages), sent);
    assert_eq!(values(&messages), (0..=sent).collect());
    messages.check_repeats();
    assert!(agent.terminate().success());
}
