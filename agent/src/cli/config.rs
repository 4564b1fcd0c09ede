//! `headwater config`: signs remote changes of a config, and shows or removes what was set remotely.

use super::{Failure, load_whole, stdout};
use crate::clock;
use crate::remote::{StoredRemote, sign};
use clap::{Args, Subcommand};
use ring::hmac;
use std::path::{Path, PathBuf};

/// Options of `config`.
#[derive(Debug, Args)]
pub(super) struct ConfigOptions {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Signs a change for an agent: JSON to be published on `headwater/AGENT/config/set`
    Sign(SignOptions),
    /// Prints what was set remotely
    Show,
    /// Removes what was set remotely; the agent goes on without it from the next reload or start
    Drop,
}

#[derive(Debug, Args)]
struct SignOptions {
    /// The tables that are to lie over the agent's config; left out: none any more
    file: Option<PathBuf>,
    /// The agent's id
    #[arg(long)]
    agent: String,
    /// The file of the secret that the agent knows as `[remote] secret`
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// A name for the request, which the answer repeats; left out: the time
    #[arg(long)]
    id: Option<String>,
}

pub(super) fn run(config_path: &Path, options: &ConfigOptions) -> Result<(), Failure> {
    match &options.command {
        ConfigCommand::Sign(options) => signed(options),
        ConfigCommand::Show => show(config_path),
        ConfigCommand::Drop => remove(config_path),
    }
}

fn signed(options: &SignOptions) -> Result<(), Failure> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| Failure::Usage(format!("error: cannot read {}: {error}", path.display())))
    };
    let text = options.file.as_ref().map_or_else(|| Ok(String::new()), read)?;
    let secret = read(&options.secret)?;
    // As the agent reads it: without the end of its line.
    let secret = secret.strip_suffix('\n').map_or(&*secret, |text| text.strip_suffix('\r').unwrap_or(text));
    let time_ms = clock::now().0;
    let id = options.id.clone().unwrap_or_else(|| time_ms.to_string());
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let request = sign(&options.agent, (&id, time_ms), &text, &key);
    stdout::line(&request.map_err(|why| Failure::Usage(format!("error: {why}")))?)
}

fn show(config_path: &Path) -> Result<(), Failure> {
    let loaded = load_whole(config_path)?;
    let Some(what) = loaded.remote_change() else { return stdout::line("# nothing was set remotely") };
    let said: String = what.lines().map(|line| format!("# {line}\n")).collect();
    stdout::print(said + &loaded.stored.text)
}

fn remove(config_path: &Path) -> Result<(), Failure> {
    let loaded = load_whole(config_path)?;
    let state =
        loaded.state.ok_or_else(|| Failure::Usage("error: the config has no `[remote]`".to_owned()))?;
    // The times of requests that came are kept: none of them comes back.
    state.write(&StoredRemote { text: String::new(), id: String::new(), ..loaded.stored })?;
    stdout::line("what was set remotely is removed; reload the agent: sudo systemctl reload headwater")
}
