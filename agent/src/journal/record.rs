//! What a journal holds, and how it is written: a tag, then numbers of variable length.
//!
//! | tag | record |
//! |---|---|
//! | 1 | now: time and agent's time, each as the difference from the last one |
//! | 2, 3 | a reading: handle, its time as the difference from now (not in 2, stamped on arrival), value f64 |
//! | 4 | a series is introduced, or known at the segment's beginning: handle, source, name, labels |
//! | 5 | windows are looked at |
//! | 6 | a link: source, whether it is up |
//! | 7 | a count: kind, source, number |
//! | 8 | the revisions that may be told: a number, 0 for no limit, else the limit and 1 |
//! | 9 | a message of the agent's own: lane, time, bytes |
//! | 10 | the engine's own sections, as in a checkpoint |
//! | 11 | everything before this place is acknowledged or in the buffer: segment, bytes |
//! | 12 | the end: what follows is not in the journal |
//! | 13 | memory: how short it is, 0 to 2 |
//! | 14 | a receipt, behind the readings of its message: source, number |
//! | 15 | whether the readings that follow are values that a broker had kept: 1 or 0 |
//! | 16 | everything before this place is synced: segment, bytes |
//! | 17 | a source: its number in this segment, name |
//! | 18 | now, where both times have moved by as much |
//! | 19 | a receipt of the source of the last one, whose lower 16 bits follow those of the last one: the upper bits, u32 |
//! | 20 | a position, behind the readings that were read before it: source, key, the place in that input; empty: forgotten |
//! | 21 | a series is forgotten: the source that wanted room, name |
//! | 22 | a mark, first in its frame: what follows can be read without what is before it: introductions so far, time, agent's time |
//! | 32 + s, 48 + s | as 2 and 3, the value an integer that is to be divided by 10^s; a time is the difference from the last such one |
//!
//! A version 2 journal has no tags above 17, a version 3 journal none above 20.

mod decoder;

pub(super) use decoder::Decoder;

