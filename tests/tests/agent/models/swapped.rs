//! A model that is replaced while a window is open and an alert stands.

use super::{FAULTS, OVER, SECONDS, START, config, detector, fault_at, readings, train, write_recordings};
use headwater_tests::messages::Message;
use headwater_tests::{Agent, Messages, Mosquitto, Publisher, Subscriber, TempDir};

/// A pump's first reading (ms), beyond the recordings.
const BEGIN: i64 = START + 100_000_000;
/// The second at which the model is replaced: within a fault, and within a window.
const SWAP: i64 = 235;
const WINDOW_S: i64 = 10;

fn publish(publisher: &mut Publisher, seconds: std::ops::Range<i64>) {
    for second in seconds {
        let [flow, pressure] = readings(second, fault_at(second));
        let time = BEGIN + second * 1_000;
        let payload = format!("{{\"ts\":{time},\"flow\":{flow},\"pressure\":{pressure}}}");
        publisher.publish("plant/p9", &payload).expect("a publish");
    }
    publisher.flush().expect("what is published");
}

fn alerts(messages: &Messages) -> Vec<&Message> {
    messages.of("alert").collect()
}

/// Runs a pump through both faults, with another file in the place of the model from within the first on; `swap` writes it.
/// Whatever it is, each window is told and judged once, and each alert ends under the id that it has.
fn told_over_a_swap(swap: impl FnOnce(&TempDir, &str), log: &[&str]) -> Vec<(String, i64, String)> {
    let (source, uplink) = (Mosquitto::start(), Mosquitto::start());
    let (told, mut publisher) = (Subscriber::new(uplink.port), Publisher::new(source.port));
    let dir = TempDir::new();
    write_recordings(&dir);
    let text = config(source.port, uplink.port, &detector("predictions = true\nper_hour = 0\n"));
    let text = text.replace("id = \"edge-1\"", "id = \"edge-1\"\nreport = \"1s\"\ncheckpoint = \"1s\"");
    let text = text.replace("\"mean\"", "\"count\", \"mean\"");
    let trained = train(&dir, &text, &["--model", "logistic", "--out", "pump.model"]);
    assert_eq!(trained.0, Some(0), "{}", trained.2);
    let mut agent = Agent::start(&dir, &text);
    agent.wait_log(&["source connected"]);
    publish(&mut publisher, 0..SWAP);
    told.wait_until("the first fault", |messages| !alerts(messages).is_empty());
    agent.wait_durable(2 * SWAP as usize);
    swap(&dir, &text);
    agent.reload();
    agent.wait_log(log);
    publish(&mut publisher, SWAP..SECONDS);
    let windows = SECONDS / WINDOW_S;
    let messages = told.wait_until("a judgement of every window, and the ends of both faults", |messages| {
        messages.count_ids("prediction") as i64 >= windows && alerts(messages).len() >= 4
    });
    agent.check_running();
    messages.check_repeats();
    messages.check_accounts();
    assert_eq!(messages.of("prediction").count() as i64, windows, "none is judged twice");
    for series in ["p9/flow", "p9/pressure"] {
        let own = messages.summaries("pump", series);
        let starts: Vec<i64> = (0..windows).map(|at| BEGIN + at * WINDOW_S * 1_000).collect();
        assert_eq!(own.keys().copied().collect::<Vec<_>>(), starts, "{series}");
        let whole = |own: &Message| own.integer("count") == WINDOW_S && own.map["partial"] != true;
        assert!(own.values().all(|own| whole(own)), "{series}: {own:?}");
    }
    let all = alerts(&messages);
    let states: Vec<&str> = all.iter().map(|alert| alert.text("state")).collect();
    assert_eq!(states, ["raised", "cleared", "raised", "cleared"], "{all:?}");
    assert!(all.chunks(2).all(|own| own[0].text("id") == own[1].text("id")), "{all:?}");
    assert!(agent.terminate().success());
    let seconds = |alert: &Message| (alert.integer("time") - BEGIN) / 1_000;
    all.iter().map(|own| (own.text("state").to_owned(), seconds(own), own.text("class").to_owned())).collect()
}

