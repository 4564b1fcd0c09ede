//! Names from parts: `{topic}/{field}` for series, and the values of labels. A part in braces is a label, a field of the
//! record, `{topic}`, or `{field}`, the path of the reading's own field. A field of the record whose part ends in `?` may be
//! absent.

use crate::topic::{is_name, shortened};
use headwater_settings::nearest;

/// Stands for the record's own name.
const RECORD_NAME: &str = "name";

/// Stands in a pattern for what only a record knows.
const ANY: &str = "*";

/// Stands for the record's labels.
const TAGS: &str = "tags";

/// Ends the path of a field that a record may lack.
const OPTIONAL: char = '?';

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Topic,
    Field,
    Label(String),
    /// All labels that the record brings and that do not stand in the template.
    Tags,
    /// A field of the record, by its path; it may be absent if `is_optional`.
    Place {
        path: String,
        is_optional: bool,
    },
}

/// What braces may contain besides `{topic}`, `{field}` and the labels of every series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Places {
    /// Nothing.
    None,
    /// Fields of the record.
    Fields,
    /// A name and labels that the record brings.
    Labels,
}

/// What the parts of a template stand for in one series.
#[derive(Clone, Copy)]
pub(super) struct NameParts<'a> {
    pub(super) topic: &'a str,
    /// The path of the reading's field.
    pub(super) field: &'a str,
    /// The record's own name.
    pub(super) record: Option<&'a str>,
    pub(super) labels: &'a [(String, String)],
    /// The labels that the record brings, sorted.
    pub(super) tags: &'a [(String, String)],
    /// The record's fields: paths and texts.
    pub(super) places: &'a [(&'a str, &'a str)],
}

impl NameTemplate {
    /// Parses a template; `labels` belong to every series.
    ///
    /// # Errors
    /// The mistake, and the way out.
    pub(crate) fn parse(text: &str, labels: &[&str], places: Places) -> Result<Self, (String, String)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else {
                return Err((format!("`{}` has a {{ without a }}", shortened(text)), known(labels)));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match name {
                "topic" => Part::Topic,
                "field" => Part::Field,
                TAGS if places == Places::Labels => Part::Tags,
                label if labels.contains(&label) => Part::Label(label.to_owned()),
                // What a record lacks is left out anyway, so that a `?` says nothing new.
                label
                    if places == Places::Labels && is_name(label.strip_suffix(OPTIONAL).unwrap_or(label)) =>
                {
                    Part::Label(label.strip_suffix(OPTIONAL).unwrap_or(label).to_owned())
                }
                place if places == Places::Fields && !place.contains('{') && !place.is_empty() => {
                    let path = place.strip_suffix(OPTIONAL);
                    Part::Place { path: path.unwrap_or(place).to_owned(), is_optional: path.is_some() }
                }
                other => {
                    let likely = nearest(other, labels.iter().copied().chain(["topic", "field"]));
                    let fix =
                        likely.map_or_else(|| known(labels), |name| format!("did you mean `{{{name}}}`?"));
                    return Err((
                        format!("`{{{}}}` is neither a label nor {{topic}} or {{field}}", shortened(other)),
                        fix,
                    ));
                }
            });
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether each field has its own series.
    pub(crate) fn has_field(&self) -> bool {
        self.0.contains(&Part::Field)
    }

    /// The paths of the record's fields that stand in it.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter_map(|part| if let Part::Place { path, .. } = part { Some(path.as_str()) } else { None })
    }

    /// Those of [`Self::places`] that no record may lack.
    pub(super) fn needed(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Place { path, is_optional: false } => Some(path.as_str()),
            _ => None,
        })
    }

    /// The labels that stand in it.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| if let Part::Label(name) = part { Some(name.as_str()) } else { None })
    }

    /// The name of a series; a part that is not there is left out: the topic of a recording need not match.
    pub(super) fn render(&self, of: NameParts<'_>) -> String {
        self.fill(of, |place| Some(of.record.filter(|_| place == RECORD_NAME).unwrap_or_default()))
            .unwrap_or_default()
    }

    /// The value of a label; `None`: a part of it is not there.
    pub(super) fn label(&self, of: NameParts<'_>) -> Option<String> {
        self.fill(of, |place| of.record.filter(|_| place == RECORD_NAME))
    }

    /// The possible names of these fields' series; `*` stands for a part that only a record knows.
    pub(crate) fn pattern(&self, topic: &str, field: &str, labels: &[(String, String)]) -> String {
        let of = NameParts { topic, field, record: None, labels, tags: &[], places: &[] };
        self.fill(of, |_| Some(ANY)).unwrap_or_default()
    }

    /// A part of the record that is not there takes the `/` after it along.
    fn fill<'a>(&'a self, of: NameParts<'a>, other: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let mut name = String::with_capacity(of.topic.len() + of.field.len() + 1);
        let mut is_open = false;
        for part in &self.0 {
            let before = name.len();
            let mut is_optional = false;
            match part {
                Part::Text(text) if is_open => name.push_str(text.strip_prefix('/').unwrap_or(text)),
                Part::Text(text) => name.push_str(text),
                Part::Topic => name.push_str(of.topic),
                Part::Field => name.push_str(of.field),
                Part::Label(label) => match of.labels.iter().find(|(name, _)| name == label) {
                    Some((_, value)) => name.push_str(value),
                    None => {
                        is_optional = true;
                        name.push_str(other(label)?);
                    }
                },
                Part::Tags => {
                    is_optional = true;
                    self.push_tags(&mut name, of.tags, other(TAGS)?);
                }
                Part::Place { path, is_optional: may_lack } => {
                    is_optional = *may_lack;
                    match of.places.iter().find(|(known, _)| known == path) {
                        Some((_, text)) if !text.is_empty() => name.push_str(text),
                        _ => name.push_str(other(path).or(may_lack.then_some(""))?),
                    }
                }
            }
            is_open = is_optional && is_left_out(&name, before);
        }
        Some(name)
    }

    /// Appends `key=value/key=value`, so that no two sets of labels have one name.
    fn push_tags(&self, name: &mut String, tags: &[(String, String)], other: &str) {
        name.push_str(other);
        let others = tags.iter().filter(|(key, _)| !self.labels().any(|label| label == key));
        for (number, (key, value)) in others.enumerate() {
            name.extend([if number == 0 { "" } else { "/" }, key, "=", value]);
        }
    }
}

