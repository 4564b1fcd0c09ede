//! Reads the records of a journal.

use super::super::Place;
use super::super::decimal::{SCALES, value_of};
use super::{ARRIVAL, EVENT, IntakeCount, LOWER, MARK, Record, START};
use crate::frames::Damaged;
use crate::varint::{self, unzigzag};
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_pipeline::pipeline::{Pressure, TakenAt};
use headwater_sensors::Receipt;

/// Reads what an [`super::Encoder`] has put, from the beginning of a segment on.
#[derive(Debug, Default)]
pub(in super::super) struct Decoder {
    now: Option<Now>,
    event: i64,
    receipt: Option<(usize, Receipt)>,
}

impl Decoder {
    /// Takes the first record off the bytes of a frame.
    pub(in super::super) fn next<'a>(&mut self, from: &mut &'a [u8]) -> Result<Record<'a>, Damaged> {
        Ok(match take(from, 1)? {
            [1] => {
                let (time, alive) = (unzigzag(varint::take(from)?), unzigzag(varint::take(from)?));
                self.now(time, alive)
            }
            [18] => {
                let both = unzigzag(varint::take(from)?);
                self.now(both, both)
            }
            [2] => Record::Reading(short(from)?, TakenAt::Arrival, value(from)?),
            [3] => {
                let (handle, apart) = (short(from)?, unzigzag(varint::take(from)?));
                let ms = self.now.ok_or(Damaged)?.time.0.wrapping_add(apart);
                Record::Reading(handle, TakenAt::Event(ms), value(from)?)
            }
            [tag @ ARRIVAL..EVENT] => {
                Record::Reading(short(from)?, TakenAt::Arrival, decimal(from, tag - ARRIVAL)?)
            }
            [tag @ EVENT..64] => {
                let handle = short(from)?;
                self.event = self.event.wrapping_add(unzigzag(varint::take(from)?));
                Record::Reading(handle, TakenAt::Event(self.event), decimal(from, tag - EVENT)?)
            }
            [4] => series(from)?,
            [5] => Record::Tick,
            [6] => Record::Link(size(from)?, take(from, 1)? != [0]),
            [7] => Record::Count(count(from)?, size(from)?, short(from)?),
            [8] => Record::RevLimit(match varint::take(from)? {
                0 => None,
                more => Some(u32::try_from(more - 1).map_err(|_| Damaged)?),
            }),
            [9] => {
                let lane = take(from, 1)?.first().copied().ok_or(Damaged)?;
                Record::Message { lane, made_ms: unzigzag(varint::take(from)?), body: bytes(from)? }
            }
            [10] => Record::Engine(bytes(from)?),
            [11] => Record::Kept(Place { segment: varint::take(from)?, bytes: varint::take(from)? }),
            [12] => Record::End,
            [13] => Record::Pressure(match take(from, 1)? {
                [0] => Pressure::None,
                [1] => Pressure::Some,
                [2] => Pressure::Full,
                _ => return Err(Damaged),
            }),
            [14] => self.receipt(size(from)?, Receipt(varint::take(from)?)),
            [19] => {
                let (source, Receipt(last)) = self.receipt.ok_or(Damaged)?;
                let upper = take(from, 4)?.try_into().map(u32::from_le_bytes).map_err(|_| Damaged)?;
                self.receipt(source, Receipt(u64::from(upper) << 16 | last.wrapping_add(1) & LOWER))
            }
            [15] => Record::Replayed(take(from, 1)? != [0]),
            [16] => Record::Synced(Place { segment: varint::take(from)?, bytes: varint::take(from)? }),
            [17] => Record::Source(size(from)?, text(from)?),
            [20] => Record::Position { source: size(from)?, key: bytes(from)?, at: bytes(from)? },
            [21] => Record::Forgotten { source: size(from)?, name: text(from)? },
            [MARK] => {
                self.mark(varint::take(from)?, unzigzag(varint::take(from)?), unzigzag(varint::take(from)?))
            }
            _ => return Err(Damaged),
        })
    }

    /// Both times have moved by so much (ms).
    fn now(&mut self, time: i64, alive: i64) -> Record<'static> {
        let last = self.now.unwrap_or(START);
        let time = Time(last.time.0.wrapping_add(time));
        let alive = AgentTime(last.alive.0.wrapping_add(alive));
        let now = Now { time, alive, synced: true };
        self.now = Some(now);
        Record::Now(now)
    }

    fn mark(&mut self, introductions: u64, time: i64, alive: i64) -> Record<'static> {
        let now = Now { time: Time(time), alive: AgentTime(alive), synced: true };
        *self = Self { now: Some(now), ..Self::default() };
        Record::Mark(introductions, now)
    }

    fn receipt(&mut self, source: usize, receipt: Receipt) -> Record<'static> {
        self.receipt = Some((source, receipt));
        Record::Receipt(source, receipt)
    }
}

fn series<'a>(from: &mut &'a [u8]) -> Result<Record<'a>, Damaged> {
    let (handle, source, name) = (short(from)?, size(from)?, text(from)?);
    let mut labels = Vec::new();
    for _ in 0..varint::take(from)? {
        labels.push((text(from)?.to_owned(), text(from)?.to_owned()));
    }
    Ok(Record::Series { handle, source, name, labels })
}

fn count(from: &mut &[u8]) -> Result<IntakeCount, Damaged> {
    Ok(match take(from, 1)? {
        [0] => IntakeCount::Invalid,
        [1] => IntakeCount::Repeated,
        [2] => IntakeCount::Refused,
        [3] => IntakeCount::Empty,
        [4] => IntakeCount::Filtered,
        [5] => IntakeCount::Retained,
        [6] => IntakeCount::Dropped,
        _ => return Err(Damaged),
    })
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Result<&'a [u8], Damaged> {
    let (bytes, rest) = from.split_at_checked(length).ok_or(Damaged)?;
    *from = rest;
    Ok(bytes)
}

fn short(from: &mut &[u8]) -> Result<u32, Damaged> {
    u32::try_from(varint::take(from)?).map_err(|_| Damaged)
}

fn size(from: &mut &[u8]) -> Result<usize, Damaged> {
    usize::try_from(varint::take(from)?).map_err(|_| Damaged)
}

fn bytes<'a>(from: &mut &'a [u8]) -> Result<&'a [u8], Damaged> {
    let length = size(from)?;
    take(from, length)
}

fn text<'a>(from: &mut &'a [u8]) -> Result<&'a str, Damaged> {
    std::str::from_utf8(bytes(from)?).map_err(|_| Damaged)
}

fn value(from: &mut &[u8]) -> Result<f64, Damaged> {
    let value = take(from, 8)?.try_into().map(f64::from_le_bytes).map_err(|_| Damaged)?;
    if value.is_finite() { Ok(value) } else { Err(Damaged) }
}

fn decimal(from: &mut &[u8], scale: u8) -> Result<f64, Damaged> {
    let digits = unzigzag(varint::take(from)?);
    if scale < SCALES { Ok(value_of(digits, scale)) } else { Err(Damaged) }
}
