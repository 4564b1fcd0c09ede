//! `headwater buffer`: prints what a stopped agent's buffer holds, or removes it with an account of it.

use crate::{Config, publish, wait_source};
use headwater_tests::agent::{run, state_dir};
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir, recording};
use serde_json::Value;
use std::process::Output;

fn buffer(dir: &TempDir, arguments: &[&str]) -> Output {
    run(dir, &[&["buffer", "--config", "headwater.toml"], arguments].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A stopped agent that has collected summaries while the uplink was down.
fn fill(dir: &TempDir, source: &Mosquitto, config: &str) -> Agent {
    let agent = Agent::start(dir, config);
    wait_source(source, 1);
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    agent.wait_settled(readings.len()); // `idle` closes the last window
    agent
}

/// `stats` and `export` show what later arrives. Neither changes the buffer, and both leave a running agent alone.
#[test]
fn a_stopped_agents_buffer_can_be_looked_at() {
    let (source, mut uplink) = (Mosquitto::start(), Mosquitto::start());
    let dir = TempDir::new();
    let config = Config::new(source.port, uplink.port).text();
    uplink.kill9();
    let agent = fill(&dir, &source, &config);
    for action in ["stats", "export", "clear"] {
        let output = buffer(&dir, &[action]);
        assert_eq!(output.status.code(), Some(1), "{action} beside a running agent");
        assert!(text(&output.stderr).contains("stop it first"), "{}", text(&output.stderr));
    }
    // What was written before the agent began to count, such as the first lines of its log, is not its own.
    let wrote = written(&agent).saturating_sub(16 << 10);
    assert!(wrote > 0, "nothing is on the disk");
    agent.terminate();

    let stats = buffer(&dir, &["stats", "--json"]);
    let stats: Value = serde_json::from_slice(&stats.stdout).expect("one map");
    let export = || text(&buffer(&dir, &["export"]).stdout).lines().map(str::to_owned).collect::<Vec<_>>();
    let lines = export();
    assert_eq!(lines.len() as u64, stats["others"].as_u64().unwrap());
    assert_eq!(stats["outputs"]["cloud"], stats["others"]);
    let shown = text(&buffer(&dir, &["stats"]).stdout);
    assert!(shown.contains(&format!("waiting  {} messages", lines.len())), "{shown}");
    assert!(export() == lines, "an export changes nothing");

    uplink.restart();
    let subscriber = Subscriber::new(uplink.port);
    let _agent = Agent::start(&dir, &config);
    let messages = subscriber.wait_until("all that was exported", |messages| {
        messages.iter().filter(|message| message.is_backfill()).count() >= lines.len()
    });
    let arrived: Vec<String> = messages
        .iter()
        .filter(|message| message.is_backfill())
        .map(|message| text(&message.payload))
        .collect();
    let missing = lines.iter().find(|line| !arrived.contains(line));
    assert_eq!(missing, None, "what is exported is what is sent");
    // The day's writes go on over the restart.
    subscriber.wait_until("a status with the first run's writes in it", |messages| {
        messages.of("status").any(|status| status.map["disk"]["written_today"].as_u64() >= Some(wrote))
    });
}

/// A database that has changed on the disk is copied before anything reads it. `stats` names it and opens nothing. `export`
/// prints what it can read, counts the rest and ends with 1.
#[test]
fn what_is_damaged_is_told_and_kept() {
    let (source, mut uplink) = (Mosquitto::start(), Mosquitto::start());
    let dir = TempDir::new();
    let config = Config::new(source.port, uplink.port).text();
    uplink.kill9();
    fill(&dir, &source, &config).terminate();
    let stats =
        || -> Value { serde_json::from_slice(&buffer(&dir, &["stats", "--json"]).stdout).expect("one map") };
    let waiting = stats()["others"].as_u64().unwrap();
    let db = state_dir(&dir).join("buffer/1/db");
    let mut bytes = std::fs::read(&db).unwrap();
    let at = bytes.len() / 3;
    bytes[at..at + 64].fill(0xa5);
    std::fs::write(&db, &bytes).unwrap();

    let shown = text(&buffer(&dir, &["stats"]).stdout);
    assert!(shown.contains("damaged  segment 1: ") && shown.contains("buffer/1/db is not as"), "{shown}");
    assert!(shown.contains(&format!("waiting  {waiting} messages")), "{shown}");
    assert!(std::fs::read(&db).unwrap() == bytes, "stats opens nothing");

    let export = buffer(&dir, &["export"]);
    let printed = text(&export.stdout).lines().count() as u64;
    assert!(printed < waiting, "{printed} of {waiting}");
    assert_eq!(export.status.code(), Some(1));
    let said = text(&export.stderr);
    let missing = format!("segment 1: {} messages could not be read; it is kept", waiting - printed);
    assert!(said.contains(&missing) && said.contains("1.damaged-1"), "{said}");

    uplink.restart();
    let subscriber = Subscriber::new(uplink.port);
    let agent = Agent::start(&dir, &config);
    let messages = subscriber.wait_until("a report of the damage", |messages| messages.has_cause("damaged"));
    let report = messages.of("report").find(|report| report.text("cause") == "damaged").unwrap();
    assert!(report.text("detail").contains("1.damaged-1"), "{}", report.map);
    messages.check_accounts();
    assert!(agent.terminate().success());
    assert_eq!(stats()["aside"].as_array().map(Vec::len), Some(1), "one copy is enough");
    assert!(
        std::fs::read(state_dir(&dir).join("buffer/1.damaged-1/db")).unwrap() == bytes,
        "as it was found"
    );
}

/// The bytes that an agent has written today.
fn written(agent: &Agent) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/io", agent.pid())).expect("a running agent");
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).expect("a count");
    line.parse().expect("a number")
}

