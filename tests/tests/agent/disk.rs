//! A disk that is full, read-only or damaged under a running agent. The agent goes on, blocks nobody, does not spin, and
//! accounts for every message.

use headwater_tests::agent::state_dir;
use headwater_tests::mount::{Disk, Tmpfs};
use headwater_tests::process::cpu_seconds;
use headwater_tests::{
    Agent, Gate, Message, Messages, Mosquitto, Options, Publisher, Subscriber, TempDir, now_ms, wait_for,
    wait_within,
};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An agent that forwards readings one by one over a line that can be cut, and the number of readings that it has got.
struct Field {
    source: Mosquitto,
    subscriber: Subscriber,
    gate: Gate,
    publisher: Publisher,
    published: usize,
    _uplink: Mosquitto,
}

impl Field {
    fn new() -> Self {
        let source = Mosquitto::start();
        let uplink = Mosquitto::with(&Options { quiet: true, ..Options::default() });
        Self {
            subscriber: Subscriber::new(uplink.port),
            gate: Gate::to(uplink.port),
            publisher: Publisher::new(source.port),
            published: 0,
            source,
            _uplink: uplink,
        }
    }

    fn agent(&self, dir: &TempDir, buffer: &str) -> Agent {
        let (source, gate) = (self.source.port, self.gate.port);
        let config = format!(
            "[agent]\nid = \"edge\"\ncheckpoint = \"1s\"\nreport = \"1s\"\n\
             [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{source}\"\nqos = 1\ntopics = [\"sensors/{{place}}\"]\n\
             fields = [\"n\"]\ntime = \"ts\"\ntime_format = \"unix_ms\"\n\
             [streams.raw]\nwindow = {{ type = \"none\" }}\n\
             [buffer]\nsync = \"200ms\"\n{buffer}\n\
             [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{gate}\"\n"
        );
        let agent = Agent::start(dir, &config);
        wait_for("the agent to subscribe", || (self.source.logged("\tsensors/") > 0).then_some(()));
        agent
    }

