//! SIGKILL at random moments.

use super::trial::{CHECKPOINT, Cost, Trial};
use crate::TempDir;
use std::time::Duration;

/// Kills as many agents, one after another, and says what it came to.
///
/// # Panics
/// When something is missing that was safe, came in two versions, or is not accounted for.
#[must_use]
pub fn run(kills: u32) -> String {
    let mut trial = Trial::new(TempDir::new());
    for kill in 1..=kills {
        // On disk before it is sent, every fourth time.
        // Every other one acknowledges a reading only when it is safe: then nothing at all may be missing.
        let durable = kill % 2 == 0;
        let buffer = if kill % 4 == 0 { "when = \"always\"" } else { "sync = \"200ms\"" };
        let watch = trial.watch();
        let mut agent = trial.start_with(CHECKPOINT, durable, buffer);
        trial.weather(50..4_000);
        agent.check_running();
        watch.end();
        let end = trial.load.under_way();
        agent.kill9();
        let may = if durable { Cost::Nothing } else { Cost::SinceCheckpoint(Duration::ZERO) };
        trial.on_end(&watch, end, may);
        if kill % 50 == 0 {
            println!("{kill} kills, {} messages came twice so far", trial.repeats());
        }
    }
    format!("{kills} kills: {}", trial.settle("sync = \"200ms\""))
}
