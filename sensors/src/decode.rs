//! Decodes payloads into readings: one [`Decoder`] per source.
//!
//! A payload costs its format's time plus one lookup of its topic: a topic remembers the names, labels and sink
//! numbers of its series, in the order of its payloads' fields. A payload is used as a whole or not at all: one that
//! turns out to be broken at its end gives no reading.
//!
//! Limits: payloads of `[limits] payload`, topics and series names of [`NAME_BYTES_MAX`], as many remembered topics as
//! `[limits] series` allows series, and [`PLACES_PER_SERIES`] times as many remembered fields and series of records. Payloads
//! beyond the limit are invalid; topics and fields beyond theirs are decoded without being remembered, which costs the
//! making of their names each time.

mod commit;
mod config;
mod names;
mod refused;
mod repeats;
mod template;

pub use config::DecodeConfig;
pub use template::NameTemplate;

use crate::fields::{Batch, DecodeError, Fields, NAME_BYTES_MAX, Plan, RejectReason, Topic, identity};
use crate::format::{Format, Reply};
use crate::hash::Seed;
use crate::safe_name::{is_marked, safe};
use crate::{SeriesRef, Sink, SourceContext};
use commit::commit;
use refused::Refused;
use repeats::Repeats;
use std::collections::HashMap;
use std::fmt;
use template::NameParts;

/// The origin of a payload, for people: a topic, or a line of a file.
#[derive(Clone, Copy)]
pub(crate) struct PayloadOrigin<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: Option<u64>,
}

impl fmt::Display for PayloadOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            None => f.write_str(self.name),
            Some(line) => write!(f, "{}:{line}", self.name),
        }
    }
}

/// How many fields may be remembered for each series that is allowed: those that no stream selects are remembered too, and
/// must not be without bound.
const PLACES_PER_SERIES: usize = 4;

/// Decodes the payloads of one source.
pub struct Decoder {
    config: DecodeConfig,
    format: Box<dyn Format>,
    plan: Plan,
    payload_bytes_max: usize,
    topics_max: usize,
    topics: HashMap<Box<str>, Topic, Seed>,
    /// How many more fields, records and series of records may be remembered, over all topics.
    places_left: usize,
    batch: Batch,
    /// `None`: repeats are kept.
    repeats: Option<Repeats>,
    /// Whether topics must match a template; those of recordings need not.
    strict: bool,
    unmatched_topic: bool,
    /// Whether it was said that a payload has none of the wanted fields.
    has_told_of_fields: bool,
    /// How many series the sink had forgotten when the topics were looked through.
    generation: u32,
    /// The source's name, for the log.
    source: String,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("topics", &self.topics.len()).finish_non_exhaustive()
    }
}

impl Decoder {
    /// Creates a decoder that knows no topic.
    #[must_use]
    pub fn new(config: &DecodeConfig, context: &SourceContext) -> Self {
        Self {
            plan: Plan::new(
                config.format.is_named(),
                &config.fields,
                (&config.time, config.time_rules.clone()),
                config.text.clone(),
                (config.captures.clone(), config.records.clone()),
            ),
            config: config.clone(),
            format: config.format.clone(),
            places_left: context.series_max.saturating_mul(PLACES_PER_SERIES),
            payload_bytes_max: context.payload_bytes_max,
            topics_max: context.series_max,
            topics: HashMap::default(),
            batch: Batch::default(),
            repeats: config.drops_repeats.then(Repeats::default),
            strict: true,
            unmatched_topic: false,
            has_told_of_fields: false,
            generation: 0,
            source: context.source.clone(),
        }
    }

    /// Creates a decoder for recordings, whose topics may be the names of files.
    pub(crate) fn lenient(config: &DecodeConfig, context: &SourceContext) -> Self {
        Self { strict: false, ..Self::new(config, context) }
    }

    /// Whether a topic matched no template.
    pub(crate) fn had_unmatched_topic(&self) -> bool {
        self.unmatched_topic
    }

