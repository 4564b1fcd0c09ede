//! Places of series: a new one gets that of a series which has been silent for long, whatever happens to the agent.

use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir};
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

const FORGET: Duration = Duration::from_secs(3);

/// How often what shall live sends.
const EVERY: Duration = Duration::from_millis(300);

/// A source with a share, one without, and windows that nothing but the end of a series closes.
fn config(port: u16) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1s\"\n[limits]\nseries = 3\nforget = \"{}s\"\n\
         [sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\ntopics = [\"field/#\"]\nqos = 1\n\
         format = \"number\"\nseries = \"{{topic}}\"\n\
         [sources.shared]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\ntopics = [\"shared/#\"]\nqos = 1\n\
         format = \"number\"\nseries = \"{{topic}}\"\nmax_series = 1\n\
         [streams.main]\nwindow = {{ type = \"count\", size = 10000 }}\naggregates = [\"count\", \"sum\"]\n\
         [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{port}\"\n",
        FORGET.as_secs(),
    )
}

/// Publishes to these topics again and again, until enough has come.
fn keep_alive(
    topics: &[&str],
    subscriber: &Subscriber,
    publisher: &mut Publisher,
    mut is_enough: impl FnMut(&Messages) -> bool,
) -> i64 {
    let (began, mut published) = (Instant::now(), 0);
    while !is_enough(&subscriber.messages()) {
        assert!(began.elapsed() < Duration::from_secs(60), "{topics:?}: {:?}", subscriber.messages());
        for topic in topics {
            publisher.publish(topic, "1").expect("a publish");
            published += 1;
        }
        publisher.flush().expect("the broker's acknowledgements");
        sleep(EVERY);
    }
    published
}

/// The summaries of a series: how many readings each has. One that was sent again counts once.
fn counts(messages: &Messages, series: &str) -> Vec<f64> {
    let mut seen = BTreeSet::new();
    let own = messages.of("summary").filter(|summary| summary.text("series") == series);
    own.filter(|summary| seen.insert(&summary.payload)).map(|summary| summary.number("count")).collect()
}

/// How many series gave way, by all reports; one without any does not say so.
fn forgotten(messages: &Messages) -> i64 {
    messages.reports().iter().filter_map(|report| report.map.get("forgotten")?.as_i64()).sum()
}

#[test]
fn a_silent_series_gives_way_and_may_come_back() {
    let (broker, dir) = (Mosquitto::start(), TempDir::new());
    let subscriber = Subscriber::new(broker.port);
    let mut publisher = Publisher::new(broker.port);
    let agent = Agent::start(&dir, &config(broker.port));
    agent.wait_logs(&["source connected"], 2);
    let mut published = 0;
    let began = Instant::now();
    for (topic, count) in [("field/a", 1), ("field/b", 1), ("field/c", 2), ("field/d", 1)] {
        (0..count).for_each(|_| publisher.publish(topic, "1").expect("a publish"));
        published += count;
    }
    publisher.flush().expect("the broker's acknowledgements");
    subscriber.wait_until("the fourth series refused", |messages| messages.reported("refused") >= 1);
    // All but one go on; the new one waits for a place.
    let alive = ["field/a", "field/b", "field/d"];
    published +=
        keep_alive(&alive, &subscriber, &mut publisher, |messages| !counts(messages, "field/c").is_empty());
    assert!(began.elapsed() >= FORGET, "never before");
    published += keep_alive(&alive, &subscriber, &mut publisher, |messages| forgotten(messages) >= 1);
    let log = agent.log();
    assert_eq!(log.matches("gives way to a new one").count(), 1, "{log}");
    assert_eq!(counts(&subscriber.messages(), "field/c"), [2.0]);
    agent.kill9();

    // The journal knows who is there: the one that is back has no place yet, and gets that of one that is silent now.
    let agent = Agent::start(&dir, &config(broker.port));
    agent.wait_logs(&["source connected"], 2);
    let alive = ["field/b", "field/d", "field/c"];
    published += keep_alive(&alive, &subscriber, &mut publisher, |messages| forgotten(messages) >= 2);
    let all = published;
    subscriber.wait_until("every reading in the account", |messages| messages.reported("received") >= all);
    agent.terminate();
    let messages = subscriber.wait_until("the last windows", |messages| {
        messages.reports().last().is_some_and(|report| report.text("cause") == "stop")
    });
    let total = |name: &str| messages.reported(name);
    assert_eq!((total("received"), forgotten(&messages)), (all, 2));
    assert_eq!(total("received"), total("summarised") + total("in_windows") + total("refused"));
    assert_eq!(counts(&messages, "field/c"), [2.0]);
    let a = counts(&messages, "field/a");
    assert!(a.len() == 1 && a[0] > 2.0, "{a:?}");
    messages.check_repeats();
    messages.check_accounts();
}

/// What has no place left of its own takes none from others, however long they have been silent.
#[test]
fn a_share_is_won_from_the_sources_own_series() {
    let (broker, dir) = (Mosquitto::start(), TempDir::new());
    let subscriber = Subscriber::new(broker.port);
    let mut publisher = Publisher::new(broker.port);
    let agent = Agent::start(&dir, &config(broker.port));
    agent.wait_logs(&["source connected"], 2);
    publisher.publish("field/old", "1").expect("a publish");
    publisher.publish("shared/one", "1").expect("a publish");
    publisher.flush().expect("the broker's acknowledgements");
    let is_over = |messages: &Messages| !counts(messages, "shared/one").is_empty();
    keep_alive(&["shared/two"], &subscriber, &mut publisher, is_over);
    keep_alive(&["shared/two"], &subscriber, &mut publisher, |messages| forgotten(messages) >= 1);
    assert_eq!(counts(&subscriber.messages(), "field/old"), [0.0; 0]);
    let log = agent.log();
    assert!(log.contains("raise its `max_series`") && log.contains("series=\"shared/one\""), "{log}");
    assert!(agent.terminate().success());
}
