//! Summaries a second from a full buffer through each output, beside a bare client that has their text in memory: the same number
//! over the same way, in turn, compressed where the output compresses. CPU is that of the agent from its start to the last one.
//!
//! `outputs [SUMMARIES] [ROUNDS] [OUTPUT...]`; run by `tests/bench outputs`. OUTPUT: `http-influx`, `http-json` (to a server that
//! answers and does nothing else), `influxdb` (a real one, in line protocol), `mqtt`, `file`, `kafka` (a program with that
//! feature, and Java); default: all but Kafka.

use headwater_tests::agent::state_dir;
use headwater_tests::influxdb::InfluxDb;
use headwater_tests::ports::free_port;
use headwater_tests::process::cpu_seconds;
use headwater_tests::sink::{HttpSink, SunkRequest};
use headwater_tests::{Agent, Kafka, Mosquitto, Options, RuntimeDir, Subscriber, TempDir, bare, wait_within};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const SERIES: usize = 100;

/// Readings of each series that the full buffer is made of at a time.
const STEPS_AT_ONCE: usize = 200;

/// When the first window begins [ms since the Unix epoch].
const START: usize = 1_600_000_000_000;

/// After so long without a message, all are there.
const QUIET: Duration = Duration::from_secs(3);

/// A drain takes no longer.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let number =
        |at: usize, default| arguments.get(at).map_or(default, |text| text.parse().expect("a number"));
    let (summaries, rounds) = (number(0, 100_000) / SERIES * SERIES, number(1, 3));
    let named: Vec<&str> = arguments.iter().skip(2).map(String::as_str).collect();
    let all = ["http-influx", "http-json", "influxdb", "mqtt", "file"];
    let outputs = if named.is_empty() { &all[..] } else { &named };
    let full = FullBuffer::new(summaries);
    println!(
        "{summaries} summaries of {SERIES} series wait, {rounds} rounds; CPU of the agent in us a summary"
    );
    println!("{:>12} {:>9} {:>9} {:>6} {:>6} {:>8}", "output", "bare/s", "agent/s", "ratio", "CPU", "bytes");
    for output in outputs {
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let Some(drained) = full.drain(output) else { break };
            let ratio = drained.agent_per_s / drained.bare_per_s;
            println!(
                "{output:>12} {:>9.0} {:>9.0} {ratio:>6.2} {:>6.1} {:>8.1}",
                drained.bare_per_s, drained.agent_per_s, drained.cpu_us, drained.bytes
            );
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        if let Some(median) = ratios.get(ratios.len() / 2) {
            println!("{output}: median ratio {median:.2} (aim: at least 0.7)");
        }
    }
}

/// What a drain gave.
struct Drained {
    bare_per_s: f64,
    agent_per_s: f64,
    /// CPU time of the agent (us a summary).
    cpu_us: f64,
    /// Bytes a summary on the wire, headers of requests included.
    bytes: f64,
}

/// The state of an agent whose output was away, to begin with again and again.
struct FullBuffer {
    dir: TempDir,
    summaries: usize,
}

/// An agent on a copy of the full buffer, with another output.
struct Drain {
    agent: Agent,
    dir: TempDir,
    began: Instant,
    _runtime: RuntimeDir,
}

