//! The HTTP output against a database that others wrote: InfluxDB 1.6, as Debian has it.

use headwater_tests::certs::Authority;
use headwater_tests::influxdb::InfluxDb;
use headwater_tests::tree::root;
use headwater_tests::{Agent, TempDir, wait_for, wait_within};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

/// A Wednesday in 2015, at a full second.
const START: i64 = 1_436_400_000_000;
const STEP_MS: i64 = 100;

/// An output that has met a killed database waits for up to a minute before it asks again; more on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Windows of a second over a file of lines, to a database.
fn config(dir: &TempDir, port: u16, output: &str) -> String {
    format!(
        "[agent]\nid = \"edge-1\"\nreport = \"1h\"\ncheckpoint = \"1s\"\n[sources.log]\ntype = \"file\"\n\
         path = \"{}\"\nseries = \"{{id}}/{{field}}\"\nlabels = {{ site = \"north wing\", id = \"{{id}}\" }}\n\
         time = \"ts\"\n[streams.main]\nwindow = {{ type = \"tumbling\", size = \"1s\" }}\nlateness = \"0s\"\nidle = \"1s\"\n\
         aggregates = [\"count\", \"sum\", \"mean\"]\n[[streams.main.detectors]]\ntype = \"threshold\"\nabove = 1e6\n\
         [outputs.db]\ntype = \"http\"\nurl = \"http://127.0.0.1:{port}/write?db=home\"\nformat = \"influx\"\n\
         batch = \"100ms\"\n{output}\n",
        dir.join("log.jsonl").display()
    )
}

fn line(id: &str, number: i64, value: i64) -> String {
    format!("{{\"ts\":{},\"id\":\"{id}\",\"power\":{value}}}\n", START + number * STEP_MS)
}

fn append(dir: &TempDir, lines: &str) {
    let file = OpenOptions::new().create(true).append(true).open(dir.join("log.jsonl"));
    file.expect("the file").write_all(lines.as_bytes()).expect("lines");
}

/// Waits until the database has so many readings in summaries, of this sum.
#[track_caller]
fn wait_sum(database: &InfluxDb, count: i64, sum: i64) {
    let got = || {
        let number = |field| database.number(&format!("SELECT sum(\"{field}\") FROM main"));
        (number("count"), number("sum"))
    };
    wait_within(PATIENCE, &format!("{count} readings of the sum {sum}"), || {
        (got() == (count as f64, sum as f64)).then_some(())
    });
}

/// Every question of the dashboard finds something.
#[track_caller]
fn ask_as_the_dashboard(database: &InfluxDb) {
    let path = root().join("agent/grafana/summaries-influxdb.json");
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the dashboard")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let variables = dashboard["templating"]["list"].as_array().expect("variables").iter();
    let queries = targets.chain(variables).filter_map(|from| from["query"].as_str());
    let queries: Vec<&str> = queries.filter(|query| query.starts_with("S")).collect();
    assert!(queries.len() >= 9, "{queries:?}");
    for query in queries {
        let values = [
            ("$stream", "main"),
            ("$series", ".*"),
            ("$agent", "edge-1"),
            ("$timeFilter", "time >= 1436400000s AND time < 1436500000s"),
            ("$__interval", "1m"),
        ];
        let asked =
            values.iter().fold(query.to_owned(), |text, (variable, value)| text.replace(variable, value));
        assert!(!database.rows(&asked).is_empty(), "{asked}");
    }
}

