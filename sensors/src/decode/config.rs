//! The keys of a source's table for decoding payloads.

use super::SeriesTemplate;
use crate::SeriesNames;
use crate::format::{FORMATS, Format, FormatKind};
use crate::safe_name::safe;
use crate::text::TextRules;
use crate::time::{TimeFormat, WORDS};
use crate::topic::TopicTemplate;
use headwater_settings::{At, Or, Pairs, Severity, Table};
use std::borrow::Cow;

/// The checked settings for decoding payloads.
#[derive(Clone, Debug)]
pub struct DecodeConfig {
    /// The payloads' format.
    pub format: Box<dyn Format>,
    /// The path of the event time; `None`: the time of arrival.
    pub time: Option<String>,
    /// The format of the event time.
    pub time_format: TimeFormat,
    /// The meaning of texts.
    pub(crate) text: TextRules,
    /// The paths of the wanted values; empty: every number.
    pub fields: Vec<String>,
    /// The names of the series.
    pub series: SeriesTemplate,
    /// Labels of every series.
    pub labels: Vec<(String, String)>,
    /// The topic templates, which give topics their labels; empty if there are none.
    pub topics: Vec<TopicTemplate>,
}

impl DecodeConfig {
    /// Reads `format`, the rules for texts, `time`, `time_format`, `fields` and `series`; `labels` belong to every series. `None`: there
    /// were mistakes, which the table has noted. `topics` are `None` if they have mistakes themselves: then no label
    /// is reported as missing.
    pub fn read(table: &mut Table<'_>, labels: &Pairs, topics: Option<Vec<TopicTemplate>>) -> Option<Self> {
        let errors = |table: &Table<'_>| {
            table.document().mistakes().iter().filter(|mistake| mistake.severity == Severity::Error).count()
        };
        let errors_before = errors(table);
        let formats: Vec<(&str, &FormatKind)> = FORMATS.iter().map(|kind| (kind.name, kind)).collect();
        let kind = table.choice("format", &formats).given().or(FORMATS.first())?;
        let text = TextRules::read(table);
        let format = (kind.read)(table, text.as_ref().unwrap_or(&TextRules::default()));
        let time = table.string("time");
        let time_format = table.choice("time_format", WORDS);
        let fields = table.strings("fields");
        let labels = fixed_labels(table, labels, topics.as_deref().unwrap_or_default());
        if time_format.is_some() && !table.has("time") {
            table.refuse(
                table.place_of("time_format"),
                "`time_format` without `time`",
                "name the field with the time: `time = \"ts\"`",
            );
        }
        let is_named = format.as_ref().is_none_or(|format| format.is_named());
        if is_named {
            check_fields(table, fields.as_ref(), time.as_ref());
        } else {
            for key in ["fields", "time"].into_iter().filter(|key| table.has(key)) {
                let what = format!(
                    "`{key}` has no meaning with format = \"{}\": its payloads are one value",
                    kind.name
                );
                table.refuse(table.place_of(key), what, "leave it out, or choose another `format`");
            }
        }
        let fields: Vec<String> =
            fields.given().unwrap_or_default().into_iter().map(|field| field.value).collect();
        let several = is_named && fields.len() != 1;
        let series = table.string("series");
        let (topics, format, text) = (topics?, format?, text?);
        let known = Known { topics: &topics, labels: &labels, is_open: format.brings_labels() };
        let series = match series {
            Some(text) => read_series(table, &text, several, &known)?,
            None => known.parse(format.series()).ok()?,
        };
        let config = Self {
            format,
            time: time.given(),
            time_format: time_format.given().unwrap_or(TimeFormat::Guess),
            text,
            fields,
            series,
            labels,
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
            let captured = template.labels().map(|label| (label.to_owned(), "*".to_owned()));
            let labels: Vec<(String, String)> = captured.chain(self.labels.iter().cloned()).collect();
            patterns.extend(fields.iter().map(|field| self.series.pattern(&topic.join("/"), field, &labels)));
        }
        SeriesNames::Patterns(patterns)
    }

    /// The labels of a topic's series; `None` if no template matches it.
    pub(super) fn labels_of(&self, topic: &str) -> Option<Vec<(String, String)>> {
        if self.topics.is_empty() {
            return Some(self.labels.clone());
        }
        let mut labels = self.topics.iter().find_map(|template| template.capture(topic))?;
        for (_, value) in &mut labels {
            if let Cow::Owned(changed) = safe(value) {
                *value = changed;
            }
        }
        labels.extend_from_slice(&self.labels);
        Some(labels)
    }
}

