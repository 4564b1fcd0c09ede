//! Whatever clocks, boots and readings do, in any order.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Deed {
    Run(i64),
    /// Somebody sets the wall clock: so far from the truth.
    Set(i64),
    Says(SyncState),
    Reboot(i64, i64),
    /// Readings are alarming from now on, or not any more.
    Alarm(bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    let wrong = prop_oneof![
        3 => -40_000..40_000_i64,
        3 => -3 * HOUR..3 * HOUR,
        1 => -TRUE..-TRUE + HOUR,
        2 => Just(0_i64),
    ];
    let sync = prop_oneof![Just(SyncState::Synced), Just(SyncState::Unsynced), Just(SyncState::Unknown)];
    prop_oneof![
        4 => (1..400_i64).prop_map(|tenths| Deed::Run(tenths * 100)),
        3 => wrong.prop_map(Deed::Set),
        1 => sync.prop_map(Deed::Says),
        1 => (0..HOUR, 0..HOUR).prop_map(|(off_ms, wall)| Deed::Reboot(off_ms, wall)),
        2 => any::<bool>().prop_map(Deed::Alarm),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_time: 20_000, ..ProptestConfig::default() })]
    /// Steps forward and back at every phase of a window, words of the system that come and go, boots: see
    /// [`World::check`].
    #[test]
    fn whatever_clocks_do_every_reading_is_told_once(
        error in prop_oneof![Just(0_i64), -TRUE..-TRUE + HOUR, -HOUR..HOUR],
        deeds in prop::collection::vec(deed(), 1..14),
    ) {
        let mut world = World::new(error, SyncState::Unknown);
        world.run(3_000);
        for deed in deeds {
            match deed {
                Deed::Run(ms) => world.run(ms),
                Deed::Set(error) => world.error = error,
                Deed::Says(sync) => world.sync = sync,
                Deed::Reboot(off_ms, wall) => world.reboot(off_ms, wall),
                Deed::Alarm(is_bad) => world.value = if is_bad { 9.0 } else { 1.0 },
            }
        }
        world.run(1_000);
        world.check();
    }
}
