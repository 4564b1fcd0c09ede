//! A week of summaries through an agent with an output of each kind, one of which is down all the time.

use crate::agent::state_dir;
use crate::influxdb::InfluxDb;
use crate::{Agent, Gate, Kafka, Mosquitto, Options, Subscriber, TempDir, skip, wait_within};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// When the first window begins [ms since the Unix epoch], and the length of all.
const BEGIN_MS: usize = 1_700_000_040_000;
const SIZE_MS: usize = 120_000;

const SERIES: usize = 3;
const WINDOWS: usize = 7 * 24 * 30;
const SUMMARIES: usize = SERIES * WINDOWS;

/// A week's messages take their time through four outputs of a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// An output by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `mqtt`, to a broker that cannot be reached while it is down.
    Mqtt,
    /// `http`, to an InfluxDB that cannot be reached.
    Http,
    /// `file`, into a folder that is not there and cannot be made.
    File,
    /// `kafka`, to a broker that is killed.
    Kafka,
}

/// What the agent sends to, all of it running.
struct Upstream {
    broker: Gate,
    subscriber: Subscriber,
    database: InfluxDb,
    database_gate: Gate,
    cluster: Option<Kafka>,
    _mosquitto: Mosquitto,
}

/// Lets one output be down for a week, and then come back: the others have every summary by then and get none again, what waits is
/// on the disk once, as it is with this output alone, and the one that was down gets all of it.
///
/// # Panics
/// When something of that is not so.
pub fn without(down: Output, cluster: Option<Kafka>) {
    let Some(database) = InfluxDb::start("") else { return skip("no influxd here") };
    database.run("CREATE DATABASE home");
    let mosquitto = Mosquitto::with(&Options { quiet: true, inflight: 1_000, ..Options::default() });
    let mut upstream = Upstream {
        broker: Gate::to(mosquitto.port),
        subscriber: Subscriber::to(mosquitto.port, "headwater/#"),
        database_gate: Gate::to(database.port),
        database,
        cluster,
        _mosquitto: mosquitto,
    };
    if let Some(cluster) = &upstream.cluster {
        cluster.create("headwater.summary", 3, &[]);
    }
    let kinds = [Output::Mqtt, Output::Http, Output::File, Output::Kafka];
    let is_there = |kind: &Output| *kind != Output::Kafka || upstream.cluster.is_some();
    let all: Vec<Output> = kinds.into_iter().filter(is_there).collect();
    let (alone, place) = (TempDir::new(), TempDir::new());
    for dir in [&alone, &place] {
        write_week(dir);
    }
    upstream.broker.open();
    upstream.database_gate.open();
    upstream.set(&place, down, false);
    if down == Output::File {
        upstream.set(&alone, down, false);
    }
    let bytes_alone = upstream.run_without(down, &alone, &[down]);
    let bytes = upstream.run_without(down, &place, &all);
    for other in all.iter().filter(|other| **other != down) {
        assert_eq!(upstream.told(&place, *other), (SUMMARIES, SUMMARIES), "{other:?} while {down:?} is down");
    }
    assert!(
        bytes < bytes_alone * 11 / 10,
        "{bytes} bytes on the disk for {} outputs, {bytes_alone} for one",
        all.len()
    );
    println!(
        "{down:?} down: {bytes} bytes on the disk with {} outputs, {bytes_alone} with it alone",
        all.len()
    );
    upstream.set(&place, down, true);
    let agent = Agent::start(&place, &upstream.config(&place, &all));
    wait_within(PATIENCE, "the one that was down to have all", || {
        (upstream.told(&place, down).1 >= SUMMARIES).then_some(())
    });
    assert!(agent.terminate().success());
    for output in all {
        assert_eq!(upstream.told(&place, output), (SUMMARIES, SUMMARIES), "{output:?} in the end");
    }
}

impl Upstream {
    /// Takes an output down, or brings it back.
    fn set(&mut self, dir: &TempDir, output: Output, is_up: bool) {
        let blocked = dir.join("out");
        match (output, is_up) {
            (Output::Mqtt, false) => self.broker.close(),
            (Output::Mqtt, true) => self.broker.open(),
            (Output::Http, false) => self.database_gate.close(),
            (Output::Http, true) => self.database_gate.open(),
            (Output::File, false) => fs::write(blocked, "").expect("a file in the folder's place"),
            (Output::File, true) => fs::remove_file(blocked).expect("the file in the folder's place"),
            (Output::Kafka, false) => self.cluster.as_mut().expect("a cluster").kill9(),
            (Output::Kafka, true) => self.cluster.as_mut().expect("a cluster").restart(),
        }
    }