    /// Whether messages that a broker had retained are read.
    pub(crate) fn reads_retained(&self) -> bool {
        self.config.reads_retained
    }

    /// Decodes one payload into `sink`.
    pub fn on_payload(&mut self, topic: &str, payload: &[u8], sink: &mut dyn Sink) {
        if payload.len() > self.payload_bytes_max {
            let reason = RejectReason::TooLarge { bytes: payload.len(), max: self.payload_bytes_max };
            return sink.invalid(topic, &Refused { why: &reason, payload });
        }
        self.on_recorded(topic, payload, PayloadOrigin { name: topic, line: None }, sink);
    }

    /// Decodes a message; one that the broker had retained only as the config says.
    pub(crate) fn on_message(&mut self, topic: &str, payload: &[u8], is_retained: bool, sink: &mut dyn Sink) {
        match (is_retained, self.config.reads_retained) {
            (false, _) => self.on_payload(topic, payload, sink),
            (true, true) => {
                sink.replaying(true);
                self.on_payload(topic, payload, sink);
                sink.replaying(false);
            }
            (true, false) => sink.retained(1),
        }
    }

    /// Decodes one line of a longer text into `sink`, as [`Format::decode_line`] reads it.
    pub(crate) fn on_line(
        &mut self,
        topic: &str,
        line: &[u8],
        origin: PayloadOrigin<'_>,
        sink: &mut dyn Sink,
    ) {
        self.on_bytes(topic, (origin, line), sink, |format, fields| format.decode_line(line, fields));
    }

    /// Takes what is to be said to the sender of the last payload.
    pub(crate) fn reply(&mut self) -> Option<Reply> {
        self.format.reply()
    }

    /// Continues a text whose beginning an earlier decoder has read.
    pub(crate) fn resume(&mut self, beginning: &[u8]) {
        self.format.resume(beginning);
    }

    /// As [`Decoder::on_payload`], for a payload within the limit that came from `origin`.
    pub(crate) fn on_recorded(
        &mut self,
        topic: &str,
        payload: &[u8],
        origin: PayloadOrigin<'_>,
        sink: &mut dyn Sink,
    ) {
        self.on_bytes(topic, (origin, payload), sink, |format, fields| format.decode(payload, fields));
    }

