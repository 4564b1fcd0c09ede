//! The agent's timeline: time since boot plus one offset. Pure: the caller reads the clocks.
//!
//! The timeline stamps readings without a time of their own. The wall clock may be set in the meantime, but the time
//! since boot may not. So the timeline continues, and its offset follows the wall clock:
//!
//! | the wall clock | the timeline |
//! |---|---|
//! | is slewed (NTP) | is slewed too: the kernel slews both clocks |
//! | is set by up to [`SLEW_MAX_MS`], a leap second included | follows at a tenth of the speed of time; windows do not notice |
//! | is set further | follows at once: open windows end, and new ones begin on the new timeline |
//! | shows an impossible time | continues unchanged |
//!
//! The time since boot includes suspension, so that waking up is not a step.

use headwater_kernel::time::Time;

/// The earliest possible time: 2025-01-01T00:00:00Z, or the build date if it is known (`SOURCE_DATE_EPOCH`).
pub(crate) const BUILT: Time = match option_env!("SOURCE_DATE_EPOCH") {
    Some(text) => later(Time(1_735_689_600_000), text),
    None => Time(1_735_689_600_000),
};

/// How far the wall clock may be set without windows noticing (ms).
const SLEW_MAX_MS: i64 = 60_000;

/// The timeline follows at this fraction of the speed of time.
const SLEW_PARTS: i64 = 10;

/// The random difference of two clocks that are read one after the other (ms).
const NOISE_MS: i64 = 10;

/// The smallest change of the offset between two looks that is reported (ms).
const STEP_MS: i64 = 100;

/// How far a clock may be behind the last time before a restart (ms).
const BEHIND_MS: i64 = 60_000;

/// Whether the system's wall clock is synchronised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncState {
    /// It is synchronised, or set by hardware.
    Synced,
    /// It is not synchronised yet.
    Unsynced,
    /// The system does not say: every possible time is right.
    Unknown,
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The wall clock.
    pub(crate) wall: Time,
    /// Time since boot, suspension included (ms).
    pub(crate) up_ms: i64,
    /// Whether the wall clock is synchronised.
    pub(crate) sync: SyncState,
}

/// A change of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The time has become known, for the first time since boot. The timeline has moved.
    Set {
        /// The distance (ms).
        by_ms: i64,
    },
    /// The wall clock was set. The timeline has moved.
    Moved {
        /// The distance (ms).
        by_ms: i64,
    },
    /// The wall clock was set by a little. The timeline follows slowly.
    Followed {
        /// The distance (ms).
        by_ms: i64,
    },
    /// The wall clock was set to a time before this program was built. The timeline continues unchanged.
    Doubted {
        /// The distance to the timeline (ms).
        by_ms: i64,
    },
}

/// Time since boot plus an offset.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    offset_ms: i64,
    /// The distance still to follow, and since when (ms since boot).
    rest_ms: i64,
    slewing_from_ms: i64,
    synced: bool,
    /// The wall clock's offset at the last look.
    seen_ms: i64,
    /// The last time known before the start.
    last: Time,
    /// Whether the wall clock has been set since the start.
    was_set: bool,
}

impl Timeline {
    /// Starts the timeline. `last`: the last time known before. `own_ms`: the offset of this boot, if an earlier run
    /// knew it; `base_ms`: the offset that it used before that.
    pub(crate) fn new(sample: Sample, last: Time, own_ms: Option<i64>, base_ms: Option<i64>) -> Self {
        let seen_ms = sample.offset_ms();
        let mut timeline = Self {
            offset_ms: seen_ms,
            rest_ms: 0,
            slewing_from_ms: sample.up_ms,
            synced: false,
            seen_ms,
            last,
            was_set: false,
        };
        if timeline.trusts(&sample) {
            timeline.synced = true;
        } else if let Some(own_ms) = own_ms {
            (timeline.offset_ms, timeline.synced) = (own_ms, true);
        } else if let Some(base_ms) = base_ms {
            timeline.offset_ms = base_ms;
        }
        timeline
    }

    /// The time at `up_ms` since boot.
    #[inline]
    pub(crate) fn at(&self, up_ms: i64) -> Time {
        Time(up_ms.saturating_add(self.offset_ms).saturating_add(self.slewed_ms(up_ms)))
    }

