//! Hints at why the time of a reading cannot be right.

use crate::account::ReadingCounts;
use headwater_kernel::time::{Now, Time};

/// An earlier time comes from a wrong unit, not from a sensor: 2000-01-01T00:00:00Z.
const ANCIENT: Time = Time(946_684_800_000);

/// A thousand of one unit of time are one of the next.
const UNIT: i64 = 1_000;

/// Local times are at most so far ahead of UTC (ms).
const ZONE_MS_MAX: i64 = 14 * 3_600_000;

/// How far ahead a device's own clock is believed, for a hint (ms).
const DAY_MS: i64 = 86_400_000;

/// The count of a reading whose time cannot be right, because it lies before [`ANCIENT`] or more than `future_ms` ahead;
/// `None`: it may be right.
#[inline]
pub(super) fn count_of(counts: &mut ReadingCounts, time: Time, future_ms: i64, now: Now) -> Option<&mut i64> {
    if !now.synced {
        None
    } else if time < ANCIENT {
        Some(&mut counts.late)
    } else {
        (time.0 > now.time.0.saturating_add(future_ms)).then_some(&mut counts.future)
    }
}

/// Why `time` lies before [`ANCIENT`], or too far after `now`, in words for people.
pub(super) fn why_unusable(time: Time, now: Time) -> String {
    let is_likely = |ms: i64| ms >= ANCIENT.0 && ms <= now.0.saturating_add(DAY_MS);
    let is_past = time < ANCIENT;
    let why = if is_past && is_likely(time.0.saturating_mul(UNIT)) {
        "lies before the year 2000: its unit is coarser than the one that is read; write time_format = \"unix\" \
         (\"unix_ms\" where it says unix_us)"
    } else if is_past {
        "lies before the year 2000: the device's clock is not set, or `time_format` is wrong; time_else = \"arrival\" \
         is for times that are absent"
    } else if time.0.saturating_sub(now.0) <= ZONE_MS_MAX {
        "lies in the future: a local time without an offset is read as UTC unless the source says its zone, as in \
         time_zone = \"Europe/Berlin\"; or the device's clock is wrong"
    } else if is_likely(time.0 / UNIT) {
        "lies in the future: its unit is finer than the one that is read; write time_format = \"unix_us\" (\"unix_ms\" \
         where it says unix)"
    } else if is_likely(time.0 / (UNIT * UNIT)) {
        "lies in the future: its unit is finer than the one that is read; write time_format = \"unix_ns\" (\"unix_us\" \
         where it says unix)"
    } else {
        "lies in the future: the device's clock is wrong, or `time_format` is"
    };
    format!("a reading's time, {} ms since 1970, {why}", time.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_is_the_right_way_round() {
        const NOW: i64 = 1_700_000_000_000;
        for (ms, hint) in [
            (NOW / 1_000, "write time_format = \"unix\""),
            (0, "clock is not set"),
            (NOW + 2 * 3_600_000, "time_zone = \"Europe/Berlin\""),
            (NOW * 1_000, "write time_format = \"unix_us\""),
            (NOW * 1_000_000, "write time_format = \"unix_ns\""),
            (NOW * 3, "the device's clock is wrong"),
            (i64::MAX, "the device's clock is wrong"),
            (i64::MIN, "clock is not set"),
        ] {
            let why = why_unusable(Time(ms), Time(NOW));
            assert!(why.contains(hint), "{ms}: {why}");
        }
    }
}
