//! What a checkpoint of 10,000 series costs that have all changed: to take (the agent stands still), and to write, whole
//! or as what has changed, beside a plain file of the same size, written and synced; and with a `p95`. Run by
//! `tests/bench checkpoint`, in the folder for temporary files: its disk decides.

use headwater_tests::{Agent, Mosquitto, Options, Publisher, RuntimeDir, TempDir};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const TOPICS: usize = 1_000;
/// Series of each topic.
const FIELDS: usize = 10;
/// Checkpoints that are looked at.
const ROUNDS: usize = 20;

fn main() {
    for aggregates in ["\"count\", \"min\", \"max\", \"mean\"", "\"count\", \"mean\", \"p95\""] {
        let mut all = measure(aggregates);
        // The first ones are of fewer series.
        let largest = all
            .iter()
            .filter(|checkpoint| checkpoint.is_whole)
            .map(|checkpoint| checkpoint.bytes)
            .fold(0.0, f64::max);
        all.retain(|checkpoint| !checkpoint.is_whole || checkpoint.bytes > 0.8 * largest);
        for (is_whole, form) in [(true, "whole"), (false, "as what has changed")] {
            let checkpoints = || all.iter().filter(|checkpoint| checkpoint.is_whole == is_whole);
            let bytes = median(checkpoints().map(|checkpoint| checkpoint.bytes));
            let taken = median(checkpoints().map(|checkpoint| checkpoint.taken_us)) / 1e3;
            let written = median(checkpoints().map(|checkpoint| checkpoint.written_us)) / 1e3;
            let in_all = checkpoints().map(|checkpoint| checkpoint.taken_us + checkpoint.written_us);
            let worst = in_all.fold(0.0, f64::max) / 1e3;
            let plain = plain_ms(bytes as usize);
            println!(
                "{} series, {aggregates}, {} {form}: {:.2} MB; taken in {taken:.1} ms, on disk in {written:.1} ms: {:.1} ms \
                 in all (aim: below 50), at worst {worst:.1}; a plain file of that size, synced: {plain:.1} ms",
                TOPICS * FIELDS,
                checkpoints().count(),
                bytes / 1e6,
                taken + written,
            );
        }
    }
}

/// What the log says of a checkpoint.
struct Logged {
    bytes: f64,
    taken_us: f64,
    written_us: f64,
    is_whole: bool,
}

/// Checkpoints, mostly of all series.
fn measure(aggregates: &str) -> Vec<Logged> {
    let broker = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let agent = Agent::start_with(
        &dir,
        &format!(
            "[agent]\nid = \"bench\"\nlog = \"debug\"\ncheckpoint = \"1s\"\n[sources.field]\ntype = \"mqtt\"\n\
             url = \"mqtt://127.0.0.1:{port}\"\ntopics = [\"bench/+\"]\ntime = \"ts\"\n[streams.main]\n\
             window = {{ type = \"tumbling\", size = \"1h\" }}\naggregates = [{aggregates}]\n\
             [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n[buffer]\ndaily_writes = \"1TiB\"\n",
            port = broker.port
        ),
        &runtime.environment(),
    );
    agent.wait_log(&["source connected"]);
    let mut publisher = Publisher::new(broker.port);
    let mut random = fastrand::Rng::with_seed(1);
    let mut step = 0;
    while written(&agent).len() < ROUNDS + 5 {
        for topic in 0..TOPICS {
            let mut payload = format!("{{\"ts\":{}", 1_700_000_000_000_i64 + step * 1_000);
            for field in 0..FIELDS {
                let _ = write!(payload, ",\"f{field}\":{:.2}", 15.0 + 10.0 * random.f64());
            }
            publisher.publish(&format!("bench/{topic}"), payload + "}").expect("a publish");
        }
        publisher.flush().expect("the broker's acknowledgements");
        step += 1;
        std::thread::sleep(Duration::from_millis(300));
    }
    written(&agent)
}

/// What the agent's log says of its checkpoints.
fn written(agent: &Agent) -> Vec<Logged> {
    let log = agent.log();
    let lines = log.lines().filter(|line| line.contains("checkpoint written"));
    let number = |line: &str, key: &str| {
        let digits = line.split_once(key).map_or("", |(_, rest)| rest).trim_start_matches('=');
        digits
            .split(|c: char| !c.is_ascii_digit())
            .next()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0.0)
    };
    let logged = |line: &str| Logged {
        bytes: number(line, " bytes"),
        taken_us: number(line, "taken_us"),
        written_us: number(line, "written_us"),
        is_whole: line.contains("is_whole=true"),
    };
    lines.map(logged).collect()
}

/// The time to write so many bytes to a file of its own, synced (ms); the median of several.
fn plain_ms(bytes: usize) -> f64 {
    let dir = TempDir::new();
    let body = vec![0x5a; bytes];
    let once = |number: usize| {
        let start = Instant::now();
        let path: &Path = &dir.join(format!("plain-{number}"));
        let mut file = File::create(path).expect("a file");
        file.write_all(&body).expect("a written file");
        file.sync_all().expect("a synced file");
        start.elapsed().as_secs_f64() * 1e3
    };
    median((0..ROUNDS).map(once))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
