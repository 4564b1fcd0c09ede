//! What the state directory keeps of remote changes, for its owner alone:
//!
//! ```text
//! headwater remote 1
//! time 1790000000000     when the last request was signed that was read [ms since the Unix epoch]
//! id spring              of the request whose text follows
//! set 1790000000000      when that one was signed [ms since the Unix epoch]
//! text 19 6f2a11c0       the length of the text in bytes, and the CRC-32 of time and text
//!
//! [limits]
//! …
//! ```
//! A reader skips lines that begin with an unknown word: later versions write them.

use super::TEXT_BYTES_MAX;
use crate::private_file;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

const TITLE: &str = "headwater remote 1";

/// More than the file has (bytes).
const BYTES_MAX: u64 = TEXT_BYTES_MAX as u64 + 4096;

/// The file of a state directory.
#[derive(Clone, Debug)]
pub(crate) struct StateFile(PathBuf);

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredRemote {
    /// When the last request was signed that was read [ms since the Unix epoch]. Only later ones are read.
    pub(crate) time_ms: i64,
    /// The request that the text is of.
    pub(crate) id: String,
    /// When that one was signed [ms since the Unix epoch].
    pub(crate) set_ms: i64,
    /// What lies over the config's file; empty: nothing.
    pub(crate) text: String,
}

impl StateFile {
    /// That of a state directory.
    pub(crate) fn of(state_dir: &Path) -> Self {
        Self(state_dir.join("config.remote"))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What is kept; nothing, where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged ([`ErrorKind::InvalidData`]).
    pub(crate) fn read(&self) -> io::Result<StoredRemote> {
        let mut text = String::new();
        match private_file::open(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(StoredRemote::default()),
            file => file?.take(BYTES_MAX).read_to_string(&mut text)?,
        };
        let damaged = || io::Error::new(ErrorKind::InvalidData, "it is damaged");
        StoredRemote::parse(&text).ok_or_else(damaged)
    }

    /// Replaces what is kept, durably.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(&self, stored: &StoredRemote) -> io::Result<()> {
        private_file::replace(&self.0, [Ok(stored.written())])
    }
}

impl StoredRemote {
    fn written(&self) -> String {
        let Self { time_ms, id, set_ms, text } = self;
        let (length, sum) = (text.len(), checksum(*time_ms, text));
        format!("{TITLE}\ntime {time_ms}\nid {id}\nset {set_ms}\ntext {length} {sum}\n\n{text}")
    }

    fn parse(written: &str) -> Option<Self> {
        let (head, text) = written.split_once("\n\n")?;
        let mut lines = head.lines();
        if lines.next() != Some(TITLE) {
            return None;
        }
        let (mut stored, mut sum) = (Self { text: text.to_owned(), ..Self::default() }, None);
        for (word, rest) in lines.filter_map(|line| line.split_once(' ')) {
            match word {
                "time" => stored.time_ms = rest.parse().ok()?,
                "id" => rest.clone_into(&mut stored.id),
                "set" => stored.set_ms = rest.parse().ok()?,
                "text" => sum = Some(rest.to_owned()),
                // A line of a later version.
                _ => {}
            }
        }
        let whole = format!("{} {}", text.len(), checksum(stored.time_ms, text));
        (sum? == whole).then_some(stored)
    }
}

fn checksum(time_ms: i64, text: &str) -> String {
    format!("{:08x}", crc32fast::hash(format!("{time_ms} {text}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every later version reads what this one has written.
    const GOLDEN: &str = "headwater remote 1\ntime 1790000000005\nid spring\nset 1790000000000\nlater 1\ntext 21 183439b6\n\n[limits]\nseries = 7\n\n";

    #[test]
    fn what_was_stored_is_read() {
        let stored = StoredRemote {
            time_ms: 1_790_000_000_005,
            id: "spring".to_owned(),
            set_ms: 1_790_000_000_000,
            text: "[limits]\nseries = 7\n\n".to_owned(),
        };
        assert_eq!(stored.written(), GOLDEN.replace("later 1\n", ""));
        assert_eq!(StoredRemote::parse(GOLDEN), Some(stored));
        let none = StoredRemote::default();
        assert_eq!(StoredRemote::parse(&none.written()), Some(none));
    }

    #[test]
    fn what_is_damaged_is_not_taken_for_something_else() {
        for cut in 0..GOLDEN.len() {
            assert_eq!(StoredRemote::parse(&GOLDEN[..cut]), None, "{cut}");
        }
        for other in [
            GOLDEN.replace("000005", "000004"),
            GOLDEN.replace('7', "8"),
            GOLDEN.replace("remote 1", "remote 2"),
        ] {
            assert_eq!(StoredRemote::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn it_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("headwater-remote-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = StateFile::of(&folder);
        assert_eq!(file.read().unwrap(), StoredRemote::default());
        let stored = StoredRemote { time_ms: 1, id: "a".to_owned(), set_ms: 1, text: "x = 1\n".to_owned() };
        file.write(&stored).unwrap();
        assert_eq!(file.read().unwrap(), stored);
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(file.path(), "junk").unwrap();
        assert_eq!(file.read().unwrap_err().kind(), ErrorKind::InvalidData);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
