//! How an agent ends: when a part of it ends by itself, and when it is stopped.

use crate::Config;
use headwater_tests::agent::{find_line, state_dir};
use headwater_tests::process::free_port;
use headwater_tests::{Agent, TempDir};

/// A part that panics ends the whole with 1, after a checkpoint, and in words: the service manager starts it again.
#[test]
fn no_part_of_an_agent_dies_in_silence() {
    if !cfg!(debug_assertions) {
        println!("skipped: only debug builds can be made to panic");
        return;
    }
    let parts = ["ticker", "clock", "memory", "reports", "losses", "status", "checkpoints", "source field"]
        .map(|part| {
            let dir = TempDir::new();
            let config = Config::new(free_port(), free_port()).text();
            let agent = Agent::start_with(&dir, &config, &[("HEADWATER_TEST_PANIC", part)]);
            (part, agent, dir)
        });
    for (part, agent, dir) in parts {
        let (status, log) = agent.wait_end();
        assert_eq!(status.code(), Some(1), "{part}");
        let words = [" error ", &format!("`{part}` panicked: a test wants")];
        assert!(find_line(&log, &words).is_some(), "{part}:\n{log}");
        assert!(find_line(&log, &["a checkpoint has been written"]).is_some(), "{part}:\n{log}");
        assert!(state_dir(&dir).join("windows.checkpoint").exists(), "{part}");

        let mut next = Agent::start(&dir, &config_of(&dir));
        next.wait_logs(&["running agent="], 2);
        next.check_running();
        assert!(next.terminate().success(), "{part}");
    }
}

fn config_of(dir: &TempDir) -> String {
    std::fs::read_to_string(dir.join("headwater.toml")).expect("the config")
}
