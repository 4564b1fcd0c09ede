//! What a change of the agent's timeline means for what is stamped with it: windows end and begin anew, and messages
//! made before the time is known, or after the clock was set back, say so.

use super::channel::Origin;
use super::state::{load_text, put, save_text};
use super::timers::Timers;
use super::watching::Outbox;
use super::{Now, Pipeline};
use crate::clock::mark_of;
use crate::encode::{mark_of_turn, mark_turn, mark_unsynced};
use headwater_forwarder::Message;
use headwater_kernel::state::{Corrupt, State, Stored};
use headwater_kernel::time::Time;

/// What the times in messages are worth that are stamped with the agent's own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timestamps {
    /// The boot since which they count, until its time is known.
    pub(crate) boot: Option<String>,
    /// How often the clock was set back to a time that there are messages of.
    turn: u32,
    /// Until then.
    until: Time,
}

/// Whether the true time is known now, and the marks of ids that stay all the same: messages with them went out before.
pub(super) type Known<'a> = Option<&'a [String]>;

impl Timestamps {
    /// Whether there is nothing to say of them.
    #[inline]
    pub(super) fn are_plain(&self) -> bool {
        self.boot.is_none() && self.turn == 0
    }

    /// What the id of something carries that is raised at a time of theirs.
    pub(super) fn mark_of(&self, time: Time) -> String {
        match &self.boot {
            Some(boot) => mark_of(boot),
            None if self.turn > 0 && time < self.until => mark_of_turn(self.turn),
            None => String::new(),
        }
    }

    /// Says it in a message.
    pub(super) fn dress(&self, message: &mut Message) {
        match &self.boot {
            Some(_) if message.lane.is_held() => {}
            Some(boot) => mark_unsynced(message, boot),
            None if self.turn > 0 => mark_turn(message, self.turn, self.until.0),
            None => {}
        }
    }
}

impl Pipeline {
    /// The agent's timeline has moved by `ms` since `before`; from now on its times are those of `boot`, if it is not
    /// known what they are worth. Windows of readings that are stamped with it end here, as on the timeline before. `told`:
    /// marks of ids that stay, although the time is known.
    pub(crate) fn begin_anew(&mut self, before: Now, ms: i64, boot: Option<String>, told: &[String]) {
        self.timers = Timers::default();
        let known = boot.is_none().then_some(told);
        for index in 0..self.channels.len() {
            self.end_channel(index, before, (ms, known));
        }
        let Self { groups, channels, timestamps, .. } = self;
        groups.begin_anew(channels, ms, timestamps, known);
        let (pairs, mut told) = self.pairs_told(before);
        pairs.begin_anew(ms, &mut told);
        let now = before.time.plus(ms);
        let Timestamps { boot: was, turn, until } = &mut self.timestamps;
        if was.is_none() {
            *until = (*until).max(before.time);
        }
        if boot.is_none() && now < *until {
            *turn = turn.saturating_add(1);
        }
        *was = boot;
        for (index, channel) in (0_u32..).zip(&mut self.channels) {
            let stream = self.streams.get(channel.stream as usize);
            if let Some(due) = stream.and_then(|stream| channel.arm(stream, now)) {
                self.timers.push(due, index);
            }
        }
    }

    /// What the times in messages are worth from now on.
    pub(crate) fn stamp_with(&mut self, boot: Option<String>) {
        self.timestamps.boot = boot;
    }

    fn end_channel(&mut self, index: usize, before: Now, (ms, known): (i64, Known<'_>)) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        let Some(stream) = self.streams.get(channel.stream as usize) else { return };
        let Some(counts) = self.stream_counts.get_mut(channel.stream as usize) else { return };
        let (series, labels) = self.directory.describe(channel.series);
        let floor = self.revisions.floor;
        let origin = Origin { agent: &self.agent, stream, series, labels, floor };
        let Self { encoder, made, suppressed, revisions, timestamps, .. } = self;
        let timestamps = channel.is_by_arrival().then_some(&*timestamps);
        let made_before = made.len();
        let mut out = Outbox { origin, now: before, encoder, made, suppressed, revisions, timestamps };
        channel.begin_anew((ms, known), &mut out).count(counts);
        if !self.timestamps.are_plain() {
            self.dress(u32::try_from(index).unwrap_or(u32::MAX), made_before);
        }
    }

    /// Says in the messages made since there were `made_before` what their times are worth.
    #[cold]
    pub(super) fn dress(&mut self, index: u32, made_before: usize) {
        if self.channels.get(index as usize).is_some_and(super::Channel::is_by_arrival) {
            let made = self.made.iter_mut().skip(made_before);
            made.for_each(|message| self.timestamps.dress(message));
        }
    }

    /// Appends what the times are worth.
    pub(super) fn save_timestamps(&self, to: &mut Vec<u8>) {
        let Timestamps { boot, turn, until } = &self.timestamps;
        save_text(to, boot.as_deref().unwrap_or_default());
        turn.save(&mut put(to));
        until.save(&mut put(to));
    }

    /// Reads what [`Pipeline::save_timestamps`] wrote.
    pub(super) fn load_timestamps(&mut self, from: &mut Stored<'_>) -> Result<(), Corrupt> {
        let boot = load_text(from)?;
        self.timestamps = Timestamps {
            boot: (!boot.is_empty()).then(|| boot.to_owned()),
            turn: State::load(from)?,
            until: State::load(from)?,
        };
        Ok(())
    }
}
