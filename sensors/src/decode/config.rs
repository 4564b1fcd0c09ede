//! The keys of a source's table for decoding payloads.

use super::names::{self, Known};
use super::template::{NameTemplate, Places};
use crate::fields::{CAPTURED_MAX, CapturePlan, RecordKeys, RecordsPath, is_pattern};
use crate::format::{FORMATS, Format, FormatKind};
use crate::safe_name::safe;
use crate::text::TextRules;
use crate::time::TimeRules;
use crate::topic::{KEY_FOLLOWS, TopicTemplate};
use crate::{SeriesNames, TimeFormat};
use headwater_expression::{Expression, Program};
use headwater_settings::{At, Or, Pairs, Severity, Table};
use std::borrow::Cow;

/// The end of `records` where the records are the members of an object, and their names are times.
const BY_TIME: &str = "{time}";

/// In `records`: each member of the list before it holds the records behind it.
const IN_MEMBERS: &str = "*/";

/// The checked settings for decoding payloads.
#[derive(Clone, Debug)]
pub struct DecodeConfig {
    /// The payloads' format.
    pub format: Box<dyn Format>,
    /// The paths of the event time, which are joined by a blank; none: the time of arrival.
    pub time: Vec<String>,
    /// How the event time is read.
    pub(crate) time_rules: TimeRules,
    /// The meaning of texts.
    pub(crate) text: TextRules,
    /// The paths of the wanted values; empty: every number.
    pub fields: Vec<String>,
    /// Where the records of a payload are; `None`: the payload is one record.
    pub(crate) records: Option<RecordsPath>,
    /// What of a record is wanted for more than a reading.
    pub(crate) captures: CapturePlan,
    /// Whether a reading that is equal to the one before is dropped.
    pub(crate) drops_repeats: bool,
    /// The names of the series.
    pub series: NameTemplate,
    /// Labels of every series, by name.
    pub labels: Vec<(String, NameTemplate)>,
    /// The topics that are not read, whatever `topics` says.
    pub(crate) ignore: Vec<TopicTemplate>,
    /// Whether messages that a broker had retained are read.
    pub(crate) reads_retained: bool,
    /// The topic templates, which give topics their labels; empty if there are none.
    pub topics: Vec<TopicTemplate>,
}

