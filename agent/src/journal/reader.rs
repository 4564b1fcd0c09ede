//! Finds the segments that follow a checkpoint.

mod chain;

pub(crate) use chain::{Chain, Gap, Replay};

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

/// The segments in the folders of a journal, of this journal and of others.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    folders: Vec<PathBuf>,
    whole: Vec<Segment>,
    /// The files whose header cannot be read.
    damaged: Vec<PathBuf>,
    /// The segments of another boot.
    foreign: Vec<PathBuf>,
    /// Whether nothing of them is to be replayed.
    is_given_up: bool,
}

/// One segment.
#[derive(Debug)]
struct Segment {
    header: Header,
    path: PathBuf,
    /// The file.
    bytes: Vec<u8>,
    /// Where the second frame begins.
    from: usize,
    /// The damage that was found when it was read.
    damage: Cell<Option<Damage>>,
}

/// What of a segment could not be read.
#[derive(Clone, Copy, Debug)]
struct Damage {
    /// The bytes.
    bytes: u64,
    /// The time between what could be read (ms); `None`: nothing behind it could be.
    ms: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    segment: u64,
    life: u64,
    follows: bool,
    is_synced: bool,
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

impl Segments {
    /// Reads what is in a folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn read(folder: &Path, identity: &Identity) -> io::Result<Self> {
        let mut found = Self { folders: vec![folder.to_owned()], ..Self::default() };
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
                    found.whole.push(Segment { header, path, bytes, from, damage: Cell::default() });
                }
                Ok(Opened::Foreign) => found.foreign.push(path),
                // Made, and nothing of it written yet, or on the disk yet.
                Err(_) if is_unwritten(&bytes) => found.foreign.push(path),
                Ok(_) | Err(Damaged) => found.damaged.push(path),
            }
        }
        found.whole.sort_by_key(|segment| segment.header.segment);
        Ok(found)
    }

    /// Those of both folders, as one journal.
    pub(super) fn with(mut self, mut other: Self) -> Self {
        self.folders.append(&mut other.folders);
        self.whole.append(&mut other.whole);
        self.whole.sort_by_key(|segment| segment.header.segment);
        self.damaged.append(&mut other.damaged);
        self.foreign.append(&mut other.foreign);
        self
    }

    /// The body of the newest checkpoint that stands beside the journal, if it is newer than the one called `than`.
    pub(crate) fn newer_checkpoint(&self, than: Option<Base>, bytes_max: Option<u64>) -> Option<Vec<u8>> {
        let first = |base: Base| self.whole.iter().rposition(|segment| segment.header.base == base);
        let beside = self.folders.iter().filter_map(|folder| {
            match checkpoint::read(&checkpoint_path(folder), bytes_max) {
                Ok(Found::Body(body)) => Some((first(Base::of(&body))?, body)),
                _ => None,
            }
        });
        let (own, body) = beside.max_by_key(|(own, _)| *own)?;
        than.and_then(first).is_none_or(|than| than < own).then_some(body)
    }

    /// Lets nobody replay them.
    pub(crate) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    /// The segments that follow the latest checkpoint of this name; `None`: none does.
    pub(crate) fn after(&self, base: Base) -> Option<Chain<'_>> {
        if self.is_given_up {
            return None;
        }
        let first = self.whole.iter().rposition(|segment| segment.header.base == base)?;
        let all = self.whole.get(first..)?;
        let is_next = |(one, next): (&Segment, &Segment)| {
            next.header.follows && next.header.segment == one.header.segment + 1
        };
        let count = 1 + all.iter().zip(all.iter().skip(1)).take_while(|pair| is_next(*pair)).count();
        let segments = all.get(..count)?;
        let is_whole = count == all.len() && self.damaged.is_empty();
        let is_of_boot = segments.iter().all(|segment| segment.header.is_of_boot);
        let cut = match (is_whole, is_of_boot) {
            (false, _) => Some("a part of it is missing or cannot be read"),
            (true, false) => Some("the machine has ended, and what was not synced may be missing"),
            (true, true) => None,
        };
        Some(Chain::new(segments, cut))
    }

    /// The files, for the journal that goes on, and the place where each ends.
    pub(super) fn files(&self) -> impl Iterator<Item = (Place, PathBuf)> {
        self.whole.iter().filter(|_| !self.is_given_up).map(|segment| {
            let bytes = segment.bytes.len() as u64;
            (Place { segment: segment.header.segment, bytes }, segment.path.clone())
        })
    }

    /// Whether all of them outlive the boot.
    pub(super) fn are_synced(&self) -> bool {
        self.whole.iter().all(|segment| segment.header.is_synced)
    }

    /// Removes the segments that are of no use. Returns their number.
    pub(crate) fn remove_foreign(&self) -> usize {
        self.foreign.iter().filter(|path| fs::remove_file(path).is_ok()).count()
    }

    /// Keeps damaged files under other names, in the place of those of an earlier time; what is to be said of that.
    pub(crate) fn set_aside(&self) -> Option<String> {
        let whole = self.whole.iter().filter(|one| self.is_given_up || one.damage.get().is_some());
        let whole = whole.map(|segment| segment.path.clone());
        let headless = self.damaged.iter().cloned();
        let mut kept = None;
        for (number, (path, stays)) in
            (1..).zip(whole.map(|path| (path, !self.is_given_up)).chain(headless.map(|path| (path, false))))
        {
            let aside = path.with_file_name(format!("{NAME}-damaged.{number}"));
            let _ = fs::remove_file(&aside);
            // What can be used of it stands there until a checkpoint follows: a crash before that must find it again.
            let has_both_names = stays && fs::hard_link(&path, &aside).is_ok();
            if has_both_names || fs::rename(&path, &aside).is_ok() {
                kept = kept.or(Some(aside));
            }
        }
        let said = self.damage_in_words();
        kept.map(|at| format!("{said}; it is kept as {}", at.display()))
    }

    /// What damage has cost.
    fn damage_in_words(&self) -> String {
        if self.is_given_up {
            return "the journal has ended the program twice while it was replayed: what came since the checkpoint is not in \
                    windows"
                .to_owned();
        }
        let found = || self.whole.iter().filter_map(|segment| segment.damage.get());
        let bytes: u64 = found().map(|damage| damage.bytes).sum();
        let ms: Option<i64> = found().map(|damage| damage.ms).sum();
        match ms.filter(|_| bytes > 0) {
            Some(ms) => format!(
                "{bytes} bytes of the journal could not be read, with what came in {:.1} s; it goes on behind them, and windows \
                 that may lack readings are told as partial",
                ms as f64 / 1_000.0
            ),
            None => "the journal could not be used to its end".to_owned(),
        }
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
    let follows = flags & FOLLOWS != 0;
    let header = Header { segment, life, follows, is_synced, base, now, is_of_boot, is_of_config };
    Ok(Opened::Segment(header, bytes.len() - rest.len()))
}
