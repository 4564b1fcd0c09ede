//! Bounds revisions so that no `(id, rev)` ever has two contents, not even after a crash.
//!
//! A crash makes the agent forget what it emitted since the last checkpoint. So every checkpoint stores a *limit*: no
//! window emits a higher revision until a checkpoint with a higher limit is durable. A window at the limit waits, and
//! a checkpoint is requested. After a crash, everything that may have been emitted before gets revisions above that
//! limit: they start at the *base*. A window that begins after every time that a reading could have had before the
//! crash starts at 0 as usual. The same base holds for raised and cleared alerts, and for forwarded readings.
//!
//! This costs a few numbers in each checkpoint, and nothing in between.

use super::bytes::put;
use super::own_clock::{load_timestamp, save_timestamp};
use crate::event::{BootId, ClockMark, Reading, Timestamp};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{Now, SteadyTime, Time};

/// The most revisions of one window between two checkpoints.
const REVISIONS_MAX: u32 = 8;

/// After a loss of state, the base is the number of seconds since 2020-01-01T00:00:00Z (ms): above the revisions of
/// every earlier run, and above the base of an earlier loss.
const SECONDS_FROM_MS: i64 = 1_577_836_800_000;

/// The seconds until 2054; the revisions go on from there.
const SECONDS_MAX: u32 = 1 << 30;

/// The first revision of windows and alerts that begin before some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RevBase {
    rev: u32,
    before: Time,
    /// The clock was not trusted at the start: until it is, every window may begin before that time.
    is_open: bool,
}

impl RevBase {
    const NONE: Self = Self { rev: 0, before: Time::MIN, is_open: false };

    /// The number to add to the revision of a window or alert that begins at `start`.
    #[inline]
    pub(super) fn of(self, start: Time) -> u32 {
        if self.is_open || start < self.before { self.rev } else { 0 }
    }
}

/// The base and the limit.
#[derive(Debug)]
pub(super) struct Revisions {
    pub(super) rev_base: RevBase,
    /// The limit, relative to the base; `None` where no checkpoints are written.
    rev_max: Option<u32>,
    /// The highest revision emitted since the limit was raised, relative to the base.
    highest: u32,
    /// The previous run, until this one starts.
    past: Past,
}

/// The previous run.
#[derive(Clone, Copy, Debug)]
enum Past {
    /// None that matters.
    None,
    /// A run whose state is lost.
    Lost,
    /// A run with a checkpoint.
    Known {
        rev_max: u32,
        /// Whether the clock was synchronised, so that no reading was more than `future_ms` ahead.
        synced: bool,
        future_ms: i64,
        /// Whether part of its state is lost, and with it which revisions were emitted: as after a crash.
        forgotten: bool,
    },
}

impl Revisions {
    /// The revisions of an agent that has emitted nothing.
    pub(super) fn new() -> Self {
        Self { rev_base: RevBase::NONE, rev_max: None, highest: 0, past: Past::None }
    }

    /// Notes an emitted revision, relative to the base.
    #[inline]
    pub(super) fn on_emitted(&mut self, rev: u32) {
        self.highest = self.highest.max(rev);
    }

    /// Whether a window may have to wait for a checkpoint.
    pub(super) fn is_exhausted(&self) -> bool {
        self.rev_max.is_some_and(|max| self.highest >= max)
    }

    /// The limit for a checkpoint whose windows emit `next` at most as their next revision.
    pub(super) fn rev_limit(next: u32) -> u32 {
        next.saturating_add(REVISIONS_MAX - 1)
    }

    /// A checkpoint with this limit may become durable at any time. Returns the limit that holds until then.
    pub(super) fn lower(&mut self, rev_limit: u32) -> u32 {
        let lower = self.rev_max.map_or(rev_limit, |max| max.min(rev_limit));
        self.rev_max = Some(lower);
        lower
    }

    /// A checkpoint with this limit is durable.
    pub(super) fn raise(&mut self, rev_limit: u32) {
        self.rev_max = Some(rev_limit);
        self.highest = 0;
    }

    /// Goes on for revisions that have run so far: what is durable allows no more than before.
    pub(super) fn keep_limit(&mut self, before: &Self) {
        (self.rev_max, self.highest) = (before.rev_max, before.highest);
    }

    /// The limit that holds.
    pub(super) fn limit(&self) -> Option<u32> {
        self.rev_max
    }

