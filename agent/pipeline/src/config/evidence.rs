//! `evidence` of a detector: how many raw readings its alerts carry.

use headwater_settings::{Or, Table};

/// How many raw readings an alert carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceConfig {
    /// Readings up to and including the one that decided.
    pub before: usize,
    /// Readings after the alert was raised.
    pub after: usize,
}

impl EvidenceConfig {
    const DEFAULT: Self = Self { before: 20, after: 10 };
    /// The most of either; a message must stay below the limits of brokers.
    const MAX: i64 = 1_000;

    /// How many readings must be kept.
    #[must_use]
    pub fn readings_needed(&self) -> usize {
        self.before.max(self.after)
    }

    /// Reads `evidence` of a detector's table.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let mut evidence = Self::DEFAULT;
        if let Some(mut table) = table.table("evidence") {
            table.note("before", "readings up to the one that decided; default: 20");
            table.note("after", "readings that follow; default: 10");
            let mut readings = |key: &str, default: usize| {
                table.integer(key, 0..=Self::MAX).given().map_or(default, |n| n.unsigned_abs() as usize)
            };
            evidence = Self {
                before: readings("before", evidence.before),
                after: readings("after", evidence.after),
            };
            table.finish();
        }
        evidence
    }
}
