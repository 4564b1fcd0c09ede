//! `headwater demo`: needs nothing, shows something, leaves nothing.

use headwater_tests::agent::{Background, scratch_dir};
use headwater_tests::{PATIENCE, TempDir, wait_for, wait_within};

#[test]
fn the_demo_shows_all_that_it_announces_and_leaves_nothing_behind() {
    let dir = TempDir::new();
    let demo = Background::start(&dir, &["demo"]);
    wait_for("what to open and to subscribe to", || {
        demo.stdout().contains("mqtt://127.0.0.1:").then_some(())
    });
    let out = demo.stdout();
    let page = out.lines().next().and_then(|line| line.split_once("http://")).expect("the page's address").1;
    let page = page.trim_end();
    wait_for("the page", || std::net::TcpStream::connect(page).is_ok().then_some(()));
    // In the order of the introduction.
    let shown = |what: &str| {
        wait_within(PATIENCE * 2, what, || {
            demo.stdout().split_once("mosquitto_sub")?.1.contains(what).then_some(())
        })
    };
    for what in [
        "demo/greenhouse/bed1/temp",
        "ALERT",
        "is offline",
        "(waited in the buffer)",
        "(correction 1)",
        "warning missing: ",
        "has come, after",
        "warning door: ",
        "warning auto: ",
    ] {
        shown(what);
    }
    let out = demo.stdout();
    assert!(!out.contains("again and again") && !out.contains("daily_writes"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours where there is no terminal");
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
    assert!(std::net::TcpStream::connect(page).is_err(), "the page is still there");
}
