//! Collects the parts of stored state that this program could not read, in words for a report.

use std::fmt::{self, Write as _};

/// The most parts that a report names; it counts the others.
const NAMED_MAX: usize = 12;

/// The reason why a part could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadReason {
    /// Its version is unknown to this program.
    Version {
        /// The stored version.
        stored: u16,
        /// The version that this program reads.
        read: u16,
    },
    /// Its kind is unknown to this program.
    Unknown,
    /// It is absent.
    Absent,
    /// It is cut off or damaged.
    Damaged,
}

/// Each part that could not be read, with the number of series concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    items: Vec<Item>,
    learns_anew: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    what: String,
    /// Its stream, if it belongs to one.
    stream: Option<String>,
    /// The consequence.
    then: &'static str,
    why: UnreadReason,
    series: u32,
}

impl Unread {
    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Notes that a detector learns anew what an earlier version has stored otherwise, as every version may: nobody need know.
    pub fn learn_anew(&mut self) {
        self.learns_anew = true;
    }

    /// Whether a detector learns anew, so that it may judge otherwise than the last run has.
    #[must_use]
    pub fn learns_anew(&self) -> bool {
        self.learns_anew
    }

    /// Notes a part of the whole state, and the consequence.
    pub fn part(&mut self, what: &str, then: &'static str, why: UnreadReason) {
        self.note(what, None, then, why);
    }

    /// Notes a part of the state of one more series in a stream, and the consequence.
    pub fn of_series(&mut self, what: &str, stream: &str, then: &'static str, why: UnreadReason) {
        self.note(what, Some(stream), then, why);
    }

    fn note(&mut self, what: &str, stream: Option<&str>, then: &'static str, why: UnreadReason) {
        let is_same = |item: &&mut Item| {
            item.what == what && item.stream.as_deref() == stream && item.then == then && item.why == why
        };
        match self.items.iter_mut().find(is_same) {
            Some(item) => item.series += 1,
            None => {
                let stream = stream.map(str::to_owned);
                self.items.push(Item { what: what.to_owned(), stream, then, why, series: 1 });
            }
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, item) in self.items.iter().take(NAMED_MAX).enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            item.fmt(f)?;
        }
        match self.items.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            others => write!(f, "; and {others} others"),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, stream, then, why, series } = self;
        f.write_str(what)?;
        if let Some(stream) = stream {
            write!(f, " of {series} series in stream `{stream}`")?;
        } else if *series > 1 {
            write!(f, " ({series} times)")?;
        }
        f.write_char(' ')?;
        f.write_str(then)?;
        match why {
            UnreadReason::Version { stored, read } => {
                write!(f, ": the state is of version {stored}, this program reads {read}")
            }
            UnreadReason::Unknown => f.write_str(": this program does not know it"),
            UnreadReason::Absent => f.write_str(": there is no state"),
            UnreadReason::Damaged => f.write_str(": the state cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_said_once_in_words() {
        let mut unread = Unread::default();
        assert!(unread.is_empty());
        for _ in 0..12 {
            let why = UnreadReason::Version { stored: 3, read: 2 };
            unread.of_series("detector `auto`", "all", "starts anew", why);
        }
        unread.part("the list of outages", "begins empty", UnreadReason::Damaged);
        assert_eq!(
            unread.to_string(),
            "detector `auto` of 12 series in stream `all` starts anew: the state is of version 3, this program reads 2; \
             the list of outages begins empty: the state cannot be read"
        );
        (0..20).for_each(|n| unread.part(&format!("part {n}"), "is passed over", UnreadReason::Absent));
        assert!(unread.to_string().ends_with("; and 10 others"));
    }
}
