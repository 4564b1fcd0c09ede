//! Which message makes the other side close the link: a broker may have no better way to refuse one (MQTT 3.1.1 has no
//! word for it), and would close every link on which it is sent. A bad link is closed too, whatever is on it.
//!
//! After [`CLOSED_MAX`] links that were closed with messages on their way, messages go one at a time. One that is alone on
//! its way when the link is closed is a suspect: it is put off, and others go before it. Where others have been
//! acknowledged, and the link has held for [`HELD`] after one of them, it is tried again, alone. Closed again, so often as [`STRIKES`] in all, it is
//! refused; acknowledged, it was the link, and more is asked for from then on. So a message is never refused where nothing
//! else gets through. [`CALM`] acknowledgements in a row on a link end it all.
//!
//! Limits: [`SUSPECTS_MAX`] messages of [`SUSPECT_BYTES_MAX`] in all are put off at a time; with more than that in
//! succession, and nothing else to send, nothing is refused, and the output stands.

use crate::Tag;
use crate::link::Ended;
use crate::spool::Parcel;
use std::time::Duration;
use tokio::time::Instant;

/// Links closed with messages on their way, before these go one at a time; 1 once a message has been refused so.
const CLOSED_MAX: u32 = 3;

/// Acknowledgements on a link after which it is a good one.
const CALM: u32 = 20;

/// Links that a message must have ended, each right after another message was acknowledged.
const STRIKES: u32 = 3;

/// For each suspect that was acknowledged after all, so many more, up to [`STRIKES_MAX`].
const STRIKES_MORE: u32 = 2;
const STRIKES_MAX: u32 = 9;

/// An acknowledgement proves that the link is good when it has held for so long (a broker may acknowledge a message and
/// close the link for it all the same), and until then.
const HELD: Duration = Duration::from_secs(1);
const PROOF: Duration = Duration::from_secs(6);

const SUSPECTS_MAX: usize = 32;
const SUSPECT_BYTES_MAX: usize = 1 << 20;

pub(super) struct Suspicion {
    careful: bool,
    /// Links closed with messages on their way, one after another.
    closed: u32,
    /// Acknowledgements on this link, and the last one.
    answers: u32,
    answered: Option<Instant>,
    /// A broker that has refused a message in words may close the connection for it still: others wait.
    quiet_until: Option<Instant>,
    /// Others wait for a trial now.
    trying: bool,
    alone: Option<Alone>,
    suspects: Vec<Suspect>,
    strikes: u32,
    has_refused: bool,
}

/// What is to be done about those that are put off.
pub(super) enum Trial {
    /// Nothing now.
    No,
    /// Send nothing for so long.
    After(Duration),
    /// Send this one.
    Now(Parcel),
}

/// A message that is on its way with no other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Alone {
    pub(super) tag: Tag,
    pub(super) topic: String,
    /// Of its payload.
    pub(super) bytes: usize,
    /// Another one was acknowledged right before.
    is_proof: bool,
}

struct Suspect {
    tag: Tag,
    bytes: usize,
    strikes: u32,
    /// On this link.
    put_off: Option<Parcel>,
}

impl Suspicion {
    pub(super) fn new() -> Self {
        Self {
            careful: false,
            closed: 0,
            answers: 0,
            answered: None,
            quiet_until: None,
            trying: false,
            alone: None,
            suspects: Vec::new(),
            strikes: STRIKES,
            has_refused: false,
        }
    }

    /// Whether messages are to go one at a time.
    pub(super) fn is_careful(&self) -> bool {
        self.careful
    }

    /// Links closed with messages on their way, one after another.
    pub(super) fn closed(&self) -> u32 {
        self.closed
    }

    /// Keeps a suspect for later; others are given back.
    pub(super) fn put_off(&mut self, parcel: Parcel) -> Option<Parcel> {
        match self.suspects.iter_mut().find(|suspect| is_same(&suspect.tag, &parcel.tag)) {
            Some(suspect) => {
                suspect.put_off = Some(parcel);
                None
            }
            None => Some(parcel),
        }
    }

