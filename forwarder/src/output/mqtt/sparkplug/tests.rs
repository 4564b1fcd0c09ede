//! Births, data and deaths of a node, with an encoder of the test's own.

use super::*;
use crate::EncodeError;
use headwater_protobuf::WireFields;

/// A message's first byte is its series, the second its time, the others the names of its metrics.
struct Plain;

impl Encoder for Plain {
    fn agent(&self) -> &'static str {
        "g7"
    }

    fn takes(&self, _: &Message) -> bool {
        true
    }

    fn address<'m>(&'m self, message: &'m Message) -> Option<crate::MessageAddress<'m>> {
        let series = char::from(*message.body.first()?).to_string();
        let [agent, kind, stream] = ["g7", "summary", "air"].map(Into::into);
        Some(crate::MessageAddress { agent, kind, stream, series: series.into(), time_ms: 5_000 })
    }

    fn encode(&self, batch: &[&Message], _: Framing, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        for message in batch {
            let [_, time, names @ ..] = &message.body[..] else { continue };
            for name in names {
                let name = char::from(*name).to_string();
                put_bytes(to, METRICS, &metrics::number(&name, (*time).into(), 7));
            }
        }
        Ok(())
    }
}

fn message(body: &str) -> Message {
    Message { lane: crate::Lane::Data, made_ms: 0, body: body.as_bytes().to_vec().into() }
}

fn node(commands: &Commands) -> EdgeNode {
    EdgeNode::new(NodeName::new("plant", "g7").unwrap(), 3, commands.clone())
}

/// All births that are due, and how many metrics each has.
fn births(node: &mut EdgeNode) -> Vec<(String, usize)> {
    std::iter::from_fn(|| {
        let mut birth = node.due()?;
        node.put_sequence(&mut birth.payload);
        node.sent();
        node.born();
        Some((birth.topic, metrics_of(&birth.payload).unwrap().len()))
    })
    .collect()
}

fn expected(births: &[(&str, usize)]) -> Vec<(String, usize)> {
    births.iter().map(|(topic, metrics)| (format!("spBv1.0/plant/{topic}"), *metrics)).collect()
}

#[test]
fn the_node_is_born_first_and_each_device_before_its_data() {
    let commands = Commands::default();
    let mut node = node(&commands);
    assert!(node.due().is_none(), "the time is not known");
    node.tell_time(5_000);
    assert_eq!(births(&mut node), expected(&[("NBIRTH/g7", 2)]));
    let data = node.data(&Plain, &message("a\x09xy"), false).unwrap();
    assert_eq!(births(&mut node), expected(&[("DBIRTH/g7/air:a", 2)]));
    let publication = node.publication(&data);
    assert_eq!(publication.topic, "spBv1.0/plant/DDATA/g7/air:a");
    let told = metrics_of(&publication.payload).unwrap();
    assert_eq!(
        told.iter().map(|metric| (metric.name, metric.time)).collect::<Vec<_>>(),
        [("x", 9), ("y", 9)]
    );
    // Known metrics need no birth; another one does.
    node.data(&Plain, &message("a\x0ax"), false).unwrap();
    assert_eq!(births(&mut node), []);
    node.data(&Plain, &message("a\x0az"), false).unwrap();
    assert_eq!(births(&mut node), expected(&[("DBIRTH/g7/air:a", 3)]));
}

#[test]
fn a_rebirth_tells_all_devices_again_and_counts_from_zero() {
    let commands = Commands::default();
    let mut node = node(&commands);
    for body in ["a\x09x", "b\x09x"] {
        node.data(&Plain, &message(body), false).unwrap();
        births(&mut node);
    }
    assert_eq!(node.sequence, 3);
    let mut command = Vec::new();
    put_bytes(&mut command, METRICS, &metrics::boolean("Node Control/Reboot", 1, true));
    hear(&command, &commands);
    assert!(!commands.get());
    put_bytes(&mut command, METRICS, &metrics::boolean(REBIRTH, 1, true));
    hear(&command, &commands);
    hear(b"\xff", &commands);
    let told = births(&mut node);
    assert_eq!(told.first(), expected(&[("NBIRTH/g7", 2)]).first());
    assert_eq!((told.len(), node.sequence), (3, 3), "{told:?}");
}

#[test]
fn what_waited_is_historical_and_no_birth_says_it_as_the_last_value() {
    let mut node = node(&Commands::default());
    let is_historical = |data: &DeviceData| {
        let (_, metric) = WireFields(&data.metrics).field().unwrap().unwrap();
        let mut fields = WireFields(metric.bytes());
        std::iter::from_fn(|| fields.field().unwrap()).any(|(field, value)| (field, value.number()) == (5, 1))
    };
    let waited = node.data(&Plain, &message("a\x09x"), true).unwrap();
    assert!(is_historical(&waited));
    assert!(node.due().is_some_and(|birth| birth.topic.contains("NBIRTH")));
    node.born();
    let birth = node.due().unwrap();
    node.born();
    let born = metrics_of(&birth.payload).unwrap();
    let mut fields = WireFields(born[0].bytes);
    let told: Vec<u64> = std::iter::from_fn(|| fields.field().unwrap()).map(|(field, _)| field).collect();
    assert_eq!(told, [1, 3, 4, 7], "no value");
    assert!(!is_historical(&node.data(&Plain, &message("a\x14x"), false).unwrap()));
    assert!(is_historical(&node.data(&Plain, &message("a\x13x"), false).unwrap()), "a revision");
}

#[test]
fn names_are_levels_that_no_other_names_have() {
    assert_eq!(escaped("air/bed1/temp"), "air:bed1:temp");
    assert_eq!(escaped("air/b:1/+#%"), "air:b%3A1:%2B%23%25");
    let name = NodeName::new("plant", "g/7").unwrap();
    assert_eq!(name.filter(), "spBv1.0/plant/+/g:7/#");
    assert!(NodeName::new("a/b", "g7").is_err() && NodeName::new("", "g7").is_err());
    let will = name.last_will(9);
    assert_eq!((&*will.topic, will.retain), ("spBv1.0/plant/NDEATH/g:7", false));
    assert_eq!(metrics_of(&will.payload).unwrap()[0].name, BIRTH_DEATH);
}