    /// Lets `read` decode data of `topic`; `origin` names it if it cannot be used.
    pub(crate) fn on_record(
        &mut self,
        topic: &str,
        origin: PayloadOrigin<'_>,
        sink: &mut dyn Sink,
        read: impl FnOnce(&mut dyn Format, &mut Fields<'_>) -> Result<(), DecodeError>,
    ) {
        self.on_bytes(topic, (origin, &[]), sink, read);
    }

    /// As [`Decoder::on_record`], of data whose bytes are shown if they cannot be used.
    fn on_bytes(
        &mut self,
        topic: &str,
        (origin, payload): (PayloadOrigin<'_>, &[u8]),
        sink: &mut dyn Sink,
        read: impl FnOnce(&mut dyn Format, &mut Fields<'_>) -> Result<(), DecodeError>,
    ) {
        if self.generation != sink.generation() {
            self.drop_forgotten(sink);
        }
        let Self { config, format, plan, topics, batch, places_left, repeats, .. } = self;
        let shown = config.without_key(topic);
        let read = |known: &mut Topic, batch: &mut Batch| {
            read(format.as_mut(), &mut Fields::new(plan, shown, known, batch))
        };
        if let Some(known) = topics.get_mut(topic) {
            let places = known.places() + *places_left;
            let outcome = read(known, batch);
            let mut names = NamesOfTopic { config, topic, labels: None, origin, payload };
            match outcome {
                Ok(()) => commit(batch, known, &mut names, places, repeats.as_mut(), sink),
                Err(error) => names.refuse_all(error, known, places, sink),
            }
            *places_left = places.saturating_sub(known.places());
            return self.tell_news(sink);
        }
        if config.ignore.iter().any(|filter| filter.capture(topic).is_some()) {
            return;
        }
        let labels = config.labels_of(topic);
        if self.strict && labels.is_none() {
            self.unmatched_topic = true;
            return sink.invalid(&origin.to_string(), &RejectReason::UnmatchedTopic);
        }
        if topic.len() > NAME_BYTES_MAX {
            return sink.invalid(&origin.to_string(), &RejectReason::LongName);
        }
        let mut known = Topic::new(plan);
        let outcome = read(&mut known, batch);
        let mut names = NamesOfTopic { config, topic, labels, origin, payload };
        match outcome {
            Ok(()) => commit(batch, &mut known, &mut names, *places_left, repeats.as_mut(), sink),
            Err(error) => names.refuse_all(error, &mut known, *places_left, sink),
        }
        if known.has_series() && topics.len() < self.topics_max {
            *places_left = places_left.saturating_sub(known.places());
            topics.insert(topic.into(), known);
        }
        self.tell_news(sink);
    }

    /// Drops what it remembers of series that the sink has forgotten.
    #[cold]
    fn drop_forgotten(&mut self, sink: &dyn Sink) {
        self.generation = sink.generation();
        let places =
            |topics: &HashMap<Box<str>, Topic, Seed>| topics.values().map(Topic::places).sum::<usize>();
        let before = places(&self.topics);
        self.topics.retain(|_, topic| {
            topic.drop_forgotten(|series| sink.knows(series));
            topic.has_series()
        });
        self.places_left += before - places(&self.topics);
        if let Some(repeats) = &mut self.repeats {
            repeats.drop_forgotten(|series| sink.knows(series));
        }
    }

    #[inline]
    fn tell_news(&mut self, sink: &mut dyn Sink) {
        if self.batch.has_news() {
            self.tell_once(sink);
        }
    }

    /// Names each field of text that no reading is made of, and a time that may be read in the wrong zone, once.
    #[cold]
    fn tell_once(&mut self, sink: &mut dyn Sink) {
        let mut tell = |text: String| sink.remark(&self.source, &text);
        if let Some(fields) = self.batch.unread_compounds.take() {
            let fix = "name what is in them, as FIELD/NAME, or write skip = [\"*\"] if they are no readings";
            tell(format!("wanted fields hold an object or a list: {fields}; {fix}"));
        }
        if let Some(fields) = self.batch.unread_texts.take() {
            let fix = "write `fields`, or give their words numbers in `words`";
            tell(format!("fields of text are not read: {fields}; {fix}"));
        }
        if std::mem::take(&mut self.batch.lacks_wanted)
            && let Some(fields) = self.batch.unwanted.take()
            && !std::mem::replace(&mut self.has_told_of_fields, true)
        {
            let is_dotted = self.format.has_lists()
                && self.plan.wanted().any(|path| path.contains('.') && !path.contains('/'));
            let nested = if is_dotted { " (what is nested is written a/b)" } else { "" };
            tell(format!(
                "the first payload has none of the `fields`: it holds {fields}; check their names{nested} if none has them"
            ));
        }
        if self.batch.lacking_records == Some(false)
            && let Some(records) = &self.plan.records
        {
            self.batch.lacking_records = Some(true);
            tell(format!(
                "the first payload has no `{records}`, which `records` names: it holds no reading; check the path if none has it"
            ));
        }
        if let Some(time) = self.batch.zoneless_time.take() {
            let fix =
                "write time_zone = \"Europe/Berlin\" if they are local there, or \"UTC\" if that is right";
            tell(format!("times such as `{time}` have no offset and are read as UTC; {fix}"));
        }
    }
}

/// Names the series of one topic; needed only for new fields.
struct NamesOfTopic<'a> {
    config: &'a DecodeConfig,
    topic: &'a str,
    labels: Option<Vec<(String, String)>>,
    origin: PayloadOrigin<'a>,
    /// Its bytes, for people; empty if it has none.
    payload: &'a [u8],
}

impl NamesOfTopic<'_> {
    /// Counts a payload that cannot be used; at most `places_max` places of its topic are remembered.
    #[cold]
    fn refuse_all(&self, error: DecodeError, topic: &mut Topic, places_max: usize, sink: &mut dyn Sink) {
        topic.forget(places_max);
        self.refuse(&RejectReason::Decode(error), sink);
    }

    /// Counts what cannot be used.
    fn refuse(&self, reason: &RejectReason, sink: &mut dyn Sink) {
        sink.invalid(&self.origin.to_string(), &Refused { why: reason, payload: self.payload });
    }

    /// Introduces the series of a field to the sink, perhaps that of a record with an identity.
    ///
    /// # Errors
    /// [`RejectReason::LongName`]; a series past the sink's limit is `Ok(None)`.
    fn introduce(
        &mut self,
        field: &str,
        record: Option<&str>,
        sink: &mut dyn Sink,
    ) -> Result<Option<SeriesRef>, RejectReason> {
        let of_topic =
            self.labels.get_or_insert_with(|| self.config.labels_of(self.topic).unwrap_or_default());
        let record = record.unwrap_or_default();
        let paths = self.config.captures.names().iter().map(AsRef::as_ref);
        let places: Vec<(&str, &str)> = paths.zip(identity::places(record)).collect();
        let own_name = identity::name(record);
        let is_new = |(key, _): &(&str, &str)| !of_topic.iter().any(|(known, _)| known == key);
        let brought = identity::labels(record).filter(is_new);
        let mut tags: Vec<_> = brought.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        // The order in which a record names its labels has no meaning.
        tags.sort();
        let known = [of_topic.as_slice(), &tags].concat();
        let parts = NameParts {
            topic: self.config.without_key(self.topic),
            field,
            record: own_name,
            labels: &known,
            tags: &[],
            places: &places,
        };
        let mut labels = of_topic.clone();
        // A key stands in names, and is no label by itself.
        let is_hidden = self.config.is_keyed() && !of_topic.is_empty();
        for (key, value) in &self.config.labels {
            // The topic and the path of a field stand in names as they came.
            let value = value.label(parts).map(|value| safe(&value).into_owned());
            labels.extend(value.map(|value| (key.clone(), value)));
        }
        tags.retain(|(key, _)| !labels.iter().any(|(known, _)| known == key));
        let shared = labels.len();
        labels.append(&mut tags);
        let tags = labels.get(shared..).unwrap_or_default();
        let name = self.config.series.render(NameParts { labels: &labels, tags, ..parts });
        if is_hidden {
            labels.remove(0);
        }
        register(&name, &labels, sink)
    }
}

/// Introduces a series: the one place where names come in.
fn register(
    name: &str,
    labels: &[(String, String)],
    sink: &mut dyn Sink,
) -> Result<Option<SeriesRef>, RejectReason> {
    let safe_name = safe(name);
    if safe_name.len() > NAME_BYTES_MAX {
        return Err(RejectReason::LongName);
    }
    if safe_name != name || labels.iter().any(|(key, value)| is_marked(key) || is_marked(value)) {
        sink.renamed(name, &safe_name);
    }
    Ok(sink.series(&safe_name, labels))
}

#[cfg(test)]
mod forgetting;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod records;
#[cfg(test)]
mod scaling;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{ConnectionState, SourcePosition, Stamp};
    use headwater_settings::Document;
    use std::path::Path;

