//! Groups of series with a common detector, and their alerts.
//!
//! A detector with `over` has one group for every text that the `*` of its patterns stands for. Each pattern is a
//! place in the group. A group gets its detector when every place is taken. There are fewer groups than series, so
//! the limit on series bounds them.

mod leaving;
mod stored;
mod views;
mod windows;

use super::Pipeline;
use super::channel::Channel;
use super::emitter::SeriesEmitter;
use super::ids::{ChannelId, GroupId, IndexVec, Membership, StreamId, present};
use super::revisions::AlertIdentity;
use super::series::Directory;
use crate::config::{GroupConfig, GroupJudge, StreamConfig};
use crate::event::{Alert, AlertState, BootId, Event, Evidence, Labels, Readings, Subject};
use crate::unit;
use headwater_kernel::detect::{Judgement, Row, Transition};
use headwater_kernel::time::{Moment, Now, SteadyTime, Time};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// All groups of all streams.
#[derive(Default)]
pub(super) struct Groups {
    groups: IndexVec<GroupId, Group>,
    /// Groups by stream, detector and name.
    by_name: HashMap<(StreamId, u32, String), GroupId>,
}

/// A group of series with a common detector.
struct Group {
    name: Arc<str>,
    /// The labels that all its series share.
    labels: Labels,
    /// Index of the detector among the stream's.
    detector_index: u32,
    /// The channel in each place.
    members: Vec<Option<ChannelId>>,
    judge: Option<Box<GroupJudge>>,
    /// When the alert was raised, and how many more rows its evidence waits for.
    awaited: Option<(SteadyTime, u32)>,
    identity: AlertIdentity,
    /// The sum of the clock's steps, if the clock stamps the readings of all its series (ms).
    corrected_ms: i64,
}

/// Memory of a group for each of its series, without its name (bytes).
pub fn group_bytes(config: &GroupConfig) -> usize {
    let group = size_of::<Group>() + size_of::<GroupJudge>() + 2 * size_of::<(u32, u32, String)>();
    let group = group + config.judge.heap_bytes();
    group / config.patterns.len().max(1) + size_of::<Membership>() + size_of::<Option<ChannelId>>()
}

impl Pipeline {
    /// Gives a new channel its places in groups.
    pub(super) fn join_groups(&mut self, index: ChannelId) {
        let Some(channel) = self.channels.list.at_mut(index) else { return };
        let Some(stream) = self.streams.config(channel.stream).filter(|stream| !stream.groups.is_empty())
        else {
            return;
        };
        let series = self.directory.describe(channel.series);
        channel.memberships = self.groups.join(index, channel.stream, stream, series);
    }

    /// Lets the groups of a channel judge its reading.
    pub(super) fn judge_groups(&mut self, index: ChannelId, time: Time, value: f64, now: Now) {
        let Self { groups, channels, directory, emitter, streams, .. } = self;
        let channels = &channels.list;
        let Some(channel) = channels.at(index) else { return };
        let Some(stream) = streams.config(channel.stream) else { return };
        let (series, is_own) = (directory.describe(channel.series), channel.is_by_arrival());
        let mut out = SeriesEmitter { emitter, stream, series, now, is_own };
        let neighbours = Neighbours { channels, directory };
        for membership in &channel.memberships {
            groups.on_reading(*membership, (time, value), &neighbours, &mut out);
        }
    }
}

impl Groups {
    /// Finds the places of a series: one for each detector with a matching pattern and a free place.
    fn join(
        &mut self,
        channel: ChannelId,
        stream: StreamId,
        config: &StreamConfig,
        (series, labels): (&Arc<str>, &Labels),
    ) -> Box<[Membership]> {
        let mut memberships = Vec::new();
        for (detector, group) in (0_u32..).zip(&config.groups) {
            let Some((place, name)) = group.place_of(series) else { continue };
            let index = match self.by_name.entry((stream, detector, name.clone())) {
                Entry::Occupied(known) => Some(*known.get()),
                Entry::Vacant(new) => {
                    let labels = unit::named(labels).cloned().collect();
                    let own = Group::new(name.into(), labels, detector, group.patterns.len());
                    self.groups.push(own).map(|own| *new.insert(own))
                }
            };
            let known = index.and_then(|index| Some((index, self.groups.at_mut(index)?)));
            let Some((index, known)) = known else { continue };
            if known.join(place, channel, labels, group) {
                memberships.push((index, place as u32));
            }
        }
        memberships.into()
    }

