//! What the buffer costs and yields in the running agent: bytes written with the uplink up and down, a spool of 256 MiB
//! (memory, time to start on it), and how fast it drains into mosquitto beside a bare rumqttc publisher. The agent has the
//! environment that the service gives it: without it, filling takes twice the memory.
//!
//! `buffer [MESSAGES]`; run by `tests/bench buffer`. The parts by themselves: `cargo bench -p headwater-forwarder`.

use headwater_tests::agent::state_dir;
use headwater_tests::process::status_kib;
use headwater_tests::{
    Agent, Gate, Mosquitto, Options, Publisher, RuntimeDir, Subscriber, TempDir, bare, now_ms, wait_for,
};
use std::path::Path;
use std::time::{Duration, Instant};

/// Makes the messages' bodies about 256 B long.
const PADDING: &str =
    "a-label-that-is-as-long-as-labels-are-where-somebody-describes-a-whole-building-in-one";

/// Messages of the part with the uplink up.
const ONLINE: usize = 40_000;

/// They come in such bursts, one a second. A flood that the broker does not acknowledge within a second goes to disk.
const ONLINE_PER_S: usize = 2_000;

fn main() {
    let messages = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    online();
    offline(messages);
}

struct Field {
    source: Mosquitto,
    uplink: Mosquitto,
    gate: Gate,
    reports: Subscriber,
    dir: TempDir,
    runtime: RuntimeDir,
    published: usize,
}

impl Field {
    fn new() -> Self {
        let quiet = || Mosquitto::with(&Options { quiet: true, ..Options::default() });
        let (source, uplink) = (quiet(), quiet());
        let (gate, reports) = (Gate::to(uplink.port), Subscriber::to(uplink.port, "headwater/bench/report"));
        let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
        Self { source, uplink, gate, reports, dir, runtime, published: 0 }
    }

    fn agent(&self, max_size: &str) -> Agent {
        let (source, gate) = (self.source.port, self.gate.port);
        let config = format!(
            "[agent]\nid = \"bench\"\ncheckpoint = \"1h\"\nreport = \"1s\"\n\
             [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{source}\"\nqos = 1\ntopics = [\"sensors/{{place}}\"]\n\
             fields = [\"n\"]\ntime = \"ts\"\ntime_format = \"unix_ms\"\nlabels = {{ note = \"{PADDING}\" }}\n\
             [streams.raw]\nwindow = {{ type = \"none\" }}\n\
             [buffer]\nmax_size = \"{max_size}\"\ndaily_writes = \"1000GiB\"\n\
             [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{gate}\"\nformat = \"cbor\"\n"
        );
        Agent::start_with(&self.dir, &config, &self.runtime.environment())
    }

    fn wait_subscribed(&self, agent: &Agent) {
        agent.wait_log(&["source connected"]);
        std::thread::sleep(Duration::from_millis(500));
    }

    fn publish(&mut self, count: usize) {
        let mut publisher = Publisher::new(self.source.port);
        for n in self.published..self.published + count {
            let payload = format!(r#"{{"ts":{},"n":{n}}}"#, 1_600_000_000_000 + n);
            publisher.publish("sensors/a", payload).expect("a publish");
        }
        publisher.flush().expect("the broker's acknowledgements");
        self.published += count;
    }

    /// Waits for a live report made from now on that says that no message waits.
    fn wait_drained(&self) {
        let from = now_ms();
        loop {
            let (_, drained) = self.reports.wait_at_most(Duration::from_secs(600), |messages| {
                let now = messages.of("report").filter(|report| report.integer("from") >= from);
                now.into_iter().any(|report| report.map["total"]["messages"]["waiting"] == 0)
            });
            if drained {
                return;
            }
        }
    }
}

fn written(agent: &Agent) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/io", agent.pid())).expect("a running agent");
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).expect("a count");
    line.parse().expect("a number")
}

fn rss_mb(agent: &Agent) -> f64 {
    megabytes(agent, "VmRSS")
}

