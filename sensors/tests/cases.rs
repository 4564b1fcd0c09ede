//! Every folder `cases/<case>` of a source: `config.toml` and `input.jsonl` give `expected.jsonl`. A source without
//! payloads has no input: it runs for ten seconds. What a case needs beside these lies in its folder `root`.
//!
//! A case whose config is refused has `expected.txt` instead, with the mistakes as they are shown. To write what comes
//! out as the expectation of a new case, run the tests with `HEADWATER_BLESS=1`, and read it before it is committed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use headwater_sensors::recording::Recording;
use headwater_sensors::{
    ConnectionState, DecodeConfig, FORMATS, SOURCES, SeriesRef, Sink, Source, SourceContext, Stamp,
    read_source,
};
use headwater_settings::Document;
use std::cell::RefCell;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

#[test]
fn every_case_comes_out_as_expected() {
    let mut failures = Vec::new();
    let mut count = 0;
    for kind in SOURCES {
        let cases = source_folder(kind.name).join("cases");
        for case in std::fs::read_dir(&cases).unwrap_or_else(|error| panic!("{}: {error}", cases.display())) {
            count += 1;
            failures.extend(check(&case.unwrap().path()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 0);
}

#[test]
fn every_sample_is_a_sound_config_and_stands_in_the_readme() {
    for kind in SOURCES {
        let bare = |line: &str| !line.starts_with("# ");
        for text in [
            kind.sample.to_owned(),
            kind.sample.lines().filter(|line| bare(line)).collect::<Vec<_>>().join("\n"),
        ] {
            let (source, mistakes) = read(&text, Path::new("sample.toml"));
            assert!(source.is_some() && mistakes.is_empty(), "{mistakes}");
        }
        let readme = std::fs::read_to_string(source_folder(kind.name).join("README.md")).unwrap();
        let block = format!("```toml\n{}```", kind.sample);
        assert!(readme.contains(&block), "copy {}'s sample.toml into its README.md", kind.name);
    }
}

/// The guide shows a device with the config of its case, so that what it says is tried.
#[test]
fn every_device_of_the_guide_is_a_case() {
    let folder = source_folder("mqtt");
    let guide = std::fs::read_to_string(folder.join("devices/README.md")).unwrap();
    let mut shown = 0;
    for case in std::fs::read_dir(folder.join("cases")).unwrap().map(|case| case.unwrap().path()) {
        if !case.file_name().is_some_and(|name| name.to_string_lossy().starts_with("device-")) {
            continue;
        }
        let config = std::fs::read_to_string(case.join("config.toml")).unwrap();
        assert!(guide.contains(&format!("```toml\n{config}```")), "show {} in the guide", case.display());
        shown += 1;
    }
    assert_eq!(guide.matches("```toml").count(), shown, "an example without a case");
    assert!(shown >= 11);
}

#[test]
fn every_format_is_read_as_its_page_shows_it() {
    let page = source_folder("format").join("README.md");
    let page = std::fs::read_to_string(page).unwrap();
    for kind in FORMATS {
        let block = format!("## `{}`\n\n```toml\n{}```", kind.name, kind.sample);
        assert!(page.contains(&block), "show {}'s sample in format/README.md:\n{block}", kind.name);
        let bare = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n";
        let uncommented: String = kind.sample.lines().map(bare).collect();
        for text in [kind.sample, uncommented.as_str()] {
            let document = Document::parse(Path::new("sample.toml"), text, |_| None);
            let mut root = document.root();
            assert!(DecodeConfig::read(&mut root, &Vec::new(), Some(Vec::new())).is_some(), "{text}");
            root.finish();
            assert!(document.mistakes().is_empty(), "{text}: {:?}", document.mistakes());
        }
    }
}

fn source_folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(kind)
}

fn context() -> SourceContext {
    SourceContext { agent: "agent".into(), source: "field".into(), payload_bytes_max: 1000, series_max: 10 }
}

/// The one source of a config, and its mistakes as they are shown.
fn read(text: &str, path: &Path) -> (Option<Box<dyn Source>>, String) {
    let document = Document::parse(path, text, |_| None);
    let mut root = document.root();
    let (_, mut table) = root.named_tables("sources").remove(0);
    let source = read_source(&mut table, &context()).map(|read| read.source);
    table.finish();
    let mistakes = document.mistakes().iter().map(|mistake| document.render(mistake)).collect();
    (source, mistakes)
}

fn check(case: &Path) -> Option<String> {
    let text = std::fs::read_to_string(case.join("config.toml")).unwrap();
    let (source, mistakes) = read(&text, Path::new("config.toml"));
    let (name, got) = match source {
        Some(source) => {
            let lines = Lines { out: Rc::new(RefCell::new(mistakes)), ..Lines::default() };
            let out = lines.out.clone();
            match source.payloads().cloned() {
                Some(payloads) => replay(&case.join("input.jsonl"), &payloads, lines),
                None => run(source, lines),
            }
            ("expected.jsonl", out.take())
        }
        None => ("expected.txt", mistakes),
    };
    let file = case.join(name);
    if std::env::var_os("HEADWATER_BLESS").is_some() {
        std::fs::write(&file, &got).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    (got != expected).then(|| format!("{}:\n--- expected\n{expected}--- got\n{got}", file.display()))
}

fn replay(input: &Path, payloads: &DecodeConfig, mut lines: Lines) {
    let mut recording = Recording::open(input, payloads, &context()).unwrap();
    while recording.step(&mut lines).unwrap() {}
}

/// Runs a source without payloads for ten seconds of the runtime's own time.
fn run(source: Box<dyn Source>, lines: Lines) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let (_stop, stopped) = watch::channel(false);
        let ran = timeout(Duration::from_millis(9_999), source.run(Box::new(lines), stopped));
        assert!(ran.await.is_err(), "a source runs until it is stopped");
    });
}