#[test]
fn summaries_and_alerts_reach_a_database_that_comes_late() {
    let Some(database) = InfluxDb::start("") else { return };
    let dir = TempDir::new();
    let lines: String = (0..1_000).map(|number| line("a,b =c", number, number)).collect();
    append(&dir, &lines);
    append(&dir, &line("a,b =c", 1_000, 5_000_000));
    append(&dir, &line("a,b =c", 1_001, 0));
    let config = config(&dir, database.port, "").replace("\"mean\"]", "\"mean\", \"min\", \"max\", \"p95\"]");
    let agent = Agent::start(&dir, &config);
    // A matter of the output: nothing is refused.
    agent.wait_log(&["output disconnected", "database not found", "does the database exist?"]);
    database.run("CREATE DATABASE home");
    wait_sum(&database, 1_002, 999 * 500 + 5_000_000);
    let rows = database.rows(
        "SELECT \"count\", \"sum\", \"mean\", site, \"series\", agent FROM main WHERE time < 1436400001s",
    );
    let expected = "[[1436400000000,10,45,4.5,\"north wing\",\"a,b =c/power\",\"edge-1\"]]";
    assert_eq!(serde_json::to_string(&rows).expect("rows"), expected);
    let alerts = database.rows("SELECT value, state, detector, stream FROM alerts");
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert_eq!((alerts[0][1].as_f64(), alerts[0][2].as_str()), (Some(5e6), Some("raised")));
    assert_eq!((alerts[1][2].as_str(), alerts[1][4].as_str()), (Some("cleared"), Some("main")));
    assert_eq!(alerts[0][0], START + 1_000 * STEP_MS);
    ask_as_the_dashboard(&database);
    let (status, log) = agent.stop();
    assert!(status.success() && !log.contains("refused by output"), "{log}");
}

/// A database that has another type for a field takes the other messages; one that keeps a day takes no old ones.
#[test]
fn what_a_database_refuses_is_found_counted_and_reported() {
    let Some(database) = InfluxDb::start("") else { return };
    let dir = TempDir::new();
    database.run("CREATE DATABASE home");
    let conflict =
        format!("main,agent=edge-1,id=bad,series=bad/power,site=north\\ wing mean=\"text\" {START}");
    let write = format!("http://127.0.0.1:{}/write?db=home&precision=ms", database.port);
    let written =
        std::process::Command::new("curl").args(["-s", "-f", "--data-binary", &conflict, &write]).status();
    assert!(written.is_ok_and(|status| status.success()), "the first point");
    let mut lines = String::new();
    for number in 0..100 {
        let _ = write!(lines, "{}{}", line("good", number, 1), line("bad", number + 60_000_000, 1));
    }
    append(&dir, &lines);
    let mut agent = Agent::start(&dir, &config(&dir, database.port, ""));
    // The shard of the first week has the conflict, for every series.
    agent.wait_log(&["refused", "field type conflict"]);
    wait_for("the other week", || {
        (database.number("SELECT sum(\"count\") FROM main WHERE id = 'bad'") >= 90.0).then_some(())
    });
    agent.check_running();
    database.run("CREATE RETENTION POLICY day ON home DURATION 1d REPLICATION 1 DEFAULT");
    append(&dir, &(200..300).map(|number| line("bad", number + 60_000_000, 1)).collect::<String>());
    agent.wait_log(&["refused", "older than the database keeps"]);
    let (status, _) = agent.stop();
    assert!(status.success());
}

/// `kill -9` of the agent and of the database, again and again under load: every summary is there, with all its readings.
#[test]
fn kills_of_both_ends_lose_no_summary() {
    const ROUNDS: i64 = 12;
    const LINES: i64 = 20_000;
    let Some(mut database) = InfluxDb::start("") else { return };
    let dir = TempDir::new();
    database.run("CREATE DATABASE home");
    let text = config(&dir, database.port, "");
    let mut agent = Agent::start(&dir, &text);
    for round in 0..ROUNDS {
        let lines = (round * LINES..(round + 1) * LINES).map(|number| line("a", number, number % 7));
        append(&dir, &lines.collect::<String>());
        // Some of this round is there, and the rest on its way.
        wait_within(PATIENCE, "messages of this round", || {
            let count = database.number("SELECT sum(\"count\") FROM main");
            (count > (round * LINES) as f64).then_some(())
        });
        if round % 3 != 0 {
            agent.kill9();
            agent = Agent::start(&dir, &text);
        }
        if round % 2 == 1 {
            database.kill9();
            database.restart();
        }
    }
    let all = ROUNDS * LINES;
    wait_sum(&database, all, (0..all).map(|number| number % 7).sum());
    let (status, log) = agent.stop();
    assert!(status.success() && !log.contains("refused by output"), "{log}");
}

