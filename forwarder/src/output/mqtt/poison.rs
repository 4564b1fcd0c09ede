//! Finds messages for which the broker closes the connection. MQTT 3.1.1 has no answer that refuses a message, so
//! a broker may close the connection instead, and would close every connection on which the message is sent. A bad
//! line closes connections too, whatever is sent.
//!
//! After [`CLOSED_MAX`] connections that were closed with messages in flight, messages go one at a time. If the
//! connection is closed while a message is alone in flight, the message becomes a suspect: it is put off, and
//! others go first. When another message has been acknowledged and the connection has held for [`HELD_MIN`] after
//! that, the suspect is tried again, alone.
//!
//! If the connection is closed [`FAILURES_MAX`] times for it, the suspect is refused; a second one bars its topic. If a
//! suspect is acknowledged, the line was to blame, and more failures are needed from then on. So a message is never
//! refused while nothing else gets through. Where other messages have come through lately and none is to be sent, the
//! announcement at the start of a connection will do. After [`GOOD_ANSWERS`] acknowledgements in a row on a connection,
//! messages go together again.
//!
//! A connection that closes while a message is alone on its way names that message, so that no search among several is
//! needed: k messages among n cost some 3 k connections, and every other message goes once. They cost little time
//! either: the next connection is made soon, and a connection need hold only for as long as the broker took to close
//! those before.
//!
//! Limits: at most [`SUSPECTS_MAX`] messages of [`SUSPECT_BYTES_MAX`] in all are put off at a time.

use super::barred::BarredTopics;
use crate::{Delivery, Tag};
use std::time::Duration;
use tokio::time::Instant;

/// Connections that are closed with messages in flight before messages go one at a time. 1 once a message has been
/// refused so.
const CLOSED_MAX: u32 = 3;

/// Acknowledgements in a row after which a connection counts as good.
const GOOD_ANSWERS: u32 = 20;

/// Connections that the first message must have ended before it is refused, each right after something else was
/// acknowledged.
const FAILURES_MAX: u32 = 3;

/// Additional failures for each suspect that was acknowledged after all, up to [`FAILURES_LIMIT`].
const FAILURES_MORE: u32 = 2;
const FAILURES_LIMIT: u32 = 9;

/// An acknowledgement counts as a proof that the connection works when the connection has held for [`HELD_MIN`]: a
/// broker may acknowledge a message and then close the connection for it. After [`HELD_MAX`] it proves nothing any
/// more.
const HELD_MIN: Duration = Duration::from_secs(1);
const HELD_MAX: Duration = Duration::from_secs(6);

/// Once a message was refused, a connection holds if it does so for this multiple of the time that the broker has taken to
/// close one, and no less than this.
const HELD_TIMES: u32 = 4;
const HELD_LEAST: Duration = Duration::from_millis(250);

/// For so long after an acknowledged message, and for so many that are refused, the acknowledgement of an announcement
/// proves that the connection works: a broker may take announcements and nothing else.
const PASSED_MAX: Duration = Duration::from_secs(600);
const REFUSED_MAX: u32 = 256;

/// Suspects that wait for a retry while others go first, before any was refused and after.
const SUSPECTS_UNSURE: usize = 4;
const SUSPECTS_MAX: usize = 1_024;
const SUSPECT_BYTES_MAX: usize = 1 << 20;

/// Finds the message for which a broker closes the connection. It lives as long as the output.
pub(crate) struct PoisonGuard {
    one_at_a_time: bool,
    /// Consecutive connections that were closed with messages in flight.
    closed: u32,
    /// Acknowledgements on this connection, and the time of the last one.
    answers: u32,
    answered: Option<Instant>,
    /// Whether anything was acknowledged on this connection, an announcement too.
    has_carried: bool,
    /// When a message was acknowledged last, on whatever connection.
    passed: Option<Instant>,
    /// A message was refused with a reason: the broker may still close the connection for it, so others wait.
    quiet_until: Option<Instant>,
    /// Other messages wait for a retry.
    retrying: bool,
    solo: Option<Solo>,
    suspects: Vec<Suspect>,
    failures_max: u32,
    /// How many messages were refused, and how many since one was acknowledged.
    refused: u32,
    refused_since: u32,
    /// The time that the broker takes to close a connection for a message, the longest of late.
    took: Duration,
    barred: BarredTopics,
}

