//! Groups that a trained model judges: the windows of their series, when they close.

use super::super::Pipeline;
use super::super::emitter::SeriesEmitter;
use super::super::ids::{ChannelId, Membership, present};
use super::{Group, Groups, Neighbours};
use crate::config::{GroupConfig, GroupJudge, JudgedRow, WindowDetector};
use crate::event::{Alert, AlertState, Event, Prediction};
use headwater_kernel::detect::Transition;
use headwater_kernel::time::{Moment, Now, Time};
use std::sync::Arc;

impl Pipeline {
    /// Lets models judge the windows that a channel has just closed.
    pub(in crate::pipeline) fn judge_windows(&mut self, index: ChannelId, now: Now) {
        let Self { groups, channels, directory, emitter, streams, .. } = self;
        let mut closed = std::mem::take(&mut emitter.closed);
        let channels = &channels.list;
        if let Some(channel) = channels.at(index)
            && let Some(stream) = streams.config(channel.stream)
        {
            let (series, is_own) = (directory.describe(channel.series), channel.is_by_arrival());
            let mut out = SeriesEmitter { emitter, stream, series, now, is_own };
            let neighbours = Neighbours { channels, directory };
            for (end, numbers) in closed.windows() {
                for membership in &channel.memberships {
                    groups.on_window(*membership, (end, numbers), &neighbours, &mut out);
                }
            }
        }
        closed.clear();
        self.emitter.closed = closed;
    }
}

impl Groups {
    /// Takes a closed window of one member.
    fn on_window(
        &mut self,
        (index, place): Membership,
        (end, numbers): (Time, &[f64]),
        neighbours: &Neighbours<'_>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let Some(group) = self.groups.at_mut(index) else { return };
        let at = Moment::of(end, group.corrected_ms);
        let Some(GroupJudge::Windows(detector)) = group.judge.as_deref_mut() else { return };
        detector.on_window(place as usize, at.steady, numbers);
        let config = out.stream.groups.get(group.detector_index as usize);
        let Some(config) = present(config, "the detector of a group") else { return };
        while let Some(judged) = group.poll_window() {
            group.on_judged(&judged, config, neighbours, out);
        }
    }
}

impl Group {
    fn windows(&self) -> Option<&WindowDetector> {
        match self.judge.as_deref()? {
            GroupJudge::Windows(detector) => Some(detector),
            GroupJudge::Readings(_) => None,
        }
    }

    fn poll_window(&mut self) -> Option<JudgedRow> {
        match self.judge.as_deref_mut()? {
            GroupJudge::Windows(detector) => detector.poll(),
            GroupJudge::Readings(_) => None,
        }
    }

    fn on_judged(
        &mut self,
        judged: &JudgedRow,
        config: &GroupConfig,
        neighbours: &Neighbours<'_>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let at = Moment::of_steady(judged.end, self.corrected_ms);
        if self.windows().is_some_and(|detector| detector.predicts) {
            self.emit_prediction(at, judged, config, out);
        }
        match judged.transition {
            Transition::None => {}
            Transition::Suppressed => out.emitter.suppressed += 1,
            Transition::Raised { .. } => {
                let sum = self.windows().map_or(0.0, |own| own.features().map(|(.., value)| value).sum());
                self.identity.on_raised(at.steady, out.at(at.time), sum);
                self.emit_finding(at, judged, AlertState::Raised, config, neighbours, out);
            }
            Transition::Cleared { .. } => {
                self.emit_finding(at, judged, AlertState::Cleared, config, neighbours, out);
            }
        }
    }

    fn emit_prediction(
        &self,
        at: Moment,
        judged: &JudgedRow,
        config: &GroupConfig,
        out: &mut SeriesEmitter<'_>,
    ) {
        let Some(detector) = self.windows() else { return };
        let diagnosis = &judged.diagnosis;
        let shares = diagnosis.probabilities().iter().enumerate();
        let prediction = Prediction {
            about: self.about(out),
            detector: config.name.clone(),
            rev: out.rev_base(at.time),
            time: out.at(at.time),
            class: detector.class(diagnosis.class),
            score: diagnosis.score,
            probabilities: shares.map(|(class, share)| (detector.class(class), *share)).collect(),
        };
        out.push(Event::Prediction(Box::new(prediction)));
    }

    /// Emits an alert with the fault and the features that weighed most.
    fn emit_finding(
        &self,
        at: Moment,
        judged: &JudgedRow,
        state: AlertState,
        config: &GroupConfig,
        neighbours: &Neighbours<'_>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let (Some(detector), JudgedRow { diagnosis, judgement, transition, .. }) = (self.windows(), judged)
        else {
            return;
        };
        let raised = if let Transition::Cleared { raised } = transition { *raised } else { at.steady };
        let since = if state == AlertState::Cleared { at.time_of(raised) } else { Time::MIN };
        let member = |place: usize| neighbours.name(self.members.get(place).copied().flatten());
        let named = |(place, aggregate, value): (usize, &Arc<str>, f64)| {
            (Arc::from(format!("{} {aggregate}", member(place))), value)
        };
        let values: Vec<(Arc<str>, f64)> = detector.features().map(named).collect();
        let class = if state == AlertState::Raised { diagnosis.fault } else { Some(diagnosis.class) };
        let most = diagnosis.weighed().first().copied().unwrap_or(0);
        let alert = Alert {
            value: values.get(most).map_or(0.0, |(_, value)| *value),
            values,
            score: judgement.score(),
            class: class.map(|class| detector.class(class)),
            reason: detector.reason(diagnosis, member),
            evidence: neighbours.readings(self, config.evidence.before, since),
            ..self.alert(at, (state, raised), config, out)
        };
        out.push(Event::Alert(Box::new(alert)));
    }
}
