//! What an earlier run has left: the engine's own sections of a checkpoint, and how a run begins with them.

use super::Engine;
use super::agent_clock::{AgentClock, Past};
use super::handed_over::HandedOver;
use super::missing::Untraced;
use super::outages::Outages;
use super::replay::{self, Replayed, Told};
use super::source_positions::{PositionMap, load_positions};
use super::source_states::load_sources_left;
use crate::checkpoint::{self, Found};
use crate::clock::Boots;
use crate::config::SourceConfig;
use crate::journal::{Base, Chain, Segments};
use crate::memory::MemoryCap;
use headwater_forwarder::{Account, Written};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::SteadyTime;
use headwater_pipeline::account::{MessageDelta, ReadingLedger};
use headwater_pipeline::event::{ReportCause, RunEnd};
use headwater_pipeline::pipeline::Pipeline;
use headwater_pipeline::pipeline::state::{load_ledger, load_named, save_ledger, save_named};
use headwater_pipeline::sections::SectionWriter;
use headwater_pipeline::sections::body::{self, StoredBody};
use headwater_pipeline::sections::unread::Unread;
use headwater_sensors::SourceLeft;
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// The accounts at the last report, from which the next one counts.
#[derive(Clone, Debug)]
pub(super) struct LastReport {
    pub(super) at: SteadyTime,
    pub(super) readings: ReadingLedger,
    pub(super) messages: Account,
    pub(super) suppressed: i64,
}

/// What the report of a start says of the run before it.
pub(super) struct RunBefore {
    /// How that run ended; `None`: there was none.
    pub(super) stop: Option<RunEnd>,
    /// What its end may have taken, in words; empty: nothing.
    pub(super) missing: String,
}

/// What an earlier run has left.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    /// Where this run's first report begins.
    pub(super) last_report: Option<LastReport>,
    /// The number of starts that no report may have mentioned.
    pub(super) untold_starts: u32,
    /// Outputs that were down at the end.
    pub(super) outages: Outages,
    /// The messages' account of all earlier runs; nothing waits in it.
    pub(super) messages: Account,
    /// The bytes that the earlier run wrote on its day.
    pub(crate) written: Written,
    /// What its sources have left in the checkpoint, by name.
    pub(super) sources_left: HashMap<String, SourceLeft>,
    /// How far its sources had read their inputs at the checkpoint, by name.
    pub(super) positions: HashMap<String, PositionMap>,
    /// What the sources have handed over since that checkpoint.
    pub(super) handed_over: HandedOver,
    /// Whether it wrote its last checkpoint; `None`: there is none that can be read.
    stopped: Option<bool>,
    /// Whether messages may have been sent that its state knows nothing of.
    crashed: bool,
    /// The state of the clock at the end of that run.
    pub(crate) past: Past,
    /// Whether a detector learns anew, so that its alerts since the checkpoint may be others than those of that run.
    learns_anew: bool,
    /// What a person should know of it: of each thing a report's cause, and what is wrong.
    pub(crate) troubles: Vec<(ReportCause, String)>,
    /// Messages that it had sent, by its journal, and that may not have arrived.
    pub(super) told: Vec<Told>,
}

/// Where an earlier run has left its state.
pub(crate) struct Stored<'s> {
    /// The checkpoint.
    pub(crate) path: &'s Path,
    /// The journal.
    pub(crate) segments: &'s Segments,
}

