//! The readings' account: what came in, and what became of each.
//!
//! Two identities hold at every moment, in total and for each stream (which has no `invalid`, `repeated` and
//! `unselected`): `received = summarised + late + filtered + invalid + future + refused + repeated + unselected +
//! in_windows` and `made = delivered + waiting + thinned + lost`. A third one holds for each source, where a reading
//! counts once, however many streams take it: `received = selected + unselected + invalid + refused + repeated`. They
//! hang together: what is received in total is what the streams have received, and what the sources have received and no
//! stream has. A report carries the flows of its interval (and the change of the
//! two levels, `in_windows` and `waiting`, which may be negative), and the totals since the state began.

use headwater_forwarder::Account;

/// Readings by what became of them. Signed, because a report's interval carries changes of `in_windows`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Came in: once for each stream that selects the reading, once if none does.
    pub received: i64,
    /// Went into a window that was sent, or were forwarded.
    pub summarised: i64,
    /// Came after their window was closed for good.
    pub late: i64,
    /// Turned away by a stream's `where`, or dropped by its filter.
    pub filtered: i64,
    /// Could not be decoded.
    pub invalid: i64,
    /// Were further ahead of the agent's clock than `future`.
    pub future: i64,
    /// Belonged to series past the limit.
    pub refused: i64,
    /// Had been counted already: a repeated delivery.
    pub repeated: i64,
    /// No stream wanted them.
    pub unselected: i64,
    /// Are in windows that are still open, or in a filter that has not decided.
    pub in_windows: i64,
}

impl Counts {
    /// The counts with their names on the wire.
    #[must_use]
    pub fn named(&self) -> [(&'static str, i64); 10] {
        [
            ("received", self.received),
            ("summarised", self.summarised),
            ("late", self.late),
            ("filtered", self.filtered),
            ("invalid", self.invalid),
            ("future", self.future),
            ("refused", self.refused),
            ("repeated", self.repeated),
            ("unselected", self.unselected),
            ("in_windows", self.in_windows),
        ]
    }

    /// Whether every reading is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        let [received, rest @ ..] = self.named();
        received.1 == rest.iter().map(|(_, count)| count).sum::<i64>()
    }

    /// What happened between `earlier` and now.
    #[must_use]
    pub fn since(&self, earlier: &Counts) -> Counts {
        self.combined(earlier, i64::wrapping_sub)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Counts) -> Counts {
        self.combined(other, i64::wrapping_add)
    }

    fn combined(&self, other: &Counts, join: impl Fn(i64, i64) -> i64) -> Counts {
        Counts {
            received: join(self.received, other.received),
            summarised: join(self.summarised, other.summarised),
            late: join(self.late, other.late),
            filtered: join(self.filtered, other.filtered),
            invalid: join(self.invalid, other.invalid),
            future: join(self.future, other.future),
            refused: join(self.refused, other.refused),
            repeated: join(self.repeated, other.repeated),
            unselected: join(self.unselected, other.unselected),
            in_windows: join(self.in_windows, other.in_windows),
        }
    }
}

/// What came in from one source, by how far it went. Every reading counts once, a payload that cannot be used once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Came in.
    pub received: i64,
    /// At least one stream took them; what became of them there, the streams say.
    pub selected: i64,
    /// No stream wanted them.
    pub unselected: i64,
    /// Payloads that could not be decoded.
    pub invalid: i64,
    /// Belonged to series past the limit.
    pub refused: i64,
    /// Payloads that had been counted already: repeated deliveries.
    pub repeated: i64,
}

impl Intake {
    /// The counts with their names on the wire.
    #[must_use]
    pub fn named(&self) -> [(&'static str, i64); 6] {
        [
            ("received", self.received),
            ("selected", self.selected),
            ("unselected", self.unselected),
            ("invalid", self.invalid),
            ("refused", self.refused),
            ("repeated", self.repeated),
        ]
    }

    /// Whether everything is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        let [received, rest @ ..] = self.named();
        received.1 == rest.iter().map(|(_, count)| count).sum::<i64>()
    }

    /// What happened between `earlier` and now.
    #[must_use]
    pub fn since(&self, earlier: &Intake) -> Intake {
        Intake {
            received: self.received - earlier.received,
            selected: self.selected - earlier.selected,
            unselected: self.unselected - earlier.unselected,
            invalid: self.invalid - earlier.invalid,
            refused: self.refused - earlier.refused,
            repeated: self.repeated - earlier.repeated,
        }
    }

    /// What of it the streams know nothing of.
    #[must_use]
    pub fn beside_streams(&self) -> Counts {
        Counts {
            received: self.received - self.selected,
            unselected: self.unselected,
            invalid: self.invalid,
            refused: self.refused,
            repeated: self.repeated,
            ..Counts::default()
        }
    }
}

/// The readings' account in total and in its parts, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Everything, also of sources and streams that are no more.
    pub total: Counts,
    /// Each source.
    pub sources: Vec<(String, Intake)>,
    /// Each stream.
    pub streams: Vec<(String, Counts)>,
}

impl Ledger {
    /// What happened between `earlier` and now, of those that are there now.
    #[must_use]
    pub fn since(&self, earlier: &Ledger) -> Ledger {
        fn change<T: Copy + Default>(
            now: &[(String, T)],
            then: &[(String, T)],
            since: impl Fn(&T, &T) -> T,
        ) -> Vec<(String, T)> {
            let before =
                |name: &String| then.iter().find(|(known, _)| known == name).map(|(_, counts)| *counts);
            let changed = |(name, counts): &(String, T)| {
                (name.clone(), since(counts, &before(name).unwrap_or_default()))
            };
            now.iter().map(changed).collect()
        }
        Ledger {
            total: self.total.since(&earlier.total),
            sources: change(&self.sources, &earlier.sources, Intake::since),
            streams: change(&self.streams, &earlier.streams, Counts::since),
        }
    }

    /// Whether it and all its parts balance.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.total.balances()
            && self.sources.iter().all(|(_, intake)| intake.balances())
            && self.streams.iter().all(|(_, counts)| counts.balances())
    }
}

/// How the messages' account changed over an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Messages made.
    pub made: i64,
    /// Messages acknowledged by every output that takes them.
    pub delivered: i64,
    /// Change of the messages that wait.
    pub waiting: i64,
    /// Messages merged into coarser ones.
    pub thinned: i64,
    /// Messages given up.
    pub lost: i64,
}

impl Changes {
    /// What happened between two accounts.
    #[must_use]
    pub fn between(earlier: &Account, later: &Account) -> Changes {
        let change = |then: u64, now: u64| now.wrapping_sub(then).cast_signed();
        Changes {
            made: change(earlier.made, later.made),
            delivered: change(earlier.delivered, later.delivered),
            waiting: change(earlier.waiting, later.waiting),
            thinned: change(earlier.thinned, later.thinned),
            lost: change(earlier.lost, later.lost),
        }
    }

    /// The changes with their names on the wire.
    #[must_use]
    pub fn named(&self) -> [(&'static str, i64); 5] {
        [
            ("made", self.made),
            ("delivered", self.delivered),
            ("waiting", self.waiting),
            ("thinned", self.thinned),
            ("lost", self.lost),
        ]
    }

    /// Whether every message is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.made == self.delivered + self.waiting + self.thinned + self.lost
    }
}
