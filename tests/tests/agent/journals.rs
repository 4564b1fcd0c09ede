//! The journal at its edges: a folder that is full, read-only, absent or removed, and a next run that is not as the one that
//! was killed.

use crate::{Config, publish, wait_source};
use headwater_tests::mount::Tmpfs;
use headwater_tests::{Agent, FakeClock, Messages, Mosquitto, Publisher, Subscriber, TempDir};
use std::path::{Path, PathBuf};

const SERIES: &str = "sensors/office/temp";

/// The beginning of a window of every size.
const START: i64 = 1_436_400_000_000_i64.div_euclid(crate::WINDOW_MS) * crate::WINDOW_MS;

struct Field {
    broker: Mosquitto,
    subscriber: Subscriber,
    publisher: Publisher,
    dir: TempDir,
    published: i64,
}

impl Field {
    fn new() -> Self {
        let broker = Mosquitto::start();
        let (subscriber, publisher) = (Subscriber::new(broker.port), Publisher::new(broker.port));
        Self { broker, subscriber, publisher, dir: TempDir::new(), published: 0 }
    }

    /// A config in which nothing but a stop writes a checkpoint after the first one.
    fn config(&self) -> Config {
        let mut config = Config::new(self.broker.port, self.broker.port);
        config.agent = "report = \"1s\"\ncheckpoint = \"1h\"";
        config.streams = config.streams.replace("idle = \"2s\"", "idle = \"1h\"");
        config
    }

    /// Starts an agent whose journal lies here, and waits until it has subscribed for the `times`th time.
    fn agent(&self, config: &Config, folder: &Path, times: usize) -> Agent {
        let folder = folder.to_string_lossy();
        let agent = Agent::start_with(&self.dir, &config.text(), &[("RUNTIME_DIRECTORY", &folder)]);
        agent.wait_logs(&["source connected"], times);
        agent
    }

    /// Publishes so many readings, a second apart.
    fn publish(&mut self, count: i64) {
        let readings: Vec<(i64, f64)> = (self.published..self.published + count)
            .map(|step| (START + step * 1_000, step as f64))
            .collect();
        publish(&mut self.publisher, "office", "temp", &readings);
        self.published += count;
    }

    fn wait_received(&self, count: i64) -> Messages {
        self.subscriber
            .wait_until("all readings in reports", |messages| messages.reported("received") >= count)
    }

    #[track_caller]
    fn wait_trouble(&self, words: &str) {
        let has_it = |messages: &Messages| trouble(messages).contains(words);
        self.subscriber.wait_until(&format!("trouble: {words}"), has_it);
    }
}

/// What the last status says is wrong.
fn trouble(messages: &Messages) -> String {
    messages.of("status").last().map(|status| status.map["trouble"].to_string()).unwrap_or_default()
}

fn restart(messages: &Messages) -> Option<&headwater_tests::Message> {
    messages.reports().into_iter().filter(|report| report.text("cause") == "restart").nth(1)
}

/// Everything that was acknowledged is in windows of the new config, and nothing is said to be missing.
#[test]
fn the_next_run_has_another_config_and_misses_nothing() {
    let mut field = Field::new();
    let runtime = field.dir.join("run");
    let mut config = field.config();
    let agent = field.agent(&config, &runtime, 1);
    wait_source(&field.broker, 1);
    // The one that the report of the start asks for: from here on there is the journal alone.
    agent.wait_logs(&["checkpoint written"], 2);
    field.publish(25);
    field.wait_received(25);
    agent.kill9();
    config.streams = format!(
        "[streams.fine]\nwindow = {{ type = \"tumbling\", size = \"10s\" }}\nlateness = \"0s\"\nidle = \"2s\"\n{}",
        crate::ALL
    );
    let _agent = field.agent(&config, &runtime, 2);
    field.publish(5);
    let messages = field.subscriber.wait_until("all readings in the new windows", |messages| {
        let windows = messages.summaries("fine", SERIES);
        windows.values().map(|window| window.integer("count")).sum::<i64>() == 30
    });
    assert_eq!(messages.summaries("fine", SERIES).len(), 3);
    assert!(messages.summaries("fine", SERIES).values().all(|window| !window.map["partial"].is_boolean()));
    let messages =
        field.subscriber.wait_until("the second report of a start", |messages| restart(messages).is_some());
    let report = restart(&messages).expect("a report");
    assert_eq!((report.text("stop"), report.map["detail"].as_str().unwrap_or_default()), ("crash", ""));
    field.wait_received(30).check_accounts();
}