use super::Place;
use super::decimal::Decimals;
use crate::varint::{self, zigzag};
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_pipeline::pipeline::{Pressure, TakenAt};
use headwater_sensors::Receipt;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Record<'a> {
    /// The time of what follows.
    Now(Now),
    /// A reading of a series.
    Reading(u32, TakenAt, f64),
    /// A series of a source, by the handle that it has in this segment.
    Series { handle: u32, source: usize, name: &'a str, labels: Vec<(String, String)> },
    /// The pipeline closes the windows that are due.
    Tick,
    /// A source's connection.
    Link(usize, bool),
    /// A source's payloads that are no readings.
    Count(IntakeCount, usize, u32),
    /// Whether the readings that follow are values that a broker had kept.
    Replayed(bool),
    /// The highest revision that may be sent; `None`: there is no limit.
    RevLimit(Option<u32>),
    /// A message that the engine has made.
    Message { lane: u8, made_ms: i64, body: &'a [u8] },
    /// Sections of the engine.
    Engine(&'a [u8]),
    /// The messages made before this position are safe.
    Kept(Place),
    /// The end of the journal, although the agent goes on.
    End,
    /// The pressure on memory from here on.
    Pressure(Pressure),
    /// A source has handed over a message.
    Receipt(usize, Receipt),
    /// A source, by the number that it has in this segment.
    Source(usize, &'a str),
    /// Everything before this position is synced.
    Synced(Place),
    /// A series has given way, because a source wanted room.
    Forgotten { source: usize, name: &'a str },
    /// A source has read an input up to here.
    Position { source: usize, key: &'a [u8], at: &'a [u8] },
    /// What follows can be read without what is before it: the series introduced so far in this segment, and the time.
    Mark(u64, Now),
}

/// The counts of a source that do not come from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntakeCount {
    /// Payloads that cannot be decoded.
    Invalid,
    /// Payloads that were counted before.
    Repeated,
    /// Readings of series past the limit.
    Refused,
    /// Records that hold no reading.
    Empty,
    /// Readings that the source's own condition turned away.
    Filtered,
    /// Retained messages that are not read.
    Retained,
    /// Payloads that were lost before they were decoded.
    Dropped,
}

/// Puts records at the end of a buffer.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    pub(super) bytes: Vec<u8>,
    now: Option<Now>,
    decimals: Decimals,
    /// The time of the last reading with a decimal value and a time of its own (ms).
    event: i64,
    receipt: Option<(usize, Receipt)>,
    /// The introductions in this segment, by which a reader behind a damaged part knows whether it has all of them.
    introductions: u64,
}

/// The tag of a mark.
pub(super) const MARK: u8 = 22;

/// The first tags of readings with decimal values; the scale is added.
const ARRIVAL: u8 = 32;
const EVENT: u8 = 48;

const START: Now = Now { time: Time(0), alive: AgentTime(0), synced: true };

impl Encoder {
    /// Begins a segment: times are written whole again.
    pub(super) fn begin(&mut self) {
        self.bytes.clear();
        self.now = None;
        self.event = 0;
        self.receipt = None;
        self.introductions = 0;
    }

    /// From here on nothing is the difference from what came before. Nothing: no time is known yet.
    pub(super) fn mark(&mut self) {
        let Some(now) = self.now else { return };
        self.event = 0;
        self.receipt = None;
        self.bytes.push(MARK);
        self.number(self.introductions);
        self.number(zigzag(now.time.0));
        self.number(zigzag(now.alive.0));
    }

    #[inline]
    fn number(&mut self, number: u64) {
        varint::put(&mut self.bytes, number);
    }

    fn text(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// Notes the time of the records that follow.
    #[inline]
    pub(super) fn now(&mut self, now: Now) {
        if self.now == Some(now) {
            return;
        }
        let last = self.now.replace(now).unwrap_or(START);
        let (time, alive) = (now.time.0.wrapping_sub(last.time.0), now.alive.0.wrapping_sub(last.alive.0));
        if time == alive {
            self.bytes.push(18);
            self.number(zigzag(time));
        } else {
            self.bytes.push(1);
            self.number(zigzag(time));
            self.number(zigzag(alive));
        }
    }

    #[inline]
    pub(super) fn reading(&mut self, handle: u32, taken: TakenAt, value: f64, now: Now) {
        self.now(now);
        let decimal = self.decimals.of(value);
        let (arrival, event) = decimal.map_or((2, 3), |(_, scale)| (ARRIVAL + scale, EVENT + scale));
        match taken {
            TakenAt::Arrival => {
                self.bytes.push(arrival);
                self.number(u64::from(handle));
            }
            TakenAt::Event(ms) => {
                self.bytes.push(event);
                self.number(u64::from(handle));
                let last = decimal.map_or(now.time.0, |_| std::mem::replace(&mut self.event, ms));
                self.number(zigzag(ms.wrapping_sub(last)));
            }
        }
        match decimal {
            Some((digits, _)) => self.number(zigzag(digits)),
            None => self.bytes.extend_from_slice(&value.to_le_bytes()),
        }
    }

    pub(super) fn series(&mut self, handle: u32, source: usize, name: &str, labels: &[(String, String)]) {
        self.introductions += 1;
        self.bytes.push(4);
        self.number(u64::from(handle));
        self.number(source as u64);
        self.text(name.as_bytes());
        self.number(labels.len() as u64);
        for (key, value) in labels {
            self.text(key.as_bytes());
            self.text(value.as_bytes());
        }
    }

    pub(super) fn tick(&mut self, now: Now) {
        self.now(now);
        self.bytes.push(5);
    }

    pub(super) fn link(&mut self, source: usize, is_up: bool, now: Now) {
        self.now(now);
        self.bytes.push(6);
        self.number(source as u64);
        self.bytes.push(u8::from(is_up));
    }

    pub(super) fn count(&mut self, count: IntakeCount, source: usize, number: u32) {
        let kind = match count {
            IntakeCount::Invalid => 0,
            IntakeCount::Repeated => 1,
            IntakeCount::Refused => 2,
            IntakeCount::Empty => 3,
            IntakeCount::Filtered => 4,
            IntakeCount::Retained => 5,
            IntakeCount::Dropped => 6,
        };
        self.bytes.extend_from_slice(&[7, kind]);
        self.number(source as u64);
        self.number(u64::from(number));
    }

    pub(super) fn replayed(&mut self, is_replayed: bool) {
        self.bytes.extend_from_slice(&[15, u8::from(is_replayed)]);
    }

    pub(super) fn rev_limit(&mut self, limit: Option<u32>) {
        self.bytes.push(8);
        self.number(limit.map_or(0, |limit| u64::from(limit) + 1));
    }

    pub(super) fn message(&mut self, lane: u8, made_ms: i64, body: &[u8]) {
        self.bytes.extend_from_slice(&[9, lane]);
        self.number(zigzag(made_ms));
        self.text(body);
    }

    pub(super) fn engine(&mut self, sections: &[u8]) {
        self.bytes.push(10);
        self.text(sections);
    }

    pub(super) fn kept(&mut self, place: Place) {
        self.bytes.push(11);
        self.number(place.segment);
        self.number(place.bytes);
    }

    pub(super) fn source(&mut self, source: usize, name: &str) {
        self.bytes.push(17);
        self.number(source as u64);
        self.text(name.as_bytes());
    }

    pub(super) fn synced(&mut self, place: Place) {
        self.bytes.push(16);
        self.number(place.segment);
        self.number(place.bytes);
    }

    pub(super) fn pressure(&mut self, pressure: Pressure) {
        self.bytes.extend_from_slice(&[13, pressure as u8]);
    }

    pub(super) fn receipt(&mut self, source: usize, receipt: Receipt) {
        let last = self.receipt.replace((source, receipt));
        let follows = last.is_some_and(|(of, last)| of == source && follows(last, receipt));
        if follows && let Ok(upper) = u32::try_from(receipt.0 >> 16) {
            self.bytes.push(19);
            self.bytes.extend_from_slice(&upper.to_le_bytes());
        } else {
            self.bytes.push(14);
            self.number(source as u64);
            self.number(receipt.0);
        }
    }

    pub(super) fn position(&mut self, source: usize, key: &[u8], at: &[u8]) {
        self.bytes.push(20);
        self.number(source as u64);
        self.text(key);
        self.text(at);
    }

    pub(super) fn forgotten(&mut self, source: usize, name: &str, now: Now) {
        self.now(now);
        self.bytes.push(21);
        self.number(source as u64);
        self.text(name.as_bytes());
    }

    pub(super) fn end(&mut self) {
        self.bytes.push(12);
    }
}

/// Whether the lower 16 bits of a receipt are those of the last one and 1: an MQTT packet id, and the next.
fn follows(Receipt(last): Receipt, Receipt(receipt): Receipt) -> bool {
    receipt & LOWER == last.wrapping_add(1) & LOWER
}

/// The lower 16 bits of a receipt.
const LOWER: u64 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Damaged;
    use proptest::prelude::*;

    fn now(ms: i64, apart: i64) -> Now {
        Now { time: Time(1_700_000_000_000 + ms), alive: AgentTime(ms + apart), synced: true }
    }

    fn decoded(mut bytes: &[u8]) -> Result<Vec<Record<'_>>, Damaged> {
        let (mut decoder, mut records) = (Decoder::default(), Vec::new());
        while !bytes.is_empty() {
            records.push(decoder.next(&mut bytes)?);
        }
        Ok(records)
    }

    /// One message of one reading: its time, the reading, and the receipt of QoS 1.
    #[test]
    fn a_reading_and_its_receipt_take_less_than_12_bytes() {
        let mut encoder = Encoder::default();
        let put = |encoder: &mut Encoder, n: u16| {
            let at = now(i64::from(n) * 5, 0);
            encoder.reading(7, TakenAt::Arrival, 18.0 + f64::from(n % 900) / 100.0, at);
            encoder.receipt(0, Receipt(0xdead_beef_0000 | u64::from(n)));
        };
        put(&mut encoder, 0);
        let first = encoder.bytes.len();
        (1..=1_000).for_each(|n| put(&mut encoder, n));
        let each = (encoder.bytes.len() - first) as f64 / 1_000.0;
        assert!(each < 12.0, "{each}");
        let readings = decoded(&encoder.bytes).unwrap().into_iter().filter_map(|record| match record {
            Record::Reading(_, _, value) => Some(value),
            _ => None,
        });
        assert!(readings.eq((0..=1_000_u16).map(|n| 18.0 + f64::from(n % 900) / 100.0)));
    }

    proptest! {
        /// What is put comes back, to the bit, and any bytes are read without a panic.
        #[test]
        fn records_come_back(
            all in prop::collection::vec((0..5_000_i64, -3..3_i64, any::<f64>(), -9_999..9_999_i32, any::<u64>()), 0..60),
            bytes: Vec<u8>,
        ) {
            let (mut encoder, mut expected, mut last) = (Encoder::default(), Vec::new(), None);
            for (step, (ms, apart, any, digits, receipt)) in all.into_iter().enumerate() {
                let at = now(ms, apart);
                let value = if any.is_finite() && step % 3 == 0 { any } else { f64::from(digits) / 100.0 };
                let taken = if step % 2 == 0 { TakenAt::Arrival } else { TakenAt::Event(at.time.0 - ms) };
                let receipt = Receipt(if step % 4 == 0 { receipt } else { step as u64 | (receipt >> 32) << 16 });
                encoder.reading(7, taken, value, at);
                encoder.receipt(step / 10, receipt);
                if last.replace(at) != Some(at) {
                    expected.push(Record::Now(at));
                }
                expected.extend([Record::Reading(7, taken, value), Record::Receipt(step / 10, receipt)]);
            }
            let read = decoded(&encoder.bytes);
            let bits = |records: &[Record<'_>]| -> Vec<u64> {
                let bits = |record: &Record<'_>| match record {
                    Record::Reading(_, _, value) => Some(value.to_bits()),
                    _ => None,
                };
                records.iter().filter_map(bits).collect()
            };
            prop_assert_eq!(read.as_deref().map(bits), Ok(bits(&expected)));
            prop_assert_eq!(read, Ok(expected));
            let _ = decoded(&bytes);
        }
    }
}
