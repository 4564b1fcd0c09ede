//! The index of a segment: what is known of it without opening it.
//!
//! A segment is sealed when it is not filled any more: its index is written to a note. So a start with a full
//! buffer opens one database, not all of them. The note is a text that ends with its CRC-32. A segment without a
//! valid note is read through.
//!
//! The note also has the size and the checksum of the store's file, so that damage is found before sled opens the
//! file and destroys more of it. After a crash, a segment without a note cannot be checked: it is opened as it is.
//!
//! ```text
//! headwater index 1
//! level 1                         so often compacted
//! made 1700000000000-1700000060000
//! content 4194304                 bytes
//! replaces 4 5                    segments that this one stands for: delete them
//! damaged                         some of it cannot be read: never delete it
//! copy 7.damaged-1                it was copied there as it was found, and may be deleted after all
//! file 4718592 51c8f0aa           its size when it was sealed (bytes), and their CRC-32
//! span data 17-4711               where to look for which numbers
//! run data 17-4711 1              lane, numbers, owed
//! end 6f2a11c0
//! ```

use crate::output_set::OutputSet;
use crate::progress::Run;
use crate::ranges::Ranges;
use crate::record::BufferRecord;
use crate::store::{Digest, SegmentId, Store};
use crate::{Lane, PerLane};
use std::fmt::Write;
use std::ops::Range;

/// What the segment log knows of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentMeta {
    /// The numbers that this segment is read for. There may be gaps between them.
    pub(super) spans: PerLane<Ranges>,
    pub(super) counts: PerLane<u64>,
    /// When its messages were made, first and last, gated ones excepted [ms since the Unix epoch].
    pub(super) made_ms: Option<Range<i64>>,
    pub(super) content_bytes: u64,
    pub(super) disk_bytes: u64,
    /// How often its messages were merged into coarser ones.
    pub(super) level: u32,
    /// Consecutive reads that have failed.
    pub(super) failures: u32,
    /// Whether a part of it could not be read.
    pub(super) damaged: bool,
    /// The name of the copy that was made when damage was found.
    pub(super) copy: Option<String>,
    /// Its digest when it was sealed. `None` once it has been opened since.
    pub(super) digest: Option<Digest>,
    /// Whether a write has failed: when it is opened again, sled cuts off the torn end.
    pub(super) torn: bool,
    /// Messages below these numbers are safe from a power cut.
    pub(super) synced_end: PerLane<u64>,
    /// Its messages, while it is not sealed.
    pub(super) runs: Vec<Run>,
    pub(super) sealed: bool,
}

impl SegmentMeta {
    /// Adds messages of a lane, in order. Numbers from `known_end` on that are missing between new messages are in
    /// no other segment. A message that is written again, or was on disk before, stands for itself only.
    pub(super) fn note_new(&mut self, lane: Lane, records: &[BufferRecord], known_end: u64) {
        let (again, new) = records.split_at(records.partition_point(|record| record.seq < known_end));
        let span = self.spans.of_mut(lane);
        let follows = known_end > 0 && span.end() == known_end;
        again.iter().for_each(|record| span.insert_range(record.seq..record.seq + 1));
        if let (Some(first), Some(last)) = (new.first(), new.last()) {
            span.insert_range(if follows { known_end } else { first.seq }..last.seq + 1);
        }
        records.iter().for_each(|record| self.note_one(record));
    }

    /// Adds a message. Other segments may have its neighbours.
    pub(super) fn note_old(&mut self, record: &BufferRecord) {
        self.spans.of_mut(record.message.lane).insert(record.seq);
        self.note_one(record);
    }

    fn note_one(&mut self, record: &BufferRecord) {
        let made = record.message.made_ms;
        *self.counts.of_mut(record.message.lane) += 1;
        // Gated messages have times of another clock.
        if !record.message.lane.is_held() {
            let span = self.made_ms.get_or_insert(made..made);
            *span = span.start.min(made)..span.end.max(made);
        }
        extend_runs(&mut self.runs, record.message.lane, record);
    }

    /// All its messages are safe.
    pub(super) fn all_synced(&mut self) {
        self.synced_end = PerLane::from_fn(|lane| self.spans.of(lane).end());
    }

    /// Takes messages out. Not for a sealed segment: its runs are on disk only.
    pub(super) fn cut(&mut self, lane: Lane, seqs: &Range<u64>) {
        cut_runs(&mut self.runs, lane, seqs);
        self.spans.of_mut(lane).remove_range(seqs.clone());
        let of_lane = self.runs.iter().filter(|run| run.lane == lane);
        *self.counts.of_mut(lane) = of_lane.map(|run| run.seqs.end - run.seqs.start).sum();
        if self.runs.is_empty() {
            self.made_ms = None;
        }
    }

