//! State folders of released versions: how they are made, and how a program goes on with them.
//!
//! A case is a folder `tests/state/VERSION/NAME`. It holds the config (with places for ports), the state directory as that
//! version left it, and what that version said when it went on with it. `tests/state/make` makes the folders of this
//! version. A test lets every later program go on with each folder, and compares what it says.

mod cases;
mod input;
mod outcome;

pub use cases::{Case, End, cases};
pub use input::{HEADER, crc32, seal};
pub use outcome::{Changed, Outcome};

use crate::agent::state_dir;
use crate::{Agent, Gate, Mosquitto, Options, Session, Subscriber, TempDir, wait_for};
use std::fs;
use std::path::{Path, PathBuf};

/// The model of the cases, which never changes: every later version reads it.
const MODEL: &str = "golden.model";

/// The surroundings of an agent: a broker with a session, an ordinary one, and an uplink behind a line that can be cut.
struct Surroundings {
    session: Session,
    plain: Mosquitto,
    subscriber: Subscriber,
    gate: Gate,
    _uplink: Mosquitto,
}

impl Surroundings {
    fn new() -> Self {
        let uplink = Mosquitto::with(&Options { quiet: true, ..Options::default() });
        let (subscriber, gate) = (Subscriber::new(uplink.port), Gate::to(uplink.port));
        Self { session: Session::start(), plain: Mosquitto::start(), subscriber, gate, _uplink: uplink }
    }

    fn agent(&self, dir: &TempDir, config: &str) -> Agent {
        let ports =
            [("{session}", self.session.port), ("{plain}", self.plain.port), ("{uplink}", self.gate.port)];
        let config = ports
            .iter()
            .fold(config.to_owned(), |text, (place, port)| text.replace(place, &port.to_string()))
            .replace(input::PATH, &input::path(dir));
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("state").join(MODEL), dir.join(MODEL))
            .expect("the model");
        let agent = Agent::start(dir, &config);
        wait_for("the agent to subscribe", || (self.plain.logged("\tarrivals/") > 0).then_some(()));
        agent
    }
}

/// Makes a case's folder with this program. The folder never changes afterwards.
///
/// # Panics
/// When something cannot be made.
pub fn make(case: &Case, folder: &Path) {
    let (dir, surroundings) = (TempDir::new(), Surroundings::new());
    let agent = surroundings.agent(&dir, &case.config);
    case.before(&surroundings.session, surroundings.plain.port, &dir);
    match case.end {
        End::Stopped => assert_eq!(agent.terminate().code(), Some(0)),
        End::Killed => agent.kill9(),
        End::KilledLater => {
            let (checkpoint, begun) = (state_dir(&dir).join("windows.checkpoint.deltas"), agent.log());
            wait_for("a delta", || checkpoint.exists().then_some(()));
            agent.wait_logs(&["checkpoint written"], begun.matches("checkpoint written").count() + 2);
            agent.kill9();
        }
    }
    fs::create_dir_all(folder).expect("the case's folder");
    fs::write(folder.join("config.toml"), &case.config).expect("the case's config");
    copy(&state_dir(&dir), &folder.join("state"));
    if case.reads() {
        input::keep(&dir, folder);
    }
    let outcome = go_on(case, folder, &case.config);
    fs::write(folder.join("outcome.jsonl"), outcome.lines()).expect("the case's outcome");
}

/// Goes on with a copy of a case's state under a config. Returns what came of it.
///
/// # Panics
/// When the agent does not go on.
#[must_use]
#[track_caller]
pub fn go_on(case: &Case, folder: &Path, config: &str) -> Outcome {
    let (dir, surroundings) = (TempDir::new(), Surroundings::new());
    copy(&folder.join("state"), &state_dir(&dir));
    input::adopt(folder, &dir, &state_dir(&dir));
    let waiting = waiting(&dir);
    let agent = surroundings.agent(&dir, config);
    case.after(&surroundings.session, surroundings.plain.port, &dir);
    if case.fills {
        wait_for("the oldest messages to be merged", || (!waiting.first()?.exists()).then_some(()));
    }
    surroundings.gate.open();
    let is_done = |messages: &crate::Messages| case.is_done(messages, config);
    surroundings.subscriber.wait_until("all that the agent has to say", is_done);
    assert_eq!(agent.terminate().code(), Some(0));
    let stopped = |messages: &crate::Messages| messages.has_cause("stop");
    case.outcome(&surroundings.subscriber.wait_until("the report of the stop", stopped))
}

/// What waits in the buffer, the oldest first.
fn waiting(dir: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(state_dir(dir).join("buffer")).into_iter().flatten().filter_map(Result::ok);
    let mut databases: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    databases.sort();
    databases
}

/// The folders of all cases of all versions under `tests/state`.
#[must_use]
pub fn folders() -> Vec<PathBuf> {
    let below = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let mut folders: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("state");
    below(&root).iter().flat_map(|version| below(version)).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").filter_map(Result::ok) {
        // Room on the disk that is set aside: any run makes it again.
        if entry.file_name() == "reserve" {
            continue;
        }
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
        } else if entry.path().is_file() {
            // The socket of `headwater status` is none.
            fs::copy(entry.path(), place).expect("a copy");
        }
    }
}
