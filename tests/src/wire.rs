//! The few MQTT 3.1.1 packets that a blocking test client needs.
//!
//! The tests have a client of their own because a library hides what they must know. A publisher must know which packets
//! the broker has acknowledged, a subscriber every byte that the broker sent before it was killed.

use std::io::{self, Read};

/// A packet from a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The answer to a connect.
    ConnAck {
        /// Whether the broker has kept a session.
        session_present: bool,
        /// 0: the broker accepts the client.
        code: u8,
    },
    /// The answer to a subscribe.
    SubAck,
    /// A message.
    Publish {
        /// The topic.
        topic: String,
        /// The payload.
        payload: Vec<u8>,
        /// The packet id; `None` at QoS 0.
        id: Option<u16>,
        /// Whether the broker had retained the message.
        retain: bool,
    },
    /// The broker has acknowledged the publish of this id.
    PubAck(u16),
    /// Anything else.
    Other(u8),
}

/// The identity of a client.
pub struct Connect<'a> {
    /// The client id.
    pub id: &'a str,
    /// Whether the broker is to forget an earlier session.
    pub clean: bool,
    /// Name and password.
    pub login: Option<(&'a str, &'a str)>,
}

impl Connect<'_> {
    /// The packet; its keep-alive is off.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let login = if self.login.is_some() { 0xc0 } else { 0 };
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, u8::from(self.clean) << 1 | login, 0, 0];
        put_text(&mut body, self.id);
        if let Some((name, password)) = self.login {
            put_text(&mut body, name);
            put_text(&mut body, password);
        }
        frame(0x10, &body)
    }
}

/// A subscribe to one filter.
#[must_use]
pub fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    put_text(&mut body, filter);
    body.push(qos);
    frame(0x82, &body)
}

/// A publish: QoS 1 with an id, else QoS 0.
#[must_use]
pub fn publish(topic: &str, payload: &[u8], id: Option<u16>) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    put_text(&mut body, topic);
    body.extend(id.iter().flat_map(|id| id.to_be_bytes()));
    body.extend_from_slice(payload);
    frame(if id.is_some() { 0x32 } else { 0x30 }, &body)
}

/// A message at QoS 0 that the broker keeps.
#[must_use]
pub fn retained(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut packet = publish(topic, payload, None);
    packet.iter_mut().take(1).for_each(|head| *head |= 1);
    packet
}

/// A disconnect.
#[must_use]
pub fn disconnect() -> Vec<u8> {
    frame(0xe0, &[])
}

/// Reads one packet.
///
/// # Errors
/// The stream's own, and `InvalidData` for what is not MQTT.
pub fn read(stream: &mut impl Read) -> io::Result<Packet> {
    let (head, body) = read_frame(stream)?;
    parse(head, &body).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an MQTT packet"))
}

/// Reads one packet as bytes: the first, and those behind the length.
///
/// # Errors
/// The stream's own.
pub fn read_frame(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0];
    stream.read_exact(&mut head)?;
    let mut body = vec![0; read_length(stream)?];
    stream.read_exact(&mut body)?;
    Ok((head[0], body))
}

fn parse(head: u8, body: &[u8]) -> Option<Packet> {
    Some(match head >> 4 {
        2 => Packet::ConnAck { session_present: *body.first()? == 1, code: *body.get(1)? },
        3 => {
            let (topic, rest) = take_text(body)?;
            let (id, rest) = if head & 0x06 == 0 {
                (None, rest)
            } else {
                take_id(rest).map(|(id, rest)| (Some(id), rest))?
            };
            Packet::Publish { topic, payload: rest.to_vec(), id, retain: head & 1 == 1 }
        }
        4 => Packet::PubAck(take_id(body)?.0),
        9 => Packet::SubAck,
        other => Packet::Other(other),
    })
}

fn read_length(stream: &mut impl Read) -> io::Result<usize> {
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a length of more than four bytes"))
}

/// A packet of a first byte and what stands behind its length.
#[must_use]
pub fn frame(head: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 5);
    out.push(head);
    let mut rest = body.len();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        out.push(if rest == 0 { low } else { low | 0x80 });
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("a text of less than 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take_id(body: &[u8]) -> Option<(u16, &[u8])> {
    let (id, rest) = body.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*id), rest))
}

fn take_text(body: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = take_id(body)?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_reads_back_whatever_its_length() {
        for (length, id) in
            [(0, None), (127, Some(7)), (128, None), (20_000, Some(65_535)), (3_000_000, None)]
        {
            let payload = vec![b'x'; length];
            let bytes = publish("a/b", &payload, id);
            let expected = Packet::Publish { topic: "a/b".to_owned(), payload, id, retain: false };
            assert_eq!(read(&mut bytes.as_slice()).unwrap(), expected);
        }
    }

    #[test]
    fn short_or_foreign_bytes_are_errors() {
        for bytes in
            [&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff][..], &[0x30, 2, 0, 9], &[0x40, 1, 0], &[0x20, 0], &[0x30]]
        {
            assert!(read(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