    fn config(&self, dir: &TempDir, outputs: &[Output]) -> String {
        let mut text = format!(
            "[agent]\nid = \"edge\"\nreport = \"1h\"\ncheckpoint = \"1s\"\n[sources.log]\ntype = \"file\"\npath = \"{}\"\n\
             series = \"{{id}}/{{field}}\"\ntime = \"ts\"\n[streams.main]\nwindow = {{ type = \"tumbling\", size = \"2m\" }}\n\
             lateness = \"0s\"\nidle = \"1h\"\naggregates = [\"count\", \"min\", \"max\", \"mean\"]\n\
             [buffer]\ndaily_writes = \"100GiB\"\n",
            dir.join("log.jsonl").display()
        );
        for output in outputs {
            let keys = match output {
                Output::Mqtt => format!("type = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"", self.broker.port),
                Output::Http => format!(
                    "type = \"http\"\nurl = \"http://127.0.0.1:{}/write?db=home\"\nformat = \"influx\"",
                    self.database_gate.port
                ),
                Output::File => {
                    let path = dir.join("out/{kind}-{n}.jsonl");
                    format!("type = \"file\"\npath = \"{}\"\nmax_size = \"1GiB\"", path.display())
                }
                Output::Kafka => {
                    let address = self.cluster.as_ref().map(Kafka::address).unwrap_or_default();
                    format!("type = \"kafka\"\nbrokers = \"{address}\"")
                }
            };
            let name = format!("{output:?}").to_lowercase();
            let _ = writeln!(text, "[outputs.{name}]\nkinds = [\"summary\"]\n{keys}");
        }
        text
    }

    /// Runs an agent with these outputs until all but the one that is down have the week. Returns the bytes of its buffer then.
    fn run_without(&self, down: Output, dir: &TempDir, outputs: &[Output]) -> u64 {
        let agent = Agent::start(dir, &self.config(dir, outputs));
        agent.wait_durable_within(PATIENCE, SERIES * (WINDOWS + 1));
        for output in outputs.iter().filter(|output| **output != down) {
            wait_within(PATIENCE, &format!("{output:?} to have all"), || {
                (self.told(dir, *output).1 >= SUMMARIES).then_some(())
            });
        }
        assert!(agent.terminate().success());
        bytes_below(&state_dir(dir).join("buffer"))
    }

    /// How many summaries an output has got, and how many different ones.
    fn told(&self, dir: &TempDir, output: Output) -> (usize, usize) {
        let ids = match output {
            Output::Mqtt => {
                let messages = self.subscriber.messages();
                return (messages.of("summary").count(), messages.count_ids("summary"));
            }
            Output::Http => {
                // It replaces a point that is told again, so that only different ones can be counted.
                let points = self.database.number("SELECT count(\"count\") FROM main") as usize;
                return (points, points);
            }
            Output::File => lines_below(&dir.join("out")),
            Output::Kafka => {
                let drained = self.cluster.iter().flat_map(|cluster| cluster.drain("headwater.summary"));
                drained.map(|record| record.value).collect()
            }
        };
        let ids: Vec<String> = ids.iter().map(|line| id_of(line)).collect();
        (ids.len(), ids.iter().collect::<BTreeSet<_>>().len())
    }
}

fn write_week(dir: &TempDir) {
    let (mut lines, mut chance) = (String::new(), fastrand::Rng::with_seed(7));
    for window in 0..=WINDOWS {
        for series in 0..SERIES {
            let (time, value) = (BEGIN_MS + window * SIZE_MS, 18.0 + 4.0 * chance.f64());
            let _ = writeln!(lines, r#"{{"ts":{time},"id":"bed-{series}","temp":{value:.2}}}"#);
        }
    }
    dir.write("log.jsonl", lines);
}

fn id_of(line: &str) -> String {
    let message: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    message["id"].as_str().expect("an id").to_owned()
}

fn entries(folder: &Path) -> Vec<fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten().collect()
}

/// The whole lines of the files in a folder, growing ones included.
fn lines_below(folder: &Path) -> Vec<String> {
    let texts = entries(folder).into_iter().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts
        .flat_map(|text| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.ends_with('\n'))
        .collect()
}

fn bytes_below(folder: &Path) -> u64 {
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries(folder).into_iter().map(bytes).sum()
}
