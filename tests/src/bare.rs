//! Clients that have nothing else to do, to hold an agent's outputs against.

use flate2::Compression;
use flate2::write::GzEncoder;
use rumqttc::{Client, Event, MqttOptions, NetworkOptions, Packet, QoS};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

/// Messages a second of a rumqttc publisher on a broker of loopback, at QoS 1 with 1,000 in flight; `payload` in bytes.
///
/// # Panics
/// When the broker goes away.
#[must_use]
pub fn mqtt_publisher(port: u16, topic: &str, messages: usize, payload: usize) -> f64 {
    let mut options = MqttOptions::new("bare", "127.0.0.1", port);
    options.set_inflight(1_000);
    let (client, mut connection) = Client::new(options, 1_000);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    connection.eventloop.set_network_options(network);
    let (topic, began) = (topic.to_owned(), Instant::now());
    let publisher = std::thread::spawn(move || {
        for _ in 0..messages {
            let body = vec![b'x'; payload];
            client.publish(&topic, QoS::AtLeastOnce, false, body).expect("a publish");
        }
        client
    });
    let acknowledged = |event: &Result<Event, _>| matches!(event, Ok(Event::Incoming(Packet::PubAck(_))));
    let done = connection.iter().filter(acknowledged).take(messages).count();
    drop(publisher.join());
    done as f64 / began.elapsed().as_secs_f64()
}

/// Posts texts over one connection, each when the one before is answered, and compresses them where `is_gzip`. Returns how long it
/// takes (s).
///
/// # Panics
/// When the server goes away, or answers with anything but success.
#[must_use]
pub fn http_poster(port: u16, path: &str, texts: &[Vec<u8>], is_gzip: bool) -> f64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server");
    stream.set_nodelay(true).expect("a socket");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket"));
    let encoding = if is_gzip { "Content-Encoding: gzip\r\n" } else { "" };
    let began = Instant::now();
    for text in texts {
        let body = if is_gzip { deflated(text) } else { text.clone() };
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{encoding}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).expect("a request");
        let head = read_head(&mut answers).expect("an answer");
        assert!(head.starts_with("HTTP/1.1 20"), "{head}");
        answers.read_exact(&mut vec![0; content_length(&head)]).expect("an answer");
    }
    began.elapsed().as_secs_f64()
}

fn deflated(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory")
}

/// The lines before the body of a request or an answer, in HTTP/1.1.
///
/// # Errors
/// The connection ends.
pub fn read_head(from: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// The bytes of the body that comes after such lines; 0 where they do not say.
#[must_use]
pub fn content_length(head: &str) -> usize {
    let value = head.lines().filter_map(|line| line.split_once(": "));
    let length = value.clone().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}
