//! Agents that are killed in the middle of an outage, or stopped. The next one goes on where they ended.

use crate::{Config, check_all, publish, wait_source, wait_window};
use headwater_tests::{Agent, Mosquitto, Options, Publisher, Subscriber, TempDir, recording};
use std::time::Duration;

const SERIES: &str = "sensors/office/temp";

/// The uplink is down, the agent is killed, readings go on: what was durable and what the broker kept is all there.
#[test]
fn a_kill_in_mid_outage_leaves_the_buffer_intact() {
    let source = Mosquitto::start();
    let mut uplink = Mosquitto::with(&Options { persistent: true, ..Options::default() });
    let subscriber = Subscriber::new(uplink.port);
    uplink.save();
    let dir = TempDir::new();
    let mut config = Config::new(source.port, uplink.port);
    config.streams = config.streams.replace("idle = \"2s\"", "idle = \"6s\""); // none closes before the kill
    let config = config.text();
    let agent = Agent::start(&dir, &config);
    wait_source(&source, 1);

    let readings = recording::own("ambient_temperature.csv");
    let part = readings.len() / 4 + 1;
    let mut parts = readings.chunks(part);
    let mut next =
        |place: &str| publish(&mut Publisher::new(source.port), place, "temp", parts.next().unwrap());
    next("office");
    uplink.kill9();
    next("office");
    agent.wait_durable(2 * part);
    agent.kill9();
    next("office"); // the source's broker keeps these for the agent's session
    let mut agent = Agent::start(&dir, &config);
    next("office");
    agent.wait_durable(readings.len());
    agent.check_running();
    uplink.restart();

    let messages = check_all(&subscriber, SERIES, &readings);
    assert!(messages.of("summary").any(|summary| summary.is_backfill()), "nothing came as backfill");
    let messages = subscriber.wait_until("a report of the restart", |messages| messages.has_cause("restart"));
    messages.check_accounts();
    agent.check_running();
}

/// Killed with the uplink up: at most the readings since the last checkpoint go, and the next one says that it restarted.
#[test]
fn a_killed_agent_goes_on_from_its_checkpoint() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.streams = config.streams.replace("idle = \"2s\"", "idle = \"1h\"");
    let agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    let mut readings = recording::own("travel_time.csv");
    readings.truncate(1_001);
    let (before, after) = readings.split_at(500);
    publish(&mut Publisher::new(broker.port), "office", "temp", before);
    agent.wait_durable(before.len());
    agent.kill9();
    publish(&mut Publisher::new(broker.port), "office", "temp", after);
    let _agent = Agent::start(&dir, &config.text());
    // The last window stays open: `idle` is an hour. One reading far behind it closes it.
    let last = readings.last().unwrap().0;
    let far = vec![(last + 10 * crate::WINDOW_MS, 1.0)];
    publish(&mut Publisher::new(broker.port), "office", "temp", &far);
    check_all(&subscriber, SERIES, &readings);
    subscriber.wait_until("a report of the restart", |messages| messages.has_cause("restart"));
}

/// An agent that gets SIGTERM in the middle of a window ends with 0. No window is closed early, lost or torn in two.
#[test]
fn a_stop_and_a_start_lose_nothing() {
    let source = Mosquitto::start();
    let uplink = Mosquitto::start();
    let subscriber = Subscriber::new(uplink.port);
    let dir = TempDir::new();
    let mut config = Config::new(source.port, uplink.port);
    config.agent = "report = \"1s\"\ncheckpoint = \"1h\""; // stopping alone must write the checkpoint
    config.streams = config.streams.replace("idle = \"2s\"", "idle = \"6s\"");
    let config = config.text();
    let readings = recording::own("travel_time.csv");
    for (round, part) in readings.chunks(700).enumerate() {
        let agent = Agent::start(&dir, &config);
        if round == 0 {
            wait_source(&source, 1);
        }
        publish(&mut Publisher::new(source.port), "office", "temp", part);
        let closed = part.last().unwrap().0 - 4 * 86_400_000;
        if part.iter().any(|(time, _)| *time < closed) {
            let inside = part.iter().rev().find(|(time, _)| *time < closed).unwrap().0;
            wait_window(&subscriber, SERIES, inside);
        }
        let status = agent.terminate();
        assert_eq!(status.code(), Some(0), "how the agent ended");
    }
    let _agent = Agent::start(&dir, &config);
    let messages = check_all(&subscriber, SERIES, &readings);
    let torn = messages.of("summary").find(|summary| summary.integer("rev") != 0);
    assert!(torn.is_none(), "a window was closed early: {torn:?}");
    let all = i64::try_from(readings.len()).unwrap();
    let messages = subscriber.wait_until("all readings in reports", |m| m.reported("summarised") == all);
    assert_eq!(messages.reported("received") - messages.reported("repeated"), all);
    messages.check_accounts();
}

