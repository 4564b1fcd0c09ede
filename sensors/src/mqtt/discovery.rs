//! What a broker brings: listens for a while, and sorts what comes into sources, for `headwater init`.
//!
//! Topics of one format, of as many levels and with the same first one become one subscription, with a label for each level
//! in which they differ. Each is tried on what was heard, so that what is found is what a source reads.
//!
//! Limits: [`TOPICS_MAX`] topics, and of each the last payload that is no longer than [`PAYLOAD_BYTES_MAX`].

mod trial;

use crate::{FoundDevice, TopicTemplate};
use headwater_mqtt::{ConnectError, Settings, Visit};
use headwater_settings::quoted;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;
use trial::Trial;

/// A message that was heard.
struct Heard {
    payload: Vec<u8>,
    /// When it came [ms since the Unix epoch]; `None`: the broker had kept it.
    at_ms: Option<i64>,
}

/// The most topics that are looked at.
const TOPICS_MAX: usize = 1_000;

/// The longest payload that is looked at (bytes).
const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// The most topics that a subscription names one by one, or leaves out.
const NAMED_MAX: usize = 20;

/// The most series that are shown of a subscription.
const SHOWN_MAX: usize = 12;

/// First levels of what is no data of sensors: what agents send themselves, and descriptions of devices.
const LEFT_OUT: [&str; 2] = ["headwater", "homeassistant"];

/// The likely names of the levels in which topics differ.
const LABELS: [&str; 4] = ["device", "part", "kind", "item"];

/// Listens to everything that a broker at an address has to say for so long, and sorts it. `now_ms` tells the time of arrival
/// [ms since the Unix epoch].
///
/// # Errors
/// Why the broker cannot be listened to, for people.
pub(super) fn discover<'a>(
    url: &'a str,
    time: Duration,
    now_ms: &'a dyn Fn() -> i64,
) -> Pin<Box<dyn Future<Output = Result<Vec<FoundDevice>, String>> + 'a>> {
    Box::pin(listen(url, time, now_ms))
}

async fn listen(url: &str, time: Duration, now_ms: &dyn Fn() -> i64) -> Result<Vec<FoundDevice>, String> {
    let settings = Settings::parse_url(url)?;
    let mut heard = BTreeMap::new();
    let visit = async {
        let mut visit = Visit::connect(&settings).await?;
        if !visit.subscribe(&["#".to_owned()]).await?.is_empty() {
            return Ok(Err(format!("{}: refuses the subscription to `#`", settings.address())));
        }
        match tokio::time::timeout(time, hear(&mut visit, &mut heard, now_ms)).await {
            Ok(Err(lost)) => Err(lost),
            Ok(Ok(never)) => match never {},
            Err(_) => Ok(Ok(())),
        }
    };
    Visit::within_time(&settings, visit).await??;
    Ok(sort(url, &heard))
}

/// Listens until the connection is lost.
async fn hear(
    visit: &mut Visit,
    heard: &mut BTreeMap<String, Heard>,
    now_ms: &dyn Fn() -> i64,
) -> Result<Infallible, ConnectError> {
    loop {
        let (topic, payload, is_retained) = visit.publication().await?;
        let is_known = heard.contains_key(&topic);
        if payload.len() <= PAYLOAD_BYTES_MAX && (is_known || heard.len() < TOPICS_MAX) {
            let at_ms = (!is_retained).then(now_ms);
            heard.insert(topic, Heard { payload: payload.to_vec(), at_ms });
        }
    }
}

/// Topics by the format that reads their payloads; empty: the default one. `None`: no format does.
type ByFormat<'a> = BTreeMap<Option<&'static str>, Vec<&'a String>>;

