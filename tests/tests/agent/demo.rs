//! `headwater demo`: needs nothing, shows something, leaves nothing.

use headwater_tests::agent::{Background, scratch_dir};
use headwater_tests::{TempDir, wait_for};

#[test]
fn the_demo_shows_summaries_and_an_alert_and_leaves_nothing_behind() {
    let dir = TempDir::new();
    let demo = Background::start(&dir, &["demo"]);
    wait_for("what to open and to subscribe to", || {
        demo.stdout().contains("mqtt://127.0.0.1:").then_some(())
    });
    wait_for("a summary", || demo.stdout().contains("demo/greenhouse/bed1/temp").then_some(()));
    wait_for("an alert", || demo.stdout().contains("ALERT").then_some(()));
    let port = demo
        .stdout()
        .split("mqtt://127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split(|next: char| !next.is_ascii_digit()).next()?.parse::<u16>().ok());
    let port = port.expect("the broker's port");
    assert_eq!(demo.interrupt().code(), Some(0));
    let left =
        std::fs::read_dir(scratch_dir(&dir)).expect("the scratch directory").flatten().collect::<Vec<_>>();
    assert!(left.is_empty(), "left behind: {left:?}");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the broker still listens");
}
