//! The agent's clock: the timeline with the clocks it is read from, and what earlier boots and runs have left of theirs.

use crate::blocking;
use crate::clock::{
    self, Boots, Change, ClockConfig, Correction, Sample, Steady, SyncState, SyncTimeout, Timeline,
};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{AgentTime, Moment, Now, Time};
use headwater_pipeline::event::BootId;
use headwater_pipeline::pipeline::ClockGap;
use headwater_wire::Placer;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The shortest time between two looks at the clocks (ms).
const LOOK_EVERY_MS: i64 = 500;

/// A step back over a restart ends windows only above this (ms).
const BACK_MS: i64 = 60_000;

/// The state of the clock in the checkpoint from which a run goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Past {
    boot: Option<BootId>,
    synced: bool,
    time: Time,
    /// The time for which the agent had run, on its own clock.
    pub(super) alive: AgentTime,
    /// The sum of the corrections of the timeline (ms).
    corrected_ms: i64,
}

/// The gap between `past` and a start at `time`, which is known or not.
fn gap_between(past: &Past, boot: &BootId, (time, synced): (Time, bool), boots: &Boots) -> Option<ClockGap> {
    let past_boot = past.boot.as_ref()?;
    let before = Now { time: past.time, alive: past.alive, synced: past.synced };
    let ms = time.since(past.time);
    let ms = match (past.synced, synced) {
        (true, true) => (ms < -BACK_MS).then_some(ms),
        (true, false) => Some(ms),
        (false, false) => (past_boot != boot).then(|| boots.bridge_ms(past_boot).unwrap_or(ms)),
        (false, true) => Some(boots.correction(past_boot).map_or(ms, |known| known.offset_ms)),
    };
    ms.map(|ms| ClockGap { before, ms, boot: (!synced).then(|| boot.clone()) })
}

/// The clock of a running agent.
pub(crate) struct AgentClock {
    config: ClockConfig,
    boot: BootId,
    timeline: RefCell<Timeline>,
    boots: Arc<Boots>,
    timeout: RefCell<SyncTimeout>,
    looked_ms: Cell<i64>,
    /// The last answer of the kernel, and whether a task asks it.
    kernel: Cell<Option<bool>>,
    /// The last time known before the start. No message made before the time is known is older.
    last: Time,
    /// Corrections that are due because the time was known at the start.
    corrections: RefCell<Vec<Correction>>,
    steady: Cell<Steady>,
    /// The gap between the checkpoint and the start.
    gap: Option<ClockGap>,
}

impl AgentClock {
    /// A clock that begins now. `boots`: as read from the checkpoint.
    pub(crate) fn start(config: ClockConfig, boots: Arc<Boots>, past: &Past) -> Self {
        let boot = BootId::from(clock::boot_id().as_str());
        Self::start_at(clock::sample(config.trust, None), boot, config, boots, past)
    }

    pub(super) fn start_at(
        sample: Sample,
        boot: BootId,
        config: ClockConfig,
        boots: Arc<Boots>,
        past: &Past,
    ) -> Self {
        let last = if past.synced { past.time } else { Time::MIN };
        let (base_ms, own_ms) = boots.known(&boot);
        let timeline = Timeline::new(sample, last, own_ms, base_ms);
        boots.begin(&boot, timeline.offset_ms());
        let known = timeline.is_synced().then(|| boots.set(timeline.offset_ms()));
        let (time, synced) = (timeline.at(sample.up_ms), timeline.is_synced());
        let gap = gap_between(past, &boot, (time, synced), &boots);
        let corrected_ms = past.corrected_ms.saturating_add(gap.as_ref().map_or(0, |gap| gap.ms));
        Self {
            config,
            boot,
            timeline: timeline.into(),
            boots,
            timeout: SyncTimeout::new(config.wait_ms).into(),
            looked_ms: Cell::new(sample.up_ms),
            kernel: Cell::new(None),
            last,
            corrections: known.unwrap_or_default().into(),
            steady: Steady::begin(time, corrected_ms, past.alive).into(),
            gap,
        }
    }

    /// The present moment on the agent's timeline.
    #[inline]
    pub(crate) fn now(&self) -> Now {
        self.now_at(clock::up_ms())
    }

    #[inline]
    fn now_at(&self, up_ms: i64) -> Now {
        let timeline = self.timeline.borrow();
        self.steady.get().now(timeline.at(up_ms), timeline.is_synced())
    }

    /// The time on the agent's timeline, with and without the corrections.
    pub(super) fn moment(&self) -> Moment {
        self.steady.get().moment(self.now().time)
    }

    /// The time of a moment (ms since boot) on the agent's timeline.
    pub(crate) fn at(&self, up_ms: i64) -> Time {
        self.now_at(up_ms).time
    }

    /// Whether an earlier run was of this boot.
    pub(super) fn is_boot_of(&self, past: &Past) -> bool {
        past.boot.as_ref() == Some(&self.boot)
    }

