//! Changes of the config over MQTT: signed ones are followed once, on trial, and nothing else is.

use crate::{Config, publish, wait_source};
use headwater_tests::agent::{run, state_dir};
use headwater_tests::{Agent, Message, Mosquitto, Publisher, Subscriber, TempDir};
use std::time::Duration;

const SECRET: &str = "0123456789abcdef";
const SET: &str = "headwater/edge-1/config/set";
const STATUS: &str = "headwater/edge-1/config/status";

/// A second stream, which is set remotely.
const EXTRA: &str = "[streams.extra]\nwindow = { type = \"count\", size = 2 }\naggregates = [\"count\"]\n";

/// What a signed request may not ask for: its id, its text, and what is said of it.
const NOT_ALLOWED: [(&str, &str, &str); 3] = [
    (
        "output",
        "[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://evil\"\n",
        "`outputs` cannot be changed remotely",
    ),
    (
        "exec",
        "[sources.x]\ntype = \"exec\"\ncommand = [\"id\"]\nevery = \"1s\"\nformat = \"number\"\n",
        "cannot be set remotely",
    ),
    (
        "file",
        "[sources.x]\ntype = \"mqtt\"\nurl = \"mqtt://h\"\ntopics = [\"a\"]\nusername = \"u\"\npassword = { file = \"remote-secret\" }\n",
        "the secret `password` cannot",
    ),
];

/// The time of the first reading.
const BEGIN_MS: i64 = 1_700_000_000_000;

/// An agent that may be changed remotely, and its operator.
struct Site {
    broker: Mosquitto,
    dir: TempDir,
    answers: Subscriber,
    config: String,
}

impl Site {
    fn new(trial: &'static str) -> Self {
        let broker = Mosquitto::start();
        let dir = TempDir::new();
        dir.write("remote-secret", format!("{SECRET}\n"));
        let answers = Subscriber::to(broker.port, STATUS);
        let mut config = Config::new(broker.port, broker.port);
        config.agent = trial;
        config.more =
            "[remote]\noutput = \"cloud\"\nsecret = { file = \"remote-secret\" }\n[buffer]\nsync = \"1s\"";
        Self { config: config.text(), broker, dir, answers }
    }

    fn start(&self, times: usize) -> Agent {
        let agent = Agent::start(&self.dir, &self.config);
        wait_source(&self.broker, times);
        agent.wait_logs(&["listening for remote changes"], times);
        agent.wait_logs(&["output connected"], times);
        agent
    }

