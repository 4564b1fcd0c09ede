//! `headwater init`: looks at this machine and writes a commented config of what it finds.

use super::{Failure, runtime, stdout};
use crate::{clock, config};
use clap::Args;
use headwater_sensors::{FoundDevice, SOURCES};
use headwater_settings::quoted;
use headwater_text::{LINE_BYTES_MAX, clean};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The broker that is tried unless another one is named.
const LOCAL_BROKER: &str = "mqtt://127.0.0.1:1883";

/// Options of `init`.
#[derive(Debug, Args)]
pub(super) struct InitOptions {
    /// Where the files of the machine to look at begin, e.g. the mounted card of another one
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Broker to listen to (default: mqtt://127.0.0.1:1883, where one answers)
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// How long to listen to the broker, 1 to 15
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=15))]
    listen: u64,
    /// Write the config to this file (default: print it)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "out")]
    force: bool,
}

pub(super) fn run(options: &InitOptions) -> Result<(), Failure> {
    // Nobody waits for a broker to be told that the file is there.
    if let Some(out) = options.out.as_ref().filter(|out| !options.force && out.exists()) {
        return Err(exists(out));
    }
    let mut found: Vec<FoundDevice> =
        SOURCES.iter().filter_map(|kind| kind.find).flat_map(|find| find(&options.root)).collect();
    let broker = listen(options)?;
    found.extend(broker.found);
    let text = written(&found, broker.url.as_deref(), &broker.why_not);
    match &options.out {
        None => stdout::print(text)?,
        Some(out) => write(out, &text, options.force)?,
    }
    let out = options.out.as_ref().map_or("FILE".into(), |out| out.display().to_string());
    eprintln!(
        "{} found; next: look it over, headwater check -c {out}, headwater run -c {out}",
        count(found.len())
    );
    Ok(())
}

fn count(found: usize) -> String {
    match found {
        1 => "1 source".to_owned(),
        _ => format!("{found} sources"),
    }
}

/// What came of listening to a broker.
struct BrokerVisit {
    found: Vec<FoundDevice>,
    /// Its address, if it answered.
    url: Option<String>,
    /// Why nothing was heard.
    why_not: String,
}

/// Listens to the broker that the options name; else to one on this machine, where it may be absent.
fn listen(options: &InitOptions) -> Result<BrokerVisit, Failure> {
    let is_this_machine = options.root == Path::new("/");
    let Some(url) = options.broker.as_deref().or(is_this_machine.then_some(LOCAL_BROKER)) else {
        return Ok(BrokerVisit { found: Vec::new(), url: None, why_not: "none was named".to_owned() });
    };
    let time = Duration::from_secs(options.listen);
    let Some(discover) = SOURCES.iter().find_map(|kind| kind.discover) else {
        return Ok(BrokerVisit {
            found: Vec::new(),
            url: None,
            why_not: "no source listens to one".to_owned(),
        });
    };
    match runtime()?.block_on(discover(url, time, &|| clock::now().0)) {
        Ok(found) => {
            let why_not = format!("{url} brought no numbers within {} s", options.listen);
            Ok(BrokerVisit { found, url: Some(url.to_owned()), why_not })
        }
        Err(why) if options.broker.is_some() => Err(Failure::Other(why)),
        Err(why_not) => Ok(BrokerVisit { found: Vec::new(), url: None, why_not }),
    }
}

