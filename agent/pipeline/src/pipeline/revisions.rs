//! Which revisions may be told, so that no `(id, rev)` ever has two contents, not even after a crash.
//!
//! A crash makes the agent forget what it has told since the last checkpoint. So a checkpoint holds a *ceiling*: until
//! one with a higher ceiling is durable, no window is told of under a higher revision (it waits, and a checkpoint is
//! asked for). After a crash, all that may have been told of is told of above that ceiling: from the *floor* on. What
//! begins after all times that a reading could have had before the crash starts at 0 as ever. The same floor holds for
//! the clearing and raising of alerts, and for readings forwarded as they are.
//!
//! That costs a few numbers in a checkpoint and nothing between two of them.

use super::own_clock::{load_timestamp, save_timestamp};
use super::state::put;
use crate::event::{BootId, ClockMark, Timestamp};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{Now, SteadyTime, Time};

/// So many times may one window be told of between two checkpoints.
const REVISIONS_MAX: u32 = 8;

/// The floor of an agent whose state is lost counts the seconds since 2020-01-01T00:00:00Z (ms): more than any run has
/// told, and more than the floor of an earlier loss.
const SECONDS_FROM_MS: i64 = 1_577_836_800_000;

/// As many as until 2054; the revisions go on from there.
const SECONDS_MAX: u32 = 1 << 30;

/// The revision that what begins before some time starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RevBase {
    rev: u32,
    before: Time,
    /// The clock could not be trusted at the start: until it can, nothing is known to begin later.
    is_open: bool,
}

impl RevBase {
    const NONE: Self = Self { rev: 0, before: Time::MIN, is_open: false };

    /// What to add to the revision of something that begins at `start`.
    #[inline]
    pub(super) fn of(self, start: Time) -> u32 {
        if self.is_open || start < self.before { self.rev } else { 0 }
    }
}

/// Floor and ceiling.
#[derive(Debug)]
pub(super) struct Revisions {
    pub(super) rev_base: RevBase,
    /// The ceiling without the floor, if there is one: checkpoints are not everywhere.
    rev_max: Option<u32>,
    /// The highest revision told since it was raised, without the floor.
    highest: u32,
    /// What came before this run, until it starts.
    past: Past,
}

/// What came before a run.
#[derive(Clone, Copy, Debug)]
enum Past {
    /// Nothing that matters.
    None,
    /// A run whose state is lost.
    Lost,
    /// One with a checkpoint.
    Known {
        rev_max: u32,
        /// Whether the clock was synchronised, so that no reading was taken from further ahead than `future_ms`.
        synced: bool,
        future_ms: i64,
        /// Whether some of its state was given up, and with it what was told of: as in a crash.
        forgotten: bool,
    },
}

impl Revisions {
    /// Of an agent that has told nothing.
    pub(super) fn new() -> Self {
        Self { rev_base: RevBase::NONE, rev_max: None, highest: 0, past: Past::None }
    }

    /// Takes note of a telling, by its revision without the floor.
    #[inline]
    pub(super) fn on_emitted(&mut self, rev: u32) {
        self.highest = self.highest.max(rev);
    }

    /// Whether a window may have to wait for a checkpoint.
    pub(super) fn is_exhausted(&self) -> bool {
        self.rev_max.is_some_and(|max| self.highest >= max)
    }

    /// The ceiling for a checkpoint of a state whose windows' next revisions are `next` at most.
    pub(super) fn rev_limit(next: u32) -> u32 {
        next.saturating_add(REVISIONS_MAX - 1)
    }

    /// A checkpoint with this ceiling may become durable at any time; answers the one that holds now.
    pub(super) fn lower(&mut self, rev_limit: u32) -> u32 {
        let lower = self.rev_max.map_or(rev_limit, |max| max.min(rev_limit));
        self.rev_max = Some(lower);
        lower
    }

    /// A checkpoint with this ceiling is durable.
    pub(super) fn raise(&mut self, rev_limit: u32) {
        self.rev_max = Some(rev_limit);
        self.highest = 0;
    }

    /// What the restored state had told of is in part forgotten.
    pub(super) fn lose_some(&mut self) {
        if let Past::Known { forgotten, .. } = &mut self.past {
            *forgotten = true;
        }
    }

    /// The state of an earlier run is lost.
    pub(super) fn lose_all(&mut self) {
        self.past = Past::Lost;
    }

    /// Begins a run. `reach`: no restored window ends later; `future_ms`: the most that a reading may be ahead.
    pub(super) fn start(&mut self, now: Now, after_crash: bool, reach: Time, future_ms: i64) {
        let (rev_base, was_synced, past_future_ms) = match std::mem::replace(&mut self.past, Past::None) {
            Past::Lost => (seconds(now), true, 0),
            // A window that is given up is told of once more, above the ceiling.
            Past::Known { rev_max, synced, future_ms, forgotten } if after_crash || forgotten => {
                (self.rev_base.rev.saturating_add(rev_max).saturating_add(2), synced, future_ms)
            }
            Past::None | Past::Known { .. } => return,
        };
        self.rev_base.rev = rev_base;
        if !was_synced {
            self.rev_base.before = Time::MAX;
        } else if now.synced {
            self.close_base(now, reach, future_ms.max(past_future_ms));
        } else {
            self.rev_base.is_open = true;
            self.rev_base.before = self.rev_base.before.max(reach);
        }
    }

