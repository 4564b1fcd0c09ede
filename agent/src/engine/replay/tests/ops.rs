//! What may happen to an agent, in any order.

use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A reading of one of two series, after so long, so much earlier or later than now, and its value.
    Read(bool, i64, Option<i64>, f64),
    Pass(i64),
    Link(bool),
    Invalid,
    /// One of the two series gives way.
    Forget(bool),
    /// A checkpoint is taken.
    Save,
    /// The one taken last is durable.
    Written,
    /// What gathered is written.
    Flush,
    /// All that was made so far is safe.
    Kept,
    /// The journal is to outlive the boot from here on, or need not.
    Synced(bool),
    Crash,
}

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let apart = prop_oneof![8 => -1_500..500_i64, 1 => -40_000..20_000_i64].prop_map(Some);
    let apart = prop_oneof![9 => apart, 1 => Just(None)];
    let value = prop_oneof![8 => 15.0..25.0_f64, 1 => -50.0..90.0_f64, 2 => Just(20.0)];
    let op = prop_oneof![
        60 => (any::<bool>(), 0..3_000_i64, apart, value)
            .prop_map(|(is_a, after, apart, value)| Op::Read(is_a, after, apart, value)),
        6 => (0..15_000_i64).prop_map(Op::Pass),
        3 => any::<bool>().prop_map(Op::Link),
        2 => Just(Op::Invalid),
        1 => any::<bool>().prop_map(Op::Forget),
        5 => Just(Op::Save),
        5 => Just(Op::Written),
        5 => Just(Op::Flush),
        3 => Just(Op::Kept),
        2 => any::<bool>().prop_map(Op::Synced),
        3 => Just(Op::Crash),
    ];
    prop::collection::vec(op, 1..200)
}
