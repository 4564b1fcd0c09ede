//! The status of an agent as plain data. The engine makes it in one place. The service manager's line, the status message
//! of the outputs and the commands are views of it.

use headwater_pipeline::account::{MessageDelta, ReadingCounts, SourceCounts};
use headwater_settings::format_size;
use serde::Serialize;

/// The status of an agent at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentStatus {
    /// The agent's id.
    pub agent: String,
    /// The program's version.
    pub version: &'static str,
    /// The moment itself [ms since the Unix epoch].
    pub now_ms: i64,
    /// When this run began [ms since the Unix epoch].
    pub started_ms: i64,
    /// How long this run has lasted (ms).
    pub up_ms: i64,
    /// The memory that the program takes.
    pub memory: MemoryStatus,
    /// The agent's clock.
    pub clock: ClockStatus,
    /// How many series are known.
    pub series: usize,
    /// By the order of the config.
    pub sources: Vec<SourceStatus>,
    /// By the order of the config.
    pub streams: Vec<StreamStatus>,
    /// By the order of the config.
    pub outputs: Vec<OutputStatus>,
    /// The messages that wait for outputs.
    pub buffer: BufferStatus,
    /// The bytes that were written today.
    pub writes: WriteStatus,
    /// The device that these bytes go to.
    pub device: DeviceStatus,
    /// How often open windows become durable; `None`: they have not yet.
    pub checkpoint: Option<CheckpointStatus>,
    /// How often the journal is synced; `None`: it is not.
    pub sync: Option<SyncStatus>,
    /// What became of the readings since the state began.
    pub readings: ReadingCounts,
    /// What became of the messages since the state began.
    pub messages: MessageDelta,
    /// How many alerts were held back since the state began.
    pub suppressed: i64,
    /// How remote changes of the config stand; `None`: there are none.
    pub remote: Option<RemoteStatus>,
    /// The agent's troubles, in words for a person. Outputs that are down are not among them.
    pub trouble: Vec<String>,
}

/// How remote changes of the config stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemoteStatus {
    /// The request whose change lies over the config's file; `None`: none does.
    pub id: Option<String>,
    /// When it was signed [ms since the Unix epoch].
    pub set_ms: Option<i64>,
    /// Requests that were followed since the program began.
    pub accepted: u64,
    /// Requests that were not.
    pub refused: u64,
}

/// The memory that the program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryStatus {
    /// Resident memory (bytes); `None`: the system does not say.
    pub resident_bytes: Option<u64>,
    /// The most that the service manager allows (bytes); `None`: all that there is.
    pub max_bytes: Option<u64>,
}

/// The agent's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockStatus {
    /// Whether the time is known.
    pub synced: bool,
    /// The boot whose time is not known.
    pub boot: Option<String>,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceStatus {
    /// The name in the config.
    pub name: String,
    /// Whether the source is connected; `None`: it has not said so yet.
    pub up: Option<bool>,
    /// Since when [ms since the Unix epoch].
    pub since_ms: i64,
    /// Why the connection was lost last.
    pub last_error: Option<String>,
    /// When the last reading came in this run [ms since the Unix epoch]; `None`: none has.
    pub last_reading_ms: Option<i64>,
    /// Readings in the last half minute (1/s); `None`: not known yet.
    pub rate: Option<f64>,
    /// How many series had a name that was not safe, and was changed.
    pub renamed: u64,
    /// Its acknowledgements, if they wait for what is durable.
    pub acks: Option<AckStatus>,
    /// What came in.
    pub readings: SourceCounts,
}

/// The acknowledgements of a source that waits with them until messages are durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AckStatus {
    /// Messages that are not acknowledged.
    pub held: usize,
    /// The number of those at which the broker stops; `None`: it has not stopped on this connection.
    pub window: Option<usize>,
    /// How long it has stood still since this run began (ms).
    pub stalled_ms: u64,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamStatus {
    /// The name in the config.
    pub name: String,
    /// What became of its readings.
    pub readings: ReadingCounts,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputStatus {
    /// The name in the config.
    pub name: String,
    /// Whether the output can take messages.
    pub up: bool,
    /// Since when [ms since the Unix epoch].
    pub since_ms: i64,
    /// Why the connection was lost last.
    pub last_error: Option<String>,
    /// Why messages go one at a time, if they do.
    pub one_at_a_time: Option<&'static str>,
    /// How many messages it still has to get.
    pub waiting: u64,
    /// When the oldest of them was made, at the earliest [ms since the Unix epoch]; `None`: not known, or none waits.
    pub oldest_ms: Option<i64>,
    /// How long it takes until none waits, by the last half minute (ms); `None`: none waits, or they do not get fewer.
    pub drain_ms: Option<u64>,
}

/// The messages that wait for outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BufferStatus {
    /// Messages in memory or on disk.
    pub waiting: u64,
    /// Messages in memory (bytes).
    pub memory_bytes: usize,
    /// Everything on disk (bytes).
    pub disk_bytes: u64,
    /// The most that it may take on disk (bytes).
    pub max_bytes: u64,
    /// Why the disk takes nothing; `None`: no write has failed.
    pub disk_error: Option<String>,
}