/// The config of what was found, with comments.
fn written(found: &[FoundDevice], broker: Option<&str>, why_no_broker: &str) -> String {
    let mut text = "# Written by `headwater init`, from what was found on this machine. `headwater check` names mistakes.\n".to_owned();
    let (mut names, mut sources) = (Vec::new(), 0);
    for device in found {
        let name = unique(&device.name, &mut names);
        let table = format!("[sources.{name}]\n{}", device.table);
        let is_sound = !device.is_example && is_sound(&table);
        sources += usize::from(is_sound);
        text += &format!("\n{}{}", commented(&device.what), if is_sound { table } else { commented(&table) });
    }
    if sources == 0 {
        // The sample of a source that makes its readings itself runs anywhere.
        let made = SOURCES.iter().map(|kind| kind.sample).find(|sample| sample.contains(".signals]]"));
        text += "\n# Nothing was found that can be read: made signals, so that this runs.\n";
        text += made.unwrap_or_default();
    }
    let kind = format!("type = {}", quoted(broker_kind()));
    if !found.iter().any(|device| device.table.contains(&kind)) {
        let sample =
            format!("[sources.field]\n{kind}\nurl = \"{LOCAL_BROKER}\"\ntopics = [\"sensors/{{place}}\"]\n");
        text += &format!(
            "\n{}{}",
            commented(&format!("a broker: {why_no_broker}. A source of one is")),
            commented(&sample)
        );
    }
    text += "\n[streams.all]                             # of every series; `series = [\"*/temp\"]` chooses\n\
             window = { type = \"tumbling\", size = \"1m\" }\naggregates = [\"count\", \"min\", \"max\", \"mean\"]\n\n\
             # [[streams.all.detectors]]             # finds what is unusual, and needs no limits\n# type = \"auto\"\n\n\
             # [[streams.all.detectors]]             # and who has fallen silent\n# type = \"missing\"\n";
    let output = match broker {
        Some(url) => format!(
            "{kind}                             # on headwater/…; nothing of it is read again\nurl = {}\n",
            quoted(url)
        ),
        None => format!(
            "type = \"stdout\"                           # or {}, with url = \"mqtt://broker.example.com:1883\"\n",
            quoted(broker_kind())
        ),
    };
    text + "\n[outputs.out]\n" + &output
}

/// The type of sources and outputs that speak to a broker: that of the source which can listen to one.
fn broker_kind() -> &'static str {
    SOURCES.iter().find(|kind| kind.discover.is_some()).map_or("", |kind| kind.name)
}

/// Each line behind a `#`, with nothing in it that a terminal takes for more than text.
fn commented(text: &str) -> String {
    text.lines().map(|line| format!("# {}\n", clean(line, LINE_BYTES_MAX))).collect()
}

/// Whether the source can be read as it stands.
fn is_sound(table: &str) -> bool {
    let rest = "\n[streams.all]\n[outputs.out]\ntype = \"stdout\"\n";
    config::parse(Path::new("found.toml"), &format!("{table}{rest}"), |_| None).0.is_some()
}

/// The name, or with a number behind it.
fn unique(name: &str, names: &mut Vec<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !names.contains(name));
    let free = free.unwrap_or_default();
    names.push(free.clone());
    free
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let options = if force { options.create(true).truncate(true) } else { options.create_new(true) };
    let written = options.write(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Failure::Other(format!("cannot write {}: {error}", path.display())),
    })
}

fn exists(path: &Path) -> Failure {
    Failure::Usage(format!("error: {} is there already; --force overwrites it", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, table: &str) -> FoundDevice {
        FoundDevice {
            name: name.to_owned(),
            what: "a\nthing\u{1b}[2J".to_owned(),
            table: table.to_owned(),
            is_example: false,
        }
    }

    fn accepted(text: &str) -> bool {
        let (config, document) = config::parse(Path::new("t.toml"), text, |_| None);
        config.is_some() && document.mistakes().is_empty()
    }

    #[test]
    fn what_is_written_is_what_check_accepts() {
        let mqtt = "type = \"mqtt\"\nurl = \"mqtt://h\"\ntopics = [\"a/{b}\"]\n";
        for found in [
            vec![],
            vec![device("board", "type = \"system\"\n")],
            vec![device("a", mqtt), device("a", "type = \"stdin\"\n"), device("odd", "type = \"teapot\"\n")],
        ] {
            for broker in [None, Some("mqtt://127.0.0.1:1883")] {
                let text = written(&found, broker, "why\u{7}");
                assert!(accepted(&text), "{text}");
                assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
            }
        }
        let text = written(
            &[device("a", mqtt), device("a", "type = \"stdin\"\n"), device("x", "type = 5")],
            None,
            "",
        );
        assert!(
            text.contains("[sources.a]") && text.contains("[sources.a-2]") && text.contains("# type = 5"),
            "{text}"
        );
    }
}
