//! What checkpoints write to flash in a minute while the uplink is up: 10, 200 and 1,000 series with a reading each a second,
//! and one in 10 s; windows of a minute with `mean`, `min`, `max`, `count` and `p95`, closed ones kept for late readings. Run
//! by `tests/bench flash [SERIES...]`; the journal lies on tmpfs, as the service has it.

use headwater_tests::process::status_kib;
use headwater_tests::{Agent, Mosquitto, Options, Publisher, RuntimeDir, TempDir};
use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

/// Series of each topic.
const FIELDS: usize = 10;

/// Minutes of readings from before, so that there are closed windows.
const PAST: i64 = 20;

/// How long is measured.
const MEASURED: Duration = Duration::from_secs(180);

fn main() {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|series| series.parse().ok()).collect();
    let all = if given.is_empty() { vec![10, 200, 1_000] } else { given };
    for every_s in [1, 10] {
        for series in &all {
            measure(*series, every_s);
        }
    }
}

fn measure(series: usize, every_s: u64) {
    let broker = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let config = format!(
        "[agent]\nid = \"bench\"\nlog = \"debug\"\n[sources.field]\ntype = \"mqtt\"\n\
         url = \"mqtt://127.0.0.1:{port}\"\ntopics = [\"bench/+\"]\ntime = \"ts\"\n[streams.main]\n\
         window = {{ type = \"tumbling\", size = \"1m\" }}\naggregates = [\"count\", \"min\", \"max\", \"mean\", \"p95\"]\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n",
        port = broker.port
    );
    let start_agent = || {
        let agent = Agent::start_with(&dir, &config, &runtime.environment());
        agent.wait_logs(&["source connected"], agent.log().matches(" running").count());
        agent
    };
    let agent = start_agent();
    let mut field =
        Field { publisher: Publisher::new(broker.port), random: fastrand::Rng::with_seed(1), series };
    let start = now_ms();
    for second in (-PAST * 60..0).step_by(every_s as usize) {
        field.publish(start + second * 1_000);
    }
    agent.wait_checkpoint();
    // The next run begins with a whole checkpoint of it all.
    assert!(agent.terminate().success());
    let agent = start_agent();
    field.publish(now_ms());
    agent.wait_checkpoint();
    let (begin, before, lines) = (Instant::now(), storage_bytes(agent.pid()), written(&agent).len());
    let mut at = begin;
    while begin.elapsed() < MEASURED {
        field.publish(now_ms());
        at += Duration::from_secs(every_s);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
    }
    let minutes = begin.elapsed().as_secs_f64() / 60.0;
    let (all, log) = (storage_bytes(agent.pid()) - before, written(&agent));
    let new = &log[lines..];
    let kib = |is_whole: bool| {
        let bytes = new.iter().filter(|write| write.is_whole == is_whole).map(|write| write.bytes);
        bytes.fold(0.0, |sum, bytes| sum + bytes) / 1_024.0 / minutes
    };
    println!(
        "{series:>5} series, a reading each in {every_s:>2} s: {:.1} KiB a minute as changes, {:.1} KiB as {} whole ones, \
         {:.1} checkpoints a minute; storage took {:.1} KiB; RSS {:.1} MB, peak {:.1} MB",
        kib(false),
        kib(true),
        new.iter().filter(|write| write.is_whole).count(),
        new.len() as f64 / minutes,
        all / 1_024.0 / minutes,
        megabytes(agent.pid(), "VmRSS"),
        megabytes(agent.pid(), "VmHWM"),
    );
}

fn megabytes(pid: u32, key: &str) -> f64 {
    status_kib(pid, key).expect("a running agent") as f64 * 1_024.0 / 1e6
}

/// Who publishes.
struct Field {
    publisher: Publisher,
    random: fastrand::Rng,
    series: usize,
}

impl Field {
    /// A reading of every series.
    fn publish(&mut self, time_ms: i64) {
        for topic in 0..self.series.div_ceil(FIELDS) {
            let mut payload = format!("{{\"ts\":{time_ms}");
            for field in 0..FIELDS {
                let _ = write!(payload, ",\"f{field}\":{:.2}", 15.0 + 10.0 * self.random.f64());
            }
            self.publisher.publish(&format!("bench/{topic}"), payload + "}").expect("a publish");
        }
        self.publisher.flush().expect("the broker's acknowledgements");
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock that is set");
    i64::try_from(since.as_millis()).expect("a time of ours")
}

/// A checkpoint that the agent's log tells of.
struct Write {
    bytes: f64,
    is_whole: bool,
}

/// All of them.
fn written(agent: &Agent) -> Vec<Write> {
    let log = agent.log();
    let lines = log.lines().filter(|line| line.contains("checkpoint written"));
    let bytes = |line: &str| {
        let bytes = line.split_whitespace().find_map(|word| word.strip_prefix("bytes="))?;
        Some(Write { bytes: bytes.parse().ok()?, is_whole: line.contains("is_whole=true") })
    };
    lines.filter_map(bytes).collect()
}

/// What a process has caused to be written to storage, whole pages (bytes).
fn storage_bytes(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("a running agent");
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0.0)
}
