//! Names of series: `{topic}/{field}`, with labels as `{label}`.

use crate::topic::shortened;
use headwater_settings::nearest;

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
    /// `{topic}/{field}`, or `{topic}` where values have no names.
    pub(crate) fn default_of(named: bool) -> Self {
        if named {
            Self(vec![Part::Topic, Part::Text("/".into()), Part::Field])
        } else {
            Self(vec![Part::Topic])
        }
    }

    /// # Errors
    /// What is wrong, and the way out.
    pub(crate) fn parse(text: &str, labels: &[&str]) -> Result<Self, (String, String)> {
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
                label if labels.contains(&label) => Part::Label(label.to_owned()),
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

    /// Whether each field gets a series of its own.
    pub(crate) fn has_field(&self) -> bool {
        self.0.contains(&Part::Field)
    }

    /// The name of the series of one field.
    pub(crate) fn render(&self, topic: &str, field: &str, labels: &[(String, String)]) -> String {
        let mut name = String::with_capacity(topic.len() + field.len() + 1);
        for part in &self.0 {
            name.push_str(match part {
                Part::Text(text) => text,
                Part::Topic => topic,
                Part::Field => field,
                // A topic from a recording need not match, and then has no labels.
                Part::Label(label) => {
                    labels.iter().find(|(name, _)| name == label).map_or("", |(_, value)| value.as_str())
                }
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
            SeriesTemplate::parse(template, &["zone"]).unwrap().render("a/b", "temp", &labels)
        };
        assert_eq!(render("{topic}/{field}"), "a/b/temp");
        assert_eq!(render("x-{zone}.{field}{field}"), "x-bed1.temptemp");
        assert_eq!(render("all"), "all");
        assert_eq!(SeriesTemplate::default_of(true).render("a", "b", &[]), "a/b");
        assert_eq!(SeriesTemplate::default_of(false).render("a", "", &[]), "a");
    }

    #[test]
    fn mistakes_name_the_way_out() {
        let error = |template: &str| SeriesTemplate::parse(template, &["zone"]).unwrap_err();
        assert!(error("{zoen}").1.contains("did you mean `{zone}`?"));
        assert!(error("{what}/x").1.contains("known here: {topic}, {field}, {zone}"));
        assert!(error("a{topic").0.contains("without a }"));
        assert!(error("").0.contains("empty"));
    }
}