    /// Whether a suspect is to be tried. With `others` to be sent it can wait for a while.
    pub(super) fn trial(&mut self, now: Instant, others: bool) -> Trial {
        if let Some(until) = self.quiet_until.filter(|until| *until > now) {
            return Trial::After(until - now);
        }
        let waits = others && !self.trying && self.answers < CALM && self.suspects.len() < SUSPECTS_MAX;
        let put_off = self.suspects.iter_mut().filter(|suspect| suspect.put_off.is_some() && !waits);
        let Some((suspect, answered)) = put_off.max_by_key(|suspect| suspect.strikes).zip(self.answered)
        else {
            return Trial::No;
        };
        match now.saturating_duration_since(answered) {
            held if held < HELD => {
                self.trying = true;
                Trial::After(HELD - held)
            }
            held if held < PROOF => suspect.put_off.take().map_or(Trial::No, Trial::Now),
            _ => Trial::No,
        }
    }

    /// A message is on its way.
    pub(super) fn sent(&mut self, now: Instant, tag: &Tag, topic: &str, bytes: usize) {
        if self.careful {
            let held = self.answered.map(|answered| now.saturating_duration_since(answered));
            let is_proof = held.is_some_and(|held| (HELD..PROOF).contains(&held));
            self.alone = Some(Alone { tag: *tag, topic: topic.to_owned(), bytes, is_proof });
        }
        // One acknowledgement proves one trial.
        (self.answered, self.trying) = (None, false);
    }

    /// A message has been answered: acknowledged, or refused in words. Whether messages need no longer go one at a time.
    pub(super) fn answered(&mut self, now: Instant, tag: &Tag, acked: bool) -> bool {
        self.alone = None;
        self.answers = self.answers.saturating_add(1);
        self.answered = Some(now);
        self.quiet_until = (self.careful && !acked).then(|| now + HELD);
        if let Some(at) = self.suspects.iter().position(|suspect| is_same(&suspect.tag, tag)) {
            self.suspects.remove(at);
            if acked {
                self.strikes = (self.strikes + STRIKES_MORE).min(STRIKES_MAX);
                self.suspects.iter_mut().for_each(|suspect| suspect.strikes = 0);
            }
        }
        if self.answers < CALM || self.suspects.iter().any(|suspect| suspect.put_off.is_some()) {
            return false;
        }
        // Suspects that have not come by are gone, or will come as others do.
        self.suspects.clear();
        self.closed = 0;
        std::mem::take(&mut self.careful)
    }

    /// The link is no more; `busy`: something was on its way. A message that is to blame is the answer.
    pub(super) fn ended(&mut self, ended: &Ended, busy: bool) -> Option<Alone> {
        let alone = self.alone.take();
        (self.answers, self.answered, self.trying, self.quiet_until) = (0, None, false, None);
        self.suspects.iter_mut().for_each(|suspect| suspect.put_off = None);
        if !ended.by_peer || !busy {
            return None;
        }
        self.closed = self.closed.saturating_add(1);
        self.careful |= self.closed >= if self.has_refused { 1 } else { CLOSED_MAX };
        let alone = alone?;
        let strikes = self.strike(&alone);
        if strikes < self.strikes {
            return None;
        }
        self.suspects.retain(|suspect| !is_same(&suspect.tag, &alone.tag));
        self.has_refused = true;
        Some(alone)
    }

    /// How often the message was the one, by now.
    fn strike(&mut self, alone: &Alone) -> u32 {
        let known = self.suspects.iter().position(|suspect| is_same(&suspect.tag, &alone.tag));
        if known.is_none() {
            self.make_room(alone.bytes);
            self.suspects.push(Suspect { tag: alone.tag, bytes: alone.bytes, strikes: 0, put_off: None });
        }
        let at = known.unwrap_or(self.suspects.len().saturating_sub(1));
        let Some(suspect) = self.suspects.get_mut(at) else { return 0 };
        suspect.strikes += u32::from(alone.is_proof);
        suspect.strikes
    }

