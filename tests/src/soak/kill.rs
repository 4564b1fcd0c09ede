//! SIGKILL at random moments.

use super::trial::{CHECKPOINT, Cost, Trial};
use crate::TempDir;

/// The settings of a quarter of the kills each: whether a message is acknowledged when it is durable, and lines of `[buffer]`.
const QUARTERS: [(bool, &str); 4] = [
    (false, "sync = \"200ms\""),
    (true, "sync = \"200ms\""),
    (false, "when = \"always\""),
    (true, "when = \"always\""),
];

/// Kills as many agents, one after another, and says what it came to. None of them may cost anything.
///
/// # Panics
/// When something is missing, came in two versions, or is not accounted for.
#[must_use]
pub fn run(kills: u32) -> String {
    let mut trial = Trial::new(TempDir::new());
    let mut kill = 0;
    for (quarter, (durable, buffer)) in (1..).zip(QUARTERS) {
        while kill < kills * quarter / 4 {
            kill += 1;
            let watch = trial.watch();
            let mut agent = trial.start_with(CHECKPOINT, durable, buffer);
            trial.weather(50..4_000);
            agent.check_running();
            watch.end();
            let end = trial.load.under_way();
            agent.kill9();
            trial.on_end(&watch, end, Cost::Nothing);
            if kill % 50 == 0 {
                println!("{kill} kills, {} messages came twice so far", trial.repeats());
            }
        }
        // A journal is of use to a run with the same config only.
        let agent = trial.start_with(CHECKPOINT, durable, buffer);
        trial.weather(2_000..3_000);
        assert!(agent.terminate().success());
    }
    format!("{kills} kills: {}", trial.settle("sync = \"200ms\"", false))
}
