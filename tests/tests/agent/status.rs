//! `headwater status`, asked of the real daemon.

use crate::{Config, publish, wait_source};
use headwater_tests::agent::{run, state_dir};
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir, wait_for};
use serde_json::Value;

/// What `status --json` says; `None`: no agent answers.
fn status(dir: &TempDir) -> Option<Value> {
    let output = run(dir, &["status", "--json", "--config", "headwater.toml"]);
    let line = String::from_utf8(output.stdout).expect("text");
    output.status.success().then(|| serde_json::from_str(&line).expect("one JSON map"))
}

/// Waits until the status is as wanted.
#[track_caller]
fn wait_status(dir: &TempDir, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || status(dir).filter(&is_it))
}

#[test]
fn the_status_of_a_running_agent_is_told_over_its_socket() {
    let (source, output) = (Mosquitto::start(), Mosquitto::start());
    let dir = TempDir::new();
    let mut config = Config::new(source.port, output.port);
    config.streams = "[streams.main]\nwindow = { type = \"count\", size = 1 }\n".to_owned();
    let subscriber = Subscriber::new(output.port);
    let agent = Agent::start(&dir, &config.text());
    wait_source(&source, 1);
    let readings: Vec<(i64, f64)> = (0..50).map(|n| (1_700_000_000_000 + n, 20.0)).collect();
    let mut publisher = Publisher::new(source.port);
    publish(&mut publisher, "office", "temp", &readings);
    subscriber.wait_until("all summaries", |messages| messages.of("summary").count() == 50);

    let told = wait_status(&dir, "nothing to wait any more", |status| status["outputs"][0]["waiting"] == 0);
    assert_eq!((told["agent"].as_str(), &told["series"]), (Some("edge-1"), &1.into()));
    assert_eq!(told["sources"][0]["readings"]["received"], 50);
    assert_eq!((&told["sources"][0]["up"], &told["outputs"][0]["up"]), (&true.into(), &true.into()));
    assert!(told["sources"][0]["last_reading_ms"].as_i64() > Some(1_700_000_000_000));
    assert!(told["memory"]["resident_bytes"].as_u64() > Some(1 << 20));
    wait_status(&dir, "a rate", |status| status["sources"][0]["rate"].is_number());

    // What waits for an output, and since when; what is caught up then.
    drop(output);
    wait_status(&dir, "the output to be down", |status| status["outputs"][0]["up"] == false);
    publish(&mut publisher, "office", "temp", &[(1_700_000_001_000, 21.0), (1_700_000_002_000, 21.5)]);
    let told = wait_status(&dir, "two messages and a report to wait", |status| {
        status["outputs"][0]["waiting"].as_u64() >= Some(3)
    });
    let (now, oldest) = (told["now_ms"].as_i64().unwrap(), told["outputs"][0]["oldest_ms"].as_i64().unwrap());
    assert!((0..60_000).contains(&(now - oldest)), "{told}");
    assert_eq!(told["outputs"][0]["waiting"], told["buffer"]["waiting"]);

    let shown = run(&dir, &["status", "--config", "headwater.toml"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for words in
        ["edge-1  headwater", "SOURCE", "field   up", "OUTPUT", "cloud   down", "readings    52 received"]
    {
        assert!(shown.contains(words), "{words}:\n{shown}");
    }

    // One that stands still does not answer, and one that was killed leaves a socket that the next one replaces.
    agent.freeze();
    let frozen = run(&dir, &["status", "--config", "headwater.toml"]);
    let why = String::from_utf8_lossy(&frozen.stderr).into_owned();
    assert!(frozen.status.code() == Some(1) && why.contains("stands still"), "{why}");
    agent.thaw();
    agent.kill9();
    let killed = run(&dir, &["status", "--config", "headwater.toml"]);
    let why = String::from_utf8_lossy(&killed.stderr).into_owned();
    let looked = state_dir(&dir).join("status.sock");
    assert!(killed.status.code() == Some(1) && why.contains(looked.to_str().unwrap()), "{why}");
    let agent = Agent::start(&dir, &config.text());
    let told = wait_status(&dir, "the agent to be back", |_| true);
    assert_eq!(told["readings"]["received"], 52);
    // A config that has become wrong since does not matter to those who ask.
    dir.write("headwater.toml", config.text() + "\n[nonsense]\n");
    assert!(status(&dir).is_some());
    let (ended, _) = agent.stop();
    assert!(ended.success() && !looked.exists(), "the socket goes with the agent");
}
