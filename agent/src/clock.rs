//! The only reader of the system clocks; everything else is told the time.

use headwater_kernel::time::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// No build of this program is older than this: 2025-01-01T00:00:00Z. A clock that says less was never set.
const FLOOR: Time = Time(1_735_689_600_000);

/// Now, by the system's wall clock.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Time(since.map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)))
}

/// Whether a time by the wall clock can be trusted: boards without a real-time clock boot in the past.
#[must_use]
pub fn is_plausible(now: Time) -> bool {
    now >= FLOOR
}
