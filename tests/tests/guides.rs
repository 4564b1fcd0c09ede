//! Tests of the guides. Every config in them passes `check`, every message is what the program makes, every link leads
//! somewhere, and every command exists.

use headwater_tests::TempDir;
use headwater_tests::agent::run;
use headwater_tests::tree::root;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The most lines of the first README, which everybody reads in one go.
const README_LINES_MAX: usize = 120;

/// The start of the examples' window (ms since the Unix epoch).
const START: i64 = 1_700_000_040_000;

struct Guide {
    name: String,
    folder: PathBuf,
    text: String,
}

impl Guide {
    fn named(name: &str) -> Self {
        let path = root().join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), folder: path.parent().unwrap().to_owned(), text }
    }

    /// The fenced blocks of a language.
    fn blocks(&self, language: &str) -> Vec<&str> {
        let opening = format!("```{language}\n");
        let blocks = self.text.split(&*opening).skip(1);
        blocks.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
    }
}

/// Every README, and the other pages of the top level.
fn guides() -> Vec<Guide> {
    let mut names = Vec::new();
    for name in ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"] {
        names.push(name.to_owned());
    }
    for folder in ["agent", "cross", "forwarder", "sensors", "systemd", "tests"] {
        assert!(root().join(folder).join("README.md").exists(), "{folder} has no guide");
        collect(&root().join(folder), &mut names);
    }
    names.iter().map(|name| Guide::named(name)).collect()
}

fn collect(folder: &Path, names: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, names);
        } else if path.ends_with("README.md") {
            names.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
        }
    }
}

/// Completes an excerpt of a config to one that runs.
fn completed(excerpt: &str) -> String {
    const SOURCE: &str =
        "[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"a/{zone}/b\"]\n";
    let mut config = String::new();
    if excerpt.lines().find(|line| !line.is_empty()).is_some_and(|line| !line.starts_with('[')) {
        config += SOURCE; // keys of a source
    }
    if excerpt.contains("[[streams.climate.detectors]]") && !excerpt.contains("[streams.climate]") {
        config += "[streams.climate]\n";
    }
    config += excerpt;
    let rest = [
        ("[sources.", SOURCE),
        ("[streams.", "[streams.all]\n"),
        ("[outputs.", "[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\n"),
    ];
    if config.contains("path = \"/ingest\"") && !config.contains("\n[http]") {
        config += "[http]\n"; // to which others POST
    }
    for (table, text) in rest {
        if !config.contains(table) {
            config = config + "\n" + text;
        }
    }
    config
}