/// Reads the state that an earlier run has left into a new pipeline, made by `fresh`, and replays the journal that follows
/// it. A file that cannot be used is set aside. What of it cannot be read is lost alone, and the file is kept as it is. Of
/// what is more than `memory` has room for, the first series are used.
///
/// # Errors
/// The file is there and can neither be read nor set aside.
pub(crate) fn restore(
    stored: &Stored<'_>,
    boots: &Boots,
    memory: &MemoryCap,
    fresh: impl Fn() -> Pipeline,
) -> io::Result<(Pipeline, Earlier)> {
    let path = stored.path;
    let mut pipeline = fresh();
    let bytes_max = memory.cap().map(|cap| cap / 4 * 3);
    let (found, damage) = match checkpoint::read(path, bytes_max)? {
        Found::Earlier { body, aside, why } => (Found::Body(body), Some((aside, why))),
        found => (found, None),
    };
    let base = if let Found::Body(bytes) = &found { Some(Base::of(bytes)) } else { None };
    let has_stopped = matches!(&found, Found::Body(bytes) if has_stopped(bytes));
    let segments = (!has_stopped).then_some(stored.segments);
    let newer = segments.and_then(|segments| segments.newer_checkpoint(base, bytes_max));
    let is_newer = newer.is_some();
    let bytes = match newer.map_or(found, Found::Body) {
        Found::Nothing => return Ok((pipeline, Earlier::default())),
        Found::Broken { aside, why } => {
            let trouble =
                format!("the checkpoint could not be used, {why}; it is kept as {}", aside.display());
            pipeline.forget_past();
            return Ok((
                pipeline,
                Earlier { troubles: vec![(ReportCause::Damaged, trouble)], ..Earlier::default() },
            ));
        }
        Found::Body(bytes) | Found::Earlier { body: bytes, .. } => bytes,
    };
    let chain = segments.and_then(|segments| segments.after(Base::of(&bytes)));
    let (body, mut unread) = (StoredBody::new(&bytes), Unread::default());
    body.note_unknown(&mut unread);
    let mut earlier = Earlier::load(body, boots, &mut unread);
    let since = if chain.is_some() { replay::SINCE } else { earlier.past.alive };
    let look = || memory.is_due().then(|| memory.look()).flatten();
    let given_up = pipeline.restore_within(since, body, look, &mut unread);
    if given_up.is_none() {
        // The next report begins with the account that there is.
        earlier.last_report = None;
    }
    earlier.learns_anew = unread.learns_anew();
    earlier.troubles.extend(trouble(path, &unread, given_up.unwrap_or(0), memory));
    if let Some((aside, why)) = damage {
        let what = "the changes since the checkpoint could not be used to their end";
        let text = format!("{what}, {why}; they are kept as {}", aside.display());
        earlier.troubles.push((ReportCause::Damaged, text));
        if chain.is_none() && !is_newer {
            // The run before this one may have told more than this state allowed it to.
            pipeline.forget_past();
        }
    }
    drop(bytes);
    if let Some(chain) = chain {
        pipeline = earlier.go_on(pipeline, &chain, &fresh);
    }
    earlier.troubles.extend(stored.segments.set_aside().map(|text| (ReportCause::Damaged, text)));
    Ok((pipeline, earlier))
}

/// Whether a checkpoint is the last one of a run that was stopped: no journal follows it.
fn has_stopped(bytes: &[u8]) -> bool {
    StoredBody::new(bytes).one(body::RUN, &mut Unread::default(), bool::load).unwrap_or(false)
}

/// What a report is to say of a state that could not be used whole.
fn trouble(path: &Path, unread: &Unread, given_up: i64, memory: &MemoryCap) -> Option<(ReportCause, String)> {
    let readings = |why: &str| format!("{given_up} readings in open windows given up{why}");
    if unread.is_empty() {
        let why = memory.trouble().unwrap_or_else(|| "the config has changed their streams".to_owned());
        return (given_up != 0).then(|| (ReportCause::Refused, readings(&format!(": {why}"))));
    }
    let mut said = unread.to_string();
    if given_up != 0 {
        said = format!("{said}; {}", readings(""));
    }
    let kept = match checkpoint::keep(path) {
        Ok(Some(copy)) => format!("the checkpoint is kept as {}", copy.display()),
        Ok(None) => "the checkpoint is not kept, there are enough of them".to_owned(),
        Err(error) => format!("the checkpoint could not be kept: {error}"),
    };
    Some((ReportCause::Upgrade, format!("{said}; {kept}")))
}

