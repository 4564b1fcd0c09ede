//! The trial of a config: the outputs that worked before it have to come back.

use super::up;
use crate::engine::Engine;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A config that is on trial.
pub(super) struct ConfigTrial {
    /// The outputs that have to come back.
    wanted: Vec<String>,
    trial_ms: i64,
    ends: Instant,
}

/// How a trial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All outputs are back.
    Passed,
    /// The time is over.
    Failed,
}

/// The outputs of a config that have to come back, where others worked before: those of the same names, or all, if none of
/// them has such a name. None has to where none worked.
pub(super) fn wanted(worked: Vec<String>, outputs: Vec<String>) -> Vec<String> {
    let same: Vec<String> = worked.iter().filter(|name| outputs.contains(name)).cloned().collect();
    if same.is_empty() && !worked.is_empty() { outputs } else { same }
}

impl ConfigTrial {
    /// A trial that begins now.
    pub(super) fn of(wanted: Vec<String>, trial_ms: i64) -> Self {
        let ends = Instant::now() + Duration::from_millis(trial_ms.unsigned_abs());
        Self { wanted, trial_ms, ends }
    }

    /// Waits for the trial to end.
    pub(super) async fn verdict(&self, engine: &Engine) -> Verdict {
        loop {
            tokio::select! {
                () = engine.look() => {}
                () = sleep_until(self.ends) => {}
            }
            let up = up(engine);
            if self.wanted.iter().all(|name| up.contains(name)) {
                return Verdict::Passed;
            }
            if Instant::now() >= self.ends {
                return Verdict::Failed;
            }
        }
    }

    /// The outputs that have to come back.
    pub(super) fn into_wanted(self) -> Vec<String> {
        self.wanted
    }

    /// The same, in words.
    pub(super) fn names(&self) -> String {
        let names: Vec<String> = self.wanted.iter().map(|name| format!("output {name}")).collect();
        names.join(", ")
    }

    /// How long it takes (ms).
    pub(super) fn trial_ms(&self) -> i64 {
        self.trial_ms
    }
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn what_worked_has_to_come_back() {
        let of = |worked: &[&str], outputs: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            wanted(owned(worked), owned(outputs))
        };
        assert_eq!(of(&["a", "b"], &["b", "c"]), ["b"]);
        assert_eq!(of(&["a"], &["c"]), ["c"], "another name is no way out");
        assert_eq!(of(&[], &["a"]), [""; 0], "nothing worked");
        assert_eq!(of(&["a"], &[]), [""; 0], "the config wants no output");
    }
}
