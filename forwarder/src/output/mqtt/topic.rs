//! The `topic` of an output: the topic of each message.

use crate::MessageAddress;
use crate::template::{AddressPart, OutputTemplate, TemplatePart};

/// A `topic`: text with `{agent}`, `{kind}`, `{stream}` and `{series}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopicTemplate(OutputTemplate<AddressPart>);

impl TopicTemplate {
    pub(super) const DEFAULT: &'static str = "headwater/{agent}/{kind}/{stream}/{series}";

    /// The level before the kind, for backfill.
    const BACKFILL: &'static str = "backfill";

    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let template = OutputTemplate::parse(text, &AddressPart::ALL)?;
        if text.contains(['+', '#', '\0']) {
            return Err("a topic to publish to cannot hold `+`, `#` or NUL".to_owned());
        }
        if !template.has(AddressPart::Kind) {
            let why = "without it alerts, summaries and what waited in the buffer would mix";
            return Err(format!("{{kind}} is missing: {why}"));
        }
        Ok(Self(template))
    }

    /// The topic of a message. Backfill has `backfill/` before its kind. A part that the message does not have
    /// leaves no empty level at the end.
    pub(super) fn topic(&self, address: &MessageAddress<'_>, backfill: bool) -> String {
        let mut topic = String::with_capacity(64);
        for part in self.0.parts() {
            match part {
                TemplatePart::Text(text) => topic.push_str(text),
                TemplatePart::Place(name) => {
                    if backfill && *name == AddressPart::Kind {
                        topic.push_str(Self::BACKFILL);
                        topic.push('/');
                    }
                    push_level(&mut topic, name.of(address));
                }
            }
        }
        topic.truncate(topic.trim_end_matches('/').len());
        topic
    }

    /// A filter for all topics of this template. `None`: of all agents.
    pub(super) fn filter(&self, agent: Option<&str>) -> String {
        let mut filter = String::new();
        for part in self.0.parts() {
            match (part, agent) {
                (TemplatePart::Text(text), _) => filter.push_str(text),
                (TemplatePart::Place(AddressPart::Agent), Some(agent)) => push_level(&mut filter, agent),
                (TemplatePart::Place(AddressPart::Agent), None) if filter.ends_with('/') => filter.push('+'),
                _ => break,
            }
        }
        // A wildcard must fill its level: text before it in the same level cannot be part of the filter.
        filter.truncate(filter.rfind('/').map_or(0, |at| at + 1));
        filter.push('#');
        filter
    }

    /// Whether the topic is one of backfill.
    pub(super) fn is_backfill(topic: &str) -> bool {
        topic.split('/').any(|level| level == Self::BACKFILL)
    }
}

/// Appends a name; the characters that a topic cannot hold become `_`, `/` stays.
fn push_level(topic: &mut String, name: &str) {
    topic.extend(name.chars().map(|c| if matches!(c, '+' | '#' | '\0') { '_' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(kind: &'static str, stream: &'static str, series: &'static str) -> MessageAddress<'static> {
        let [agent, kind, stream, series] = ["g7", kind, stream, series].map(Into::into);
        MessageAddress { agent, kind, stream, series, time_ms: 0 }
    }

    #[test]
    fn topics_are_those_of_the_contract() {
        let template = TopicTemplate::parse(TopicTemplate::DEFAULT).unwrap();
        let summary = address("summary", "climate", "greenhouse/b+d#1/temp");
        let expected = "headwater/g7/summary/climate/greenhouse/b_d_1/temp";
        assert_eq!(template.topic(&summary, false), expected);
        let expected = "headwater/g7/backfill/summary/climate/greenhouse/b_d_1/temp";
        assert_eq!(template.topic(&summary, true), expected);
        assert!(TopicTemplate::is_backfill(expected));
        let report = address("report", "", "");
        assert_eq!(template.topic(&report, false), "headwater/g7/report");
        assert_eq!(template.topic(&report, true), "headwater/g7/backfill/report");
        assert_eq!(template.filter(Some("g7")), "headwater/g7/#");
        assert_eq!(template.filter(None), "headwater/+/#");
        for odd in ["x-{kind}", "x-{agent}/{kind}"] {
            assert_eq!(TopicTemplate::parse(odd).unwrap().filter(None), "#");
        }
    }

    #[test]
    fn bad_templates_say_what_would_be_right() {
        for (bad, word) in [
            ("a/{king}/b", "unknown"),
            ("a/{kind", "closed"),
            ("a/b", "{kind} is missing"),
            ("a/+/{kind}", "cannot hold"),
        ] {
            let error = TopicTemplate::parse(bad).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }
}
