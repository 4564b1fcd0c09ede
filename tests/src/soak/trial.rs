//! Two brokers, a line that is cut now and then, a load, and one agent after another.

use super::ledger::{Ledger, WINDOW_MS};
use super::load::{Load, knock};
use crate::agent::{run, state_dir};
use crate::machine::in_boot;
use crate::{Agent, Gate, Mosquitto, Options, Subscriber, TempDir, now_ms, wait_for};
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Readings that were with the sensors' broker before the last checkpoint but this many are safe: the agent has had two
/// intervals of [`CHECKPOINT`] to take them.
const CHECKPOINTS_BACK: usize = 2;

/// Windows close after so long without a reading (ms): longer than a busy machine lets the load stand still, because what comes
/// then is late.
const IDLE_MS: i64 = 10_000;

/// How often the agents write one.
pub(super) const CHECKPOINT: &str = "100ms";

/// With everything at work, something arrives within this time, or nothing is left to arrive.
const PROGRESS_WITHIN: Duration = Duration::from_secs(60);

/// What a life that ends by force may cost.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Cost {
    Nothing,
    /// What came after the last checkpoint, and this long before it.
    SinceCheckpoint(Duration),
    /// Messages made so long before the end; in windows, what came after the last checkpoint.
    TheLast(Duration),
}

pub(super) struct Trial {
    source: Mosquitto,
    _uplink: Mosquitto,
    subscriber: Subscriber,
    pub(super) gate: Gate,
    pub(super) dir: TempDir,
    pub(super) load: Load,
    pub(super) ledger: Ledger,
    pub(super) rng: fastrand::Rng,
    /// The boot that the agents are told of; 0: that of the host.
    pub(super) boot: u32,
    /// Below this, the readings' own messages are safe.
    safe: usize,
    /// Below this, windows hold the readings safely.
    safe_in_windows: usize,
}

impl Trial {
    pub(super) fn new(dir: TempDir) -> Self {
        let quiet = || Mosquitto::with(&Options { quiet: true, ..Options::default() });
        let (source, uplink) = (quiet(), quiet());
        let subscriber = Subscriber::new(uplink.port);
        let gate = Gate::to(uplink.port);
        let rng = fastrand::Rng::new();
        // The first agent's session must be there before the load begins.
        let mut trial = Self {
            load: Load::idle(),
            subscriber,
            gate,
            dir,
            ledger: Ledger::default(),
            rng,
            boot: 0,
            safe: 0,
            safe_in_windows: 0,
            source,
            _uplink: uplink,
        };
        trial.gate.open();
        let agent = trial.start("sync = \"200ms\"");
        wait_for("the agent to hear", || {
            knock(trial.source.port);
            (trial.subscriber.messages().of("reading").count() > 0).then_some(())
        });
        trial.load = Load::start(trial.source.port);
        assert!(agent.terminate().success());
        trial
    }

    /// The next agent; `buffer` are lines of its `[buffer]`.
    pub(super) fn start(&self, buffer: &str) -> Agent {
        self.start_with(CHECKPOINT, false, buffer)
    }

    /// As [`Trial::start`], with a checkpoint at the start and then at every `checkpoint`; `durable`: the source
    /// acknowledges what a checkpoint holds.
    pub(super) fn start_with(&self, checkpoint: &str, durable: bool, buffer: &str) -> Agent {
        let ack = if durable { "ack = \"durable\"" } else { "" };
        let (source, gate) = (self.source.port, self.gate.port);
        let config = format!(
            "[agent]\nid = \"soak\"\ncheckpoint = \"{checkpoint}\"\nreport = \"1s\"\n\
             [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{source}\"\nqos = 1\ntopics = [\"sensors/{{place}}\"]\n\
             fields = [\"n\"]\ntime = \"ts\"\ntime_format = \"unix_ms\"\n{ack}\n\
             [streams.raw]\nwindow = {{ type = \"none\" }}\n\
             [streams.main]\nwindow = {{ type = \"tumbling\", size = \"{WINDOW_MS}ms\" }}\nlateness = \"0s\"\nidle = \"{IDLE_MS}ms\"\n\
             aggregates = [\"count\", \"min\", \"max\", \"p95\"]\n\
             [buffer]\ndaily_writes = \"1000GiB\"\n{buffer}\n\
             [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{gate}\"\n"
        );
        if self.boot == 0 {
            return Agent::start(&self.dir, &config);
        }
        Agent::start_by(&self.dir, &config, &[], |program| in_boot(&self.dir, self.boot, program))
    }

    /// Opens and cuts the line, a few times within a random time (ms).
    pub(super) fn weather(&mut self, ms: std::ops::Range<u64>) {
        let mut left = self.rng.u64(ms);
        while left > 0 {
            if self.rng.u8(..4) > 0 {
                self.gate.open()
            } else {
                self.gate.close()
            }
            let step = self.rng.u64(1..=left.min(700));
            std::thread::sleep(Duration::from_millis(step));
            left -= step;
        }
    }