/// What the new config has no source for is counted and said.
#[test]
fn the_next_run_lacks_the_source_and_says_what_that_costs() {
    let mut field = Field::new();
    let runtime = field.dir.join("run");
    let config = field.config();
    let agent = field.agent(&config, &runtime, 1);
    wait_source(&field.broker, 1);
    // The one that the report of the start asks for: from here on there is the journal alone.
    agent.wait_logs(&["checkpoint written"], 2);
    field.publish(25);
    field.wait_received(25);
    agent.kill9();
    let text = config.text().replace("[sources.field]", "[sources.meadow]");
    let folder = runtime.to_string_lossy();
    let _agent = Agent::start_with(&field.dir, &text, &[("RUNTIME_DIRECTORY", &folder)]);
    let messages = field.subscriber.wait_until("a report of what was given up", |messages| {
        let of = |report: &&headwater_tests::Message| report.text("cause") == "refused";
        messages.reports().into_iter().find(of).is_some_and(|report| {
            report.text("detail").contains("25 readings given up") && report.text("detail").contains("source")
        })
    });
    messages.check_accounts();
}

/// A folder that is too small costs the journal until a checkpoint is written, and the status says so.
#[test]
fn a_full_folder_is_said_and_stops_nothing() {
    let mut field = Field::new();
    let runtime = field.dir.join("run");
    let Some(folder) = Tmpfs::mount(runtime.clone(), "32k") else { return };
    let mut agent = field.agent(&field.config(), &runtime, 1);
    wait_source(&field.broker, 1);
    field.publish(20_000);
    field.wait_trouble("cannot be written: No space left");
    agent.check_running();
    field.publish(100);
    field.wait_received(20_100).check_accounts();
    assert_eq!(agent.terminate().code(), Some(0));
    drop(folder);
}

/// So does one that cannot be written at all, from the start on.
#[test]
fn a_read_only_folder_and_one_that_cannot_be_are_said_and_stop_nothing() {
    let mut field = Field::new();
    let runtime = field.dir.join("run");
    let folder = Tmpfs::mount(runtime.clone(), "1m");
    folder.iter().for_each(Tmpfs::make_read_only);
    let folders: Vec<PathBuf> =
        folder.iter().map(|_| runtime.clone()).chain([PathBuf::from("/dev/null/run")]).collect();
    for (round, path) in folders.iter().enumerate() {
        field.subscriber.forget();
        let mut agent = field.agent(&field.config(), path, round + 1);
        field.wait_trouble("the journal ");
        wait_source(&field.broker, 1);
        field.publish(10);
        field.wait_received(10);
        agent.check_running();
        assert_eq!(agent.terminate().code(), Some(0));
    }
    drop(folder);
}

/// Somebody removes the folder: the journal begins anew, and the next kill costs nothing.
#[test]
fn a_folder_that_is_removed_is_made_again() {
    let mut field = Field::new();
    let runtime = field.dir.join("run");
    let agent = field.agent(&field.config(), &runtime, 1);
    wait_source(&field.broker, 1);
    field.publish(10);
    // A checkpoint that is under way begins another file, which brings the folder back by itself.
    agent.wait_durable(10);
    std::fs::remove_dir_all(&runtime).expect("the folder");
    agent.wait_log(&["it was removed"]);
    headwater_tests::wait_for("a journal again", || {
        let mut files = std::fs::read_dir(&runtime).ok()?.flatten();
        files.any(|file| file.file_name().to_string_lossy().starts_with("journal.")).then_some(())
    });
    field.publish(10);
    field.wait_received(20);
    agent.kill9();
    let _agent = field.agent(&field.config(), &runtime, 2);
    field.publish(1);
    let messages = field.wait_received(21);
    assert_eq!(messages.reported("received") - messages.reported("repeated"), 21);
    let messages =
        field.subscriber.wait_until("the second report of a start", |messages| restart(messages).is_some());
    assert_eq!(restart(&messages).expect("a report").map["detail"].as_str().unwrap_or_default(), "");
}

