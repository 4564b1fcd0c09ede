//! Finds the segments that follow a checkpoint, and reads them.

use super::record::{Decoder, Record};
use super::{
    FOLLOWS, Identity, MAGIC, NAME, Place, SYNCED, VERSION, VERSION_MIN, checkpoint_path, segment_path,
};
use crate::checkpoint::{self, Base, Found};
use crate::frames::{self, Damaged};
use crate::private_file;
use headwater_kernel::time::{AgentTime, Now, Time};
use std::cell::Cell;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The largest file that is read as a segment (bytes).
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// The segments in a folder, of this journal and of others.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    folder: PathBuf,
    whole: Vec<Segment>,
    /// The files whose header cannot be read.
    damaged: Vec<PathBuf>,
    /// The numbers of the segments of another boot.
    foreign: Vec<u64>,
}

/// One segment.
#[derive(Debug)]
struct Segment {
    header: Header,
    /// The file.
    bytes: Vec<u8>,
    /// Where the second frame begins.
    from: usize,
    /// Whether a record or frame could not be read.
    is_damaged: Cell<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    segment: u64,
    life: u64,
    follows: bool,
    base: Base,
    now: Now,
    /// Whether the boot is still the same.
    is_of_boot: bool,
    /// Whether the config and the program are still the same, so that the same comes of it.
    is_of_config: bool,
}

/// A file in the folder, by its header.
enum Opened {
    /// A segment, and the place of its second frame.
    Segment(Header, usize),
    /// A segment of another boot, which is of no use.
    Foreign,
}

/// The segments that follow a checkpoint.
#[derive(Debug)]
pub(crate) struct Chain<'s> {
    segments: &'s [Segment],
    /// The reason why the segments do not hold all input; `None`: they do.
    pub(crate) cut: Option<&'static str>,
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
}

/// The receiver of what [`Chain::replay`] reads.
pub(crate) trait Replay {
    /// Takes the beginning of a segment; handles count from 0 again. `is_new_life`: another run has written it.
    fn on_segment(&mut self, now: Now, is_new_life: bool);
    /// Takes a record. `is_kept`: the messages that follow from it under this config are acknowledged or in the buffer.
    fn on_record(&mut self, record: Record<'_>, is_kept: bool);
}

impl Segments {
    /// Whether a folder holds a segment.
    pub(crate) fn are_in(folder: &Path) -> bool {
        fs::read_dir(folder).is_ok_and(|entries| entries.flatten().any(|entry| number_of(&entry).is_some()))
    }

    /// Reads what is in a folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn read(folder: &Path, identity: &Identity) -> io::Result<Self> {
        let mut found = Self { folder: folder.to_owned(), ..Self::default() };
        for entry in fs::read_dir(folder)? {
            let Some(number) = number_of(&entry?) else { continue };
            let path = segment_path(folder, number);
            let file = private_file::open(&path)?;
            if file.metadata()?.len() > SEGMENT_BYTES_MAX {
                found.damaged.push(path);
                continue;
            }
            let mut bytes = Vec::new();
            file.take(SEGMENT_BYTES_MAX).read_to_end(&mut bytes)?;
            match open(&bytes, identity) {
                Ok(Opened::Segment(header, from)) if header.segment == number => {
                    found.whole.push(Segment { header, bytes, from, is_damaged: Cell::default() });
                }
                Ok(Opened::Foreign) => found.foreign.push(number),
                // Made, and nothing of it written yet, or on the disk yet.
                Err(_) if is_unwritten(&bytes) => found.foreign.push(number),
                Ok(_) | Err(Damaged) => found.damaged.push(path),
            }
        }
        found.whole.sort_by_key(|segment| segment.header.segment);
        Ok(found)
    }

    /// The body of the checkpoint that stands beside the journal, if it is newer than the one called `than`.
    pub(crate) fn newer_checkpoint(&self, than: Option<Base>, bytes_max: Option<u64>) -> Option<Vec<u8>> {
        let path = checkpoint_path(&self.folder);
        let Ok(Found::Body(body)) = checkpoint::read(&path, bytes_max) else { return None };
        let first = |base: Base| self.whole.iter().rposition(|segment| segment.header.base == base);
        let own = first(Base::of(&body))?;
        than.and_then(first).is_none_or(|than| than < own).then_some(body)
    }

