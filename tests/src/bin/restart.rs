//! How long an agent takes to go on after `kill -9` with a full journal: from the start of the program until it runs, its
//! state restored and its journal replayed. Run by `tests/bench restart`.

use headwater_tests::{Agent, Mosquitto, Options, Publisher, RuntimeDir, TempDir, wait_for};

/// A checkpoint is due at 2 MiB; so much lies there just before.
const FULL: u64 = 1_950_000;

/// Readings between two looks at the journal.
const AT_ONCE: usize = 2_000;

fn main() {
    for series in [10, 1_000, 10_000] {
        let mut times: Vec<(f64, u64, usize)> = (0..3).map(|_| measure(series)).collect();
        times.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (ms, bytes, readings) = times[1];
        println!(
            "{series:>6} series: {ms:.0} ms (aim: below 300) to go on with a journal of {:.2} MB, {readings} readings, {:.1} B \
             each",
            bytes as f64 / 1e6,
            bytes as f64 / readings as f64,
        );
    }
}

/// The time until the second agent runs (ms), the bytes of the journal that it found, and the readings in it.
fn measure(series: usize) -> (f64, u64, usize) {
    let broker = Mosquitto::with(&Options { quiet: true, ..Options::default() });
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let config = format!(
        "[agent]\nid = \"bench\"\ncheckpoint = \"1h\"\n[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n\
         qos = 1\ntopics = [\"bench/{{place}}/climate\"]\ntime = \"ts\"\nfields = [\"temp\"]\n[streams.main]\n\
         window = {{ type = \"tumbling\", size = \"1m\" }}\nidle = \"1h\"\n\
         aggregates = [\"count\", \"min\", \"max\", \"mean\", \"p95\"]\n[limits]\nseries = 10001\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n",
        port = broker.port
    );
    let agent = Agent::start_with(&dir, &config, &runtime.environment());
    // The second one is asked for by the report of the start.
    agent.wait_logs(&["checkpoint written"], 2);
    let mut publisher = Publisher::new(broker.port);
    let mut random = fastrand::Rng::with_seed(1);
    let mut readings = 0;
    while runtime.journal_bytes() < FULL {
        for reading in readings..readings + AT_ONCE {
            let time = 1_700_000_040_000_i64 + (reading / series) as i64 * 1_000;
            let payload = format!(r#"{{"ts":{time},"temp":{:.2}}}"#, 15.0 + 10.0 * random.f64());
            let topic = format!("bench/{}/climate", reading % series);
            publisher.publish(&topic, payload).expect("a publish");
        }
        publisher.flush().expect("the broker's acknowledgements");
        readings += AT_ONCE;
    }
    let bytes = runtime.journal_bytes();
    agent.kill9();
    let agent = Agent::start_with(&dir, &config, &runtime.environment());
    let line = wait_for("the agent to run", || {
        let log = agent.log();
        log.lines().filter(|line| line.contains(" running")).nth(1).map(str::to_owned)
    });
    // The log tells the time since the start of the program.
    let stamp = line.split('s').next().unwrap_or_default().trim().parse::<f64>().expect("a time in seconds");
    (stamp * 1e3, bytes, readings)
}