/// A damaged buffer is set aside, never deleted, and the agent starts.
#[test]
fn a_damaged_state_does_not_keep_the_agent_from_starting() {
    let source = Mosquitto::start();
    let mut uplink = Mosquitto::start();
    let dir = TempDir::new();
    let config = Config::new(source.port, uplink.port).text();
    let agent = Agent::start(&dir, &config);
    wait_source(&source, 1);
    uplink.kill9();
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    agent.wait_settled(readings.len());
    agent.kill9();
    let damaged = damage(&headwater_tests::agent::state_dir(&dir));
    assert!(damaged > 0, "the agent keeps files in its state directory");

    uplink.restart();
    let subscriber = Subscriber::new(uplink.port);
    let mut agent = Agent::start(&dir, &config);
    subscriber.wait_until("a status", |messages| messages.last_state() == Some("online"));
    let far = readings.iter().map(|(time, value)| (time + 400 * 86_400_000, *value)).collect::<Vec<_>>();
    publish(&mut Publisher::new(source.port), "office", "temp", &far);
    wait_window(&subscriber, SERIES, far.last().unwrap().0);
    subscriber.wait_until("a report of the damage", |messages| messages.has_cause("damaged"));
    subscriber.messages().check_accounts();
    agent.check_running();
}

/// Flips bytes in the middle of every file below a directory. Returns the number of files.
fn damage(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).expect("a state directory").flatten();
    let mut count = 0;
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            count += damage(&path);
        }
        // The socket of `headwater status` is none.
        if !path.is_file() {
            continue;
        }
        let mut bytes = std::fs::read(&path).expect("a file of the state");
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle / 2).take(64).for_each(|byte| *byte ^= 0x5a);
        if !bytes.is_empty() {
            std::fs::write(&path, bytes).expect("a damaged file");
            count += 1;
        }
    }
    count
}

/// Killed between the closing of a window and the next checkpoint, again and again, with more of the window to come:
/// whatever the next life makes of the window, it never says something else under the same `(id, rev)`.
#[test]
fn a_kill_after_a_window_closed_never_gives_one_revision_two_contents() {
    const ROUNDS: i64 = 8;
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.streams = config.streams.replace("idle = \"2s\"", "idle = \"300ms\"");
    let config = config.text();
    let mut agent = Agent::start(&dir, &config);
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    for round in 0..ROUNDS {
        let start =
            1_436_400_000_000_i64.div_euclid(crate::WINDOW_MS) * crate::WINDOW_MS + round * crate::WINDOW_MS;
        let readings = (0..6).map(|step| (start + step * 1_000, step as f64 + 1.0)).collect::<Vec<_>>();
        publish(&mut publisher, "office", "temp", &readings[..5]);
        wait_window(&subscriber, SERIES, start);
        // Each round kills at another moment between the closing of the window and the next checkpoint.
        std::thread::sleep(Duration::from_millis(130 * round.unsigned_abs()));
        agent.kill9();
        publish(&mut publisher, "office", "temp", &readings[5..]);
        agent = Agent::start(&dir, &config);
        subscriber.wait_until("the window again", |messages| {
            let own = messages.of("summary").filter(|summary| summary.integer("start") == start);
            own.map(|summary| summary.integer("count")).sum::<i64>() > 5
        });
    }
    subscriber.messages().check_repeats();
}

/// A checkpoint of another version, or a broken one: set aside, said, not fatal, and what is told of a window after it is
/// told above what was told before.
#[test]
fn a_checkpoint_that_cannot_be_used_is_set_aside_and_said() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let config = Config::new(broker.port, broker.port).text();
    let state = headwater_tests::agent::state_dir(&dir);
    let start = 1_436_400_000_000_i64.div_euclid(crate::WINDOW_MS) * crate::WINDOW_MS;
    let mut publisher = Publisher::new(broker.port);
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 3] = [
        ("version", |bytes| bytes[4] = 1),
        ("checksum", |bytes| *bytes.last_mut().unwrap() ^= 0x40),
        ("cut off", |bytes| bytes.truncate(11)),
    ];
    let mut seen = 0;
    for (round, (word, damage)) in damages.into_iter().enumerate() {
        let agent = Agent::start(&dir, &config);
        if round == 0 {
            wait_source(&broker, 1);
        }
        publish(&mut publisher, "office", "temp", &[(start + 1_000, 1.0), (start + 2_000, round as f64)]);
        let told = subscriber.wait_until("the window", |messages| messages.of("summary").count() > seen);
        seen = told.of("summary").count();
        assert_eq!(agent.terminate().code(), Some(0));
        let path = state.join("windows.checkpoint");
        let mut bytes = std::fs::read(&path).expect("a checkpoint");
        damage(&mut bytes);
        std::fs::write(&path, bytes).expect("a damaged checkpoint");
        let agent = Agent::start(&dir, &config);
        let messages = subscriber.wait_until("a report of the damage", |messages| {
            messages
                .reports()
                .iter()
                .any(|report| report.text("cause") == "damaged" && report.text("detail").contains(word))
        });
        messages.check_accounts();
        assert!(state.join(format!("windows.damaged-{}", round + 1)).exists(), "it is kept");
        assert_eq!(agent.terminate().code(), Some(0));
    }
    subscriber.messages().check_repeats();
}

