//! The topics of a source, checked.

mod place;
mod reading;

use crate::source::stopped;
use crate::topic::TopicTemplate;
use crate::{DecodeConfig, Finding, Running, Sink, Source, SourceContext, SourceProbe, Stop};
use headwater_kafka::{Cluster, ConsumerStart, KafkaSettings};
use headwater_settings::{At, Or, Pairs, Table};
use reading::TopicReading;
use std::rc::Rc;

/// The longest name of a topic (bytes).
const TOPIC_BYTES_MAX: usize = 249;

struct KafkaSource {
    settings: Rc<KafkaSettings>,
    topics: Vec<String>,
    from: ConsumerStart,
    is_durable: bool,
    decode: DecodeConfig,
    context: SourceContext,
}

/// Reads the table of a source.
pub(super) fn read(
    table: &mut Table<'_>,
    context: &SourceContext,
    labels: &Pairs,
) -> Option<Box<dyn Source>> {
    let settings = KafkaSettings::read(table, &format!("headwater-{}-{}", context.agent, context.source));
    let topics = read_topics(table);
    let from = [("latest", ConsumerStart::Latest), ("earliest", ConsumerStart::Earliest)];
    let from = table.choice("from", &from).value_or(ConsumerStart::Latest);
    let is_durable = table.choice("ack", &[("received", false), ("durable", true)]).value_or(false);
    let keyed =
        topics.as_ref().map(|topics| topics.iter().map(|topic| TopicTemplate::keyed(topic)).collect());
    let decode = DecodeConfig::read(table, labels, keyed);
    Some(Box::new(KafkaSource {
        settings: Rc::new(settings?),
        topics: topics?,
        from,
        is_durable,
        decode: decode?,
        context: context.clone(),
    }))
}

/// `None`: there were mistakes.
fn read_topics(table: &mut Table<'_>) -> Option<Vec<String>> {
    if !table.has("topics") {
        table.missing("topics", "add the topics to read: `topics = [\"plant.readings\"]`");
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut topics: Vec<String> = Vec::new();
    for At { value, span } in table.one_or_more("topics")?.value {
        let is_name = (1..=TOPIC_BYTES_MAX).contains(&value.len()) && value.chars().all(is_letter);
        if !is_name {
            let fix = "a topic has letters, digits, `.`, `_` and `-`; patterns are not known here";
            table.refuse(span, format!("`{value}` is no topic"), fix);
            return None;
        }
        if topics.contains(&value) {
            table.refuse(span, format!("the topic `{value}` is named twice"), "name it once");
            return None;
        }
        topics.push(value);
    }
    Some(topics)
}

impl Source for KafkaSource {
    fn may_be_remote(&self) -> bool {
        true
    }

    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// The cluster keeps its records. Those without a time are of their second arrival, and so are missing at the first.
    fn redelivers(&self) -> bool {
        self.is_durable || !self.decode.time.is_empty()
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async { Some(self.look().await) })
    }

    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let mut reading = TopicReading::new(&self, sink);
            tokio::select! {
                () = stopped(stop) => {}
                () = reading.serve() => {}
            }
        })
    }
}

impl KafkaSource {
    async fn look(&self) -> Finding {
        let mut cluster = Cluster::new(self.settings.clone());
        if let Err(error) = cluster.look_up(&self.topics, false).await {
            return Finding::Fails(error.to_string());
        }
        let mut found = Vec::new();
        for topic in &self.topics {
            match cluster.topic(topic) {
                Some(state) if state.code.is_ok() => {
                    found.push(format!("{topic} ({} partitions)", state.leaders.len()));
                }
                Some(state) => return Finding::Fails(state.code.explain(topic)),
                None => return Finding::Fails(format!("{topic}: the broker does not speak of it")),
            }
        }
        let (at, brokers) = (self.settings.address(), cluster.brokers());
        Finding::Works(format!("{at}: {brokers} brokers, {}", found.join(", ")))
    }
}