    /// The segments that follow the latest checkpoint of this name; `None`: none does.
    pub(crate) fn after(&self, base: Base) -> Option<Chain<'_>> {
        let first = self.whole.iter().rposition(|segment| segment.header.base == base)?;
        let all = self.whole.get(first..)?;
        let is_next = |(one, next): (&Segment, &Segment)| {
            next.header.follows && next.header.segment == one.header.segment + 1
        };
        let count = 1 + all.iter().zip(all.iter().skip(1)).take_while(|pair| is_next(*pair)).count();
        let segments = all.get(..count)?;
        let is_whole = count == all.len() && self.damaged.is_empty();
        let mut chain = Chain { segments, cut: None, survey: Survey::default() };
        chain.cut = match (is_whole, chain.is_of_boot()) {
            (false, _) => Some("a part of it is missing or cannot be read"),
            (true, false) => Some("the machine has ended, and what was not synced may be missing"),
            (true, true) => None,
        };
        chain.survey = chain.survey();
        Some(chain)
    }

    /// The places where the segments end, for the journal that goes on.
    pub(crate) fn places(&self) -> Vec<Place> {
        let place =
            |segment: &Segment| Place { segment: segment.header.segment, bytes: segment.bytes.len() as u64 };
        self.whole.iter().map(place).collect()
    }

    /// Removes the segments that are of no use. Returns their number.
    pub(crate) fn remove_foreign(&self) -> usize {
        self.foreign.iter().filter(|at| fs::remove_file(segment_path(&self.folder, **at)).is_ok()).count()
    }

    /// Keeps damaged files under other names, in the place of those of an earlier time; what is to be said of that.
    pub(crate) fn set_aside(&self) -> Option<String> {
        let is_damaged = |segment: &&Segment| segment.is_damaged.get();
        let whole = self.whole.iter().filter(is_damaged);
        let whole = whole.map(|segment| segment_path(&self.folder, segment.header.segment));
        let headless = self.damaged.iter().cloned();
        let mut kept = None;
        for (number, (path, stays)) in
            (1..).zip(whole.map(|path| (path, true)).chain(headless.map(|path| (path, false))))
        {
            let aside = self.folder.join(format!("{NAME}-damaged.{number}"));
            let _ = fs::remove_file(&aside);
            // What can be used of it stands there until a checkpoint follows: a crash before that must find it again.
            let has_both_names = stays && fs::hard_link(&path, &aside).is_ok();
            if has_both_names || fs::rename(&path, &aside).is_ok() {
                kept = kept.or(Some(aside));
            }
        }
        kept.map(|at| format!("the journal could not be used to its end; it is kept as {}", at.display()))
    }
}

/// The number in the name of a segment; `None`: the name is not that of a segment.
fn number_of(entry: &fs::DirEntry) -> Option<u64> {
    entry.file_name().to_str()?.strip_prefix(NAME)?.strip_prefix('.')?.parse().ok()
}

/// Whether a file ends within its header, or holds nothing: what a file system may leave of it.
fn is_unwritten(bytes: &[u8]) -> bool {
    let header = bytes.strip_prefix(&MAGIC).map(|mut rest| frames::next(&mut rest));
    bytes.len() < MAGIC.len() || header == Some(Ok(None)) || bytes.iter().all(|byte| *byte == 0)
}

fn open(bytes: &[u8], identity: &Identity) -> Result<Opened, Damaged> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(Damaged)?;
    let mut header = frames::next(&mut rest)?.ok_or(Damaged)?;
    fn array<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], Damaged> {
        let (array, rest) = from.split_first_chunk::<N>().ok_or(Damaged)?;
        *from = rest;
        Ok(*array)
    }
    let from = &mut header;
    if !(VERSION_MIN..=VERSION).contains(&u16::from_le_bytes(array(from)?)) {
        return Err(Damaged);
    }
    let (segment, life) = (u64::from_le_bytes(array(from)?), u64::from_le_bytes(array(from)?));
    let [flags] = array(from)?;
    let base = Base { length: u64::from_le_bytes(array(from)?), crc: u32::from_le_bytes(array(from)?) };
    let config = u32::from_le_bytes(array(from)?);
    let length = usize::from(u16::from_le_bytes(array(from)?));
    let (boot, times) = from.split_at_checked(length).ok_or(Damaged)?;
    *from = times;
    let (time, alive) = (i64::from_le_bytes(array(from)?), i64::from_le_bytes(array(from)?));
    let (is_synced, is_of_boot) = (flags & SYNCED != 0, boot == identity.boot.as_bytes());
    let is_of_config = config == identity.config;
    // What is not synced may be anything after the end of the machine.
    if !(is_synced || is_of_boot) {
        return Ok(Opened::Foreign);
    }
    let now = Now { time: Time(time), alive: AgentTime(alive), synced: true };
    let header = Header { segment, life, follows: flags & FOLLOWS != 0, base, now, is_of_boot, is_of_config };
    Ok(Opened::Segment(header, bytes.len() - rest.len()))
}