/// The most it has ever been.
fn peak_mb(agent: &Agent) -> f64 {
    megabytes(agent, "VmHWM")
}

fn megabytes(agent: &Agent, key: &str) -> f64 {
    status_kib(agent.pid(), key).expect("a running agent") as f64 * 1_024.0 / 1e6
}

fn size_of(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let size = |path: std::path::PathBuf| {
        if path.is_dir() { size_of(&path) } else { path.metadata().map_or(0, |data| data.len()) }
    };
    entries.map(size).sum()
}

fn online() {
    let mut field = Field::new();
    field.gate.open();
    let agent = field.agent("256MiB");
    field.wait_subscribed(&agent);
    field.wait_drained();
    let before = written(&agent);
    for _ in 0..ONLINE / ONLINE_PER_S {
        field.publish(ONLINE_PER_S);
        std::thread::sleep(Duration::from_secs(1));
    }
    field.wait_drained();
    println!("uplink up: {ONLINE} messages, {ONLINE_PER_S} at a time, RSS {:.1} MB", rss_mb(&agent));
    println!("  {} bytes written to disk (aim: none)", written(&agent) - before);
    assert!(!state_dir(&field.dir).join("buffer").exists(), "the buffer was used");
}

fn offline(messages: usize) {
    const BUFFER: u64 = 256 << 20;
    let mut field = Field::new();
    let agent = field.agent("2GiB");
    field.wait_subscribed(&agent);
    let buffer = state_dir(&field.dir).join("buffer");
    let (before, began) = (written(&agent), Instant::now());
    while size_of(&buffer) < BUFFER {
        field.publish(10_000);
    }
    let (at, rate) = (field.published, field.published as f64 / began.elapsed().as_secs_f64());
    let per_message = (written(&agent) - before) as f64 / at as f64;
    println!(
        "uplink down: {at} messages at {rate:.0}/s fill 256 MiB, RSS at most {:.1} MB (aim: below 40 MB)",
        peak_mb(&agent)
    );
    assert!(agent.terminate().success());

    let began = Instant::now();
    let agent = field.agent("2GiB");
    // Its log goes on where the one before it ended.
    wait_for("the agent to run", || (agent.log().matches(" running").count() >= 2).then_some(()));
    println!("  start on it: {:.2} s (aim: below 1 s)", began.elapsed().as_secs_f64());
    std::thread::sleep(Duration::from_secs(2));
    println!("  RSS {:.1} MB with the full spool (aim: below 40 MB)", rss_mb(&agent));
    while field.published < messages {
        field.publish(10_000);
    }
    std::thread::sleep(Duration::from_secs(2));

    field.gate.open();
    wait_for("the line", || agent.log().contains("output connected").then_some(()));
    let began = Instant::now();
    field.wait_drained();
    let drained = field.published as f64 / began.elapsed().as_secs_f64();
    let peak = peak_mb(&agent);
    println!(
        "drain of {} messages: {drained:.0}/s, RSS at most {peak:.1} MB (aim: below 40 MB)",
        field.published
    );
    std::thread::sleep(Duration::from_secs(3));
    println!("  {} bytes left on disk, RSS {:.1} MB", size_of(&buffer), rss_mb(&agent));
    let payload = body_bytes(&mut field);
    println!("  {per_message:.0} bytes written for a body of {payload}: {:.2}", per_message / payload as f64);
    let topic = "headwater/bench/backfill/reading/raw/sensors/a/n";
    let bare = bare::mqtt_publisher(field.gate.port, topic, field.published, payload);
    println!("  bare rumqttc publisher: {bare:.0}/s; ratio {:.2} (aim: at least 0.6)", drained / bare);
}

/// Bytes of one message's body.
fn body_bytes(field: &mut Field) -> usize {
    let sample = Subscriber::to(field.uplink.port, "headwater/bench/reading/#");
    field.publish(1);
    let messages = sample.wait_until("one message", |messages| !messages.is_empty());
    messages[0].payload.len()
}
