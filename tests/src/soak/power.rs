//! Power cuts: the state directory is a file system in a file, of which a copy is kept at some moment under load.

use super::trial::{CHECKPOINT, Cost, Trial};
use crate::TempDir;
use crate::agent::state_dir;
use crate::mount::Disk;
use std::time::Duration;

/// What a power cut may cost beyond a crash: `sync` below, and as much again.
const SYNC_SLACK: Duration = Duration::from_millis(400);

/// Ways to write; each is promised the same.
const BUFFERS: [&str; 4] = [
    "sync = \"200ms\"",
    "sync = \"always\"",
    "when = \"always\"\nsync = \"200ms\"",
    "when = \"always\"\nsync = \"always\"",
];

/// How long after a reading is published its message is safe, without a checkpoint: `sync`, the patience with an output that
/// is up, and time for a busy machine.
const SAFE_ALONE: Duration = Duration::from_secs(3);

/// The disk is dropped first: the trial's directory can go only when nothing is mounted in it.
struct Powered {
    disk: Disk,
    trial: Trial,
}

/// Cuts the power so often, and says what it came to; `None`, and the reason printed, where there is no loop device for
/// this user.
///
/// # Panics
/// When something is missing that was safe, came in two versions, or is not accounted for; when the checkpoint or the
/// buffer did not survive.
#[must_use]
pub fn run(cuts: u32) -> Option<String> {
    run_with(cuts, false)
}

/// The same with a source that acknowledges only what is durable: then nothing at all may be missing.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn run_durable(cuts: u32) -> Option<String> {
    run_with(cuts, true)
}

fn run_with(cuts: u32, durable: bool) -> Option<String> {
    let dir = TempDir::new();
    let disk = Disk::make(state_dir(&dir))?;
    let mut powered = Powered { disk, trial: Trial::new(dir) };
    let Powered { disk, trial } = &mut powered;
    for cut in 1..=cuts {
        let buffer = BUFFERS[cut as usize % BUFFERS.len()];
        // A checkpoint makes the whole file system safe, not only itself: every third time there is none but the first.
        let alone = cut % 3 == 0;
        let watch = trial.watch();
        let mut agent = trial.start_with(if alone { "1h" } else { CHECKPOINT }, durable, buffer);
        trial.weather(if alone { 5_000..8_000 } else { 50..5_000 });
        agent.check_running();
        agent.freeze();
        trial.gate.close();
        watch.end();
        let end = trial.load.under_way();
        disk.cut_power();
        agent.kill9();
        disk.restore();
        trial.boot = cut;
        let may = match (durable, alone) {
            (true, _) => Cost::Nothing,
            (false, true) => Cost::TheLast(SAFE_ALONE),
            (false, false) => Cost::SinceCheckpoint(SYNC_SLACK),
        };
        trial.on_end(&watch, end, may);
        if cut % 20 == 0 {
            println!("{cut} power cuts, {} messages came twice so far", trial.repeats());
        }
    }
    Some(format!("{cuts} power cuts: {}", trial.settle("sync = \"200ms\"", durable)))
}
