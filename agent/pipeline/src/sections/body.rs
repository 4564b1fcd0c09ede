//! The body of a checkpoint: a sequence of sections, found by their tags in any order.
//!
//! | tag | section | how many |
//! |---|---|---|
//! | 1 to 10 | the engine: run, report, starts, outages, messages, bytes written, source, clock, receipts, positions | one; of a source: one each |
//! | 16 to 19 | the pipeline: revisions, suppressed alerts, timestamps, accounts | one |
//! | 20 to 23 | the pipeline: stream, series in a stream, group, pair | one each |
//! | 24, 25 | the pipeline: cuts, silence | one |
//!
//! A tag is never reused. Raise the version beside the code that writes a section whenever its contents change.

use super::unread::{Unread, UnreadReason};
use super::{Section, SectionWriter, sections};
use headwater_kernel::state::{Corrupt, StateReader};

/// A kind of section: its tag, the version that this program writes and reads, and its name for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The tag in the section's header.
    pub tag: u16,
    /// The version that this program writes.
    pub version: u16,
    /// The name for people.
    pub name: &'static str,
    /// The consequence if it cannot be read.
    pub otherwise: &'static str,
}

impl Kind {
    /// Appends a section of this kind.
    pub fn put(&self, to: &mut impl SectionWriter, write: impl FnOnce(&mut Vec<u8>)) {
        to.put_section(self.tag, self.version, write);
    }
}

/// How the last run ended.
pub const RUN: Kind =
    Kind { tag: 1, version: 1, name: "how the last run ended", otherwise: "counts as a crash" };
/// The start of the next report's interval.
pub const REPORT: Kind =
    Kind { tag: 2, version: 1, name: "the last report", otherwise: "counts as made now" };
/// Starts that no report has mentioned yet.
pub const STARTS: Kind =
    Kind { tag: 3, version: 1, name: "the number of untold starts", otherwise: "begins at 0" };
/// The beginning of every outage.
pub const OUTAGES: Kind = Kind { tag: 4, version: 1, name: "the list of outages", otherwise: "begins empty" };
/// The messages' account.
pub const MESSAGES: Kind =
    Kind { tag: 5, version: 1, name: "the messages' account", otherwise: "begins at 0" };
/// The day's writes to storage.
pub const WRITTEN: Kind =
    Kind { tag: 6, version: 1, name: "the day's count of bytes written", otherwise: "begins at 0" };
/// The state of a source; one section each.
pub const SOURCE: Kind = Kind { tag: 7, version: 1, name: "a source", otherwise: "starts anew" };
/// The state of the clock, now and in earlier boots.
pub const CLOCK: Kind =
    Kind { tag: 8, version: 1, name: "the clock", otherwise: "knows nothing of the last run" };
/// What a source handed over after its state was stored; of some sources one section each.
pub const RECEIPTS: Kind = Kind {
    tag: 9,
    version: 1,
    name: "the receipts of a source",
    otherwise: "are gone: what comes again counts twice",
};
/// How far a source has read its inputs; of some sources one section each.
pub const POSITIONS: Kind = Kind {
    tag: 10,
    version: 1,
    name: "the positions of a source",
    otherwise: "are gone: it reads its inputs from their beginning",
};
/// The bounds on revisions.
pub const REVISIONS: Kind =
    Kind { tag: 16, version: 1, name: "the count of revisions", otherwise: "begins anew, far above" };
/// Alerts that were held back.
pub const SUPPRESSED: Kind =
    Kind { tag: 17, version: 1, name: "the count of suppressed alerts", otherwise: "begins at 0" };
/// The clock of the agent's own timestamps.
pub const TIMESTAMPS: Kind = Kind { tag: 18, version: 1, name: "the marks of ids", otherwise: "begin anew" };
/// The readings' accounts.
pub const ACCOUNTS: Kind =
    Kind { tag: 19, version: 1, name: "the readings' account", otherwise: "begins at what is in windows" };
/// The settings of a stream and how the state of its series is stored; one section each, in the order of their
/// indices.
pub const STREAM: Kind = Kind { tag: 20, version: 1, name: "a stream", otherwise: "starts anew" };
/// One series in a stream.
pub const CHANNEL: Kind = Kind { tag: 21, version: 1, name: "a series", otherwise: "starts anew" };
/// A group of series.
pub const GROUP: Kind = Kind { tag: 22, version: 1, name: "a group", otherwise: "starts anew" };
/// A pair of series.
pub const PAIR: Kind = Kind { tag: 23, version: 1, name: "a pair", otherwise: "starts anew" };
/// Where windows cease to lack readings.
pub const CUTS: Kind = Kind {
    tag: 24,
    version: 1,
    name: "the marks of windows that lack readings",
    otherwise: "are set for all",
};

/// How long series have been silent, and how far those were told of that are gone.
pub const SILENCE: Kind =
    Kind { tag: 25, version: 1, name: "the silence of series", otherwise: "is counted anew" };