    /// Those least under suspicion go.
    fn make_room(&mut self, bytes: usize) {
        let sum = |suspects: &[Suspect]| suspects.iter().map(|suspect| suspect.bytes).sum::<usize>();
        while self.suspects.len() >= SUSPECTS_MAX || sum(&self.suspects) + bytes > SUSPECT_BYTES_MAX {
            let strikes = |at: &usize| self.suspects.get(*at).map_or(0, |suspect| suspect.strikes);
            let Some(least) = (0..self.suspects.len()).min_by_key(strikes) else { return };
            self.suspects.remove(least);
        }
    }
}

fn is_same(a: &Tag, b: &Tag) -> bool {
    (a.lane, a.seq) == (b.lane, b.seq)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lane, Message};

    /// A link that takes messages one by one in order, put-off ones as they come, until one closes it.
    struct Bench {
        suspicion: Suspicion,
        now: Instant,
        waiting: Vec<u64>,
        refused: Vec<u64>,
    }

    impl Bench {
        fn new(count: u64) -> Self {
            let (suspicion, now) = (Suspicion::new(), Instant::now());
            Self { suspicion, now, waiting: (0..count).collect(), refused: Vec::new() }
        }

        /// One link's life: `closes` says which message ends it, being the `n`th on it.
        fn link(&mut self, closes: impl Fn(u64, usize) -> bool) {
            let mut queue = self.waiting.clone().into_iter();
            for n in 0.. {
                let Some(parcel) = self.next(&mut queue) else { return };
                let seq = parcel.tag.seq;
                self.suspicion.sent(self.now, &parcel.tag, "t", 1);
                if closes(seq, n) {
                    let ended = Ended { reason: "x".into(), wait: Duration::ZERO, by_peer: true };
                    let guilty = self.suspicion.ended(&ended, true).map(|alone| alone.tag.seq);
                    self.waiting.retain(|seq| Some(*seq) != guilty);
                    return self.refused.extend(guilty);
                }
                self.suspicion.answered(self.now, &parcel.tag, true);
                self.waiting.retain(|other| *other != seq);
            }
        }

        fn next(&mut self, queue: &mut impl ExactSizeIterator<Item = u64>) -> Option<Parcel> {
            loop {
                let others = queue.len() > 0;
                match self.suspicion.trial(self.now, others) {
                    Trial::Now(parcel) => return Some(parcel),
                    Trial::After(wait) => self.now += wait,
                    Trial::No if others => {
                        if let Some(parcel) = self.suspicion.put_off(parcel(queue.next()?)) {
                            return Some(parcel);
                        }
                    }
                    Trial::No => return None,
                }
            }
        }
    }

    fn parcel(seq: u64) -> Parcel {
        let message = Message { lane: Lane::Data, made_ms: 0, route: "r".into(), body: "b".into() };
        Parcel { tag: Tag { lane: Lane::Data, seq, owed: 1 }, late: true, message }
    }

    #[tokio::test]
    async fn those_that_close_the_link_are_refused_and_no_others() {
        let mut bench = Bench::new(200);
        let poison = |seq| seq % 9 == 0;
        let mut links = 0;
        while bench.waiting.iter().any(|seq| *seq < 200) {
            bench.link(|seq, _| seq < 200 && poison(seq));
            links += 1;
            bench.waiting.push(1_000 + links);
            assert!(links < 200, "{:?}", bench.waiting);
        }
        bench.refused.sort_unstable();
        assert_eq!(bench.refused, (0..200).filter(|seq| poison(*seq)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_link_that_is_closed_whatever_is_sent_costs_nothing() {
        let mut bench = Bench::new(200);
        (0..1_000).for_each(|_| bench.link(|_, _| true));
        assert_eq!((bench.refused.len(), bench.waiting.len()), (0, 200));
        assert!(bench.suspicion.suspects.len() <= SUSPECTS_MAX && bench.suspicion.is_careful());
        // Nor one that carries a few at a time.
        for round in 0..1_000 {
            bench.link(|_, n| n == round % 4 + 1);
            bench.waiting.push(1_000 + round as u64);
        }
        assert_eq!(bench.refused, [0; 0]);
        bench.link(|_, _| false);
        assert!(bench.waiting.is_empty() && !bench.suspicion.is_careful());
    }
}
