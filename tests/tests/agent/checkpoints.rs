//! Checkpoints on flash: what has changed is appended, what a power cut or damage leaves of it, and the budget for writes.

use crate::{Config, publish, wait_source};
use headwater_tests::agent::state_dir;
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir, wait_for};
use std::path::PathBuf;

const SERIES: &str = "sensors/office/temp";

/// An agent with a window that stays open, its readings, and what subscribers get.
struct Field {
    broker: Mosquitto,
    subscriber: Subscriber,
    dir: TempDir,
    config: String,
    published: usize,
}

impl Field {
    fn new() -> Self {
        let broker = Mosquitto::start();
        let mut config = Config::new(broker.port, broker.port);
        config.streams = config.streams.replace("idle = \"2s\"", "idle = \"1h\"");
        let (subscriber, dir, config) = (Subscriber::new(broker.port), TempDir::new(), config.text());
        Self { broker, subscriber, dir, config, published: 0 }
    }

    fn start(&self) -> Agent {
        let agent = Agent::start(&self.dir, &self.config);
        agent.wait_log(&["source connected"]);
        agent
    }

    /// One more reading of the window.
    fn publish(&mut self) {
        let time = 1_436_400_000_000_i64.div_euclid(crate::WINDOW_MS) * crate::WINDOW_MS
            + 1_000 * self.published as i64;
        publish(&mut Publisher::new(self.broker.port), "office", "temp", &[(time, self.published as f64)]);
        self.published += 1;
    }

    /// Kills an agent after so many checkpoints that were written as deltas, each with a reading more.
    fn killed_after_deltas(&mut self, deltas: usize) {
        let agent = self.start();
        if self.published == 0 {
            wait_source(&self.broker, 1);
        }
        let written = || agent.log().matches("is_whole=false").count();
        let before = written();
        for delta in 1..=deltas {
            self.publish();
            agent.wait_durable(self.published);
            assert!(written() >= before + delta, "as what has changed");
        }
        agent.kill9();
    }

    /// What came in since the last checkpoint is gone with the power.
    fn lose_journal(&self) {
        let files = std::fs::read_dir(state_dir(&self.dir)).expect("a state directory").flatten();
        let journal = files.filter(|file| file.file_name().to_string_lossy().starts_with("journal."));
        journal.for_each(|file| std::fs::remove_file(file.path()).expect("a journal"));
    }

    fn deltas(&self) -> PathBuf {
        state_dir(&self.dir).join("windows.checkpoint.deltas")
    }

    /// Closes the window in a run that goes on: the readings that it has.
    fn count(&mut self) -> i64 {
        self.published += 6 * 3_600;
        self.publish();
        let told = |messages: &Messages| !messages.summaries("main", SERIES).is_empty();
        let messages = self.subscriber.wait_until("the window", told);
        messages.summaries("main", SERIES).values().next().expect("a window").integer("count")
    }
}

/// The last frame was being written when the power was cut: ordinary, and everything before it is there.
#[test]
fn a_delta_that_a_power_cut_has_cut_off_costs_itself() {
    let mut field = Field::new();
    field.killed_after_deltas(4);
    field.lose_journal();
    let mut bytes = std::fs::read(field.deltas()).expect("deltas");
    bytes.truncate(bytes.len() - 5);
    std::fs::write(field.deltas(), bytes).expect("deltas");
    let agent = field.start();
    assert_eq!(field.count(), 3);
    let messages = field.subscriber.wait_until("a report", |messages| messages.has_cause("restart"));
    assert!(!messages.has_cause("damaged"));
    messages.check_accounts();
    assert!(agent.terminate().success());
    assert!(!field.deltas().exists(), "a run that was stopped leaves one whole checkpoint");
}

/// Damage in the middle costs what follows it, is kept and said, and nothing that was told is told otherwise.
#[test]
fn a_damaged_delta_costs_what_follows_it_and_is_said() {
    let mut field = Field::new();
    field.killed_after_deltas(4);
    field.lose_journal();
    let mut bytes = std::fs::read(field.deltas()).expect("deltas");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(field.deltas(), &bytes).expect("deltas");
    let agent = field.start();
    let messages = field.subscriber.wait_until("a report", |messages| messages.has_cause("damaged"));
    let report = messages.of("report").find(|report| report.text("cause") == "damaged").expect("it");
    assert!(report.text("detail").contains("windows.damaged-1"), "{}", report.map);
    assert_eq!(
        std::fs::read(state_dir(&field.dir).join("windows.damaged-1.deltas")).expect("it is kept"),
        bytes
    );
    assert!((1..3).contains(&field.count()));
    let messages = field.subscriber.messages();
    messages.check_accounts();
    messages.check_repeats();
    let rev = messages.summaries("main", SERIES).values().next().expect("a window").integer("rev");
    assert!(rev > 100_000_000, "above all that was told before: {rev}");
    assert!(agent.terminate().success());
}

/// A budget that is too small for the interval: the status says so, with the figures and the way out.
#[test]
fn a_budget_that_stretches_the_interval_is_said() {
    let mut field = Field::new();
    field.config = field.config.replace("[buffer]\n", "[buffer]\ndaily_writes = \"1MiB\"\n");
    let agent = field.start();
    wait_source(&field.broker, 1);
    let said = wait_for("a status that says so", || {
        field.publish();
        let messages = field.subscriber.messages();
        let status = messages.of("status").last()?;
        status.map["trouble"].to_string().contains("daily_writes").then(|| status.map.clone())
    });
    let figures = &said["checkpoint"];
    assert_eq!(figures["every"], 1_000, "{figures}");
    let number = |key: &str| figures[key].as_u64().unwrap_or_default();
    assert!(number("allowed") > 60_000 && number("age") < 60_000, "{figures}");
    assert!((500_000..1_100_000).contains(&number("daily_bytes")), "{figures}");
    assert_eq!(agent.log().matches("as rarely as").count(), 1, "one line");
    assert!(agent.terminate().success());
}
