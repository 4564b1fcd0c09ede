//! Finds the messages of a request that its server does not take: halves are sent, until a bad one is alone.
//!
//! A server that refuses one message answers as one that refuses all does, whose config is wrong. A message is to blame
//! only where that is known: the server has taken another message of the same request, or names what is wrong with this
//! one and has taken others before.
//!
//! Cost: of n messages with one bad, 2 · log2(n) requests. Where nothing is taken, [`SUSPECTS_MAX`] messages are tried alone.

use crate::Tag;

/// Messages that are tried alone before something is taken.
const SUSPECTS_MAX: usize = 16;

/// A message as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HttpEntry {
    pub(super) tag: Tag,
    pub(super) line: Vec<u8>,
}

/// A message that was refused alone.
#[derive(Debug, PartialEq, Eq)]
struct Suspect {
    tag: Tag,
    why: String,
    is_named: bool,
}

/// A request and its parts, until the fate of each message is known.
#[derive(Debug, Default)]
pub(super) struct BatchTrial {
    /// Those that were not tried, the next one last.
    parts: Vec<Vec<HttpEntry>>,
    suspects: Vec<Suspect>,
    /// Whether any message of the request was taken.
    has_taken: bool,
    /// Whether the server has taken messages before.
    has_taken_before: bool,
}

/// The end of a trial.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// These messages are to blame.
    Refused(Vec<(Tag, String)>),
    /// Nobody is, and nothing was taken: it is the server or the config.
    Nobody(String),
}

impl BatchTrial {
    /// A request with all these messages; `has_taken_before`: the server has taken others.
    pub(super) fn new(entries: Vec<HttpEntry>, has_taken_before: bool) -> Self {
        Self { parts: vec![entries], has_taken_before, ..Self::default() }
    }

    /// The messages to send next; `None`: the trial is over.
    pub(super) fn next(&mut self) -> Option<Vec<HttpEntry>> {
        self.parts.pop()
    }

    /// Sends this again, before anything else.
    pub(super) fn again(&mut self, part: Vec<HttpEntry>) {
        self.parts.push(part);
    }

    /// A part was taken.
    pub(super) fn on_taken(&mut self) {
        self.has_taken = true;
    }

    /// A part has a bad message. Where nothing is taken at all, the trial ends soon.
    pub(super) fn on_bad(&mut self, part: Vec<HttpEntry>, why: &str, is_named: bool) {
        if let Some(entry) = self.halve(part) {
            self.suspects.push(Suspect { tag: entry.tag, why: why.to_owned(), is_named });
        }
        let may_blame = self.has_taken || (is_named && self.has_taken_before);
        if self.suspects.len() >= SUSPECTS_MAX && !may_blame {
            self.parts.clear();
        }
    }

    /// A part is too large. Returns a single message, which is to blame for that itself.
    pub(super) fn halve(&mut self, mut part: Vec<HttpEntry>) -> Option<HttpEntry> {
        if part.len() <= 1 {
            return part.pop();
        }
        let rest = part.split_off(part.len() / 2);
        self.parts.push(rest);
        self.parts.push(part);
        None
    }

    /// The server says that it has taken none of this part, and what is wrong with each.
    pub(super) fn on_all_bad(&mut self, part: Vec<HttpEntry>, why: &str) {
        let suspects =
            part.into_iter().map(|entry| Suspect { tag: entry.tag, why: why.to_owned(), is_named: true });
        self.suspects.extend(suspects);
    }

    /// Who is to blame, once there is nothing left to send.
    pub(super) fn verdict(self) -> Verdict {
        debug_assert!(self.parts.is_empty(), "every part has an answer");
        let (has_taken, has_taken_before, mut doubt) = (self.has_taken, self.has_taken_before, None);
        let mut refused = Vec::new();
        for Suspect { tag, why, is_named } in self.suspects {
            if has_taken || (is_named && has_taken_before) {
                refused.push((tag, why));
            } else {
                doubt = Some(why);
            }
        }
        match doubt {
            Some(why) if refused.is_empty() => Verdict::Nobody(why),
            _ => Verdict::Refused(refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lane;
    use crate::output_set::OutputSet;

    fn entries(count: u64) -> Vec<HttpEntry> {
        let tag = |seq| Tag { lane: Lane::Data, seq, owed: OutputSet::default() };
        (0..count).map(|seq| HttpEntry { tag: tag(seq), line: vec![] }).collect()
    }

    /// Plays a server that takes what is good. Returns the verdict and the number of requests.
    fn tried(count: u64, is_good: impl Fn(u64) -> bool, is_named: bool, before: bool) -> (Verdict, u32) {
        let (mut trial, mut requests) = (BatchTrial::new(entries(count), before), 0);
        while let Some(part) = trial.next() {
            requests += 1;
            if part.iter().all(|entry| is_good(entry.tag.seq)) {
                trial.on_taken();
            } else {
                trial.on_bad(part, "bad", is_named);
            }
        }
        (trial.verdict(), requests)
    }

    fn numbers(verdict: Verdict) -> Vec<u64> {
        match verdict {
            Verdict::Refused(tags) => tags.into_iter().map(|(tag, _)| tag.seq).collect(),
            Verdict::Nobody(_) => panic!("somebody is to blame"),
        }
    }

    #[test]
    fn bad_messages_are_found_among_good_ones() {
        let (verdict, requests) = tried(1_000, |seq| seq != 700, false, false);
        assert!(requests <= 21, "{requests}");
        assert_eq!(numbers(verdict), [700]);
        let (verdict, _) = tried(100, |seq| seq % 30 != 0, false, false);
        assert_eq!(numbers(verdict), [0, 30, 60, 90]);
        assert_eq!(numbers(tried(5, |_| true, false, false).0), [0; 0]);
    }

    #[test]
    fn nobody_is_to_blame_where_nothing_is_taken() {
        let nobody = Verdict::Nobody("bad".into());
        assert_eq!(tried(1, |_| false, false, true).0, nobody);
        assert_eq!(tried(1, |_| false, true, false).0, nobody, "it may be the wrong format");
        let (verdict, requests) = tried(1_000, |_| false, false, true);
        assert_eq!(verdict, nobody);
        assert!(requests < 60, "{requests}");
        // All of them are older than the database keeps.
        assert_eq!(numbers(tried(20, |_| false, true, true).0).len(), 20);
        let mut trial = BatchTrial::new(entries(20), true);
        let all = trial.next().unwrap();
        trial.on_all_bad(all, "old");
        assert_eq!(numbers(trial.verdict()).len(), 20);
    }
}
