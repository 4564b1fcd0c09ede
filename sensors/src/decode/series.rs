//! Names of series: `{topic}/{field}`, with labels as `{label}`.

use crate::topic::{is_name, shortened};
use headwater_settings::nearest;

/// Stands for the record's own name.
const RECORD_NAME: &str = "name";

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesTemplate(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Topic,
    Field,
    Label(String),
}

impl SeriesTemplate {
    /// Parses a template; `labels` belong to every series. With `is_open`, records bring a name and labels of their
    /// own.
    ///
    /// # Errors
    /// The mistake, and the way out.
    pub(crate) fn parse(text: &str, labels: &[&str], is_open: bool) -> Result<Self, (String, String)> {
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
                label if labels.contains(&label) || is_open && is_name(label) => {
                    Part::Label(label.to_owned())
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
        if parts.is_empty() {
            return Err(("`series` is empty".into(), known(labels)));
        }
        Ok(Self(parts))
    }

    /// Whether each field has its own series.
    pub(crate) fn has_field(&self) -> bool {
        self.0.contains(&Part::Field)
    }

    /// The name of the series of a field; the record may have a name of its own.
    pub(crate) fn render(
        &self,
        topic: &str,
        field: &str,
        record: Option<&str>,
        labels: &[(String, String)],
    ) -> String {
        // The topic of a recording need not match, and a record need not have the label.
        self.fill(topic, field, labels, |label| record.filter(|_| label == RECORD_NAME).unwrap_or_default())
    }

    /// The possible names of these fields' series; `*` stands for a part that only a record knows.
    pub(crate) fn pattern(&self, topic: &str, field: &str, labels: &[(String, String)]) -> String {
        self.fill(topic, field, labels, |_| "*")
    }

    fn fill<'a>(
        &'a self,
        topic: &'a str,
        field: &'a str,
        labels: &'a [(String, String)],
        other: impl Fn(&str) -> &'a str,
    ) -> String {
        let mut name = String::with_capacity(topic.len() + field.len() + 1);
        for part in &self.0 {
            name.push_str(match part {
                Part::Text(text) => text,
                Part::Topic => topic,
                Part::Field => field,
                Part::Label(label) => match labels.iter().find(|(name, _)| name == label) {
                    Some((_, value)) => value,
                    None => other(label),
                },
            });
        }
        name
    }
}

fn known(labels: &[&str]) -> String {
    let names = ["topic", "field"].iter().chain(labels).map(|name| format!("{{{name}}}"));
    format!("known here: {}", names.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_render() {
        let labels = [("zone".to_owned(), "bed1".to_owned())];
        let render = |template: &str| {
            SeriesTemplate::parse(template, &["zone"], false).unwrap().render("a/b", "temp", None, &labels)
        };
        assert_eq!(render("{topic}/{field}"), "a/b/temp");
        assert_eq!(render("x-{zone}.{field}{field}"), "x-bed1.temptemp");
        assert_eq!(render("all"), "all");
        let open = SeriesTemplate::parse("{name}.{zone}.{room}.{field}", &["zone"], true).unwrap();
        assert_eq!(open.render("a/b", "temp", Some("air"), &labels), "air.bed1..temp");
    }

    #[test]
    fn mistakes_name_the_way_out() {
        let error = |template: &str| SeriesTemplate::parse(template, &["zone"], false).unwrap_err();
        assert!(error("{zoen}").1.contains("did you mean `{zone}`?"));
        assert!(error("{what}/x").1.contains("known here: {topic}, {field}, {zone}"));
        assert!(error("a{topic").0.contains("without a }"));
        assert!(error("").0.contains("empty"));
    }
}