/// What is told of both faults by models that know them.
fn both_faults() -> Vec<(String, i64, String)> {
    let ends = |(from, to, fault): &(i64, i64, &str)| {
        let raised = ("raised".to_owned(), from + WINDOW_S, (*fault).to_owned());
        [raised, ("cleared".to_owned(), to + WINDOW_S, "normal".to_owned())]
    };
    FAULTS.iter().flat_map(ends).collect()
}

const REPLACED: [&str; 2] = ["went on with another config", "is_new_life=true"];

#[test]
fn a_model_is_replaced_in_an_open_window_while_an_alert_stands() {
    let told = told_over_a_swap(
        |dir, text| {
            let (code, _, said) = train(dir, text, &["--model", "forest", "--out", "pump.model"]);
            assert_eq!(code, Some(0), "{said}");
        },
        &REPLACED,
    );
    assert_eq!(told, both_faults());
}

/// To the model that comes, what the alert is about is nothing wrong.
#[test]
fn an_alert_ends_with_the_open_window_where_the_next_model_sees_no_fault() {
    let told = told_over_a_swap(
        |dir, text| {
            let labels = std::fs::read_to_string(dir.join("labels.json")).expect("labels");
            let labels = labels.replace("[200,259],", "").replace("\"valve\",", "");
            dir.write("labels.json", labels);
            let (code, said, wrong) = train(dir, text, &["--model", "forest", "--out", "pump.model"]);
            assert!(code == Some(0) && !said.contains("valve"), "{said}{wrong}");
        },
        &REPLACED,
    );
    let mut expected = both_faults();
    let end = (SWAP / WINDOW_S + 1) * WINDOW_S;
    expected[1].1 = end;
    assert_eq!(told, expected);
}

#[test]
fn a_file_that_is_no_model_of_the_stream_changes_nothing() {
    let told = told_over_a_swap(
        |dir, text| {
            let other = text.replace("\"count\", \"mean\"", "\"max\"");
            let (code, _, said) = train(dir, &other, &["--model", "svm", "--out", "pump.model"]);
            assert_eq!(code, Some(0), "{said}");
            dir.write("headwater.toml", text);
        },
        &["trained with `max`"],
    );
    assert_eq!(told, both_faults());
}

/// People know when something failed, not in which row.
#[test]
fn labels_by_times_make_the_same_model_as_labels_by_rows() {
    let dir = TempDir::new();
    write_recordings(&dir);
    let text = config(1, 1, &format!("[[streams.pump.detectors]]\ntype = \"model\"\nfile = \"x\"\n{OVER}"));
    let model = |kind: &str| {
        let (code, said, wrong) = train(&dir, &text, &["--model", kind, "--out", "own.model"]);
        assert_eq!(code, Some(0), "{wrong}");
        (said, std::fs::read(dir.join("own.model")).expect("a model"))
    };
    let kinds = ["logistic", "svm", "forest"];
    let by_rows = kinds.map(model);
    let labels = std::fs::read_to_string(dir.join("labels.json")).expect("labels");
    let mut labels: serde_json::Value = serde_json::from_str(&labels).expect("JSON");
    let time = |pump: i64, second: i64| {
        let ms = START + (pump * 10_000 + second) * 1_000;
        jiff::Timestamp::from_millisecond(ms).expect("a time").to_string()
    };
    for pump in 0..3 {
        let windows = FAULTS.map(|(from, to, _)| [time(pump, from), time(pump, to - 1)]);
        labels["series"][format!("pump{pump}.csv")]["windows"] = serde_json::json!(windows);
    }
    dir.write("labels.json", labels.to_string());
    for ((said, bytes), kind) in by_rows.into_iter().zip(kinds) {
        let by_times = model(kind);
        assert_eq!(by_times.0, said, "{kind}");
        assert!(by_times.1 == bytes, "{kind}");
    }
}