    /// What an operator's `config sign` makes.
    fn sign(&self, id: &str, text: &str) -> String {
        let (secret, change) = (self.dir.join("remote-secret"), self.dir.write("change.toml", text));
        let arguments = [
            "config",
            "sign",
            "--agent",
            "edge-1",
            "--id",
            id,
            "--secret",
            secret.to_str().unwrap(),
            change.to_str().unwrap(),
        ];
        let output = run(&self.dir, &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What a command prints.
    fn run(&self, words: &[&str]) -> String {
        let output = run(&self.dir, &[words, &["--config", "headwater.toml"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn send(&self, request: &str) {
        let mut publisher = Publisher::new(self.broker.port);
        publisher.publish(SET, request).expect("a publish");
        publisher.flush().expect("the broker's acknowledgement");
    }

    /// Waits for an answer to a request.
    #[track_caller]
    fn answer(&self, id: &str, state: &str) -> Message {
        let is_it = |answer: &Message| answer.text("id") == id && answer.text("state") == state;
        let what = format!("the answer that {id} is {state}");
        let all = self.answers.wait_until(&what, |messages| messages.iter().any(is_it));
        let answer = all.iter().find(|answer| is_it(answer)).unwrap();
        assert!(!String::from_utf8_lossy(&answer.payload).contains(SECRET));
        answer.clone()
    }
}

/// Requests are followed one in 2 s.
fn wait_turn() {
    std::thread::sleep(Duration::from_millis(2_100));
}

/// A change is applied while another stream goes on, survives a kill and a restart, and is removed by an empty one. The file
/// stays as it was.
#[test]
fn a_signed_change_is_applied_kept_over_a_kill_and_removed() {
    let site = Site::new("report = \"1s\"\ncheckpoint = \"1s\"\ntrial = \"4s\"");
    let windows = Subscriber::to(site.broker.port, "headwater/edge-1/summary/#");
    let agent = site.start(1);
    let mut publisher = Publisher::new(site.broker.port);
    publish(&mut publisher, "a", "temp", &[(BEGIN_MS, 1.0)]);
    agent.wait_settled(1);
    site.send(&site.sign("spring", EXTRA));
    site.answer("spring", "trial");
    publish(&mut publisher, "a", "temp", &[(BEGIN_MS + 1, 2.0), (BEGIN_MS + 2, 3.0)]);
    let of_extra = |messages: &headwater_tests::Messages| {
        messages.of("summary").filter(|summary| summary.text("stream") == "extra").count()
    };
    windows.wait_until("a window of the new stream", |messages| of_extra(messages) == 1);
    site.answer("spring", "kept");
    agent.wait_log(&["the config has passed its trial"]);
    let shown = site.run(&["config", "show"]);
    assert!(shown.starts_with("# remote change spring") && shown.ends_with(EXTRA), "{shown}");
    let check = site.run(&["check"]);
    assert!(check.contains("stream extra") && check.contains("remote change spring"), "{check}");
    let status = site.run(&["status"]);
    assert!(status.contains("remote      spring is set; 1 requests followed, 0 refused"), "{status}");

    agent.kill9();
    site.answers.forget();
    let agent = site.start(2);
    site.answer("spring", "kept");
    publish(&mut publisher, "a", "temp", &[(BEGIN_MS + 3, 4.0), (BEGIN_MS + 4, 5.0)]);
    windows.wait_until("another window of it", |messages| of_extra(messages) >= 2);
    site.send(&site.sign("none", ""));
    site.answer("none", "kept");
    agent.wait_logs(&["went on with another config"], 2);
    let log = agent.log();
    assert_eq!(
        log.matches("source connected source=\"field\"").count(),
        2,
        "the source stays connected:\n{log}"
    );
    let shown = site.run(&["config", "show"]);
    assert_eq!(shown, "# nothing was set remotely\n");
    assert_eq!(std::fs::read_to_string(site.dir.join("headwater.toml")).unwrap(), site.config);

    // A window of the stream that was there before has all its readings.
    publish(&mut publisher, "a", "temp", &[(BEGIN_MS + 86_400_000, 0.0)]);
    let messages = windows.wait_until("the window", |messages| {
        messages.summaries("main", "sensors/a/temp").values().any(|summary| summary.integer("count") == 5)
    });
    messages.check_repeats();
    assert!(agent.terminate().success());
}

/// What is not signed, repeated, of another time, wrong or not allowed changes nothing, is said and counted.
#[test]
fn what_is_not_to_be_followed_is_refused_and_counted() {
    let site = Site::new("report = \"1s\"\ntrial = \"0s\"");
    let agent = site.start(1);
    let good = site.sign("good", EXTRA);
    let secret = site.dir.join("remote-secret");
    let foreign = ["config", "sign", "--agent", "edge-2", "--secret", secret.to_str().unwrap()];
    let foreign = String::from_utf8(run(&site.dir, &foreign).stdout).unwrap();
    // Of another agent, not signed, and no request at all.
    site.send(&foreign);
    let all = site.answers.wait_until("an answer", |messages| messages.iter().count() == 1);
    assert!(
        all.iter().all(|answer| answer.text("why") == "its signature is wrong" && answer.map["id"].is_null())
    );
    site.send(&good.replace("extra", "other"));
    site.send("\u{1}junk");

    site.send(&good);
    site.answer("good", "kept");
    site.send(&good);
    let why = |id: &str| site.answer(id, "refused").text("why").to_owned();
    assert!(why("good").contains("has been here before"));
    wait_turn();
    site.send(&site.sign("wrong", "[streams.extra]\nwindow = { type = \"tubmling\", size = \"1m\" }\n"));
    let said = why("wrong");
    assert!(said.contains("config.remote:2:") && said.contains("did you mean `tumbling`?"), "{said}");
    for (id, text, part) in NOT_ALLOWED {
        wait_turn();
        site.send(&site.sign(id, text));
        assert!(why(id).contains(part), "{}", why(id));
    }
    // Two at once: the second one is too soon.
    wait_turn();
    let (first, second) = (site.sign("first", ""), site.sign("second", EXTRA));
    site.send(&first);
    site.send(&second);
    site.answer("first", "kept");
    assert!(why("second").contains("in the last 2 s"));
    let status = site.run(&["status"]);
    assert!(status.contains("nothing is set; 2 requests followed, 9 refused"), "{status}");
    assert!(!agent.log().contains(SECRET));
    agent.kill9();

    // What was followed before a kill is not followed again.
    let agent = site.start(2);
    site.answers.forget();
    site.send(&good);
    assert!(why("good").contains("has been here before"));
    assert!(agent.terminate().success());
}

/// A retained request is followed once, however often it comes.
#[test]
fn a_retained_request_is_followed_once() {
    let site = Site::new("report = \"1s\"\ntrial = \"0s\"");
    let mut publisher = Publisher::new(site.broker.port);
    publisher.publish_retained(SET, site.sign("early", EXTRA)).expect("a publish");
    publisher.flush().expect("the broker's acknowledgement");
    let agent = site.start(1);
    site.answer("early", "kept");
    agent.reload_with(
        &site.dir,
        &site.config.replace("output = \"cloud\"", "output = \"cloud\"\nwithin = \"6m\""),
    );
    agent.wait_logs(&["listening for remote changes"], 2);
    wait_turn();
    let status = site.run(&["status"]);
    assert!(status.contains("early is set; 1 requests followed, 0 refused"), "{status}");
    assert!(agent.terminate().success());
}

/// A change that cuts off the uplink, here by a source that takes the client id of the output, comes back by itself.
#[test]
fn a_change_that_cuts_off_the_uplink_is_rolled_back() {
    let site = Site::new("report = \"1s\"\ncheckpoint = \"1s\"\ntrial = \"8s\"");
    let agent = site.start(1);
    let thief = format!(
        "[sources.thief]\ntype = \"mqtt\"\nurl = \"mqtt://0.0.0.0:{}\"\ntopics = [\"x\"]\nclient_id = \
         \"headwater-edge-1-output-cloud\"\n",
        site.broker.port
    );
    site.send(&site.sign("thief", &thief));
    site.answer("thief", "trial");
    let answer = site.answer("thief", "rolled-back");
    assert!(answer.text("why").contains("output cloud worked before it"), "{}", answer.text("why"));
    agent.wait_log(&["the remote change thief is not used"]);
    let shown = site.run(&["config", "show"]);
    assert_eq!(shown, "# nothing was set remotely\n");
    agent.kill9();

    // It does not come back by a restart, and the next request is followed.
    let agent = site.start(2);
    assert!(!agent.log().contains("still on trial"));
    site.send(&site.sign("better", EXTRA));
    site.answer("better", "kept");

    // Killed in its trial again and again, a change counts as what ends the program.
    wait_turn();
    site.send(&site.sign("deadly", "[limits]\nseries = 50\n"));
    site.answer("deadly", "trial");
    agent.kill9();
    for times in 3..5 {
        let agent = site.start(times);
        agent.wait_logs(&["still on trial"], times - 2);
        agent.kill9();
    }
    site.answers.forget();
    let agent = site.start(5);
    agent.wait_log(&["the program has ended 3 times in its trial"]);
    site.answer("deadly", "rolled-back");
    let shown = site.run(&["config", "show"]);
    assert!(shown.ends_with(EXTRA), "{shown}");
    assert!(agent.terminate().success());
}

/// An operator removes what was set remotely on the device itself; a damaged state is said and changes nothing.
#[test]
fn an_operator_drops_a_change_on_the_device() {
    let site = Site::new("report = \"1s\"\ntrial = \"0s\"");
    let agent = site.start(1);
    site.send(&site.sign("spring", EXTRA));
    site.answer("spring", "kept");
    assert!(site.run(&["config", "drop"]).contains("is removed"));
    agent.reload();
    agent.wait_logs(&["went on with another config"], 2);
    let status = site.run(&["status"]);
    assert!(status.contains("remote      nothing is set"), "{status}");
    assert!(agent.terminate().success());
    std::fs::write(state_dir(&site.dir).join("config.remote"), "junk").unwrap();
    let agent = site.start(2);
    agent.wait_log(&["what was set remotely is not used", "it is damaged"]);
    assert!(agent.terminate().success());
}
