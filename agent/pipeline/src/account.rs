//! The readings' account: what came in, and what became of each.
//!
//! Two identities hold at every moment, in total and for each stream (which has no `invalid`, `repeated` and
//! `unselected`): `received = summarised + late + filtered + invalid + future + refused + repeated + unselected +
//! in_windows` and `made = delivered + waiting + thinned + lost`. A third one holds for each source, where a reading
//! counts once, however many streams take it: `received = selected + unselected + invalid + refused + repeated`. They
//! hang together: what is received in total is what the streams have received, and what the sources have received and no
//! stream has. A report carries the flows of its interval (and the change of the
//! two levels, `in_windows` and `waiting`, which may be negative), and the totals since the state began.

/// A struct of counts, the first of which is the sum of the others; signed, because levels may fall. What another program
/// counted under a name that is not here counts as `$rest`.
macro_rules! account {
    ($(#[$doc:meta])* $name:ident of $len:literal, others as $rest:ident { $($(#[$count_doc:meta])* $count:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct $name { $($(#[$count_doc])* pub $count: i64),+ }

        impl $name {
            /// The counts with their names on the wire.
            #[must_use]
            pub fn named(&self) -> [(&'static str, i64); $len] {
                [$((stringify!($count), self.$count)),+]
            }

            /// The account of these counts by name. Those that have no name here are kept as one of those that have, as
            /// far as they are part of the sum.
            #[must_use]
            pub fn from_named<'n>(counts: impl IntoIterator<Item = (&'n str, i64)>) -> Self {
                let mut account = Self::default();
                let mut has_others = false;
                for (name, count) in counts {
                    match name {
                        $(stringify!($count) => account.$count = count,)+
                        _ => has_others = true,
                    }
                }
                if has_others {
                    account.$rest = account.$rest.wrapping_add(account.missing());
                }
                account
            }

            /// What the sum has more than its parts.
            fn missing(&self) -> i64 {
                let [whole, parts @ ..] = self.named();
                parts.iter().fold(whole.1, |left, (_, count)| left.wrapping_sub(*count))
            }

            /// Whether everything is accounted for.
            #[must_use]
            pub fn balances(&self) -> bool {
                self.missing() == 0
            }

            /// What happened between `earlier` and now.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($count: self.$count.wrapping_sub(earlier.$count)),+ }
            }

            /// Both together.
            #[must_use]
            pub fn plus(&self, other: &Self) -> Self {
                Self { $($count: self.$count.wrapping_add(other.$count)),+ }
            }
        }
    };
}

account! {
    /// Readings by what became of them.
    ReadingCounts of 10, others as refused {
        /// Came in: once for each stream that selects the reading, once if none does.
        received,
        /// Went into a window that was sent, or were forwarded.
        summarised,
        /// Came after their window was closed for good.
        late,
        /// Turned away by a stream's `where`, or dropped by its filter.
        filtered,
        /// Could not be decoded.
        invalid,
        /// Were further ahead of the agent's clock than `future`.
        future,
        /// Belonged to series past the limit.
        refused,
        /// Had been counted already: a repeated delivery.
        repeated,
        /// No stream wanted them.
        unselected,
        /// Are in windows that are still open, or in a filter that has not decided.
        in_windows,
    }
}

account! {
    /// What came in from one source, by how far it went. Every reading counts once, a payload that cannot be used once.
    SourceCounts of 6, others as refused {
        /// Came in.
        received,
        /// At least one stream took them; what became of them there, the streams say.
        selected,
        /// No stream wanted them.
        unselected,
        /// Payloads that could not be decoded.
        invalid,
        /// Belonged to series past the limit.
        refused,
        /// Payloads that had been counted already: repeated deliveries.
        repeated,
    }
}

account! {
    /// How the messages' account changed over an interval.
    MessageDelta of 5, others as lost {
        /// Messages made.
        made,
        /// Messages acknowledged by every output that takes them.
        delivered,
        /// Change of the messages that wait.
        waiting,
        /// Messages merged into coarser ones.
        thinned,
        /// Messages given up.
        lost,
    }
}

impl SourceCounts {
    /// What of it the streams know nothing of.
    #[must_use]
    pub fn beside_streams(&self) -> ReadingCounts {
        ReadingCounts {
            received: self.received - self.selected,
            unselected: self.unselected,
            invalid: self.invalid,
            refused: self.refused,
            repeated: self.repeated,
            ..ReadingCounts::default()
        }
    }
}

/// The readings' account in total and in its parts, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadingLedger {
    /// Everything, also of sources and streams that are no more.
    pub total: ReadingCounts,
    /// Each source.
    pub sources: Vec<(String, SourceCounts)>,
    /// Each stream.
    pub streams: Vec<(String, ReadingCounts)>,
}

impl ReadingLedger {
    /// What happened between `earlier` and now, of those that are there now.
    #[must_use]
    pub fn since(&self, earlier: &ReadingLedger) -> ReadingLedger {
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
        ReadingLedger {
            total: self.total.since(&earlier.total),
            sources: change(&self.sources, &earlier.sources, SourceCounts::since),
            streams: change(&self.streams, &earlier.streams, ReadingCounts::since),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_program_counted_still_adds_up() {
        let counts =
            ReadingCounts { received: 9, summarised: 4, late: 2, in_windows: 3, ..ReadingCounts::default() };
        assert_eq!(ReadingCounts::from_named(counts.named()), counts);
        // Two counts of a later program: one is a part of the sum, one stands beside it.
        let later = [("received", 9), ("summarised", 4), ("paired", 2), ("in_windows", 3), ("empty", 77)];
        let read = ReadingCounts::from_named(later);
        assert_eq!(read, ReadingCounts { late: 0, refused: 2, ..counts });
        assert!(read.balances());
        assert!(!ReadingCounts::from_named([("received", 9), ("late", 2)]).balances(), "that is damage");
    }
}