/// Reads the labels of every series; a topic's label takes precedence.
fn fixed_labels(table: &Table<'_>, labels: &Pairs, topics: &[TopicTemplate]) -> Vec<(String, String)> {
    let mut fixed = Vec::new();
    for (name, value) in labels {
        if topics.iter().flat_map(TopicTemplate::labels).any(|captured| captured == name) {
            let what = format!("the label `{name}` comes from the topic already");
            table.refuse(
                value.span.clone(),
                what,
                format!("leave it out here, or write + for {{{name}}} in `topics`"),
            );
        } else {
            fixed.push((name.clone(), value.value.clone()));
        }
    }
    fixed
}

fn check_fields(table: &Table<'_>, fields: Option<&At<Vec<At<String>>>>, time: Option<&At<String>>) {
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
        } else if time.is_some_and(|time| time.value == field.value) {
            refuse(
                format!("`{}` is the event time, and no reading", field.value),
                "leave it out of `fields`",
            );
        }
    }
}

/// The names that `series` may contain in braces.
struct Known<'a> {
    topics: &'a [TopicTemplate],
    labels: &'a [(String, String)],
    /// Whether records bring further names.
    is_open: bool,
}

impl Known<'_> {
    fn parse(&self, text: &str) -> Result<SeriesTemplate, (String, String)> {
        let everywhere =
            |name: &&str| self.topics.iter().all(|template| template.labels().any(|label| label == *name));
        let captured = self.topics.first().into_iter().flat_map(TopicTemplate::labels).filter(everywhere);
        let known: Vec<&str> = captured.chain(self.labels.iter().map(|(name, _)| name.as_str())).collect();
        SeriesTemplate::parse(text, &known, self.is_open)
    }
}

fn read_series(
    table: &Table<'_>,
    text: &At<String>,
    several: bool,
    known: &Known<'_>,
) -> Option<SeriesTemplate> {
    match known.parse(&text.value) {
        Ok(series) if several && !series.has_field() => {
            let fix = "add {field}, as in \"{topic}/{field}\", or name one field in `fields`";
            table.refuse(text.span.clone(), "`series` gives all fields of a payload the same name", fix);
            None
        }
        Ok(series) => Some(series),
        Err((what, fix)) => {
            table.refuse(text.span.clone(), what, fix);
            None
        }
    }
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
            ("format = \"number\"\ntime = \"ts\"", "`time` has no meaning with format = \"number\""),
            ("format = \"number\"\nfields = [\"a\"]", "`fields` has no meaning"),
            ("fields = []", "`fields` is empty; leave it out"),
            ("fields = [\"\"]", "a field without a name"),
            ("fields = [\"a\", \"a\"]", "named twice"),
            ("time = \"a\"\nfields = [\"a\"]", "is the event time"),
            ("series = \"{topic}\"", "the same name; add {field}"),
            ("fields = [\"a\", \"b\"]\nseries = \"{x}\"", "the same name; add {field}"),
            ("series = \"{xx}/{field}\"", "did you mean `{x}`?"),
            ("series = \"{y}/{field}\"", "neither a label"),
        ] {
            let told_really = mistakes(text, &["t/{x}/{y}", "u/{x}"]);
            assert!(told_really.len() == 1 && told_really[0].contains(told), "{text}: {told_really:?}");
        }
        assert_eq!(mistakes("fields = [\"a\"]\nseries = \"{x}\"", &["t/{x}"]), [""; 0]);
        assert_eq!(mistakes("format = \"number\"\nseries = \"{x}\"", &["t/{x}"]), [""; 0]);
    }
}