    /// Takes a reading of one member. The member's channel is not borrowed here, because alerts describe all members.
    fn on_reading(
        &mut self,
        (index, place): Membership,
        (time, value): (Time, f64),
        neighbours: &Neighbours<'_>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let Some(group) = self.groups.at_mut(index) else { return };
        let Some(GroupJudge::Readings(detector)) = group.judge.as_deref_mut() else { return };
        let at = Moment::of(time, group.corrected_ms);
        let Some((row, judgement, transition)) = detector.on_reading(place as usize, at, value) else {
            return;
        };
        let config = out.stream.groups.get(group.detector_index as usize);
        let Some(config) = present(config, "the detector of a group") else { return };
        if let Some((_, left)) = &mut group.awaited {
            *left = left.saturating_sub(1);
            if *left == 0 {
                group.emit_evidence(at, config, neighbours, out);
            }
        }
        if transition != Transition::None {
            let at = Moment::of_steady(row.time, group.corrected_ms);
            group.on_transition(&RowDecision { at, row, judgement, transition }, config, neighbours, out);
        }
    }

    /// Notes a clock step of `ms` in groups whose series are all stamped with the clock.
    pub(super) fn correct(&mut self, channels: &IndexVec<ChannelId, Channel>, ms: i64) {
        let is_own = |member: &Option<ChannelId>| {
            member.and_then(|index| channels.at(index)).is_some_and(Channel::is_by_arrival)
        };
        for group in self.groups.iter_mut().filter(|group| group.members.iter().all(is_own)) {
            group.corrected_ms = group.corrected_ms.saturating_add(ms);
        }
    }

    /// See [`super::Pipeline::place_alerts`].
    pub(super) fn place_alerts(&mut self, offset_of: &dyn Fn(&BootId) -> Option<i64>) {
        self.groups.iter_mut().for_each(|group| group.identity.place(offset_of));
    }
}

/// Names and last readings of a group's series.
struct Neighbours<'a> {
    channels: &'a IndexVec<ChannelId, Channel>,
    directory: &'a Directory,
}

impl Neighbours<'_> {
    fn name(&self, member: Option<ChannelId>) -> Arc<str> {
        let channel = member.and_then(|index| self.channels.at(index));
        channel.map_or_else(|| "".into(), |channel| self.directory.describe(channel.series).0.clone())
    }

    /// The last readings of every series that are later than `since`.
    fn readings(&self, group: &Group, count: usize, since: Time) -> Readings {
        let of = |member: &Option<ChannelId>| {
            let channel = self.channels.at((*member)?)?;
            let mut readings = channel.watching.last_readings(count);
            readings.retain(|(time, _)| *time > since.0);
            Some((self.name(*member), readings))
        };
        let each = group.members.iter().filter_map(of).filter(|(_, readings)| !readings.is_empty());
        Readings::OfEach(each.collect())
    }
}

/// A judgement of a row that changed an alert.
struct RowDecision {
    at: Moment,
    row: Row,
    judgement: Judgement,
    transition: Transition,
}

impl Group {
    fn new(name: Arc<str>, labels: Labels, detector_index: u32, places: usize) -> Self {
        Self {
            name,
            labels,
            detector_index,
            members: vec![None; places],
            judge: None,
            awaited: None,
            identity: AlertIdentity::default(),
            corrected_ms: 0,
        }
    }

    /// Takes a place, if it is free. The last series to join completes the group.
    fn join(
        &mut self,
        place: usize,
        channel: ChannelId,
        labels: &[(String, String)],
        config: &GroupConfig,
    ) -> bool {
        let Some(member) = self.members.get_mut(place).filter(|member| member.is_none()) else {
            return false;
        };
        *member = Some(channel);
        if self.labels.iter().any(|label| !labels.contains(label)) {
            self.labels = self.labels.iter().filter(|label| labels.contains(label)).cloned().collect();
        }
        if self.members.iter().all(Option::is_some) {
            self.judge = Some(Box::new(config.judge.clone()));
        }
        true
    }