/// A clock that is set between the lines of the journal: once a checkpoint follows, a kill costs nothing, as before.
#[test]
fn a_clock_that_was_set_before_a_kill_costs_nothing() {
    let mut field = Field::new();
    let runtime = field.dir.join("run");
    let Some(clock) = FakeClock::new(&field.dir) else { return };
    let mut config = field.config();
    config.more = "[clock]\ntrust = \"always\"\n[buffer]\nsync = \"1s\"";
    let folder = runtime.to_string_lossy().into_owned();
    let start = |field: &Field, times| {
        let mut environment = clock.environment().to_vec();
        environment.push(("RUNTIME_DIRECTORY", &folder));
        let agent = Agent::start_with(&field.dir, &config.text(), &environment);
        agent.wait_logs(&["source connected"], times);
        agent
    };
    let agent = start(&field, 1);
    wait_source(&field.broker, 1);
    field.publish(10);
    field.wait_received(10);
    for hours in [1, -1] {
        let before = agent.log().matches("checkpoint written").count();
        clock.is_off_by(hours * 3_600);
        field.publish(10);
        agent.wait_logs(&["checkpoint written"], before + 1);
    }
    field.publish(10);
    field.wait_received(40);
    agent.kill9();
    let _agent = start(&field, 2);
    field.publish(1);
    let messages = field.wait_received(41);
    assert_eq!(messages.reported("received") - messages.reported("repeated"), 41);
    messages.check_repeats();
}

/// A journal whose replay has panicked twice is kept and said, and the third start goes on without it.
#[test]
fn a_journal_that_ends_every_start_is_set_aside() {
    let (mut field, runtime) = (Field::new(), TempDir::new());
    let config = field.config();
    let agent = field.agent(&config, &runtime, 1);
    field.publish(20);
    field.wait_received(20);
    agent.kill9();
    // As two starts leave it that have ended so.
    let mut being_read = [0; 89];
    being_read[..14].copy_from_slice(b"HWBR\x02\0\0\0\0\x01\0\0\0\x02");
    std::fs::write(runtime.join("being-read"), being_read).unwrap();
    field.subscriber.forget();
    let agent = field.agent(&config, &runtime, 2);
    let messages =
        field.subscriber.wait_until("a report of the journal", |messages| messages.has_cause("damaged"));
    let detail = |report: &&headwater_tests::Message| report.map["detail"].to_string();
    let details: Vec<String> = messages.reports().iter().map(detail).collect();
    assert!(details.iter().any(|detail| detail.contains("twice while it was replayed")), "{details:?}");
    assert!(runtime.join("journal-damaged.1").exists(), "it is kept");
    field.publish(20);
    field.wait_received(20);
    agent.kill9();
    field.subscriber.forget();
    // The journal that follows it is replayed.
    let agent = field.agent(&config, &runtime, 3);
    field.subscriber.wait_until("a report of a crash", |messages| {
        messages.reports().iter().any(|report| report.map["stop"] == "crash")
    });
    assert_eq!(agent.log().matches("twice while it was replayed").count(), 1, "{}", agent.log());
    assert!(agent.terminate().success());
    assert!(!runtime.join("being-read").exists());
}

/// A journal with a flipped bit is used up to it, kept and said; one in a folder that another agent holds is none.
#[test]
fn a_damaged_journal_is_said_and_one_of_another_agent_is_left_alone() {
    let (mut field, runtime) = (Field::new(), TempDir::new());
    let (config, folder) = (field.config(), runtime.join("journal"));
    let agent = field.agent(&config, &folder, 1);
    field.publish(20);
    field.wait_received(20);
    let other = TempDir::new();
    let environment = [("RUNTIME_DIRECTORY", folder.to_str().unwrap())];
    let second = Agent::start_with(&other, &Config { id: "edge-2", ..field.config() }.text(), &environment);
    second.wait_log(&["running"]);
    field.subscriber.wait_until("the second agent's trouble", |messages| {
        messages
            .of("status")
            .any(|status| status.map["trouble"].to_string().contains("another headwater holds it"))
    });
    assert_eq!(second.terminate().code(), Some(0));
    agent.kill9();
    let newest = |path: &PathBuf| std::fs::metadata(path).expect("a segment").len();
    let segments = std::fs::read_dir(&folder).expect("the journal").map(|entry| entry.unwrap().path());
    let path = segments.max_by_key(newest).expect("a segment");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&path, bytes).unwrap();
    let agent = field.agent(&config, &folder, 2);
    field.subscriber.wait_until("a report of the damage", |messages| messages.has_cause("damaged"));
    assert!(folder.join("journal-damaged.1").exists(), "it is kept");
    assert_eq!(agent.terminate().code(), Some(0));
    let left = std::fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(left, 1, "nothing but what was damaged is left after a stop");
    field.subscriber.messages().check_repeats();
}