    /// An upper bound of its messages, as if every output wanted them.
    pub(super) fn spanning_runs(&self) -> Vec<Run> {
        let of_lane = |lane| {
            self.spans.of(lane).iter().map(move |seqs| Run { lane, seqs: seqs.clone(), owed: OutputSet::ALL })
        };
        Lane::ALL.into_iter().flat_map(of_lane).collect()
    }

    /// Whether no output wants any of its messages.
    pub(super) fn is_done(&self, done: &PerLane<Option<Ranges>>) -> bool {
        Lane::ALL.into_iter().all(|lane| match done.of(lane) {
            Some(done) => self.spans.of(lane).iter().all(|span| done.next_gap(span.start) >= span.end),
            None => true,
        })
    }

    /// Whether it must not be deleted: it is damaged, and there is no copy.
    pub(super) fn must_keep(&self) -> bool {
        self.damaged && self.copy.is_none()
    }

    /// Notes the digest of the closed segment, unless it is torn or there is a copy.
    pub(super) fn note_digest(&mut self, segment: SegmentId, store: &mut dyn Store) {
        let is_settled = !self.torn && self.copy.is_none();
        self.digest = is_settled.then(|| store.digest(segment)).flatten();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.sum() == 0
    }
}

/// Takes numbers out of the runs.
pub(super) fn cut_runs(runs: &mut Vec<Run>, lane: Lane, seqs: &Range<u64>) {
    let cut = |run: Run| {
        if run.lane != lane {
            return [Some(run), None];
        }
        let rests =
            [run.seqs.start..run.seqs.end.min(seqs.start), run.seqs.start.max(seqs.end)..run.seqs.end];
        rests.map(|seqs| (seqs.start < seqs.end).then_some(Run { seqs, ..run }))
    };
    *runs = std::mem::take(runs).into_iter().flat_map(cut).flatten().collect();
}

/// Adds a message to the runs; those of one lane come in order.
pub(super) fn extend_runs(runs: &mut Vec<Run>, lane: Lane, record: &BufferRecord) {
    // Lanes alternate while a segment is filled: the lane's last run is one of the last two or so.
    let last = runs.iter_mut().rev().find(|run| run.lane == lane);
    match last {
        Some(run) if run.owed == record.owed && run.seqs.end == record.seq => run.seqs.end += 1,
        _ => runs.push(Run { lane, seqs: record.seq..record.seq + 1, owed: record.owed }),
    }
}

/// The content of a segment's note.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// The segment is not complete. The segments that it was to replace are still there.
    Building,
    /// The segment is complete.
    Sealed {
        /// Its index, without its size on disk.
        meta: Box<SegmentMeta>,
        /// The segments that it replaces.
        replaces: Vec<SegmentId>,
    },
}

/// The name of the note.
pub(super) fn note_name(segment: SegmentId) -> String {
    format!("{segment}.index")
}

/// The note of a segment that is being merged from others.
pub(super) fn write_building() -> Vec<u8> {
    sealed_text("headwater index 1\nbuilding\n".into())
}

pub(super) fn write(meta: &SegmentMeta, runs: &[Run], replaces: &[SegmentId]) -> Vec<u8> {
    let mut text = format!("headwater index 1\nlevel {}\ncontent {}\n", meta.level, meta.content_bytes);
    if let Some(made) = &meta.made_ms {
        let _ = writeln!(text, "made {} {}", made.start, made.end);
    }
    if meta.damaged {
        text.push_str("damaged\n");
    }
    if let Some(name) = &meta.copy {
        let _ = writeln!(text, "copy {name}");
    }
    if let Some(Digest { bytes, crc }) = &meta.digest {
        let _ = writeln!(text, "file {bytes} {crc:08x}");
    }
    if !replaces.is_empty() {
        let numbers: Vec<String> = replaces.iter().map(SegmentId::to_string).collect();
        let _ = writeln!(text, "replaces {}", numbers.join(" "));
    }
    for lane in Lane::ALL {
        for span in meta.spans.of(lane).iter() {
            let _ = writeln!(text, "span {} {} {}", lane.word(), span.start, span.end);
        }
    }
    for Run { lane, seqs, owed } in runs {
        let _ = writeln!(text, "run {} {} {} {:x}", lane.word(), seqs.start, seqs.end, owed.bits());
    }
    sealed_text(text)
}

