//! The report on the wire: the account of an interval, in total and by source and stream.

use super::message::Body;
use super::{Route, WIRE_VERSION};
use crate::account::{Changes, Counts, Ledger};
use headwater_forwarder::{Account, Lane};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The causes of reports that tell of lost messages.
const LOSSES: [&str; 4] = ["shed", "refused", "damaged", "upgrade"];

/// The agent's account of an interval: what came in and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// The agent's id.
    pub agent: &'a str,
    /// Start of the interval (ms since the Unix epoch).
    pub from_ms: i64,
    /// End of the interval (ms since the Unix epoch).
    pub to_ms: i64,
    /// Why it was made: `interval`, `restart`, `outage`, `shed`, …
    pub cause: &'a str,
    /// A sentence for a person; may be empty.
    pub detail: &'a str,
    /// The readings of the interval, in total and by source and stream: flows, and the change of what is in windows.
    pub readings: &'a Ledger,
    /// The messages of the interval: flows, and the change of what waits.
    pub messages: Changes,
    /// All readings since the state began.
    pub readings_total: Counts,
    /// All messages since the state began.
    pub messages_total: Account,
    /// Alerts of the interval that were not raised, to limit flapping, and all since the state began.
    pub suppressed: (i64, i64),
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let flows = self.readings.total.named();
        let detail = usize::from(!self.detail.is_empty());
        let mut map = serializer.serialize_map(Some(12 + detail + flows.len()))?;
        map.serialize_entry("v", &WIRE_VERSION)?;
        map.serialize_entry("kind", "report")?;
        map.serialize_entry("id", &format_args!("report/{}@{}", self.cause, self.to_ms))?;
        map.serialize_entry("agent", self.agent)?;
        map.serialize_entry("from", &self.from_ms)?;
        map.serialize_entry("to", &self.to_ms)?;
        map.serialize_entry("cause", self.cause)?;
        if detail == 1 {
            map.serialize_entry("detail", self.detail)?;
        }
        for (name, count) in flows {
            map.serialize_entry(name, &count)?;
        }
        map.serialize_entry("suppressed", &self.suppressed.0)?;
        let sources = self.readings.sources.iter().map(|(name, intake)| (name, intake.named()));
        map.serialize_entry("sources", &Parts(sources))?;
        let streams = self.readings.streams.iter().map(|(name, counts)| (name, counts.named()));
        map.serialize_entry("streams", &Parts(streams))?;
        map.serialize_entry("messages", &NamedMap(&self.messages.named()))?;
        map.serialize_entry("total", &Totals(self))?;
        map.end()
    }
}

/// Accounts by name; what is 0 is left out.
struct Parts<I>(I);

impl<'n, const N: usize, I> Serialize for Parts<I>
where
    I: Iterator<Item = (&'n String, [(&'static str, i64); N])> + Clone,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counted = |counts: [(&'static str, i64); N]| {
            counts.into_iter().filter(|(_, count)| *count != 0).collect::<Vec<_>>()
        };
        let parts: Vec<_> = self.0.clone().map(|(name, counts)| (name, counted(counts))).collect();
        let mut map = serializer.serialize_map(Some(parts.len()))?;
        for (name, counts) in &parts {
            map.serialize_entry(name, &NamedMap(counts))?;
        }
        map.end()
    }
}

/// A map of named integers.
struct NamedMap<'a>(&'a [(&'static str, i64)]);

impl Serialize for NamedMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, count)| (name, count)))
    }
}

/// The totals of a report: the same names, since the state began.
struct Totals<'a>(&'a Report<'a>);

impl Serialize for Totals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let flows = self.0.readings_total.named();
        let mut map = serializer.serialize_map(Some(2 + flows.len()))?;
        for (name, count) in flows {
            map.serialize_entry(name, &count)?;
        }
        map.serialize_entry("suppressed", &self.0.suppressed.1)?;
        let messages = Changes::between(&Account::default(), &self.0.messages_total);
        map.serialize_entry("messages", &NamedMap(&messages.named()))?;
        map.end()
    }
}

impl Body for Report<'_> {
    fn route(&self) -> Route<'_> {
        Route::new("report", "", "")
    }

    fn lane(&self) -> Lane {
        // What tells of a loss must not be lost with the next one: it gives way last, as alerts do.
        if LOSSES.contains(&self.cause) { Lane::Alert } else { Lane::Data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next loss would take the report of the one before with it.
    #[test]
    fn what_tells_of_a_loss_gives_way_last() {
        let lane = |cause| {
            let readings = &Ledger::default();
            let (messages, readings_total, messages_total) = Default::default();
            let (agent, detail, from_ms, to_ms, suppressed) = ("a", "", 0, 1, (0, 0));
            Report {
                agent,
                from_ms,
                to_ms,
                cause,
                detail,
                readings,
                messages,
                readings_total,
                messages_total,
                suppressed,
            }
            .lane()
        };
        assert_eq!(["shed", "refused", "damaged", "upgrade"].map(lane), [Lane::Alert; 4]);
        assert_eq!(["interval", "restart", "stop"].map(lane), [Lane::Data; 3]);
    }
}
