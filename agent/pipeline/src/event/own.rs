//! What an agent says of itself: its account, its clock, and how it stands.

use super::{BootId, Timestamp};
use crate::account::{MessageDelta, ReadingCounts, ReadingLedger};
use std::sync::Arc;

/// Declares the causes of reports with their words on the wire.
macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// Why a report was made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ReportCause { $($(#[$doc])* $name),+ }

        impl ReportCause {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

causes! {
    /// Its interval is over.
    Interval = "interval",
    /// The agent has started.
    Restart = "restart",
    /// The agent stops.
    Stop = "stop",
    /// A recording ends.
    End = "end",
    /// An output was down.
    Outage = "outage",
    /// Messages gave way.
    Shed = "shed",
    /// Readings or messages were refused.
    Refused = "refused",
    /// State or messages could not be read.
    Damaged = "damaged",
    /// State of another version could not be used.
    Upgrade = "upgrade",
    /// The disk takes nothing, or takes something again.
    Disk = "disk",
    /// The clock was set, or became known.
    Clock = "clock",
}

impl ReportCause {
    /// Whether it tells of a loss. Such a report must not be lost with the next one: it gives way last, as alerts do.
    #[must_use]
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::Shed | Self::Refused | Self::Damaged | Self::Upgrade)
    }
}

/// The agent's account of an interval: what came in and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The agent's id.
    pub agent: Arc<str>,
    /// Start of the interval (ms), on the clock of its end.
    pub from_ms: i64,
    /// End of the interval.
    pub to: Timestamp,
    /// Why it was made.
    pub cause: ReportCause,
    /// A sentence for a person; may be empty.
    pub detail: String,
    /// The readings of the interval, in total and by source and stream: flows, and the change of what is in windows.
    pub readings: ReadingLedger,
    /// The messages of the interval: flows, and the change of what waits.
    pub messages: MessageDelta,
    /// All readings since the state began.
    pub readings_total: ReadingCounts,
    /// All messages since the state began.
    pub messages_total: MessageDelta,
    /// Alerts of the interval that were not raised, to limit flapping.
    pub suppressed: i64,
    /// All of these since the state began.
    pub suppressed_total: i64,
}

/// The times of a boot's events are known now: those that went out before are to be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockSet {
    /// The agent's id.
    pub agent: Arc<str>,
    /// When it became known.
    pub time: Timestamp,
    /// The boot.
    pub boot: BootId,
    /// To be added to every time of its events (ms).
    pub offset_ms: i64,
    /// Whether the boot ended before that: then it is the latest that it can have been.
    pub estimated: bool,
}

/// What the agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPresence {
    /// The agent's id.
    pub agent: Arc<str>,
    /// Whether it runs.
    pub online: bool,
    /// When this process started (ms since the Unix epoch).
    pub started_ms: i64,
    /// The boot whose time is not known; `None`: the clock is right.
    pub boot: Option<BootId>,
    /// What is not as it should be, for a person; may be empty.
    pub trouble: Vec<String>,
    /// What the disk has to bear, once that is known.
    pub disk: Option<DiskStatus>,
}

/// What the disk has to bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskStatus {
    /// What the buffer takes (bytes).
    pub used_bytes: u64,
    /// What the agent has had written today, in UTC (bytes).
    pub written_today_bytes: u64,
    /// What it may in a day (bytes).
    pub daily_writes: u64,
    /// What everybody has had written to the device today, while it ran (bytes), if it counts.
    pub device_written_today_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next loss would take the report of the one before with it.
    #[test]
    fn only_what_tells_of_a_loss_gives_way_last() {
        let losses = ReportCause::ALL.iter().filter(|cause| cause.is_loss()).map(|cause| cause.word());
        assert_eq!(losses.collect::<Vec<_>>(), ["shed", "refused", "damaged", "upgrade"]);
    }
}
