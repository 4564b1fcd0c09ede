//! Looks at a cluster and the topics of an output, for `headwater self-test`. It sends nothing, because a test message in
//! a topic stays there.

use super::topic::KafkaTopicTemplate;
use crate::{Encoder, MessageAddress, ProbeResult};
use headwater_kafka::{Cluster, KafkaSettings};
use std::rc::Rc;

/// The kinds whose topics are looked for.
const KINDS: [&str; 3] = ["summary", "alert", "report"];

pub(super) async fn look(
    settings: &Rc<KafkaSettings>,
    topic: &KafkaTopicTemplate,
    encoder: &dyn Encoder,
) -> ProbeResult {
    let mut cluster = Cluster::new(settings.clone());
    let topics = if topic.is_by_kind() { topics(topic, encoder.agent()) } else { Vec::new() };
    if let Err(error) = cluster.look_up(&topics, false).await {
        return ProbeResult::Bad(error.to_string());
    }
    let at = format!("{}: {} brokers", settings.address(), cluster.brokers());
    let (mut there, mut missing, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for name in &topics {
        match cluster.topic(name) {
            Some(state) if state.code.is_ok() => {
                there.push(format!("{name} ({} partitions)", state.leaders.len()))
            }
            Some(state) if state.code.0 != 3 => refused.push(state.code.explain(name)),
            _ => missing.push(name.as_str()),
        }
    }
    let there = if there.is_empty() { String::new() } else { format!(", {}", there.join(", ")) };
    if !refused.is_empty() {
        return ProbeResult::Bad(format!("{at}{there}; {}", refused.join("; ")));
    }
    if missing.is_empty() {
        return ProbeResult::Good(format!("{at}{there}"));
    }
    ProbeResult::Note(format!(
        "{at}{there}; not there yet: {}, which a broker makes by itself with auto.create.topics.enable only",
        missing.join(", ")
    ))
}

fn topics(topic: &KafkaTopicTemplate, agent: &str) -> Vec<String> {
    let of = |kind: &'static str| {
        let address = MessageAddress { agent: agent.into(), kind: kind.into(), ..MessageAddress::default() };
        topic.topic(&address)
    };
    let mut topics: Vec<String> = KINDS.into_iter().map(of).collect();
    topics.dedup();
    topics
}
