//! An agent with nothing to do hardly wakes.

use headwater_tests::{Agent, RuntimeDir, Subscriber, TempDir, wait_for};
use std::time::Duration;

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(30);

/// How often it is watched at the most: a machine that is busy with other things adds wake-ups.
const TRIES: usize = 4;

/// The most wake-ups a second of all its threads: watchdog, keep-alive and looks at the clock included.
const WAKE_UPS_MAX: f64 = 0.5;

#[test]
fn an_agent_with_nothing_to_do_hardly_wakes() {
    let broker = headwater_tests::Mosquitto::start();
    let (dir, runtime) = (TempDir::new(), RuntimeDir::new());
    let subscriber = Subscriber::new(broker.port);
    let config = crate::Config { agent: "", more: "", ..crate::Config::new(broker.port, broker.port) }.text();
    let agent = Agent::start_with(&dir, &config, &runtime.environment());
    crate::wait_source(&broker, 1);
    subscriber.wait_until("the report of the start", |messages| messages.has_cause("restart"));
    // What the start has set off is over: the threads that are needed now and then have ended.
    let threads = || std::fs::read_dir(format!("/proc/{}/task", agent.pid())).map_or(0, Iterator::count);
    let mut before = threads();
    wait_for("its threads to settle", || {
        std::thread::sleep(Duration::from_secs(6));
        (std::mem::replace(&mut before, threads()) == threads()).then_some(())
    });
    let a_second = || agent.wake_ups_within(WATCHED) as f64 / WATCHED.as_secs_f64();
    let mut seen = Vec::new();
    while seen.len() < TRIES && seen.last().is_none_or(|last| *last > WAKE_UPS_MAX) {
        seen.push(a_second());
    }
    println!("wake-ups a second: {seen:.2?}");
    assert!(seen.last().is_some_and(|last| *last <= WAKE_UPS_MAX), "wake-ups a second: {seen:.2?}");
}
