//! The trait of sources, and how a source's table is read.
//!
//! The keys `type`, `labels` and `future` belong to every source and are read here; the source's own folder reads the
//! others.

use crate::decode::DecodeConfig;
use crate::topic::is_name;
use crate::{SOURCES, SeriesNames, Sink};
use headwater_settings::{Or, Pairs, Table};
use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;

/// The default of `future`: how far ahead of the agent's clock a reading may be (ms).
const FUTURE_MS: i64 = 5 * 60_000;
const FUTURE_MS_MAX: i64 = 366 * 86_400_000;

/// Names with another meaning in `series`.
const RESERVED: [&str; 2] = ["topic", "field"];

/// Becomes true when the source must stop; a closed channel means the same.
pub type Stop = watch::Receiver<bool>;

/// A running source.
pub type Running = Pin<Box<dyn Future<Output = ()>>>;

/// A running probe: its finding, or `None` if there is nothing to probe.
pub type SourceProbe<'a> = Pin<Box<dyn Future<Output = Option<Finding>> + 'a>>;

/// A running measurement of [`Source::measure_window`].
pub type WindowProbe<'a> = Pin<Box<dyn Future<Output = Option<AckLimit>> + 'a>>;

/// Returns when the source shall stop.
pub(crate) async fn stopped(mut stop: Stop) {
    // An error means that the sender is gone: nobody can stop the source later.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A source, configured and not yet running.
pub trait Source {
    /// How payloads become readings; `replay` reads recordings with it. `None`: the source has no payloads.
    fn payloads(&self) -> Option<&DecodeConfig> {
        None
    }

    /// The possible names of its series, as far as they are known before the first reading.
    fn names(&self) -> SeriesNames {
        self.payloads().map_or(SeriesNames::Unknown, DecodeConfig::names)
    }

    /// The names of the labels that its series can have. `None`: readings may bring others.
    fn labels(&self) -> Option<Vec<String>> {
        self.payloads().and_then(DecodeConfig::label_names)
    }

    /// What only one connection can hold, such as a client id at a broker, for people: two that are equal throw each
    /// other out. `None`: there is no such thing.
    fn exclusive(&self) -> Option<String> {
        None
    }

    /// Never reads what an output of the agent publishes at `address` under these MQTT filters. Answers whether the
    /// source asks for any of it.
    fn exclude(&mut self, address: &str, filters: &[String]) -> bool {
        let _ = (address, filters);
        false
    }

    /// Whether what it hands over is to be durable as soon as may be, and not only with the next checkpoint.
    fn is_durable(&self) -> bool {
        false
    }

    /// Whether it delivers again, in the same order, everything that a crash made the sink forget.
    fn redelivers(&self) -> bool {
        self.is_durable()
    }

    /// Whether its table may be set remotely: it names nothing of this machine that is opened, and no program.
    fn may_be_remote(&self) -> bool {
        false
    }

    /// Whether others ask it over the agent's HTTP listener: [`Sink::routes`].
    fn needs_listener(&self) -> bool {
        false
    }

    /// Probes the source once, for `headwater self-test`, without disturbing a running agent.
    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async { None })
    }

    /// Measures how many messages the other side sends before it waits for an acknowledgement, for `headwater self-test`.
    /// `None`: a source that acknowledges at once.
    fn measure_window(&self) -> WindowProbe<'_> {
        Box::pin(async { None })
    }

    /// Runs until `stop`, however often the connection is lost, and even after its input has ended.
    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Running;
}

/// The finding of a probe, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The source works.
    Works(String),
    /// The source works, and a person may want to know something about it.
    Note(String),
    /// The source does not work; the text says what to do.
    Fails(String),
}

/// How many messages the other side sends before it waits for an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckLimit {
    /// So many.
    Messages(usize),
    /// So many at least.
    AtLeast(usize),
    /// It cannot be measured; the text says why.
    Unknown(String),
}

/// What a source knows of its agent.
#[derive(Clone, Debug)]
pub struct SourceContext {
    /// The agent's id, for client ids.
    pub agent: String,
    /// The source's own name in the config.
    pub source: String,
    /// `[limits] payload` (bytes).
    pub payload_bytes_max: usize,
    /// `[limits] series`.
    pub series_max: usize,
}

/// A kind of source: what `type = "…"` names.
pub struct SourceKind {
    /// The word in the config.
    pub name: &'static str,
    /// Reads the source's own keys; the labels belong to every series of the source. `None`: there were mistakes,
    /// which the table has noted.
    pub read: fn(&mut Table<'_>, &SourceContext, &Pairs) -> Option<Box<dyn Source>>,
    /// Looks, under the root of a machine, for devices that it can read, without opening any. `None`: Linux cannot tell.
    pub find: Option<fn(&Path) -> Vec<FoundDevice>>,
    /// Listens to a server. `None`: the source has none that would say what it has.
    pub discover: Option<Discover>,
    /// A commented sample of its table.
    pub sample: &'static str,
}

/// Listens to what a server at an address has to say for so long, and sorts it into sources. The function tells the time of
/// arrival [ms since the Unix epoch]. An error says, for people, why the server cannot be listened to.
pub type Discover = for<'a> fn(
    &'a str,
    Duration,
    &'a dyn Fn() -> i64,
) -> Pin<Box<dyn Future<Output = Result<Vec<FoundDevice>, String>> + 'a>>;

