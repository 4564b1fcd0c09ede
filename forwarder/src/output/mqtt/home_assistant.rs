//! Tells Home Assistant what there is to see, by its MQTT discovery: one retained message for each entity, under
//! `homeassistant/{component}/headwater_{agent}/{object}/config`.
//!
//! Source: <https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery>, as of 2026.2. Entities of one source make
//! up one device; that of the agent has its presence. A sensor reads the live topic of its summaries, so that backfill
//! never appears as now, and passes over revisions of earlier windows. An alert has a retained state of its own beside
//! its `config`, because it may be raised or cleared while the output is down.
//!
//! The broker is asked at each connection for what an earlier one has announced; what is not in the catalogue is taken
//! back by an empty message. What a catalogue says anew is published at once, everything at each connection. Memory: a
//! topic and a hash of each entity.

use super::topic::TopicTemplate;
use crate::catalogue::SharedCatalogue;
use crate::{CatalogueEntry, Content, MessageAddress, Origin, Role};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

/// Where Home Assistant looks for entities.
const PREFIX: &str = "homeassistant";

/// A summary that is so much older than the last one is no revision: the clock was set back (ms).
const OLDER_MAX_MS: i64 = 86_400_000;

/// The most bytes of a name that stand in a topic; a checksum of all of it follows.
const NAME_BYTES_MAX: usize = 96;

/// The units of Headwater's messages and the formats' own, as Home Assistant writes them, with their device class.
const UNITS: &[(&str, &str, &str)] = &[
    ("Cel", "°C", "temperature"),
    ("°C", "°C", "temperature"),
    ("[degF]", "°F", "temperature"),
    ("°F", "°F", "temperature"),
    ("K", "K", "temperature"),
    ("%RH", "%", "humidity"),
    ("Pa", "Pa", "pressure"),
    ("hPa", "hPa", "pressure"),
    ("kPa", "kPa", "pressure"),
    ("bar", "bar", "pressure"),
    ("mbar", "mbar", "pressure"),
    ("V", "V", "voltage"),
    ("mV", "mV", "voltage"),
    ("A", "A", "current"),
    ("mA", "mA", "current"),
    ("W", "W", "power"),
    ("kW", "kW", "power"),
    ("VA", "VA", "apparent_power"),
    ("Hz", "Hz", "frequency"),
    ("lx", "lx", "illuminance"),
    ("m/s", "m/s", "speed"),
    ("km/h", "km/h", "speed"),
    ("m", "m", "distance"),
    ("mm", "mm", "distance"),
    ("g", "g", "weight"),
    ("kg", "kg", "weight"),
    ("dBm", "dBm", "signal_strength"),
    ("ppm", "ppm", ""),
    ("ms", "ms", "duration"),
    ("s", "s", "duration"),
    ("J", "J", "energy"),
    ("Wh", "Wh", "energy"),
    ("kWh", "kWh", "energy"),
    ("m3", "m³", "volume"),
    ("m³", "m³", "volume"),
    ("l", "L", "volume"),
    ("L", "L", "volume"),
];

/// The device classes of which Home Assistant takes totals alone.
const TOTALS: [&str; 2] = ["energy", "volume"];

/// A topic, and what the broker is to keep there. Nothing: it keeps it no longer.
type Announcement = (String, Vec<u8>);

/// The announcements of one connection.
pub(super) struct Announcer {
    /// The agent's id.
    agent: String,
    /// The agent, as a level of a topic and in unique ids.
    node: String,
    topic: TopicTemplate,
    /// Whether anything is announced; otherwise all is taken back.
    is_on: bool,
    has_subscribed: bool,
    catalogue: Option<SharedCatalogue>,
    /// The place in the catalogue up to which all is said.
    place: usize,
    /// What is to be said next.
    next: VecDeque<Announcement>,
    /// Topics and checksums of what this connection has said.
    said: HashMap<String, u32>,
    /// The topics of the present catalogue, as far as it has been gone through.
    wanted: HashSet<String>,
    /// The topics that are to be taken back; `None`: not looked for yet.
    gone: Option<Vec<String>>,
    /// Topics that the broker keeps from before.
    found: Rc<RefCell<Vec<String>>>,
}

impl Announcer {
    pub(super) fn new(
        agent: &str,
        topic: TopicTemplate,
        is_on: bool,
        found: Rc<RefCell<Vec<String>>>,
    ) -> Self {
        Self {
            agent: agent.to_owned(),
            node: node(agent),
            topic,
            is_on,
            has_subscribed: false,
            catalogue: None,
            place: 0,
            next: VecDeque::new(),
            said: HashMap::new(),
            wanted: HashSet::new(),
            gone: None,
            found,
        }
    }

