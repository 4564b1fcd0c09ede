//! `headwater replay`: the same engine in virtual time, the same bytes every time.

use crate::{Config, WINDOW_MS};
use headwater_tests::agent::run;
use headwater_tests::messages::Message;
use headwater_tests::recording::Readings;
use headwater_tests::{Messages, TempDir, oracle, recording};
use std::fmt::Write as _;

/// Replays a file; what came out, as bytes and as messages.
fn replay(dir: &TempDir, arguments: &[&str]) -> (Vec<u8>, Messages) {
    let mut all = vec!["replay", "--config", "headwater.toml"];
    all.extend_from_slice(arguments);
    let output = run(dir, &all);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let messages = lines.map(|line| Message::new(String::new(), line.to_vec(), false)).collect();
    (output.stdout, messages)
}

fn scene() -> (TempDir, Readings) {
    let dir = TempDir::new();
    dir.write("headwater.toml", Config::new(1883, 1883).text());
    (dir, recording::own("ambient_temperature.csv"))
}

fn csv(readings: &Readings) -> String {
    let mut text = "ts,temp,note\n".to_owned();
    for (time, value) in readings {
        let _ = writeln!(text, "{time},{value},\"a, b\"");
    }
    text
}

#[track_caller]
fn check(messages: &Messages, series: &str, readings: &Readings) {
    let expected = oracle::tumbling(readings, WINDOW_MS);
    let got = messages.summaries("main", series);
    assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "windows of {series}");
    for (start, values) in &expected {
        oracle::check_summary(got[start], values);
    }
    messages.check_accounts();
}

#[test]
fn a_csv_file_twice_gives_the_same_bytes_and_the_right_numbers() {
    let (dir, readings) = scene();
    dir.write("office.csv", csv(&readings));
    let (first, messages) = replay(&dir, &["office.csv"]);
    let (second, _) = replay(&dir, &["--source", "field", "office.csv"]);
    assert_eq!(first, second);
    check(&messages, "office/temp", &readings);
    assert!(messages.of("summary").all(|summary| summary.text("agent") == "edge-1"));
}

/// As on a running agent: not when the next reading comes.
#[test]
fn a_silence_is_told_when_it_has_lasted_long_enough() {
    let (dir, _) = scene();
    let from = 1_700_000_000_000_i64;
    let readings: Readings = (0..20).chain([600]).map(|s| (from + s * 1_000, 1.0)).collect();
    dir.write("office.csv", csv(&readings));
    let detector = "[[streams.main.detectors]]\ntype = \"missing\"\nafter = \"10s\"\n";
    dir.write("headwater.toml", format!("{}\n{detector}", Config::new(1883, 1883).text()));
    let (_, messages) = replay(&dir, &["office.csv"]);
    let times: Vec<i64> = messages.of("alert").map(|alert| alert.integer("time") - from).collect();
    assert_eq!(times, [29_000, 600_000]);
}

#[test]
fn json_lines_are_payloads_with_or_without_a_topic() {
    let (dir, readings) = scene();
    let mut bare = String::new();
    let mut named = String::new();
    for (time, value) in &readings {
        let _ = writeln!(bare, r#"{{"ts":{time},"temp":{value}}}"#);
        let _ = writeln!(named, r#"{{"topic":"sensors/cellar","payload":{{"ts":{time},"temp":{value}}}}}"#);
    }
    dir.write("office.jsonl", bare);
    dir.write("named.jsonl", named);
    let (_, messages) = replay(&dir, &["office.jsonl"]);
    check(&messages, "office/temp", &readings);
    let (_, messages) = replay(&dir, &["named.jsonl"]);
    check(&messages, "sensors/cellar/temp", &readings);
    let labels = &messages.of("summary").next().unwrap().map["labels"];
    assert_eq!(labels, &serde_json::json!({"place": "cellar", "site": "north"}));
}

#[test]
fn several_files_and_bad_lines_are_taken_as_they_come() {
    let (dir, readings) = scene();
    let (first, second) = readings.split_at(3_000);
    let mut text = csv(&second.to_vec());
    text += "no time,21.5,x\n1404000000000,hot,x\n";
    dir.write("office.csv", csv(&first.to_vec()));
    dir.write("cellar.csv", text);
    let (_, messages) = replay(&dir, &["office.csv", "cellar.csv"]);
    check(&messages, "office/temp", &first.to_vec());
    check(&messages, "cellar/temp", &second.to_vec());
}

/// A reader that has seen enough (`| head`) is no failure, and what it did not see costs no word.
#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let (dir, readings) = scene();
    dir.write("office.csv", csv(&readings));
    for arguments in
        [&["replay", "office.csv"][..], &["check"], &["man"], &["completions", "bash"], &["self-test"]]
    {
        let mut command = std::process::Command::new(headwater_tests::agent::program());
        command.args(arguments).args(["--config", "headwater.toml"]).current_dir(&dir);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(writer).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.contains("ipe")), (Some(0), false), "{arguments:?}: {said}");
    }
}