const KINDS: [Kind; 20] = [
    RUN, REPORT, STARTS, OUTAGES, MESSAGES, WRITTEN, SOURCE, CLOCK, RECEIPTS, POSITIONS, REVISIONS,
    SUPPRESSED, TIMESTAMPS, ACCOUNTS, STREAM, CHANNEL, GROUP, PAIR, CUTS, SILENCE,
];

/// A body to be read.
#[derive(Clone, Copy, Debug)]
pub struct StoredBody<'a>(&'a [u8]);

impl<'a> StoredBody<'a> {
    /// The body of a checkpoint file.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Notes sections that this program does not know, and a cut-off end.
    pub fn note_unknown(self, unread: &mut Unread) {
        for section in sections(self.0) {
            match section {
                Ok((tag, version, _)) if KINDS.iter().all(|kind| kind.tag != tag) => {
                    unread.part(
                        &format!("section {tag} of version {version}"),
                        "is passed over",
                        UnreadReason::Unknown,
                    );
                }
                Ok(_) => {}
                Err(cut) => unread.part(&cut.to_string(), "with what follows", UnreadReason::Damaged),
            }
        }
    }

    /// The sections of a kind, in order, with the version of each.
    pub fn all(self, kind: Kind) -> impl Iterator<Item = (u16, StateReader<'a>)> {
        let own = move |(tag, version, stored): Section<'a>| (tag == kind.tag).then_some((version, stored));
        sections(self.0).filter_map(Result::ok).filter_map(own)
    }

    /// Reads the only section of a kind; `None`: it cannot be read, and that is noted.
    pub fn one<T>(
        self,
        kind: Kind,
        unread: &mut Unread,
        load: impl FnOnce(&mut StateReader<'a>) -> Result<T, Corrupt>,
    ) -> Option<T> {
        let read = match self.all(kind).next() {
            None => Err(UnreadReason::Absent),
            Some(section) => kind.read(section, load),
        };
        read.map_err(|why| unread.part(kind.name, kind.otherwise, why)).ok()
    }
}

impl Kind {
    /// Reads a section of this kind; `load` must use all its bytes.
    pub fn read<'a, T>(
        &self,
        (version, mut stored): (u16, StateReader<'a>),
        load: impl FnOnce(&mut StateReader<'a>) -> Result<T, Corrupt>,
    ) -> Result<T, UnreadReason> {
        if version != self.version {
            return Err(UnreadReason::Version { stored: version, read: self.version });
        }
        let loaded = load(&mut stored).map_err(|Corrupt| UnreadReason::Damaged)?;
        if stored.rest().is_empty() { Ok(loaded) } else { Err(UnreadReason::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::put_section;
    use headwater_kernel::state::State;

    #[test]
    fn no_tag_stands_for_two_things() {
        let mut tags: Vec<u16> = KINDS.iter().map(|kind| kind.tag).collect();
        tags.dedup();
        assert!(tags.len() == KINDS.len() && tags.is_sorted());
    }

    /// A section of unknown kind, of another version, or of the wrong length costs only itself.
    #[test]
    fn a_section_that_cannot_be_read_costs_itself() {
        let mut body = Vec::new();
        STARTS.put(&mut body, |to| to.extend_from_slice(&7_u32.to_le_bytes()));
        put_section(&mut body, 4_711, 3, |to| to.push(1));
        put_section(&mut body, OUTAGES.tag, 2, |_| ());
        SUPPRESSED.put(&mut body, |to| to.extend_from_slice(&[0; 9]));
        RUN.put(&mut body, |to| to.push(1));
        let mut unread = Unread::default();
        let stored = StoredBody::new(&body);
        stored.note_unknown(&mut unread);
        assert_eq!(unread.to_string().matches("section 4711 of version 3 is passed over").count(), 1);
        assert_eq!(stored.one(STARTS, &mut unread, u32::load), Some(7));
        assert_eq!(stored.one(RUN, &mut unread, bool::load), Some(true));
        assert_eq!(stored.one(OUTAGES, &mut unread, u32::load), None);
        assert_eq!(stored.one(SUPPRESSED, &mut unread, i64::load), None);
        assert_eq!(stored.one(WRITTEN, &mut unread, u32::load), None);
        let said = unread.to_string();
        let said: Vec<&str> = said.split("; ").skip(1).collect();
        assert_eq!(
            said,
            [
                "the list of outages begins empty: the state is of version 2, this program reads 1",
                "the count of suppressed alerts begins at 0: the state cannot be read",
                "the day's count of bytes written begins at 0: there is no state",
            ]
        );
        let mut cut = Unread::default();
        StoredBody::new(&body[..body.len() - 1]).note_unknown(&mut cut);
        assert!(cut.to_string().contains("section 1 at byte"), "{cut}");
    }
}
