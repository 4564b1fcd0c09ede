//! What a stream's config refuses: the mistake, its place and the way out.

use super::parse;
use std::path::Path;

const SOURCE: &str = "[sources.s]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"#\"]\n\n";

/// All that is said of a stream with these lines, which begin at line 7.
fn said(lines: &str) -> String {
    let (config, document) = parse(Path::new("t.toml"), &format!("{SOURCE}[streams.a]\n{lines}"), |_| None);
    let shown = document.render_all();
    assert_eq!(config.is_none(), shown.contains(": error"), "{shown}");
    shown
}

/// Lines of a stream, the place of the mistake, and words that must be said of it.
const MISTAKES: &[(&str, &str, &[&str])] = &[
    (
        "window = { type = \"sliding\", size = \"5m\", every = \"2m\" }",
        "7:10",
        &["`size`", "multiple of `every`"],
    ),
    (
        "window = { type = \"sliding\", size = \"1d\", every = \"1m\" }",
        "7:10",
        &["1443 windows", "make `every` longer"],
    ),
    (
        "window = { type = \"sliding\", size = \"1m\", every = \"5m\" }",
        "7:10",
        &["`size`", "multiple of `every`"],
    ),
    (
        "window = { type = \"session\", gap = \"1h\", max = \"1m\" }",
        "7:10",
        &["as long as `gap`", "change `max`"],
    ),
    ("window = { type = \"count\", size = 0 }", "7:35", &["`size`", "from 1"]),
    ("window = { type = \"tumbling\" }", "7:10", &["`size` is missing", "size = \"1m\""]),
    (
        "window = { type = \"tumbling\", size = \"1s\" }\nlateness = \"1h\"",
        "8:12",
        &["3603 windows", "make it shorter"],
    ),
    ("aggregates = [\"p101\"]", "7:15", &["`p101`", "0 to 100", "p95"]),
    ("aggregates = [\"p-1\"]", "7:15", &["`p-1`"]),
    ("aggregates = [\"p99.\", \"p1e1\"]", "7:23", &["`p1e1`"]),
    ("aggregates = [\"maen\"]", "7:15", &["did you mean `mean`?"]),
    ("aggregates = []", "7:14", &["empty"]),
    ("window = { type = \"none\" }\naggregates = [\"rate\"]", "8:14", &["`aggregates`", "set a window"]),
    (
        "window = { type = \"none\" }\ndownsample = { type = \"lttb\", points = 9 }",
        "8:14",
        &["`downsample`", "set a window"],
    ),
    ("downsample = { type = \"lttb\", points = 1 }", "7:40", &["`points`", "from 2 to 1000"]),
    ("downsample = { type = \"ltb\", points = 9 }", "7:23", &["did you mean `lttb`?"]),
    ("downsample = { points = 9 }", "7:14", &["`type` is missing", "lttb"]),
    ("window = { type = \"none\" }\nsketch = true", "8:10", &["`sketch`", "set a window"]),
    ("filter = { type = \"deadband\", absolute = 1 }", "7:10", &["`filter`", "window = { type = \"none\" }"]),
    (
        "window = { type = \"none\" }\nfilter = { type = \"deadband\" }",
        "8:10",
        &["`absolute` is missing", "`percent = 1`"],
    ),
    (
        "window = { type = \"none\" }\nfilter = { type = \"deadband\", absolute = 1, percent = 1 }",
        "8:55",
        &["exclude each other"],
    ),
    (
        "window = { type = \"none\" }\nfilter = { type = \"deadband\", absolute = -1 }",
        "8:42",
        &["`absolute`", "from 0"],
    ),
    (
        "window = { type = \"none\" }\nfilter = { type = \"swinging-door\" }",
        "8:10",
        &["`error` is missing", "error = 0.5"],
    ),
    (
        "window = { type = \"none\" }\nfilter = { type = \"swinging-door\", error = 0 }",
        "8:44",
        &["`error`", "above 0"],
    ),
    (
        "window = { type = \"none\" }\nfilter = { type = \"swinging-door\", error = 1, deviation = 1 }",
        "8:47",
        &["`deviation`"],
    ),
    ("pairs = [{ a = \"*/t\" }]", "7:10", &["`b` is missing"]),
    ("pairs = [{ a = \"*/t\", b = \"*/t\" }]", "7:27", &["same series"]),
    ("pairs = [{ a = \"*/t\", b = \"x/t\" }]", "7:27", &["in both"]),
    ("pairs = [{ a = \"*/t/*\", b = \"x/t\" }]", "7:16", &["one `*`"]),
    ("pairs = [{ a = \"t\", b = \"h\", tolerance = \"1h\" }]", "7:42", &["`tolerance`", "10m"]),
    ("pairs = [{ a = \"t\", b = \"h\" }, { a = \"t\", b = \"h\" }]", "7:32", &["twice"]),
    ("window = { type = \"none\" }\npairs = [{ a = \"t\", b = \"h\" }]", "8:9", &["`pairs`", "set a window"]),
    (
        "[[streams.a.detectors]]\ntype = \"stuck\"\nafter = \"1h\"\nname = \"x\"\n\
         [[streams.a.detectors]]\ntype = \"missing\"\nname = \"x\"",
        "13:8",
        &["a detector `x` already", "another `name`"],
    ),
    ("expect = [\"a/t\"]", "7:10", &["`missing`", "`after`"]),
    ("expect = [\"a/t\"]\n[[streams.a.detectors]]\ntype = \"missing\"", "7:10", &["`missing`", "`after`"]),
    (
        "series = [\"*/t\"]\nexpect = [\"a/t\", \"a/h\"]\n[[streams.a.detectors]]\ntype = \"missing\"\nafter = \"1m\"",
        "8:18",
        &["does not select the series `a/h`"],
    ),
    ("where = \"value > 'a'\"", "7:10", &["`where`"]),
    ("where = \"labels.zone == 'bed1'\"", "7:17", &["label `zone`", "as {NAME}"]),
    ("where = \"value > 1.0 || labels['zone'] == 'bed1'\"", "7:32", &["label `zone`"]),
    ("map = \"value * double(labels.factor)\"", "7:30", &["`map`", "label `factor`"]),
    ("map = \"value > 1.0\"", "7:", &["`map`"]),
    ("map = \"valu * 2\"", "7:8", &["`map`", "`value`"]),
    ("[streams.a]", "7:10", &["duplicate"]),
];

