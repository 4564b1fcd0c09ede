//! The engine's state on disk: what is in it, when it is written, and how it is read back.
//!
//! A checkpoint is written only once the messages made before it are acknowledged or in the buffer: a window that it
//! holds as closed must not have its summary in memory only. It is written whole; where that would be more than
//! `daily_writes` a day, it is written more rarely.

use super::{Engine, LastReport};
use crate::checkpoint::{self, Found};
use crate::pipeline::Pipeline;
use crate::pipeline::state::{load_counts, save_counts};
use headwater_forwarder::{Account, Mark};
use headwater_kernel::state::{Corrupt, State, Stored};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The file in the state directory.
pub(crate) const FILE: &str = "windows.checkpoint";

/// How long the messages before a checkpoint may take to be safe, before it is given up for the next one.
const SAFE_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const DAY_MS: u64 = 86_400_000;

/// What an earlier run has left.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    last_report: Option<LastReport>,
    /// The messages' account of all earlier runs; nothing waits in it.
    messages: Account,
    /// Whether it ended without its last checkpoint.
    crashed: bool,
    /// What a person should know of it; may be empty.
    pub(crate) trouble: String,
}

/// State taken at one moment, and the messages that must be safe before it is written.
pub(crate) struct Snapshot {
    body: Vec<u8>,
    mark: Mark,
}

/// Reads the state that an earlier run has left into a new pipeline, made by `fresh`. What cannot be used is set aside.
///
/// # Errors
/// The file is there and can neither be read nor set aside.
pub(crate) fn restore(path: &Path, fresh: impl Fn() -> Pipeline) -> io::Result<(Pipeline, Earlier)> {
    let mut pipeline = fresh();
    let body = match checkpoint::read(path)? {
        Found::Nothing => return Ok((pipeline, Earlier::default())),
        Found::Broken { aside, why } => {
            let trouble =
                format!("the checkpoint could not be used, {why}; it is kept as {}", aside.display());
            return Ok((pipeline, Earlier { trouble, ..Earlier::default() }));
        }
        Found::Body(body) => body,
    };
    let mut from = Stored::new(&body);
    match Earlier::load(&mut from).and_then(|earlier| Ok((earlier, pipeline.restore(&mut from)?))) {
        Ok((earlier, 0)) => Ok((pipeline, earlier)),
        Ok((earlier, given_up)) => {
            let trouble =
                format!("{given_up} readings in open windows given up: the config has changed their streams");
            Ok((pipeline, Earlier { trouble, ..earlier }))
        }
        Err(Corrupt) => {
            let found = checkpoint::set_aside(path, "its content is of another version")?;
            let trouble = format!("the checkpoint could not be used: {found:?}");
            Ok((fresh(), Earlier { trouble, ..Earlier::default() }))
        }
    }
}

impl Earlier {
    /// The account of all runs, given that of this one.
    pub(super) fn plus(&self, current: &Account) -> Account {
        Account {
            made: self.messages.made + current.made,
            delivered: self.messages.delivered + current.delivered,
            waiting: current.waiting,
            thinned: self.messages.thinned + current.thinned,
            lost: self.messages.lost + current.lost,
        }
    }

    /// Whether messages may have been sent that its state knows nothing of.
    pub(crate) fn has_crashed(&self) -> bool {
        self.crashed
    }

    /// Where this run's first report begins.
    pub(super) fn take_last_report(&mut self) -> Option<LastReport> {
        self.last_report.take()
    }

    fn load(from: &mut Stored<'_>) -> Result<Self, Corrupt> {
        let crashed = !bool::load(from)?;
        let last_report = LastReport {
            at: State::load(from)?,
            readings: load_counts(from)?,
            messages: load_account(from)?,
            suppressed: State::load(from)?,
        };
        let mut messages = load_account(from)?;
        // What waited then is in the buffer now, and this run counts it as made.
        messages.made = messages.made.checked_sub(messages.waiting).ok_or(Corrupt)?;
        messages.waiting = 0;
        Ok(Self { last_report: Some(last_report), messages, crashed, trouble: String::new() })
    }
}

impl Engine {
    /// The whole state, now. `last`: nothing comes after it, and every message is safe.
    pub(crate) fn snapshot(&self, last: bool) -> Snapshot {
        let mut body = Vec::new();
        last.save(&mut |bytes: &[u8]| body.extend_from_slice(bytes));
        let report = self.last_report.borrow();
        report.at.save(&mut |bytes: &[u8]| body.extend_from_slice(bytes));
        save_counts(&mut body, &report.readings);
        save_account(&mut body, &report.messages);
        report.suppressed.save(&mut |bytes: &[u8]| body.extend_from_slice(bytes));
        save_account(&mut body, &self.messages());
        self.pipeline.borrow().save(&mut body);
        Snapshot { body, mark: self.forwarder.mark() }
    }

    /// Writes a checkpoint at every interval for as long as it runs; never returns.
    pub(crate) async fn checkpoint_forever(&self, path: &Path, every_ms: i64, daily_writes: u64) {
        let every = Duration::from_millis(every_ms.unsigned_abs());
        let mut wait = every;
        let mut unchanged = None;
        loop {
            tokio::time::sleep(wait).await;
            let state = (self.pipeline.borrow().totals(), self.last_report.borrow().at);
            if unchanged == Some(state) {
                continue;
            }
            let snapshot = self.snapshot(false);
            if !self.is_safe(&snapshot.mark).await {
                tracing::warn!("no checkpoint: messages could neither be sent nor written to disk");
                continue;
            }
            match snapshot.write(path).await {
                Ok(bytes) => {
                    unchanged = Some(state);
                    wait =
                        every.max(Duration::from_millis(bytes.saturating_mul(DAY_MS) / daily_writes.max(1)));
                }
                Err(error) => tracing::error!("cannot write the checkpoint {}: {error}", path.display()),
            }
        }
    }

    async fn is_safe(&self, mark: &Mark) -> bool {
        let looks = SAFE_WITHIN.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            if self.forwarder.is_kept(mark) {
                return true;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        false
    }
}

impl Snapshot {
    /// Writes it, on a thread where it may take its time; answers the bytes written.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn write(self, path: &Path) -> io::Result<u64> {
        let path = path.to_owned();
        let written = tokio::task::spawn_blocking(move || checkpoint::write(&path, &self.body)).await;
        written.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

fn save_account(to: &mut Vec<u8>, account: &Account) {
    for count in [account.made, account.delivered, account.waiting, account.thinned, account.lost] {
        count.save(&mut |bytes: &[u8]| to.extend_from_slice(bytes));
    }
}

fn load_account(from: &mut Stored<'_>) -> Result<Account, Corrupt> {
    let mut next = || u64::load(from);
    Ok(Account { made: next()?, delivered: next()?, waiting: next()?, thinned: next()?, lost: next()? })
}