/// What to do about suspects.
pub(crate) enum Retry {
    /// Nothing.
    No,
    /// Send nothing for this time.
    After(Duration),
    /// Send this one.
    Now(Delivery),
}

/// The verdict on the messages of a closed connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The message that is refused, and the reason.
    pub(crate) refused: Option<(Tag, String)>,
    /// A remark for the reason of the end.
    pub(crate) remark: String,
    /// Whether the next connection may be made soon: this one has named a suspect, and carried something else.
    pub(crate) soon: bool,
}

/// A message that is alone in flight.
#[derive(Debug, PartialEq, Eq)]
struct Solo {
    tag: Tag,
    topic: String,
    /// The size of its payload (bytes).
    bytes: usize,
    /// When it was sent.
    sent: Instant,
    /// Whether another message was acknowledged right before.
    is_proof: bool,
}

struct Suspect {
    tag: Tag,
    bytes: usize,
    failures: u32,
    /// On this connection.
    put_off: Option<Delivery>,
}

impl PoisonGuard {
    pub(crate) fn new() -> Self {
        Self {
            one_at_a_time: false,
            closed: 0,
            answers: 0,
            answered: None,
            has_carried: false,
            passed: None,
            quiet_until: None,
            retrying: false,
            solo: None,
            suspects: Vec::new(),
            failures_max: FAILURES_MAX,
            refused: 0,
            refused_since: 0,
            took: Duration::ZERO,
            barred: BarredTopics::default(),
        }
    }

    /// Whether messages are to go one at a time.
    pub(crate) fn is_on(&self) -> bool {
        self.one_at_a_time
    }

    /// A connection is opened. No message is in flight.
    pub(crate) fn opened(&mut self) {
        (self.answers, self.answered, self.retrying, self.quiet_until) = (0, None, false, None);
        (self.solo, self.has_carried) = (None, false);
        self.suspects.iter_mut().for_each(|suspect| suspect.put_off = None);
    }

    /// Why a message of this size cannot be sent to the topic.
    pub(crate) fn bars(&self, topic: &str, bytes: usize, now: Instant) -> Option<String> {
        let minutes = self.barred.wait(topic, bytes, now)?.as_secs().div_ceil(60);
        Some(format!(
            "{topic}: the broker closed the connection for others like it; one is tried again in {minutes} min"
        ))
    }

    /// Keeps a suspect for later. Gives any other message back.
    pub(crate) fn put_off(&mut self, delivery: Delivery) -> Option<Delivery> {
        match self.suspects.iter_mut().find(|suspect| is_same(&suspect.tag, &delivery.tag)) {
            Some(suspect) => {
                suspect.put_off = Some(delivery);
                None
            }
            None => Some(delivery),
        }
    }

