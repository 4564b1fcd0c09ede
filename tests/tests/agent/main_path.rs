//! MQTT in, windows and alerts, MQTT out, on real recordings with their own event times.

use crate::{ALL, Config, WINDOW_MS, check_all, publish, wait_source};
use headwater_tests::{Agent, Mosquitto, Publisher, Subscriber, TempDir, oracle, recording};

#[test]
fn a_recording_becomes_the_summaries_and_alerts_that_its_values_say() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.source_keys = "topics = [\"sensors/{place}\"]\nqos = 1\nformat = \"json\"\nfields = [\"temp\", \"minutes\"]\n\
                          time = \"ts\"\ntime_format = \"unix_ms\"\nlabels = { site = \"north\" }";
    config.streams += "\n[streams.watch]\nseries = [\"*/temp\"]\nwindow = { type = \"tumbling\", size = \"1d\" }\n\
                       lateness = \"0s\"\nidle = \"2s\"\naggregates = [\"count\"]\n[[streams.watch.detectors]]\n\
                       type = \"threshold\"\nabove = 74.05\nclear = 72.05\nfor = \"2h\"\nseverity = \"critical\"\n";
    let mut agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);

    let (office, road) = (recording::own("ambient_temperature.csv"), recording::own("travel_time.csv"));
    let mut publisher = Publisher::new(broker.port);
    publish(&mut publisher, "office", "temp", &office);
    publish(&mut publisher, "road", "minutes", &road);

    check_all(&subscriber, "sensors/road/minutes", &road);
    check_all(&subscriber, "sensors/office/temp", &office);
    let received = i64::try_from(office.len() * 2 + road.len()).unwrap();
    let messages = subscriber.wait_until("all readings in reports", |m| m.reported("summarised") == received);
    messages.check_accounts();
    assert_eq!(messages.reported("received"), received);
    assert_eq!(messages.reported("in_windows"), 0);
    check_form(&messages);
    check_alerts(&messages, &office);
    assert!(messages.of("summary").all(|summary| !summary.is_backfill()), "live summaries came as backfill");
    agent.check_running();
}

/// Topics, ids and labels, word for word.
fn check_form(messages: &headwater_tests::Messages) {
    for summary in messages.summaries("main", "sensors/office/temp").into_values() {
        let start = summary.integer("start");
        assert_eq!(summary.topic, "headwater/edge-1/summary/main/sensors/office/temp");
        assert_eq!(summary.text("id"), format!("main/sensors/office/temp@{start}+{WINDOW_MS}"));
        assert_eq!(summary.integer("end"), start + WINDOW_MS);
        assert_eq!((summary.integer("v"), summary.integer("rev"), summary.text("agent")), (1, 0, "edge-1"));
        assert_eq!(summary.map["labels"], serde_json::json!({"place": "office", "site": "north"}));
        assert!(summary.map["count"].is_u64(), "a count is an integer: {}", summary.map);
    }
    let report = messages.of("report").find(|report| report.text("cause") == "interval").expect("a report");
    assert_eq!(report.topic, "headwater/edge-1/report");
    let status = messages.of("status").next().expect("a status");
    assert_eq!((status.topic.as_str(), status.text("state")), ("headwater/edge-1/status", "online"));
}

fn check_alerts(messages: &headwater_tests::Messages, office: &recording::Readings) {
    let expected = oracle::threshold_above(office, 74.05, 72.05, 2 * 3_600_000);
    let alerts = messages.alerts("sensors/office/temp");
    let got = alerts
        .iter()
        .map(|alert| (alert.text("state") == "raised", alert.integer("time")))
        .collect::<Vec<_>>();
    assert!(expected.len() > 20, "the recording crosses the threshold");
    assert_eq!(got, expected);
    for pair in alerts.chunks(2) {
        let raised = pair[0].integer("time");
        let value = office.iter().find(|(time, _)| *time == raised).map(|(_, value)| *value);
        assert_eq!(Some(pair[0].number("value")), value);
        assert_eq!(pair[0].text("id"), format!("watch/sensors/office/temp/threshold@{raised}"));
        assert_eq!(pair[0].topic, "headwater/edge-1/alert/watch/sensors/office/temp");
        assert_eq!((pair[0].text("detector"), pair[0].text("severity")), ("threshold", "critical"));
        assert!(!pair[0].text("reason").is_empty());
        assert!(
            pair.iter().all(|alert| alert.text("id") == pair[0].text("id")),
            "raised and cleared are one alert"
        );
    }
}