    /// Whether [`Revisions::close_base`] is due.
    pub(super) fn is_open(&self) -> bool {
        self.rev_base.is_open
    }

    /// The clock can be trusted: what was told of before the crash ended at `now` and `future_ms` at the latest.
    pub(super) fn close_base(&mut self, now: Now, reach: Time, future_ms: i64) {
        self.rev_base.before = self.rev_base.before.max(reach).max(now.time.plus(future_ms).plus(1));
        self.rev_base.is_open = false;
    }

    /// Appends the state, with a ceiling.
    pub(super) fn save(&self, rev_limit: u32, now: Now, future_ms: i64, to: &mut Vec<u8>) {
        let to = &mut super::state::put(to);
        let RevBase { rev, before, is_open } = self.rev_base;
        rev.save(to);
        before.save(to);
        is_open.save(to);
        rev_limit.save(to);
        now.synced.save(to);
        future_ms.save(to);
    }

    /// Goes on from what [`Revisions::save`] wrote.
    pub(super) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let rev_base =
            RevBase { rev: State::load(from)?, before: State::load(from)?, is_open: State::load(from)? };
        let past = Past::Known {
            rev_max: State::load(from)?,
            synced: State::load(from)?,
            future_ms: State::load(from)?,
            forgotten: false,
        };
        Ok(Self { rev_base, past, ..Self::new() })
    }
}

/// What tells one of several of the same time from the others where nobody can remember them all: its value, far above
/// what is counted. An even number.
pub(super) fn by_value(value: f64) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio: Fibonacci hashing
    const BITS: u32 = 29;
    let hash = (value.to_bits().wrapping_mul(FACTOR) >> (u64::BITS - BITS)) as u32;
    1 << (BITS + 1) | hash << 1
}

/// The alert that a detector last raised: what tells it apart from others raised at one and the same time, and what its
/// id says, whatever the clocks have done since.
#[derive(Clone, Debug, Default)]
pub(super) struct AlertIdentity(Option<Raising>);

#[derive(Clone, Debug)]
struct Raising {
    at: SteadyTime,
    /// Its revision, without the floor.
    rev: u32,
    /// When, as its id says it.
    stamp: Timestamp,
}

impl AlertIdentity {
    /// An alert is raised, because of a value.
    pub(super) fn on_raised(&mut self, at: SteadyTime, stamp: Timestamp, value: f64) {
        let rev = if self.last(at).is_none() { 0 } else { by_value(value) };
        self.0 = Some(Raising { at, rev, stamp });
    }

    /// The revision of the alert raised at `raised`, the last one, without the floor; its clearing has the next.
    pub(super) fn of(&self, raised: SteadyTime) -> u32 {
        self.last(raised).map_or(0, |last| last.rev)
    }

    /// When its id says that the alert of `raised` was raised, which the clock of now calls `now`.
    pub(super) fn name(&self, raised: SteadyTime, now: Timestamp) -> Timestamp {
        self.last(raised).map_or(now, |last| last.stamp.clone())
    }

    /// The true time, if it was raised in a boot of which that is known by now.
    pub(super) fn place(&mut self, offset_of: &dyn Fn(&BootId) -> Option<i64>) {
        let Some(Raising { stamp, .. }) = &mut self.0 else { return };
        let ClockMark::Boot(boot) = &stamp.clock else { return };
        if let Some(offset_ms) = offset_of(boot) {
            *stamp = Timestamp { ms: stamp.ms.saturating_add(offset_ms), clock: ClockMark::True };
        }
    }

    fn last(&self, raised: SteadyTime) -> Option<&Raising> {
        self.0.as_ref().filter(|last| last.at == raised)
    }

    /// Appends the state.
    pub(super) fn save(&self, to: &mut Vec<u8>) {
        self.0.is_some().save(&mut put(to));
        if let Some(Raising { at, rev, stamp }) = &self.0 {
            (*at, *rev).save(&mut put(to));
            save_timestamp(to, stamp);
        }
    }

    /// Reads what [`AlertIdentity::save`] wrote.
    pub(super) fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        if !bool::load(from)? {
            return Ok(Self(None));
        }
        let (at, rev) = State::load(from)?;
        Ok(Self(Some(Raising { at, rev, stamp: load_timestamp(from)? })))
    }
}

fn seconds(now: Now) -> u32 {
    let since = now.time.since(Time(SECONDS_FROM_MS)).max(0) / 1_000;
    u32::try_from(since).map_or(SECONDS_MAX, |seconds| seconds.clamp(1, SECONDS_MAX))
}
