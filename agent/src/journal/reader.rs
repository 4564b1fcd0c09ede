//! Finds the segments that follow a checkpoint, and reads them.

use super::record::{Decoder, Record};
use super::{Identity, MAGIC, NAME, Place, VERSION, checkpoint_path, segment_path};
use crate::checkpoint::{self, Base, Found};
use crate::frames::{self, Damaged};
use crate::private_file;
use headwater_kernel::time::{AgentTime, Now, Time};
use std::cell::Cell;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Segments past this are none of ours (bytes).
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// What there is of journals in a folder.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    folder: PathBuf,
    whole: Vec<Segment>,
    /// Those whose header cannot be read.
    damaged: Vec<PathBuf>,
    /// Numbers of those that are of another boot, config or program.
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
    /// Whether it turned out that something in it cannot be read.
    is_damaged: Cell<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    segment: u64,
    life: u64,
    follows: bool,
    base: Base,
    now: Now,
}

/// The segments that follow a checkpoint.
#[derive(Debug)]
pub(crate) struct Chain<'s> {
    segments: &'s [Segment],
    /// Why what is in them is not all that came, if it is not.
    pub(crate) cut: Option<&'static str>,
}

/// What [`Chain::replay`] calls.
pub(crate) trait Replay {
    /// A segment begins, and handles are given again from 0. `is_new_life`: another run has written it.
    fn on_segment(&mut self, now: Now, is_new_life: bool);
    /// A record; `is_kept`: what comes of it is acknowledged or in the buffer.
    fn on_record(&mut self, record: Record<'_>, is_kept: bool);
}

impl Segments {
    /// Reads what is in a folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn read(folder: &Path, identity: &Identity) -> io::Result<Self> {
        let mut found = Self { folder: folder.to_owned(), ..Self::default() };
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_prefix(NAME)?.strip_prefix('.')?.parse().ok());
            let Some(number) = number else { continue };
            let path = segment_path(folder, number);
            let file = private_file::open(&path)?;
            if file.metadata()?.len() > SEGMENT_BYTES_MAX {
                found.damaged.push(path);
                continue;
            }
            let mut bytes = Vec::new();
            file.take(SEGMENT_BYTES_MAX).read_to_end(&mut bytes)?;
            match open(&bytes, identity) {
                Ok(Some((header, from))) if header.segment == number => {
                    found.whole.push(Segment { header, bytes, from, is_damaged: Cell::default() });
                }
                Ok(None) => found.foreign.push(number),
                // Made, and nothing written into it yet.
                Err(_) if bytes.len() < MAGIC.len() + frames::HEADER_BYTES => found.foreign.push(number),
                Ok(Some(_)) | Err(Damaged) => found.damaged.push(path),
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

    /// Those that follow a checkpoint, the latest one of this name; `None`: none does.
    pub(crate) fn after(&self, base: Base) -> Option<Chain<'_>> {
        let first = self.whole.iter().rposition(|segment| segment.header.base == base)?;
        let all = self.whole.get(first..)?;
        let is_next = |(one, next): (&Segment, &Segment)| {
            next.header.follows && next.header.segment == one.header.segment + 1
        };
        let count = 1 + all.iter().zip(all.iter().skip(1)).take_while(|pair| is_next(*pair)).count();
        let segments = all.get(..count)?;
        let is_whole = count == all.len() && self.damaged.is_empty();
        let cut = (!is_whole).then_some("a part of it is missing or cannot be read");
        Some(Chain { segments, cut })
    }

    /// The places where the segments end, for the journal that goes on.
    pub(crate) fn places(&self) -> Vec<Place> {
        let place =
            |segment: &Segment| Place { segment: segment.header.segment, bytes: segment.bytes.len() as u64 };
        self.whole.iter().map(place).collect()
    }

    /// Removes what is of no use: segments of others. Answers how many.
    pub(crate) fn remove_foreign(&self) -> usize {
        self.foreign.iter().filter(|at| fs::remove_file(segment_path(&self.folder, **at)).is_ok()).count()
    }

    /// Moves damaged files out of the way, in the place of those of an earlier time; what is to be said of that.
    pub(crate) fn set_aside(&self) -> Option<String> {
        let is_damaged = |segment: &&Segment| segment.is_damaged.get();
        let whole = self.whole.iter().filter(is_damaged);
        let whole = whole.map(|segment| segment_path(&self.folder, segment.header.segment));
        let mut kept = None;
        for (number, path) in (1..).zip(whole.chain(self.damaged.iter().cloned())) {
            let aside = self.folder.join(format!("{NAME}-damaged.{number}"));
            if fs::rename(&path, &aside).is_ok() {
                kept = kept.or(Some(aside));
            }
        }
        kept.map(|at| format!("the journal could not be used to its end; it is kept as {}", at.display()))
    }
}

/// Header and place of the second frame; `None`: of another boot, config or program.
fn open(bytes: &[u8], identity: &Identity) -> Result<Option<(Header, usize)>, Damaged> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or(Damaged)?;
    let mut header = frames::next(&mut rest)?.ok_or(Damaged)?;
    fn array<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], Damaged> {
        let (array, rest) = from.split_first_chunk::<N>().ok_or(Damaged)?;
        *from = rest;
        Ok(*array)
    }
    let from = &mut header;
    if u16::from_le_bytes(array(from)?) != VERSION {
        return Ok(None);
    }
    let (segment, life) = (u64::from_le_bytes(array(from)?), u64::from_le_bytes(array(from)?));
    let follows = array::<1>(from)? != [0];
    let base = Base { length: u64::from_le_bytes(array(from)?), crc: u32::from_le_bytes(array(from)?) };
    let config = u32::from_le_bytes(array(from)?);
    let length = usize::from(u16::from_le_bytes(array(from)?));
    let (boot, times) = from.split_at_checked(length).ok_or(Damaged)?;
    *from = times;
    let (time, alive) = (i64::from_le_bytes(array(from)?), i64::from_le_bytes(array(from)?));
    if boot != identity.boot.as_bytes() || config != identity.config {
        return Ok(None);
    }
    let now = Now { time: Time(time), alive: AgentTime(alive), synced: true };
    Ok(Some((Header { segment, life, follows, base, now }, bytes.len() - rest.len())))
}

impl Chain<'_> {
    /// Goes through all records, in order. The answer is why they are not all that came, if they are not.
    pub(crate) fn replay(&self, to: &mut impl Replay) -> Option<&'static str> {
        let mut kept = Place::default();
        let _ = self.pass(&mut |record, _| {
            if let Record::Kept(place) = record {
                kept = kept.max(place);
            }
            Ok(())
        });
        let mut life = None;
        let ended = self.pass(&mut |record, at| {
            if let Some(header) = at.header {
                to.on_segment(header.now, life.is_some_and(|life| life != header.life));
                life = Some(header.life);
                return Ok(());
            }
            to.on_record(record, at.place < kept);
            Ok(())
        });
        ended.err().or(self.cut)
    }

    /// Shows every record, and each header as a time.
    fn pass(
        &self,
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
                    Ok(None) | Err(Damaged) => {
                        is_damaged.set(true);
                        return Err("it is damaged");
                    }
                };
                while !records.is_empty() {
                    match decoder.next(&mut records) {
                        Ok(Record::End) => return Err("it was not written any more"),
                        Ok(record) => show(record, at)?,
                        Err(Damaged) => {
                            is_damaged.set(true);
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
    /// It is a segment's beginning.
    header: Option<&'h Header>,
    place: Place,
}
