//! Follows the files of an output, for `headwater tail`: growing ones, and those that were completed or compressed
//! meanwhile. It begins with the last lines of each of the files that were written last, in the order of their time.
//!
//! Limits: it begins with [`FILES_AT_FIRST`] files; of one that is followed at most [`READ_BYTES`] are read at a time.

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

/// The files that are shown at the beginning: those that were written last.
const FILES_AT_FIRST: usize = 16;

/// The lines of a file that are shown at the beginning.
const LINES_AT_FIRST: usize = 10;

/// Bytes that are read of a file at a time.
const READ_BYTES: u64 = 4 << 20;

/// How far a compressed file was read: it changes no more.
const DONE: u64 = u64::MAX;

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
                    self.look()?;
                } else {
                    self.begin()?;
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
    /// Takes the last lines of the files that were written last, and begins behind what all files hold.
    fn begin(&mut self) -> Result<(), String> {
        let mut found: Vec<_> = self.find()?.into_iter().collect();
        found.sort_by_key(|(_, file)| file.written);
        let skipped = found.len().saturating_sub(FILES_AT_FIRST);
        let mut first = Vec::new();
        for (at, (name, file)) in found.into_iter().enumerate() {
            let behind = if file.is_compressed() { DONE } else { file.bytes };
            let to = if at < skipped { behind } else { self.read_last(&file)? };
            self.read_to.insert(name, to);
            let old = self.ready.len().saturating_sub(LINES_AT_FIRST);
            let mut time = f64::NEG_INFINITY;
            for line in self.ready.drain(..).skip(old) {
                time = time_of(&line.1).unwrap_or(time);
                first.push((time, line));
            }
        }
        first.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        self.ready = first.into_iter().map(|(_, line)| line).collect();
        Ok(())
    }

    /// Reads the end of a file.
    fn read_last(&mut self, file: &FoundFile) -> Result<u64, String> {
        let from = if file.is_compressed() { 0 } else { file.bytes.saturating_sub(READ_BYTES) };
        self.read(file, from, from > 0)
    }

    /// Looks at all files for what is new.
    fn look(&mut self) -> Result<(), String> {
        let found = self.find()?;
        self.read_to.retain(|name, _| found.contains_key(name));
        for (name, file) in found {
            let from = self.read_to.get(&name).copied().unwrap_or(0);
            let is_read = if file.is_compressed() { from == DONE } else { file.bytes <= from };
            let to = if is_read { from } else { self.read(&file, from, false)? };
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

    /// Reads whole lines behind a place, which may be amid a line. Returns the place behind them.
    fn read(&mut self, file: &FoundFile, from: u64, is_amid: bool) -> Result<u64, String> {
        let read = match bytes_behind(file, from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(from),
            read => read,
        };
        let bytes = read.map_err(|error| format!("cannot read {}: {error}", file.path.display()))?;
        let mut to = from;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        for (at, line) in lines.enumerate() {
            to += line.len() as u64;
            let is_whole = at > 0 || !is_amid;
            if is_whole && (self.own.is_empty() || contains(line, self.own.as_bytes())) {
                let line = Bytes::copy_from_slice(line.trim_ascii_end());
                self.ready.push_back((file.path.display().to_string(), line));
            }
        }
        Ok(if file.is_compressed() { DONE } else { to })
    }
}

fn bytes_behind(file: &FoundFile, from: u64) -> io::Result<Vec<u8>> {
    let mut input = File::open(&file.path)?;
    let mut bytes = Vec::new();
    if file.is_compressed() {
        let mut decoder = GzDecoder::new(input);
        io::copy(&mut Read::by_ref(&mut decoder).take(from), &mut io::sink())?;
        decoder.read_to_end(&mut bytes)?;
    } else {
        input.seek(SeekFrom::Start(from))?;
        input.take(READ_BYTES).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// The time of a message: the end of what it tells of.
fn time_of(line: &[u8]) -> Option<f64> {
    let message: serde_json::Value = serde_json::from_slice(line).ok()?;
    ["end", "time", "to"].iter().find_map(|key| message.get(key)?.as_f64())
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
    #[tokio::test(start_paused = true)]
    async fn the_last_lines_of_all_files_come_in_the_order_of_their_time() {
        let folder = Folder::new();
        let template = PathTemplate::parse(&format!("{}/{{series}}/x-{{n}}.jsonl", folder.path().display()));
        let line = |series: &str, end: i64| format!("{{\"series\":\"{series}\",\"end\":{end}}}");
        for (series, first, lines) in [("a", 0, 12), ("b", 1, 12), ("c", 2, 3)] {
            let text: String = (0..lines).map(|n| line(series, first + n * 3) + "\n").collect();
            std::fs::create_dir(folder.path().join(series)).unwrap();
            let (hidden, complete) =
                (folder.path().join(series).join(".x-1.jsonl"), folder.path().join(series).join("x-1.jsonl"));
            std::fs::write(&hidden, text).unwrap();
            Completion { gzip: series == "a", until: None }.reveal(&hidden, &complete).unwrap();
        }
        let mut tail = follow(Arc::new(template.unwrap()), None);
        assert_eq!(next(&mut *tail).await, None, "a note comes first");
        let mut expected: Vec<_> = [("a", 0, 2..12), ("b", 1, 2..12), ("c", 2, 0..3)]
            .into_iter()
            .flat_map(|(series, first, lines)| lines.map(move |n| (first + n * 3, series)))
            .collect();
        expected.sort_unstable();
        for (end, series) in expected {
            assert_eq!(next(&mut *tail).await, Some(line(series, end)));
        }
        assert_eq!(next(&mut *tail).await, None, "nothing comes twice");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_file_begins_with_its_last_whole_lines() {
        let folder = Folder::new();
        let template = PathTemplate::parse(&format!("{}/x-{{n}}.jsonl", folder.path().display())).unwrap();
        let long = "x".repeat(1_500_000);
        let text: String = (0..6).map(|n| format!("{n}{long}\n")).collect();
        std::fs::write(folder.path().join(".x-1.jsonl"), text).unwrap();
        let mut tail = follow(Arc::new(template), None);
        assert_eq!(next(&mut *tail).await, None, "a note comes first");
        for n in 4..6 {
            assert_eq!(next(&mut *tail).await.unwrap(), format!("{n}{long}"));
        }
        assert_eq!(next(&mut *tail).await, None, "nothing comes twice");
    }
}
