//! Servers that are no broker, or one out of its mind: every call ends, in time and with little memory, and nothing panics.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use headwater_kafka::{Cluster, KafkaError, KafkaSettings};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Asks a server for a topic that answers each request with what `answer` makes of its number and its correlation.
fn ask(answer: impl Fn(usize, [u8; 4]) -> Vec<u8> + Send + 'static) -> Result<(), KafkaError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for number in 0.. {
            let mut head = [0; 12];
            if stream.read_exact(&mut head).is_err() {
                return;
            }
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let mut rest = vec![0; length - 8];
            let _ = stream.read_exact(&mut rest);
            if stream.write_all(&answer(number, [head[8], head[9], head[10], head[11]])).is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut cluster = Cluster::new(Rc::new(KafkaSettings::parse(&address, "test").unwrap()));
    let asked = runtime.block_on(cluster.look_up(&["topic".to_owned()], false));
    drop((cluster, runtime));
    server.join().unwrap();
    asked
}

/// An answer with a body.
fn framed(correlation: [u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&length[..], &correlation, body].concat()
}

/// The versions that a broker takes: all that is asked for.
fn versions(correlation: [u8; 4]) -> Vec<u8> {
    let apis = [0_i16, 1, 2, 3, 17, 18, 36];
    let mut body = vec![0, 0, 0, 0, 0, apis.len() as u8];
    apis.iter().for_each(|api| body.extend([api.to_be_bytes(), [0, 0], [0, 11]].concat()));
    framed(correlation, &body)
}

#[test]
fn what_is_no_answer_is_said() {
    for (answer, word) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "an answer of an impossible length"),
        (b"\x00\x00\x00\x01x\x00\x00\x00".to_vec(), "an answer of an impossible length"),
        (vec![0xff; 64], "an answer of an impossible length"),
        (framed([9; 4], b"other"), "another request"),
    ] {
        let error = ask(move |_, _| answer.clone()).unwrap_err().to_string();
        assert!(
            error.contains(word) && error.contains("a port with TLS (`tls = true`), or no broker?"),
            "{error}"
        );
    }
}

/// Lists that claim two thousand million elements, texts that end nowhere, and noise.
#[test]
fn nonsense_in_answers_is_an_error() {
    let mut noise = fastrand::Rng::with_seed(5);
    let mut bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0x7f; 8],
        [&[0; 4][..], &i32::MAX.to_be_bytes()].concat(),
        [&[0; 4][..], &[0, 0, 0, 1], &[0, 0, 0, 1], &i16::MAX.to_be_bytes()].concat(),
        // No broker at all.
        [&[0; 4][..], &[0; 4], &[0xff, 0xff], &[0; 4], &[0; 4]].concat(),
    ];
    bodies.extend((0..200).map(|_| (0..noise.usize(..300)).map(|_| noise.u8(..8)).collect()));
    let start = Instant::now();
    for body in bodies {
        let shown = body.clone();
        let asked = ask(
            move |number, correlation| {
                if number == 0 { versions(correlation) } else { framed(correlation, &body) }
            },
        );
        assert!(asked.is_err(), "{shown:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(60));
}