/// The bytes that were written to storage today, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WriteStatus {
    /// By this program (bytes).
    pub today_bytes: u64,
    /// The most that it should write in a day (bytes).
    pub daily_bytes: u64,
    /// By all programs to the device, while this program ran (bytes); `None`: the device does not count.
    pub device_today_bytes: Option<u64>,
}

/// The device that holds the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceStatus {
    /// Its size, whole (bytes); `None`: the system does not say.
    pub size_bytes: Option<u64>,
    /// How long the bytes of today have been counted (ms).
    pub counted_today_ms: i64,
}

/// How often open windows become durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointStatus {
    /// The interval that is configured (ms).
    pub every_ms: i64,
    /// The interval that `daily_writes` allows in the long run, by what the last ones wrote (ms); `None`: not known yet.
    pub allowed_ms: Option<i64>,
    /// The age of the last one (ms).
    pub age_ms: i64,
    /// What they write in a day at that interval (bytes).
    pub daily_bytes: Option<u64>,
}

/// How often the journal is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    /// The interval that is configured (ms).
    pub every_ms: u64,
    /// The interval that `daily_writes` allows in the long run, by what the last syncs wrote (ms); `None`: not known yet.
    pub allowed_ms: Option<u64>,
}

impl AgentStatus {
    /// One line for `systemctl status`: series, buffer, outputs.
    #[must_use]
    pub fn line(&self) -> String {
        let outputs = self.outputs.iter().map(|output| {
            let state = if output.up { "up" } else { output.last_error.as_deref().unwrap_or("connecting") };
            format!("; {}: {state}", output.name)
        });
        format!(
            "{} series; {} messages wait, {} on disk{}",
            self.series,
            self.buffer.waiting,
            format_size(self.buffer.disk_bytes),
            outputs.collect::<String>(),
        )
    }

    /// The names of the outputs that are down. One that connects for the first time is not.
    pub fn down(&self) -> impl Iterator<Item = &str> {
        let is_down = |output: &&OutputStatus| !output.up && output.last_error.is_some();
        self.outputs.iter().filter(is_down).map(|output| output.name.as_str())
    }

    /// Whether more has changed since `earlier` than numbers that change all the time.
    #[must_use]
    pub fn is_news_after(&self, earlier: &Self) -> bool {
        (&self.clock, &self.trouble) != (&earlier.clock, &earlier.trouble) || !self.down().eq(earlier.down())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn status() -> AgentStatus {
        let output = |name: &str, up, last_error: Option<&str>| OutputStatus {
            name: name.to_owned(),
            up,
            since_ms: 1,
            last_error: last_error.map(str::to_owned),
            one_at_a_time: None,
            waiting: 0,
            oldest_ms: None,
            drain_ms: None,
        };
        AgentStatus {
            agent: "edge-1".to_owned(),
            version: "0.1.0",
            now_ms: 7,
            started_ms: 5,
            up_ms: 2,
            memory: MemoryStatus { resident_bytes: None, max_bytes: None },
            clock: ClockStatus { synced: true, boot: None },
            series: 3,
            sources: Vec::new(),
            streams: Vec::new(),
            outputs: vec![
                output("cloud", true, Some("reset")),
                output("lab", false, Some("refused")),
                output("new", false, None),
            ],
            buffer: BufferStatus {
                waiting: 7,
                memory_bytes: 9,
                disk_bytes: 2 << 20,
                max_bytes: 3 << 20,
                disk_error: None,
            },
            writes: WriteStatus { today_bytes: 1, daily_bytes: 2, device_today_bytes: None },
            device: DeviceStatus { size_bytes: None, counted_today_ms: 0 },
            checkpoint: None,
            sync: None,
            readings: ReadingCounts::default(),
            messages: MessageDelta::default(),
            suppressed: 0,
            remote: None,
            trouble: Vec::new(),
        }
    }

    #[test]
    fn the_line_says_what_waits_and_why() {
        let expected = "3 series; 7 messages wait, 2 MiB on disk; cloud: up; lab: refused; new: connecting";
        assert_eq!(status().line(), expected);
    }

    #[test]
    fn news_is_what_a_person_may_act_upon() {
        let (mut numbers, mut trouble, mut down) = (status(), status(), status());
        numbers.series += 1;
        numbers.buffer.waiting += 1;
        numbers.writes.today_bytes += 1;
        assert!(!numbers.is_news_after(&status()));
        trouble.trouble.push("memory is short".to_owned());
        assert!(trouble.is_news_after(&status()));
        down.outputs[0].up = false;
        assert!(down.is_news_after(&status()) && status().is_news_after(&down));
        assert_eq!(down.down().collect::<Vec<_>>(), ["cloud", "lab"], "what connects is not down yet");
    }

    #[test]
    fn it_is_plain_data() {
        let json = serde_json::to_value(status()).unwrap();
        assert_eq!(json["outputs"][1]["last_error"], "refused");
        assert_eq!(json["messages"]["made"], 0);
    }
}