impl Earlier {
    /// Takes in the journal of a run that has crashed.
    fn go_on(&mut self, base: Pipeline, chain: &Chain<'_>, fresh: &dyn Fn() -> Pipeline) -> Pipeline {
        let is_whole = self.troubles.is_empty() && !self.learns_anew;
        let is_own = chain.other_rev_limit().is_none();
        let begin = self.past.now();
        let Replayed { pipeline, told, handed_over, now, orphaned, nameless, cut } = replay::replay(
            chain,
            (base, begin),
            &mut |sections, is_exact| self.update(sections, is_own && is_exact),
            fresh,
        );
        self.past.went_on(now);
        self.told = told;
        self.handed_over = handed_over;
        self.crashed = cut.is_some() || !is_whole;
        if let Some(why) = cut {
            tracing::warn!("the journal does not tell all that came: {why}");
        }
        if orphaned > 0 {
            let text = format!(
                "{orphaned} readings given up: the journal has them of sources that the config no longer has"
            );
            self.troubles.push((ReportCause::Refused, text));
        }
        if nameless > 0 {
            let text = format!(
                "{nameless} readings given up: the part of the journal that named their series cannot be read"
            );
            self.troubles.push((ReportCause::Damaged, text));
        }
        pipeline
    }

    /// What it has left of the sources of a config, in their order.
    pub(super) fn take_sources_left(&mut self, sources: &[SourceConfig]) -> Vec<SourceLeft> {
        let take = |(index, source): (usize, &SourceConfig)| {
            let mut left = self.sources_left.remove(&source.name).unwrap_or_default();
            left.receipts.extend(self.handed_over.take_receipts(index));
            left
        };
        sources.iter().enumerate().map(take).collect()
    }

    /// How far the sources of a config had read their inputs, in their order.
    pub(super) fn take_positions(&mut self, sources: &[SourceConfig]) -> Vec<PositionMap> {
        let take = |(index, source): (usize, &SourceConfig)| {
            let mut positions = self.positions.remove(&source.name).unwrap_or_default();
            self.handed_over.take_positions(index).for_each(|(key, at)| positions.set(&key, &at));
            positions
        };
        sources.iter().enumerate().map(take).collect()
    }

    /// Whether messages may have been sent that its state knows nothing of.
    pub(crate) fn has_crashed(&self) -> bool {
        self.crashed
    }

    /// What the report of the next start says of it.
    pub(super) fn run_before(
        &self,
        clock: &AgentClock,
        pipeline: &Pipeline,
        sources: &[SourceConfig],
    ) -> RunBefore {
        let end = |has_stopped: bool| match has_stopped {
            true => RunEnd::Stop,
            false if clock.is_boot_of(&self.past) => RunEnd::Crash,
            false => RunEnd::Power,
        };
        let untraced = Untraced {
            then: self.past.now(),
            now: clock.now(),
            start: clock.moment().steady,
            last_report: self.last_report.as_ref().map(|last| (last.at, &last.readings)),
        };
        let missing = if self.crashed { untraced.describe(pipeline, sources) } else { None };
        RunBefore { stop: self.stopped.map(end), missing: missing.unwrap_or_default() }
    }

