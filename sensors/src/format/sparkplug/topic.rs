//! The topic of a message of an edge node: `spBv1.0/GROUP/TYPE/NODE/DEVICE`.

use crate::fields::DecodeError;

pub(super) const NAMESPACE: &str = "spBv1.0";

/// The topic of a message of an edge node.
#[derive(Clone, Copy)]
pub(super) struct NodeTopic<'a> {
    pub(super) group: &'a str,
    pub(super) kind: Kind,
    pub(super) node: &'a str,
    /// Empty: the node itself.
    pub(super) device: &'a str,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    NodeBirth,
    DeviceBirth,
    Data,
    NodeDeath,
    DeviceDeath,
}

/// `None`: the message is a command or the state of a host.
pub(super) fn topic_of(topic: &str) -> Result<Option<NodeTopic<'_>>, DecodeError> {
    let mistake = || DecodeError::new("the topic is none of Sparkplug B, `spBv1.0/GROUP/TYPE/NODE/DEVICE`");
    let mut levels = Some(topic);
    if next_level(&mut levels) != Some(NAMESPACE) {
        return Err(mistake());
    }
    let (group, kind, node) =
        match (next_level(&mut levels), next_level(&mut levels), next_level(&mut levels)) {
            (Some("STATE"), ..) => return Ok(None),
            (Some(group), Some(kind), Some(node)) => (group, kind, node),
            _ => return Err(mistake()),
        };
    let device = next_level(&mut levels).unwrap_or_default();
    let kind = match kind {
        "NBIRTH" => Kind::NodeBirth,
        "DBIRTH" => Kind::DeviceBirth,
        "NDATA" | "DDATA" => Kind::Data,
        "NDEATH" => Kind::NodeDeath,
        "DDEATH" => Kind::DeviceDeath,
        "NCMD" | "DCMD" => return Ok(None),
        _ => return Err(mistake()),
    };
    Ok(Some(NodeTopic { group, kind, node, device }))
}

/// Takes a level of a topic from its front, byte by byte: levels are short, and `str::split` is made for long texts.
fn next_level<'a>(topic: &mut Option<&'a str>) -> Option<&'a str> {
    let rest = (*topic)?;
    let end = rest.bytes().position(|byte| byte == b'/').unwrap_or(rest.len());
    *topic = rest.get(end + 1..);
    rest.get(..end)
}
