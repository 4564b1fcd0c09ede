//! `privacy` of an output, through the real binary: every byte that a broker gets of it is searched.

use headwater_tests::{Agent, Mosquitto, Options, Publisher, Subscriber, TempDir};

const OWNERS: [&str; 2] = ["Quillfeather", "Xanthippe"];
const DEVICES: [&str; 3] = ["Pump-ZZ9", "Valve-YY8", "Fan-WW7"];

/// Two outputs: one that tells all, and one that hides owners and devices.
fn config(source: u16, plain: u16, private: u16) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\ncheckpoint = \"1s\"\n[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{source}\"\n\
         topics = [\"home/{{owner}}/{{device}}\"]\ntime = \"ts\"\n\
         [streams.main]\nwindow = {{ type = \"tumbling\", size = \"1s\" }}\nlateness = \"0s\"\nidle = \"1s\"\n\
         aggregates = [\"count\", \"mean\"]\n[[streams.main.detectors]]\ntype = \"threshold\"\nabove = 90\n\
         evidence = {{ before = 2, after = 2 }}\n[streams.raw]\nwindow = {{ type = \"none\" }}\n\
         [outputs.plain]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{plain}\"\n\
         [outputs.private]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{private}\"\n\
         privacy = {{ drop = [\"owner\"], hash = [\"device\"], key = {{ file = \"privacy-key\" }} }}\n\
         home_assistant = true\n"
    )
}

#[test]
fn nothing_of_a_hidden_label_leaves_and_ids_stay_apart() {
    const START: i64 = 1_436_400_000_000;
    let (source, plain, mut private) =
        (Mosquitto::start(), Mosquitto::start(), Mosquitto::stopped(&Options::default()));
    let (all, mut publisher) = (Subscriber::new(plain.port), Publisher::new(source.port));
    let dir = TempDir::new();
    dir.write("privacy-key", "a key of at least 16 signs");
    let text = config(source.port, plain.port, private.port);
    let mut agent = Agent::start(&dir, &text);
    agent.wait_log(&["source connected"]);
    let mut publish = |from: i64| {
        for step in from..from + 40 {
            for owner in OWNERS {
                for device in DEVICES {
                    let value = if step % 15 == 7 { 99 } else { 20 };
                    let payload = format!("{{\"ts\":{},\"temp\":{value}}}", START + step * 100);
                    publisher.publish(&format!("home/{owner}/{device}"), &payload).expect("a publish");
                }
            }
        }
        publisher.flush().expect("what is published");
    };
    // What waits while the broker is away comes as backfill, and some of it after a crash.
    publish(0);
    let count = |messages: &headwater_tests::Messages| messages.count_ids("reading");
    all.wait_until("the first half", |messages| count(messages) >= 6 * 40);
    agent.kill9();
    agent = Agent::start(&dir, &text);
    private.restart();
    let hidden = Subscriber::to(private.port, "#");
    agent.wait_logs(&["source connected"], 2);
    publish(40);
    let told = all.wait_until("all readings", |messages| messages.count_ids("reading") >= 6 * 80);
    let kept = hidden.wait_until("all readings, without names", |messages| {
        ["reading", "summary", "alert", "evidence"]
            .iter()
            .all(|kind| messages.count_ids(kind) >= told.count_ids(kind) && messages.count_ids(kind) > 0)
    });
    let (status, _) = agent.stop();
    assert!(status.success());
    let announced = hidden.messages().iter().filter(|message| message.topic.ends_with("/config")).count();
    assert_eq!(announced, 2 + 6 * (2 + 1 + 1), "for each series two aggregates, readings and an alert");
    for kind in ["reading", "summary", "alert", "evidence"] {
        assert_eq!(kept.count_ids(kind), told.count_ids(kind), "{kind}: as many ids as without privacy");
    }
    for message in hidden.messages().iter() {
        let text = format!("{} {}", message.topic, String::from_utf8_lossy(&message.payload));
        for value in OWNERS.iter().chain(&DEVICES) {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
}