    /// Takes a catalogue; the one that it has changes nothing.
    pub(super) fn take(&mut self, catalogue: &SharedCatalogue) {
        if self.catalogue.as_ref().is_some_and(|known| Rc::ptr_eq(known, catalogue)) {
            return;
        }
        self.catalogue = Some(catalogue.clone());
        (self.place, self.next, self.wanted, self.gone) = (0, VecDeque::new(), HashSet::new(), None);
        if self.is_on {
            self.next.extend(self.of_agent());
        }
    }

    /// Whether the broker is to be asked for what it keeps.
    pub(super) fn subscribes(&self) -> bool {
        !self.has_subscribed
    }

    pub(super) fn subscribed(&mut self, has_subscribed: bool) {
        self.has_subscribed = has_subscribed;
    }

    /// The filter of what the broker may keep from before.
    pub(super) fn filter(&self) -> String {
        own_filter(&self.agent)
    }

    /// The next announcement. `None`: all is said, for now.
    pub(super) fn next(&mut self) -> Option<Announcement> {
        loop {
            while let Some((topic, payload)) = self.next.pop_front() {
                let checksum = crc32fast::hash(&payload);
                self.wanted.insert(topic.clone());
                if self.said.insert(topic.clone(), checksum) != Some(checksum) {
                    return Some((topic, payload));
                }
            }
            let Some(entry) = self.entry() else { break };
            self.next.extend(entry);
        }
        self.obsolete().map(|topic| (topic, Vec::new()))
    }

    /// What the next entry of the catalogue says.
    fn entry(&mut self) -> Option<Vec<Announcement>> {
        let catalogue = self.catalogue.clone()?;
        let entry = catalogue.entries.get(self.place).filter(|_| self.is_on)?;
        self.place += 1;
        let announcements = self.of_entry(entry);
        if entry.origin == Origin::Unknown {
            self.wanted.extend(announcements.into_iter().map(|(topic, _)| topic));
            return Some(Vec::new());
        }
        Some(announcements)
    }

    /// A topic that says what is not so any more.
    fn obsolete(&mut self) -> Option<String> {
        let Self { said, wanted, gone, found, .. } = self;
        let gone = gone.get_or_insert_with(|| {
            said.extract_if(|topic, _| !wanted.contains(topic)).map(|(topic, _)| topic).collect()
        });
        gone.extend(found.borrow_mut().drain(..).filter(|topic| !wanted.contains(topic)));
        gone.pop()
    }

    fn of_agent(&self) -> Vec<Announcement> {
        let status = self.topic_of("status", "", "");
        let common = |name: &str, class: &str, state: &str| {
            let mut map = self.common(name, &Origin::Agent);
            map.insert("state_topic".into(), status.clone().into());
            map.insert("value_template".into(), state.into());
            map.insert("device_class".into(), class.into());
            map.insert("entity_category".into(), "diagnostic".into());
            map
        };
        let mut running =
            common("running", "running", "{{ 'ON' if value_json.state == 'online' else 'OFF' }}");
        // It says that itself.
        running.remove("availability");
        let mut trouble = common("trouble", "problem", "{{ 'ON' if value_json.trouble else 'OFF' }}");
        trouble.insert("json_attributes_topic".into(), status.clone().into());
        let told = "{{ {'trouble': value_json.trouble | default([])} | tojson }}";
        trouble.insert("json_attributes_template".into(), told.into());
        [("agent_running", running), ("agent_trouble", trouble)]
            .map(|(object, map)| self.config("binary_sensor", object, map))
            .into()
    }

    /// What an entry says: an entity, and the state of an alert.
    fn of_entry(&self, entry: &CatalogueEntry) -> Vec<Announcement> {
        let CatalogueEntry { kind, stream, series, origin, content } = entry;
        let topic = self.topic_of(kind, stream, series);
        match content {
            Content::Number { key, .. } => {
                let object = object(&[kind, stream, series, key]);
                let mut map = self.common(&format!("{series} {key}"), origin);
                map.insert("state_topic".into(), topic.clone().into());
                map.insert("json_attributes_topic".into(), topic.into());
                describe_number(content, &mut map);
                vec![self.config("sensor", &object, map)]
            }
            Content::Alert { detector, stands } => {
                let object = object(&[kind, stream, series, detector]);
                let state = format!("{PREFIX}/binary_sensor/{}/{object}/state", self.node);
                let mut map = self.common(&format!("{series} {detector}"), origin);
                map.insert("state_topic".into(), state.clone().into());
                map.insert("device_class".into(), "problem".into());
                map.insert("json_attributes_topic".into(), topic.into());
                map.insert("json_attributes_template".into(), alert_attributes(detector).into());
                let stands = if *stands { "ON" } else { "OFF" };
                vec![self.config("binary_sensor", &object, map), (state, stands.into())]
            }
        }
    }

