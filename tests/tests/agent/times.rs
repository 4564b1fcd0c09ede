//! Event time: each series has its own, a wrong clock does not disturb others, and impossible times are reported.

use crate::{Config, WINDOW_MS, check_all, publish, wait_source};
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir, now_ms, recording};

const DAY_MS: i64 = 86_400_000;

/// A device that sends its backlog is not late because another one is ahead.
#[test]
fn a_backlog_is_not_late_because_others_are_ahead() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let _agent = Agent::start(&dir, &Config::new(broker.port, broker.port).text());
    wait_source(&broker, 1);
    let old = recording::own("travel_time.csv");
    let shift = now_ms() - 10 * DAY_MS - old.last().unwrap().0;
    let new = old.iter().map(|(time, value)| (time + shift, *value)).collect::<Vec<_>>();
    let mut publisher = Publisher::new(broker.port);
    for (new, old) in new.chunks(100).zip(old.chunks(100)) {
        publish(&mut publisher, "ahead", "temp", new);
        publish(&mut publisher, "behind", "temp", old);
    }
    check_all(&subscriber, "sensors/ahead/temp", &new);
    let messages = check_all(&subscriber, "sensors/behind/temp", &old);
    assert_eq!(messages.reported("late"), 0);
    assert!(messages.of("summary").all(|summary| summary.integer("rev") == 0));
}

/// A late reading makes the same id again with the next revision and the merged numbers.
#[test]
fn a_late_reading_makes_the_next_revision() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let _agent = Agent::start(&dir, &Config::new(broker.port, broker.port).text());
    wait_source(&broker, 1);
    let start = 1_700_006_400_000_i64.div_euclid(WINDOW_MS) * WINDOW_MS;
    let mut readings = (0..10).map(|step| (start + step * 1_000, step as f64 + 1.0)).collect::<Vec<_>>();
    readings.push((start + WINDOW_MS, 100.0));
    let mut publisher = Publisher::new(broker.port);
    publish(&mut publisher, "office", "temp", &readings);
    subscriber.wait_until("the closed window", |messages| messages.count_ids("summary") >= 1);
    let late = (start + 5_500, 1_000.0);
    publish(&mut publisher, "office", "temp", &[late]);
    let messages = subscriber.wait_until("the next revision", |messages| {
        messages
            .summaries("main", "sensors/office/temp")
            .get(&start)
            .is_some_and(|summary| summary.integer("rev") == 1)
    });
    let merged = messages.summaries("main", "sensors/office/temp")[&start];
    assert_eq!((merged.integer("count"), merged.number("sum"), merged.number("max")), (11, 1_055.0, 1_000.0));
    messages.check_repeats();
    let messages =
        subscriber.wait_until("all readings in reports", |messages| messages.reported("received") == 12);
    messages.check_accounts();
}

/// A reading too far ahead of the agent's clock is refused and counted, and moves no window.
#[test]
fn a_reading_from_the_future_moves_nothing() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let _agent = Agent::start(&dir, &Config::new(broker.port, broker.port).text());
    wait_source(&broker, 1);
    let readings = recording::own("travel_time.csv");
    let ahead = now_ms() + 3_600_000;
    let mut publisher = Publisher::new(broker.port);
    for part in readings.chunks(500) {
        publish(&mut publisher, "office", "temp", part);
        publish(&mut publisher, "office", "temp", &[(ahead, 9e9)]);
    }
    check_all(&subscriber, "sensors/office/temp", &readings);
    let messages =
        subscriber.wait_until("the future in reports", |messages| messages.reported("future") >= 5);
    assert_eq!((messages.reported("future"), messages.reported("late")), (5, 0));
}

/// Seconds read as milliseconds lie in 1970, microseconds in the year 55,000. Such readings are refused and counted, and the
/// log gives a hint.
#[test]
fn a_wrong_unit_is_refused_with_a_hint() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut agent = Agent::start(&dir, &Config::new(broker.port, broker.port).text());
    wait_source(&broker, 1);
    let now = now_ms();
    let seconds = (0..50).map(|step| (now / 1_000 - 100 + step, 1.0)).collect::<Vec<_>>();
    let micros = (0..70).map(|step| (now * 1_000 + step * 1_000_000, 1.0)).collect::<Vec<_>>();
    let mut publisher = Publisher::new(broker.port);
    publish(&mut publisher, "in-seconds", "temp", &seconds);
    publish(&mut publisher, "in-micros", "temp", &micros);
    let messages =
        subscriber.wait_until("all readings in reports", |messages| messages.reported("received") >= 120);
    let counts = ["received", "late", "future"].map(|key| messages.reported(key));
    assert_eq!(counts, [120, 50, 70]);
    assert_eq!(messages.count_ids("summary"), 0, "no window of 1970 or the year 55,000");
    messages.check_accounts();
    agent.wait_log(&["time_format"]);
    let hints = agent.log().matches("time_format").count();
    assert!(hints <= 2, "{hints} hints within a minute:\n{}", agent.log());
    agent.check_running();
}
