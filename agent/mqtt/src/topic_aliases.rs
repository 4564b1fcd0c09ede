//! Numbers in place of topics that are published to again and again.
//!
//! Source: MQTT 5, 3.3.2.3.4. The first publish to a topic says its name and its number, later ones the number. The broker
//! says how many there may be. Topics keep theirs as long as the connection lasts; those that come when all are given
//! away go by their names.
//!
//! Limits: [`TOPICS_MAX`] topics, of [`TOPIC_BYTES_MAX`].

use std::collections::HashMap;

/// The most topics that have a number, whatever the broker allows.
const TOPICS_MAX: usize = 1_000;

/// A longer topic has no number (bytes).
const TOPIC_BYTES_MAX: usize = 1_024;

/// How a publish names its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicAlias {
    /// By its name.
    None,
    /// By its name, which has this number from now on.
    New(u16),
    /// By this number.
    Known(u16),
}

impl TopicAlias {
    /// What the property takes in a packet (bytes).
    pub(crate) const BYTES: usize = 3;

    pub(crate) fn number(self) -> Option<u16> {
        match self {
            Self::None => None,
            Self::New(number) | Self::Known(number) => Some(number),
        }
    }
}

/// The numbers of one connection.
#[derive(Debug)]
pub(crate) struct TopicAliases {
    most: usize,
    numbers: HashMap<String, u16>,
}

impl TopicAliases {
    /// `most`: as many as the broker allows; 0: none.
    pub(crate) fn new(most: u16) -> Self {
        Self { most: usize::from(most).min(TOPICS_MAX), numbers: HashMap::new() }
    }

    /// How the next publish names the topic. It has to leave.
    pub(crate) fn of(&mut self, topic: &str) -> TopicAlias {
        if let Some(number) = self.numbers.get(topic) {
            return TopicAlias::Known(*number);
        }
        let is_worth_it = (TopicAlias::BYTES + 1..=TOPIC_BYTES_MAX).contains(&topic.len());
        match u16::try_from(self.numbers.len() + 1) {
            Ok(number) if is_worth_it && self.numbers.len() < self.most => {
                self.numbers.insert(topic.to_owned(), number);
                TopicAlias::New(number)
            }
            _ => TopicAlias::None,
        }
    }
}