    /// Whether a retry is due, although there may be other messages to send.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let held = self.answered.map(|answered| now.saturating_duration_since(answered));
        self.quiet_until.is_some_and(|until| until > now)
            || (held.is_some_and(|held| held < HELD_MAX)
                && !self.can_wait()
                && self.suspects.iter().any(|suspect| suspect.put_off.is_some()))
    }

    /// A retry can wait while there are other messages to send.
    fn can_wait(&self) -> bool {
        let suspects_max = if self.refused == 0 { SUSPECTS_UNSURE } else { SUSPECTS_MAX };
        !self.retrying && self.answers < GOOD_ANSWERS && self.suspects.len() < suspects_max
    }

    /// Chooses a suspect to try. `others`: there may be other messages to send.
    pub(crate) fn retry(&mut self, now: Instant, others: bool) -> Retry {
        if let Some(until) = self.quiet_until.filter(|until| *until > now) {
            return Retry::After(until - now);
        }
        let (waits, held_min) = (others && self.can_wait(), self.held_min());
        let put_off = self.suspects.iter_mut().filter(|suspect| suspect.put_off.is_some() && !waits);
        let Some((suspect, answered)) = put_off.max_by_key(|suspect| suspect.failures).zip(self.answered)
        else {
            return Retry::No;
        };
        match now.saturating_duration_since(answered) {
            held if held < held_min => {
                self.retrying = true;
                Retry::After(held_min - held)
            }
            held if held < HELD_MAX => suspect.put_off.take().map_or(Retry::No, Retry::Now),
            _ => Retry::No,
        }
    }

    /// A message is in flight.
    pub(crate) fn sent(&mut self, now: Instant, tag: &Tag, topic: &str, bytes: usize) {
        if self.one_at_a_time {
            let held = self.answered.map(|answered| now.saturating_duration_since(answered));
            let is_proof = held.is_some_and(|held| (self.held_min()..HELD_MAX).contains(&held));
            self.solo = Some(Solo { tag: *tag, topic: topic.to_owned(), bytes, sent: now, is_proof });
        }
        // One acknowledgement proves one retry.
        (self.answered, self.retrying) = (None, false);
    }

    /// A message has been answered: acknowledged, or refused with a reason.
    pub(crate) fn answered(&mut self, now: Instant, tag: &Tag, acked: bool) {
        self.solo = None;
        self.answers = self.answers.saturating_add(1);
        self.has_carried = true;
        self.answered = Some(now);
        if acked {
            (self.passed, self.refused_since) = (Some(now), 0);
        }
        self.quiet_until = (self.one_at_a_time && !acked).then(|| now + self.held_min());
        if let Some(at) = self.suspects.iter().position(|suspect| is_same(&suspect.tag, tag)) {
            self.suspects.remove(at);
            if acked {
                self.failures_max = (self.failures_max + FAILURES_MORE).min(FAILURES_LIMIT);
                self.suspects.iter_mut().for_each(|suspect| suspect.failures = 0);
                self.took = HELD_MIN;
            }
        }
        if self.answers < GOOD_ANSWERS || self.suspects.iter().any(|suspect| suspect.put_off.is_some()) {
            return;
        }
        // Suspects that have not come by are gone, or will come as others do.
        self.suspects.clear();
        (self.closed, self.one_at_a_time) = (0, false);
    }

    /// An announcement has been acknowledged: the connection works, if messages have come through lately.
    pub(crate) fn announced(&mut self, now: Instant) {
        self.has_carried = true;
        let is_recent = self.passed.is_some_and(|passed| now.saturating_duration_since(passed) < PASSED_MAX);
        if is_recent && self.refused_since < REFUSED_MAX {
            self.answered = Some(now);
        }
    }

    /// For how long a connection has to hold.
    fn held_min(&self) -> Duration {
        if self.refused == 0 { HELD_MIN } else { (HELD_TIMES * self.took).clamp(HELD_LEAST, HELD_MIN) }
    }

    /// The broker has closed the connection with messages in flight, for this reason.
    pub(crate) fn closed(&mut self, now: Instant, reason: &str) -> Verdict {
        let solo = self.solo.take();
        let soon = solo.is_some() && self.refused > 0 && self.has_carried;
        self.closed = self.closed.saturating_add(1);
        self.one_at_a_time |= self.closed >= if self.refused > 0 { 1 } else { CLOSED_MAX };
        let refused = solo.filter(|solo| self.fail(solo, now)).map(|solo| {
            self.suspects.retain(|suspect| !is_same(&suspect.tag, &solo.tag));
            self.refused = self.refused.saturating_add(1);
            self.refused_since = self.refused_since.saturating_add(1);
            let Solo { tag, topic, bytes, .. } = solo;
            self.barred.note(&topic, bytes, now);
            let why = "the link was closed each time that they were sent, and carried others";
            (tag, format!("{topic}: {bytes} bytes, {why}: {reason}"))
        });
        let remark = if self.one_at_a_time {
            let times = self.closed;
            format!(", {times} times while messages were on their way: these go one at a time now")
        } else {
            String::new()
        };
        Verdict { refused, remark, soon }
    }

    /// Counts a failure of the message. Returns whether there are enough.
    fn fail(&mut self, solo: &Solo, now: Instant) -> bool {
        let took = now.saturating_duration_since(solo.sent);
        // At once when it takes longer, and slowly when it takes less.
        self.took = took.max(self.took - self.took.saturating_sub(took) / 4);
        let known = self.suspects.iter().position(|suspect| is_same(&suspect.tag, &solo.tag));
        if known.is_none() {
            self.make_room(solo.bytes);
            let (tag, bytes) = (solo.tag, solo.bytes);
            self.suspects.push(Suspect { tag, bytes, failures: 0, put_off: None });
        }
        let (at, needed) = (known.unwrap_or(self.suspects.len().saturating_sub(1)), self.failures_max);
        let Some(suspect) = self.suspects.get_mut(at) else { return false };
        suspect.failures += u32::from(solo.is_proof);
        suspect.failures >= needed
    }

    /// Forgets the suspects with the fewest failures.
    fn make_room(&mut self, bytes: usize) {
        let sum = |suspects: &[Suspect]| suspects.iter().map(|suspect| suspect.bytes).sum::<usize>();
        while self.suspects.len() >= SUSPECTS_MAX || sum(&self.suspects) + bytes > SUSPECT_BYTES_MAX {
            let failures = |at: &usize| self.suspects.get(*at).map_or(0, |suspect| suspect.failures);
            let Some(least) = (0..self.suspects.len()).min_by_key(failures) else { return };
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

    /// A connection that takes messages one by one in order, put-off ones as they come, until one closes it.
    struct Bench {
        guard: PoisonGuard,
        now: Instant,
        waiting: Vec<u64>,
        refused: Vec<u64>,
        /// All that was acknowledged, in order.
        acked: Vec<u64>,
        /// The time from a message to the end of its connection.
        takes: Duration,
    }

    impl Bench {
        fn new(count: u64) -> Self {
            let (guard, now) = (PoisonGuard::new(), Instant::now());
            let (refused, acked, takes) = (Vec::new(), Vec::new(), Duration::from_millis(5));
            Self { guard, now, waiting: (0..count).collect(), refused, acked, takes }
        }

        /// One connection: `closes` says which message ends it, being the `n`th on it.
        fn link(&mut self, closes: impl Fn(u64, usize) -> bool) {
            self.guard.opened();
            self.guard.announced(self.now);
            let mut queue = self.waiting.clone().into_iter();
            for n in 0.. {
                let Some(delivery) = self.next(&mut queue) else { return };
                let seq = delivery.tag.seq;
                self.guard.sent(self.now, &delivery.tag, &seq.to_string(), 1);
                if closes(seq, n) {
                    self.now += self.takes;
                    let Verdict { refused, soon, .. } = self.guard.closed(self.now, "x");
                    self.now += if soon { Duration::from_millis(60) } else { Duration::from_secs(2) };
                    let guilty = refused.map(|(tag, _)| tag.seq);
                    self.waiting.retain(|seq| Some(*seq) != guilty);
                    return self.refused.extend(guilty);
                }
                self.guard.answered(self.now, &delivery.tag, true);
                self.acked.push(seq);
                self.waiting.retain(|other| *other != seq);
            }
        }

        fn next(&mut self, queue: &mut impl ExactSizeIterator<Item = u64>) -> Option<Delivery> {
            loop {
                let others = queue.len() > 0;
                match self.guard.retry(self.now, others) {
                    Retry::Now(delivery) => return Some(delivery),
                    Retry::After(wait) => self.now += wait,
                    Retry::No if others => {
                        if let Some(delivery) = self.guard.put_off(delivery(queue.next()?)) {
                            return Some(delivery);
                        }
                    }
                    Retry::No => return None,
                }
            }
        }
    }

    fn delivery(seq: u64) -> Delivery {
        let message = Message { lane: Lane::Data, made_ms: 0, body: "b".into() };
        Delivery {
            tag: Tag { lane: Lane::Data, seq, owed: crate::output_set::OutputSet::bit(0) },
            backfill: true,
            message,
        }
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
    async fn many_are_found_in_four_links_each_alone_or_among_others() {
        // The last hundred are all poison: nothing else is left to be sent.
        for (count, is_poison) in [(400_u64, (|seq| seq % 4 == 0) as fn(u64) -> bool), (110, |seq| seq >= 10)]
        {
            let (mut bench, mut links) = (Bench::new(count), 0);
            while !bench.waiting.is_empty() {
                bench.link(|seq, _| is_poison(seq));
                links += 1;
                assert!(links < 4 * 100 + 20, "{:?}", bench.waiting);
            }
            bench.refused.sort_unstable();
            assert_eq!(bench.refused, (0..count).filter(|seq| is_poison(*seq)).collect::<Vec<_>>());
            let now = bench.now;
            assert_eq!(bench.guard.bars("104", 1, now), None, "one message says little of its topic");
            bench.waiting.push(104);
            (0..4).for_each(|_| bench.link(|seq, _| is_poison(seq)));
            assert!(bench.guard.bars("104", 1, now).is_some());
        }
    }

    /// Half of them, by chance: minutes, not hours; the others come through in order meanwhile.
    #[tokio::test]
    async fn thousands_are_found_in_minutes() {
        for takes in [5, 200] {
            let mut bench = Bench::new(800);
            bench.takes = Duration::from_millis(takes);
            let is_poison = |seq: u64| seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0;
            let (began, mut links) = (bench.now, 0);
            while !bench.waiting.is_empty() {
                bench.link(|seq, _| seq < 800 && is_poison(seq));
                links += 1;
                // What goes on meanwhile.
                bench
                    .waiting
                    .extend((links % 100 == 0 && bench.refused.len() < 350).then_some(10_000 + links));
                assert!(links < 1_800, "{} wait", bench.waiting.len());
            }
            bench.refused.sort_unstable();
            assert_eq!(bench.refused, (0..800).filter(|seq| is_poison(*seq)).collect::<Vec<_>>());
            assert!(bench.acked.is_sorted());
            let took = bench.now - began;
            println!("{takes} ms: {links} connections, {took:?}");
            assert!(took < Duration::from_secs(if takes < 50 { 600 } else { 1_800 }), "{took:?}");
        }
    }

    /// A broker that acknowledges and closes a while after: whoever is on his way then is not to blame.
    #[tokio::test]
    async fn whoever_follows_the_culprit_is_not_refused() {
        let mut bench = Bench::new(0);
        for round in 0..400_u64 {
            bench.waiting.extend([round * 10, round * 10 + 1, round * 10 + 2]);
            bench.link(|seq, n| n > 0 && seq % 10 == 1 && round % 2 == 0);
            bench.link(|_, _| false);
        }
        (0..40).for_each(|_| bench.link(|_, _| false));
        assert_eq!((bench.refused.len(), bench.waiting.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_link_that_is_closed_whatever_is_sent_costs_nothing() {
        let mut bench = Bench::new(200);
        (0..1_000).for_each(|_| bench.link(|_, _| true));
        assert_eq!((bench.refused.len(), bench.waiting.len()), (0, 200));
        assert!(bench.guard.suspects.len() <= SUSPECTS_MAX && bench.guard.is_on());
        // Nor one that carries a few at a time.
        for round in 0..1_000 {
            bench.link(|_, n| n == round % 4 + 1);
            bench.waiting.push(1_000 + round as u64);
        }
        assert_eq!(bench.refused, [0; 0]);
        bench.waiting.extend(5_000..5_050);
        bench.link(|_, _| false);
        assert!(bench.waiting.is_empty() && !bench.guard.is_on());
    }
}