#[test]
fn every_config_passes_check() {
    let mut count = 0;
    for guide in guides() {
        for block in guide.blocks("toml") {
            let dir = TempDir::new();
            for secret in ["mqtt-password", "http-password", "http-token", "privacy-key", "remote-secret"] {
                dir.write(secret, "a secret of 16 signs".replace(' ', "-"));
            }
            dir.write("pump.model", include_bytes!("../data/pump.model"));
            dir.write("my.toml", completed(block));
            let output = run(&dir, &["check", "--config", "my.toml"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{}: {said}\n{block}", guide.name);
            count += 1;
        }
    }
    assert!(count >= 7, "only {count} configs were found");
}

/// What editors check: the configs of the guides and of the cases fit the schema, and no mistake does.
#[test]
fn every_config_fits_the_schema() {
    let mut configs: Vec<String> = Vec::new();
    for guide in guides() {
        configs.extend(guide.blocks("toml").into_iter().map(completed));
    }
    configs.push(std::fs::read_to_string(root().join("systemd/headwater.toml")).unwrap());
    let cases =
        ["sensors/src", "tests/cases"].map(|folder| files_beside(&root().join(folder), "expected.jsonl"));
    configs.extend(
        cases.into_iter().flatten().map(|config| with_stream(std::fs::read_to_string(config).unwrap())),
    );
    let good = configs.len();
    assert!(good > 60, "only {good} configs were found");
    let sound = Guide::named("README.md").blocks("toml")[0].to_owned();
    let mistakes = [
        ("type = \"mqtt\"", "type = \"mqtt\"\ntopcis = []"),
        ("type = \"mqtt\"", "type = \"mqtt\"\nqos = true"),
        ("type = \"mqtt\"", "type = \"mqtt\"\nregisters = []"),
        ("type = \"mqtt\"", "type = \"mqt\""),
        ("topics = ", "# topics = "),
        ("size = \"1m\"", "size = \"1 minute\""),
        ("size = \"1m\"", "size = 60"),
        ("size = \"1m\"", "size = \"1m\", gap = \"1s\""),
        ("above = ", "abvoe = "),
        ("[streams.", "[stream."),
    ];
    for (from, to) in mistakes {
        assert!(sound.contains(from), "the first guide's config has no {from}");
        configs.push(sound.replacen(from, to, 1));
    }
    let Some(misfits) = headwater_tests::schema::misfits(&configs) else {
        return headwater_tests::skip("no Python with jsonschema (apt-get install python3-jsonschema)");
    };
    for (number, config) in configs.iter().enumerate() {
        let misfit = misfits.get(&number);
        assert_eq!(misfit.is_some(), number >= good, "{misfit:?}\n{config}");
    }
}

/// A recording needs no stream, and a config that runs does.
fn with_stream(config: String) -> String {
    if config.contains("[streams.") { config } else { config + "\n[streams.all]\n" }
}

/// The config of each folder that has a file of this name.
fn files_beside(folder: &Path, name: &str) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = folders.filter(|path| path.is_dir() && !path.is_symlink());
    let mut found: Vec<PathBuf> = below.flat_map(|path| files_beside(&path, name)).collect();
    if folder.join(name).exists() {
        found.extend(Some(folder.join("config.toml")).filter(|config| config.exists()));
    }
    found
}

#[test]
fn the_first_guide_is_short() {
    let lines = Guide::named("README.md").text.lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines, more than {README_LINES_MAX}");
}

#[test]
fn links_lead_somewhere() {
    for guide in guides() {
        for link in guide.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !link.starts_with("http") {
                assert!(guide.folder.join(path).exists(), "{}: {link} leads nowhere", guide.name);
            }
        }
    }
}

/// The commands in the guides: `$ headwater NAME …`, and the scripts of this repository.
#[test]
fn commands_exist() {
    let dir = TempDir::new();
    let help = String::from_utf8(run(&dir, &["help"]).stdout).unwrap();
    for guide in guides() {
        for line in guide.blocks("console").into_iter().flat_map(str::lines) {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("{}: {line}", guide.name));
            let words: Vec<&str> = command.split_whitespace().collect();
            if ["cross/", "tests/", ".ci/"].iter().any(|folder| words[0].starts_with(folder)) {
                assert!(root().join(words[0]).exists(), "{}: no {}", guide.name, words[0]);
            }
            let own = words.windows(2).filter(|pair| pair[0] == "headwater" && pair[1] != "headwater");
            for name in own.map(|pair| pair[1]).filter(|name| name.starts_with(char::is_lowercase)) {
                let is_known = help.lines().any(|line| line.split_whitespace().next() == Some(name));
                assert!(is_known, "{}: no command {name}", guide.name);
            }
        }
    }
}

