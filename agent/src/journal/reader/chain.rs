//! Reads the segments that follow a checkpoint, in order.
//!
//! A part that is damaged is passed over: what follows can be read again from the next mark on, or from the next segment. Nobody
//! knows what came in between, so that the state from there on lacks it.

use super::super::Place;
use super::super::record::{Decoder, MARK, Record};
use super::{Damage, Header, Segment};
use crate::frames::{self, Damaged};
use headwater_kernel::time::{Now, Time};

/// The segments that follow a checkpoint.
#[derive(Debug)]
pub(crate) struct Chain<'s> {
    segments: &'s [Segment],
    /// The reason why the segments do not hold all input; `None`: they do.
    pub(crate) cut: Option<&'static str>,
    /// The place before which all is synced.
    synced: Place,
    survey: Survey,
}

/// What has to be known of a chain before it is replayed.
#[derive(Debug, Default)]
struct Survey {
    /// The place before which a message is acknowledged or in the buffer.
    kept: Place,
    /// As a run of the same config has noted it.
    own_kept: Place,
    other_rev_limit: Option<u32>,
    /// The last time in it.
    end: Option<Time>,
}

/// A part of a chain that cannot be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// The time behind it; `None`: nothing behind it can be read.
    pub(crate) now: Option<Now>,
    /// The last time in the chain.
    pub(crate) end: Time,
    /// Whether it held the introduction of a series, so that handles may stand for others.
    pub(crate) had_introduction: bool,
}

/// The receiver of what [`Chain::replay`] reads.
pub(crate) trait Replay {
    /// Takes the beginning of a segment; handles count from 0 again. `is_new_life`: another run has written it.
    fn on_segment(&mut self, now: Now, is_new_life: bool);
    /// Takes a record. `is_kept`: the messages that follow from it under this config are acknowledged or in the buffer.
    fn on_record(&mut self, record: Record<'_>, is_kept: bool);
    /// What came from here on cannot be read, up to what is handed over next.
    fn on_gap(&mut self, gap: Gap);
}

/// What is read of a chain.
enum Part<'p> {
    Segment(&'p Header),
    Record(Record<'p>),
    /// A part that cannot be read: the time behind it, and whether it held the introduction of a series.
    Gap(Option<Now>, bool),
}

/// A place in a segment that is read.
struct Cursor<'s> {
    segment: &'s Segment,
    rest: &'s [u8],
    decoder: Decoder,
    introductions: u64,
    now: Now,
}

impl<'s> Cursor<'s> {
    fn new(segment: &'s Segment) -> Self {
        let rest = segment.bytes.get(segment.from..).unwrap_or_default();
        Self { segment, rest, decoder: Decoder::default(), introductions: 0, now: segment.header.now }
    }

    fn place(&self) -> Place {
        let bytes = self.segment.bytes.len() - self.rest.len();
        Place { segment: self.segment.header.segment, bytes: bytes as u64 }
    }

    fn read<'r>(&mut self, records: &mut &'r [u8]) -> Result<Record<'r>, Damaged> {
        let record = self.decoder.next(records)?;
        match &record {
            Record::Now(now) | Record::Mark(_, now) => self.now = *now,
            Record::Series { .. } => self.introductions += 1,
            _ => {}
        }
        Ok(record)
    }

    /// Passes over what cannot be read from `from` on, up to a frame that begins with a mark, or else to the `next` segment.
    /// Returns what is known of the part.
    fn pass_over(&mut self, from: u64, next: Option<&Segment>) -> Part<'static> {
        let found = (0..self.rest.len()).find_map(|at| {
            let rest = self.rest.get(at..)?;
            let mut behind = rest;
            let records = frames::next(&mut behind).ok()??;
            (records.first() == Some(&MARK)).then_some(rest)
        });
        self.rest = found.unwrap_or_default();
        let mark = found.and_then(|mut rest| {
            let mut records = frames::next(&mut rest).ok()??;
            match Decoder::default().next(&mut records) {
                Ok(Record::Mark(introductions, now)) => Some((introductions, now)),
                _ => None,
            }
        });
        // The next segment begins with all introductions.
        let behind = mark.or_else(|| next.map(|next| (self.introductions, next.header.now)));
        self.note(self.place().bytes - from, behind.map(|(_, now)| now.alive.since(self.now.alive)));
        let had_introduction = behind.is_some_and(|(introductions, _)| introductions != self.introductions);
        self.introductions = behind.map_or(self.introductions, |(introductions, _)| introductions);
        Part::Gap(behind.map(|(_, now)| now), had_introduction)
    }

    fn note(&self, bytes: u64, ms: Option<i64>) {
        let found = self.segment.damage.get().unwrap_or(Damage { bytes: 0, ms: Some(0) });
        let ms = found.ms.zip(ms).map(|(found, more)| found + more);
        self.segment.damage.set(Some(Damage { bytes: found.bytes + bytes, ms }));
    }
}

impl Segment {
    /// The place before which all is synced, as far as it says; also behind a frame that is damaged.
    fn synced_to(&self) -> Option<Place> {
        let (mut rest, mut synced) = (self.bytes.get(self.from..)?, None);
        loop {
            match frames::next(&mut rest) {
                // It is the first record of its frame, or the second behind a mark.
                Ok(Some(mut records)) => {
                    let mut decoder = Decoder::default();
                    let mut first = decoder.next(&mut records);
                    if let Ok(Record::Mark(..)) = first {
                        first = decoder.next(&mut records);
                    }
                    if let Ok(Record::Synced(place)) = first {
                        synced = synced.max(Some(place));
                    }
                }
                Err(Damaged) if frames::skip(&mut rest) => {}
                Ok(None) | Err(Damaged) => return synced,
            }
        }
    }
}

