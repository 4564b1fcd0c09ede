//! Files that are written, rotated and read while the agent is killed.

use headwater_tests::agent::state_dir;
use headwater_tests::process::command;
use headwater_tests::slow_disk::wait_standstill;
use headwater_tests::{Agent, Gate, Mosquitto, SlowDisk, Subscriber, TempDir, wait_for};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const STEP_MS: i64 = 100;
const SIZE_MS: i64 = 10_000;
const START: i64 = 1_436_400_000_000;

fn config(broker: &Mosquitto, dir: &TempDir, more: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\n[sources.meter]\ntype = \"file\"\npath = \"{}*\"\nseries = \"meter/{{field}}\"\ntime = \"ts\"\ninterval = \"20ms\"\n{more}\n\
         [streams.main]\nwindow = {{ type = \"tumbling\", size = \"10s\" }}\nlateness = \"0s\"\nidle = \"30s\"\n\
         aggregates = [\"count\", \"sum\"]\n[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        dir.join("meter.jsonl").display(),
        broker.port
    )
}

/// Every window of the series holds each of its lines once, and none is told twice.
fn check_windows(subscriber: &Subscriber, windows: i64) {
    let messages = subscriber.wait_until(&format!("{windows} windows"), |messages| {
        messages.summaries("main", "meter/power").len() as i64 >= windows
    });
    messages.check_repeats();
    for (at, summary) in messages.summaries("main", "meter/power") {
        let (first, each) = ((at - START) / STEP_MS, SIZE_MS / STEP_MS);
        let sum = each * first + each * (each - 1) / 2;
        let got = (summary.integer("rev"), summary.integer("count"), summary.number("sum"));
        assert_eq!(got, (0, each, sum as f64), "revision, count and sum at {at}");
    }
}

/// Killed with SIGKILL again and again, while a writer appends and the file is renamed now and then: no line is lost, and
/// none counts twice.
fn kill_under_load(more: &str) {
    const KILLS: u64 = 12;
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let (path, config) = (dir.join("meter.jsonl"), config(&broker, &dir, more));
    let mut agent = Some(Agent::start(&dir, &config));
    let stop = AtomicBool::new(false);
    let lines = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut line = 0;
            while !stop.load(Ordering::Relaxed) || line % (SIZE_MS / STEP_MS) != 1 {
                let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("the file");
                for _ in 0..1_000 {
                    let text = format!("{{\"ts\":{},\"power\":{line}}}\n", START + line * STEP_MS);
                    let (first, rest) = text.split_at(7);
                    file.write_all(first.as_bytes()).expect("a write");
                    file.write_all(rest.as_bytes()).expect("a write");
                    line += 1;
                    if line % 16 == 0 {
                        // The pause sets the load: so many lines a second.
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    if stop.load(Ordering::Relaxed) && line % (SIZE_MS / STEP_MS) == 1 {
                        return line;
                    }
                }
                fs::rename(&path, dir.join(format!("meter.jsonl.{line}"))).expect("a rotation");
            }
            line
        });
        for kill in 0..KILLS {
            std::thread::sleep(Duration::from_millis(150 + kill * 137 % 400));
            agent.take().expect("an agent").kill9();
            agent.insert(Agent::start(&dir, &config)).wait_logs(&["source connected"], 1 + kill as usize);
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer")
    });
    check_windows(&subscriber, (lines - 1) * STEP_MS / SIZE_MS);
    agent.expect("an agent").check_running();
}

#[test]
fn kills_under_load_cost_no_line_of_a_file_that_is_rotated() {
    kill_under_load("");
}

#[test]
fn kills_under_load_cost_no_line_with_a_journal_on_the_disk() {
    kill_under_load("ack = \"durable\"");
}

/// Nothing of a file need be read before there is room for what comes of it: with the uplink down and a disk that stands still
/// it waits, and nothing is given up.
#[test]
fn a_file_waits_for_room() {
    const LINES: i64 = 60_000;
    let (broker, dir) = (Mosquitto::start(), TempDir::new());
    let Some(disk) = SlowDisk::new(&dir) else { return };
    let (subscriber, gate) = (Subscriber::new(broker.port), Gate::to(broker.port));
    let (path, port) = (dir.join("meter.jsonl"), gate.port);
    let config = format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n\
         [sources.meter]\ntype = \"file\"\npath = \"{}\"\nseries = \"meter/{{field}}\"\ntime = \"ts\"\ninterval = \"20ms\"\n\
         [streams.raw]\nwindow = {{ type = \"none\" }}\n[buffer]\nmemory = \"1MiB\"\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n",
        path.display()
    );
    let agent = Agent::start_by(&dir, &config, &disk.environment(), command);
    wait_for("a checkpoint", || state_dir(&dir).join("windows.checkpoint").exists().then_some(()));
    disk.stop();
    let line = |line: i64| format!("{{\"ts\":{},\"power\":{line}}}\n", START + line * STEP_MS);
    fs::write(dir.join("new"), (0..LINES).map(line).collect::<String>()).expect("a file");
    fs::rename(dir.join("new"), &path).expect("the file");
    let waiting = wait_standstill(&dir);
    disk.speed_up();
    gate.open();
    let messages = subscriber.wait_until("every line", |messages| {
        let lines: BTreeSet<i64> =
            messages.of("reading").map(|reading| reading.number("value") as i64).collect();
        lines.len() as i64 == LINES
    });
    assert!(waiting < LINES, "all of the file was read before there was room");
    assert!(messages.reports().iter().all(|report| report.map["total"]["messages"]["lost"] == 0));
    assert!(agent.terminate().success());
}