/// The messages that a config makes of payloads, `(second after START, topic, payload without its time)`.
fn replayed(config: &str, payloads: impl Iterator<Item = (i64, &'static str, String)>) -> Vec<Value> {
    let dir = TempDir::new();
    let topics = "topics = [\"greenhouse/{zone}/climate\"]";
    assert!(config.contains(topics), "the example reads other topics now: adapt this test");
    let config = config.replace(topics, &format!("{topics}\ntime = \"ts\""));
    dir.write("my.toml", format!("[agent]\nid = \"greenhouse-7\"\n{config}"));
    let mut lines = String::new();
    for (second, topic, fields) in payloads {
        let time = START + second * 1_000;
        let _ = writeln!(lines, r#"{{"topic":"{topic}","payload":{{"ts":{time},{fields}}}}}"#);
    }
    dir.write("recording.jsonl", lines);
    let output = run(&dir, &["replay", "--config", "my.toml", "recording.jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn message(guide: &Guide, kind: &str) -> Value {
    let blocks = guide.blocks("json").into_iter().map(|block| serde_json::from_str::<Value>(block).unwrap());
    let mut of_kind = blocks.filter(|message| message["kind"] == kind);
    of_kind.next().unwrap_or_else(|| panic!("{} shows no {kind}", guide.name))
}

#[test]
fn the_summary_is_what_the_program_makes() {
    let guide = Guide::named("README.md");
    let temperature = |second: i64| 21.0 + f64::from(u32::try_from(second * 7 % 60).unwrap()) / 40.0;
    let payloads = (0..70).map(|second| {
        (second, "greenhouse/bed1/climate", format!("\"temp\":{},\"hum\":48", temperature(second)))
    });
    let messages = replayed(guide.blocks("toml")[0], payloads);
    let shown = message(&guide, "summary");
    let made = messages.iter().find(|made| made["id"] == shown["id"]);
    assert_eq!(made, Some(&shown), "all: {messages:#?}");
}

#[test]
fn alert_and_evidence_are_what_the_program_makes() {
    let guide = Guide::named("forwarder/README.md");
    let config = Guide::named("README.md").blocks("toml")[0]
        .replace("above = 35.0", "above = 35.0\nevidence = { before = 2, after = 2 }");
    let temperature = [33.2, 34.8, 36.1, 36.4, 36.1, 36.0];
    let payloads = (29..)
        .zip(temperature)
        .map(|(second, value)| (second, "greenhouse/bed1/climate", format!("\"temp\":{value}")));
    let messages = replayed(&config, payloads);
    for kind in ["alert", "evidence"] {
        let shown = message(&guide, kind);
        let made = messages.iter().find(|made| made["kind"] == kind);
        assert_eq!(made, Some(&shown), "all: {messages:#?}");
    }
}

#[test]
fn the_sketch_is_what_the_program_makes() {
    let guide = Guide::named("agent/README.md");
    let config =
        Guide::named("README.md").blocks("toml")[0].replace("aggregates = ", "sketch = true\naggregates = ");
    let values = ["-3", "0", "1", "2", "2.01"];
    let payloads = (0..)
        .zip(values)
        .map(|(second, value)| (second, "greenhouse/bed1/climate", format!("\"temp\":{value}")));
    let messages = replayed(&config, payloads);
    let sketch = guide.blocks("json").into_iter().find(|block| block.contains("gamma"));
    let shown: Value = serde_json::from_str(sketch.unwrap()).unwrap();
    let made = messages.iter().find(|made| made["kind"] == "summary").map(|made| &made["sketch"]);
    assert_eq!(made, Some(&shown), "all: {messages:#?}");
}

/// The picture in the agent's guide: what `replay --plot` draws of a recording of the tests.
#[test]
fn the_picture_is_what_the_program_draws() {
    let dir = TempDir::new();
    let recording = std::fs::read_to_string(root().join("tests/data/ambient_temperature.csv")).unwrap();
    let rows: Vec<&str> = recording.lines().collect();
    let ten_days = [&rows[..1], &rows[3_640..3_880]].concat().join("\n");
    dir.write("office.csv", ten_days);
    let stream = "[streams.office]\nwindow = { type = \"tumbling\", size = \"6h\" }\n";
    let detector = "[[streams.office.detectors]]\ntype = \"threshold\"\nabove = 83.0\nclear = 81.0\n";
    let config = completed(&format!("{stream}{detector}"));
    dir.write("my.toml", config);
    let output = run(&dir, &["replay", "--config", "my.toml", "office.csv", "--plot", "office.svg"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let drawn = std::fs::read_to_string(dir.join("office.svg")).unwrap();
    let kept = root().join("tests/data/replay.svg");
    if std::env::var_os("HEADWATER_DRAW").is_some() {
        std::fs::write(&kept, &drawn).unwrap();
    }
    let shown = std::fs::read_to_string(&kept).unwrap_or_default();
    assert!(
        drawn == shown,
        "the picture differs; run this test with HEADWATER_DRAW=1 and look at {}",
        kept.display()
    );
}
