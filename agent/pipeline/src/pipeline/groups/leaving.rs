//! A series that is forgotten leaves its groups. What a group has learned goes with it; a group without series goes too.

use super::super::Pipeline;
use super::super::detector_slot::FORGOTTEN;
use super::super::emitter::SeriesEmitter;
use super::super::ids::{ChannelId, Membership, StreamId, present};
use super::{Group, Groups, Neighbours};
use crate::config::GroupConfig;
use crate::event::{Alert, AlertState, Event};
use headwater_kernel::time::{Moment, Now, SteadyTime, Time};

impl Pipeline {
    /// Takes a channel out of its groups. Returns the time before which they may have raised an alert.
    pub(in crate::pipeline) fn leave_groups(&mut self, index: ChannelId, now: Now) -> Time {
        let Self { groups, channels, directory, emitter, streams, .. } = self;
        let Some(channel) = channels.list.at_mut(index) else { return Time::MIN };
        let memberships = std::mem::take(&mut channel.memberships);
        let (id, series, is_own) = (channel.stream, channel.series, channel.is_by_arrival());
        let Some(stream) = streams.config(id) else { return Time::MIN };
        let mut out = SeriesEmitter { emitter, stream, series: directory.describe(series), now, is_own };
        let neighbours = Neighbours { channels: &channels.list, directory };
        let ends = memberships.iter().map(|membership| groups.leave(*membership, id, &neighbours, &mut out));
        ends.max().unwrap_or(Time::MIN)
    }
}

impl Groups {
    fn leave(
        &mut self,
        (index, place): Membership,
        stream: StreamId,
        neighbours: &Neighbours<'_>,
        out: &mut SeriesEmitter<'_>,
    ) -> Time {
        let Some(group) = self.groups.at_mut(index) else { return Time::MIN };
        let told_to = group.end(neighbours, out);
        if let Some(member) = group.members.get_mut(place as usize) {
            *member = None;
        }
        if group.members.iter().all(Option::is_none)
            && let Some(Group { name, detector_index, .. }) = self.groups.remove(index)
        {
            self.by_name.remove(&(stream, detector_index, name.to_string()));
        }
        told_to
    }
}

impl Group {
    /// Tells what it still has to tell, and forgets what it has learned. Returns the time before which it may have raised an
    /// alert.
    fn end(&mut self, neighbours: &Neighbours<'_>, out: &mut SeriesEmitter<'_>) -> Time {
        let config = out.stream.groups.get(self.detector_index as usize);
        let Some(config) = present(config, "the detector of a group") else { return Time::MIN };
        let at = Moment::of(out.now.time, self.corrected_ms);
        self.emit_evidence(at, config, neighbours, out);
        let judge = self.judge.take();
        let Some(raised) = self.identity.raised_at() else { return Time::MIN };
        if judge.is_some_and(|judge| judge.is_raised()) {
            self.emit_end((at, raised), config, out);
        }
        at.time_of(raised).plus(1)
    }

    /// Clears an alert that stands.
    fn emit_end(
        &self,
        (at, raised): (Moment, SteadyTime),
        config: &GroupConfig,
        out: &mut SeriesEmitter<'_>,
    ) {
        let told = self.alert(at, (AlertState::Cleared, raised), config, out);
        let alert = Alert { reason: FORGOTTEN.to_owned(), ..told };
        out.push(Event::Alert(Box::new(alert)));
    }
}
