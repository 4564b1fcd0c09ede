//! The engine's state on disk: what is in it, when it is written, and how it is read back.
//!
//! A checkpoint is written only once the messages made before it are acknowledged or in the buffer: a window that it
//! holds as closed must not have its summary in memory only. It is written whole, at every interval, and earlier where
//! something waits for it: a source that acknowledges only what is durable, or a window that has been told of as often
//! as the last checkpoint allows. `write_budget.rs` keeps that within `daily_writes`.

use super::clockwork::Permit;
use super::outages::Outages;
use super::source_states::{load_source_states, save_source_states};
use super::timekeeper::Past;
use super::{Engine, LastReport};
use crate::checkpoint::{self, Found};
use crate::clock::Boots;
use crate::memory::Memory;
use crate::pipeline::state::{load_ledger, save_ledger};
use crate::pipeline::{Ceiling, Pipeline};
use headwater_forwarder::{Account, Mark, Written};
use headwater_kernel::state::{Corrupt, State, Stored};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// The file in the state directory.
pub(crate) const FILE: &str = "windows.checkpoint";

/// What an earlier run has left.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    last_report: Option<LastReport>,
    untold_starts: u32,
    outages: Outages,
    /// The messages' account of all earlier runs; nothing waits in it.
    messages: Account,
    /// What was written to storage in its day.
    pub(crate) written: Written,
    /// What its sources wanted to be remembered, by name.
    source_states: Vec<(String, Vec<u8>)>,
    /// Whether it ended without its last checkpoint.
    crashed: bool,
    /// How the clock stood.
    pub(crate) past: Past,
    /// What a person should know of it: a report's cause, and what is wrong.
    pub(crate) trouble: Option<(&'static str, String)>,
}

/// State taken at one moment, and the messages that must be safe before it is written.
pub(crate) struct Snapshot {
    pub(super) body: Vec<u8>,
    pub(super) ceiling: Ceiling,
    /// Its number.
    pub(super) checkpoint: u64,
    /// How long it took to take.
    pub(super) took: Duration,
    pub(super) permit: Permit,
    pub(super) mark: Mark,
}

/// Reads the state that an earlier run has left into a new pipeline, made by `fresh`. What cannot be used is set aside;
/// of what is more than `memory` has room for, the first series are used.
///
/// # Errors
/// The file is there and can neither be read nor set aside.
pub(crate) fn restore(
    path: &Path,
    boots: &Boots,
    memory: &Memory,
    fresh: impl Fn() -> Pipeline,
) -> io::Result<(Pipeline, Earlier)> {
    let mut pipeline = fresh();
    let body = match checkpoint::read(path, memory.cap().map(|cap| cap / 4 * 3))? {
        Found::Nothing => return Ok((pipeline, Earlier::default())),
        Found::Broken { aside, why } => {
            let trouble =
                format!("the checkpoint could not be used, {why}; it is kept as {}", aside.display());
            pipeline.forget_past();
            return Ok((pipeline, Earlier { trouble: Some(("damaged", trouble)), ..Earlier::default() }));
        }
        Found::Body(body) => body,
    };
    let mut from = Stored::new(&body);
    let look = || memory.is_due().then(|| memory.look()).flatten();
    match Earlier::load(&mut from, boots)
        .and_then(|earlier| Ok((earlier, pipeline.restore_within(&mut from, look)?)))
    {
        Ok((earlier, 0)) => Ok((pipeline, earlier)),
        Ok((earlier, given_up)) => {
            let why = memory.trouble().unwrap_or_else(|| "the config has changed their streams".to_owned());
            let trouble = format!("{given_up} readings in open windows given up: {why}");
            Ok((pipeline, Earlier { trouble: Some(("refused", trouble)), ..earlier }))
        }
        Err(Corrupt) => {
            let found = checkpoint::set_aside(path, "its content is of another version")?;
            let trouble = format!("the checkpoint could not be used: {found:?}");
            pipeline = fresh();
            pipeline.forget_past();
            Ok((pipeline, Earlier { trouble: Some(("damaged", trouble)), ..Earlier::default() }))
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

    /// Starts before this one that may not have been told.
    pub(super) fn untold_starts(&self) -> u32 {
        self.untold_starts
    }

    /// Outputs that were down at the end.
    pub(super) fn take_outages(&mut self) -> Outages {
        std::mem::take(&mut self.outages)
    }

    /// What the sources of the last run wanted to be remembered.
    pub(super) fn take_source_states(&mut self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.source_states)
    }

    fn load(from: &mut Stored<'_>, boots: &Boots) -> Result<Self, Corrupt> {
        let crashed = !bool::load(from)?;
        let last_report = LastReport {
            at: State::load(from)?,
            readings: load_ledger(from)?,
            messages: load_account(from)?,
            suppressed: State::load(from)?,
        };
        let (untold_starts, outages) = (State::load(from)?, Outages::load(from)?);
        let mut messages = load_account(from)?;
        // What waited then is in the buffer now, and this run counts it as made.
        messages.made = messages.made.checked_sub(messages.waiting).ok_or(Corrupt)?;
        messages.waiting = 0;
        let (day, (own_bytes, device_bytes)) = State::load(from)?;
        let written = Written { day, own_bytes, device_bytes };
        let source_states = load_source_states(from)?;
        let past = Past::load(from, boots)?;
        let (last_report, trouble) = (Some(last_report), None);
        Ok(Self {
            last_report,
            untold_starts,
            outages,
            messages,
            written,
            source_states,
            crashed,
            past,
            trouble,
        })
    }
}

impl Engine {
    /// The whole state, now; the next one follows within `next_ms`. `None`: nothing comes after it, and every message is
    /// safe.
    pub(crate) fn snapshot(&self, next_ms: Option<i64>) -> Snapshot {
        let (start, mut body) = (Instant::now(), self.checkpointer.take_buffer());
        let last = next_ms.is_none();
        body.clear();
        last.save(&mut |bytes: &[u8]| body.extend_from_slice(bytes));
        let report = self.last_report.borrow();
        report.at.save(&mut |bytes: &[u8]| body.extend_from_slice(bytes));
        save_ledger(&mut body, &report.readings);
        save_account(&mut body, &report.messages);
        report.suppressed.save(&mut |bytes: &[u8]| body.extend_from_slice(bytes));
        self.untold_starts.get().save(&mut |bytes: &[u8]| body.extend_from_slice(bytes));
        self.outages.borrow().save(&mut body);
        save_account(&mut body, &self.messages());
        let Written { day, own_bytes, device_bytes } = self.forwarder().written();
        (day, (own_bytes, device_bytes)).save(&mut |bytes: &[u8]| body.extend_from_slice(bytes));
        save_source_states(&mut body, &self.source_states.borrow());
        self.clock.save(next_ms.unwrap_or(0), &mut body);
        let ceiling = self.pipeline.borrow_mut().checkpoint(self.now(), &mut body);
        let (checkpoint, mark) = (self.checkpointer.requests.end(), self.forwarder().mark());
        let (took, permit) = (start.elapsed(), self.permit.get());
        Snapshot { body, ceiling, checkpoint, took, permit, mark }
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
