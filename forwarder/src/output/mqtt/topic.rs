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

    /// Whether live messages of two series never share a topic.
    pub(super) fn has_one_series(&self) -> bool {
        self.0.has(AddressPart::Stream) && self.0.has(AddressPart::Series)
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

    /// Filters for the topics of this template alone, as an agent publishes messages of these kinds. `None`: others may
    /// have topics that look alike.
    pub(super) fn own_filters(&self, agent: &str, kinds: &[&str]) -> Option<Vec<String>> {
        let places = self.0.parts().iter().filter_map(|part| match part {
            TemplatePart::Place(place) => Some(*place),
            TemplatePart::Text(_) => None,
        });
        let is_before_kind = |place: &AddressPart| *place != AddressPart::Kind;
        let before_kind: Vec<AddressPart> = places.take_while(is_before_kind).collect();
        let filter = self.filter(Some(agent));
        if before_kind.contains(&AddressPart::Agent) && filter != "#" {
            return Some(vec![filter]);
        }
        if !before_kind.is_empty() || self.0.parts().windows(2).any(is_joined) {
            return None;
        }
        let prefix = match self.0.parts().first() {
            Some(TemplatePart::Text(text)) => text.as_str(),
            _ => "",
        };
        Some(kinds.iter().chain([&Self::BACKFILL]).map(|kind| format!("{prefix}{kind}/#")).collect())
    }

    /// Whether the topic is one of backfill.
    pub(super) fn is_backfill(topic: &str) -> bool {
        topic.split('/').any(|level| level == Self::BACKFILL)
    }
}

/// Whether the kind shares its level with what follows it.
fn is_joined(pair: &[TemplatePart<AddressPart>]) -> bool {
    match pair {
        [TemplatePart::Place(AddressPart::Kind), TemplatePart::Text(text)] => !text.starts_with('/'),
        [TemplatePart::Place(AddressPart::Kind), TemplatePart::Place(_)] => true,
        _ => false,
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
    fn an_agent_knows_its_own_topics() {
        let own =
            |template: &str| TopicTemplate::parse(template).unwrap().own_filters("g7", &["summary", "alert"]);
        assert_eq!(own(TopicTemplate::DEFAULT), Some(vec!["headwater/g7/#".to_owned()]));
        assert_eq!(own("acme/{agent}/{kind}"), Some(vec!["acme/g7/#".to_owned()]));
        let kinds = ["plant/summary/#", "plant/alert/#", "plant/backfill/#"].map(str::to_owned).to_vec();
        assert_eq!(own("plant/{kind}/{series}"), Some(kinds));
        let kinds = ["summary/#", "alert/#", "backfill/#"].map(str::to_owned).to_vec();
        assert_eq!(own("{kind}/{agent}"), Some(kinds));
        assert_eq!(own("{series}/{kind}"), None);
        assert_eq!(own("plant/{kind}-{series}"), None);
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
