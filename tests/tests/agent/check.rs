//! `headwater check`: every mistake in one run, each with its place and the way out.

use crate::Config;
use headwater_tests::TempDir;
use headwater_tests::agent::run;

/// Runs `check` on a config; exit code, stdout and stderr.
pub(crate) fn check(config: &str) -> (Option<i32>, String, String) {
    let dir = TempDir::new();
    dir.write("headwater.toml", config);
    let output = run(&dir, &["check", "--config", "headwater.toml"]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_good_config_passes_and_what_will_run_is_said() {
    let (code, stdout, stderr) = check(&Config::new(1883, 1883).text());
    assert_eq!(code, Some(0), "{stderr}");
    for word in ["field", "main", "cloud", "memory", "disk"] {
        assert!(stdout.to_lowercase().contains(word), "`{word}` is not in:\n{stdout}");
    }
}

/// How often open windows become durable is what the budget for writes allows: for few series at the interval, for all at
/// another.
#[test]
fn the_budget_for_writes_is_said_as_an_interval() {
    let config = Config::new(1883, 1883).text().replace("checkpoint = \"1s\"", "checkpoint = \"10s\"");
    let of = |more: &str| {
        let (_, said, stderr) = check(&config.replace("[buffer]\n", &format!("{more}\n[buffer]\n")));
        let line = said.lines().find_map(|line| line.strip_prefix("checkpoints: ")).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{said}{stderr}"))
    };
    let said = of("");
    assert!(said.starts_with("every 10s while about ") && said.contains("500 MiB a day"), "{said}");
    assert!(said.contains("if all 10000 have"), "{said}");
    assert_eq!(of("[limits]\nseries = 100\n"), "every 10s, within 500 MiB a day (`daily_writes`)");
}

/// Every line of the sample that is commented out is a known key at its place.
/// Which syncs the budget allows is said of a source that waits for them.
#[test]
fn the_budget_for_syncs_is_said_as_an_interval() {
    let config = |ack: &'static str| Config { source_keys: ack, ..Config::new(1883, 1884) }.text();
    let (_, received, _) = check(&config("topics = [\"sensors/#\"]\ntime = \"ts\""));
    assert!(!received.contains("syncs"), "{received}");
    let (_, durable, _) = check(&config("topics = [\"sensors/#\"]\ntime = \"ts\"\nack = \"durable\""));
    let expected = "syncs of the journal: every 1s, and when a broker waits; 375 MiB a day (three quarters of \
                    `daily_writes`) allow one of 4 KiB every 900 ms for long\n";
    assert!(durable.contains(expected), "{durable}");
}

#[test]
fn the_sample_knows_its_own_options() {
    let sample = include_str!("../../../systemd/headwater.toml");
    let is_option = |line: &str| line.starts_with("# ") && (line.contains(" = ") || line.starts_with("# ["));
    let on: Vec<&str> = sample.lines().map(|line| if is_option(line) { &line[2..] } else { line }).collect();
    let mut seen = std::collections::BTreeSet::new();
    let mut table = 0;
    let mut all = String::new();
    for line in on {
        if line.starts_with('[') {
            table += 1;
        }
        // The first line of a key that is shown twice counts.
        let key = line.split_once(" = ").map(|(key, _)| (table, key.trim()));
        if key.is_none_or(|key| seen.insert(key)) {
            all.push_str(line);
        }
        all.push('\n');
    }
    let (_, _, stderr) = check(&all);
    assert!(!stderr.contains("unknown"), "{stderr}");
    assert!(!stderr.contains("not TOML") && stderr.contains("filter"), "it is read as a whole: {stderr}");
}

#[test]
fn three_tables_are_enough() {
    let config = "[sources.field]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:1883\"\ntopics = [\"sensors/#\"]\n\
                  [streams.main]\nwindow = { type = \"tumbling\", size = \"1m\" }\n\
                  [outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:1883\"\n";
    let (code, _, stderr) = check(config);
    assert_eq!(code, Some(0), "{stderr}");
}

/// Lines with a mistake end in `#!` and a word that the message must have.
const MISTAKES: &str = r#"[agent]
id = "a/b" #! id
chekpoint = "10s" #! checkpoint
log = "loud" #! loud

[sources.field]
type = "mqtt"
url = "http://127.0.0.1:1883" #! mqtt
topics = ["sensors/#/temp"] #! sensors/#/temp
qos = 3 #! qos
formt = "json" #! format
time_format = "unix_weeks" #! unix_weeks

[sources.other]
type = "mqqt" #! mqtt

[streams.main]
from = ["feild"] #! field
window = { type = "tumbling", size = "0s" } #! size
lateness = "soon" #! lateness
aggregates = ["count", "men"] #! mean

[[streams.main.detectors]]
type = "treshold" #! threshold

[streams.second]
window = { type = "tumbling", size = "1 parsec" } #! parsec
aggregates = ["p101"] #! p101

[outputs.cloud]
type = "mqtt"
url = "mqtt://127.0.0.1:99999" #! port
streams = ["mian"] #! main
password = "without a name" #! username
format = 7 #! format

[buffer]
when = "sometimes" #! offline
max_size = "many" #! size

[limits]
series = -1 #! series

[nonsense] #! nonsense
"#;

#[test]
fn every_mistake_is_listed_with_its_place_and_the_way_out() {
    let (code, _, stderr) = check(MISTAKES);
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(unsaid(MISTAKES, &stderr), [""; 0], "in:\n{stderr}");
}

/// Keys and names that are right elsewhere, or nowhere, say where.
const MISPLACED: &str = r#"[sources.field]
type = "mqtt"
url = "mqtt://127.0.0.1"
topics = ["sensors/{place}"]
fields = ["temp", "hum"]

[streams.main]
from = [] #! `from` is empty
series = ["*/temp", "*/hum"]
window = { type = "tumbling", size = "1m", align = "UTC" } #! beside `window`
offset = "90s" #! write "30s"
every = "1m" #! `window = { … }`
expect = ["*/tmep"] #! does not select

[[streams.main.detectors]]
type = "missing"
after = "1m"

[[streams.main.detectors]]
type = "auto"
over = ["*/temp", "*/humm"] #! does not select the series `*/humm`

[streams.steps]
window = { type = "tumbling", size = "1m", every = "10s" } #! type `sliding`

[outputs.cloud]
type = "mqtt"
url = "mqtt://127.0.0.1"
kinds = [] #! `kinds` is empty
"#;

/// The marks `#!` of a config that `check` does not say at their lines.
fn unsaid(config: &str, stderr: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for (index, line) in config.lines().enumerate() {
        let Some((_, word)) = line.split_once("#! ") else { continue };
        let place = format!("headwater.toml:{}:", index + 1);
        let is_said = stderr.match_indices(&place).any(|(from, _)| {
            let rest = &stderr[from + place.len()..];
            let column = rest.chars().next().is_some_and(|first| first.is_ascii_digit());
            let other_lines = rest.lines().take(5).filter(|line| !line.contains("#! "));
            column && other_lines.collect::<String>().contains(word)
        });
        if !is_said {
            missing.push(format!("{place} {word}"));
        }
    }
    missing
}

#[test]
fn what_stands_in_the_wrong_place_is_told_where_it_belongs() {
    let (code, _, stderr) = check(MISPLACED);
    assert_eq!(code, Some(2), "{stderr}");
    assert_eq!(unsaid(MISPLACED, &stderr), [""; 0], "in:\n{stderr}");
}

/// Two sources that read the standard input would take each other's lines, two outputs each other's files.
#[test]
fn what_only_one_can_have_is_refused_to_the_second() {
    let shared = "[sources.one]\ntype = \"stdin\"\n[sources.two]\ntype = \"stdin\"\n[streams.all]\n\
                  [outputs.a]\ntype = \"file\"\npath = \"out/{n}.jsonl\"\n\
                  [outputs.b]\ntype = \"file\"\npath = \"out/{n}.jsonl\"\n";
    let (code, _, stderr) = check(shared);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("source `two` and source `one` both have the standard input"), "{stderr}");
    assert!(stderr.contains("output `b` and output `a` both have the files"), "{stderr}");
}

/// `check` compares what a config can take with what the unit allows.
#[test]
fn memory_that_the_unit_does_not_allow_is_said() {
    assert!(include_str!("../../../systemd/headwater.service").contains("MemoryMax=192M"));
    let mut config = Config::new(1883, 1883);
    let more = "the service may take (MemoryMax, 192 MiB)";
    let (_, stdout, _) = check(&config.text());
    assert!(stdout.contains(more), "{stdout}");
    config.more = "[limits]\nseries = 100";
    let (_, stdout, _) = check(&config.text());
    assert!(stdout.contains("at most") && !stdout.contains(more), "{stdout}");
    // The figures are those of a run with the unit's environment, which `limits.rs` compares.
    for (name, value) in headwater_tests::agent::service_environment() {
        assert!(
            !name.starts_with("MALLOC") || stdout.contains(&format!("{name}={value}")),
            "{name}: {stdout}"
        );
    }
}

#[test]
fn what_is_not_toml_is_said_with_its_place() {
    for (config, place) in
        [("[agent\nid = 1\n", ":1:"), ("[agent]\nid = \n", ":2:"), ("a = 1\na = 2\n", ":2:")]
    {
        let (code, _, stderr) = check(config);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(&format!("headwater.toml{place}")), "{stderr}");
    }
}

