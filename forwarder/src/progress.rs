//! The acknowledgements: for each output and lane, the numbers of messages that it need not get any more.

use crate::output_set::OutputSet;
use crate::ranges::Ranges;
use crate::{Lane, PerLane};
use std::ops::Range;

/// Intervals that the note keeps per output and lane. A message past them may be sent again.
const INTERVALS_MAX: usize = 1_000;

/// The acknowledgements of every output, by its bit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) acked: Vec<PerLane<Ranges>>,
    /// The outputs that are configured. Others do not count: they get no message any more.
    pub(crate) active: OutputSet,
    /// Whether an output waits for a read of the disk.
    pub(crate) reading: bool,
    /// Numbers of [`Lane::MERGED`] that are in memory or in flight, and so cannot be merged.
    pub(crate) busy: PerLane<Ranges>,
}

impl Progress {
    /// For so many outputs, of which none has acknowledged a message.
    pub(crate) fn new(outputs: usize) -> Self {
        let active = (0..outputs).collect();
        Self { acked: vec![PerLane::default(); outputs], active, ..Self::default() }
    }

    /// The numbers that every output of `owed` has acknowledged. `None`: none of them is configured.
    pub(crate) fn done(&self, lane: Lane, owed: OutputSet) -> Option<Ranges> {
        let mut done: Option<Ranges> = None;
        let wanted = owed & self.active;
        for (_, acked) in self.acked.iter().enumerate().filter(|(output, _)| wanted.contains(*output)) {
            let acked = acked.of(lane);
            done = Some(done.map_or_else(|| acked.clone(), |done| done.intersection(acked)));
        }
        done
    }

    /// Which of the outputs of `owed` still want a message.
    pub(crate) fn wanting(&self, lane: Lane, seq: u64, owed: OutputSet) -> OutputSet {
        let acked = self.acked.iter().enumerate().filter(|(_, acked)| acked.of(lane).contains(seq));
        acked.fold(owed & self.active, |mut wanting, (output, _)| {
            wanting.remove(output);
            wanting
        })
    }

    /// How many messages of the run some output still wants.
    pub(crate) fn owed_in(&self, run: &Run) -> u64 {
        let all = run.seqs.end - run.seqs.start;
        match self.done(run.lane, run.owed) {
            Some(done) => all - done.count_in(&run.seqs),
            None => 0,
        }
    }

    /// No output gets these messages any more.
    pub(crate) fn forget(&mut self, lane: Lane, seqs: &Range<u64>) {
        for acked in &mut self.acked {
            acked.of_mut(lane).insert_range(seqs.clone());
        }
    }

    /// The first number above all acknowledged ones.
    pub(crate) fn end(&self, lane: Lane) -> u64 {
        self.acked.iter().map(|acked| acked.of(lane).end()).max().unwrap_or(0)
    }
}

/// Consecutive messages that are owed to the same outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) lane: Lane,
    pub(crate) seqs: Range<u64>,
    pub(crate) owed: OutputSet,
}

/// Writes the note: the outputs in the order of their bits, and what each has acknowledged.
///
/// ```text
/// headwater positions 1
/// output cloud
/// alert 0-17
/// data 0-4711 4800-4810
/// held-alert
/// held-data
/// end 6f2a11c0
/// ```
///
/// The last line is the CRC-32 of all before it. Intervals are half-open. Names hold no line breaks. A reader
/// skips lines that begin with an unknown word: later versions write them.
pub(crate) fn write(names: &[String], progress: &Progress) -> Vec<u8> {
    let mut text = String::from("headwater positions 1\n");
    for (name, acked) in names.iter().zip(&progress.acked) {
        text.push_str(&format!("output {name}\n"));
        for lane in Lane::ALL {
            text.push_str(lane.word());
            for range in acked.of(lane).iter().take(INTERVALS_MAX) {
                text.push_str(&format!(" {}-{}", range.start, range.end));
            }
            text.push('\n');
        }
    }
    let crc = crc32fast::hash(text.as_bytes());
    format!("{text}end {crc:08x}\n").into_bytes()
}

/// Reads the note. `None`: it is damaged, and every message on disk is to be sent again.
pub(crate) fn read(bytes: &[u8]) -> Option<(Vec<String>, Progress)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (body, crc) = text.rsplit_once("end ")?;
    if u32::from_str_radix(crc.trim_end(), 16).ok()? != crc32fast::hash(body.as_bytes()) {
        return None;
    }
    let mut lines = body.lines();
    if lines.next()? != "headwater positions 1" {
        return None;
    }
    let (mut names, mut progress) = (Vec::new(), Progress::default());
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "output" => {
                names.push(rest.to_owned());
                progress.acked.push(PerLane::default());
            }
            // A line of a later version.
            word => {
                if let Some(lane) = Lane::of_word(word) {
                    *progress.acked.last_mut()?.of_mut(lane) = read_ranges(rest)?;
                }
            }
        }
    }
    progress.active = Progress::new(names.len()).active;
    Some((names, progress))
}

fn read_ranges(text: &str) -> Option<Ranges> {
    let mut ranges = Ranges::default();
    for part in text.split_whitespace() {
        let (start, end) = part.split_once('-')?;
        ranges.insert_range(start.parse().ok()?..end.parse().ok()?);
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> (Vec<String>, Progress) {
        let mut progress = Progress::new(2);
        progress.acked[0].of_mut(Lane::Data).insert_range(0..4_711);
        progress.acked[0].of_mut(Lane::Data).insert_range(4_800..4_810);
        progress.acked[1].of_mut(Lane::Alert).insert(3);
        (vec!["cloud".into(), "lab 2".into()], progress)
    }

    #[test]
    fn the_note_reads_back_and_damage_is_seen() {
        let (names, progress) = example();
        let note = write(&names, &progress);
        assert_eq!(read(&note), Some((names, progress)));
        for at in 0..note.len() - 1 {
            let mut bad = note.clone();
            bad[at] ^= 1;
            assert_eq!(read(&bad), None, "byte {at}");
            assert_eq!(read(&note[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_message_is_owed_until_all_who_want_it_have_it() {
        let (_, mut progress) = example();
        let run = |owed| Run { lane: Lane::Data, seqs: 4_700..4_805, owed: OutputSet::from_bits(owed) };
        assert_eq!(progress.owed_in(&run(0b01)), 105 - 11 - 5);
        assert_eq!(progress.owed_in(&run(0b11)), 105);
        assert_eq!(progress.owed_in(&run(0)), 0, "nobody wants it");
        progress.forget(Lane::Data, &(0..4_802));
        assert_eq!(progress.owed_in(&run(0b11)), 3);
        assert_eq!(progress.end(Lane::Data), 4_810);
    }
}