impl DecodeConfig {
    /// Reads the keys that every source with payloads has; `labels` belong to every series. `None`: there were
    /// mistakes, which the table has noted. `topics` are `None` if they have mistakes themselves: then no label is
    /// reported as missing.
    pub fn read(table: &mut Table<'_>, labels: &Pairs, topics: Option<Vec<TopicTemplate>>) -> Option<Self> {
        let errors = |table: &Table<'_>| {
            table.document().mistakes().iter().filter(|mistake| mistake.severity == Severity::Error).count()
        };
        let errors_before = errors(table);
        let formats: Vec<(&str, &FormatKind)> = FORMATS.iter().map(|kind| (kind.name, kind)).collect();
        let kind = table.choice("format", &formats).given().or(FORMATS.first())?;
        let text = TextRules::read(table);
        let format = (kind.read)(table, text.as_ref().unwrap_or(&TextRules::default()));
        let (is_named, has_lists) =
            format.as_ref().map_or((true, true), |format| (format.is_named(), format.has_lists()));
        let time = table.one_or_more("time").given();
        let fields = table.strings("fields");
        let records = read_records(table);
        let condition = read_condition(table);
        let drops_repeats = table.choice("repeats", &[("keep", false), ("drop", true)]).value_or(false);
        let keys = records.as_ref().map(|records| records.record_keys().clone());
        let is_by_time = keys == Some(RecordKeys::Times);
        let own_time = format.as_ref().and_then(|format| format.own_time()).filter(|_| !table.has("time"));
        let has_time = table.has("time") || is_by_time || own_time.is_some();
        let time_rules = TimeRules::read(table, has_time, own_time.unwrap_or(TimeFormat::Guess));
        let time: Vec<String> = time.unwrap_or_default().into_iter().map(|field| field.value).collect();
        check_fields(table, fields.as_ref().filter(|_| is_named), &time);
        refuse_meaningless(table, kind.name, is_named, has_lists);
        let fields: Vec<String> =
            fields.given().unwrap_or_default().into_iter().map(|field| field.value).collect();
        let several = is_named && (fields.len() != 1 || fields.iter().any(|field| is_pattern(field)));
        let series = table.string("series");
        let (topics, format, text) = (topics?, format?, text?);
        let places = match (format.brings_labels(), is_named) {
            (true, _) => Places::Labels,
            (false, true) => Places::Fields,
            (false, false) => Places::None,
        };
        let labels = names::labels(table, labels, &topics, places);
        let known = Known { topics: &topics, labels: &labels, places };
        let series = match series {
            Some(text) => known.read(table, &text, several)?,
            None => known.parse(format.series()).ok()?,
        };
        check_names_of_records(table, keys.as_ref(), names::needed(&series, &labels));
        let captures = CapturePlan::new(
            names::needed(&series, &labels),
            series.places().chain(labels.iter().flat_map(|(_, label)| label.places())),
            condition,
        );
        if captures.len() > CAPTURED_MAX {
            let what = format!("{} fields stand in names and in `where`", captures.len());
            table.refuse(table.span(), what, format!("{CAPTURED_MAX} are allowed: leave some out"));
        }
        let time = if is_by_time { vec![BY_TIME.to_owned()] } else { time };
        if drops_repeats && time.is_empty() && !format.brings_time() {
            refuse_repeats(table);
        }
        let config = Self {
            format,
            time,
            time_rules: time_rules?,
            text,
            fields,
            records,
            captures,
            drops_repeats,
            series,
            labels,
            ignore: Vec::new(),
            reads_retained: true,
            topics,
        };
        (errors(table) == errors_before).then_some(config)
    }

    /// The possible names of series; `*` stands for a part that only a payload knows.
    #[must_use]
    pub fn names(&self) -> SeriesNames {
        if self.topics.is_empty() {
            return SeriesNames::Unknown;
        }
        let any = ["*".to_owned()];
        let fields =
            if self.format.is_named() && !self.fields.is_empty() { self.fields.as_slice() } else { &any };
        let mut patterns = Vec::new();
        for template in &self.topics {
            let topic: Vec<&str> = template
                .filter()
                .split('/')
                .map(|level| if matches!(level, "+" | "#") { "*" } else { level })
                .collect();
            let topic = topic.join("/");
            let captured: Vec<(String, String)> =
                template.names().map(|name| (name.to_owned(), "*".to_owned())).collect();
            patterns.extend(fields.iter().map(|field| {
                let own = self
                    .labels
                    .iter()
                    .map(|(name, label)| (name.clone(), label.pattern(&topic, field, &captured)));
                let labels: Vec<(String, String)> = captured.iter().cloned().chain(own).collect();
                self.series.pattern(&topic, field, &labels)
            }));
        }
        SeriesNames::Patterns(patterns)
    }

    /// The names of the labels that series can have. `None`: records may bring others.
    #[must_use]
    pub fn label_names(&self) -> Option<Vec<String>> {
        if self.format.brings_labels() {
            return None;
        }
        let of_topics = self.topics.iter().flat_map(TopicTemplate::labels).map(str::to_owned);
        Some(of_topics.chain(self.labels.iter().map(|(name, _)| name.clone())).collect())
    }

    /// Never reads topics of these MQTT filters. Answers whether `topics` ask for any of them: at the same broker
    /// (`is_here`) in any way, elsewhere by name, because there a filter such as `#` means the topics of others.
    pub(crate) fn exclude(&mut self, filters: &[String], is_here: bool) -> bool {
        let mut is_asked_for = false;
        for own in filters.iter().filter_map(|filter| TopicTemplate::parse(filter).ok()) {
            let is_meant =
                |topic: &TopicTemplate| (is_here || topic.begins_with_text()) && topic.overlaps(&own);
            is_asked_for |=
                !self.ignore.iter().any(|ignored| ignored.covers(&own)) && self.topics.iter().any(is_meant);
            self.ignore.push(own);
        }
        is_asked_for
    }

    /// The topic of a name in which a key may follow it.
    pub(super) fn without_key<'n>(&self, name: &'n str) -> &'n str {
        let topic = if self.is_keyed() { name.split_once(KEY_FOLLOWS) } else { None };
        topic.map_or(name, |(topic, _)| topic)
    }

    /// Whether keys follow topics.
    pub(super) fn is_keyed(&self) -> bool {
        self.topics.first().is_some_and(TopicTemplate::has_key)
    }

    /// Whether names or labels hold the key.
    #[cfg(feature = "kafka")]
    pub(crate) fn uses_key(&self) -> bool {
        let mut templates = self.labels.iter().map(|(_, label)| label).chain([&self.series]);
        templates.any(|template| template.labels().any(|name| name == crate::topic::KEY))
    }

    /// The labels that a topic gives its series, its key included; `None` if no template matches it.
    pub(super) fn labels_of(&self, topic: &str) -> Option<Vec<(String, String)>> {
        if self.topics.is_empty() {
            return Some(Vec::new());
        }
        let mut labels = self.topics.iter().find_map(|template| template.capture(topic))?;
        for (_, value) in &mut labels {
            if let Cow::Owned(changed) = safe(value) {
                *value = changed;
            }
        }
        Some(labels)
    }
}

