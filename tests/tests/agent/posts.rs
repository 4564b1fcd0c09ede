//! The source that others POST to, through the real binary, by programs that others wrote: Python's HTTP client and curl.

use headwater_tests::ports::free_port;
use headwater_tests::{Agent, Mosquitto, Subscriber, TempDir};
use std::process::{Command, Stdio};

const START: i64 = 1_436_400_000_000;

fn config(broker: u16, http: &str, source: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\ncheckpoint = \"1s\"\n[http]\n{http}\n[sources.meter]\ntype = \"http\"\npath = \"/ingest\"\n\
         {source}\n[streams.main]\nwindow = {{ type = \"tumbling\", size = \"10s\" }}\nlateness = \"0s\"\nidle = \"2s\"\n\
         aggregates = [\"count\", \"sum\"]\n[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:{broker}\"\n"
    )
}

fn curl(arguments: &[&str]) -> (String, String) {
    let output =
        Command::new("curl").args(["-s", "-m", "20", "-w", "\n%{http_code}"]).args(arguments).output();
    let text = String::from_utf8_lossy(&output.expect("curl").stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').expect("a status");
    (status.to_owned(), body.trim().to_owned())
}

/// Line protocol as Telegraf and clients of InfluxDB send it, in gzip, with a token; and what they are told.
#[test]
fn what_is_posted_becomes_windows() {
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let (dir, port) = (TempDir::new(), free_port());
    dir.write("http-token", "0123456789abcdef");
    let http = format!("listen = \"127.0.0.1:{port}\"\ntoken_file = \"http-token\"");
    let text = config(broker.port, &http, "format = \"influx\"\nseries = \"{host}/{field}\"");
    let agent = Agent::start(&dir, &text);
    agent.wait_log(&["source connected", "meter"]);
    agent.wait_log(&["listening at"]);
    let url = format!("http://127.0.0.1:{port}/ingest");
    assert_eq!(curl(&["-d", "cpu,host=a usage=1", &url]).0, "401");
    let lines: String =
        (0..1_000).map(|n| format!("cpu,host=a usage={n} {}\n", (START + n * 100) * 1_000_000)).collect();
    dir.write("lines", lines);
    let zipped = Command::new("gzip").arg(dir.join("lines")).status().expect("gzip");
    assert!(zipped.success());
    let body = format!("@{}", dir.join("lines.gz").display());
    let token = "Authorization: Token 0123456789abcdef";
    let sent = curl(&["-H", token, "-H", "Content-Encoding: gzip", "--data-binary", &body, &url]);
    assert_eq!(sent, ("204".to_owned(), String::new()));
    let (status, why) = curl(&["-H", token, "-d", "no line", &url]);
    assert!(status == "400" && why.contains("not line protocol"), "{status} {why}");
    assert_eq!(curl(&["-H", token, &url]).0, "405");
    let messages = subscriber.wait_until("all readings", |messages| {
        let summaries = messages.summaries("main", "a/usage");
        summaries.values().map(|summary| summary.integer("count")).sum::<i64>() >= 1_000
    });
    let summaries = messages.summaries("main", "a/usage");
    assert_eq!(summaries.values().map(|summary| summary.number("sum")).sum::<f64>(), 499_500.0);
    let (status, log) = agent.stop();
    assert!(status.success());
    assert!(log.contains("payload cannot be used") && !log.contains("0123456789abcdef"), "{log}");
}

/// A sender that sends again what was not acknowledged: of what was, no reading is missing, however often the agent is killed.
#[test]
fn kills_under_load_take_nothing_that_was_acknowledged() {
    const PAYLOADS: i64 = 1_500;
    const KILLS: i64 = 8;
    let broker = Mosquitto::start();
    let subscriber = Subscriber::new(broker.port);
    let (dir, port) = (TempDir::new(), free_port());
    let text = config(broker.port, &format!("listen = \"127.0.0.1:{port}\""), "time = \"ts\"");
    let script = format!(
        "import http.client, sys, time\n\
         connection, n = None, 0\n\
         while n < {PAYLOADS}:\n\
         \x20body = '\\n'.join('{{\"ts\": %d, \"power\": %d}}' % ({START} + (n * 10 + k) * 100, 1) for k in range(10))\n\
         \x20try:\n\
         \x20\x20connection = connection or http.client.HTTPConnection('127.0.0.1', {port}, timeout=20)\n\
         \x20\x20connection.request('POST', '/ingest', body)\n\
         \x20\x20answer = connection.getresponse()\n\
         \x20\x20answer.read()\n\
         \x20\x20if answer.status == 204:\n\
         \x20\x20\x20n += 1\n\
         \x20\x20\x20if n % 100 == 0: print(n, flush=True)\n\
         \x20\x20\x20continue\n\
         \x20except (OSError, http.client.HTTPException):\n\
         \x20\x20pass\n\
         \x20connection = None\n\
         \x20time.sleep(0.05)\n"
    );
    let mut agent = Agent::start(&dir, &text);
    let mut sender =
        Command::new("python3").args(["-c", &script]).stdout(Stdio::piped()).spawn().expect("python3");
    let said = std::io::BufReader::new(sender.stdout.take().expect("its output"));
    for (kill, _) in (0..).zip(std::io::BufRead::lines(said)) {
        if kill < KILLS {
            agent.kill9();
            agent = Agent::start(&dir, &text);
        }
    }
    assert!(sender.wait().expect("python3").success());
    let all = PAYLOADS * 10;
    let counted = |messages: &headwater_tests::Messages| {
        let summaries = messages.summaries("main", "meter/power");
        summaries.values().map(|summary| summary.integer("count")).sum::<i64>()
    };
    let messages = subscriber.wait_until("all readings", |messages| counted(messages) >= all);
    messages.check_repeats();
    // A payload that was written when its acknowledgement was lost came twice.
    let count = counted(&messages);
    assert!((all..=all + KILLS * 10).contains(&count), "{count} of {all}");
    for summary in messages.summaries("main", "meter/power").values() {
        assert!(summary.integer("count") >= 100, "a window lacks readings: {summary:?}");
    }
    assert!(agent.terminate().success());
}

#[test]
fn a_path_without_a_listener_is_a_mistake() {
    let dir = TempDir::new();
    let text = config(1, "", "").replace("[http]\n", "");
    let path = dir.write("headwater.toml", text);
    let output = headwater_tests::agent::run(&dir, &["check", "--config", &path.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("there is no listener") && errors.contains("[http]"), "{errors}");
}