impl FullBuffer {
    fn new(summaries: usize) -> Self {
        let dir = TempDir::new();
        let full = Self { dir, summaries };
        let mut log = File::create(full.dir.join("log.jsonl")).expect("a file");
        let runtime = RuntimeDir::new();
        let nobody = format!("type = \"http\"\nurl = \"http://127.0.0.1:{}/\"\n", free_port());
        let agent = Agent::start_with(&full.dir, &full.config(&nobody), &runtime.environment());
        let (mut lines, mut chance) = (String::new(), fastrand::Rng::with_seed(7));
        let steps = summaries / SERIES;
        for step in 0..=steps {
            for series in 0..SERIES {
                let (time, value) = (START + step * 1_000, 18.0 + 4.0 * chance.f64());
                let _ = writeln!(lines, r#"{{"ts":{time},"id":"bed-{series}","temp":{value:.2}}}"#);
            }
            // No more at once than memory holds: the disk may be slower than the reading.
            if step % STEPS_AT_ONCE == 0 || step == steps {
                log.write_all(lines.as_bytes()).expect("lines");
                lines.clear();
                let received = format!("received={}", (step + 1) * SERIES);
                wait_within(PATIENCE, "all readings", || agent.log().contains(&received).then_some(()));
            }
        }
        assert!(!agent.log().contains("messages lost"), "the disk is too slow to fill the buffer");
        assert!(agent.terminate().success());
        full
    }

    fn config(&self, output: &str) -> String {
        format!(
            "[agent]\nid = \"bench\"\ncheckpoint = \"1s\"\nreport = \"1h\"\n[sources.log]\ntype = \"file\"\npath = \"{}\"\n\
             series = \"greenhouse/{{id}}/{{field}}\"\nlabels = {{ bed = \"{{id}}\" }}\ntime = \"ts\"\ntime_format = \"unix_ms\"\n\
             [streams.climate]\nwindow = {{ type = \"tumbling\", size = \"1s\" }}\nlateness = \"0s\"\nidle = \"1h\"\n\
             aggregates = [\"count\", \"min\", \"max\", \"mean\", \"stddev\", \"p95\"]\n\
             [buffer]\nmax_size = \"2GiB\"\ndaily_writes = \"1000GiB\"\n\
             [outputs.cloud]\nkinds = [\"summary\"]\n{output}\n",
            self.dir.join("log.jsonl").display()
        )
    }

    fn begin(&self, output: &str) -> Drain {
        let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
        let copied = Command::new("cp").arg("-r").arg(state_dir(&self.dir)).arg(&*dir).status();
        assert!(copied.is_ok_and(|status| status.success()), "a copy of the state");
        let agent = Agent::start_with(&dir, &self.config(output), &runtime.environment());
        agent.wait_log(&["output connected"]);
        Drain { agent, dir, began: Instant::now(), _runtime: runtime }
    }

    fn drain(&self, output: &str) -> Option<Drained> {
        match output {
            "http-influx" => Some(self.http("/write?db=home", "format = \"influx\"", None)),
            "http-json" => Some(self.http("/in", "format = \"json\"", None)),
            "influxdb" => {
                let database = InfluxDb::start("")?;
                database.run("CREATE DATABASE home");
                Some(self.http("/write?db=home", "format = \"influx\"", Some(&database)))
            }
            "mqtt" => Some(self.mqtt()),
            "file" => Some(self.file()),
            "kafka" => self.kafka(),
            other => panic!("no output is named {other}"),
        }
    }

    fn http(&self, path: &str, keys: &str, database: Option<&InfluxDb>) -> Drained {
        let sink = HttpSink::start(database.map(|database| database.port));
        let url = format!("http://127.0.0.1:{}{path}", sink.port);
        let drain = self.begin(&format!("type = \"http\"\nurl = \"{url}\"\n{keys}\n"));
        let count = || sink.requests().iter().map(|request| request.messages()).sum::<usize>();
        let seen = || sink.last().filter(|at| at.elapsed() > QUIET && count() >= self.summaries);
        let ended = wait_within(PATIENCE, "all summaries", seen);
        let (cpu_us, requests) = (self.cpu_us(&drain), sink.requests());
        drop(drain.agent);
        if let Some(database) = database {
            database.run("DROP DATABASE home");
            database.run("CREATE DATABASE home");
        }
        let (told, bytes) = (count() as f64, requests.iter().map(|request| request.raw.len()).sum::<usize>());
        let texts: Vec<Vec<u8>> = requests.iter().map(SunkRequest::text).collect();
        let is_gzip = requests.iter().any(SunkRequest::is_gzip);
        let seconds = bare::http_poster(sink.port, path, &texts, is_gzip);
        Drained {
            bare_per_s: told / seconds,
            agent_per_s: told / ended.duration_since(drain.began).as_secs_f64(),
            cpu_us,
            bytes: bytes as f64 / told,
        }
    }

    fn mqtt(&self) -> Drained {
        let broker = Mosquitto::with(&Options { quiet: true, inflight: 1_000, ..Options::default() });
        let subscriber = Subscriber::to(broker.port, "headwater/#");
        let drain = self.begin(&format!("type = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port));
        let (messages, all) =
            subscriber.wait_at_most(PATIENCE, |messages| messages.of("summary").count() >= self.summaries);
        assert!(all, "all summaries");
        let cpu_us = self.cpu_us(&drain);
        drop(drain.agent);
        let ended = messages.iter().map(|message| message.at).max().expect("a message");
        let last = messages.of("summary").last().expect("a summary").clone();
        subscriber.forget();
        Drained {
            bare_per_s: bare::mqtt_publisher(broker.port, &last.topic, self.summaries, last.payload.len()),
            agent_per_s: self.summaries as f64 / ended.duration_since(drain.began).as_secs_f64(),
            cpu_us,
            bytes: (last.topic.len() + last.payload.len()) as f64,
        }
    }

    /// The bare client syncs once a second, as the output does.
    fn file(&self) -> Drained {
        let out = TempDir::new();
        let path = out.join("{kind}-{n}.jsonl");
        let drain =
            self.begin(&format!("type = \"file\"\npath = \"{}\"\nmax_size = \"1GiB\"\n", path.display()));
        let mut state = (0, Instant::now());
        wait_within(PATIENCE, "all summaries", || {
            let bytes = bytes_in(&out);
            if bytes != state.0 {
                state = (bytes, Instant::now());
            }
            (state.1.elapsed() > QUIET && lines_in(&out) >= self.summaries).then_some(())
        });
        let cpu_us = self.cpu_us(&drain);
        let (agent_s, told) = (state.1.duration_since(drain.began).as_secs_f64(), lines_in(&out) as f64);
        let text = text_in(&out);
        drop(drain.agent);
        let mut file = File::create(drain.dir.join("bare.jsonl")).expect("a file");
        let (began, mut synced) = (Instant::now(), Instant::now());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            file.write_all(line).expect("a line");
            if synced.elapsed() > Duration::from_secs(1) {
                file.sync_data().expect("a sync");
                synced = Instant::now();
            }
        }
        file.sync_data().expect("a sync");
        Drained {
            bare_per_s: told / began.elapsed().as_secs_f64(),
            agent_per_s: told / agent_s,
            cpu_us,
            bytes: text.len() as f64 / told,
        }
    }

    /// The bare client is Java's producer.
    fn kafka(&self) -> Option<Drained> {
        let broker = Kafka::start()?;
        broker.create("headwater.summary", 3, &[]);
        broker.create("bare", 3, &[]);
        let drain = self.begin(&format!("type = \"kafka\"\nbrokers = \"{}\"\n", broker.address()));
        // Java's client asks too much of the machine to be asked while the agent works.
        let mut cpu = (0.0, Instant::now());
        let records = wait_within(PATIENCE, "all summaries", || {
            let now = cpu_seconds(drain.agent.pid()).expect("a running agent");
            if now - cpu.0 > 0.02 {
                cpu = (now, Instant::now());
            }
            let records = (cpu.1.elapsed() > QUIET).then(|| broker.drain("headwater.summary"))?;
            cpu.1 = Instant::now();
            (records.len() >= self.summaries).then_some(records)
        });
        let cpu_us = self.cpu_us(&drain);
        drop(drain.agent);
        let times = records.iter().map(|record| record.time);
        let took_ms = times.clone().max().expect("a record") - times.min().expect("a record");
        let bytes = records.iter().map(|record| record.value.len()).sum::<usize>() / records.len();
        let bare = broker.client(&["rate", "bare", &self.summaries.to_string(), &bytes.to_string()]);
        Some(Drained {
            bare_per_s: bare.trim().parse().expect("a number"),
            agent_per_s: records.len() as f64 / (took_ms as f64 / 1e3),
            cpu_us,
            bytes: bytes as f64,
        })
    }

    fn cpu_us(&self, drain: &Drain) -> f64 {
        cpu_seconds(drain.agent.pid()).expect("a running agent") * 1e6 / self.summaries as f64
    }
}

fn files_in(folder: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn bytes_in(folder: &Path) -> u64 {
    files_in(folder).filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum()
}

fn text_in(folder: &Path) -> Vec<u8> {
    files_in(folder).flat_map(|path| std::fs::read(path).unwrap_or_default()).collect()
}

fn lines_in(folder: &Path) -> usize {
    text_in(folder).iter().filter(|byte| **byte == b'\n').count()
}
