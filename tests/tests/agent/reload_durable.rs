//! The first source of `ack = "durable"` comes and the last one goes while the agent runs: the journal moves to the disk and
//! back, and what stays notices nothing.

use crate::{Config, publish, wait_source};
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, RuntimeDir, Subscriber, TempDir, wait_for};
use std::path::Path;

/// The time of the first reading.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// The readings in windows of a series, each window as it was told last.
fn in_windows(messages: &Messages, series: &str) -> i64 {
    messages.summaries("main", series).values().map(|summary| summary.integer("count")).sum()
}

fn has_journal(folder: &Path) -> bool {
    let name = |file: std::io::Result<std::fs::DirEntry>| file.unwrap().file_name();
    std::fs::read_dir(folder).unwrap().any(|file| name(file).to_string_lossy().starts_with("journal."))
}

/// Twelve changes, one kill behind every third, with readings before and behind each: all count once.
#[test]
fn the_journal_moves_with_the_first_and_the_last_durable_source() {
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let (broker, uplink) = (Mosquitto::start(), Mosquitto::start());
    let subscriber = Subscriber::new(uplink.port);
    let mut config = Config::new(broker.port, uplink.port);
    config.agent = "report = \"1s\"\ncheckpoint = \"1h\"";
    config.streams = "[streams.main]\nwindow = { type = \"tumbling\", size = \"10s\" }\nlateness = \"0s\"\nidle = \"1h\"\n\
                      aggregates = [\"count\"]\n"
        .to_owned();
    let plain = config.text();
    let durable = format!(
        "{plain}[sources.safe]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\ntopics = [\"safe/{{place}}\"]\n\
         fields = [\"temp\"]\ntime = \"ts\"\nack = \"durable\"\n",
        broker.port
    );
    let environment = runtime.environment();
    let mut agent = Agent::start_with(&dir, &plain, &environment);
    wait_source(&broker, 1);
    let (mut sent, mut kills) = (0_i64, 0);
    let mut send = |count: i64| {
        let readings: Vec<_> = (sent..sent + count).map(|n| (BEGIN_MS + n * 20, 1.0)).collect();
        publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
        sent += count;
        sent
    };
    for round in 1..=12 {
        send(130);
        let is_durable = round % 2 == 1;
        let text = if is_durable { &durable } else { &plain };
        agent.reload_with(&dir, text);
        send(70);
        if round % 3 == 0 {
            agent.kill9();
            agent = Agent::start_with(&dir, text, &environment);
            kills += 1;
            agent.wait_logs(&["running agent="], 1 + kills);
        }
        wait_for("a checkpoint that leads to the journal in its folder alone", || {
            let folders = (has_journal(&dir.join("state")), has_journal(runtime.path()));
            (folders == (is_durable, !is_durable)).then_some(())
        });
    }
    let sent = send(1);
    publish(&mut Publisher::new(broker.port), "office", "temp", &[(BEGIN_MS + sent * 20 + 60_000, 1.0)]);
    let messages = subscriber
        .wait_until("all in windows", |messages| in_windows(messages, "sensors/office/temp") >= sent);
    assert_eq!(in_windows(&messages, "sensors/office/temp"), sent);
    messages.check_repeats();
    messages.check_accounts();
    assert_eq!(broker.logged("\tsensors/"), 1 + kills, "the other source stays connected");
    assert!(!agent.log().contains("the engine stops and starts"));
    assert!(agent.terminate().success());
    assert!(!has_journal(&dir.join("state")) && !has_journal(runtime.path()), "nothing is left");
}