/// Refuses keys that say nothing of payloads of this format.
fn refuse_meaningless(table: &mut Table<'_>, format: &str, is_named: bool, has_lists: bool) {
    let one_value = ["fields", "time", "where", "records"].into_iter().filter(|_| !is_named);
    let no_lists = ["records"].into_iter().filter(|_| is_named && !has_lists);
    let one_value = one_value.map(|key| (key, "its payloads are one value"));
    for (key, why) in one_value.chain(no_lists.map(|key| (key, "its payloads hold no lists"))) {
        if table.has(key) {
            let what = format!("`{key}` has no meaning with format = \"{format}\": {why}");
            table.refuse(table.place_of(key), what, "leave it out, or choose another `format`");
        }
    }
}

/// Refuses keys of records that say who has sent them and that no name of a series holds.
fn check_names_of_records<'n>(
    table: &mut Table<'_>,
    keys: Option<&RecordKeys>,
    mut needed: impl Iterator<Item = &'n str>,
) {
    if let Some(RecordKeys::Names(key)) = keys
        && needed.all(|place| place != &**key)
    {
        let what = format!("`records` calls its keys {{{key}}}, which `series` does not name");
        let fix = format!(
            "write series = \"{{topic}}/{{{key}}}/{{field}}\", or records = \"{BY_TIME}\" if they are times"
        );
        table.refuse(table.place_of("records"), what, fix);
    }
}

fn refuse_repeats(table: &mut Table<'_>) {
    let what = "`repeats = \"drop\"` without `time`: no two readings are equal";
    table.refuse(table.place_of("repeats"), what, "set `time` to the field with the event time");
}

fn check_fields(table: &Table<'_>, fields: Option<&At<Vec<At<String>>>>, time: &[String]) {
    let Some(fields) = fields else { return };
    if fields.value.is_empty() {
        table.refuse(
            fields.span.clone(),
            "`fields` is empty",
            "leave it out to read every number, or name some",
        );
    }
    for (number, field) in fields.value.iter().enumerate() {
        let refuse = |what: String, fix: &str| table.refuse(field.span.clone(), what, fix);
        let earlier = fields.value.get(..number).unwrap_or_default();
        if field.value.is_empty() {
            refuse("a field without a name".into(), "name a field, nested ones as a/b");
        } else if earlier.iter().any(|other| other.value == field.value) {
            refuse(format!("the field `{}` is named twice", field.value), "name it once");
        } else if time.contains(&field.value) {
            refuse(
                format!("`{}` is the event time, and no reading", field.value),
                "leave it out of `fields`",
            );
        }
    }
}

fn read_records(table: &mut Table<'_>) -> Option<RecordsPath> {
    let text = table.string("records")?;
    let Some(records) = records_path(&text.value) else {
        let fix = "write the path of a list, as \"values\", one in each member of a list, as \"devices/*/values\", or \"{time}\" or \"{id}\" for an object whose keys are times or names";
        table.refuse(text.span.clone(), format!("`records` cannot be `{}`", text.value), fix);
        return None;
    };
    if *records.record_keys() == RecordKeys::Times && table.has("time") {
        let fix = "leave out `time`: the keys are the times";
        table.refuse(table.place_of("time"), "`records` gives each record its time already", fix);
    }
    Some(records)
}

/// `None`: it is no path of records.
fn records_path(text: &str) -> Option<RecordsPath> {
    if let Some((list, inner)) = text.split_once(IN_MEMBERS)
        && (list.is_empty() || list.ends_with('/'))
    {
        let inner = records_path(inner).filter(|inner| inner.inner.is_none())?;
        let list = list.strip_suffix('/').unwrap_or(list);
        let is_empty = inner.list.is_empty() && inner.keys == RecordKeys::None;
        let is_path = !is_empty && !list.contains(['{', '}']);
        let outer = RecordsPath { list: list.into(), keys: RecordKeys::None, inner: Some(inner.into()) };
        return is_path.then_some(outer);
    }
    let (list, last) = text.rsplit_once('/').unwrap_or(("", text));
    let key = last.strip_prefix('{').and_then(|key| key.strip_suffix('}'));
    let (list, keys) = match key {
        None => (text.strip_suffix('/').unwrap_or(text), RecordKeys::None),
        Some(_) if last == BY_TIME => (list, RecordKeys::Times),
        Some(key) => (list, RecordKeys::Names(key.into())),
    };
    let is_place = |key: &str| matches!(key, "topic" | "field") || key.is_empty();
    let is_path =
        !list.contains(['{', '}']) && !key.is_some_and(|key| key.contains(['{', '}', '?']) || is_place(key));
    is_path.then(|| RecordsPath { list: list.into(), keys, inner: None })
}

