//! One detector of a series, and the alerts that its judgements raise and clear.

use super::dyn_detector::DynDetector;
use super::emitter::SeriesEmitter;
use super::revisions::AlertIdentity;
use super::ring::Ring;
use super::saved::GoesOn;
use crate::config::{DetectorConfig, EvidenceConfig, On};
use crate::event::{Alert, AlertState, Event, Evidence, Readings};
use headwater_kernel::detect::{Judgement, Transition, Verdict};
use headwater_kernel::state::{Corrupt, State, StateReader};
use headwater_kernel::time::{Moment, SteadyTime, Time};

/// Why an alert ends whose series is forgotten.
pub(super) const FORGOTTEN: &str = "the series is forgotten after a long silence";

/// A detector, and the readings that its evidence waits for.
pub(super) struct DetectorSlot {
    pub(super) detector: Box<dyn DynDetector>,
    /// When the alert was raised, and how many more readings its evidence waits for.
    pub(super) awaited: Option<(SteadyTime, u32)>,
    pub(super) identity: AlertIdentity,
}

/// A judgement that changed an alert.
pub(super) struct Decision {
    pub(super) judgement: Judgement,
    pub(super) transition: Transition,
    pub(super) at: Moment,
    pub(super) value: f64,
}

impl DetectorSlot {
    /// Restores what can be used of the saved state.
    pub(super) fn restore(&mut self, goes_on: GoesOn, state: &[u8]) -> Result<(), Corrupt> {
        let mut from = StateReader::new(state);
        if let GoesOn::Nothing(_) = goes_on {
            return Ok(());
        }
        let (awaited, identity) = (State::load(&mut from)?, AlertIdentity::load(&mut from)?);
        match goes_on {
            GoesOn::Alert(_) => self.detector.restore_alert(&mut from)?,
            _ => self.detector.restore(&mut from)?,
        }
        (self.awaited, self.identity) = (awaited, identity);
        Ok(())
    }

    /// Emits an alert that is raised or cleared. Returns whether its evidence waits for readings.
    #[cold]
    pub(super) fn on_transition(
        &mut self,
        decided: &Decision,
        ring: &Ring,
        config: &DetectorConfig,
        out: &mut SeriesEmitter<'_>,
    ) -> bool {
        let EvidenceConfig { before, after } = config.evidence;
        let at = decided.at;
        let mut evidence = ring.last(before, at);
        match decided.transition {
            Transition::None => {}
            Transition::Suppressed => out.emitter.suppressed += 1,
            Transition::Raised { .. } => {
                self.emit_evidence(ring, at, config, out);
                self.identity.on_raised(at.steady, out.at(at.time), decided.value);
                let said = (evidence, decided.reason(self, config));
                decided.emit_alert(self, (AlertState::Raised, at.steady), said, config, out);
                self.awaited =
                    u32::try_from(after).ok().filter(|left| *left > 0).map(|left| (at.steady, left));
            }
            Transition::Cleared { raised } => {
                evidence.retain(|(time, _)| *time > at.time_of(raised).0);
                let said = (evidence, decided.reason(self, config));
                decided.emit_alert(self, (AlertState::Cleared, raised), said, config, out);
            }
        }
        self.awaited.is_some()
    }

    /// Tells what it still has to tell before its series is forgotten: nothing would ever clear an alert that stands.
    /// Returns the time before which it may have raised one.
    pub(super) fn forget(
        &mut self,
        ring: &Ring,
        (at, value): (Moment, f64),
        config: &DetectorConfig,
        out: &mut SeriesEmitter<'_>,
    ) -> Time {
        self.emit_evidence(ring, at, config, out);
        let Some(raised) = self.identity.raised_at() else { return Time::MIN };
        if self.detector.is_raised() {
            let judgement = Judgement { verdict: Verdict::Learning, expected: None, clears: true };
            let decided = Decision { judgement, transition: Transition::Cleared { raised }, at, value };
            let said = (Vec::new(), FORGOTTEN.to_owned());
            decided.emit_alert(self, (AlertState::Cleared, raised), said, config, out);
        }
        at.time_of(raised).plus(1)
    }

    /// Emits the readings that followed the alert, if it waits for any.
    pub(super) fn emit_evidence(
        &mut self,
        ring: &Ring,
        at: Moment,
        config: &DetectorConfig,
        out: &mut SeriesEmitter<'_>,
    ) {
        let Some((raised, left)) = self.awaited.take() else { return };
        let come = config.evidence.after.saturating_sub(left as usize);
        let time = at.time_of(raised);
        let evidence = Evidence {
            about: out.about(),
            detector: config.name.clone(),
            rev: out.rev_base(time).saturating_add(self.identity.of(raised)),
            raised: self.identity.name(raised, out.at(time)),
            clock: out.at(out.now.time).clock,
            readings: Readings::Of(ring.last(come, at)),
        };
        out.push(Event::Evidence(Box::new(evidence)));
    }
}

impl Decision {
    /// Why it was decided so, in words.
    fn reason(&self, slot: &DetectorSlot, config: &DetectorConfig) -> String {
        let on = if let On::Window(name) = &config.on { Some(name) } else { None };
        let mut reason = on.map_or_else(String::new, |name| format!("{name} "));
        let written = slot.detector.reason(self.value, &mut reason);
        debug_assert!(written.is_ok(), "a string takes everything");
        reason
    }

    fn emit_alert(
        &self,
        slot: &DetectorSlot,
        (state, raised): (AlertState, SteadyTime),
        (evidence, reason): (Vec<(i64, f64)>, String),
        config: &DetectorConfig,
        out: &mut SeriesEmitter<'_>,
    ) {
        let on = match &config.on {
            On::Window(name) => Some(name.clone()),
            On::Reading | On::Silence | On::RangeCheck => None,
        };
        let time = self.at.time_of(raised);
        let rev = out.rev_base(time).saturating_add(slot.identity.of(raised));
        let alert = Alert {
            about: out.about(),
            detector: config.name.clone(),
            state,
            rev: rev.saturating_add(u32::from(state == AlertState::Cleared)),
            raised: slot.identity.name(raised, out.at(time)),
            // A reading that ends a silence may be of a time before it was noticed.
            time: out.at(self.at.time.max(time)),
            severity: config.severity.clone(),
            on,
            value: self.value,
            values: Vec::new(),
            expected: self.judgement.expected,
            score: self.judgement.score(),
            class: None,
            reason,
            evidence: Readings::Of(evidence),
        };
        out.push(Event::Alert(Box::new(alert)));
    }
}
