//! What sources and outputs are to each other: what an output sends is never read again, and no two connections hold what
//! only one can.

use crate::remote::RemoteSettings;
use headwater_forwarder::Published;
use headwater_pipeline::event::KINDS;
use headwater_sensors::ReadSource;
use headwater_settings::{At, Table, fingerprint_of};

/// The kind of the messages that say how the agent stands, which are no events.
const STATUS: &str = "status";

/// The table of remote changes, which holds a connection, too.
const REMOTE: &str = "remote";

/// Keeps sources from reading what the agent's own outputs publish, and warns where they would have. Returns the fingerprint
/// of each source, what it is kept from included.
pub(super) fn exclude_own(
    root: &mut Table<'_>,
    sources: &mut [(String, Option<ReadSource>)],
    outputs: &[super::OutputConfig],
    agent: &str,
) -> Vec<u64> {
    let mut prints = Vec::new();
    let kinds: Vec<&str> = KINDS.into_iter().chain([STATUS]).collect();
    let published: Vec<(&str, Published)> = outputs
        .iter()
        .filter_map(|output| Some((output.name.as_str(), output.output.published(agent, &kinds)?)))
        .collect();
    for ((name, table), (_, source)) in root.named_tables("sources").into_iter().zip(sources) {
        let mut kept_from = Vec::new();
        for (output, Published { address, filters }) in &published {
            if source.as_mut().is_some_and(|read| read.source.exclude(address, filters)) {
                kept_from.push((address, filters));
                let what = format!(
                    "source `{}` asks for what output `{output}` publishes ({}), which is never read",
                    name.value,
                    filters.first().map_or("", String::as_str)
                );
                let fix = "name narrower `topics`, or add it to `ignore`";
                table.warn(table.place_of("topics"), what, fix);
            }
        }
        prints.push(fingerprint_of(&(table.fingerprint(), kept_from)));
    }
    prints
}

/// Refuses two connections that hold what only one can, such as a client id at a broker, or the standard input. They would
/// throw each other out for ever, or take each other's lines.
pub(super) fn refuse_equal(
    root: &mut Table<'_>,
    sources: &[(String, Option<ReadSource>)],
    outputs: &[super::OutputConfig],
    remote: Option<&RemoteSettings>,
) {
    let of_remote = remote.and_then(|remote| {
        let client_id = remote.broker.client_id.as_ref()?;
        Some(("table", REMOTE, remote.broker.client_at_broker(client_id)))
    });
    let of_sources = sources
        .iter()
        .filter_map(|(name, source)| Some(("source", name.as_str(), source.as_ref()?.source.exclusive()?)));
    let of_outputs = outputs
        .iter()
        .filter_map(|output| Some(("output", output.name.as_str(), output.output.exclusive()?)));
    let mut known: Vec<(&str, &str, String)> = Vec::from_iter(of_remote);
    for (kind, name, held) in of_sources.chain(of_outputs) {
        if let Some((other, of, _)) = known.iter().find(|(_, _, other)| *other == held) {
            let what = format!("{kind} `{name}` and {other} `{of}` both have {held}");
            let (place, fix) = place_of(root, kind, name);
            root.refuse(place, what, fix);
        }
        known.push((kind, name, held));
    }
}

/// The place of what a connection holds, and the way out.
fn place_of(root: &mut Table<'_>, kind: &str, name: &str) -> (std::ops::Range<usize>, &'static str) {
    let tables = root.named_tables(if kind == "source" { "sources" } else { "outputs" });
    let found = tables.into_iter().find(|(At { value, .. }, _)| value == name);
    let client_id = "give each a `client_id` of its own, or leave it out";
    let other = "remove one of the two, or give it something of its own";
    found.map_or((0..0, other), |(name, table)| {
        if table.has("client_id") { (table.place_of("client_id"), client_id) } else { (name.span, other) }
    })
}