    /// What every entity says.
    fn common(&self, name: &str, origin: &Origin) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("name".into(), name.into());
        let presence =
            json!([{ "topic": self.topic_of("status", "", ""), "value_template": "{{ value_json.state }}" }]);
        map.insert("availability".into(), presence);
        let agent = &self.node;
        let device = match origin {
            Origin::Source(source) => json!({
                "identifiers": [format!("{agent}_{source}")],
                "name": source,
                "manufacturer": "Headwater",
                "model": "source",
                "via_device": agent,
            }),
            Origin::Agent | Origin::Unknown => json!({
                "identifiers": [agent],
                "name": self.agent,
                "manufacturer": "Headwater",
                "model": "agent",
                "sw_version": env!("CARGO_PKG_VERSION"),
            }),
        };
        map.insert("device".into(), device);
        map.insert("origin".into(), json!({ "name": "Headwater", "sw_version": env!("CARGO_PKG_VERSION") }));
        map
    }

    fn config(&self, component: &str, object: &str, mut map: Map<String, Value>) -> Announcement {
        map.insert("unique_id".into(), format!("{}_{object}", self.node).into());
        let topic = format!("{PREFIX}/{component}/{}/{object}/config", self.node);
        (topic, Value::Object(map).to_string().into_bytes())
    }

    fn topic_of(&self, kind: &str, stream: &str, series: &str) -> String {
        let [agent, kind, stream, series] = [&self.agent, kind, stream, series].map(Into::into);
        self.topic.topic(&MessageAddress { agent, kind, stream, series, time_ms: 0 }, false)
    }
}

/// A filter that matches the agent's announcements, and none of others.
pub(super) fn own_filter(agent: &str) -> String {
    format!("{PREFIX}/+/{}/#", node(agent))
}

/// The agent, as a level of a topic.
fn node(agent: &str) -> String {
    format!("headwater_{}", object(&[agent]))
}

/// Names, as a level of a topic that no other names have: Home Assistant takes letters, digits, `_` and `-`.
fn object(names: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let whole = names.join("/");
    let mut object: String = whole.chars().map(plain).take(NAME_BYTES_MAX).collect();
    if object != whole {
        object.push_str(&format!("_{:08x}", crc32fast::hash(whole.as_bytes())));
    }
    object
}

/// What a sensor says of its number.
fn describe_number(number: &Content, map: &mut Map<String, Value>) {
    let Content::Number { key, time_key, unit, role, expires_ms } = number else { return };
    let (key, time) = (quoted(key), format!("value_json.{time_key}"));
    // `this` is the entity as it stands. A revision of an earlier window says nothing of now.
    let earlier = format!("0 < (this.attributes.{time_key} | default(0)) - {time} < {OLDER_MAX_MS}");
    let value = format!(
        "{{% if value_json[{key}] is defined and not {earlier} %}}{{{{ value_json[{key}] }}}}{{% endif %}}"
    );
    let attributes =
        format!("{{{{ {{'{time_key}': this.attributes.{time_key} if {earlier} else {time}}} | tojson }}}}");
    map.insert("value_template".into(), value.into());
    map.insert("json_attributes_template".into(), attributes.into());
    if let Some(ms) = expires_ms {
        map.insert("expire_after".into(), (ms.unsigned_abs().div_ceil(1_000)).into());
    }
    if *role == Role::Diagnostic {
        map.insert("entity_category".into(), "diagnostic".into());
    }
    let known = unit.as_deref().and_then(|unit| UNITS.iter().find(|(word, ..)| *word == unit));
    let class = known.map_or("", |(_, _, class)| *class);
    if let Some(unit) = unit {
        map.insert("unit_of_measurement".into(), known.map_or(unit.as_str(), |(_, unit, _)| *unit).into());
    }
    let is_total = TOTALS.contains(&class);
    match role {
        Role::Growth if is_total => {
            map.insert("device_class".into(), class.into());
            map.insert("state_class".into(), "total".into());
            let begin = "{{ (value_json.start / 1000) | timestamp_utc }}";
            map.insert("last_reset_value_template".into(), begin.into());
        }
        _ => {
            map.insert("state_class".into(), "measurement".into());
            // The difference of two temperatures is none.
            if *role == Role::Value && !is_total && !class.is_empty() {
                map.insert("device_class".into(), class.into());
            }
        }
    }
}