/// Writes down what a sink is told.
#[derive(Default)]
struct Lines {
    out: Rc<RefCell<String>>,
    series: Vec<String>,
    /// Of the series that comes next.
    unit: Option<String>,
}

impl Lines {
    fn push(&mut self, line: &serde_json::Value) {
        let mut out = self.out.borrow_mut();
        out.push_str(&line.to_string());
        out.push('\n');
    }
}

impl Sink for Lines {
    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
        if self.series.len() == context().series_max {
            return None;
        }
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let mut line = serde_json::json!({ "series": name, "labels": labels });
        if let Some(unit) = self.unit.take() {
            line["unit"] = unit.into();
        }
        self.push(&line);
        self.series.push(name.to_owned());
        Some(SeriesRef(u64::try_from(self.series.len() - 1).unwrap()))
    }

    fn unit(&mut self, unit: &str) {
        self.unit = Some(unit.to_owned());
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        let name = &self.series[series.0 as usize];
        let line = match stamp {
            Stamp::Event(ms) => serde_json::json!({ "reading": name, "time": ms, "value": value }),
            Stamp::Arrival => serde_json::json!({ "reading": name, "value": value }),
            Stamp::FromArrival(ms) => {
                serde_json::json!({ "reading": name, "from_arrival": ms, "value": value })
            }
        };
        self.push(&line);
    }

    fn refused(&mut self, count: u32) {
        self.push(&serde_json::json!({ "refused": count }));
    }

    fn empty(&mut self, count: u32) {
        self.push(&serde_json::json!({ "empty": count }));
    }

    fn filtered(&mut self, count: u32) {
        self.push(&serde_json::json!({ "filtered": count }));
    }

    fn retained(&mut self, count: u32) {
        self.push(&serde_json::json!({ "retained": count }));
    }

    fn repeated(&mut self, count: u32) {
        self.push(&serde_json::json!({ "repeated": count }));
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        let line = origin.rsplit_once(':').map_or(origin, |(_, line)| line);
        let why = why.to_string();
        self.push(&match line.parse::<u64>() {
            Ok(line) => serde_json::json!({ "invalid": why, "line": line }),
            Err(_) => serde_json::json!({ "invalid": why, "of": origin }),
        });
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}
