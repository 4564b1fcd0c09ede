//! Several agents on one broker.

use crate::{Config, check_all, publish, wait_source};
use headwater_tests::{Agent, Gate, Mosquitto, Publisher, Subscriber, TempDir, recording, wait_for};

#[test]
fn two_agents_share_a_broker() {
    let broker = Mosquitto::start();
    let (first, second) = (TempDir::new(), TempDir::new());
    let subscriber = Subscriber::to(broker.port, "headwater/edge-1/#");
    let other = Subscriber::to(broker.port, "headwater/edge-2/#");
    let mut config = Config::new(broker.port, broker.port);
    let mut agents = vec![Agent::start(&first, &config.text())];
    config.id = "edge-2";
    agents.push(Agent::start(&second, &config.text()));
    wait_source(&broker, 2);
    let readings = recording::own("travel_time.csv");
    publish(&mut Publisher::new(broker.port), "office", "temp", &readings);
    for (subscriber, id) in [(&subscriber, "edge-1"), (&other, "edge-2")] {
        let messages = check_all(subscriber, "sensors/office/temp", &readings);
        assert!(messages.iter().all(|message| message.text("agent") == id));
        assert_eq!(messages.last_state(), Some("online"));
    }
    agents.iter_mut().for_each(Agent::check_running);
}

/// Two agents with one id throw each other off the broker. Both say so, now and then.
#[test]
fn one_id_twice_is_detected_and_said() {
    let broker = Mosquitto::start();
    let (first, second) = (TempDir::new(), TempDir::new());
    let config = Config::new(broker.port, broker.port).text();
    let mut agents = [Agent::start(&first, &config), Agent::start(&second, &config)];
    wait_for("a word about the client id", || {
        let said = |agent: &Agent| {
            agent.log().lines().any(|line| {
                let line = line.to_lowercase();
                line.contains("client")
                    && line.contains(" id")
                    && ["another", "same", "twice"].iter().any(|word| line.contains(word))
            })
        };
        agents.iter().any(said).then_some(())
    });
    // The connections of so long a spell are counted: without back-off there are hundreds.
    std::thread::sleep(std::time::Duration::from_secs(2));
    agents.iter_mut().for_each(Agent::check_running);
    let connects = broker.logged("New client connected");
    assert!(connects < 100, "{connects} connections in a few seconds: no back-off");
}

/// A source that asks for everything, and an output of the same name on the same broker: each
/// message would be read again, and both would have one client id.
#[test]
fn an_agent_neither_eats_its_own_output_nor_throws_itself_out() {
    const READINGS: i64 = 40;
    let broker = Mosquitto::start();
    let (dir, subscriber) = (TempDir::new(), Subscriber::to(broker.port, "headwater/edge-1/#"));
    let mut config = Config::new(broker.port, broker.port);
    config.source_keys = "topics = [\"#\"]";
    config.streams =
        "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\nlateness = \"0s\"\nidle = \"1s\""
            .to_owned();
    let mut agent = Agent::start(&dir, &config.text().replace("[outputs.cloud]", "[outputs.field]"));
    agent.wait_log(&["source connected"]);
    let mut publisher = Publisher::new(broker.port);
    for n in 0..READINGS {
        publisher.publish("plant/pump", format!("{{\"power\":{n}}}")).unwrap();
    }
    publisher.flush().unwrap();
    subscriber.wait_until("all readings", |messages| messages.reported("summarised") >= READINGS);
    // Reports come every second, and each would be read again.
    let reports = |messages: &headwater_tests::Messages| messages.of("report").count();
    let told = reports(&subscriber.messages());
    let messages = subscriber.wait_until("five more reports", |messages| reports(messages) >= told + 5);
    assert_eq!(messages.reported("received"), READINGS, "{}", messages.digest());
    assert_eq!(
        (broker.logged("as headwater-edge-1-field "), broker.logged("as headwater-edge-1-output-field ")),
        (1, 1)
    );
    agent.check_running();
}

/// An output whose connection is lost three times in five minutes is trouble, and one that cannot be reached at all is not: that
/// is said otherwise.
#[test]
fn an_output_that_is_lost_again_and_again_is_trouble() {
    let broker = Mosquitto::start();
    let gate = Gate::to(broker.port);
    let (dir, subscriber) = (TempDir::new(), Subscriber::new(broker.port));
    let mut agent = Agent::start(&dir, &Config::new(broker.port, gate.port).text());
    agent.wait_log(&["source connected"]);
    let says = |messages: &headwater_tests::Messages| {
        let last = messages.of("status").last();
        last.is_some_and(|status| {
            status.map["trouble"].to_string().contains("output cloud loses its connection again")
        })
    };
    for time in 1..=3 {
        gate.open();
        let online = |messages: &headwater_tests::Messages| messages.last_state() == Some("online");
        let messages = subscriber.wait_until("the agent online", online);
        assert!(!says(&messages), "after {} losses", time - 1);
        gate.close();
        subscriber.wait_until("the agent's last will", |messages| messages.last_state() == Some("offline"));
    }
    gate.open();
    subscriber.wait_until("the trouble", says);
    agent.check_running();
}

/// A source that goes on under another client id leaves a session behind, in which the broker queues messages: it is named,
/// once.
#[test]
fn the_session_of_an_earlier_client_id_is_named() {
    let broker = Mosquitto::start();
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    for (id, starts, lines) in [("edge-1", 1, 0), ("edge-2", 2, 1), ("edge-2", 3, 1)] {
        config.id = id;
        let agent = Agent::start(&dir, &config.text());
        agent.wait_logs(&["source connected"], starts);
        agent.wait_checkpoint();
        let (status, log) = agent.stop();
        assert!(status.success(), "{log}");
        let named = "mosquitto_sub -i headwater-edge-1-field -t x -E";
        assert_eq!(log.matches(named).count(), lines, "{log}");
    }
}
