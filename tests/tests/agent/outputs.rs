//! Outputs that are no broker.

use crate::{Config, publish, wait_source};
use flate2::read::GzDecoder;
use headwater_tests::agent::{self, Background};
use headwater_tests::mount::Tmpfs;
use headwater_tests::{Agent, Mosquitto, Options, Publisher, TempDir, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FIRST: i64 = 1_700_000_000_000;

/// Windows of a second, one reading in each; `output` is the table that takes the place of the broker.
fn config(source: u16, output: &str) -> String {
    let mut config = Config::new(source, 1);
    config.source_keys =
        "topics = [\"sensors/{place}\"]\nack = \"durable\"\nfields = [\"temp\"]\ntime = \"ts\"";
    config.streams = "[streams.main]\nwindow = { type = \"tumbling\", size = \"1s\" }\nlateness = \"0s\"\n\
                      idle = \"300ms\"\naggregates = [\"count\"]"
        .to_owned();
    let broker = "[outputs.cloud]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1:1\"";
    let text = config.text();
    assert!(text.contains(broker));
    text.replace(broker, output)
}

/// The files below a folder with their texts, growing ones included.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let text = |path: PathBuf| read(&path).map(|text| (path, text)).into_iter().collect();
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { text(path) }).collect()
}

/// The text of a file, unpacked; of one that is half packed, what there is.
fn read(path: &Path) -> std::io::Result<String> {
    let file = File::open(path)?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let _ = GzDecoder::new(file).read_to_string(&mut text);
    } else {
        { file }.read_to_string(&mut text)?;
    }
    Ok(text)
}

/// The text without a last line that is not whole.
fn whole_lines(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

/// The whole lines of all files below a folder.
fn all_lines(folder: &Path) -> String {
    files(folder).into_iter().map(|(_, text)| whole_lines(&text).to_owned()).collect()
}

/// The readings that the windows in the lines count, each by its newest revision. Repeats must be equal.
fn counted(lines: &str) -> i64 {
    let mut windows = BTreeMap::<String, (i64, i64)>::new();
    let mut known = BTreeMap::<(String, i64), String>::new();
    for line in whole_lines(lines).split_inclusive('\n') {
        let map: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if map["kind"] != "summary" {
            continue;
        }
        let (id, rev) = (map["id"].as_str().unwrap().to_owned(), map["rev"].as_i64().unwrap());
        let first = known.entry((id.clone(), rev)).or_insert_with(|| line.to_owned());
        assert_eq!(first, line, "one id and revision with two contents");
        let window = windows.entry(id).or_default();
        *window = (*window).max((rev, map["count"].as_i64().unwrap()));
    }
    windows.values().map(|(_, count)| count).sum()
}

/// Agents are killed at random moments. Every reading is in a file once, no line is torn, and no file stays hidden.
#[test]
fn files_hold_everything_whatever_kills_the_agent() {
    files_under_kills("");
}

/// The same where complete files are compressed.
#[test]
fn compressed_files_hold_everything_whatever_kills_the_agent() {
    files_under_kills("gzip = true");
}

fn files_under_kills(more: &str) {
    let source = Mosquitto::with(&Options { inflight: 100, quiet: true, ..Options::default() });
    let dir = TempDir::new();
    let out = dir.join("out");
    let output = "[outputs.archive]\ntype = \"file\"\npath = \"out/kind={kind}/{date}/{agent}-{n}.jsonl\"\n\
                  max_size = \"8KiB\"\nsync = \"100ms\"\n";
    let config = config(source.port, &format!("{output}{more}"));
    let mut publisher = Publisher::new(source.port);
    let mut agent = Agent::start(&dir, &config);
    agent.wait_log(&["source connected"]);
    let (kills, each) = (6, 150);
    for kill in 0..kills {
        let readings = (0..each).map(|n| (FIRST + (kill * each + n) * 1_000, n as f64)).collect::<Vec<_>>();
        for some in readings.chunks(10) {
            publish(&mut publisher, "office", "temp", some);
            // The kill finds files of another age each time.
            std::thread::sleep(std::time::Duration::from_millis(20 + 7 * kill as u64));
        }
        agent.kill9();
        agent = Agent::start(&dir, &config);
    }
    let all = || all_lines(&out);
    wait_for("all readings to be in files", || (counted(&all()) == kills * each).then_some(()));
    assert_eq!(agent.terminate().code(), Some(0));
    let files = files(&out);
    let hidden = |path: &Path| path.file_name().unwrap().to_string_lossy().starts_with('.');
    assert!(files.iter().all(|(path, _)| !hidden(path)), "{files:#?}");
    assert!(files.iter().all(|(_, text)| text.ends_with('\n')));
    let packed = files.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "gz")).count();
    assert_eq!(packed, if more.is_empty() { 0 } else { files.len() }, "{files:#?}");
    let summaries = files.iter().filter(|(path, _)| path.to_string_lossy().contains("out/kind=summary/20"));
    let summaries = summaries.map(|(_, text)| text.as_str()).collect::<Vec<_>>();
    assert!(summaries.len() > 3, "files are rotated at their size");
    assert_eq!(counted(&summaries.concat()), kills * each);
}