    /// A life has ended by force at `end`: what was not safe by then may be missing.
    pub(super) fn on_end(&mut self, watch: &CheckpointWatch, end: usize, may: Cost) {
        let (slack, by_time) = match may {
            Cost::Nothing => (Duration::ZERO, None),
            Cost::SinceCheckpoint(slack) => (slack, None),
            Cost::TheLast(spell) => (spell, watch.ended().checked_sub(spell)),
        };
        if let Some(moment) = watch.checkpoint_before(CHECKPOINTS_BACK).and_then(|at| at.checked_sub(slack)) {
            self.safe_in_windows = self.safe_in_windows.max(self.load.published_at(moment));
        }
        let by_time = by_time.map_or(0, |moment| self.load.published_at(moment));
        self.safe = self.safe.max(self.safe_in_windows).max(by_time);
        if may != Cost::Nothing {
            self.ledger.forgive(self.safe..end, self.safe_in_windows..end);
        }
        self.ledger.take(&self.subscriber.take_all());
    }

    /// Messages that came again so far.
    pub(super) fn repeats(&self) -> usize {
        self.ledger.repeats
    }

    pub(super) fn watch(&self) -> CheckpointWatch {
        CheckpointWatch::start(state_dir(&self.dir).join("windows.checkpoint"))
    }

    /// The line is mended and nobody is killed any more: all that is safe arrives. The last words.
    ///
    /// # Panics
    /// When something is missing.
    pub(super) fn settle(&mut self, buffer: &str, durable: bool) -> String {
        let count = self.load.stop();
        self.gate.open();
        let mut agent = self.start_with(CHECKPOINT, durable, buffer);
        let (mut progress, windows_closed) = (Instant::now(), now_ms() + IDLE_MS + 2_000);
        loop {
            let messages = self.subscriber.take_all();
            if messages.of("reading").next().is_some() {
                progress = Instant::now();
                self.ledger.take(&messages);
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            self.ledger.take(&messages);
            let wrong = self.ledger.wrong_windows(self.load.start_ms, count);
            let missing = self.ledger.missing(count);
            let (told, waiting) = self.ledger.waiting;
            if missing.is_empty() && wrong.is_empty() && told > windows_closed && waiting == 0 {
                break;
            }
            assert!(
                progress.elapsed() < PROGRESS_WITHIN,
                "{} of {count} are missing, the first {:?}; {waiting} messages wait; windows: {wrong:?}; {}",
                missing.len(),
                missing.get(..missing.len().min(20)),
                self.ledger.reported()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        agent.check_running();
        assert!(agent.terminate().success());
        self.check_empty();
        self.ledger.take(&self.subscriber.take_all());
        assert_eq!(self.ledger.lost, 0, "messages that the reports call lost");
        let forgiven = self.ledger.forgiven(count);
        assert!(forgiven < count * 9 / 10, "next to nothing was ever safe: {forgiven} of {count} were not");
        assert!(self.ledger.backfill > 0, "nothing has waited in the buffer");
        format!(
            "{count} readings, {} lost of the {forgiven} that might be; {} messages came twice, {} waited in the buffer",
            self.ledger.lost_readings(count),
            self.ledger.repeats,
            self.ledger.backfill
        )
    }

    /// Nothing is left behind on disk.
    fn check_empty(&self) {
        let output = run(&self.dir, &["buffer", "stats", "--json", "--config", "headwater.toml"]);
        let stats: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one map");
        assert_eq!((&stats["alerts"], &stats["others"]), (&0.into(), &0.into()), "{stats}");
        let aside = std::fs::read_dir(state_dir(&self.dir)).expect("a state directory").flatten();
        let names = aside.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let aside: Vec<String> = names.filter(|name| name.contains("damaged")).collect();
        assert_eq!(aside.len() + stats["aside"].as_array().map_or(0, Vec::len), 0, "{aside:?}: {stats}");
    }
}

/// Sees when checkpoints are written.
pub(super) struct CheckpointWatch {
    seen: Arc<Mutex<Vec<Instant>>>,
    ended: Cell<Option<Instant>>,
    stop: Arc<AtomicBool>,
}

impl CheckpointWatch {
    fn start(path: PathBuf) -> Self {
        let watch = Self { seen: Arc::default(), ended: Cell::default(), stop: Arc::default() };
        let (seen, stop) = (watch.seen.clone(), watch.stop.clone());
        // Whole, or as what has changed, in the file beside it.
        let files = [path.clone(), path.with_extension("checkpoint.deltas")];
        let written = move || {
            files
                .each_ref()
                .map(|file| -> Option<SystemTime> { std::fs::metadata(file).ok()?.modified().ok() })
        };
        let mut last = written();
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let now = written();
                let is_new = now[0] != last[0] || now[1].is_some() && now[1] != last[1];
                last = now;
                if is_new {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                }
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        watch
    }

    /// Stops looking. To be called before the files go away.
    pub(super) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ended.set(self.ended.get().or(Some(Instant::now())));
    }

    fn ended(&self) -> Instant {
        self.ended.get().unwrap_or_else(Instant::now)
    }

    /// When the last checkpoint but `back` was written.
    fn checkpoint_before(&self, back: usize) -> Option<Instant> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().nth(back).copied()
    }
}

impl Drop for CheckpointWatch {
    fn drop(&mut self) {
        self.end();
    }
}