/// Something on this machine that a source can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDevice {
    /// A likely name of the source.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    /// The keys of its table, one a line.
    pub table: String,
    /// Whether the table only shows what a person writes there: what hangs at a bus or a line, Linux cannot tell.
    pub is_example: bool,
}

/// A source with the keys that every source has.
pub struct ReadSource {
    /// The source.
    pub source: Box<dyn Source>,
    /// How far ahead of the agent's clock a reading may be (ms).
    pub future_ms: i64,
    /// The most series that the source may bring; `None`: no limit of its own.
    pub series_max: Option<usize>,
}

/// Reads a source's table by its `type`; the caller finishes the table. `None`: there were mistakes, which the table
/// has noted.
pub fn read_source(table: &mut Table<'_>, context: &SourceContext) -> Option<ReadSource> {
    let kinds: Vec<(&str, &SourceKind)> = SOURCES.iter().map(|kind| (kind.name, kind)).collect();
    let kind = table.choice("type", &kinds).given();
    let future_ms = table.duration("future", 1_000..=FUTURE_MS_MAX).value_or(FUTURE_MS);
    let series_max = table.integer("max_series", 1..=1_000_000).given();
    let mut labels = table.pairs("labels").value_or(Vec::new());
    labels.retain(|(name, value)| is_label(table, name, value.span.clone()));
    if kind.is_none() {
        table.missing("type", format!("add `type`, which is {}", source_kinds()));
    }
    // If the kind is unknown, the most likely kind reads the table, so that its other keys do not count as unknown.
    let source = (kind.or(SOURCES.first())?.read)(table, context, &labels)?;
    if source.payloads().is_none() {
        refuse_places(table, &labels);
    }
    let series_max = series_max.and_then(|count| usize::try_from(count).ok());
    kind.map(|_| ReadSource { source, future_ms, series_max })
}

/// Reports labels with places of a source that has no payloads to fill them.
fn refuse_places(table: &Table<'_>, labels: &Pairs) {
    for (name, value) in labels.iter().filter(|(_, value)| value.value.contains(['{', '}'])) {
        let what = format!("the label `{name}` has a place in braces, and this source nothing to fill it");
        table.refuse(value.span.clone(), what, "write the value itself");
    }
}

/// The words of all kinds, for people.
#[must_use]
pub fn source_kinds() -> String {
    SOURCES.iter().map(|kind| format!("`{}`", kind.name)).collect::<Vec<_>>().join(" or ")
}

/// Whether a label may have this name; reports it otherwise.
fn is_label(table: &Table<'_>, name: &str, place: Range<usize>) -> bool {
    let is_fine = is_name(name) && !RESERVED.contains(&name);
    if !is_fine {
        let fix =
            "label names have letters, digits and _, start with a letter, and are not `topic` or `field`";
        table.refuse(place, format!("a label cannot be called `{name}`"), fix);
    }
    is_fine
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_settings::Document;

    fn mistakes(keys: &str) -> Vec<String> {
        mistakes_in(&format!("{}{keys}", SOURCES[0].sample))
    }

    fn mistakes_in(text: &str) -> Vec<String> {
        let document = Document::parse(Path::new("test.toml"), text, |_| None);
        let (_, mut table) = document.root().named_tables("sources").remove(0);
        let context = SourceContext {
            agent: "agent".into(),
            source: "source".into(),
            payload_bytes_max: 1_000,
            series_max: 10,
        };
        read_source(&mut table, &context);
        table.finish();
        document.mistakes().iter().map(|m| format!("{}; {}", m.what, m.fix)).collect()
    }

    /// Of this machine, whatever it has.
    #[test]
    fn what_is_found_is_a_sound_table() {
        for kind in SOURCES {
            for found in kind.find.map(|find| find(Path::new("/"))).unwrap_or_default() {
                let text = format!("[sources.{}]\n{}", found.name, found.table);
                assert_eq!(mistakes_in(&text), [""; 0], "{text}");
            }
        }
    }

    #[test]
    fn the_keys_of_every_source_are_checked() {
        assert_eq!(mistakes("labels = { site = \"north\" }\nfuture = \"1h\"\nmax_series = 2000"), [""; 0]);
        for (keys, expected) in [
            ("labels = { zone = \"1\" }", "comes from the topic already"),
            ("labels = { \"a b\" = \"1\" }", "a label cannot be called `a b`"),
            ("labels = { topic = \"1\" }", "cannot be called `topic`"),
            ("format = \"number\"\nlabels = { a = \"{model}\" }", "`{model}` is neither a label"),
            ("future = \"0s\"", "out of range"),
        ] {
            let mistakes = mistakes(keys);
            assert!(mistakes.len() == 1 && mistakes[0].contains(expected), "{keys}: {mistakes:?}");
        }
    }
}
