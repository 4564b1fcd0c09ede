//! A broker that answers what it is told to: every error of the protocol that a producer may meet, in turn.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails loudly")]

use headwater_kafka::{KafkaSettings, Producer, ProducerAnswer, ProducerRecord, RecordCompression};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

const TOPIC: &str = "topic";

/// What the broker does with a batch.
#[derive(Clone, Copy)]
enum Fate {
    /// Refuses it with this code.
    Refused(i16),
    /// Keeps it, and answers with this code all the same.
    Kept(i16),
}

/// What the broker holds, and what it does next. When nothing is told it takes what has no `bad` in it.
#[derive(Default)]
struct Broker {
    values: Vec<String>,
    fates: VecDeque<Fate>,
    batches: usize,
    look_ups: usize,
}

/// Big-endian fields of a request, from its front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn length(&mut self) -> usize {
        usize::try_from(self.i32()).unwrap()
    }

    /// A zigzag number of variable length.
    fn varint(&mut self) -> i64 {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
            }
        }
    }

    fn varbytes(&mut self) -> &'a [u8] {
        let length = usize::try_from(self.varint()).unwrap();
        self.take(length)
    }
}

/// The values of an uncompressed batch.
fn values(batch: &[u8]) -> Vec<String> {
    let mut fields = Fields(&batch[57..]);
    let count = fields.i32();
    let mut value = || {
        let mut record = Fields(fields.varbytes());
        record.take(1);
        record.varint();
        record.varint();
        record.varbytes();
        String::from_utf8(record.varbytes().to_vec()).unwrap()
    };
    (0..count).map(|_| value()).collect()
}

impl Broker {
    fn produce(&mut self, body: &[u8]) -> Vec<u8> {
        let mut fields = Fields(body);
        fields.take(2 + 2 + 4);
        assert_eq!(fields.i32(), 1, "one topic");
        let length = usize::try_from(fields.i16()).unwrap();
        fields.take(length);
        assert_eq!((fields.i32(), fields.i32()), (1, 0), "one partition, number 0");
        let length = fields.length();
        let batch = values(fields.take(length));
        self.batches += 1;
        let is_bad = batch.iter().any(|value| value == "bad");
        let (keep, code) = match self.fates.pop_front() {
            Some(Fate::Refused(code)) => (false, code),
            Some(Fate::Kept(code)) => (true, code),
            None if is_bad => (false, 87),
            None => (true, 0),
        };
        if keep {
            self.values.extend(batch);
        }
        let topic = [&5_i16.to_be_bytes()[..], TOPIC.as_bytes()].concat();
        let partition = [&1_i32.to_be_bytes()[..], &[0; 4], &code.to_be_bytes(), &[0; 24]].concat();
        let nothing_more = [&[0; 4][..], &(-1_i16).to_be_bytes()].concat();
        [&1_i32.to_be_bytes()[..], &topic, &partition, &nothing_more, &[0; 4]].concat()
    }

    fn metadata(&mut self, port: u16) -> Vec<u8> {
        self.look_ups += 1;
        let string =
            |text: &str| [&i16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
        let one = 1_i32.to_be_bytes();
        let brokers =
            [&one[..], &one, &string("127.0.0.1"), &i32::from(port).to_be_bytes(), &[0xff; 2]].concat();
        let partition = [&one[..], &[0; 2], &[0; 4], &one, &one, &one, &one, &one].concat();
        let topics = [&one[..], &[0; 2], &string(TOPIC), &[0], &partition].concat();
        [&[0; 4][..], &brokers, &[0xff; 2], &one, &topics].concat()
    }
}

/// Answers requests on a connection until it is closed.
fn serve(mut stream: TcpStream, broker: &Mutex<Broker>) {
    let port = stream.local_addr().unwrap().port();
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).unwrap();
        let mut head = Fields(&request);
        let (api, _, correlation) = (head.i16(), head.i16(), head.i32());
        let client = usize::try_from(head.i16()).unwrap();
        head.take(client);
        let body = match api {
            18 => [&[0_u8, 0, 0, 0, 0, 2][..], &[0, 0, 0, 0, 0, 8], &[0, 3, 0, 0, 0, 4]].concat(),
            3 => broker.lock().unwrap().metadata(port),
            0 => broker.lock().unwrap().produce(head.0),
            other => panic!("request {other}"),
        };
        let size = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        stream.write_all(&[&size[..], &correlation.to_be_bytes(), &body].concat()).unwrap();
    }
}

/// Sends values to a broker that does with the batches what is told. The broker at the end, and what became of each value.
fn send(values: &[&str], fates: &[Fate]) -> (Broker, Vec<Result<usize, String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let broker = Arc::new(Mutex::new(Broker { fates: fates.iter().copied().collect(), ..Broker::default() }));
    let served = broker.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, served) = (stream.unwrap(), served.clone());
            std::thread::spawn(move || serve(stream, &served));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let settings = Rc::new(KafkaSettings::parse(&address, "test").unwrap());
    let mut told = Vec::new();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut producer = Producer::new(settings, Rc::new(|| 1), RecordCompression::None);
        for (tag, value) in values.iter().enumerate() {
            let (topic, key, value) = (TOPIC.to_owned(), b"key".to_vec(), value.as_bytes().to_vec());
            producer.inbox().push(ProducerRecord { tag, topic, key, value, headers: Vec::new() });
        }
        while told.len() < values.len() {
            told.extend(producer.next().await.unwrap().into_iter().map(|answer| match answer {
                ProducerAnswer::Acked(tag) => Ok(tag),
                ProducerAnswer::Refused { tag, why } => Err(format!("{tag}: {why}")),
            }));
        }
    });
    drop(runtime);
    let broker = std::mem::take(&mut *broker.lock().unwrap());
    (broker, told)
}

const VALUES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[test]
fn whatever_a_broker_answers_is_tried_again_in_order() {
    let codes = [-1, 2, 3, 5, 6, 7, 8, 13, 19, 20, 29, 32, 56, 72, 74, 75, 89, 4711];
    let (broker, told) = send(&VALUES, &codes.map(Fate::Refused));
    assert_eq!(broker.values, VALUES);
    assert_eq!(told, (0..6).map(Ok).collect::<Vec<_>>());
    assert_eq!(broker.batches, codes.len() + 1);
    // Leaders are looked up again where they may have moved.
    assert!(broker.look_ups >= 8, "{} look-ups", broker.look_ups);
}

/// A leader that has the batch, and says that others do not: it comes again as a whole, in order.
#[test]
fn what_was_kept_and_not_acknowledged_comes_again_in_order() {
    let (broker, told) = send(&VALUES, &[Fate::Kept(7), Fate::Kept(20)]);
    assert_eq!(broker.values, [VALUES, VALUES, VALUES].concat());
    assert_eq!(told, (0..6).map(Ok).collect::<Vec<_>>());
}

#[test]
fn one_bad_record_is_refused_alone_and_the_others_keep_their_order() {
    let values = ["a", "b", "c", "bad", "d", "e", "f", "g", "bad"];
    let (broker, told) = send(&values, &[Fate::Refused(6)]);
    assert_eq!(broker.values, ["a", "b", "c", "d", "e", "f", "g"]);
    let refused: Vec<&String> = told.iter().filter_map(|told| told.as_ref().err()).collect();
    assert_eq!(refused, ["3: topic: INVALID_RECORD (87)", "8: topic: INVALID_RECORD (87)"]);
}
