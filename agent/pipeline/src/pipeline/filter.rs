//! Filters the readings of one series in a stream without windows.
//!
//! Both kinds of filters promise something about the order of event time. So readings wait for `lateness` and are
//! sorted; readings that are stamped on arrival already are in order. Readings of the same time keep their order of
//! arrival. A reading behind one that is decided is late. A deadband and a swinging door therefore keep their bound
//! whatever the disorder. A reading that a swinging door holds back is forwarded when its series falls silent.
//!
//! A reading counts as `in_windows` until it is decided: forwarded (`summarised`) or dropped (`filtered`).

use crate::config::{FilterConfig, Rule};
use headwater_kernel::aggregate::Stamped;
use headwater_kernel::state::{Corrupt, State, StateReader, StateWriter};
use headwater_kernel::time::{AgentTime, Time};
use headwater_kernel::watermark::Watermark;

/// The most readings that wait; beyond it the earliest is decided at once.
const WAITING_MAX: usize = 255;

/// Memory of a filter (bytes): with few readings waiting, and with as many as can.
pub(super) const BYTES: [usize; 2] = [
    size_of::<Filter>() + 8 * size_of::<Stamped>(),
    size_of::<Filter>() + (WAITING_MAX + 1) * size_of::<Stamped>(),
];

/// A filter and its state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Filter {
    rule: Rule,
    /// Sorted by time; readings of the same time in order of arrival.
    waiting: Vec<Stamped>,
    watermark: Watermark,
    /// The time of the last reading that the rule has seen.
    decided_to: Time,
}

impl Filter {
    /// The version of the bytes that [`Filter::save`] writes, for every rule. Raise it whenever they change.
    pub(super) const VERSION: u16 = 1;

    /// The tag of the rule in stored state; windows have the lower tags.
    pub(super) fn tag(config: &FilterConfig) -> u8 {
        match config.rule {
            Rule::Deadband(_) => 16,
            Rule::SwingingDoor(_) => 17,
        }
    }

    pub(super) fn new(config: &FilterConfig) -> Self {
        Self { rule: config.rule, waiting: Vec::new(), watermark: Watermark::new(), decided_to: Time::MIN }
    }

    /// Takes a reading; `false`: it is late.
    pub(super) fn on_reading(&mut self, time: Time, value: f64, by_arrival: bool, now: AgentTime) -> bool {
        if time < self.decided_to && !by_arrival {
            return false;
        }
        self.watermark.advance(time, now);
        let at = if by_arrival {
            self.waiting.len()
        } else {
            self.waiting.partition_point(|(other, _)| *other <= time)
        };
        self.waiting.insert(at, (time, value));
        true
    }

    /// Decides what can be decided by `now`, and forwards what passes, in order.
    pub(super) fn poll(
        &mut self,
        config: &FilterConfig,
        by_arrival: bool,
        now: AgentTime,
        mut forward: impl FnMut(Stamped),
    ) -> FilterCounts {
        let (before, mut forwarded) = (self.undecided(), 0);
        let mut pass = |reading: Stamped| {
            forwarded += 1;
            forward(reading);
        };
        let silent = |ms: i64| now >= self.watermark.silent_from(ms);
        let ripe = if by_arrival || silent(config.lateness_ms) {
            self.waiting.len()
        } else {
            let come = self.watermark.event.minus(config.lateness_ms);
            let ripe = self.waiting.partition_point(|(time, _)| *time <= come);
            ripe.max(self.waiting.len().saturating_sub(WAITING_MAX))
        };
        let is_silent = silent(config.idle_ms);
        for (time, value) in self.waiting.drain(..ripe) {
            self.decided_to = time;
            match &mut self.rule {
                Rule::Deadband(deadband) => {
                    if deadband.on_reading(time, value) {
                        pass((time, value));
                    }
                }
                Rule::SwingingDoor(door) => door.on_reading(time, value, &mut pass),
            }
        }
        if let Rule::SwingingDoor(door) = &mut self.rule
            && self.waiting.is_empty()
            && is_silent
        {
            door.flush().into_iter().for_each(pass);
        }
        let decided = before.saturating_sub(self.undecided());
        FilterCounts { forwarded, dropped: decided - forwarded }
    }

    /// When [`Filter::poll`] decides something without another reading.
    pub(super) fn due(&self, config: &FilterConfig) -> Option<AgentTime> {
        if !self.waiting.is_empty() {
            return Some(self.watermark.silent_from(config.lateness_ms));
        }
        (self.undecided() > 0).then(|| self.watermark.silent_from(config.idle_ms))
    }

    /// The number of undecided readings.
    pub(super) fn undecided(&self) -> i64 {
        let held = matches!(&self.rule, Rule::SwingingDoor(door) if door.holds());
        self.waiting.len() as i64 + i64::from(held)
    }

    /// Writes the state; the rule is part of the config.
    pub(super) fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        (self.watermark.event, self.watermark.arrival).save(to);
        self.decided_to.save(to);
        (self.waiting.len() as u32).save(to);
        self.waiting.iter().for_each(|reading| reading.save(to));
        match &self.rule {
            Rule::Deadband(deadband) => deadband.save(to),
            Rule::SwingingDoor(door) => door.save(to),
        }
    }

    /// Restores what [`Filter::save`] wrote under the same config. Silence counts from `since` on.
    ///
    /// # Errors
    /// [`Corrupt`]: not written by it.
    pub(super) fn load(
        config: &FilterConfig,
        since: AgentTime,
        from: &mut StateReader<'_>,
    ) -> Result<Self, Corrupt> {
        let mut filter = Self::new(config);
        filter.watermark = Watermark { event: State::load(from)?, arrival: since.max(State::load(from)?) };
        filter.decided_to = State::load(from)?;
        let waiting = u32::load(from)?;
        if waiting as usize > WAITING_MAX {
            return Err(Corrupt);
        }
        filter.waiting = (0..waiting).map(|_| State::load(from)).collect::<Result<_, _>>()?;
        match &mut filter.rule {
            Rule::Deadband(deadband) => deadband.restore(from)?,
            Rule::SwingingDoor(door) => door.restore(from)?,
        }
        Ok(filter)
    }
}

/// The readings that a filter forwarded and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FilterCounts {
    pub(super) forwarded: i64,
    pub(super) dropped: i64,
}
