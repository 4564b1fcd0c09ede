//! Who else wants a reading that its channel has taken: pairs, groups, and globs that waited for it.

use super::Pipeline;
use super::ids::ChannelId;
use super::pairs::{PairEmitter, Pairs};
use headwater_kernel::time::{Now, Time};

/// Those that look at several channels.
pub(super) struct Others {
    pub(super) has_pairs: bool,
    pub(super) has_groups: bool,
    /// The channels of globs that waited for it.
    pub(super) awaited: Box<[ChannelId]>,
}

impl Pipeline {
    /// Hands a reading that its channel has taken to those who look at several channels.
    #[inline]
    pub(super) fn tell_others(
        &mut self,
        others: Others,
        index: ChannelId,
        reading: (Time, f64),
        is_own: bool,
        now: Now,
    ) {
        if others.has_pairs {
            let (pairs, mut out) = self.pairs_with_emitter(now);
            pairs.on_reading(index, reading, is_own, &mut out);
        }
        if others.has_groups {
            self.judge_groups(index, reading.0, reading.1, now);
        }
        if !others.awaited.is_empty() {
            self.end_waits(&others.awaited, reading, now);
        }
    }

    /// The pairs together with their emitter.
    pub(super) fn pairs_with_emitter(&mut self, now: Now) -> (&mut Pairs, PairEmitter<'_>) {
        let Self { streams, directory, channels, pairs, emitter, .. } = self;
        (pairs, PairEmitter { streams, directory, channels, now, emitter })
    }
}