    /// Publishes so many more readings. Returns when the broker has them.
    fn publish(&mut self, count: usize) {
        for n in self.published..self.published + count {
            let payload = format!(r#"{{"ts":{},"n":{n}}}"#, 1_700_000_000_000 + n);
            self.publisher.publish("sensors/a", payload).expect("a publish");
        }
        self.publisher.flush().expect("the broker's acknowledgements");
        self.published += count;
    }

    /// Publishes so many more readings and waits a moment for the disk, because memory loses what comes faster.
    fn publish_at_pace(&mut self, count: usize) {
        self.publish(count);
        std::thread::sleep(Duration::from_millis(100));
    }

    /// Mends the line, and waits until every reading has arrived or is reported as lost.
    #[track_caller]
    fn settle(&self) -> (BTreeSet<usize>, Messages) {
        self.gate.open();
        let mended = now_ms();
        // A line that was down for long is tried every half a minute.
        let (messages, settled) = self.subscriber.wait_at_most(Duration::from_secs(100), |messages| {
            let last = messages
                .reports()
                .into_iter()
                .filter(|report| report.integer("to") > mended)
                .max_by_key(|it| it.integer("to"));
            last.is_some_and(|report| report.map["total"]["messages"]["waiting"] == 0)
                && numbers(messages).len() as i64 + lost(messages) >= self.published as i64
        });
        assert!(settled, "waited in vain for all readings or reports of their loss:\n{}", messages.digest());
        messages.check_accounts();
        messages.check_repeats();
        let (missing, lost) = (self.published as i64 - numbers(&messages).len() as i64, lost(&messages));
        // Reports themselves may be among what was lost.
        assert!(
            (missing..=missing + 30).contains(&lost),
            "{missing} readings are missing, {lost} messages called lost"
        );
        (numbers(&messages), messages)
    }
}

fn numbers(messages: &Messages) -> BTreeSet<usize> {
    messages.of("reading").map(|message| message.number("value") as usize).collect()
}

/// The messages that reports call lost. The totals of a report include reports that were lost themselves.
fn lost(messages: &Messages) -> i64 {
    let totals = messages.reports().into_iter();
    totals.filter_map(|report| report.map["total"]["messages"]["lost"].as_i64()).max().unwrap_or(0)
}

/// The messages that the texts of reports of this cause count.
fn told(messages: &Messages, cause: &str) -> i64 {
    // What was merged into coarser messages is not lost.
    let thinned =
        |report: &&Message| report.text("cause") == "shed" && report.text("detail").contains("merged");
    let reports = messages.reports().into_iter().filter(|report| report.text("cause") == cause);
    let reports = reports.filter(|report| !thinned(report));
    let counts = reports.map(|report| {
        let detail = report.text("detail").trim_start_matches("at least ");
        let count = detail.split(' ').next().and_then(|count| count.parse::<i64>().ok()).expect("a count");
        assert!(cause != "shed" || detail.contains(" messages lost, made from 20"), "{detail}");
        count
    });
    counts.sum()
}

/// Checks that an agent with nothing to do does next to nothing.
#[track_caller]
fn check_calm(agent: &Agent) {
    // The CPU of so long a spell is what is measured.
    let (before, spell) = (cpu_seconds(agent.pid()).unwrap(), Duration::from_secs(4));
    std::thread::sleep(spell);
    let cpu = cpu_seconds(agent.pid()).unwrap() - before;
    assert!(cpu < spell.as_secs_f64() / 4.0, "{cpu} s of CPU in {spell:?} of waiting: it spins");
}

/// A state directory on a tmpfs. The tmpfs must be dropped before the directory that it is mounted in.
fn state_on_tmpfs(size: &str) -> Option<(TempDir, Tmpfs)> {
    let dir = TempDir::new();
    let disk = Tmpfs::mount(state_dir(&dir), size)?;
    Some((dir, disk))
}

#[test]
fn a_disk_that_is_full_and_has_room_again() {
    let Some((dir, disk)) = state_on_tmpfs("14m") else { return };
    let mut field = Field::new();
    let mut agent = field.agent(&dir, "memory = \"512KiB\"");
    let filler = state_dir(&dir).join("filler");
    std::fs::write(&filler, vec![0; 8 << 20]).expect("room for a file");
    wait_within(Duration::from_secs(60), "the disk to be full", || {
        field.publish_at_pace(500);
        agent.log().contains("the disk takes nothing").then_some(())
    });
    check_calm(&agent);
    // Memory is bounded. Messages without room are lost, and the agent still takes readings.
    field.publish(5_000);
    agent.wait_log(&["memory was full"]);
    agent.check_running();
    std::fs::remove_file(&filler).expect("a file");
    // The disk is tried ever more rarely, in the end once a minute.
    wait_within(Duration::from_secs(90), "the disk to be used again", || {
        agent.log().contains("the disk takes messages again").then_some(())
    });
    let (_, messages) = field.settle();
    assert!(lost(&messages) > 0 && messages.has_cause("shed") && messages.has_cause("disk"));
    // A report tells of each loss. The last reports may come a while after the account has the losses.
    field.subscriber.wait_until("all losses told", |messages| told(messages, "shed") == lost(messages));
    agent.check_running();
    assert!(agent.terminate().success());
    drop((disk, dir));
}

/// Messages in memory still leave, and messages on the disk are still read.
#[test]
fn a_disk_that_turns_read_only() {
    let dir = TempDir::new();
    let Some(disk) = Disk::make(state_dir(&dir)) else { return };
    let mut field = Field::new();
    let mut agent = field.agent(&dir, "");
    field.publish(1_000);
    wait_for("the buffer to be used", || (!databases(&dir).is_empty()).then_some(()));
    agent.wait_durable(field.published);
    disk.fail();
    field.publish(1_000);
    agent.wait_log(&["the disk takes nothing"]);
    check_calm(&agent);
    let (got, messages) = field.settle();
    assert_eq!((got.len(), lost(&messages)), (2_000, 0));
    assert!(messages.has_cause("disk"));
    field.subscriber.wait_until("a status that says so", |messages| {
        messages.of("status").last().is_some_and(|status| {
            let disk = &status.map["disk"];
            let counted =
                disk["written_today"].as_u64() > Some(0) && disk["daily_writes"].as_u64() == Some(500 << 20);
            counted && status.map["trouble"].to_string().contains("memory only")
        })
    });
    agent.check_running();
    assert!(agent.terminate().success());
    // The next agent starts on the failed disk, and needs no disk while the line is up.
    let mut agent = field.agent(&dir, "");
    field.publish(1_000);
    let (got, _) = field.settle();
    assert_eq!(got.len(), 3_000);
    check_calm(&agent);
    agent.check_running();
    drop((agent, disk, dir));
}

/// Fills a file system to the last byte.
fn fill(path: &Path) {
    let mut filler = std::fs::File::create(path).expect("a file");
    while filler.write_all(&[0; 4 << 10]).is_ok() {}
    while filler.write_all(&[0]).is_ok() {}
}

/// While the line is up, only checkpoints need the disk. Reports say that the disk fails, and that it works again.
#[test]
fn a_full_disk_with_the_line_up_is_said_until_it_has_room() {
    let Some((dir, disk)) = state_on_tmpfs("14m") else { return };
    let mut field = Field::new();
    let agent = field.agent(&dir, "");
    let filler = state_dir(&dir).join("filler");
    fill(&filler);
    field.publish(100);
    agent.wait_log(&["the disk takes nothing"]);
    field.gate.open();
    let trouble = |messages: &Messages| {
        messages.of("status").last().map(|status| status.map["trouble"].to_string()).unwrap_or_default()
    };
    let said = |messages: &Messages, what: &str| {
        let mut reports = messages.reports().into_iter().filter(|report| report.text("cause") == "disk");
        reports.any(|report| report.text("detail").starts_with(what))
    };
    // Small checkpoints fit into what is left of the last page of a file, and so long the disk counts as good.
    wait_for("a status that says so", || {
        field.publish(10);
        let messages = field.subscriber.messages();
        trouble(&messages).contains("checkpoints cannot be written: No space").then_some(())
    });
    field.subscriber.wait_until("a report", |messages| said(messages, "checkpoints cannot be written"));
    let begun = agent.log().matches("writing a checkpoint").count();
    agent.wait_logs(&["writing a checkpoint"], begun + 3);
    assert_eq!(agent.log().matches("cannot write the checkpoint").count(), 1, "not one line for each");
    std::fs::remove_file(&filler).expect("a file");
    field.subscriber.wait_until("a status without trouble", |messages| trouble(messages) == "null");
    field.subscriber.wait_until("reports of that", |messages| {
        said(messages, "checkpoints can be written again") && said(messages, "the disk takes messages again")
    });
    assert!(agent.terminate().success());
    drop((disk, dir));
}

/// `daily_writes` counts a day, over all runs.
#[test]
fn what_was_written_today_is_still_known_after_a_restart() {
    let dir = TempDir::new();
    let Some(disk) = Disk::make(state_dir(&dir)) else { return };
    let mut field = Field::new();
    let agent = field.agent(&dir, "");
    field.publish(15_000);
    wait_for("the buffer to be used", || (!databases(&dir).is_empty()).then_some(()));
    agent.wait_durable(field.published);
    assert!(agent.terminate().success());
    let agent = field.agent(&dir, "");
    field.settle();
    let restarted = field.subscriber.messages().of("status").last().map(|status| status.integer("started"));
    field.subscriber.wait_until("a status with the writes of both runs", |messages| {
        messages.of("status").last().is_some_and(|status| {
            restarted == Some(status.integer("started"))
                && status.map["disk"]["written_today"].as_u64() > Some(400_000)
        })
    });
    assert!(agent.terminate().success());
    drop(disk);
}

/// Files of the buffer are flipped, cut, zeroed and deleted under a running agent that will need them.
#[test]
fn a_buffer_that_is_damaged_while_the_agent_runs() {
    let (dir, mut field) = (TempDir::new(), Field::new());
    let mut agent = field.agent(&dir, "max_size = \"32MiB\"");
    while databases(&dir).len() < 8 {
        assert!(field.published < 200_000, "it fills no databases");
        field.publish_at_pace(1_000);
    }
    let databases = databases(&dir);
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.iter_mut().skip(10_000).step_by(5_000).for_each(|byte| *byte ^= 0x20);
        std::fs::write(path, bytes).unwrap();
    };
    flip(&databases[1]);
    let cut = std::fs::OpenOptions::new().write(true).open(&databases[2]).unwrap();
    cut.set_len(300_000).unwrap();
    std::fs::write(&databases[3], vec![0; 600_000]).unwrap();
    std::fs::remove_dir_all(databases[4].parent().unwrap()).unwrap();
    let (got, _) = field.settle();
    let missing = field.published - got.len();
    println!("{missing} of {} lost", field.published);
    assert!(missing > 0 && missing < field.published * 3 / 4, "{missing} of {}", field.published);
    // Losses follow each other, and their reports come ever more rarely.
    field
        .subscriber
        .wait_until("reports of all that is lost", |messages| told(messages, "damaged") == lost(messages));
    let aside = std::fs::read_dir(state_dir(&dir).join("buffer")).unwrap().flatten();
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains(".damaged-")).count();
    assert_eq!(aside, 3, "what is damaged is set aside; what is deleted cannot be");
    check_calm(&agent);
    agent.check_running();
    assert!(agent.terminate().success());
}

/// The files of the buffer's databases, the oldest first.
fn databases(dir: &TempDir) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(state_dir(dir).join("buffer")).into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u64>().ok();
    let mut found: Vec<(u64, PathBuf)> =
        entries.filter_map(|entry| Some((number(&entry.path())?, entry.path().join("db")))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, path)| path).collect()
}
