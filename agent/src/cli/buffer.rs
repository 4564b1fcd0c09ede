//! `headwater buffer`: a stopped agent's buffer, for people: what is in it, the messages themselves, or none any more.

use super::{Failure, load, stdout};
use crate::config::Config;
use crate::lock::DirLock;
use clap::{Args, Subcommand};
use headwater_forwarder::{BufferStats, StoppedBuffer};
use headwater_settings::format_size;
use headwater_text::{LINE_BYTES_MAX, clean, escape_json};
use headwater_wire::{read_event, to_json};
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::Path;

/// Options of `buffer`.
#[derive(Debug, Args)]
pub(super) struct BufferOptions {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Says what waits, for which outputs, how large it is, and what is damaged
    Stats {
        /// Print it as one JSON map
        #[arg(long)]
        json: bool,
    },
    /// Prints the messages that wait as JSON lines, alerts first, then oldest first; they stay in the buffer. What cannot
    /// be read is told on stderr, after a copy of it is made, and the exit code is 1
    Export,
    /// Removes all that waits, after a question; the next start reports it as lost. What is damaged is set aside
    Clear {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

pub(super) fn run(config_path: &Path, options: &BufferOptions) -> Result<(), Failure> {
    let config = load(config_path)?;
    let Some(_lock) = hold(&config)? else {
        return nothing(&options.action);
    };
    let folder = config.agent.state_dir.join("buffer");
    let buffer = StoppedBuffer::open(folder).map_err(|error| Failure::Other(error.to_string()))?;
    let mut buffer = buffer.for_outputs(config.outputs.iter().map(|output| output.name.clone()));
    match options.action {
        Action::Stats { json } => {
            let stats = buffer.stats();
            stdout::print(if json { as_json(&stats) } else { describe(&config, &stats) })
        }
        Action::Export => export(&mut buffer),
        Action::Clear { yes } => {
            if !yes && !is_wanted(&buffer.stats())? {
                return stdout::line("nothing is removed");
            }
            clear(buffer)
        }
    }
}

/// Keeps a daemon from starting meanwhile; `None`: there is no state directory.
fn hold(config: &Config) -> Result<Option<DirLock>, Failure> {
    let dir = &config.agent.state_dir;
    match DirLock::take(dir) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(Failure::Other(format!(
            "a running headwater holds {}; stop it first (e.g. `systemctl stop headwater`)",
            dir.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Failure::Other(format!("cannot use the state directory {}: {error}", dir.display())))
        }
    }
}

fn nothing(action: &Action) -> Result<(), Failure> {
    match action {
        Action::Stats { json: true } => stdout::print(as_json(&BufferStats::default())),
        Action::Export => Ok(()),
        _ => stdout::line("the agent has never run here: there is no buffer"),
    }
}

fn export(buffer: &mut StoppedBuffer) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut result, mut foreign) = (Ok(()), 0_u64);
    let trouble = buffer.export(|message| {
        let line = read_event(&message.body).ok().and_then(|event| to_json(&event).ok());
        let Some(line) = line else {
            foreign += 1;
            return ControlFlow::Continue(());
        };
        let line = escape_json(&String::from_utf8_lossy(&line)).into_owned() + "\n";
        result = out.write_all(line.as_bytes());
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    result.and_then(|()| out.flush()).map_err(stdout::unwritten)?;
    for what in &trouble {
        eprintln!("{}", clean(what, LINE_BYTES_MAX));
    }
    if foreign > 0 {
        eprintln!("{foreign} messages are not of this program's making and were left out");
    }
    if trouble.is_empty() && foreign == 0 {
        return Ok(());
    }
    Err(Failure::Other("what is printed may not be all that the buffer held".to_owned()))
}

/// Asks whether to remove what waits; there is nothing to ask about an empty buffer.
fn is_wanted(stats: &BufferStats) -> Result<bool, Failure> {
    let count = stats.alerts + stats.others;
    if count == 0 {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        let fix = "write --yes to remove them";
        return Err(Failure::Usage(format!(
            "error: {count} messages wait, and nobody is here to be asked; {fix}"
        )));
    }
    stdout::print(format!(
        "Remove {count} messages ({} alerts){} for good? [y/N] ",
        stats.alerts,
        span(stats)
    ))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn clear(buffer: StoppedBuffer) -> Result<(), Failure> {
    let removed = buffer.clear().map_err(|error| Failure::Other(error.to_string()))?;
    let (count, made) = (removed.alerts + removed.others, span(&removed));
    let mut lines = vec![match (count, removed.segments) {
        (0, 0) => "nothing waits: there is nothing to remove".to_owned(),
        _ => format!(
            "removed {count} messages ({} alerts){made}; the next start reports them as lost",
            removed.alerts
        ),
    }];
    lines.extend(removed.trouble.iter().map(|what| format!("damaged  {what}")));
    lines.extend(describe_aside(&removed));
    stdout::line(&lines.join("\n"))
}

fn describe(config: &Config, stats: &BufferStats) -> String {
    let mut lines = vec![
        format!("buffer   {}", config.agent.state_dir.join("buffer").display()),
        format!(
            "disk     {} of {} (max_size), in {} databases, {} of them thinned",
            format_size(stats.disk_bytes >> 10 << 10),
            format_size(config.buffer.max_size),
            stats.segments,
            stats.thinned
        ),
        format!("waiting  {} messages ({} alerts){}", stats.alerts + stats.others, stats.alerts, span(stats)),
    ];
    for (name, count) in &stats.outputs {
        lines.push(format!("output   {name}: {count} to send"));
    }
    lines.extend(stats.trouble.iter().map(|what| format!("damaged  {what}")));
    lines.extend(describe_aside(stats));
    lines.join("\n") + "\n"
}

fn describe_aside(stats: &BufferStats) -> Vec<String> {
    let line = |(path, bytes): &(String, u64)| format!("aside    {path}, {}", format_size(bytes >> 10 << 10));
    let mut lines: Vec<String> = stats.aside.iter().map(line).collect();
    if !lines.is_empty() {
        lines.push(
            "         damaged, kept for you to look at, counted in max_size: delete it when you are done"
                .to_owned(),
        );
    }
    lines
}

/// `, made from … to …`, or nothing.
fn span(stats: &BufferStats) -> String {
    let time =
        |ms| jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string());
    match &stats.made_ms {
        Some(made) if stats.alerts + stats.others > 0 => {
            format!(", made from {} to {}", time(made.start), time(made.end))
        }
        _ => String::new(),
    }
}

fn as_json(stats: &BufferStats) -> String {
    let outputs: serde_json::Map<String, serde_json::Value> =
        stats.outputs.iter().map(|(name, count)| (name.clone(), (*count).into())).collect();
    let aside: Vec<serde_json::Value> =
        stats.aside.iter().map(|(path, bytes)| serde_json::json!({ "path": path, "bytes": bytes })).collect();
    let mut map = serde_json::json!({
        "alerts": stats.alerts,
        "others": stats.others,
        "disk": stats.disk_bytes,
        "databases": stats.segments,
        "thinned": stats.thinned,
        "outputs": outputs,
        "aside": aside,
        "damaged": stats.trouble,
    });
    if let (Some(made), Some(map)) = (&stats.made_ms, map.as_object_mut()) {
        map.insert("from".to_owned(), made.start.into());
        map.insert("to".to_owned(), made.end.into());
    }
    format!("{map}\n")
}