/// The disk of the files is full in the middle of one. Nothing is lost and nothing torn: messages wait in the buffer.
#[test]
fn a_full_disk_is_waited_for() {
    const READINGS: i64 = 1_000;
    let dir = TempDir::new();
    let out = dir.join("out");
    let Some(_disk) = Tmpfs::mount(out.clone(), "2m") else { return };
    let filler = out.join("filler");
    File::create(&filler).and_then(|mut file| file.write_all(&vec![0; 1_950_000])).expect("a filler");
    let source = Mosquitto::with(&Options { quiet: false, ..Options::default() });
    let output =
        "[outputs.archive]\ntype = \"file\"\npath = \"out/{kind}-{n}.jsonl\"\nsync = \"20ms\"\ngzip = true";
    let agent = Agent::start(&dir, &config(source.port, output));
    wait_source(&source, 1);
    let readings: Vec<_> = (0..READINGS).map(|n| (FIRST + n * 1_000, n as f64)).collect();
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    agent.wait_log(&["cannot write", "No space left on device"]);
    assert!(counted(&all_lines(&out)) < READINGS);
    std::fs::remove_file(&filler).expect("a filler");
    wait_for("all readings to be in files", || (counted(&all_lines(&out)) == READINGS).then_some(()));
    assert_eq!(agent.terminate().code(), Some(0));
    assert!(files(&out).iter().all(|(_, text)| text.ends_with('\n')));
}

/// `tail` shows what is in files already, and follows them.
#[test]
fn tail_follows_files() {
    let source = Mosquitto::with(&Options { quiet: false, ..Options::default() });
    let dir = TempDir::new();
    let out = dir.join("out");
    let output = "[outputs.archive]\ntype = \"file\"\npath = \"out/{kind}-{n}.jsonl\"\nmax_size = \"1KiB\"\n\
                  sync = \"20ms\"\ngzip = true\nkinds = [\"summary\"]";
    let config = config(source.port, output);
    let agent = Agent::start(&dir, &config);
    wait_source(&source, 1);
    let mut publisher = Publisher::new(source.port);
    let readings: Vec<_> = (0..200).map(|n| (FIRST + n * 1_000, n as f64)).collect();
    publish(&mut publisher, "office", "temp", &readings[..100]);
    wait_for("the first readings to be in files", || (counted(&all_lines(&out)) == 100).then_some(()));
    let path = dir.join("headwater.toml");
    let tail = Background::start(&dir, &["tail", "--json", "--config", path.to_str().unwrap()]);
    let last = |n: i64| format!("\"start\":{}", FIRST + n * 1_000);
    wait_for("the last line", || tail.stdout().contains(&last(99)).then_some(()));
    publish(&mut publisher, "office", "temp", &readings[100..]);
    wait_for("all new lines", || (100..200).all(|n| tail.stdout().contains(&last(n))).then_some(()));
    assert!(!tail.stdout().contains(&last(0)), "not all from the beginning");
    drop(tail);
    assert_eq!(agent.terminate().code(), Some(0));
    let csv = dir.write("csv.toml", config.replace("gzip = true", "format = \"csv\""));
    let refused = agent::run(&dir, &["tail", "--config", csv.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("open these with what reads CSV"), "{said}");
}

/// Without `--output`, `tail` takes the first output that can be read back; a wrong one is told which there are.
#[test]
fn tail_takes_an_output_that_can_be_read_back() {
    let dir = TempDir::new();
    let post = "[outputs.post]\ntype = \"http\"\nurl = \"http://127.0.0.1:9/\"\n";
    let archive = "[outputs.archive]\ntype = \"file\"\npath = \"out/{kind}-{n}.jsonl\"\n";
    let both = dir.write("both.toml", config(1, &format!("{post}{archive}")));
    let alone = dir.write("alone.toml", config(1, post));
    std::fs::create_dir(dir.join("out")).expect("a folder");
    let tail = |config: &Path, options: &[&str]| {
        let of_config = ["tail", "--json", "--timeout", "1", "--config", config.to_str().unwrap()];
        let output = agent::run(&dir, &[&of_config, options].concat());
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), said(&output.stdout), said(&output.stderr))
    };
    let (code, _, said) = tail(&both, &[]);
    assert!(code == Some(1) && said.contains("following the files in"), "{said}");
    assert!(said.contains("no message in 1 s") && !said.contains("broker"), "{said}");
    let (code, _, said) = tail(&both, &["--output", "nope"]);
    assert!(code == Some(2) && said.contains("it has: post, archive"), "{said}");
    for options in [&["--output", "post"][..], &[]] {
        let (code, _, said) = tail(&alone, options);
        assert!(code == Some(2) && said.contains("output post: what it sends cannot be read back"), "{said}");
        assert_eq!(said.contains("no output can be read back"), options.is_empty(), "{said}");
    }
}