#[test]
fn labels_are_those_of_the_sources_of_the_stream() {
    let named = "[sources.t]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\nclient_id = \"t\"\ntopics = [\"a/{zone}/#\"]\n\
                 labels = { model = \"{model}\" }\n";
    for (lines, expected) in [
        ("where = \"labels.zone == 'bed1' && labels.model != 'x'\"", None),
        (
            "where = \"has(labels.site) && labels.site == 'a' || 'hall' in labels && labels.hall == '1'\"",
            None,
        ),
        ("where = \"labels.zon == 'bed1'\"", Some("did you mean `zone`?")),
        ("from = [\"s\"]\nwhere = \"labels.zone == 'bed1'\"", Some("no label is made")),
        ("from = [\"t\"]\nwhere = \"labels.place == 'bed1'\"", Some("labels are zone, model")),
    ] {
        let shown = said(&format!("{lines}\n{named}"));
        assert!(
            expected.map_or(!shown.contains(": error"), |words| shown.contains(words)),
            "{lines}: {shown}"
        );
    }
}

#[test]
fn every_mistake_of_a_stream_has_its_place_and_the_way_out() {
    let mut wrong = Vec::new();
    for (lines, place, words) in MISTAKES {
        let shown = said(lines);
        let rest = shown.split_once(&format!("t.toml:{place}")).map_or("", |(_, rest)| rest);
        let about: String = rest.lines().take(5).collect::<Vec<_>>().join("\n");
        if !words.iter().all(|word| about.contains(word)) || !shown.contains("1 error,") {
            wrong.push(format!("{lines}\nlacks {place} {words:?}:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_has_no_effect_is_a_warning() {
    for (lines, place) in [
        ("window = { type = \"none\" }\nlateness = \"1s\"", "8:12"),
        (
            "window = { type = \"none\" }\nretain = \"1s\"\nfilter = { type = \"deadband\", percent = 1 }",
            "8:10",
        ),
        ("window = { type = \"count\", size = 5 }\nidle = \"1s\"", "8:8"),
        ("aggregates = [\"mean\", \"mean\"]", "7:23"),
    ] {
        let shown = said(lines);
        assert!(shown.contains(&format!("t.toml:{place}: warning")), "{lines}\n{shown}");
    }
    // One warning is of the output that is not there.
    let waits = "window = { type = \"none\" }\nlateness = \"1s\"\nidle = \"9s\"\nfilter = { type = \"deadband\", percent = 1 }";
    assert_eq!(said(waits).matches("warning:").count(), 1, "{}", said(waits));
}

/// All that is said of a source `s` and an output `s` with these lines.
fn said_of_connections(source: &str, output: &str) -> String {
    let mqtt = |kind: &str, host: &str| format!("[{kind}.s]\ntype = \"mqtt\"\nurl = \"mqtt://{host}\"\n");
    let (source_table, output_table) = (mqtt("sources", "127.0.0.1"), mqtt("outputs", "localhost"));
    let text =
        format!("agent.id = \"g7\"\nstreams.a = {{}}\n{source_table}{source}\n{output_table}{output}\n");
    let (config, document) = parse(Path::new("t.toml"), &text, |_| None);
    assert_eq!(config.is_none(), document.has_errors());
    document.render_all()
}

#[test]
fn a_client_id_is_held_once() {
    assert_eq!(said_of_connections("topics = [\"t/#\"]", ""), "", "one name is two ids");
    let same = "client_id = \"c\"";
    let shown = said_of_connections(&format!("topics = [\"t/#\"]\n{same}"), same);
    let what = "output `s` and source `s` both have the client id `c` at localhost:1883";
    assert!(shown.contains(what) && shown.contains("t.toml:11:13: error"), "{shown}");
}

#[test]
fn what_an_output_publishes_is_named_where_a_source_asks_for_it() {
    for topics in ["#", "headwater/#", "+/g7/summary/#"] {
        let shown = said_of_connections(&format!("topics = [\"{topics}\"]"), "");
        assert!(
            shown.contains("source `s` asks for what output `s` publishes (headwater/g7/#)"),
            "{topics}: {shown}"
        );
    }
    for source in [
        "topics = [\"t/#\"]",
        "topics = [\"headwater/g8/#\"]",
        "topics = [\"#\"]\nignore = [\"headwater/#\"]",
    ] {
        assert_eq!(said_of_connections(source, ""), "", "{source}");
    }
    let elsewhere = "url = \"mqtt://cloud.example\"";
    let (_, document) = parse(
        Path::new("t.toml"),
        &format!("agent.id = \"g7\"\nstreams.a = {{}}\n{SOURCE}[outputs.o]\ntype = \"mqtt\"\n{elsewhere}\n"),
        |_| None,
    );
    assert_eq!(document.render_all(), "", "`#` of another broker means the topics of others");
}

#[test]
fn a_state_directory_that_others_may_write_in_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = std::env::temp_dir().join(format!("headwater-writers-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let said = |mode: u32| {
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(mode)).unwrap();
        let text = format!("[agent]\nid = \"a\"\nstate_dir = \"{}\"\n", dir.display());
        parse(Path::new("t.toml"), &text, |_| None).1.render_all()
    };
    assert!(said(0o777).contains("everybody on this machine may write in"));
    assert!(said(0o770).contains("everybody in its group may write in"));
    assert!(!said(0o700).contains("may write in"));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn outputs_that_could_send_nothing_or_nothing_that_is_read_are_refused() {
    let http = "type = \"http\"\nurl = \"http://db/write?db=x\"\nformat = \"influx\"\n";
    let mqtt = "type = \"mqtt\"\nurl = \"mqtt://cloud.example\"\nhome_assistant = true\n";
    for (kind, keys, what) in [
        (http, "kinds = [\"report\"]", "error: `influx` has no form for report"),
        (http, "kinds = [\"report\", \"alert\"]", "warning: `influx` has no form for report"),
        (http, "kinds = [\"alert\"]", ""),
        (mqtt, "format = \"cbor\"", "read by those who know JSON alone"),
        (mqtt, "topic = \"a/{agent}/{kind}/{series}\"", "several share one"),
        (mqtt, "topic = \"a/{kind}/{stream}/{series}\"", ""),
    ] {
        let text = format!("agent.id = \"g7\"\nstreams.a = {{}}\n{SOURCE}[outputs.o]\n{kind}{keys}\n");
        let said = parse(Path::new("t.toml"), &text, |_| None).1.render_all();
        assert!(said.contains(what) && said.is_empty() == what.is_empty(), "{keys}: {said}");
    }
}