/// Whether the part that begins at `at` leaves its level empty, or may do so in a pattern.
fn is_left_out(name: &str, at: usize) -> bool {
    match name.split_at_checked(at) {
        Some((before, part)) => {
            part == ANY || part.is_empty() && (before.is_empty() || before.ends_with('/'))
        }
        None => false,
    }
}

fn known(labels: &[&str]) -> String {
    let names = ["topic", "field"].iter().chain(labels).map(|name| format!("{{{name}}}"));
    format!("known here: {}", names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(
        record: Option<&'a str>,
        labels: &'a [(String, String)],
        places: &'a [(&'a str, &'a str)],
    ) -> NameParts<'a> {
        NameParts { topic: "a/b", field: "temp", record, labels, tags: &[], places }
    }

    #[test]
    fn templates_render() {
        let labels = [("zone".to_owned(), "bed1".to_owned())];
        let render = |template: &str| {
            let template = NameTemplate::parse(template, &["zone"], Places::None).unwrap();
            template.render(parts(None, &labels, &[]))
        };
        assert_eq!(render("{topic}/{field}"), "a/b/temp");
        assert_eq!(render("x-{zone}.{field}{field}"), "x-bed1.temptemp");
        assert_eq!(render("all"), "all");
        let parse = |template| NameTemplate::parse(template, &["zone"], Places::Labels).unwrap();
        let sorted = [("cpu".to_owned(), "0".to_owned()), ("host".to_owned(), "a".to_owned())];
        let tagged = parse("{topic}/{name}/{tags}/{field}");
        let of = |record, tags| NameParts { tags, ..parts(record, &sorted, &[]) };
        assert_eq!(tagged.render(of(Some("cpu"), &sorted)), "a/b/cpu/cpu=0/host=a/temp");
        assert_eq!(tagged.render(of(Some("cpu"), &[])), "a/b/cpu/temp");
        assert_eq!(tagged.render(of(None, &[])), "a/b/temp");
        assert_eq!(parse("{host}/{tags}/{field}").render(of(None, &sorted)), "a/cpu=0/temp");
        assert_eq!(tagged.pattern("a/b", "temp", &[]), "a/b/**temp");
        let open = NameTemplate::parse("{name}.{zone}.{room}.{field}", &["zone"], Places::Labels).unwrap();
        assert_eq!(open.render(parts(Some("air"), &labels, &[])), "air.bed1..temp");
    }

    #[test]
    fn fields_of_the_record_stand_in_names() {
        let template = NameTemplate::parse("{model}/{meta/id}/{field}", &["zone"], Places::Fields).unwrap();
        assert_eq!(template.places().collect::<Vec<_>>(), ["model", "meta/id"]);
        let places = [("model", "TH"), ("meta/id", "5")];
        assert_eq!(template.render(parts(None, &[], &places)), "TH/5/temp");
        assert_eq!(template.label(parts(None, &[], &places)).as_deref(), Some("TH/5/temp"));
        assert_eq!(template.label(parts(None, &[], &[("model", "TH"), ("meta/id", "")])), None);
        assert_eq!(template.pattern("a/*", "temp", &[]), "*/*/temp");
    }

    #[test]
    fn a_field_that_may_be_absent_takes_its_slash_along() {
        let template = NameTemplate::parse("{model}/{channel?}/{id}/{field}", &[], Places::Fields).unwrap();
        assert_eq!(template.places().collect::<Vec<_>>(), ["model", "channel", "id"]);
        assert_eq!(template.needed().collect::<Vec<_>>(), ["model", "id"]);
        let render = |places: &[(&str, &str)]| template.render(parts(None, &[], places));
        assert_eq!(render(&[("model", "TH"), ("channel", "2"), ("id", "5")]), "TH/2/5/temp");
        assert_eq!(render(&[("model", "TH"), ("channel", ""), ("id", "5")]), "TH/5/temp");
        assert_eq!(template.pattern("a/*", "temp", &[]), "*/**/temp", "the channel may be no level");
        let label = NameTemplate::parse("{model}{channel?}", &[], Places::Fields).unwrap();
        let of = |places| label.label(parts(None, &[], places));
        assert_eq!(of(&[("model", "TH"), ("channel", "")]).as_deref(), Some("TH"));
        assert_eq!(of(&[("model", ""), ("channel", "2")]), None);
    }

    #[test]
    fn mistakes_name_the_way_out() {
        let error = |template: &str| NameTemplate::parse(template, &["zone"], Places::None).unwrap_err();
        assert!(error("{zoen}").1.contains("did you mean `{zone}`?"));
        assert!(error("{what}/x").1.contains("known here: {topic}, {field}, {zone}"));
        assert!(error("a{topic").0.contains("without a }"));
        assert!(NameTemplate::parse("{}", &[], Places::Fields).is_err());
    }
}