    /// Everything that a sink received.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Seen {
        /// Series, event time, value.
        pub(crate) readings: Vec<(String, Option<i64>, f64)>,
        pub(crate) invalid: Vec<String>,
        /// The same as the log shows it, with the payload.
        pub(crate) shown: Vec<String>,
        pub(crate) refused: u32,
        pub(crate) empty: u32,
        pub(crate) filtered: u32,
        pub(crate) repeated: u32,
        pub(crate) retained: u32,
        pub(crate) dropped: u32,
        pub(crate) series: Vec<(String, Vec<(String, String)>)>,
        pub(crate) origins: Vec<String>,
        /// Names as they came.
        pub(crate) renamed: Vec<String>,
        /// Calls of [`Sink::series`].
        pub(crate) introduced: u32,
        /// Where each input is read to, by its key.
        pub(crate) positions: std::collections::BTreeMap<Vec<u8>, Vec<u8>>,
        /// What became of the connection: `up`, `ended`, or why it is down.
        pub(crate) links: Vec<String>,
        /// What a person may want to know once.
        pub(crate) remarks: Vec<String>,
        /// What a person should know.
        pub(crate) troubles: Vec<String>,
        series_max: usize,
    }

    impl Seen {
        /// A sink with room for as many series as [`context`] allows.
        pub(crate) fn roomy() -> Self {
            Self { series_max: SERIES_MAX, ..Self::default() }
        }

        /// A sink that takes every series, as one does for what no stream selects.
        pub(crate) fn boundless() -> Self {
            Self { series_max: usize::MAX, ..Self::default() }
        }
    }

    impl Sink for Seen {
        fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
            self.introduced += 1;
            let known = self.series.iter().position(|(known, _)| known == name);
            let number = known.or_else(|| {
                (self.series.len() < self.series_max).then(|| {
                    self.series.push((name.to_owned(), labels.to_owned()));
                    self.series.len() - 1
                })
            })?;
            Some(SeriesRef(number as u64))
        }

        fn renamed(&mut self, raw: &str, _: &str) {
            self.renamed.push(raw.to_owned());
        }

        fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
            let time = if let Stamp::Event(ms) = stamp { Some(ms) } else { None };
            self.readings.push((self.series[series.0 as usize].0.clone(), time, value));
        }

        fn refused(&mut self, count: u32) {
            self.refused += count;
        }

        fn empty(&mut self, count: u32) {
            self.empty += count;
        }

        fn retained(&mut self, count: u32) {
            self.retained += count;
        }

        fn repeated(&mut self, count: u32) {
            self.repeated += count;
        }

        fn filtered(&mut self, count: u32) {
            self.filtered += count;
        }

        fn dropped(&mut self, count: u32) {
            self.dropped += count;
        }

        fn invalid(&mut self, origin: &str, why: &dyn std::fmt::Display) {
            self.origins.push(origin.to_owned());
            self.invalid.push(why.to_string());
            self.shown.push(format!("{why:#}"));
        }

        fn connection(&mut self, state: ConnectionState<'_>) {
            self.links.push(match state {
                ConnectionState::Up => "up".to_owned(),
                ConnectionState::Down { reason } => reason.to_owned(),
                ConnectionState::Ended => "ended".to_owned(),
            });
        }

        fn remark(&mut self, _: &str, text: &str) {
            self.remarks.push(text.to_owned());
        }

        fn trouble(&mut self, what: Option<&str>) {
            self.troubles.extend(what.map(str::to_owned));
        }

        fn positions(&mut self) -> Vec<SourcePosition> {
            let all = self.positions.iter();
            all.map(|(key, at)| SourcePosition { key: key.clone(), at: at.clone() }).collect()
        }

        fn position(&mut self, key: &[u8], at: &[u8]) -> u64 {
            self.positions.insert(key.to_vec(), at.to_vec());
            self.positions.retain(|_, at| !at.is_empty());
            0
        }
    }

    pub(crate) const SERIES_MAX: usize = 8;

    pub(crate) fn context() -> SourceContext {
        SourceContext {
            agent: "agent".into(),
            source: "source".into(),
            payload_bytes_max: 200_000,
            series_max: SERIES_MAX,
        }
    }

    pub(crate) fn config(text: &str, topics: &[&str]) -> DecodeConfig {
        let document = Document::parse(Path::new("test.toml"), text, |_| None);
        let mut root = document.root();
        let topics = topics.iter().map(|topic| crate::topic::TopicTemplate::parse(topic).unwrap()).collect();
        let labels = root.pairs("labels").map(|at| at.value).unwrap_or_default();
        let config = DecodeConfig::read(&mut root, &labels, Some(topics));
        root.finish();
        config.unwrap_or_else(|| panic!("{:#?}", document.mistakes()))
    }

    pub(crate) fn decoder(text: &str) -> Decoder {
        Decoder::new(&config(text, &["#"]), &context())
    }

    pub(crate) fn feed(decoder: &mut Decoder, topic: &str, payload: &[u8]) -> Seen {
        let mut seen = Seen::roomy();
        decoder.on_payload(topic, payload, &mut seen);
        seen
    }

    pub(crate) fn decoded(text: &str, topic: &str, payload: &[u8]) -> Seen {
        feed(&mut decoder(text), topic, payload)
    }

    #[test]
    fn names_are_made_safe_where_they_come_in() {
        let table = "series = \"{zone}/{field}\"\nlabels = { place = \"{topic}/{field}\" }";
        let config = config(table, &["g/{zone}"]);
        let mut decoder = Decoder::new(&config, &context());
        let mut seen = Seen::roomy();
        let payload = b"{\"t\\u0001\":1,\"t\\u0002\":2,\"t_\":3,\"\\ud800\":4,\"\\u202e\":5}";
        decoder.on_payload("g/z\u{9b}", payload, &mut seen);
        decoder.on_payload("g/z", payload, &mut seen);
        let names: std::collections::HashSet<&str> =
            seen.series.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), seen.readings.len(), "{seen:?}");
        assert!(seen.renamed.len() > 3 && seen.series.iter().any(|(name, _)| name == "z/t_"), "{seen:?}");
        for (name, labels) in &seen.series {
            let texts = [name].into_iter().chain(labels.iter().map(|(_, value)| value));
            assert!(texts.into_iter().all(|text| !text.contains(headwater_text::is_unsafe)), "{name:?}");
        }
    }

    #[test]
    fn a_series_is_introduced_once_with_its_labels() {
        let config = config("labels = { site = \"north\" }\nseries = \"{zone}.{field}\"", &["g/{zone}/+"]);
        let mut decoder = Decoder::new(&config, &context());
        let mut seen = Seen::roomy();
        for payload in ["{\"a\":1}", "{\"b\":2,\"a\":3}", "{\"a\":4}"] {
            decoder.on_payload("g/bed1/x", payload.as_bytes(), &mut seen);
        }
        decoder.on_payload("other", b"{\"a\":1}", &mut seen);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = vec![pair("zone", "bed1"), pair("site", "north")];
        assert_eq!(seen.series, [("bed1.a".into(), labels.clone()), ("bed1.b".into(), labels)]);
        let values: Vec<_> =
            seen.readings.iter().map(|(series, _, value)| (series.as_str(), *value)).collect();
        assert_eq!(values, [("bed1.a", 1.0), ("bed1.b", 2.0), ("bed1.a", 3.0), ("bed1.a", 4.0)]);
        assert!(seen.invalid.len() == 1 && seen.invalid[0].contains("matches none of `topics`"));
    }

    #[test]
    fn event_times_go_with_every_field_and_a_bad_one_spoils_the_payload() {
        let config = "time = \"meta/ts\"\ntime_format = \"unix\"\nfields = [\"a\", \"b\"]";
        let seen = decoded(config, "t", br#"{"a":1,"meta":{"ts":1700000000.5},"b":2}"#);
        assert_eq!(
            seen.readings,
            [("t/a".into(), Some(1_700_000_000_500), 1.0), ("t/b".into(), Some(1_700_000_000_500), 2.0)]
        );
        for (payload, why) in [
            (&br#"{"a":1,"b":2}"#[..], "no field `meta/ts`, which `time` names"),
            (br#"{"a":1,"meta":{"ts":null}}"#, "no field `meta/ts`"),
            (
                br#"{"a":1,"meta":{"ts":"noon"}}"#,
                "`meta/ts` is `noon`, not a time in unix; check `time_format`",
            ),
            (br#"{"a":1,"meta":{"ts":1700000000000000000}}"#, "not a time in unix"),
            (br#"{"a":1,"meta":{"ts":{"s":1}}}"#, "`meta/ts` is `an object or a list`"),
        ] {
            let seen = decoded(config, "t", payload);
            assert_eq!((seen.readings.len(), seen.invalid.len(), seen.series.len()), (0, 1, 0), "{seen:?}");
            assert!(seen.invalid[0].contains(why), "{:?}", seen.invalid);
        }
        let seen = decoded("time = \"ts\"", "t", br#"{"ts":"2023-11-14 22:13:20","v":1}"#);
        assert_eq!(seen.readings, [("t/v".into(), Some(1_700_000_000_000), 1.0)]);
    }

    #[test]
    fn series_past_the_limit_are_refused_and_not_remembered() {
        let mut decoder = decoder("");
        let mut seen = Seen::roomy();
        for n in 0..20 {
            decoder.on_payload(&format!("t{n}"), b"{\"a\":1,\"b\":2}", &mut seen);
        }
        assert_eq!((seen.series.len(), seen.readings.len(), seen.refused), (8, 8, 32));
        assert_eq!(decoder.topics.len(), 4);
        let wide: Vec<String> = (0..100).map(|n| format!("\"f{n}\":{n}")).collect();
        decoder.on_payload("t0", format!("{{{}}}", wide.join(",")).as_bytes(), &mut seen);
        assert_eq!((seen.series.len(), seen.readings.len(), seen.refused), (8, 8, 132));
        assert_eq!(decoder.topics["t0"].slots.list.len(), 2);
    }

    #[test]
    fn topics_that_share_a_series_are_bounded_too() {
        let mut decoder = decoder("format = \"number\"\nseries = \"all\"");
        let mut seen = Seen::roomy();
        for n in 0..100 {
            decoder.on_payload(&format!("t{n}"), b"1", &mut seen);
        }
        assert_eq!((seen.series.len(), seen.readings.len(), decoder.topics.len()), (1, 100, SERIES_MAX));
    }

    #[test]
    fn a_broken_payload_teaches_nothing() {
        let mut decoder = decoder("");
        let seen = feed(&mut decoder, "t", b"{\"a\":1,\"b\":2");
        assert_eq!((seen.series.len(), decoder.topics.len()), (0, 0));
        feed(&mut decoder, "t", b"{\"a\":1}");
        feed(&mut decoder, "t", b"{\"b\":1,\"c\":2");
        assert_eq!(decoder.topics["t"].slots.list.len(), 1);
    }

    #[test]
    fn what_is_too_large_is_one_invalid() {
        let seen = decoded("", "t", &vec![b' '; 200_001]);
        assert_eq!(
            seen.invalid,
            ["the payload has 200001 bytes, more than `payload` in [limits] allows (200000)"]
        );
        let seen = decoded("", &"t".repeat(1025), b"{\"a\":1}");
        assert!(seen.invalid[0].contains("longer than 1024 bytes"));
        let name = "n".repeat(1024);
        let seen = decoded("", "t", format!("{{\"{name}\":1,\"a\":2}}").as_bytes());
        assert_eq!((seen.readings.len(), seen.invalid.len()), (1, 1));
    }

    #[test]
    fn many_fields_are_found_by_hash_and_keep_their_values() {
        let config = config("", &["#"]);
        let mut decoder = Decoder::new(&config, &SourceContext { series_max: 1000, ..context() });
        let mut seen = Seen { series_max: 1000, ..Seen::default() };
        let payload = |order: &mut dyn Iterator<Item = usize>| {
            let fields: Vec<String> = order.map(|n| format!("\"f{n}\":{n}")).collect();
            format!("{{{}}}", fields.join(","))
        };
        decoder.on_payload("t", payload(&mut (0..100)).as_bytes(), &mut seen);
        decoder.on_payload("t", payload(&mut (0..100).rev()).as_bytes(), &mut seen);
        assert_eq!((seen.series.len(), seen.readings.len()), (100, 200));
        assert!(seen.readings.iter().all(|(series, _, value)| *series == format!("t/f{value}")));
    }
}