    fn load(stored: StoredBody<'_>, boots: &Boots, unread: &mut Unread) -> Self {
        let stopped = stored.one(body::RUN, unread, bool::load).unwrap_or(false);
        let last_report = stored.one(body::REPORT, unread, LastReport::load);
        let untold_starts = stored.one(body::STARTS, unread, u32::load).unwrap_or(0);
        let outages = stored.one(body::OUTAGES, unread, Outages::load).unwrap_or_default();
        let messages = stored.one(body::MESSAGES, unread, load_past_account);
        let written = stored.one(body::WRITTEN, unread, |from| {
            let (day, (own_bytes, device_bytes)) = State::load(from)?;
            Ok(Written { day, own_bytes, device_bytes })
        });
        let past = stored.one(body::CLOCK, unread, |from| Past::load(from, boots)).unwrap_or_default();
        Self {
            last_report: last_report.filter(|_| messages.is_some()),
            untold_starts,
            outages,
            messages: messages.unwrap_or_default(),
            written: written.unwrap_or_default(),
            sources_left: load_sources_left(stored, unread),
            positions: load_positions(stored, unread),
            handed_over: HandedOver::default(),
            stopped: Some(stopped),
            crashed: !stopped,
            past,
            learns_anew: false,
            troubles: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Takes the engine's own progress from the sections that [`Engine::save_progress`] writes. `is_own`: the readings since
    /// then are in the same streams; otherwise the next report goes on from the one that the checkpoint knows.
    pub(super) fn update(&mut self, stored: StoredBody<'_>, is_own: bool) {
        let mut unread = Unread::default();
        let last_report = stored.one(body::REPORT, &mut unread, LastReport::load);
        if let Some(last_report) = last_report.filter(|_| is_own) {
            self.last_report = Some(last_report);
        }
        if let Some(starts) = stored.one(body::STARTS, &mut unread, u32::load) {
            self.untold_starts = starts;
        }
        if let Some(outages) = stored.one(body::OUTAGES, &mut unread, Outages::load) {
            self.outages = outages;
        }
        if let Some(messages) = stored.one(body::MESSAGES, &mut unread, load_past_account) {
            self.messages = messages;
        }
    }
}

/// The account of a run that has ended: what waited then is in the buffer now, and this run counts it as made.
fn load_past_account(from: &mut StateReader<'_>) -> Result<Account, Corrupt> {
    let mut messages = load_account(from)?;
    messages.made = messages.made.checked_sub(messages.waiting).ok_or(Corrupt)?;
    messages.waiting = 0;
    Ok(messages)
}

impl Engine {
    /// Appends the engine's own sections; the next checkpoint follows within `next_ms`.
    pub(super) fn save_own(&self, is_last: bool, next_ms: i64, to: &mut impl SectionWriter) {
        body::RUN.put(to, |to| to.push(u8::from(is_last)));
        self.save_progress(to);
        body::WRITTEN.put(to, |to| {
            let Written { day, own_bytes, device_bytes } = self.forwarder().written();
            (day, (own_bytes, device_bytes)).save(&mut |bytes: &[u8]| to.extend_from_slice(bytes));
        });
        self.sources.save(to);
        body::CLOCK.put(to, |to| self.clock.save(next_ms, to));
    }

    /// Appends the sections that [`Earlier::update`] reads.
    pub(super) fn save_progress(&self, to: &mut impl SectionWriter) {
        body::REPORT.put(to, |to| self.reporter.save_last(to));
        body::STARTS.put(to, |to| self.reporter.save_starts(to));
        body::OUTAGES.put(to, |to| self.reporter.save_outages(to));
        body::MESSAGES.put(to, |to| save_account(to, &self.message_account()));
    }
}

impl LastReport {
    pub(super) fn save(&self, to: &mut Vec<u8>) {
        self.at.save(&mut |bytes: &[u8]| to.extend_from_slice(bytes));
        save_ledger(to, &self.readings);
        save_account(to, &self.messages);
        self.suppressed.save(&mut |bytes: &[u8]| to.extend_from_slice(bytes));
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            at: State::load(from)?,
            readings: load_ledger(from)?,
            messages: load_account(from)?,
            suppressed: State::load(from)?,
        })
    }
}

pub(super) fn save_account(to: &mut Vec<u8>, account: &Account) {
    save_named(to, &super::counts_of(account).named());
}

fn load_account(from: &mut StateReader<'_>) -> Result<Account, Corrupt> {
    let counts = MessageDelta::from_named(load_named(from)?);
    let count = |count: i64| u64::try_from(count).map_err(|_| Corrupt);
    Ok(Account {
        made: count(counts.made)?,
        delivered: count(counts.delivered)?,
        waiting: count(counts.waiting)?,
        thinned: count(counts.thinned)?,
        lost: count(counts.lost)?,
    })
}
