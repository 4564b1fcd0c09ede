//! `headwater status`: how the running agent stands, asked over its Unix socket.

mod view;

use super::stdout::print;
use super::{Failure, runtime};
use crate::config::{self, AgentConfig};
use crate::status_socket::{self, NAME};
use clap::Args;
use headwater_text::{LINE_BYTES_MAX, clean, escape_json};
use serde_json::Value;
use std::io::{self, ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often `--watch` asks.
const WATCH_EVERY: Duration = Duration::from_secs(2);

/// The terminal's words for an empty screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Options of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusOptions {
    /// Print it as one JSON map
    #[arg(long)]
    json: bool,
    /// Ask again every 2 s, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

pub(super) fn run(config_path: &Path, options: &StatusOptions) -> Result<(), Failure> {
    let places = places(&agent_of(config_path)?);
    runtime()?.block_on(show(&places, options))
}

/// The agent of the config. Mistakes elsewhere in it do not matter here: the agent that runs has read an earlier one.
fn agent_of(path: &Path) -> Result<AgentConfig, Failure> {
    let (agent, document) = config::load_agent(path).map_err(|error| super::unreadable(path, &error))?;
    agent.ok_or_else(|| Failure::Usage(document.render_all().trim_end().to_owned()))
}

/// The folders in which the agent's socket may be.
fn places(agent: &AgentConfig) -> Vec<PathBuf> {
    let mut places = vec![agent.runtime_dir.clone()];
    // systemd tells this folder to the service alone.
    if agent.runtime_dir == Path::new(config::SYSTEM_STATE) {
        places.insert(0, config::SYSTEM_RUNTIME.into());
    }
    places
}

async fn show(places: &[PathBuf], options: &StatusOptions) -> Result<(), Failure> {
    let clears = options.watch && !options.json && io::stdout().is_terminal();
    loop {
        let asked = ask(places).await;
        let text = match asked {
            Ok(status) if options.json => format!("{}\n", escape_json(&status.to_string())),
            Ok(status) => view::describe(&status),
            // Whoever watches wants to see it come back.
            Err(Failure::Other(why)) if clears => format!("{}\n", clean(&why, LINE_BYTES_MAX)),
            Err(failure) => return Err(failure),
        };
        print(if clears { CLEAR } else { "" }.to_owned() + &text)?;
        if !options.watch {
            return Ok(());
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// Asks in one place after the other.
async fn ask(places: &[PathBuf]) -> Result<Value, Failure> {
    let mut found = Vec::new();
    for place in places {
        match status_socket::ask(place).await {
            Ok(line) => return read(place, &line),
            Err(error) => found.push((place, error)),
        }
    }
    Err(Failure::Other(nobody(&found)))
}

fn read(place: &Path, line: &str) -> Result<Value, Failure> {
    let status: Option<Value> =
        serde_json::from_str(line).ok().filter(|status: &Value| status["agent"].is_string());
    let other = || format!("what answers at {} is no headwater", place.join(NAME).display());
    status.ok_or_else(|| Failure::Other(other()))
}

/// Nobody answers: where was looked, and the way out.
fn nobody(found: &[(&PathBuf, io::Error)]) -> String {
    let is_kind = |kind: ErrorKind| found.iter().any(|(_, error)| error.kind() == kind);
    let fix = if is_kind(ErrorKind::PermissionDenied) {
        "ask as root or as the agent's user: sudo headwater status"
    } else if is_kind(ErrorKind::TimedOut) {
        "the agent stands still or is very busy; look at its log: journalctl -u headwater"
    } else {
        "start it: sudo systemctl start headwater; of another agent name the config with --config FILE"
    };
    let looked = found.iter().map(|(place, error)| format!("{}: {error}", place.join(NAME).display()));
    format!("no agent answers ({}); {fix}", looked.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_it_looked_and_the_way_out() {
        let (run, state) = (PathBuf::from("/run/headwater"), PathBuf::from("/var/lib/headwater"));
        let missing = || io::Error::from(ErrorKind::NotFound);
        let said = nobody(&[(&run, missing()), (&state, missing())]);
        assert!(
            said.contains("/run/headwater/status.sock") && said.contains("/var/lib/headwater/status.sock")
        );
        assert!(said.contains("systemctl start"), "{said}");
        let said = nobody(&[(&run, io::Error::from(ErrorKind::PermissionDenied)), (&state, missing())]);
        assert!(said.ends_with("sudo headwater status"), "{said}");
        assert!(read(&run, "220 ready").is_err() && read(&run, "{}").is_err());
    }
}
