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
    ("window = { type = \"session\", gap = \"1h\", max = \"1m\" }", "7:10", &["`max`", "as long as `gap`"]),
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
    ("where = \"value > 'a'\"", "7:10", &["`where`"]),
    ("map = \"value > 1.0\"", "7:", &["`map`"]),
    ("map = \"valu * 2\"", "7:8", &["`map`", "`value`"]),
    ("[streams.a]", "7:10", &["duplicate"]),
];

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
