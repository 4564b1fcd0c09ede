//! What the agent tells the service manager, and what `self-test` tells people.

use crate::{Config, wait_source};
use headwater_tests::agent::{run, state_dir};
use headwater_tests::{Agent, Mosquitto, TempDir};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Next words of the agent for systemd that contain `words`; none of those before may contain `never`.
#[track_caller]
fn hear(socket: &UnixDatagram, words: &str, never: &str) -> String {
    let mut bytes = [0; 4096];
    loop {
        let size =
            socket.recv(&mut bytes).unwrap_or_else(|error| panic!("no {words} from the agent: {error}"));
        let heard = String::from_utf8_lossy(&bytes[..size]).into_owned();
        assert!(never.is_empty() || !heard.contains(never), "{never} before {words}: {heard}");
        if heard.contains(words) {
            return heard;
        }
    }
}

/// A reload must not look like a stop: systemd would end what goes on.
#[test]
fn systemd_hears_ready_alive_reloading_and_stopping() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let path = dir.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "1500000")];
    let agent = Agent::start_with(&dir, &Config::new(broker.port, broker.port).text(), &environment);

    let ready = hear(&socket, "READY=1", "STOPPING=1");
    assert!(ready.contains("STATUS=0 series; 0 messages wait"), "{ready}");
    wait_source(&broker, 1);
    hear(&socket, "cloud: up", "STOPPING=1");
    for _ in 0..3 {
        hear(&socket, "WATCHDOG=1", "STOPPING=1");
    }
    assert!(
        std::process::Command::new("kill")
            .args(["-HUP", &agent.pid().to_string()])
            .status()
            .unwrap()
            .success()
    );
    hear(&socket, "RELOADING=1", "STOPPING=1");
    hear(&socket, "READY=1", "STOPPING=1");
    assert!(agent.terminate().success());
    hear(&socket, "STOPPING=1", "RELOADING=1");
}

#[test]
fn self_test_says_what_works_and_the_way_out_where_something_does_not() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    std::fs::create_dir_all(state_dir(&dir)).unwrap();
    dir.write("headwater.toml", config.text());
    let arguments = ["self-test", "--config", "headwater.toml"];
    let well = run(&dir, &arguments);
    let text = String::from_utf8_lossy(&well.stdout);
    assert!(well.status.success(), "{text}");
    for words in ["MB/s with sync", "subscribed to sensors/+", "headwater/edge-1/self-test there and back in"]
    {
        assert!(text.contains(words), "no `{words}` in\n{text}");
    }
    assert_eq!(std::fs::read_dir(state_dir(&dir)).unwrap().count(), 0, "the probe is removed");

    // Every source and every output has its line.
    let simulated = "[sources.made]\ntype = \"simulate\"\n[[sources.made.signals]]\nname = \"a\"\n[streams.all]\n\
                     [outputs.pipe]\ntype = \"stdout\"\n";
    dir.write("headwater.toml", simulated);
    let made = run(&dir, &arguments);
    let text = String::from_utf8_lossy(&made.stdout);
    for what in ["source made", "output pipe"] {
        assert!(text.contains(&format!("ok    {what:<14}  needs nothing that can be tried")), "{text}");
    }

    // A port that nobody listens on.
    drop(broker);
    config.output_keys = "username = \"x\"".into();
    dir.write("headwater.toml", config.text());
    let ill = run(&dir, &arguments);
    let text = String::from_utf8_lossy(&ill.stdout);
    assert_eq!(ill.status.code(), Some(1), "{text}");
    assert!(text.contains("FAIL  output cloud    connection refused: nobody listens at"), "{text}");

    dir.write("headwater.toml", "[sources.x]\ntype = \"mqt\"\n");
    let wrong = run(&dir, &arguments);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean `mqtt`"));
}
