//! What came in, in little memory: a soak of a thousand lives takes millions of messages in.

use super::load::{KNOCK, PLACES};
use crate::Messages;
use crate::messages::Message;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// The length of the windows that count readings (ms).
pub(super) const WINDOW_MS: i64 = 1_000;

/// Why a reading is in no window, in the words of a report.
const UNUSED: [&str; 5] = ["late", "invalid", "future", "refused", "filtered"];

/// What the subscriber has got so far, and what may be missing.
#[derive(Default)]
pub(super) struct Ledger {
    /// By number.
    got: Vec<bool>,
    /// The bytes of each `(id, rev, state)`, as hashes.
    contents: HashMap<u64, u64>,
    /// The revision of each window that counts.
    windows: HashMap<(String, i64), Revision>,
    /// Numbers that a life may have cost: the readings' own messages, and their place in windows.
    forgiven: [Vec<bool>; 2],
    /// Messages that came again.
    pub(super) repeats: usize,
    /// Messages that had waited in the buffer.
    pub(super) backfill: usize,
    /// Reports by their cause.
    causes: HashMap<String, usize>,
    /// Readings that the reports say were not used, by why.
    unused: BTreeMap<&'static str, i64>,
    /// Messages that the reports call lost.
    pub(super) lost: i64,
    /// What the last report says: when it was made [ms since the Unix epoch], and how many messages waited.
    pub(super) waiting: (i64, i64),
}

impl Ledger {
    /// Takes in what came, and checks what must hold of each message by itself.
    ///
    /// # Panics
    /// When two contents have one `(id, rev)`, or an account does not hold.
    #[track_caller]
    pub(super) fn take(&mut self, messages: &Messages) {
        messages.check_accounts();
        for message in messages.iter() {
            self.backfill += usize::from(message.is_backfill());
            if message.text("id").is_empty() || self.is_new(message) {
                self.on_new(message);
            } else {
                self.repeats += 1;
            }
        }
    }

    #[track_caller]
    fn is_new(&mut self, message: &Message) -> bool {
        let key = hash((message.text("id"), message.text("state"), message.map["rev"].as_i64()));
        let content = hash(&message.payload);
        match self.contents.entry(key) {
            Entry::Vacant(free) => {
                free.insert(content);
                true
            }
            Entry::Occupied(known) => {
                assert_eq!(*known.get(), content, "two contents under one (id, rev): {}", message.map);
                false
            }
        }
    }

    fn on_new(&mut self, message: &Message) {
        if message.text("series") == KNOCK {
            return;
        }
        match message.text("kind") {
            "reading" => {
                let n = message.number("value") as usize;
                if self.got.len() <= n {
                    self.got.resize(n + 1, false);
                }
                self.got[n] = true;
            }
            "summary" => {
                let key = (message.text("series").to_owned(), message.integer("start"));
                let revision = Revision::of(message);
                match self.windows.entry(key) {
                    Entry::Vacant(free) => drop(free.insert(revision)),
                    Entry::Occupied(mut known) => known.get_mut().take(revision, message),
                }
            }
            "report" => {
                *self.causes.entry(message.text("cause").to_owned()).or_default() += 1;
                let total = message.map["total"]["messages"]["waiting"].as_i64().unwrap_or(i64::MAX);
                self.waiting = self.waiting.max((message.integer("to"), total));
                self.lost += message.map["messages"]["lost"].as_i64().unwrap_or(0);
                for why in UNUSED {
                    *self.unused.entry(why).or_default() += message.map[why].as_i64().unwrap_or(0);
                }
            }
            _ => {}
        }
    }

    /// These may be missing: as messages of their own, and in windows.
    pub(super) fn forgive(&mut self, messages: Range<usize>, in_windows: Range<usize>) {
        for (forgiven, numbers) in self.forgiven.iter_mut().zip([messages, in_windows]) {
            forgiven.resize(forgiven.len().max(numbers.end), false);
            forgiven[numbers].fill(true);
        }
    }

    /// How many of the first `count` may be missing.
    pub(super) fn forgiven(&self, count: usize) -> usize {
        (0..count).filter(|n| self.is_forgiven(0, *n)).count()
    }

    fn is_forgiven(&self, what: usize, n: usize) -> bool {
        self.forgiven[what].get(n).copied().unwrap_or(false)
    }

    /// What the reports say.
    pub(super) fn reported(&self) -> String {
        let Self { lost, unused, causes, .. } = self;
        format!("{lost} messages reported as lost, readings as {unused:?}, reports: {causes:?}")
    }

    /// Those of the first `count` that are missing and should not be.
    pub(super) fn missing(&self, count: usize) -> Vec<usize> {
        let got = |n: usize| self.got.get(n).copied().unwrap_or(false);
        (0..count).filter(|n| !got(*n) && !self.is_forgiven(0, *n)).collect()
    }

    /// How many of the first `count` did not come.
    pub(super) fn lost_readings(&self, count: usize) -> usize {
        count - self.got.iter().take(count).filter(|got| **got).count()
    }

    /// Windows of the first `count` readings that say of fewer readings than are safe: what is wrong with them.
    pub(super) fn wrong_windows(&self, start_ms: i64, count: usize) -> Vec<String> {
        let mut safe: HashMap<(String, i64), i64> = HashMap::new();
        for n in (0..count).filter(|n| !self.is_forgiven(1, *n)) {
            let time = start_ms + i64::try_from(n).unwrap_or(i64::MAX);
            let start = time - time.rem_euclid(WINDOW_MS);
            *safe.entry((format!("sensors/{}/n", n % PLACES), start)).or_default() += 1;
        }
        let said = |key| self.windows.get(key).map_or(0, |window| window.count);
        let short = safe.iter().filter(|(key, count)| said(key) < **count);
        short.map(|(key, count)| format!("{key:?}: {} of {count}", said(key))).collect()
    }
}

/// What a summary says of its window.
#[derive(Clone, Copy)]
struct Revision {
    rev: i64,
    count: i64,
    is_partial: bool,
}

impl Revision {
    fn of(message: &Message) -> Self {
        let is_partial = message.map["partial"] == true;
        Self { rev: message.integer("rev"), count: message.integer("count"), is_partial }
    }

    /// Takes another one in, whichever of them is the later.
    #[track_caller]
    fn take(&mut self, other: Self, message: &Message) {
        let (earlier, later) = if other.rev > self.rev { (*self, other) } else { (other, *self) };
        let is_fuller = earlier.count > later.count;
        assert!(later.is_partial || !is_fuller, "less than was told, and not partial: {}", message.map);
        *self = if later.is_partial && is_fuller { earlier } else { later };
    }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