    #[cold]
    fn on_transition(
        &mut self,
        decided: &RowDecision,
        config: &GroupConfig,
        neighbours: &Neighbours<'_>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let at = decided.at;
        match decided.transition {
            Transition::None => {}
            Transition::Suppressed => out.emitter.suppressed += 1,
            Transition::Raised { .. } => {
                self.emit_evidence(at, config, neighbours, out);
                self.identity.on_raised(at.steady, out.at(at.time), decided.row.values().iter().sum());
                self.emit_alert(decided, (AlertState::Raised, at.steady, Time::MIN), config, neighbours, out);
                let after = u32::try_from(config.evidence.after).ok().filter(|after| *after > 0);
                self.awaited = after.map(|after| (at.steady, after));
            }
            Transition::Cleared { raised } => {
                let since = at.time_of(raised);
                self.emit_alert(decided, (AlertState::Cleared, raised, since), config, neighbours, out);
            }
        }
    }

    /// What every alert of the group says, whatever has judged.
    fn alert(
        &self,
        at: Moment,
        (state, raised): (AlertState, SteadyTime),
        config: &GroupConfig,
        out: &SeriesEmitter<'_>,
    ) -> Alert {
        let time = at.time_of(raised);
        let rev = out.rev_base(time).saturating_add(self.identity.of(raised));
        Alert {
            about: self.about(out),
            detector: config.name.clone(),
            state,
            rev: rev.saturating_add(u32::from(state == AlertState::Cleared)),
            raised: self.identity.name(raised, out.at(time)),
            time: out.at(at.time),
            severity: config.severity.clone(),
            on: None,
            value: 0.0,
            values: Vec::new(),
            expected: None,
            score: None,
            class: None,
            reason: String::new(),
            evidence: Readings::OfEach(Vec::new()),
        }
    }

    /// Emits an alert with the readings since `since`.
    fn emit_alert(
        &self,
        RowDecision { at, row, judgement, .. }: &RowDecision,
        (state, raised, since): (AlertState, SteadyTime, Time),
        config: &GroupConfig,
        neighbours: &Neighbours<'_>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let Some(GroupJudge::Readings(detector)) = self.judge.as_deref() else { return };
        let most = detector.most(row);
        let value = row.values().get(most).copied().unwrap_or(0.0);
        let mut reason = format!("{}: ", neighbours.name(self.members.get(most).copied().flatten()));
        let written = detector.reason(value, &mut reason);
        debug_assert!(written.is_ok(), "a string takes everything");
        let names = self.members.iter().map(|member| neighbours.name(*member));
        let values: Vec<(Arc<str>, f64)> = names.zip(row.values().iter().copied()).collect();
        let alert = Alert {
            value,
            values,
            expected: judgement.expected,
            score: judgement.score(),
            reason,
            evidence: neighbours.readings(self, config.evidence.before, since),
            ..self.alert(*at, (state, raised), config, out)
        };
        out.push(Event::Alert(Box::new(alert)));
    }

    /// Emits the readings that followed the alert, if it waits for any.
    fn emit_evidence(
        &mut self,
        at: Moment,
        config: &GroupConfig,
        neighbours: &Neighbours<'_>,
        out: &mut SeriesEmitter<'_>,
    ) {
        let Some((raised, _)) = self.awaited.take() else { return };
        let time = at.time_of(raised);
        let evidence = Evidence {
            about: self.about(out),
            detector: config.name.clone(),
            rev: out.rev_base(time).saturating_add(self.identity.of(raised)),
            raised: self.identity.name(raised, out.at(time)),
            clock: out.at(out.now.time).clock,
            readings: neighbours.readings(self, config.evidence.after, time),
        };
        out.push(Event::Evidence(Box::new(evidence)));
    }

    /// The subject of its events.
    fn about(&self, out: &SeriesEmitter<'_>) -> Subject {
        out.emitter.about(out.stream, self.name.clone(), self.labels.clone())
    }
}