/// What the live messages of one detector say; those of others change nothing. Home Assistant keeps no attribute `state`.
fn alert_attributes(detector: &str) -> String {
    let fields = ["reason", "severity", "time"];
    let named: Vec<String> =
        fields.iter().map(|field| format!("'{field}': said.{field} | default('')")).collect();
    let said = format!("value_json if value_json.detector == {} else this.attributes", quoted(detector));
    format!("{{% set said = {said} %}}{{{{ {{{}}} | tojson }}}}", named.join(", "))
}

/// A text of a template.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    fn entry(series: &str, origin: Origin) -> CatalogueEntry {
        let (kind, stream, series) = ("summary", "climate".to_owned(), series.to_owned());
        let (key, unit) = ("mean".to_owned(), Some("Cel".to_owned()));
        let content =
            Content::Number { key, time_key: "end", unit, role: Role::Value, expires_ms: Some(1_001) };
        CatalogueEntry { kind, stream, series, origin, content }
    }

    fn announcer(is_on: bool) -> (Announcer, Rc<RefCell<Vec<String>>>) {
        let (topic, found) = (TopicTemplate::parse(TopicTemplate::DEFAULT).unwrap(), Rc::default());
        (Announcer::new("g7", topic, is_on, Rc::clone(&found)), found)
    }

    fn shared(entries: &[CatalogueEntry]) -> SharedCatalogue {
        Rc::new(Catalogue { entries: entries.to_vec() })
    }

    /// The objects that are announced, and whether each is there or is taken back.
    fn said(announcer: &mut Announcer) -> Vec<(String, bool)> {
        let said = std::iter::from_fn(|| announcer.next());
        said.map(|(topic, payload)| {
            let object = topic.split('/').nth(3).unwrap().trim_end_matches(|c| c != '_').to_owned();
            (object, !payload.is_empty())
        })
        .collect()
    }

    #[test]
    fn what_changes_is_said_and_what_goes_is_taken_back() {
        let (mut announcer, found) = announcer(true);
        let known = Origin::Source("home".to_owned());
        let (a, b) = (entry("a", known.clone()), entry("b", known));
        announcer.take(&shared(&[a.clone(), b.clone()]));
        let of = |object: &str, is_there: bool| (object.to_owned(), is_there);
        let (is_a, is_b) = ("summary_climate_a_mean_", "summary_climate_b_mean_");
        assert_eq!(
            said(&mut announcer),
            [of("agent_", true), of("agent_", true), of(is_a, true), of(is_b, true)]
        );
        announcer.take(&shared(&[a.clone(), b.clone()]));
        assert_eq!(said(&mut announcer), [], "nothing has changed");
        announcer.take(&shared(&[b]));
        assert_eq!(said(&mut announcer), [of(is_a, false)]);
        // What an earlier connection has announced goes, unless its source may still name it.
        let waits = entry("c", Origin::Unknown);
        let kept = announcer.of_entry(&waits).remove(0).0;
        found.borrow_mut().extend([kept, "homeassistant/sensor/headwater_g7/old_x/config".to_owned()]);
        announcer.take(&shared(&[a, waits]));
        assert_eq!(said(&mut announcer), [of(is_a, true), of("old_", false), of(is_b, false)]);
    }

    #[test]
    fn all_is_taken_back_where_nothing_is_to_be_announced() {
        let (mut announcer, found) = announcer(false);
        found.borrow_mut().push("homeassistant/sensor/headwater_g7/old_x/config".to_owned());
        announcer.take(&shared(&[entry("a", Origin::Agent)]));
        assert_eq!(said(&mut announcer), [("old_".to_owned(), false)]);
    }

    #[test]
    fn names_that_look_alike_stay_apart_and_quotes_end_no_text() {
        assert_eq!((object(&["g7"]), object(&["a b"])), ("g7".to_owned(), "a_b_806c5cd3".to_owned()));
        assert_ne!(object(&["a/b"]), object(&["a_b", ""]));
        assert_ne!(object(&[&"x".repeat(200)]), object(&[&"x".repeat(201)]));
        assert_eq!(quoted("it's \\"), r"'it\'s \\'");
        let (topic, _) = announcer(true).0.of_entry(&entry("a", Origin::Agent)).remove(0);
        assert!(topic.starts_with("homeassistant/sensor/headwater_g7/summary_climate_a_mean_"), "{topic}");
    }
}