#[test]
fn stdout_gets_a_line_for_every_message() {
    let source = Mosquitto::with(&Options { quiet: false, ..Options::default() });
    let dir = TempDir::new();
    let lines = dir.join("lines.jsonl");
    let config = config(source.port, "[outputs.pipe]\ntype = \"stdout\"");
    let agent = Agent::start_by(&dir, &config, &[], |program| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$0\" \"$@\" > {}", lines.display())]).arg(program);
        command
    });
    wait_source(&source, 1);
    let readings: Vec<_> = (0..500).map(|n| (FIRST + n * 1_000, n as f64)).collect();
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    let text = || std::fs::read_to_string(&lines).unwrap_or_default();
    wait_for("all readings to be in lines", || (counted(&text()) == 500).then_some(()));
    assert_eq!(agent.terminate().code(), Some(0));
    let last: Value = serde_json::from_str(text().lines().last().unwrap()).unwrap();
    assert_eq!((last["kind"].as_str(), last["cause"].as_str()), (Some("report"), Some("stop")));
}

/// The reader of a pipe does not come back once it has gone. The log says so once, and the agent goes on.
#[test]
fn a_closed_standard_output_is_said_once() {
    let source = Mosquitto::with(&Options { quiet: false, ..Options::default() });
    let dir = TempDir::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let config = config(source.port, "[outputs.pipe]\ntype = \"stdout\"");
    let agent = Agent::start_piped(&dir, &config, Stdio::null(), writer.into());
    drop(reader);
    wait_source(&source, 1);
    let readings: Vec<_> = (0..500).map(|n| (FIRST + n * 1_000, n as f64)).collect();
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    agent.wait_log(&["nobody reads the standard output any more"]);
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.matches("output connected").count() <= 1, "{log}");
}

/// The cells of a row.
fn cells(row: &str) -> Vec<String> {
    let (mut cells, mut is_quoted) = (vec![String::new()], false);
    for letter in row.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            letter => cells.last_mut().unwrap().push(letter),
        }
    }
    cells
}

#[test]
fn csv_files_have_a_header_and_a_row_for_each_number() {
    let source = Mosquitto::with(&Options { quiet: false, ..Options::default() });
    let dir = TempDir::new();
    let out = dir.join("out");
    let output = "[outputs.archive]\ntype = \"file\"\npath = \"out/{agent}-{n}.csv\"\nformat = \"csv\"\n\
                  max_size = \"8KiB\"\nsync = \"100ms\"";
    let agent = Agent::start(&dir, &config(source.port, output));
    wait_source(&source, 1);
    let readings: Vec<_> = (0..200).map(|n| (FIRST + n * 1_000, n as f64)).collect();
    publish(&mut Publisher::new(source.port), "office", "temp", &readings);
    let counted = || {
        let mut windows = BTreeMap::<String, (u64, f64)>::new();
        for (path, text) in files(&out) {
            let mut rows = whole_lines(&text).lines().map(cells);
            let Some(header) = rows.next() else { continue };
            let column = |name: &str| header.iter().position(|column| column == name).unwrap();
            let [id, rev, name, value] = ["id", "rev", "name", "value"].map(column);
            for row in rows {
                assert_eq!(row.len(), header.len(), "{row:?} in {path:?}");
                if row[0] == "summary" && row[name] == "count" {
                    let window = windows.entry(row[id].clone()).or_default();
                    let newer = (row[rev].parse().unwrap(), row[value].parse().unwrap());
                    *window = if newer.0 >= window.0 { newer } else { *window };
                }
            }
        }
        windows.values().map(|(_, count)| count).sum::<f64>()
    };
    wait_for("all readings to be in files", || (counted() == 200.0).then_some(()));
    assert_eq!(agent.terminate().code(), Some(0));
    assert_eq!(counted(), 200.0);
    let files = files(&out);
    assert!(files.len() > 1 && files.iter().all(|(_, text)| text.starts_with("kind,id,rev,")), "{files:?}");
    assert!(files.iter().all(|(_, text)| !text.contains("\nreport,")), "what has no numbers is not taken");
}
