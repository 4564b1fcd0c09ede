//! The `topic` of an output: the topic of each message, in the letters that Kafka takes.

use crate::MessageAddress;
use crate::template::{AddressPart, OutputTemplate, TemplatePart};

/// The longest topic (bytes).
const BYTES_MAX: usize = 249;

/// A `topic`: text with `{agent}`, `{kind}`, `{stream}` and `{series}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KafkaTopicTemplate(OutputTemplate<AddressPart>);

impl KafkaTopicTemplate {
    pub(super) const DEFAULT: &'static str = "headwater.{kind}";

    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let template = OutputTemplate::parse(text, &AddressPart::ALL)?;
        let is_text = |part: &&TemplatePart<AddressPart>| matches!(part, TemplatePart::Text(_));
        let texts = template.parts().iter().filter(is_text);
        let is_bad = |part: &TemplatePart<AddressPart>| match part {
            TemplatePart::Text(text) => !text.chars().all(is_letter),
            TemplatePart::Place(_) => false,
        };
        if texts.clone().any(is_bad) {
            return Err("a topic has letters, digits, `.`, `_` and `-` only".to_owned());
        }
        if text.is_empty() || text.len() > BYTES_MAX || text == "." || text == ".." {
            return Err(format!("a topic has 1 to {BYTES_MAX} characters, and is not `.` or `..`"));
        }
        Ok(Self(template))
    }

    /// The topic of a message. Other characters of its parts become `_`, and what is too long is cut.
    pub(super) fn topic(&self, address: &MessageAddress<'_>) -> String {
        let mut topic = String::with_capacity(32);
        for part in self.0.parts() {
            match part {
                TemplatePart::Text(text) => topic.push_str(text),
                TemplatePart::Place(name) => {
                    topic.extend(name.of(address).chars().map(|c| if is_letter(c) { c } else { '_' }));
                }
            }
        }
        topic.truncate(BYTES_MAX);
        topic
    }

    /// Whether each message of one kind has the same topic.
    pub(super) fn is_by_kind(&self) -> bool {
        ![AddressPart::Stream, AddressPart::Series].into_iter().any(|part| self.0.has(part))
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_the_letters_that_kafka_takes() {
        let template = KafkaTopicTemplate::parse("edge.{agent}.{series}").unwrap();
        let [agent, kind, stream, series] = ["g 7", "summary", "", "bed1/temp µ"].map(Into::into);
        let address = MessageAddress { agent, kind, stream, series, time_ms: 0 };
        assert_eq!(template.topic(&address), "edge.g_7.bed1_temp__");
        assert!(!template.is_by_kind());
        let default = KafkaTopicTemplate::parse(KafkaTopicTemplate::DEFAULT).unwrap();
        assert!(default.is_by_kind() && default.topic(&address) == "headwater.summary");
        let long = MessageAddress { series: "x".repeat(900).into(), ..address };
        assert_eq!(template.topic(&long).len(), BYTES_MAX);
        for (bad, word) in [("a/b", "letters"), ("", "1 to"), ("a.{kin}", "unknown"), ("..", "1 to")] {
            assert!(KafkaTopicTemplate::parse(bad).unwrap_err().contains(word), "{bad}");
        }
    }
}
