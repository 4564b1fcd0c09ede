//! Sparkplug B 3.0: what edge nodes publish, with births, deaths and aliases.
//!
//! The topic `spBv1.0/GROUP/TYPE/NODE/DEVICE` gives the labels `group`, `node` and `device`. Every metric is a field, those
//! of a template below it; consecutive metrics with one time are a record. A birth says the names of aliases, and the
//! kinds and units of metrics, for the data that follow. Where a birth or a message is missing, a rebirth is asked for, and
//! data are used as far as their names are known: aliases change only with the life of a node, and its death is heard. A
//! death, a command and a host's state hold no reading; nor do the metrics `bdSeq` and those of `Node Control` and
//! `Device Control`. Deviations: compressed payloads, data sets, files and lists are not read. Cost: one pass, and no
//! allocation once a birth is known.
//!
//! Source: Eclipse Sparkplug 3.0.0, chapters 4 to 6.

mod metric;
mod nodes;
mod topic;

use super::{Format, FormatKind, Reply};
use crate::TimeFormat;
use crate::fields::{DecodeError, FieldUse, Fields, Scalar};
use crate::text::TextRules;
use crate::time::is_in_other_unit;
use headwater_protobuf::{BadWire, WireFields, put_bytes, put_number};
use headwater_settings::{Or, Table};
use metric::Metric;
use nodes::{BornMetric, Node, Nodes};
use topic::{Kind, NAMESPACE, NodeTopic, topic_of};

pub(super) const KIND: FormatKind = FormatKind { name: "sparkplug", read, sample: SAMPLE };

const SAMPLE: &str = "\
format = \"sparkplug\"
# rebirth = \"ask\"            # or \"never\": where the broker lets nobody publish
";

/// The levels of templates in templates.
const DEPTH_MAX: usize = 8;

/// What a host sends a node that it wants to be born again, and the kind of its value.
const REBIRTH: &str = "Node Control/Rebirth";
const BOOLEAN: u64 = 11;

#[derive(Clone, Debug, Default)]
struct Sparkplug {
    nodes: Nodes,
    /// Group and node of the present message, and device and name of a metric; their memory is reused.
    node: String,
    path: String,
    /// A rebirth that is wanted.
    reply: Option<Reply>,
    never_asks: bool,
}

fn read(table: &mut Table<'_>, _: &TextRules) -> Option<Box<dyn Format>> {
    let never_asks = table.choice("rebirth", &[("ask", false), ("never", true)]).value_or(false);
    Some(Box::new(Sparkplug { never_asks, ..Sparkplug::default() }))
}

/// A payload without its metrics.
#[derive(Default)]
struct Head {
    /// [ms since the Unix epoch]; 0: it has none.
    time: u64,
    sequence: Option<u8>,
    is_compressed: bool,
}

impl Head {
    /// Reads a payload; `checks_metrics`: and that each of its metrics is one.
    fn read(payload: &[u8], checks_metrics: bool) -> Result<Self, BadWire> {
        let (mut head, mut fields) = (Self::default(), WireFields(payload));
        while let Some((field, value)) = fields.field()? {
            match field {
                1 => head.time = value.number(),
                2 if checks_metrics => drop(Metric::read(value.bytes())?),
                3 => head.sequence = u8::try_from(value.number()).ok(),
                4 => head.is_compressed = value.text() == Some("SPBV1.0_COMPRESSED"),
                _ => {}
            }
        }
        Ok(head)
    }
}

impl Format for Sparkplug {
    fn brings_labels(&self) -> bool {
        true
    }

    fn brings_time(&self) -> bool {
        true
    }

