//! Follows the files of an output, for `headwater tail`: growing ones, and those that were completed or compressed
//! meanwhile. It begins with the last lines of the file that was written last, as `tail` does.
//!
//! Limits: of a file that is followed at most [`READ_BYTES`] are read at a time.

use super::complete::walk;
use super::path::{GZ, PathTemplate};
use crate::{Tail, Tailed, Tailing};
use bytes::Bytes;
use flate2::read::GzDecoder;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// The lines that are there at the beginning.
const LINES_AT_FIRST: usize = 10;

/// Bytes that are read of a file at a time.
const READ_BYTES: u64 = 4 << 20;

struct FileTail {
    template: Arc<PathTemplate>,
    /// What a line of the agent holds; nothing: lines of all agents.
    own: String,
    /// How far each file was read (bytes), by its complete and uncompressed name.
    read_to: BTreeMap<PathBuf, u64>,
    ready: VecDeque<(String, Bytes)>,
    has_begun: bool,
}

/// Follows the files of a template. `agent`: only the lines of this one.
pub(super) fn follow(template: Arc<PathTemplate>, agent: Option<&str>) -> Box<dyn Tail> {
    let own = agent.map_or_else(String::new, |agent| format!("\"agent\":\"{agent}\""));
    let (read_to, ready) = (BTreeMap::new(), VecDeque::new());
    Box::new(FileTail { template, own, read_to, ready, has_begun: false })
}

impl Tail for FileTail {
    fn next(&mut self) -> Tailing<'_> {
        Box::pin(async {
            loop {
                if let Some((place, payload)) = self.ready.pop_front() {
                    return Ok(Tailed::Message { place, payload, backfill: false });
                }
                if std::mem::replace(&mut self.has_begun, true) {
                    tokio::time::sleep(EVERY).await;
                    self.look(false)?;
                } else {
                    self.look(true)?;
                    let root = self.template.root();
                    return Ok(Tailed::Note(format!("following the files in {}", root.display())));
                }
            }
        })
    }
}

/// A file as it is found.
struct FoundFile {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
}

impl FoundFile {
    fn is_compressed(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == GZ.trim_start_matches('.'))
    }
}

impl FileTail {
    /// Looks at all files. Of those that are there at first, only the last lines count.
    fn look(&mut self, at_first: bool) -> Result<(), String> {
        let found = self.find()?;
        self.read_to.retain(|name, _| found.contains_key(name));
        let newest = found.iter().max_by_key(|(_, file)| file.written).map(|(name, _)| name.clone());
        for (name, file) in found {
            let known = self.read_to.get(&name).copied();
            let is_skipped = at_first && Some(&name) != newest.as_ref();
            let from = if is_skipped && !file.is_compressed() { file.bytes } else { known.unwrap_or(0) };
            // A compressed file changes no more.
            let is_done = known == Some(u64::MAX) || (is_skipped && file.is_compressed());
            if is_done || (!file.is_compressed() && file.bytes <= from) {
                self.read_to.insert(name, if is_done { u64::MAX } else { from });
                continue;
            }
            let before = self.ready.len();
            let read = self.read(&file, from);
            let to = read.map_err(|error| format!("cannot read {}: {error}", file.path.display()))?;
            if at_first {
                let old = self.ready.len().saturating_sub(before + LINES_AT_FIRST);
                self.ready.drain(before..before + old);
            }
            self.read_to.insert(name, to);
        }
        Ok(())
    }

    /// The files by their complete and uncompressed names. Of two with one name, the growing one is about to go.
    fn find(&self) -> Result<BTreeMap<PathBuf, FoundFile>, String> {
        let mut found: BTreeMap<PathBuf, FoundFile> = BTreeMap::new();
        let mut visit = |folder: &Path, name: &str| {
            let path = folder.join(name);
            let complete = name.strip_prefix('.').unwrap_or(name);
            if complete.ends_with(GZ) && complete != name {
                return Ok(()); // half compressed
            }
            let plain = folder.join(complete.strip_suffix(GZ).unwrap_or(complete));
            if self.template.fits(&plain) {
                let metadata = match path.metadata() {
                    // It was renamed just now: the next look finds it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    metadata => metadata?,
                };
                let file = FoundFile { path, bytes: metadata.len(), written: metadata.modified()? };
                if !found.contains_key(&plain) || file.is_compressed() {
                    found.insert(plain, file);
                }
            }
            Ok(())
        };
        let walked = walk(&self.template, &mut visit);
        walked.map_err(|(path, error)| format!("cannot look into {}: {error}", path.display()))?;
        Ok(found)
    }

    /// Reads whole lines behind a place. Returns the place behind them.
    fn read(&mut self, file: &FoundFile, from: u64) -> io::Result<u64> {
        let mut input = match File::open(&file.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(from),
            input => input?,
        };
        let mut bytes = Vec::new();
        if file.is_compressed() {
            let mut decoder = GzDecoder::new(input);
            io::copy(&mut Read::by_ref(&mut decoder).take(from), &mut io::sink())?;
            decoder.read_to_end(&mut bytes)?;
        } else {
            input.seek(SeekFrom::Start(from))?;
            input.take(READ_BYTES).read_to_end(&mut bytes)?;
        }
        let mut to = from;
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            to += line.len() as u64;
            if self.own.is_empty() || contains(line, self.own.as_bytes()) {
                let line = Bytes::copy_from_slice(line.trim_ascii_end());
                self.ready.push_back((file.path.display().to_string(), line));
            }
        }
        Ok(if file.is_compressed() { u64::MAX } else { to })
    }
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::file::complete::Completion;
    use crate::testing::Folder;

    async fn next(tail: &mut dyn Tail) -> Option<String> {
        let waited = tokio::time::timeout(Duration::from_secs(2), tail.next()).await;
        match waited.ok()?.unwrap() {
            Tailed::Message { payload, .. } => Some(String::from_utf8(payload.to_vec()).unwrap()),
            Tailed::Note(_) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lines_come_once_while_files_grow_and_become_complete() {
        let folder = Folder::new();
        let template = PathTemplate::parse(&format!("{}/x-{{n}}.jsonl", folder.path().display())).unwrap();
        let (hidden, complete) = (folder.path().join(".x-1.jsonl"), folder.path().join("x-1.jsonl"));
        let old: String = (0..30).map(|n| format!("{{\"agent\":\"a\",\"n\":{n}}}\n")).collect();
        std::fs::write(&hidden, &old).unwrap();
        std::fs::write(folder.path().join("other"), "{}\n").unwrap();
        let mut tail = follow(Arc::new(template), Some("a"));
        assert_eq!(next(&mut *tail).await, None, "a note comes first");
        for n in 20..30 {
            assert_eq!(next(&mut *tail).await, Some(format!("{{\"agent\":\"a\",\"n\":{n}}}")));
        }
        let more =
            format!("{old}{{\"agent\":\"a\",\"n\":30}}\n{{\"agent\":\"b\"}}\n{{\"agent\":\"a\",\"n\":31}}\n");
        std::fs::write(&hidden, format!("{more}{{\"agent")).unwrap();
        assert!(next(&mut *tail).await.unwrap().contains("30"));
        std::fs::write(&hidden, format!("{more}{{\"agent\":\"a\",\"n\":32}}\n")).unwrap();
        Completion { gzip: true, until: None }.reveal(&hidden, &complete).unwrap();
        for n in 31..33 {
            assert!(next(&mut *tail).await.unwrap().contains(&n.to_string()));
        }
        assert_eq!(next(&mut *tail).await, None, "nothing comes twice");
    }
}
