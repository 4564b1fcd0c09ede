//! What the agent tells over its listener: the page, `/metrics`, `/health`, `/api/v1`; asked by curl.

use headwater_tests::ports::free_port;
use headwater_tests::{Agent, TempDir, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::UdpSocket;
use std::process::Command;

/// What curl gets.
fn get(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-s", "-m", "20"]).args(arguments).output().expect("curl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The status of an answer.
fn code(arguments: &[&str]) -> String {
    get(&[&["-o", "/dev/null", "-w", "%{http_code}"], arguments].concat())
}

fn json(url: &str) -> Value {
    let text = get(&[url]);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
}

/// An agent that takes readings over UDP and sends to a file, and its listener's address.
struct Served {
    agent: Agent,
    url: String,
    socket: UdpSocket,
    source: u16,
    _dir: TempDir,
}

impl Served {
    fn start(more: &str) -> Self {
        let (dir, port, source) = (TempDir::new(), free_port(), free_port());
        let config = format!(
            "[agent]\nid = \"edge-1\"\ncheckpoint = \"1s\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
             [sources.field]\ntype = \"udp\"\nlisten = \"127.0.0.1:{source}\"\nformat = \"json\"\n\
             series = \"{{device}}/{{field}}\"\n[streams.main]\nwindow = {{ type = \"count\", size = 2 }}\n\
             [[streams.main.detectors]]\ntype = \"threshold\"\nabove = 30.0\nper_hour = 0\n\
             [outputs.here]\ntype = \"file\"\npath = \"{}/out-{{n}}.jsonl\"\n{more}",
            dir.display()
        );
        let agent = Agent::start(&dir, &config);
        let url = format!("http://127.0.0.1:{port}");
        wait_for("the agent to be ready", || (code(&[&format!("{url}/health")]) == "200").then_some(()));
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        Self { agent, url, socket, source, _dir: dir }
    }

    fn send(&self, device: &str, value: f64) {
        let payload = serde_json::json!({ "device": device, "temp": value }).to_string();
        self.socket.send_to(payload.as_bytes(), ("127.0.0.1", self.source)).expect("a datagram");
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Waits until an answer is as wanted.
    #[track_caller]
    fn wait(&self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        wait_for(&format!("{path} to be as wanted"), || Some(json(&self.at(path))).filter(&is_it))
    }
}

#[test]
fn what_came_and_what_became_of_it_is_told() {
    let served = Served::start("");
    for value in [20.0, 24.0, 31.0] {
        served.send("bed 1/ü", value);
    }
    served.send("bed2", 5.0);
    let status = served.wait("/api/v1/status", |status| status["readings"]["received"] == 4);
    assert_eq!((&status["agent"], &status["series"]), (&"edge-1".into(), &2.into()));
    let list = json(&served.at("/api/v1/series?q=temp%20bed2"));
    assert_eq!((&list["total"], &list["series"][0]["series"]), (&1.into(), &"bed2/temp".into()));

    let past = served.wait("/api/v1/series/bed%201%2F%C3%BC/temp", |past| {
        past["windows"][0]["windows"].as_array().is_some_and(|windows| windows.len() == 1)
    });
    assert_eq!(past["series"], "bed 1/ü/temp");
    let window = &past["windows"][0]["windows"][0];
    assert_eq!([2, 3, 4, 5].map(|at| window[at].as_f64()), [20.0, 22.0, 24.0, 2.0].map(Some));
    assert_eq!(past["alerts"][0]["raised"]["value"], 31.0);
    let alerts = json(&served.at("/api/v1/alerts"));
    assert_eq!(alerts["alerts"][0]["raised"]["reason"], "31 is above 30");
    assert_eq!(json(&served.at("/api/v1/alerts?series=bed2/temp"))["alerts"], serde_json::json!([]));
    assert_eq!(
        json(&served.at("/api/v1/series/no-such"))["error"].as_str().map(|why| why.contains("no series")),
        Some(true)
    );

    let metrics = get(&[&served.at("/metrics")]);
    for line in [
        "headwater_readings_received_total 4",
        "headwater_source_readings_received_total{source=\"field\"} 4",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line}:\n{metrics}");
    }
    let open =
        get(&["-i", "-H", "Accept: application/openmetrics-text; version=1.0.0", &served.at("/metrics")]);
    assert!(
        open.contains("content-type: application/openmetrics-text") && open.ends_with("# EOF\n"),
        "{open}"
    );
    assert!(served.agent.terminate().success());
}

/// Who follows sees what comes within a second.
#[test]
fn who_follows_sees_readings_windows_and_alerts_as_they_come() {
    let served = Served::start("");
    served.send("bed1", 20.0);
    served.wait("/api/v1/status", |status| status["readings"]["received"] == 1);
    let curl = Command::new("curl")
        .args(["-s", "-N", "-m", "4", &served.at("/api/v1/events?series=bed1/temp")])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("curl");
    wait_for("somebody to follow", || {
        // The first round of those who follow finds the series.
        served.send("other", 1.0);
        served.send("bed1", 22.0);
        served.send("bed1", 31.5);
        (json(&served.at("/api/v1/status"))["readings"]["received"].as_i64() > Some(40)).then_some(())
    });
    let output = curl.wait_with_output().expect("curl's output");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let data = |kind: &str| -> Vec<Value> {
        let of_kind =
            text.split("\n\n").filter_map(|event| event.strip_prefix(&format!("event: {kind}\ndata: ")));
        of_kind.filter_map(|data| serde_json::from_str(data).ok()).collect()
    };
    assert!(data("status").len() >= 2 && !data("readings").is_empty(), "{text}");
    let readings = data("readings");
    assert!(readings.iter().all(|told| told["series"] == "bed1/temp"));
    assert!(
        readings
            .iter()
            .flat_map(|told| told["readings"].as_array().unwrap())
            .any(|reading| reading[1] == 31.5)
    );
    assert!(data("summary").iter().all(|told| told["series"] == "bed1/temp") && !data("summary").is_empty());
    assert!(data("alert").iter().any(|alert| alert["state"] == "raised"), "{text}");
    assert!(served.agent.terminate().success());
}

#[test]
fn health_says_what_is_not_as_it_should_be() {
    let served = Served::start("[outputs.lab]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:1\"\n");
    let health = served.wait("/health", |health| health["status"] == "degraded");
    let reason = health["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("output lab is down"), "{reason}");
    assert!(served.agent.terminate().success());
}

/// Every path of the description is answered, and nothing can be changed over any of them.
#[test]
fn the_description_is_what_the_server_does() {
    let served = Served::start("");
    served.send("bed1", 20.0);
    served.wait("/api/v1/status", |status| status["readings"]["received"] == 1);
    let api = json(&served.at("/api/v1/openapi.json"));
    let paths = api["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 8);
    for (path, methods) in paths {
        let path = served.at(&path.replace("{id}", "bed1%2Ftemp"));
        assert_eq!(methods.as_object().unwrap().keys().collect::<Vec<_>>(), ["get"]);
        let answer = code(&["-r", "0-0", "-m", "2", &path]);
        assert_eq!(answer, "200", "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            assert_eq!(code(&["-X", method, &path]), "405", "{method} {path}");
        }
    }
    // What the status says is what is described.
    let status = json(&served.at("/api/v1/status"));
    check_names(&api["components"]["schemas"]["Status"], &status, "status");
    assert!(served.agent.terminate().success());
}

/// A map has all that its schema names, and nothing else; lists and maps in it alike.
fn check_names(schema: &Value, value: &Value, place: &str) {
    let schema = schema["oneOf"].as_array().map_or(schema, |either| &either[1]);
    match (value, &schema["properties"]) {
        (Value::Object(map), Value::Object(described)) => {
            let names = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(names(map), names(described), "{place}");
            map.iter()
                .for_each(|(name, value)| check_names(&described[name], value, &format!("{place}/{name}")));
        }
        (Value::Array(list), _) => list.iter().for_each(|one| check_names(&schema["items"], one, place)),
        _ => {}
    }
}

#[test]
fn the_page_and_its_files_are_served_and_nothing_beside_them() {
    let served = Served::start("");
    let page = get(&["-i", "--compressed", &served.at("/")]);
    for header in [
        "content-encoding: gzip",
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
    ] {
        assert!(page.contains(header), "{header}:\n{page}");
    }
    let files: Vec<&str> = page.split(['"', '\'']).filter(|word| word.starts_with("page/")).collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in &files {
        assert_eq!(code(&["--compressed", &served.at(&format!("/{file}"))]), "200", "{file}");
    }
    // Those who cannot read gzip, and those who have it already.
    assert!(get(&[&served.at("/page/main.js")]).starts_with("// The page of an agent"));
    let head = get(&["-I", &served.at("/page/main.js")]);
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").trim();
    assert_eq!(code(&["-H", &format!("If-None-Match: {tag}"), &served.at("/page/main.js")]), "304");
    let mut wrong = String::new();
    for path in [
        "/page/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/page/",
        "//",
        "/page/main.js/",
    ] {
        let answer = code(&["--path-as-is", &served.at(path)]);
        if answer != "404" {
            let _ = writeln!(wrong, "{path}: {answer}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(served.agent.terminate().success());
}