/// Sorts what was heard into sources.
fn sort(url: &str, heard: &BTreeMap<String, Heard>) -> Vec<FoundDevice> {
    let is_wanted = |topic: &&String| !LEFT_OUT.iter().any(|first| topic.split('/').next() == Some(first));
    let mut groups: BTreeMap<(usize, &str), ByFormat<'_>> = BTreeMap::new();
    for (topic, payload) in heard.iter().filter(|(topic, _)| is_wanted(topic)) {
        let shape = (topic.split('/').count(), topic.split('/').next().unwrap_or_default());
        groups.entry(shape).or_default().entry(trial::format_of(payload)).or_default().push(topic);
    }
    let mut found = Vec::new();
    for ((_, first), mut formats) in groups {
        let unread = formats.remove(&None).unwrap_or_default();
        let is_mixed = formats.len() > 1;
        for (format, topics) in formats {
            let Some(format) = format else { continue };
            // Two subscriptions that overlap would each refuse what the other one reads.
            let filters = if is_mixed { named(&topics) } else { vec![template(&topics)] };
            let read = |topic: &&&String| match filters.first().map(|filter| TopicTemplate::parse(filter)) {
                Some(Ok(template)) => template.capture(topic).is_some(),
                _ => false,
            };
            let ignored: Vec<&String> = unread.iter().filter(read).copied().collect();
            let members: Vec<(&str, &Heard)> =
                topics.iter().filter_map(|topic| Some((topic.as_str(), heard.get(*topic)?))).collect();
            found.extend(source(url, first, format, (&filters, &ignored), &members));
        }
    }
    found
}

/// The topics themselves, as filters.
fn named(topics: &[&String]) -> Vec<String> {
    topics.iter().take(NAMED_MAX).map(|topic| literal(topic)).collect()
}

/// A topic as a filter: braces would be labels.
fn literal(topic: &str) -> String {
    let level = |level: &str| if level.contains(['{', '}']) { "+".to_owned() } else { level.to_owned() };
    topic.split('/').map(level).collect::<Vec<_>>().join("/")
}

/// The template that all topics of as many levels match.
fn template(topics: &[&String]) -> String {
    let mut levels: Vec<BTreeSet<&str>> = Vec::new();
    for topic in topics {
        for (at, level) in topic.split('/').enumerate() {
            if levels.len() <= at {
                levels.push(BTreeSet::new());
            }
            if let Some(known) = levels.get_mut(at) {
                known.insert(level);
            }
        }
    }
    let mut labels = LABELS.iter();
    let place = |known: &BTreeSet<&str>| match (known.len(), known.first()) {
        (1, Some(only)) => literal(only),
        _ => labels.next().map_or_else(|| "+".to_owned(), |label| format!("{{{label}}}")),
    };
    levels.iter().map(place).collect::<Vec<_>>().join("/")
}

/// The source that reads the topics; `None`: nothing can be read of them.
fn source(
    url: &str,
    first: &str,
    format: &str,
    (filters, ignored): (&[String], &[&String]),
    members: &[(&str, &Heard)],
) -> Option<FoundDevice> {
    let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    let mut table = format!("type = \"mqtt\"\nurl = {}\ntopics = [{}]\n", quoted(url), list(filters));
    if !ignored.is_empty() {
        let ignored: Vec<String> = ignored.iter().take(NAMED_MAX).map(|topic| literal(topic)).collect();
        table += &format!("ignore = [{}]\n", list(&ignored));
    }
    if !format.is_empty() {
        table += &format!("format = {}\n", quoted(format));
    }
    let timed = trial::with_time(&table, members);
    let table = timed.unwrap_or(table);
    let Trial { series, .. } = Trial::of(&table, members)?;
    let mut what = format!("{} topics of the broker, which brought", members.len());
    let shown = series.iter().take(SHOWN_MAX).map(|(name, value)| format!("\n  {name} {value}"));
    shown.for_each(|line| what += &line);
    if let Some(more) = series.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        what += &format!("\n  and {more} more series");
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = first.chars().map(|c| if is_plain(c) { c } else { '-' }).take(32).collect();
    let name = if name.trim_matches('-').is_empty() { "broker".to_owned() } else { name };
    (!series.is_empty()).then_some(FoundDevice { name, what, table, is_example: false })
}

#[cfg(test)]
mod tests;