    /// The run before this one was allowed to send revisions up to this one.
    pub(super) fn was_allowed(&mut self, rev_limit: u32) {
        if let Past::Known { rev_max, .. } = &mut self.past {
            *rev_max = rev_limit.max(*rev_max);
        }
    }

    /// Part of the restored state is lost.
    pub(super) fn lose_some(&mut self) {
        if let Past::Known { forgotten, .. } = &mut self.past {
            *forgotten = true;
        }
    }

    /// All state of the previous run is lost.
    pub(super) fn lose_all(&mut self) {
        self.past = Past::Lost;
    }

    /// Starts a run. `reach` is the latest end of any restored window; `future_ms` is how far ahead a reading may be.
    pub(super) fn start(&mut self, now: Now, after_crash: bool, reach: Time, future_ms: i64) {
        let (rev_base, was_synced, past_future_ms) = match std::mem::replace(&mut self.past, Past::None) {
            Past::Lost => (seconds(now), true, 0),
            // A window that was lost is emitted once more, above the limit.
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

    /// The clock is trusted: everything emitted before the crash ended by `now` plus `future_ms`.
    pub(super) fn close_base(&mut self, now: Now, reach: Time, future_ms: i64) {
        self.rev_base.before = self.rev_base.before.max(reach).max(now.time.plus(future_ms).plus(1));
        self.rev_base.is_open = false;
    }

    /// Appends the state, with a limit.
    pub(super) fn save(&self, rev_limit: u32, now: Now, future_ms: i64, to: &mut Vec<u8>) {
        let to = &mut super::bytes::put(to);
        let RevBase { rev, before, is_open } = self.rev_base;
        rev.save(to);
        before.save(to);
        is_open.save(to);
        rev_limit.save(to);
        now.synced.save(to);
        future_ms.save(to);
    }

    /// Reads what [`Revisions::save`] wrote.
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

/// A revision from the value, for readings and alerts of the same time that cannot all be remembered. It is even, and
/// far above counted revisions.
pub(super) fn by_value(value: f64) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 / golden ratio: Fibonacci hashing
    const BITS: u32 = Reading::REV_BY_VALUE.ilog2() - 1;
    let hash = (value.to_bits().wrapping_mul(FACTOR) >> (u64::BITS - BITS)) as u32;
    Reading::REV_BY_VALUE | hash << 1
}

/// The identity of the alert that a detector raised last. It tells the alert from others that were raised at the same
/// time, and keeps the timestamp in its id through clock steps.
#[derive(Clone, Debug, Default)]
pub(super) struct AlertIdentity(Option<Raising>);

#[derive(Clone, Debug)]
struct Raising {
    at: SteadyTime,
    /// Its revision, relative to the base.
    rev: u32,
    /// When it was raised, as its id says.
    stamp: Timestamp,
}

impl AlertIdentity {
    /// An alert is raised because of a value.
    pub(super) fn on_raised(&mut self, at: SteadyTime, stamp: Timestamp, value: f64) {
        let rev = if self.last(at).is_none() { 0 } else { by_value(value) };
        self.0 = Some(Raising { at, rev, stamp });
    }

    /// The revision of the last alert, raised at `raised`, relative to the base. Clearing it uses the next revision.
    pub(super) fn of(&self, raised: SteadyTime) -> u32 {
        self.last(raised).map_or(0, |last| last.rev)
    }

    /// The timestamp in the id of the alert raised at `raised`; `now` is that time on the present clock.
    pub(super) fn name(&self, raised: SteadyTime, now: Timestamp) -> Timestamp {
        self.last(raised).map_or(now, |last| last.stamp.clone())
    }

    /// Replaces the timestamp by the true time, if the offset of its boot is known by now.
    pub(super) fn place(&mut self, offset_of: &dyn Fn(&BootId) -> Option<i64>) {
        let Some(Raising { stamp, .. }) = &mut self.0 else { return };
        let ClockMark::Boot(boot) = &stamp.clock else { return };
        if let Some(offset_ms) = offset_of(boot) {
            *stamp = Timestamp { ms: stamp.ms.saturating_add(offset_ms), clock: ClockMark::True };
        }
    }

    /// When the last alert was raised.
    pub(super) fn raised_at(&self) -> Option<SteadyTime> {
        self.0.as_ref().map(|last| last.at)
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