impl Segment {
    /// The place before which all is synced, as far as it says; also behind a frame that is damaged.
    fn synced_to(&self) -> Option<Place> {
        let (mut rest, mut synced) = (self.bytes.get(self.from..)?, None);
        loop {
            match frames::next(&mut rest) {
                // It is the first record of its frame.
                Ok(Some(mut records)) => {
                    if let Ok(Record::Synced(place)) = Decoder::default().next(&mut records) {
                        synced = synced.max(Some(place));
                    }
                }
                Err(Damaged) if frames::skip(&mut rest) => {}
                Ok(None) | Err(Damaged) => return synced,
            }
        }
    }
}

impl Chain<'_> {
    /// Hands over all records, in order. Returns the reason why they are not all input, if they are not.
    pub(crate) fn replay(&self, to: &mut impl Replay) -> Option<&'static str> {
        let Survey { kept, own_kept, .. } = self.survey;
        let synced = self.segments.iter().filter_map(Segment::synced_to).max().unwrap_or_default();
        let mut life = None;
        let ended = self.pass(Some(synced), &mut |record, at| {
            if let Some(header) = at.header {
                to.on_segment(header.now, life.is_some_and(|life| life != header.life));
                life = Some(header.life);
                return Ok(());
            }
            // Of the readings something else comes under another config; a message is as it was.
            let kept = if matches!(record, Record::Message { .. }) { kept } else { own_kept };
            to.on_record(record, at.place < kept);
            Ok(())
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
        let _ = self.pass(None, &mut |record, at| {
            if let Some(header) = at.header {
                is_other = !header.is_of_config;
                let last = if is_other { life.replace(header.life) } else { None };
                if last.is_some_and(|last| last != header.life) {
                    // It went on above the one before it.
                    base = base.saturating_add(std::mem::take(&mut highest)).saturating_add(2);
                }
            }
            match record {
                // What is in the buffer may not have been synced when the machine ended.
                Record::Kept(place) if is_of_boot => {
                    found.kept = found.kept.max(place);
                    found.own_kept = if is_other { found.own_kept } else { found.kept };
                }
                Record::RevLimit(Some(limit)) if is_other => highest = limit.max(highest),
                _ => {}
            }
            Ok(())
        });
        found.other_rev_limit = life.map(|_| base.saturating_add(highest));
        found
    }

    /// Shows every record, and each header as a time. What cannot be read before the place `synced` is damage.
    fn pass(
        &self,
        synced: Option<Place>,
        show: &mut impl FnMut(Record<'_>, At<'_>) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        for (number, Segment { header, bytes, from, is_damaged }) in (1..).zip(self.segments) {
            let place =
                |rest: &[u8]| Place { segment: header.segment, bytes: (bytes.len() - rest.len()) as u64 };
            let mut rest = bytes.get(*from..).unwrap_or_default();
            show(Record::Now(header.now), At { header: Some(header), place: place(rest) })?;
            let mut decoder = Decoder::default();
            loop {
                let at = At { header: None, place: place(rest) };
                let mut records = match frames::next(&mut rest) {
                    Ok(Some(records)) => records,
                    // The process has ended while it wrote this.
                    Ok(None) if rest.is_empty() || number == self.segments.len() => break,
                    Ok(None) | Err(Damaged)
                        if !header.is_of_boot && synced.is_some_and(|to| at.place >= to) =>
                    {
                        return Err("the machine has ended while it was written");
                    }
                    Ok(None) | Err(Damaged) => {
                        is_damaged.set(synced.is_some());
                        return Err("it is damaged");
                    }
                };
                while !records.is_empty() {
                    match decoder.next(&mut records) {
                        Ok(Record::End) => return Err("it was not written any more"),
                        Ok(record) => show(record, at)?,
                        Err(Damaged) => {
                            is_damaged.set(synced.is_some());
                            return Err("it cannot be read");
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where a record stands.
#[derive(Clone, Copy)]
struct At<'h> {
    /// The header, at a segment's beginning.
    header: Option<&'h Header>,
    place: Place,
}
