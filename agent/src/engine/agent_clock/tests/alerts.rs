//! Alerts that are raised on one timeline and cleared on another.

use super::*;

/// Raised in one boot or on one timeline, cleared in another: one id, whether both have their times by then or not.
#[test]
fn an_alert_keeps_its_id_whatever_the_clocks_do() {
    let alert = |time: i64, mark: &str| {
        let id = format!("w/t/threshold@{time}{mark}");
        [(id.clone(), "raised".to_owned()), (id, "cleared".to_owned())]
    };
    let raised = |error, sync| {
        let mut world = World::new(error, sync);
        world.run(3_000);
        world.value = 9.0;
        world.run(2_000);
        world.value = 1.0;
        world
    };
    let (wrong, at) = (7_000 - TRUE, TRUE + 4_000);
    // The boot that it was raised in ends without the time, and so does the next one.
    let mut world = raised(wrong, SyncState::Unknown);
    world.reboot(60_000, 3_000);
    world.run(2_000);
    assert_eq!(world.alerts(), alert(11_000, "~boot-0"));
    world.reboot(60_000, 3_000);
    world.run(2_000);
    world.error = 0;
    world.run(1_000);
    assert_eq!(world.alerts(), alert(at + 120_000, ""), "as late as it can have been");
    world.check();
    // The next boot learns the time before it is cleared.
    let mut world = raised(wrong, SyncState::Unknown);
    world.value = 9.0;
    world.reboot(60_000, 3_000);
    world.run(1_000);
    world.error = 0;
    world.run(1_000);
    world.value = 1.0;
    world.run(2_000);
    assert_eq!(world.alerts(), alert(at + 60_000, ""));
    world.check();
    // Its time was known, that of the clearing is not, and then it is.
    let mut world = raised(0, SyncState::Synced);
    world.sync = SyncState::Unknown;
    world.reboot(60_000, 3_000);
    world.run(2_000);
    assert_eq!(world.alerts(), alert(at, ""));
    world.error = 0;
    world.run(1_000);
    assert_eq!(world.alerts(), alert(at, ""));
    world.check();
    // It went out before the time was known: the id that it had there stays, in the same boot and in the next.
    for reboots in [false, true] {
        let mut world = raised(wrong, SyncState::Unknown);
        world.value = 9.0;
        world.boots.announce();
        if reboots {
            world.reboot(60_000, 3_000);
            world.run(1_000);
        }
        world.error = 0;
        world.run(1_000);
        world.value = 1.0;
        world.run(2_000);
        assert_eq!(world.alerts(), alert(11_000, "~boot-0"));
        world.check();
    }
    // It lasts for more boots than are remembered.
    let mut world = raised(wrong, SyncState::Unknown);
    world.value = 9.0;
    world.error = 0;
    world.run(1_000);
    assert_eq!(world.alerts(), alert(at, "")[..1], "it goes out");
    for _ in 0..70 {
        let wall = world.truth + 1_000;
        world.reboot(1_000, wall);
    }
    world.value = 1.0;
    world.run(2_000);
    assert_eq!(world.alerts()[1..], alert(at, "")[1..]);
    // The clock is set while it is raised, back and on, and other times have been twice by then.
    for step in [HOUR, -HOUR] {
        let mut world = raised(0, SyncState::Synced);
        world.value = 9.0;
        for error in [step, 0] {
            world.error = error;
            world.run(3_000);
        }
        world.value = 1.0;
        world.run(2_000);
        assert_eq!(world.alerts(), alert(at, ""));
        world.check();
    }
}