#[test]
fn credentials_are_asked_for_and_self_test_says_so() {
    let Some(database) = InfluxDb::start("auth-enabled = true") else { return };
    database.run("CREATE USER boss WITH PASSWORD 'secret of boss' WITH ALL PRIVILEGES");
    let dir = TempDir::new();
    append(&dir, &line("a", 0, 1));
    dir.write("password", "secret of boss\n");
    let test = |keys: &str| {
        let path = dir.write("headwater.toml", config(&dir, database.port, keys));
        let output = headwater_tests::agent::run(&dir, &["self-test", "--config", &path.to_string_lossy()]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let user = "username = \"boss\"\npassword = { file = \"password\" }";
    let tried = test("");
    assert!(tried.contains("401") && tried.contains("check `username`"), "{tried}");
    let tried = test(user);
    assert!(tried.contains("404") && tried.contains("does the database exist?"), "{tried}");
    let agent = Agent::start(&dir, &config(&dir, database.port, user));
    agent.wait_log(&["database not found"]);
    let login = ["-s", "-u", "boss:secret of boss", "--data-urlencode"];
    let create = |statement: &str| {
        let url = format!("http://127.0.0.1:{}/query", database.port);
        let run =
            std::process::Command::new("curl").args(login).args([&format!("q={statement}"), &url]).output();
        String::from_utf8_lossy(&run.expect("curl").stdout).into_owned()
    };
    create("CREATE DATABASE home");
    let tried = test(user);
    assert!(tried.contains("/write takes an empty request"), "{tried}");
    wait_for("the summary", || create("SELECT * FROM home..main").contains("a/power").then_some(()));
    let (status, log) = agent.stop();
    assert!(status.success() && !log.contains("secret of boss"), "{log}");
}

/// An authority of one's own is trusted where it is named. What is wrong with a certificate is said, and nothing is sent.
#[test]
fn tls_is_checked_and_what_is_wrong_is_said() {
    let dir = TempDir::new();
    append(&dir, &(0..20).map(|number| line("a", number, 1)).collect::<String>());
    let (authority, stranger) = (Authority::new(&dir, "authority"), Authority::new(&dir, "stranger"));
    let url = |scheme: &str, port: u16, ca: &Authority| {
        let text = config(&dir, port, &format!("ca = \"{}\"", ca.ca.display()));
        text.replace("http://127.0.0.1", &format!("{scheme}://localhost"))
    };
    let tried = |text: String| {
        let path = dir.write("headwater.toml", text);
        let output = headwater_tests::agent::run(&dir, &["self-test", "--config", &path.to_string_lossy()]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (server, words) in [
        (authority.server_elsewhere(), "is not for the name `localhost`"),
        (authority.server_of_old(), "has expired"),
    ] {
        let Some(database) = InfluxDb::start_tls(&server) else { return };
        let said = tried(url("https", database.port, &authority));
        assert!(said.contains(words), "{said}");
    }
    let Some(database) = InfluxDb::start_tls(&authority.server()) else { return };
    database.run("CREATE DATABASE home");
    let said = tried(url("https", database.port, &stranger));
    assert!(said.contains("is not signed by the configured ca"), "{said}");
    let said = tried(url("http", database.port, &authority));
    assert!(!said.contains("takes an empty request"), "{said}");
    let agent = Agent::start(&dir, &url("https", database.port, &authority));
    wait_sum(&database, 20, 20);
    assert!(agent.terminate().success());
}