    /// Whether its time is trusted. Once known, it stays known, because nothing sets the time since boot.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced
    }

    /// Its offset from the time since boot, after it has followed (ms).
    pub(crate) fn offset_ms(&self) -> i64 {
        self.offset_ms + self.rest_ms
    }

    /// Looks at the clocks.
    pub(crate) fn look(&mut self, sample: Sample) -> Option<Change> {
        let seen_ms = sample.offset_ms();
        let is_step = (seen_ms - self.seen_ms).abs() >= STEP_MS;
        self.seen_ms = seen_ms;
        self.was_set |= is_step;
        if !self.synced {
            return self.trusts(&sample).then(|| self.set(seen_ms));
        }
        let by_ms = seen_ms - self.offset_ms();
        if by_ms.abs() <= NOISE_MS {
            return None;
        }
        if sample.wall < BUILT {
            return is_step.then_some(Change::Doubted { by_ms });
        }
        if by_ms.abs() <= SLEW_MAX_MS {
            let slewed_ms = self.slewed_ms(sample.up_ms);
            self.offset_ms += slewed_ms;
            self.rest_ms = seen_ms - self.offset_ms;
            self.slewing_from_ms = sample.up_ms;
            return is_step.then_some(Change::Followed { by_ms });
        }
        let by_ms = seen_ms - self.offset_ms - self.slewed_ms(sample.up_ms);
        (self.offset_ms, self.rest_ms) = (seen_ms, 0);
        Some(Change::Moved { by_ms })
    }

    fn set(&mut self, seen_ms: i64) -> Change {
        let by_ms = seen_ms - self.offset_ms;
        (self.offset_ms, self.rest_ms, self.synced) = (seen_ms, 0, true);
        Change::Set { by_ms }
    }

    fn trusts(&self, sample: &Sample) -> bool {
        let is_early = !self.was_set && sample.wall < self.last.minus(BEHIND_MS);
        sample.wall >= BUILT
            && match sample.sync {
                SyncState::Synced => true,
                SyncState::Unsynced => false,
                SyncState::Unknown => !is_early,
            }
    }

    fn slewed_ms(&self, up_ms: i64) -> i64 {
        let may_ms = (up_ms - self.slewing_from_ms).max(0) / SLEW_PARTS;
        self.rest_ms.clamp(-may_ms, may_ms)
    }
}

impl Sample {
    fn offset_ms(&self) -> i64 {
        self.wall.since(Time(self.up_ms))
    }
}

