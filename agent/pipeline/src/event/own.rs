//! Events about the agent itself: its account, its clock and its condition.

use super::{BootId, Timestamp};
use crate::account::{MessageDelta, ReadingCounts, ReadingLedger};
use std::sync::Arc;

/// Declares the causes of reports, each with its word on the wire.
macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// Why a report was made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ReportCause { $($(#[$doc])* $name),+ }

        impl ReportCause {
            /// All causes.
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
    /// The interval is over.
    Interval = "interval",
    /// The agent has started.
    Restart = "restart",
    /// The agent stops.
    Stop = "stop",
    /// The recording has ended.
    End = "end",
    /// An output was down.
    Outage = "outage",
    /// Messages were dropped.
    Shed = "shed",
    /// Readings or messages were refused.
    Refused = "refused",
    /// Stored state or messages could not be read.
    Damaged = "damaged",
    /// Stored state of another version could not be used.
    Upgrade = "upgrade",
    /// The disk stopped taking data, or takes it again.
    Disk = "disk",
    /// The config was changed, or rolled back.
    Config = "config",
    /// The clock was set, or its offset has become known.
    Clock = "clock",
}

impl ReportCause {
    /// Whether the report is about a loss. Such a report must not be lost with the next loss: it is dropped last,
    /// like alerts.
    #[must_use]
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::Shed | Self::Refused | Self::Damaged | Self::Upgrade)
    }
}

/// Declares how a run can end, each with its word on the wire.
macro_rules! ends {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// How a run of the agent has ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RunEnd { $($(#[$doc])* $name),+ }

        impl RunEnd {
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

ends! {
    /// It was told to stop.
    Stop = "stop",
    /// The program ended in the middle of its work, and the machine went on.
    Crash = "crash",
    /// The machine ended in the middle of its work.
    Power = "power",
}

/// The account of an interval: how many readings came in and where they went.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The agent's id.
    pub agent: Arc<str>,
    /// Start of the interval (ms), on the clock of its end.
    pub from_ms: i64,
    /// End of the interval.
    pub to: Timestamp,
    /// The cause.
    pub cause: ReportCause,
    /// A sentence for people; may be empty.
    pub detail: String,
    /// How the run before this one ended; only in the report of a start, where it is known.
    pub stop: Option<RunEnd>,
    /// The readings of the interval, in total, by source and by stream: flows, and the change of `in_windows`.
    pub readings: ReadingLedger,
    /// The messages of the interval: flows, and the change of `waiting`.
    pub messages: MessageDelta,
    /// All readings since the state began.
    pub readings_total: ReadingCounts,
    /// All messages since the state began.
    pub messages_total: MessageDelta,
    /// Alerts of the interval that were held back by `cooldown` or `per_hour`.
    pub suppressed: i64,
    /// All alerts that were held back since the state began.
    pub suppressed_total: i64,
}

/// The true time of a boot has become known: its earlier events can be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockSet {
    /// The agent's id.
    pub agent: Arc<str>,
    /// When the offset became known.
    pub time: Timestamp,
    /// The boot.
    pub boot: BootId,
    /// The offset to add to every time of the boot's events (ms).
    pub offset_ms: i64,
    /// Whether the boot had ended by then. The offset then is an estimate, the largest possible one.
    pub estimated: bool,
}

/// Whether the agent runs, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPresence {
    /// The agent's id.
    pub agent: Arc<str>,
    /// Whether it runs.
    pub online: bool,
    /// When this process started (ms since the Unix epoch).
    pub started_ms: i64,
    /// The boot whose true time is unknown; `None`: the clock is right.
    pub boot: Option<BootId>,
    /// Problems, for people; may be empty.
    pub trouble: Vec<String>,
    /// The use of the disk, once it is known.
    pub disk: Option<DiskStatus>,
    /// How often open windows become durable, once they have.
    pub checkpoint: Option<CheckpointFigures>,
    /// How often the journal is synced, if it is.
    pub sync: Option<SyncFigures>,
    /// The sources that acknowledge only what is durable.
    pub acks: Vec<AckCounts>,
}

/// How often the journal is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncFigures {
    /// The configured interval (ms).
    pub every_ms: u64,
    /// The interval that the budget for writes allows in the long run (ms), once that is known.
    pub allowed_ms: Option<u64>,
}

/// How a source stands with its acknowledgements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckCounts {
    /// The name of the source.
    pub source: String,
    /// Messages that are not acknowledged.
    pub held: u64,
    /// How long the broker has stood still for that since the start (ms).
    pub stalled_ms: u64,
    /// The number of unacknowledged messages at which it stopped last, if it has.
    pub window: Option<u64>,
}

/// How often open windows become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointFigures {
    /// The configured interval (ms).
    pub every_ms: u64,
    /// The age of the last checkpoint (ms).
    pub age_ms: u64,
    /// What the budget for writes comes to, once that is known.
    pub budget: Option<CheckpointBudget>,
}

/// What the budget for writes comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointBudget {
    /// The interval that it allows in the long run (ms).
    pub allowed_ms: u64,
    /// What checkpoints write in a day at that interval (bytes).
    pub daily_bytes: u64,
}

/// The use of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskStatus {
    /// The size of the buffer (bytes).
    pub used_bytes: u64,
    /// The agent's writes since midnight UTC (bytes).
    pub written_today_bytes: u64,
    /// The limit on a day's writes (bytes).
    pub daily_writes: u64,
    /// All writes to the device since midnight UTC while the agent ran (bytes), if the device counts them.
    pub device_written_today_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise the next loss would take the report of the previous one with it.
    #[test]
    fn only_what_tells_of_a_loss_gives_way_last() {
        let losses = ReportCause::ALL.iter().filter(|cause| cause.is_loss()).map(|cause| cause.word());
        assert_eq!(losses.collect::<Vec<_>>(), ["shed", "refused", "damaged", "upgrade"]);
    }
}
