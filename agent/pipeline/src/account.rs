//! The account of readings: how many came in, and where each one went.
//!
//! Two identities hold at every moment, in total and for each stream (a stream has no `repeated` and `unselected`): `received = summarised + late + filtered + invalid + future + refused + repeated + unselected +
//! in_windows` and `made = delivered + waiting + thinned + lost`. A third one holds for each source, where a reading
//! counts once however many streams select it: `received = selected + unselected + filtered + invalid + refused +
//! repeated`. The total `received` is the sum over the streams, plus the readings of sources that no stream received.
//! What holds no reading stands beside the sum: `empty` records, `retained` messages that are not read, payloads that were
//! `dropped` because nobody could take them in time, and series that were `forgotten`. A report
//! carries the flows of its interval, the change of the two levels `in_windows` and `waiting` (which may be
//! negative), and the totals since the state began.

/// Counts by their names on the wire.
pub type NamedCounts = Vec<(&'static str, i64)>;

/// Declares a struct of counts. The first count is the sum of the others; those after `beside` are no part of it.
/// Counts are signed, because levels may fall. An unknown name, from another version of the program, is added to
/// `$rest`.
macro_rules! account {
    ($(#[$doc:meta])* $name:ident of $len:literal, others as $rest:ident {
        $($(#[$count_doc:meta])* $count:ident),+ $(,)?
        $(; beside $($(#[$beside_doc:meta])* $beside:ident),+ $(,)?)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct $name { $($(#[$count_doc])* pub $count: i64,)+ $($($(#[$beside_doc])* pub $beside: i64),+)? }

        impl $name {
            /// The counts with their names on the wire.
            #[must_use]
            pub fn named(&self) -> [(&'static str, i64); $len] {
                [$((stringify!($count), self.$count),)+ $($((stringify!($beside), self.$beside)),+)?]
            }

            /// The counts without those beside the sum that are 0.
            pub fn shown(&self) -> impl Iterator<Item = (&'static str, i64)> + use<> {
                let parts = [$(stringify!($count)),+].len();
                let is_shown = move |(at, (_, count)): &(usize, (&str, i64))| *at < parts || *count != 0;
                self.named().into_iter().enumerate().filter(is_shown).map(|(_, named)| named)
            }

            /// The parts of the sum with their names, and what stands beside it.
            #[must_use]
            pub fn parts_and_beside(&self) -> (NamedCounts, NamedCounts) {
                let parts = [$(stringify!($count)),+].len();
                let mut named = self.named().to_vec();
                let beside = named.split_off(parts);
                named.remove(0);
                (named, beside)
            }

            /// Reads counts by name. An unknown name is added to `$rest`, as far as the sum includes it.
            #[must_use]
            pub fn from_named<'n>(counts: impl IntoIterator<Item = (&'n str, i64)>) -> Self {
                let mut account = Self::default();
                let mut has_others = false;
                for (name, count) in counts {
                    match name {
                        $(stringify!($count) => account.$count = count,)+
                        $($(stringify!($beside) => account.$beside = count,)+)?
                        _ => has_others = true,
                    }
                }
                if has_others {
                    account.$rest = account.$rest.wrapping_add(account.missing());
                }
                account
            }

            /// The excess of the sum over its parts.
            fn missing(&self) -> i64 {
                let [whole, parts @ ..] = [$(self.$count),+];
                parts.iter().fold(whole, |left, count| left.wrapping_sub(*count))
            }

            /// Whether the parts add up to the sum.
            #[must_use]
            pub fn balances(&self) -> bool {
                self.missing() == 0
            }

            /// The difference between `earlier` and now.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self {
                    $($count: self.$count.wrapping_sub(earlier.$count),)+
                    $($($beside: self.$beside.wrapping_sub(earlier.$beside)),+)?
                }
            }

            /// The sum of both.
            #[must_use]
            pub fn plus(&self, other: &Self) -> Self {
                Self {
                    $($count: self.$count.wrapping_add(other.$count),)+
                    $($($beside: self.$beside.wrapping_add(other.$beside)),+)?
                }
            }
        }
    };
}

account! {
    /// Readings by where they went.
    ReadingCounts of 14, others as refused {
        /// Received: once for each stream that selects the reading, once if none does.
        received,
        /// In a summary that was sent, or forwarded.
        summarised,
        /// Too late: their window was closed for good.
        late,
        /// Rejected by the `where` of a source or a stream, or dropped by a stream's filter.
        filtered,
        /// Payloads that could not be decoded, and readings of which a stream's `map` makes no number.
        invalid,
        /// Further ahead of the agent's clock than `future`.
        future,
        /// Of series beyond the limit.
        refused,
        /// Repeated deliveries, which were counted before.
        repeated,
        /// Selected by no stream.
        unselected,
        /// In open windows, or undecided in a filter.
        in_windows;
        beside
        /// Records that hold no reading.
        empty,
        /// Retained messages that are not read.
        retained,
        /// Payloads that were lost before they were decoded, because there was no room for them.
        dropped,
        /// Series that gave way after a long silence, because there was no room for others.
        forgotten,
    }
}

account! {
    /// Readings of one source. Every reading counts once, as does a payload that cannot be decoded.
    SourceCounts of 11, others as refused {
        /// Received.
        received,
        /// Selected by at least one stream. The streams' counts say where they went.
        selected,
        /// Selected by no stream.
        unselected,
        /// Payloads that could not be decoded.
        invalid,
        /// Of series beyond the limit.
        refused,
        /// Repeated deliveries, which were counted before.
        repeated,
        /// Rejected by the source's `where`.
        filtered;
        beside
        /// Records that hold no reading.
        empty,
        /// Retained messages that are not read.
        retained,
        /// Payloads that were lost before they were decoded, because there was no room for them.
        dropped,
        /// Series that gave way after a long silence, because there was no room for others.
        forgotten,
    }
}

account! {
    /// The change of the messages' account over an interval.
    MessageDelta of 5, others as lost {
        /// Messages made.
        made,
        /// Messages acknowledged by every output that takes them.
        delivered,
        /// Change of the messages that wait.
        waiting,
        /// Messages merged into coarser summaries.
        thinned,
        /// Messages lost.
        lost,
    }
}

impl SourceCounts {
    /// The readings that reached no stream.
    #[must_use]
    pub fn beside_streams(&self) -> ReadingCounts {
        ReadingCounts {
            received: self.received - self.selected,
            unselected: self.unselected,
            invalid: self.invalid,
            refused: self.refused,
            repeated: self.repeated,
            filtered: self.filtered,
            empty: self.empty,
            retained: self.retained,
            dropped: self.dropped,
            forgotten: self.forgotten,
            ..ReadingCounts::default()
        }
    }
}

/// The account of readings: in total, by source and by stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadingLedger {
    /// The total, including sources and streams that the config no longer has.
    pub total: ReadingCounts,
    /// Each source.
    pub sources: Vec<(String, SourceCounts)>,
    /// Each stream.
    pub streams: Vec<(String, ReadingCounts)>,
}

impl ReadingLedger {
    /// The difference between `earlier` and now, for the present sources and streams.
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

    /// Whether the total and all parts balance.
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
        // Two counts of a later program: one is part of the sum, the other is not.
        let later = [("received", 9), ("summarised", 4), ("paired", 2), ("in_windows", 3), ("idle", 77)];
        let read = ReadingCounts::from_named(later);
        assert_eq!(read, ReadingCounts { late: 0, refused: 2, ..counts });
        assert!(read.balances());
        // What stands beside the sum is read by its name, and told where it is not 0.
        let beside = ReadingCounts { empty: 7, ..counts };
        assert!(ReadingCounts::from_named(beside.named()) == beside && beside.balances());
        assert_eq!(beside.shown().last(), Some(("empty", 7)));
        assert_eq!((counts.shown().count(), beside.since(&counts).empty), (10, 7));
        assert!(!ReadingCounts::from_named([("received", 9), ("late", 2)]).balances(), "that is damage");
    }
}