fn read_condition(table: &mut Table<'_>) -> Option<Program> {
    let text = table.string("where")?;
    Expression::compile_for_records(&text.value)
        .map_err(|error| {
            // The quote before the expression; what was filled in from the environment moves places.
            let within = |at: usize| (text.span.start + 1 + at).min(text.span.end);
            let place = within(error.span.start)..within(error.span.end.max(error.span.start + 1));
            table.refuse(place, error.what, error.fix);
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_settings::Document;
    use std::path::Path;

    fn mistakes(text: &str, topics: &[&str]) -> Vec<String> {
        let document = Document::parse(Path::new("test.toml"), text, |_| None);
        let mut root = document.root();
        let topics = topics.iter().map(|topic| TopicTemplate::parse(topic).unwrap()).collect();
        let config = DecodeConfig::read(&mut root, &Vec::new(), Some(topics));
        root.finish();
        let mistakes: Vec<String> =
            document.mistakes().iter().map(|m| format!("{}; {}", m.what, m.fix)).collect();
        assert_eq!(config.is_none(), !mistakes.is_empty(), "{mistakes:?}");
        mistakes
    }

    #[test]
    fn nothing_need_be_written() {
        assert_eq!(mistakes("", &["a/#"]), [""; 0]);
        let full = "format = \"json\"\ntime = \"ts\"\ntime_format = \"unix_ms\"\nfields = [\"temp\", \"hum\"]\n\
                    series = \"{topic}/{field}\"\n";
        assert_eq!(mistakes(full, &["greenhouse/{zone}/climate"]), [""; 0]);
    }

    #[test]
    fn every_mistake_names_the_way_out() {
        for (text, told) in [
            ("format = \"jsn\"", "did you mean `json`?"),
            ("time_format = \"unix\"", "`time_format` without `time`"),
            ("time = \"ts\"\ntime_format = \"unixms\"", "did you mean `unix_ms`?"),
            ("time = \"ts\"\ntime_format = \"%d.%m. %H:%M\"", "`%d.%m. %H:%M` is no pattern of a time"),
            ("time = \"ts\"\ntime_format = []", "`time_format` is empty"),
            ("time = \"ts\"\ntime_zone = \"Europe/Berlyn\"", "did you mean `Europe/Berlin`?"),
            ("time = \"ts\"\ntime_else = \"now\"", "`time_else` cannot be `now`"),
            ("time_zone = \"Europe/Berlin\"", "`time_zone` without `time`"),
            ("format = \"number\"\ntime = \"ts\"", "`time` has no meaning with format = \"number\""),
            ("format = \"number\"\nfields = [\"a\"]", "`fields` has no meaning"),
            ("fields = []", "`fields` is empty; leave it out"),
            ("fields = [\"\"]", "a field without a name"),
            ("fields = [\"a\", \"a\"]", "named twice"),
            ("time = \"a\"\nfields = [\"a\"]", "is the event time"),
            ("series = \"{topic}\"", "the same name; add {field}"),
            ("fields = [\"a\", \"b\"]\nseries = \"{x}\"", "the same name; add {field}"),
            ("format = \"number\"\nseries = \"{xx}/{field}\"", "did you mean `{x}`?"),
            ("format = \"number\"\nseries = \"{y}/{field}\"", "neither a label"),
            ("format = \"number\"\nrecords = \"values\"", "`records` has no meaning"),
            ("format = \"csv\"\nrecords = \"values\"", "its payloads hold no lists"),
            ("records = \"{field}\"", "`records` cannot be `{field}`"),
            ("records = \"{a}/{b}\"", "`records` cannot be `{a}/{b}`"),
            ("records = \"a/*/b/*/c\"", "`records` cannot be `a/*/b/*/c`"),
            ("records = \"a/*/{b}\"", "`records` calls its keys {b}"),
            ("records = \"{times}\"", "write series = \"{topic}/{times}/{field}\""),
            ("records = \"a/{time}\"\ntime = \"t\"", "gives each record its time already"),
            ("where = \"a = 1\"", "write `==`"),
            ("format = \"number\"\nwhere = \"a == 1\"", "`where` has no meaning"),
            ("repeats = \"drop\"", "without `time`"),
            (
                "series = \"{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}{p}{q}/{field}\"",
                "17 fields stand in names",
            ),
        ] {
            let told_really = mistakes(text, &["t/{x}/{y}", "u/{x}"]);
            assert!(told_really.len() == 1 && told_really[0].contains(told), "{text}: {told_really:?}");
        }
        assert_eq!(mistakes("fields = [\"a\"]\nseries = \"{x}\"", &["t/{x}"]), [""; 0]);
        assert_eq!(mistakes("format = \"number\"\nseries = \"{x}\"", &["t/{x}"]), [""; 0]);
    }
}