#[test]
fn a_missing_config_and_a_wrong_command_line_exit_2() {
    let dir = TempDir::new();
    let output = run(&dir, &["check", "--config", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.toml"));
    assert_eq!(run(&dir, &["chek"]).status.code(), Some(2));
    assert_eq!(run(&dir, &["run", "--no-such-flag"]).status.code(), Some(2));
}

#[test]
fn run_refuses_what_check_refuses() {
    let dir = TempDir::new();
    dir.write("headwater.toml", MISTAKES);
    let output = run(&dir, &["run", "--config", "headwater.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("headwater.toml:2:"));
}

#[test]
fn a_glob_that_matches_nothing_is_a_warning() {
    let mut config = Config::new(1883, 1883);
    config.streams += "\n[streams.second]\nseries = [\"sensors/*/tmep\"]\n[streams.third]\nexpect = [\"sensors/*/hum\"]\n\
                       [[streams.third.detectors]]\ntype = \"missing\"\nafter = \"1m\"\n\
                       [[streams.third.detectors]]\ntype = \"auto\"\nover = [\"*/temp\", \"*/pressure\"]";
    let text = config.text();
    let (code, stdout, stderr) = check(&text);
    assert_eq!(code, Some(0), "a warning is no mistake: {stderr}");
    assert!(stdout.contains("look at the warnings") && !stdout.contains("all is well"), "{stdout}");
    for glob in ["sensors/*/tmep", "sensors/*/hum", "*/pressure"] {
        let line = text.lines().position(|line| line.contains(glob)).unwrap() + 1;
        assert!(stderr.contains(&format!("headwater.toml:{line}:")), "{stderr}");
        assert!(stderr.contains(&format!("no series can match `{glob}`")), "{stderr}");
    }
}

/// What is `at most` is the largest number, and the first guide's example stays within the unit's memory.
#[test]
fn the_most_is_the_most_and_the_first_example_fits_the_service() {
    let guide = include_str!("../../../README.md");
    let example = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let memory = |config: &str| {
        let (code, stdout, stderr) = check(config);
        assert_eq!(code, Some(0), "{stderr}");
        let line = stdout.lines().find(|line| line.starts_with("at most")).unwrap();
        let figures: Vec<u64> = line
            .split(" MiB")
            .filter_map(|part| part.rsplit(' ').next()?.trim_start_matches('(').parse().ok())
            .collect();
        assert!(figures[0] >= figures[1] && figures[1] >= figures[2], "{line}");
        (figures[0], stdout)
    };
    let (most, stdout) = memory(example);
    assert!(most <= 192, "{stdout}");
    // The number that is advised is one that fits.
    let (_, stdout) = memory(&example.replace("series = 3000", "series = 20000"));
    let advised =
        stdout.split("set [limits] series to ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(memory(&example.replace("series = 3000", &format!("series = {advised}"))).0 <= 192);
}