    /// Whether the time is known.
    pub(crate) fn is_synced(&self) -> bool {
        self.timeline.borrow().is_synced()
    }

    /// The present boot, if its time is not known.
    pub(crate) fn unsynced_boot(&self) -> Option<BootId> {
        (!self.is_synced()).then(|| self.boot.clone())
    }

    /// The correction of the times of a boot's events (ms); `None`: they have not been corrected.
    pub(super) fn offset_of(&self, boot: &BootId) -> Option<i64> {
        self.boots.place(boot).map(|place| place.offset_ms)
    }

    /// The earliest time that a message can have while the time is not known.
    pub(super) fn made_at_least(&self) -> Time {
        self.last
    }

    /// The gap between the checkpoint and the start.
    pub(super) fn restart_gap(&self) -> Option<&ClockGap> {
        self.gap.as_ref()
    }

    /// Takes the corrections that are due since the start.
    pub(super) fn take_corrections(&self) -> Vec<Correction> {
        self.corrections.take()
    }

    /// Reads the clocks, at most once in a while.
    pub(super) fn look(&self) -> Option<Change> {
        let up_ms = clock::up_ms();
        if up_ms - self.looked_ms.get() < LOOK_EVERY_MS {
            return None;
        }
        self.looked_ms.set(up_ms);
        if self.is_synced() {
            // Once the time is known, only steps are looked for.
            let known = Sample { sync: SyncState::Synced, ..clock::sample(clock::Trust::Always, None) };
            return self.look_at(known);
        }
        self.look_at(clock::sample(self.config.trust, self.kernel.get()))
    }

    pub(super) fn look_at(&self, sample: Sample) -> Option<Change> {
        self.boots.seen(sample.up_ms);
        let change = self.timeline.borrow_mut().look(sample);
        if let Some(Change::Set { by_ms } | Change::Moved { by_ms }) = change {
            self.steady.set(self.steady.get().corrected(by_ms));
        }
        change
    }

    /// Notes that the time is known now, or known better. Returns the corrections that follow.
    pub(super) fn settle(&self) -> Vec<Correction> {
        self.boots.set(self.timeline.borrow().offset_ms())
    }

    /// Whether held messages are to leave although the time is not known.
    pub(super) fn is_over(&self, connected: bool) -> bool {
        let is_over = self.timeout.borrow_mut().is_over(clock::up_ms(), connected);
        if is_over {
            self.boots.announce();
        }
        is_over
    }

    /// Asks the kernel now and then whether the clock is synchronised; never returns.
    pub(crate) async fn ask_forever(&self) {
        const EVERY: std::time::Duration = std::time::Duration::from_secs(5);
        while !self.is_synced() && self.config.trust != clock::Trust::Always {
            let Some(synced) = blocking::run(clock::ask_kernel).await else { break };
            self.kernel.set(Some(synced));
            tokio::time::sleep(EVERY).await;
        }
        std::future::pending().await
    }

    /// Appends the state of the clock. The next state follows within `ahead_ms`.
    pub(super) fn save(&self, ahead_ms: i64, to: &mut Vec<u8>) {
        let now = self.now();
        self.boots.seen(clock::up_ms());
        let mut put = |bytes: &[u8]| to.extend_from_slice(bytes);
        u32::try_from(self.boot.len()).unwrap_or(u32::MAX).save(&mut put);
        put(self.boot.as_bytes());
        now.synced.save(&mut put);
        now.time.save(&mut put);
        now.alive.save(&mut put);
        self.steady.get().corrected_ms().save(&mut put);
        self.boots.save(ahead_ms, to);
    }
}

impl Past {
    /// The last moment, on a clock that is known.
    pub(super) fn now(&self) -> Now {
        Now { time: self.time, alive: self.alive, synced: self.synced }
    }

    /// Notes that the run went on until `now` without a correction.
    pub(super) fn went_on(&mut self, now: Now) {
        (self.time, self.alive, self.synced) = (now.time, now.alive, now.synced);
    }

    /// Reads what [`AgentClock::save`] wrote; the boots go to `boots`.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it.
    pub(super) fn load(from: &mut StateReader<'_>, boots: &Boots) -> Result<Self, Corrupt> {
        let length = u32::load(from)? as usize;
        let (boot, rest) = from.rest().split_at_checked(length).ok_or(Corrupt)?;
        *from = StateReader::new(rest);
        let boot = std::str::from_utf8(boot).map_err(|_| Corrupt)?;
        let boot = (!boot.is_empty()).then(|| BootId::from(boot));
        let past = Self {
            boot,
            synced: State::load(from)?,
            time: State::load(from)?,
            alive: State::load(from)?,
            corrected_ms: State::load(from)?,
        };
        boots.load(from)?;
        Ok(past)
    }
}

#[cfg(test)]
mod tests;
