//! What the state directory keeps of configs: the last one that worked, and the trial of the one after it.
//!
//! ```text
//! config.good    the text of the last config that worked
//! config.trial   headwater trial 1
//!                text 6f2a11c0          the CRC-32 of the text on trial
//!                ms 120000
//!                steady 30000           how long the outputs have to stay, unless they need not
//!                starts 1               how often the program has begun with it before, unless it has not
//!                output cloud           each that has to come back
//!                refused why            once it is rolled back
//! ```
//! A reader skips lines that begin with an unknown word: later versions write them.

use crate::private_file;
use std::io::Read as _;
use std::path::{Path, PathBuf};

const TITLE: &str = "headwater trial 1";

/// The largest config that is kept (bytes).
const BYTES_MAX: u64 = 4 << 20;

/// The files of a state directory.
#[derive(Clone)]
pub(super) struct GoodConfig {
    good: PathBuf,
    trial: PathBuf,
}

/// What is kept of a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoredTrial {
    /// Why the config was rolled back; `None`: it is still on trial.
    pub(super) refused: Option<String>,
    /// The outputs that have to come back.
    pub(super) wanted: Vec<String>,
    /// How long they may take (ms).
    pub(super) trial_ms: i64,
    /// How long they have to stay (ms).
    pub(super) steady_ms: i64,
    /// How often the program has begun with the config: it has ended in the trial before.
    pub(super) starts: u32,
}

impl GoodConfig {
    /// That of a state directory.
    pub(super) fn of(state_dir: &Path) -> Self {
        Self { good: state_dir.join("config.good"), trial: state_dir.join("config.trial") }
    }

    /// The text of the last config that worked.
    pub(super) fn text(&self) -> Option<String> {
        read(&self.good)
    }

    /// Notes that a config works. Nothing is written if that is known.
    pub(super) fn store(&self, text: &str) {
        if self.text().as_deref() != Some(text) {
            self.write(&self.good, text);
        }
        let _ = std::fs::remove_file(&self.trial);
    }

    /// Notes how the trial of a config stands.
    pub(super) fn on_trial(&self, text: &str, trial: &StoredTrial) {
        let StoredTrial { refused, wanted, trial_ms, steady_ms, starts } = trial;
        let mut lines = vec![TITLE.to_owned(), format!("text {}", crc(text)), format!("ms {trial_ms}")];
        lines.extend((*steady_ms > 0).then(|| format!("steady {steady_ms}")));
        lines.extend((*starts > 0).then(|| format!("starts {starts}")));
        lines.extend(wanted.iter().map(|name| format!("output {name}")));
        lines.extend(refused.iter().map(|why| format!("refused {}", why.replace(['\r', '\n'], " "))));
        self.write(&self.trial, &(lines.join("\n") + "\n"));
    }

    /// How the trial of a config stands; `None`: it is on none.
    pub(super) fn stored_trial(&self, text: &str) -> Option<StoredTrial> {
        let stored = read(&self.trial)?;
        let mut lines = stored.lines();
        if lines.next() != Some(TITLE) {
            return None;
        }
        let (mut trial, mut is_of_text) = (StoredTrial::default(), false);
        for (word, rest) in lines.filter_map(|line| line.split_once(' ')) {
            match word {
                "text" => is_of_text = rest == crc(text),
                "ms" => trial.trial_ms = rest.parse().ok()?,
                "steady" => trial.steady_ms = rest.parse().ok()?,
                "starts" => trial.starts = rest.parse().ok()?,
                "output" => trial.wanted.push(rest.to_owned()),
                "refused" => trial.refused = Some(rest.to_owned()),
                // A line of a later version.
                _ => {}
            }
        }
        is_of_text.then_some(trial)
    }

    fn write(&self, path: &Path, text: &str) {
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = folder.and_then(|()| private_file::replace(path, [Ok(text)])) {
            tracing::warn!("cannot write {}: {error}; a crash forgets which config worked", path.display());
        }
    }
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    private_file::open(path).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

fn crc(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_known_until_it_is_over_or_the_config_is_another() {
        let folder = std::env::temp_dir().join(format!("headwater-good-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let good = GoodConfig::of(&folder);
        assert_eq!((good.text(), good.stored_trial("a")), (None, None));
        good.store("a");
        let trial = StoredTrial {
            wanted: vec!["cloud".to_owned()],
            trial_ms: 120_000,
            steady_ms: 30_000,
            starts: 1,
            ..StoredTrial::default()
        };
        good.on_trial("b", &trial);
        assert_eq!((good.stored_trial("b"), good.stored_trial("c")), (Some(trial.clone()), None));
        assert_eq!(good.text().as_deref(), Some("a"), "until it has passed");
        let written = std::fs::read_to_string(folder.join("config.trial")).unwrap();
        let golden = "headwater trial 1\ntext 71beeff9\nms 120000\nsteady 30000\nstarts 1\noutput cloud\n";
        assert_eq!(written, golden);
        let refused = StoredTrial { refused: Some("it is\nbad".to_owned()), ..trial.clone() };
        good.on_trial("b", &refused);
        assert_eq!(good.stored_trial("b").unwrap().refused.as_deref(), Some("it is bad"));
        good.store("b");
        assert_eq!((good.text().as_deref(), good.stored_trial("b")), (Some("b"), None));
        for bad in ["", "headwater trial 1\nms x\n", "other\ntext 0\n", "headwater trial 1\nlater 1\n"] {
            std::fs::write(folder.join("config.trial"), bad).unwrap();
            assert_eq!(good.stored_trial("b"), None, "{bad:?}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