/// Reads a note, and drops what it says.
#[cfg(fuzzing)]
pub(crate) fn read_note(bytes: &[u8]) {
    let _ = read(bytes);
}

/// `None`: the note is damaged.
pub(super) fn read(bytes: &[u8]) -> Option<Index> {
    let (body, crc) = std::str::from_utf8(bytes).ok()?.rsplit_once("end ")?;
    if u32::from_str_radix(crc.trim_end(), 16).ok()? != crc32fast::hash(body.as_bytes()) {
        return None;
    }
    let mut lines = body.lines();
    if lines.next()? != "headwater index 1" {
        return None;
    }
    let (mut meta, mut replaces) = (SegmentMeta { sealed: true, ..SegmentMeta::default() }, Vec::new());
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        match *words.as_slice() {
            ["damaged"] => meta.damaged = true,
            ["copy", name] => meta.copy = Some(name.into()),
            ["file", bytes, crc] => {
                let (bytes, crc) = (bytes.parse().ok()?, u32::from_str_radix(crc, 16).ok()?);
                meta.digest = Some(Digest { bytes, crc });
            }
            ["building"] => return Some(Index::Building),
            ["level", level] => meta.level = level.parse().ok()?,
            ["content", bytes] => meta.content_bytes = bytes.parse().ok()?,
            ["made", from, to] => meta.made_ms = Some(from.parse().ok()?..to.parse().ok()?),
            ["replaces", ref numbers @ ..] => {
                replaces = numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>().ok()?;
            }
            ["span", lane, start, end] => {
                meta.spans.of_mut(Lane::of_word(lane)?).insert_range(start.parse().ok()?..end.parse().ok()?);
            }
            ["run", lane, start, end, owed] => {
                let run = read_run(Lane::of_word(lane)?, start, end, owed)?;
                let count = meta.counts.of_mut(run.lane);
                *count = count.saturating_add(run.seqs.end - run.seqs.start);
                meta.runs.push(run);
            }
            _ => return None,
        }
    }
    Some(Index::Sealed { meta: Box::new(meta), replaces })
}

fn read_run(lane: Lane, start: &str, end: &str, owed: &str) -> Option<Run> {
    let seqs: Range<u64> = start.parse().ok()?..end.parse().ok()?;
    let owed = OutputSet::from_bits(u64::from_str_radix(owed, 16).ok()?);
    (seqs.start < seqs.end).then_some(Run { lane, seqs, owed })
}

fn sealed_text(text: String) -> Vec<u8> {
    let crc = crc32fast::hash(text.as_bytes());
    format!("{text}end {crc:08x}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    #[test]
    fn the_note_reads_back_and_damage_is_seen() {
        let mut meta = SegmentMeta { level: 2, content_bytes: 99, ..SegmentMeta::default() };
        let record = |lane, seq, owed| {
            let message = Message { lane, made_ms: -5 + seq as i64, body: "b".into() };
            BufferRecord { seq, owed: OutputSet::from_bits(owed), message }
        };
        meta.note_new(Lane::Data, &[record(Lane::Data, 7, 1), record(Lane::Data, 8, 1)], 0);
        meta.note_new(Lane::Alert, &[record(Lane::Alert, 3, 2)], 0);
        meta.note_new(Lane::Data, &[record(Lane::Data, 10, 1)], 9);
        assert_eq!(meta.runs.len(), 3);
        assert_eq!((meta.spans.of(Lane::Data).start(), meta.spans.of(Lane::Data).next_gap(7)), (Some(7), 11));
        (meta.damaged, meta.copy) = (true, Some("7.damaged-1".into()));
        meta.digest = Some(Digest { bytes: 4_718_592, crc: 0xaa });
        let note = write(&meta, &meta.runs, &[4, 5]);
        meta.sealed = true;
        assert_eq!(read(&note), Some(Index::Sealed { meta: Box::new(meta.clone()), replaces: vec![4, 5] }));
        assert_eq!(read(&write_building()), Some(Index::Building));
        for at in 0..note.len() - 1 {
            let mut bad = note.clone();
            bad[at] ^= 1;
            assert_eq!(read(&bad), None, "byte {at}");
            assert_eq!(read(&note[..at]), None, "cut at {at}");
        }
        assert!(!meta.is_done(&PerLane::from_fn(|lane| (lane == Lane::Alert).then(Ranges::default))));
        assert_eq!(meta.spanning_runs().len(), 2);
        meta.cut(Lane::Data, &(8..10));
        assert_eq!(
            (*meta.counts.of(Lane::Data), meta.runs.len(), meta.spans.of(Lane::Data).contains(9)),
            (2, 3, false)
        );
    }
}