/// Killed again and again under load, with everything else as it is by default: every window is told once, under revision 0,
/// and holds all its readings.
#[test]
fn kills_under_load_cost_nothing() {
    kill_under_load(&[("sensors", "received")]);
}

/// The same where a message is acknowledged when it is durable: the journal holds it before that, and knows it again.
#[test]
fn kills_under_load_cost_nothing_with_durable_acknowledgements() {
    kill_under_load(&[("plants", "durable")]);
}

/// The same with a source of each kind in one agent.
#[test]
fn kills_under_load_cost_nothing_with_both_acknowledgements() {
    kill_under_load(&[("sensors", "received"), ("plants", "durable")]);
}

/// Kills agents whose sources have these roots of their topics and these values of `ack`.
fn kill_under_load(sources: &[(&str, &str)]) {
    const KILLS: u32 = 20;
    const STEP_MS: i64 = 100;
    const SIZE_MS: i64 = 10_000;
    const PLACES: [&str; 4] = ["a", "b", "c", "d"];
    // What is acknowledged when it is written needs no more than mosquitto's own 20.
    let is_durable = sources.iter().any(|(_, ack)| *ack == "durable");
    let inflight = if is_durable { 1_000 } else { 20 };
    let broker = Mosquitto::with(&Options { inflight, quiet: true, ..Options::default() });
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let source = |(root, ack): &(&str, &str)| {
        format!(
            "[sources.{root}]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\ntopics = [\"{root}/{{place}}\"]\n\
             ack = \"{ack}\"\nfields = [\"temp\"]\ntime = \"ts\"\n",
            broker.port
        )
    };
    let config = format!(
        "[agent]\nid = \"edge-1\"\n{}[streams.main]\nwindow = {{ type = \"tumbling\", size = \"10s\" }}\n\
         lateness = \"0s\"\nidle = \"30s\"\naggregates = [\"count\", \"sum\"]\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{}\"\n",
        sources.iter().map(source).collect::<String>(),
        broker.port
    );
    let mut agent = Some(Agent::start(&dir, &config));
    agent.as_ref().expect("an agent").wait_logs(&["source connected"], sources.len());
    let start = 1_436_400_000_000_i64.div_euclid(SIZE_MS) * SIZE_MS;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let steps = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut publisher = Publisher::new(broker.port);
            let mut step = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) || step % (SIZE_MS / STEP_MS) != 1 {
                for (root, _) in sources {
                    for place in PLACES {
                        let payload = format!(r#"{{"ts":{},"temp":{step}}}"#, start + step * STEP_MS);
                        publisher.publish(&format!("{root}/{place}"), payload).expect("a publish");
                    }
                }
                publisher.flush().expect("the broker's acknowledgements");
                step += 1;
                // The pause sets the load: so many readings a second.
                std::thread::sleep(Duration::from_millis(4));
            }
            step
        });
        for kill in 0..KILLS {
            // A run is so long, another time with each kill.
            std::thread::sleep(Duration::from_millis(u64::from(150 + kill * 37 % 400)));
            agent.take().expect("an agent").kill9();
            let next = agent.insert(Agent::start(&dir, &config));
            next.wait_logs(&["source connected"], sources.len() * (2 + kill as usize));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        sender.join().expect("the sender")
    });
    let windows = (steps - 1) * STEP_MS / SIZE_MS;
    for (root, ack) in sources {
        for place in PLACES {
            let series = format!("{root}/{place}/temp");
            let messages = subscriber.wait_until(&format!("{windows} windows of {series}"), |messages| {
                messages.summaries("main", &series).len() as i64 >= windows
            });
            messages.check_repeats();
            for (at, summary) in messages.summaries("main", &series) {
                assert_eq!(summary.integer("rev"), 0, "{series} at {at}");
                let (first, each) = ((at - start) / STEP_MS, SIZE_MS / STEP_MS);
                let sum = each * first + each * (each - 1) / 2;
                let got = (summary.integer("count"), summary.number("sum"));
                assert_eq!(got, (each, sum as f64), "{ack}: {series} at {at}, count and sum");
            }
        }
    }
}