/// A water loop's eight sensors in one payload, every number taken, times as RFC 3339.
#[test]
fn every_number_of_a_payload_is_a_series() {
    let Some(path) = recording::shared("skab/valve1/0.csv") else { return };
    let text = std::fs::read_to_string(&path).unwrap();
    let names = text.lines().next().unwrap().split(',').skip(1).collect::<Vec<_>>();
    let rows = recording::columns(&path);
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.source_keys = "topics = [\"sensors/{place}\"]\ntime = \"when\"\ntime_format = \"rfc3339\"";
    config.streams = format!(
        "[streams.main]\nwindow = {{ type = \"tumbling\", size = \"10s\" }}\nlateness = \"0s\"\nidle = \"2s\"\n{ALL}"
    );
    let _agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    for (time, values) in &rows {
        let when = jiff::Timestamp::from_millisecond(*time).unwrap();
        let fields = names.iter().zip(values).map(|(name, value)| format!(r#""{name}":{value}"#));
        let payload = format!(r#"{{"when":"{when}","loop":{{{}}}}}"#, fields.collect::<Vec<_>>().join(","));
        publisher.publish("sensors/valve1", payload).unwrap();
    }
    publisher.flush().unwrap();
    for (column, name) in names.iter().enumerate() {
        let readings = rows.iter().map(|(time, values)| (*time, values[column])).collect::<Vec<_>>();
        let expected = oracle::tumbling(&readings, 10_000);
        let series = format!("sensors/valve1/loop/{name}");
        let messages = subscriber
            .wait_until(&format!("{} windows of {series}", expected.len()), |messages| {
                messages.summaries("main", &series).len() >= expected.len()
            });
        let got = messages.summaries("main", &series);
        assert_eq!(got.len(), expected.len());
        for (start, values) in &expected {
            oracle::check_summary(got[start], values);
        }
    }
}

/// Plain numbers as payloads, the topic as the series, the time of arrival as theirs.
#[test]
fn numbers_without_a_time_count_once_each() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let dir = TempDir::new();
    let mut config = Config::new(broker.port, broker.port);
    config.source_keys = "topics = [\"sensors/#\"]\nformat = \"number\"";
    config.streams = "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\nlateness = \"0s\"\n\
                      aggregates = [\"count\", \"sum\"]"
        .to_owned();
    let _agent = Agent::start(&dir, &config.text());
    wait_source(&broker, 1);
    let mut publisher = Publisher::new(broker.port);
    for number in 1..=100 {
        publisher.publish("sensors/cellar/pump", format!("{number}.5")).unwrap();
    }
    publisher.flush().unwrap();
    let started = headwater_tests::now_ms();
    let count = |messages: &headwater_tests::Messages| {
        messages
            .summaries("main", "sensors/cellar/pump")
            .values()
            .map(|summary| summary.integer("count"))
            .sum::<i64>()
    };
    let messages = subscriber.wait_until("100 readings in windows", |messages| count(messages) >= 100);
    let windows = messages.summaries("main", "sensors/cellar/pump");
    assert_eq!(count(&messages), 100);
    assert_eq!(windows.values().map(|summary| summary.number("sum")).sum::<f64>(), 5_100.0);
    assert!(windows.keys().all(|start| (started - 5_000..=started + 1_000).contains(start)), "{windows:?}");
}
