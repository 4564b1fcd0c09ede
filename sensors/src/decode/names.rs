//! The labels and the names of a source's series, as its table says them.

use super::template::{NameTemplate, Places};
use crate::topic::TopicTemplate;
use headwater_settings::{At, Pairs, Table, nearest};

/// Shorter names are alike too often.
const NAME_LENGTH_MIN: usize = 3;

/// The names that templates may contain in braces.
pub(super) struct Known<'a> {
    pub(super) topics: &'a [TopicTemplate],
    pub(super) labels: &'a [(String, NameTemplate)],
    pub(super) places: Places,
}

impl Known<'_> {
    /// The labels that every series has.
    fn labels(&self) -> Vec<&str> {
        let everywhere =
            |name: &&str| self.topics.iter().all(|template| template.names().any(|known| known == *name));
        let captured = self.topics.first().into_iter().flat_map(TopicTemplate::names).filter(everywhere);
        captured.chain(self.labels.iter().map(|(name, _)| name.as_str())).collect()
    }

    pub(super) fn parse(&self, text: &str) -> Result<NameTemplate, (String, String)> {
        NameTemplate::parse(text, &self.labels(), self.places)
    }

    /// Reads a template, and warns of a field that is more likely a label with a slip of the pen.
    fn read_any(&self, table: &Table<'_>, text: &At<String>) -> Option<NameTemplate> {
        let template =
            self.parse(&text.value).map_err(|(what, fix)| table.refuse(text.span.clone(), what, fix)).ok()?;
        for place in template.places().filter(|place| place.len() >= NAME_LENGTH_MIN) {
            if let Some(label) = nearest(place, self.labels().into_iter().chain(["topic", "field"])) {
                let what = format!("`{{{place}}}` is a field of the payload here, and no label");
                table.warn(text.span.clone(), what, format!("did you mean `{{{label}}}`?"));
            }
        }
        Some(template)
    }

    /// Reads `series`; `several`: a payload may have several fields.
    pub(super) fn read(&self, table: &Table<'_>, text: &At<String>, several: bool) -> Option<NameTemplate> {
        let template = self.read_any(table, text)?;
        if template.is_empty() {
            table.refuse(
                text.span.clone(),
                "`series` is empty",
                "leave it out, or write \"{topic}/{field}\"",
            );
            return None;
        }
        if several && !template.has_field() {
            let fix = "add {field}, as in \"{topic}/{field}\", or name one field in `fields`";
            table.refuse(text.span.clone(), "`series` gives all fields of a payload the same name", fix);
            return None;
        }
        Some(template)
    }
}

/// Reads the labels of every series; a topic's label takes precedence.
pub(super) fn labels(
    table: &Table<'_>,
    labels: &Pairs,
    topics: &[TopicTemplate],
    places: Places,
) -> Vec<(String, NameTemplate)> {
    let known = Known { topics, labels: &[], places };
    let mut read = Vec::new();
    for (name, value) in labels {
        if topics.iter().flat_map(TopicTemplate::labels).any(|captured| captured == name) {
            let what = format!("the label `{name}` comes from the topic already");
            let fix = format!("leave it out here, or write + for {{{name}}} in `topics`");
            table.refuse(value.span.clone(), what, fix);
        } else {
            read.extend(known.read_any(table, value).map(|template| (name.clone(), template)));
        }
    }
    read
}

/// The fields of the record without which a series has no name, those in its labels included.
pub(super) fn needed<'a>(
    series: &'a NameTemplate,
    labels: &'a [(String, NameTemplate)],
) -> impl Iterator<Item = &'a str> {
    let in_labels = series.labels().flat_map(|name| {
        labels.iter().filter(move |(known, _)| known == name).flat_map(|(_, label)| label.needed())
    });
    series.needed().chain(in_labels)
}