    fn series(&self) -> &'static str {
        "{group}/{node}/{device}/{field}"
    }

    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        let Some(topic) = topic_of(fields.topic())? else {
            fields.end();
            return Ok(());
        };
        let malformed =
            |BadWire| DecodeError::new("not Sparkplug B: the payload is cut off, or no protocol buffer");
        let is_data = topic.kind == Kind::Data;
        let head = Head::read(payload, !is_data).map_err(malformed)?;
        if head.is_compressed {
            return Err(DecodeError::new("a compressed payload, which is not read; switch compression off"));
        }
        self.node.clear();
        self.node.extend([topic.group, "/", topic.node]);
        if !is_data && self.follow(topic, &head) {
            fields.end();
            return Ok(());
        }
        self.bear(topic, payload).map_err(malformed)?;
        let unknown = self.put_metrics(topic, &head, payload, fields);
        if is_data {
            if unknown.is_err() {
                // A message that is none does not count as one of the node.
                Head::read(payload, true).map_err(malformed)?;
            }
            self.follow(topic, &head);
        }
        let unknown = unknown.map_err(malformed)?;
        if unknown > 0 {
            self.ask(topic, head.time);
            let what = format!(
                "metrics with an alias that no birth of {} has named: {unknown}{}",
                self.node,
                if self.never_asks { "" } else { "; a rebirth is asked for" }
            );
            fields.reject(DecodeError::new(what));
        }
        Ok(())
    }

    fn reply(&mut self) -> Option<Reply> {
        self.reply.take()
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

impl Sparkplug {
    /// Follows the life of a node; answers whether the message is a death, which holds no reading.
    fn follow(&mut self, topic: NodeTopic<'_>, head: &Head) -> bool {
        match topic.kind {
            Kind::NodeDeath => {
                self.nodes.on_death(&self.node);
                return true;
            }
            Kind::NodeBirth => self.nodes.on_birth(&self.node, head.sequence.unwrap_or_default()),
            _ => {
                let is_whole =
                    head.sequence.is_none_or(|sequence| self.nodes.on_message(&self.node, sequence));
                if !is_whole {
                    self.ask(topic, head.time);
                }
            }
        }
        topic.kind == Kind::DeviceDeath
    }

    /// Asks a node to be born again; the source sends it no more often than is good. The time is that of the node's own
    /// message.
    fn ask(&mut self, topic: NodeTopic<'_>, time: u64) {
        if self.never_asks {
            return;
        }
        let mut metric = Vec::new();
        put_bytes(&mut metric, 1, REBIRTH.as_bytes());
        put_number(&mut metric, 3, time);
        put_number(&mut metric, 4, BOOLEAN);
        put_number(&mut metric, 14, 1);
        let mut payload = Vec::new();
        put_number(&mut payload, 1, time);
        put_bytes(&mut payload, 2, &metric);
        let topic = format!("{NAMESPACE}/{}/NCMD/{}", topic.group, topic.node);
        self.reply = Some(Reply { topic, payload });
    }

    /// Remembers the metrics of a birth.
    fn bear(&mut self, topic: NodeTopic<'_>, payload: &[u8]) -> Result<(), BadWire> {
        if !matches!(topic.kind, Kind::NodeBirth | Kind::DeviceBirth) {
            return Ok(());
        }
        let Self { nodes, node, path, .. } = self;
        let mut metrics = WireFields(payload);
        while let Some((field, value)) = metrics.field()? {
            if field != 2 {
                continue;
            }
            let metric = Metric::read(value.bytes())?;
            if !metric.name.is_empty() {
                path.clear();
                path.extend([topic.device, "\0", metric.name]);
                let (name, unit) = (metric.name.into(), metric.unit.into());
                nodes.bear(node, metric.alias, path, BornMetric { name, kind: metric.kind, unit });
            }
        }
        Ok(())
    }

    /// Puts all metrics; answers how many have an unknown alias.
    fn put_metrics(
        &mut self,
        topic: NodeTopic<'_>,
        head: &Head,
        payload: &[u8],
        fields: &mut Fields<'_>,
    ) -> Result<u32, BadWire> {
        let Self { nodes, node, path, .. } = self;
        let node = nodes.node(node);
        let (mut unknown, mut known, mut open, mut metrics) = (0, 0_usize, None, WireFields(payload));
        while let Some((field, value)) = metrics.field()? {
            if field != 2 {
                continue;
            }
            let metric = Metric::read(value.bytes())?;
            let time = if metric.time == 0 { head.time } else { metric.time };
            if let Some(open) = open.filter(|open| *open != time) {
                end(open, fields);
            }
            if open != Some(time) {
                begin(topic, time, fields);
                (open, known) = (Some(time), 0);
            }
            if put(topic, &metric, node, path, fields)? {
                known += 1;
            } else {
                unknown += 1;
            }
        }
        // What has only unknown aliases is invalid, and not empty.
        if known > 0 || unknown == 0 {
            end(open.unwrap_or_default(), fields);
        }
        Ok(unknown)
    }
}

/// Puts a metric of a node, if it was born; answers whether its name is known. `path` is memory for names.
fn put(
    topic: NodeTopic<'_>,
    metric: &Metric<'_>,
    node: Option<&Node>,
    path: &mut String,
    fields: &mut Fields<'_>,
) -> Result<bool, BadWire> {
    if metric.is_misnamed {
        fields.lacks_value(DecodeError::new("a metric whose name is not UTF-8"));
        return Ok(true);
    }
    path.clear();
    let born = match (node, metric.alias) {
        (None, _) => None,
        (Some(node), Some(alias)) => node.of_alias(alias),
        (Some(node), None) => {
            path.extend([topic.device, "\0", metric.name]);
            node.of_name(path)
        }
    };
    let (name, kind, unit) = match born {
        Some(born) if metric.name.is_empty() || *born.name == *metric.name => {
            (&*born.name, born.kind, &*born.unit)
        }
        _ if metric.name.is_empty() => return Ok(false),
        _ => (metric.name, 0, metric.unit),
    };
    if is_control(name) {
        return Ok(true);
    }
    path.clear();
    path.push_str(name);
    put_below(metric, kind, unit, path, DEPTH_MAX, fields)?;
    Ok(true)
}

/// Begins a record.
fn begin(topic: NodeTopic<'_>, time: u64, fields: &mut Fields<'_>) {
    fields.label("group", topic.group);
    fields.label("node", topic.node);
    if !topic.device.is_empty() {
        fields.label("device", topic.device);
    }
    if let Some(Ok(ms)) = stamp(time) {
        fields.time(ms);
    }
}

/// Ends a record, which is of no use if its time is none.
fn end(time: u64, fields: &mut Fields<'_>) {
    match stamp(time) {
        Some(Err(count)) => {
            let what =
                format!("the time is {count}, which is none in milliseconds, in which Sparkplug counts");
            fields.reject(DecodeError::new(what));
        }
        _ => fields.end(),
    }
}

/// A time [ms since the Unix epoch], or the count that is none; `None`: there is no time.
fn stamp(time: u64) -> Option<Result<i64, u64>> {
    let ms = i64::try_from(time).ok().and_then(|ms| TimeFormat::UnixMs.of_integer(ms));
    let ms = ms.filter(|ms| !is_in_other_unit(*ms, Scalar::Integer(*ms)));
    (time != 0).then(|| ms.ok_or(time))
}

/// Puts the metric at `path`, or those of its template below it.
fn put_below(
    metric: &Metric<'_>,
    kind: u64,
    unit: &str,
    path: &mut String,
    depth: usize,
    fields: &mut Fields<'_>,
) -> Result<(), BadWire> {
    let Some(mut template) = metric.template() else {
        let want = fields.want(path);
        if metric.is_garbled() && want != FieldUse::Skip {
            let what = format!("`{}` is a text that is not UTF-8", crate::topic::shortened(path));
            fields.lacks_value(DecodeError::new(what));
            return Ok(());
        }
        fields.put_measured(want, path, metric.scalar(kind), unit);
        return Ok(());
    };
    if template.is_definition()? {
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or(BadWire)?;
    let length = path.len();
    while let Some(member) = template.next()? {
        path.extend(["/", member.name]);
        put_below(&member, 0, member.unit, path, depth, fields)?;
        path.truncate(length);
    }
    Ok(())
}

/// Whether a metric is for commands or the session.
fn is_control(name: &str) -> bool {
    name == "bdSeq" || name.starts_with("Node Control/") || name.starts_with("Device Control/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decoder;
    use crate::decode::tests::{Seen, config, context};
    use proptest::prelude::*;

    const T: u64 = 1_700_000_000_000;

    /// A metric: name, alias, and the kind and bits of its value.
    fn metric(name: &str, alias: Option<u64>, (kind, whole): (u64, u64)) -> Vec<u8> {
        let mut metric = Vec::new();
        put_bytes(&mut metric, 1, name.as_bytes());
        alias.iter().for_each(|alias| put_number(&mut metric, 2, *alias));
        if kind > 0 {
            put_number(&mut metric, 4, kind);
        }
        put_number(&mut metric, if kind == 4 { 11 } else { 10 }, whole);
        metric
    }

    fn payload(sequence: u64, metrics: &[Vec<u8>]) -> Vec<u8> {
        let mut payload = Vec::new();
        put_number(&mut payload, 1, T);
        metrics.iter().for_each(|metric| put_bytes(&mut payload, 2, metric));
        put_number(&mut payload, 3, sequence);
        payload
    }

    /// A decoder, and the series that it has introduced.
    struct Host(Decoder, Vec<(String, Vec<(String, String)>)>);

    impl Host {
        fn new(keys: &str) -> Self {
            let config = config(&format!("format = \"sparkplug\"\n{keys}"), &["#"]);
            Self(Decoder::new(&config, &context()), Vec::new())
        }

        /// What comes of a message, and whether a rebirth is asked for.
        fn hears(&mut self, topic: &str, payload: &[u8]) -> (Seen, bool) {
            let mut seen = Seen::roomy();
            seen.series = std::mem::take(&mut self.1);
            self.0.on_payload(topic, payload, &mut seen);
            self.1.clone_from(&seen.series);
            (seen, self.0.reply().is_some())
        }

        /// The readings, how many payloads are invalid, and whether a rebirth is asked for.
        fn of_node(&mut self, kind: &str, sequence: u64, metrics: &[Vec<u8>]) -> (Vec<f64>, usize, bool) {
            let (seen, asks) = self.hears(&format!("spBv1.0/g/{kind}/n"), &payload(sequence, metrics));
            (seen.readings.iter().map(|reading| reading.2).collect(), seen.invalid.len(), asks)
        }
    }

    #[test]
    fn aliases_hold_from_a_birth_to_a_death() {
        let mut host = Host::new("");
        let data = [metric("", Some(7), (0, 5))];
        assert_eq!(host.of_node("NDATA", 4, &data), (vec![], 1, true), "nothing was heard of the node");
        assert_eq!(host.of_node("NBIRTH", 0, &[metric("level", Some(7), (3, 4))]), (vec![4.0], 0, false));
        assert_eq!(host.of_node("NDATA", 1, &data), (vec![5.0], 0, false));
        assert_eq!(host.of_node("NDATA", 1, &data), (vec![5.0], 0, false), "the same again");
        assert_eq!(host.of_node("NDATA", 3, &data), (vec![5.0], 0, true), "2 is missing");
        assert_eq!(host.of_node("NDATA", 4, &data), (vec![5.0], 0, false));
        let known_and_not = [metric("", Some(7), (0, 6)), metric("", Some(8), (0, 6))];
        assert_eq!(host.of_node("NDATA", 5, &known_and_not), (vec![6.0], 1, true));
        assert_eq!(host.of_node("NDEATH", 0, &[metric("bdSeq", None, (4, 0))]), (vec![], 0, false));
        assert_eq!(host.of_node("NDATA", 6, &data), (vec![], 1, true), "aliases end with the node's life");
        let born_again = [metric("other", Some(7), (3, 1)), metric("level", Some(9), (3, 2))];
        assert_eq!(host.of_node("NBIRTH", 0, &born_again), (vec![1.0, 2.0], 0, false));
        for sequence in 1..=600 {
            assert_eq!(host.of_node("NDATA", sequence % 256, &data), (vec![5.0], 0, false));
        }
    }

    #[test]
    fn a_rebirth_is_a_command_to_the_node() {
        let mut host = Host::new("");
        host.0.on_payload("spBv1.0/g/DDATA/n/d", &payload(1, &[]), &mut Seen::roomy());
        let Reply { topic, payload } = host.0.reply().unwrap();
        assert_eq!(topic, "spBv1.0/g/NCMD/n");
        let mut fields = WireFields(&payload);
        assert_eq!(fields.field().unwrap().unwrap().1.number(), T);
        let rebirth = Metric::read(fields.field().unwrap().unwrap().1.bytes()).unwrap();
        assert_eq!(
            (rebirth.name, rebirth.kind, rebirth.scalar(0)),
            (REBIRTH, BOOLEAN, crate::Scalar::Boolean(true))
        );
        assert_eq!(host.0.reply(), None);
        let mut silent = Host::new("rebirth = \"never\"");
        assert_eq!(silent.of_node("NDATA", 4, &[metric("", Some(7), (0, 5))]), (vec![], 1, false));
    }

    #[test]
    fn kinds_say_what_whole_numbers_mean() {
        let of =
            |kind: u64, whole: u64| Host::new("").of_node("NBIRTH", 0, &[metric("x", None, (kind, whole))]).0;
        for (kind, whole, value) in [
            (1, 0xffff_fffb, -5.0),
            (1, 0xfb, -5.0),
            (2, 0xffff_fffb, -5.0),
            (2, 0xfffb, -5.0),
            (3, 0xffff_fffb, -5.0),
            (4, u64::MAX - 4, -5.0),
            (5, 0xfb, 251.0),
            (7, 0xffff_fffb, 4_294_967_291.0),
            (8, u64::MAX, 18_446_744_073_709_551_615.0),
            (13, T, 1_700_000_000.0),
        ] {
            assert_eq!(of(kind, whole), [value], "kind {kind}");
        }
        // Data without a kind and without an alias have that of the birth.
        let mut host = Host::new("");
        host.of_node("NBIRTH", 0, &[metric("x", None, (3, 1))]);
        assert_eq!(host.of_node("NDATA", 1, &[metric("x", None, (0, 0xffff_fffb))]).0, [-5.0]);
    }

    #[test]
    fn templates_are_read_to_their_bound_and_definitions_are_not() {
        let template = |is_definition: u64, member: &[u8]| {
            let (mut template, mut metric) = (Vec::new(), Vec::new());
            put_bytes(&mut template, 2, member);
            put_number(&mut template, 5, is_definition);
            put_bytes(&mut metric, 1, b"m");
            put_bytes(&mut metric, 18, &template);
            metric
        };
        let read = |metric: Vec<u8>| Host::new("").hears("spBv1.0/g/NBIRTH/n", &payload(0, &[metric])).0;
        let inner = metric("speed", None, (3, 7));
        assert_eq!(
            read(template(0, &inner)).readings,
            [("g/n/m/speed".to_owned(), Some(1_700_000_000_000), 7.0)]
        );
        assert_eq!(read(template(1, &inner)).empty, 1);
        let nested = |levels: usize| (0..levels).fold(inner.clone(), |inner, _| template(0, &inner));
        assert_eq!(read(nested(DEPTH_MAX)).readings.len(), 1);
        assert_eq!((read(nested(DEPTH_MAX + 1)).readings.len(), read(nested(500)).invalid.len()), (0, 1));
    }

    #[test]
    fn the_likely_mistakes_are_invalid_once_and_say_why() {
        let good = payload(0, &[metric("x", None, (3, 7))]);
        let mut compressed = good.clone();
        put_bytes(&mut compressed, 4, b"SPBV1.0_COMPRESSED");
        for (topic, payload, why) in [
            ("plant/line1", good.as_slice(), "the topic is none of Sparkplug B"),
            ("spBv1.0/g/NBIRTH", &good, "the topic is none"),
            ("spBv1.0/g/NBIRHT/n", &good, "the topic is none"),
            ("spBv1.0/g/NBIRTH/n", &compressed, "a compressed payload, which is not read"),
            ("spBv1.0/g/NDATA/n", &good[..good.len() - 5], "cut off, or no protocol buffer"),
            ("spBv1.0/g/NDATA/n", b"{\"x\": 1}", "cut off, or no protocol buffer"),
            ("spBv1.0/g/NDATA/n", b"21.5", "cut off, or no protocol buffer"),
            (
                "spBv1.0/g/NDATA/n",
                &payload(0, &[b"\x0a\x01\xff".to_vec()]),
                "a metric whose name is not UTF-8",
            ),
        ] {
            let (seen, _) = Host::new("").hears(topic, payload);
            assert_eq!((seen.readings.len(), seen.invalid.len()), (0, 1), "{topic}: {seen:?}");
            assert!(seen.invalid[0].contains(why), "{topic}: {:?}", seen.invalid);
        }
        for topic in ["spBv1.0/STATE/scada", "spBv1.0/g/NCMD/n", "spBv1.0/g/DCMD/n/d"] {
            assert_eq!(Host::new("").hears(topic, b"{}").0.empty, 1, "{topic}");
        }
    }

    #[test]
    fn what_births_say_is_bounded() {
        let mut host = Host::new("");
        let long = "x".repeat(900);
        let metrics: Vec<_> = (0..100).map(|n| metric(&long, Some(n), (3, 1))).collect();
        for n in 0..200 {
            host.0.on_payload(&format!("spBv1.0/g/NBIRTH/n{n}"), &payload(0, &metrics), &mut Seen::roomy());
        }
        let knows = |host: &mut Host, n: u32| {
            let data = payload(1, &[metric("", Some(3), (0, 5))]);
            host.hears(&format!("spBv1.0/g/NDATA/n{n}"), &data).0.invalid.is_empty()
        };
        assert!(knows(&mut host, 0) && !knows(&mut host, 199));
        for n in 0..100 {
            host.0.on_payload(&format!("spBv1.0/g/NDEATH/n{n}"), &payload(0, &[]), &mut Seen::roomy());
        }
        host.0.on_payload("spBv1.0/g/NBIRTH/n199", &payload(0, &metrics), &mut Seen::roomy());
        assert!(knows(&mut host, 199), "a death makes room");
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(payloads in prop::collection::vec((0..5_usize, prop::collection::vec(any::<u8>(), 0..60)), 1..4)) {
            let mut host = Host::new("");
            for (kind, payload) in payloads {
                let kind = ["NBIRTH", "NDATA", "DBIRTH", "DDATA", "NDEATH"][kind];
                host.hears(&format!("spBv1.0/g/{kind}/n"), &payload);
            }
        }

        #[test]
        fn nearly_payloads_do_no_harm(numbers in prop::collection::vec((0..20_u8, any::<u64>(), any::<bool>()), 0..20)) {
            let mut inner = Vec::new();
            for (field, number, is_text) in &numbers {
                if *is_text { put_bytes(&mut inner, field % 16, &number.to_le_bytes()[..(field % 8) as usize]) } else { put_number(&mut inner, field % 16, *number) }
            }
            let (seen, _) = Host::new("").hears("spBv1.0/g/NBIRTH/n", &payload(0, &[inner]));
            prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
        }
    }
}