/// Messages that are cleared never arrive. The next start reports them, and its account balances.
#[test]
fn what_is_cleared_is_reported_as_lost() {
    let (source, mut uplink) = (Mosquitto::start(), Mosquitto::start());
    let dir = TempDir::new();
    let config = Config::new(source.port, uplink.port).text();
    uplink.kill9();
    fill(&dir, &source, &config).terminate();
    let stats: Value = serde_json::from_slice(&buffer(&dir, &["stats", "--json"]).stdout).expect("a map");
    let count = stats["others"].as_i64().unwrap();
    let unasked = buffer(&dir, &["clear"]);
    assert!(unasked.status.code() == Some(2) && text(&unasked.stderr).contains("write --yes"), "{unasked:?}");
    let cleared = text(&buffer(&dir, &["clear", "--yes"]).stdout);
    assert!(cleared.contains(&format!("removed {count} messages (0 alerts), made from 20")), "{cleared}");
    assert!(text(&buffer(&dir, &["clear"]).stdout).contains("nothing waits"));

    uplink.restart();
    let subscriber = Subscriber::new(uplink.port);
    let _agent = Agent::start(&dir, &config);
    let messages = subscriber.wait_until("a report of the loss", |messages| messages.has_cause("shed"));
    assert_eq!(messages.of("summary").count(), 0, "what is removed is gone");
    let lost = |messages: &headwater_tests::Messages| {
        messages.reports().iter().filter_map(|report| report.map["messages"]["lost"].as_i64()).sum::<i64>()
    };
    assert_eq!(lost(&messages), count);
    let report = messages.of("report").find(|report| report.text("cause") == "shed").unwrap();
    assert!(report.text("detail").contains("headwater buffer clear"), "{}", report.map);
    messages.check_accounts();
}

/// Two agents on one state directory would take each other's files for their own.
#[test]
fn a_second_agent_is_turned_away() {
    let (source, uplink) = (Mosquitto::start(), Mosquitto::start());
    let dir = TempDir::new();
    let config = Config::new(source.port, uplink.port).text();
    let mut first = Agent::start(&dir, &config);
    wait_source(&source, 1);
    let second = run(&dir, &["run", "--config", "headwater.toml"]);
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(said.contains(": waiting for it to end"), "it waits in silence: {said}");
    assert!(
        said.contains("another headwater holds the state directory") && said.contains("end it"),
        "{said}"
    );
    first.check_running();
}