/// The later of a time and another one in seconds, as text; an invalid text is ignored.
const fn later(time: Time, seconds: &str) -> Time {
    let (bytes, mut at, mut value) = (seconds.as_bytes(), 0, 0_i64);
    while let Some((_, rest)) = bytes.split_at_checked(at) {
        let Some(digit @ b'0'..=b'9') = rest.first() else { break };
        value = value.saturating_mul(10).saturating_add((*digit - b'0') as i64);
        at += 1;
    }
    let ms = value.saturating_mul(1_000);
    if at == bytes.len() && ms > time.0 { Time(ms) } else { time }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: i64 = 1_800_000_000_000;

    fn sample(wall: i64, up_ms: i64, sync: SyncState) -> Sample {
        Sample { wall: Time(wall), up_ms, sync }
    }

    fn synced() -> Timeline {
        Timeline::new(sample(NOON, 1_000, SyncState::Synced), Time::MIN, None, None)
    }

    #[test]
    fn what_is_trusted() {
        let is_synced =
            |wall, sync, last| Timeline::new(sample(wall, 0, sync), Time(last), None, None).is_synced();
        assert!(is_synced(NOON, SyncState::Synced, 0) && is_synced(NOON, SyncState::Unknown, 0));
        assert!(!is_synced(NOON, SyncState::Unsynced, 0), "a time daemon is at work");
        assert!(
            !is_synced(0, SyncState::Synced, 0) && !is_synced(BUILT.0 - 1, SyncState::Unknown, 0),
            "before the build"
        );
        assert!(!is_synced(NOON, SyncState::Unknown, NOON + BEHIND_MS + 1), "before the last time seen");
        assert!(is_synced(NOON, SyncState::Synced, NOON + 1_000_000), "NTP knows better");
        assert_eq!(later(Time(5), "7"), Time(7_000));
        assert_eq!((later(Time(5), ""), later(Time(5), "7x")), (Time(5), Time(5)));
    }

    #[test]
    fn the_first_synchronisation_moves_it_once() {
        let mut timeline = Timeline::new(sample(0, 20_000, SyncState::Unknown), Time::MIN, None, None);
        assert_eq!((timeline.at(21_000), timeline.is_synced()), (Time(1_000), false));
        assert_eq!(timeline.look(sample(2_000, 22_000, SyncState::Unknown)), None);
        // Set to another time that cannot be: nothing moves.
        assert_eq!(timeline.look(sample(1_609_459_200_000, 23_000, SyncState::Unknown)), None);
        assert_eq!(timeline.at(23_000), Time(3_000));
        let by_ms = NOON - 4_000;
        assert_eq!(timeline.look(sample(NOON, 24_000, SyncState::Unknown)), Some(Change::Set { by_ms }));
        assert_eq!((timeline.at(25_000), timeline.is_synced()), (Time(NOON + 1_000), true));
        assert_eq!(
            timeline.look(sample(NOON + 1_000, 25_000, SyncState::Unsynced)),
            None,
            "once known, known"
        );
    }

    #[test]
    fn a_restart_in_the_same_boot_goes_on() {
        let timeline =
            Timeline::new(sample(5_000, 9_000, SyncState::Unsynced), Time(NOON), Some(NOON), Some(0));
        assert_eq!((timeline.at(9_000), timeline.is_synced()), (Time(NOON + 9_000), true));
        let timeline = Timeline::new(sample(5_000, 9_000, SyncState::Unsynced), Time::MIN, None, Some(77));
        assert_eq!((timeline.at(9_000), timeline.is_synced()), (Time(9_077), false));
    }

    #[test]
    fn suspension_is_no_step_and_noise_is_nothing() {
        let mut timeline = synced();
        let day = 86_400_000;
        assert_eq!(timeline.look(sample(NOON + day, 1_000 + day, SyncState::Synced)), None);
        assert_eq!(timeline.look(sample(NOON + day + 1_010, 2_000 + day, SyncState::Synced)), None);
        assert_eq!(timeline.at(1_000 + day), Time(NOON + day));
    }

    #[test]
    fn steps_far_and_near_and_absurd() {
        let mut timeline = synced();
        let hour = 3_600_000;
        assert_eq!(
            timeline.look(sample(NOON + hour, 1_000, SyncState::Synced)),
            Some(Change::Moved { by_ms: hour })
        );
        assert_eq!(
            timeline.look(sample(1, 2_000, SyncState::Synced)).map(|c| matches!(c, Change::Doubted { .. })),
            Some(true)
        );
        assert_eq!(timeline.look(sample(1_001, 3_000, SyncState::Synced)), None, "told once");
        assert_eq!(timeline.at(3_000), Time(NOON + hour + 2_000));
        // A leap second: the wall clock goes back by one.
        let leap = sample(NOON + hour + 2_000, 4_000, SyncState::Synced);
        assert_eq!(timeline.look(leap), Some(Change::Followed { by_ms: -1_000 }));
        assert_eq!(timeline.at(4_000), Time(NOON + hour + 3_000));
        assert_eq!(timeline.at(9_000), Time(NOON + hour + 7_500));
        assert_eq!(timeline.at(14_000), Time(NOON + hour + 12_000));
        assert_eq!(timeline.at(24_000), Time(NOON + hour + 22_000));
    }

    proptest! {
        /// However the wall clock is set by up to a minute at a time, the timeline never goes back, never goes more than
        /// a tenth too fast or too slow, and arrives where the wall clock is.
        #[test]
        fn near_steps_are_followed_without_a_jump(steps in prop::collection::vec((1..20_000_i64, -30_000..30_000_i64), 1..30)) {
            let (mut timeline, mut up, mut wall) = (synced(), 1_000, NOON);
            let mut before = timeline.at(up);
            for (passed, step) in steps {
                up += passed;
                wall += passed + step;
                let now = timeline.at(up);
                prop_assert!((now.since(before) - passed).abs() <= passed / SLEW_PARTS + 1);
                let distance = wall - now.0;
                timeline.look(sample(wall, up, SyncState::Synced));
                let after = timeline.at(up);
                prop_assert!(after == now || distance.abs() > SLEW_MAX_MS);
                before = after;
            }
            let rest = (wall - timeline.at(up).0).abs();
            up += rest * SLEW_PARTS;
            wall += rest * SLEW_PARTS;
            prop_assert!((timeline.at(up).0 - wall).abs() <= NOISE_MS);
        }
    }
}
