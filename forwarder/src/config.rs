//! Reads the `[buffer]` table, and the rate limit of an output.

use headwater_settings::{Or, Table};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// When messages are written to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Messages that some output has not acknowledged within `sync`: it is down, or too slow.
    Offline,
    /// All messages, before they are sent.
    Always,
}

/// Which messages are given up when the buffer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Old messages are merged into coarser ones. If that is not enough, the oldest are given up.
    Thin,
    /// The oldest messages are given up.
    DropOldest,
}

/// How many messages a power cut may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// No message that was pushed a moment before.
    Always,
    /// The messages of this many milliseconds.
    Every(u64),
}

impl Sync {
    /// How long a message may wait in memory only (ms).
    pub(crate) fn wait_ms(self) -> u64 {
        match self {
            Self::Always => 0,
            Self::Every(ms) => ms,
        }
    }
}

/// The rate at which an output sends backfill. Live messages have no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendRate {
    /// Messages a second; `None`: as many as the broker acknowledges.
    pub messages: Option<u32>,
    /// Bytes of payload a second; `None`: as many as the line carries.
    pub bytes: Option<u32>,
}

impl SendRate {
    /// Reads `rate = { messages = 500, bytes = "64KiB" }` from an output's table.
    pub fn read(table: &mut Table<'_>) -> Self {
        let Some(mut table) = table.table("rate") else { return Self::default() };
        table.note("messages", "messages a second");
        table.note("bytes", "bytes a second");
        let messages = table.integer("messages", 1..=1_000_000).given();
        let bytes = table.size("bytes", 100..=GIB).given();
        table.finish();
        Self {
            messages: messages.and_then(|n| u32::try_from(n).ok()),
            bytes: bytes.and_then(|n| u32::try_from(n).ok()),
        }
    }
}

/// `[buffer]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferConfig {
    /// When messages are written to disk.
    pub when: When,
    /// Bound on everything on disk (bytes).
    pub max_size: u64,
    /// Older messages are given up (ms); `None`: none are.
    pub max_age_ms: Option<i64>,
    /// Which messages are given up at `max_size`.
    pub full: Full,
    /// How many messages a power cut may cost.
    pub sync: Sync,
    /// Bytes written to disk a day, past which [`crate::ForwarderStatus`] warns.
    pub daily_writes: u64,
    /// Bound on messages in memory (bytes).
    pub memory_bytes_max: usize,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self {
            when: When::Offline,
            max_size: 256 * MIB,
            max_age_ms: None,
            full: Full::Thin,
            sync: Sync::Every(1_000),
            daily_writes: 500 * MIB,
            memory_bytes_max: 8 << 20,
        }
    }
}

impl BufferConfig {
    /// Reads the table and finishes it. A key that is missing or wrong gets its default.
    #[must_use]
    pub fn read(table: Option<Table<'_>>) -> Self {
        let default = Self::default();
        let Some(mut table) = table else { return default };
        let config = Self {
            when: table
                .choice("when", &[("offline", When::Offline), ("always", When::Always)])
                .value_or(default.when),
            // Below 4 MiB not even two of the store's smallest segments fit.
            max_size: table.size("max_size", 4 * MIB..=1024 * GIB).value_or(default.max_size),
            max_age_ms: table.duration("max_age", MINUTE_MS..=3_650 * DAY_MS).given(),
            full: table
                .choice("full", &[("thin", Full::Thin), ("drop-oldest", Full::DropOldest)])
                .value_or(default.full),
            sync: read_sync(&mut table),
            daily_writes: table.size("daily_writes", MIB..=1024 * GIB).value_or(default.daily_writes),
            memory_bytes_max: usize::try_from(table.size("memory", 256 * KIB..=GIB).value_or(8 * MIB))
                .unwrap_or(8 << 20),
        };
        table.finish();
        config
    }
}

fn read_sync(table: &mut Table<'_>) -> Sync {
    let default = BufferConfig::default().sync;
    // A word or a duration: the duration's own message would not name the word.
    let text = table.string("sync");
    match text.as_ref().map(|at| at.value.as_str()) {
        None => default,
        Some("always") => Sync::Always,
        Some(text) if headwater_settings::parse_duration(text).is_none() => {
            let fix = "write \"always\" or a duration from \"50ms\" to \"1h\", such as \"1s\"";
            table.refuse(table.place_of("sync"), format!("`sync` cannot be `{text}`"), fix);
            default
        }
        Some(_) => {
            let ms = table.duration("sync", 50..=60 * MINUTE_MS).given();
            ms.map_or(default, |ms| Sync::Every(ms.unsigned_abs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_settings::Document;
    use std::path::Path;

    fn read(text: &str) -> (BufferConfig, Vec<String>) {
        let document = Document::parse(Path::new("test.toml"), text, |_| None);
        let config = BufferConfig::read(Some(document.root()));
        (config, document.mistakes().iter().map(|m| format!("{}; {}", m.what, m.fix)).collect())
    }

    #[test]
    fn all_keys_are_read() {
        let text = "when = \"always\"\nmax_size = \"8MiB\"\nmax_age = \"30d\"\nfull = \"drop-oldest\"\n\
                    sync = \"always\"\ndaily_writes = \"1GiB\"\nmemory = \"1MiB\"\n";
        let expected = BufferConfig {
            when: When::Always,
            max_size: 8 * MIB,
            max_age_ms: Some(30 * DAY_MS),
            full: Full::DropOldest,
            sync: Sync::Always,
            daily_writes: GIB,
            memory_bytes_max: 1 << 20,
        };
        assert_eq!(read(text), (expected, vec![]));
        assert_eq!(read(""), (BufferConfig::default(), vec![]));
        assert_eq!(read("sync = \"250ms\"").0.sync, Sync::Every(250));
    }

    #[test]
    fn mistakes_name_the_way_out() {
        let (config, mistakes) = read("sync = \"often\"\nmax_size = \"1KiB\"\nwhenn = \"always\"\n");
        assert_eq!(config, BufferConfig::default());
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert!(mistakes.iter().any(|m| m.contains("\"always\" or a duration")), "{mistakes:?}");
    }
}
