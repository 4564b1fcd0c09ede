//! Sources other than MQTT, through the real binary: the standard input, and simulated signals.

use crate::{Config, check_all};
use headwater_tests::{Agent, Mosquitto, PATIENCE, Subscriber, TempDir, recording};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The usual config with another source.
fn with_source(config: &Config, table: &str) -> String {
    let text = config.text();
    let (before, rest) = text.split_once("[sources.field]").expect("a source");
    let (_, after) = rest.split_once("[streams.").expect("a stream");
    format!("{before}[sources.field]\n{table}\n\n[streams.{after}")
}

/// `cat FILE | headwater run`: every reading is summarised, and the end of the file is not the end of the agent.
#[test]
fn a_table_from_a_pipe_becomes_summaries_and_its_end_ends_nothing_else() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let readings = recording::own("travel_time.csv");
    let mut table = "# a logger's export\nts;minutes;road\n".to_owned();
    for (time, value) in &readings {
        writeln!(table, "{time};\"{value}\";north").expect("a row");
    }
    let config = with_source(
        &Config::new(broker.port, broker.port),
        "type = \"stdin\"\nformat = \"csv\"\ntime = \"ts\"\nlabels = { site = \"north\" }",
    );
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut agent = Agent::start_piped(&dir, &config, Stdio::from(reader), Stdio::null());
    writer.write_all(table.as_bytes()).expect("the agent reads");
    writer.write_all(b"1;2\n\n").expect("the agent reads");
    drop(writer);

    let messages = check_all(&subscriber, "field/minutes", &readings);
    let summary = messages.summaries("main", "field/minutes").into_values().next().expect("a summary");
    assert_eq!(summary.map["labels"], serde_json::json!({"site": "north"}));
    agent.wait_log(&["input has ended"]);
    let messages =
        subscriber.wait_until("the row that is no row in a report", |m| m.reported("invalid") == 1);
    messages.check_accounts();
    agent.check_running();
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("the row has 2 cells, and the header 3"), "{log}");
}

/// `cat FILE | headwater run >OUT`, without any broker: the lines are the summaries, each of them JSON. A reload in the
/// middle of the table loses no row, and its header is still known.
#[test]
fn from_a_pipe_to_a_file_no_broker_is_needed() {
    let dir = TempDir::new();
    let config = "[agent]\nid = \"edge-1\"\n[sources.pipe]\ntype = \"stdin\"\nformat = \"csv\"\ntime = \"ts\"\n\
                  [streams.main]\nwindow = { type = \"tumbling\", size = \"1m\" }\nidle = \"1s\"\n\
                  [outputs.lines]\ntype = \"stdout\"\n";
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let out = std::fs::File::create(dir.join("out.jsonl")).expect("a file");
    let agent = Agent::start_piped(&dir, config, Stdio::from(reader), Stdio::from(out));
    agent.wait_log(&["source connected"]);
    for minute in 0..10 {
        let start = 1_700_000_040_000_i64 + minute * 60_000;
        let rows = format!("{start},{minute}\n{},{}\n", start + 1, minute + 2);
        let header = if minute == 0 { "ts,temp\n" } else { "" };
        writer.write_all((header.to_owned() + &rows).as_bytes()).expect("the agent reads");
        if minute == 4 {
            let kill = Command::new("kill").args(["-HUP", &agent.pid().to_string()]).status();
            assert!(kill.expect("kill").success());
            agent.wait_log(&["the config has been read again"]);
        }
    }
    drop(writer);
    let summaries = headwater_tests::wait_for("ten summaries", || {
        let text = std::fs::read_to_string(dir.join("out.jsonl")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let summaries: Vec<_> = lines.filter(|line| line["kind"] == "summary").collect();
        (summaries.len() == 10).then_some(summaries)
    });
    for (minute, summary) in summaries.iter().enumerate() {
        assert_eq!(summary["series"], "pipe/temp");
        assert_eq!(
            (&summary["count"], &summary["mean"]),
            (&2.into(), &(minute as f64 + 1.0).into()),
            "{summary}"
        );
    }
    assert_eq!(agent.terminate().code(), Some(0));
}

/// The thread that waits for input does not keep the agent from stopping.
#[test]
fn a_pipe_that_stays_open_and_silent_holds_up_nothing() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let config = with_source(&Config::new(broker.port, broker.port), "type = \"stdin\"");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let agent = Agent::start_piped(&dir, &config, Stdio::from(reader), Stdio::null());
    agent.wait_log(&["source connected"]);
    let start = Instant::now();
    assert_eq!(agent.terminate().code(), Some(0));
    assert!(start.elapsed() < PATIENCE / 4, "it took {:?}", start.elapsed());
    drop(writer);
}

/// The same seed and times give the same readings: ten a second, with a spike in one window and silence in another.
#[test]
fn simulated_signals_are_what_the_config_says() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.streams =
        config.streams.replace("size = \"6h\"", "size = \"1s\"").replace("idle = \"2s\"", "idle = \"1s\"");
    let config = with_source(
        &config,
        "type = \"simulate\"\ninterval = \"100ms\"\nfrom = \"2024-05-01T00:00:00Z\"\n\
         [[sources.field.signals]]\nname = \"level\"\nbase = 10.0\nsteps = [{ at = \"3s\", by = 1.0 }]\nfaults = [\
         { type = \"spike\", at = \"1s\", for = \"500ms\", by = 5.0 }, { type = \"dropout\", at = \"2s\", for = \"1s\" }]",
    );
    let mut agent = Agent::start(&dir, &config);
    const FROM: i64 = 1_714_521_600_000;
    let messages = subscriber.wait_until("four seconds of it", |messages| {
        messages.summaries("main", "level").contains_key(&(FROM + 3_000))
    });
    let summaries = messages.summaries("main", "level");
    let of = |second: i64| {
        let summary = summaries.get(&(FROM + second * 1_000))?;
        Some((summary.number("min"), summary.number("max")))
    };
    assert_eq!([0, 1, 2, 3].map(of), [Some((10.0, 10.0)), Some((10.0, 15.0)), None, Some((11.0, 11.0))]);
    agent.check_running();
}