impl<'s> Chain<'s> {
    /// The chain of these segments; `cut` is the reason why they do not hold all input.
    pub(super) fn new(segments: &'s [Segment], cut: Option<&'static str>) -> Self {
        let synced = segments.iter().filter_map(Segment::synced_to).max().unwrap_or_default();
        let mut chain = Self { segments, cut, synced, survey: Survey::default() };
        chain.survey = chain.survey();
        chain
    }

    /// Hands over all records, in order. Returns the reason why they are not all input, if they are not to their end.
    pub(crate) fn replay(&self, to: &mut impl Replay) -> Option<&'static str> {
        let Survey { kept, own_kept, end, .. } = self.survey;
        let mut life = None;
        self.segments.iter().for_each(|segment| segment.damage.set(None));
        let ended = self.pass(&mut |part, place| match part {
            Part::Segment(header) => {
                to.on_segment(header.now, life.is_some_and(|life| life != header.life));
                life = Some(header.life);
            }
            Part::Gap(now, had_introduction) => {
                let end = end.unwrap_or(Time::MAX);
                to.on_gap(Gap { now, end, had_introduction });
            }
            Part::Record(record) => {
                // Of the readings something else comes under another config; a message is as it was.
                let kept = if matches!(record, Record::Message { .. }) { kept } else { own_kept };
                to.on_record(record, place < kept);
            }
        });
        ended.err().or(self.cut)
    }

    fn is_of_boot(&self) -> bool {
        self.segments.iter().all(|segment| segment.header.is_of_boot)
    }

    /// The highest revision that runs of another config or program may have told; `None`: all are of this one, and what
    /// comes of it now is what came of it then.
    pub(crate) fn other_rev_limit(&self) -> Option<u32> {
        self.survey.other_rev_limit
    }

    fn survey(&self) -> Survey {
        let (mut found, is_of_boot) = (Survey::default(), self.is_of_boot());
        let (mut is_other, mut life, mut base, mut highest) = (false, None, 0_u32, 0);
        let _ = self.pass(&mut |part, _| match part {
            Part::Segment(header) => {
                found.end = found.end.max(Some(header.now.time));
                is_other = !header.is_of_config;
                let last = if is_other { life.replace(header.life) } else { None };
                if last.is_some_and(|last| last != header.life) {
                    // It went on above the one before it.
                    base = base.saturating_add(std::mem::take(&mut highest)).saturating_add(2);
                }
            }
            Part::Record(Record::Now(now)) => found.end = found.end.max(Some(now.time)),
            // What is in the buffer may not have been synced when the machine ended.
            Part::Record(Record::Kept(place)) if is_of_boot => {
                found.kept = found.kept.max(place);
                found.own_kept = if is_other { found.own_kept } else { found.kept };
            }
            Part::Record(Record::RevLimit(Some(limit))) if is_other => highest = limit.max(highest),
            Part::Record(_) | Part::Gap(..) => {}
        });
        found.other_rev_limit = life.map(|_| base.saturating_add(highest));
        found
    }

    /// Shows every part. What cannot be read before the place that is known to be synced is damage.
    fn pass(&self, show: &mut impl FnMut(Part<'_>, Place)) -> Result<(), &'static str> {
        for (number, segment) in (1..).zip(self.segments) {
            let next = self.segments.get(number);
            let mut cursor = Cursor::new(segment);
            show(Part::Segment(&segment.header), cursor.place());
            loop {
                let at = cursor.place();
                let wrong = match frames::next(&mut cursor.rest) {
                    // The process has ended while it wrote this.
                    Ok(None) if cursor.rest.is_empty() || next.is_none() => break,
                    Ok(Some(mut records)) => match show_all(&mut cursor, &mut records, at, show)? {
                        Ok(()) => continue,
                        Err(Damaged) => "it cannot be read",
                    },
                    Ok(None) | Err(Damaged) if !segment.header.is_of_boot && at >= self.synced => {
                        return Err("the machine has ended while it was written");
                    }
                    Ok(None) | Err(Damaged) => "it is damaged",
                };
                let gap = cursor.pass_over(at.bytes, next);
                let has_end = matches!(gap, Part::Gap(None, _));
                show(gap, at);
                if has_end {
                    return Err(wrong);
                }
            }
        }
        Ok(())
    }
}

/// Shows the records of a frame.
fn show_all(
    cursor: &mut Cursor<'_>,
    records: &mut &[u8],
    at: Place,
    show: &mut impl FnMut(Part<'_>, Place),
) -> Result<Result<(), Damaged>, &'static str> {
    while !records.is_empty() {
        match cursor.read(records) {
            Ok(Record::End) => return Err("it was not written any more"),
            Ok(Record::Mark(_, now)) => show(Part::Record(Record::Now(now)), at),
            Ok(record) => show(Part::Record(record), at),
            Err(Damaged) => return Ok(Err(Damaged)),
        }
    }
    Ok(Ok(()))
}