/// Every line that cannot be read is counted; the first ones are shown.
#[test]
fn bad_lines_cost_few_warnings() {
    let (dir, readings) = scene();
    dir.write("office.csv", csv(&readings) + &"no time,21.5,x\n".repeat(500));
    let output = run(&dir, &["replay", "--config", "headwater.toml", "office.csv"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.matches("no time").count().max(said.lines().count() - 1), 20, "{said}");
    assert!(said.contains("480 more"), "{said}");
    let (_, messages) = replay(&dir, &["office.csv"]);
    assert_eq!(messages.of("report").last().unwrap().map["total"]["invalid"], 500);
}

#[test]
fn replay_touches_no_state_and_says_what_it_cannot_read() {
    let (dir, _) = scene();
    let output = run(&dir, &["replay", "--config", "headwater.toml", "missing.csv"]);
    assert_ne!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("missing.csv"));
    let output = run(&dir, &["replay", "--config", "headwater.toml", "--source", "feild", "missing.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!headwater_tests::agent::state_dir(&dir).exists(), "replay keeps nothing");
}

#[test]
fn a_picture_is_drawn_beside_the_messages_and_is_the_same_every_time() {
    let (dir, readings) = scene();
    dir.write("office.csv", csv(&readings));
    let (plain, _) = replay(&dir, &["office.csv"]);
    let drawn = |name: &str| {
        let (bytes, _) = replay(&dir, &["office.csv", "--plot", name]);
        assert_eq!(bytes, plain, "the messages are what they are without it");
        std::fs::read_to_string(dir.join(name)).unwrap()
    };
    let first = drawn("first.svg");
    assert_eq!(first, drawn("second.svg"));
    assert!(first.starts_with("<svg ") && first.contains("office/temp") && first.contains("class=\"mean\""));
}

/// Every window type, filters and the detectors that learn, over months of real readings: twice the same, to the byte.
#[test]
fn a_real_recording_twice_is_the_same_through_every_window_and_detector() {
    let windows = [
        ("hours", "{ type = \"tumbling\", size = \"1h\" }\ndownsample = { type = \"lttb\", points = 8 }"),
        ("days", "{ type = \"sliding\", size = \"1d\", every = \"1h\" }\nlateness = \"2h\""),
        ("bursts", "{ type = \"session\", gap = \"2h\", max = \"7d\" }"),
        ("tens", "{ type = \"count\", size = 10 }"),
        ("band", "{ type = \"none\" }\nfilter = { type = \"deadband\", percent = 2 }"),
        ("door", "{ type = \"none\" }\nfilter = { type = \"swinging-door\", error = 1.0, max = \"1d\" }"),
    ];
    let mut config = Config::new(1883, 1883);
    config.streams = String::new();
    for (name, window) in windows {
        let _ = writeln!(config.streams, "[streams.{name}]\nwindow = {window}");
        for kind in ["auto", "zscore", "hampel", "cusum", "seasonal", "quantile", "half-space", "missing"] {
            let _ = writeln!(config.streams, "[[streams.{name}.detectors]]\ntype = \"{kind}\"");
        }
    }
    let dir = TempDir::new();
    dir.write("headwater.toml", config.text());
    let mut recordings = vec![
        ("office", recording::own("ambient_temperature.csv")),
        ("road", recording::own("travel_time.csv")),
    ];
    let machine = recording::shared("nab/realKnownCause/machine_temperature_system_failure.csv");
    recordings.extend(machine.map(|path| ("machine", recording::first_column(&path))));
    for (name, mut readings) in recordings {
        readings.truncate(2_500); // of the finest of them, a good week
        let file = format!("{name}.csv");
        dir.write(&file, csv(&readings));
        let (first, messages) = replay(&dir, &[&file]);
        let (second, _) = replay(&dir, &[&file]);
        assert!(first == second, "{name}: two replays differ");
        let week = 7 * 86_400_000;
        assert!(readings.last().unwrap().0 - readings[0].0 > week && messages.len() > 1_000);
        assert!(messages.of("alert").next().is_some(), "{name}: no detector said anything");
        messages.check_repeats();
        messages.check_accounts();
    }
}
