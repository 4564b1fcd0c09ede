//! The table of an MQTT source.

use super::Mqtt;
use super::requests::Request;
use crate::topic::TopicTemplate;
use crate::{DecodeConfig, SafetyLevel, Source, SourceContext, SourceKind};
use headwater_mqtt::{Qos, Settings};
use headwater_settings::{Or, Pairs, Table};
use std::time::Duration;

pub(crate) const KIND: SourceKind = SourceKind {
    name: "mqtt",
    read,
    find: None,
    discover: Some(super::discovery::discover),
    sample: include_str!("sample.toml"),
};

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let settings = Settings::read(table);
    let topics = read_topics(table);
    let qos = read_qos(table);
    let acks = [("received", SafetyLevel::Written), ("durable", SafetyLevel::Durable)];
    let ack = table.choice("ack", &acks).given().unwrap_or(SafetyLevel::Written);
    let durable = ack == SafetyLevel::Durable;
    let reads_retained = table.choice("retained", &[("use", true), ("ignore", false)]).value_or(true);
    let is_unfit = durable && qos == Some(Qos::AtMostOnce);
    if is_unfit {
        let fix = "write qos = 1: only then does the broker keep a message until it is acknowledged";
        table.refuse(table.place_of("qos"), "`ack = \"durable\"` needs `qos` 1", fix);
    }
    let latency = read_latency(table, settings.as_ref());
    let publish = Request::read_all(table);
    let ignore = read_ignore(table, topics.as_deref().unwrap_or_default());
    let mut decode = DecodeConfig::read(table, labels, topics.clone());
    if let Some(decode) = &mut decode {
        decode.ignore = ignore?;
        decode.reads_retained = reads_retained;
    }
    Some(Box::new(Mqtt {
        settings: settings?,
        client_id: format!("headwater-{}-{}", context.agent, context.source),
        filters: topics?.iter().map(|template| template.filter().to_owned()).collect(),
        qos: qos.filter(|_| !is_unfit)?,
        ack,
        // The broker waits for syncs as it is, and sends nothing meanwhile.
        latency: latency.filter(|_| !durable).unwrap_or_default(),
        publish: publish?,
        decode: decode?,
        context: context.clone(),
    }))
}

/// How long messages may gather: less than a ping may take to be answered.
fn read_latency(table: &mut Table<'_>, settings: Option<&Settings>) -> Option<Duration> {
    const DEFAULT_MS: i64 = 5;
    const MAX_MS: i64 = 60_000;
    let latency_ms = table.duration("latency", 0..=MAX_MS).given().unwrap_or(DEFAULT_MS);
    let latency = Duration::from_millis(latency_ms.unsigned_abs());
    // Without settings there is another mistake, which is noted.
    let keep_alive = settings.map(|settings| settings.keep_alive);
    if let Some(keep_alive) = keep_alive.filter(|keep_alive| latency >= *keep_alive && !latency.is_zero()) {
        let fix = format!(
            "write less than {} s: the broker's answers wait with the messages",
            keep_alive.as_secs()
        );
        table.refuse(table.place_of("latency"), "`latency` is not below `keep_alive`", fix);
        return None;
    }
    Some(latency)
}

/// `None`: there were mistakes.
fn read_topics(table: &mut Table<'_>) -> Option<Vec<TopicTemplate>> {
    let Some(topics) = table.strings("topics") else {
        table.missing("topics", "add the topics to subscribe to: `topics = [\"sensors/#\"]`");
        return None;
    };
    if topics.value.is_empty() {
        table.refuse(topics.span, "`topics` is empty", "name at least one topic, such as \"sensors/#\"");
        return None;
    }
    let mut templates: Vec<TopicTemplate> = Vec::new();
    for topic in &topics.value {
        match TopicTemplate::parse(&topic.value) {
            Err(bad) => table.refuse(topic.span.clone(), bad.what, bad.fix),
            Ok(template) => {
                if let Some(other) = templates.iter().find(|other| other.overlaps(&template)) {
                    let what =
                        format!("`{}` and `{}` can match the same topic", other.filter(), template.filter());
                    let fix =
                        "a broker may then deliver its messages twice; write topics that do not overlap";
                    table.warn(topic.span.clone(), what, fix);
                }
                templates.push(template);
            }
        }
    }
    (templates.len() == topics.value.len()).then_some(templates)
}

/// Reads the filters of topics that are not read. `None`: there were mistakes.
fn read_ignore(table: &mut Table<'_>, topics: &[TopicTemplate]) -> Option<Vec<TopicTemplate>> {
    let mut ignore = Vec::new();
    let mut is_sound = true;
    for filter in table.strings("ignore").given().unwrap_or_default() {
        match TopicTemplate::parse(&filter.value) {
            Err(bad) => {
                table.refuse(filter.span, bad.what, bad.fix);
                is_sound = false;
            }
            Ok(template) => {
                if !topics.is_empty() && !topics.iter().any(|topic| topic.overlaps(&template)) {
                    let what =
                        format!("none of `topics` brings a message that `{}` could match", filter.value);
                    table.warn(filter.span, what, "leave it out");
                }
                if let Some(topic) = topics.iter().find(|topic| template.covers(topic)) {
                    let what = format!("`{}` leaves nothing of the topic `{}`", filter.value, topic.filter());
                    table.refuse(
                        table.place_of("ignore"),
                        what,
                        "write a narrower filter, or leave the topic out",
                    );
                }
                ignore.push(template);
            }
        }
    }
    is_sound.then_some(ignore)
}

fn read_qos(table: &mut Table<'_>) -> Option<Qos> {
    match table.integer("qos", 0..=2).given() {
        Some(0) => Some(Qos::AtMostOnce),
        Some(2) => {
            let fix = "write qos = 1: nothing gets lost, and repeats are rare";
            table.refuse(table.place_of("qos"), "`qos` 2 is not offered here", fix);
            None
        }
        _ => Some(Qos::AtLeastOnce),
    }
}
