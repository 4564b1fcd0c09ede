//! The trial of a config: the outputs that worked before it have to come back.

use crate::engine::Engine;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A config that is on trial.
pub(super) struct ConfigTrial {
    /// The outputs that have to come back.
    wanted: Vec<String>,
    trial_ms: i64,
    /// How long they have to stay: after each loss twice as long, so that who comes and goes does not pass by chance.
    steady: Duration,
    ends: Instant,
    /// Since when all of them are there without a break, and when the last of them connected (ms since the Unix epoch).
    since: Option<(Instant, i64)>,
}

/// How a trial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All outputs are back, and have stayed.
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
    pub(super) fn of(wanted: Vec<String>, trial_ms: i64, steady_ms: i64) -> Self {
        let ends = Instant::now() + Duration::from_millis(trial_ms.unsigned_abs());
        let steady = Duration::from_millis(steady_ms.unsigned_abs());
        Self { wanted, trial_ms, steady, ends, since: None }
    }

    /// Waits for the trial to end.
    pub(super) async fn verdict(&mut self, engine: &Engine) -> Verdict {
        loop {
            let verdict = self.look(self.connected_ms(engine), Instant::now());
            if let Some(verdict) = verdict {
                return verdict;
            }
            let next = self.since.map_or(self.ends, |(since, _)| (since + self.steady).min(self.ends));
            tokio::select! {
                () = engine.look() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// When the last of the outputs connected [ms since the Unix epoch]; `None`: one is not.
    fn connected_ms(&self, engine: &Engine) -> Option<i64> {
        let outputs = engine.forwarder().status().outputs;
        let since = self.wanted.iter().map(|name| {
            let output = outputs.iter().find(|output| output.name == *name);
            output.filter(|output| output.up).map(|output| output.since_ms)
        });
        since.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn look(&mut self, connected_ms: Option<i64>, now: Instant) -> Option<Verdict> {
        if self.since.map(|(_, connected_ms)| connected_ms) != connected_ms {
            if self.since.is_some() {
                self.steady *= 2;
            }
            self.since = connected_ms.map(|connected_ms| (now, connected_ms));
        }
        match self.since {
            Some((since, _)) if now >= since + self.steady => Some(Verdict::Passed),
            _ if now >= self.ends => Some(Verdict::Failed),
            _ => None,
        }
    }

    /// Whether it is that of a remote change, which outputs have to outlast.
    pub(super) fn is_remote(&self) -> bool {
        !self.steady.is_zero()
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
    use super::*;

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

    #[tokio::test(start_paused = true)]
    async fn outputs_have_to_stay_where_that_is_asked() {
        let now = Instant::now();
        let at = |s: u64| now + Duration::from_secs(s);
        let mut trial = ConfigTrial::of(vec!["a".to_owned()], 40_000, 10_000);
        let (one, other) = (Some(1), Some(2));
        let looks = [(one, 0), (one, 9), (None, 9), (other, 12), (other, 31)];
        assert!(looks.iter().all(|(connected_ms, s)| trial.look(*connected_ms, at(*s)).is_none()));
        assert_eq!(
            trial.look(other, at(32)),
            Some(Verdict::Passed),
            "twice as long, because it was lost once"
        );
        let mut trial = ConfigTrial::of(vec!["a".to_owned()], 40_000, 10_000);
        let looks = [(one, 0), (other, 9), (Some(3), 20), (Some(3), 39)];
        assert!(looks.iter().all(|(connected_ms, s)| trial.look(*connected_ms, at(*s)).is_none()));
        assert_eq!(trial.look(Some(3), at(40)), Some(Verdict::Failed), "it comes and goes");
        let mut trial = ConfigTrial::of(vec!["a".to_owned()], 40_000, 0);
        assert_eq!((trial.look(None, at(1)), trial.look(one, at(1))), (None, Some(Verdict::Passed)));
    }
}
