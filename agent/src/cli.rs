//! The command line: one file per command.

mod buffer;
mod check;
mod completions;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod evaluate;
mod init;
mod labelled;
mod man;
mod merge;
mod model;
mod replay;
mod run;
mod schema;
mod self_test;
mod status;
mod stdout;
mod tail;
mod train;

#[cfg(fuzzing)]
pub(crate) use check::describe;

use crate::config::{self as agent_config, Config};
use crate::reload::LoadedConfig;
use clap::{Parser, Subcommand};
use headwater_settings::Document;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Reads sensor streams, finds anomalies on the device, and loses nothing while the uplink is down.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, about, max_term_width = 100)]
pub struct Cli {
    /// The config file
    #[arg(short, long, global = true, default_value = "/etc/headwater/headwater.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the agent until SIGTERM or SIGINT
    Run,
    /// Looks at this machine and a broker, and writes a commented config of what is found
    Init(init::InitOptions),
    /// Says all that is wrong with the config, or what it will run
    Check,
    /// Runs an embedded broker, simulated sensors and the agent; Ctrl-C ends it and leaves nothing behind
    #[cfg(feature = "demo")]
    Demo(demo::DemoOptions),
    /// Runs the engine over recorded data in virtual time: messages as JSON lines on stdout
    Replay(replay::ReplayOptions),
    /// Runs detectors over labelled recordings: what they find, miss and make up
    Evaluate(evaluate::EvaluateOptions),
    /// Trains a model with labelled recordings, and says how good it is on those that it has not seen
    Train(train::TrainArguments),
    /// Says what a model file is
    Model(model::ModelOptions),
    /// Merges the summaries of many agents, by a label and by longer windows: JSON lines on stdout
    Merge(merge::MergeArguments),
    /// Says what works on this machine: config, disk, clock, devices, brokers
    SelfTest,
    /// Says how the running agent stands: sources, streams, outputs, buffer, losses, trouble
    Status(status::StatusOptions),
    /// Prints what an agent sends, for people
    Tail(tail::TailOptions),
    /// Signs remote changes of the config; shows or removes what was set remotely
    Config(config::ConfigOptions),
    /// Looks into a stopped agent's buffer, prints what waits there, or removes it
    Buffer(buffer::BufferOptions),
    /// Prints the JSON Schema of the config, by which editors complete and check it
    Schema,
    /// Prints completions for a shell, for packagers
    Completions(completions::CompletionsOptions),
    /// Prints the manual page, for packagers
    Man,
}

/// Why the program ends with something else than 0.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The config or the command line is wrong: 2.
    #[error("{0}")]
    Usage(String),
    /// Anything else: 1.
    #[error("error: {0}")]
    Other(String),
    /// Nobody reads what is printed any more, as after `| head`: 0, without a word.
    #[error("")]
    Unread,
}

impl Failure {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Other(_) => ExitCode::FAILURE,
            Failure::Unread => ExitCode::SUCCESS,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Other(error.to_string())
    }
}

/// Does what the command line says.
///
/// # Errors
/// [`Failure`] says why not, and with which exit code.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Run => run::run(&cli.config),
        Command::Init(options) => init::run(&options),
        Command::Check => check::run(&cli.config),
        #[cfg(feature = "demo")]
        Command::Demo(options) => demo::run(&options),
        Command::Replay(options) => replay::run(&cli.config, &options),
        Command::Evaluate(options) => evaluate::run(&options),
        Command::Train(arguments) => train::run(&cli.config, &arguments),
        Command::Model(options) => model::run(&options),
        Command::Merge(arguments) => merge::run(arguments),
        Command::SelfTest => self_test::run(&cli.config),
        Command::Status(options) => status::run(&cli.config, &options),
        Command::Tail(options) => tail::run(&cli.config, &options),
        Command::Config(options) => config::run(&cli.config, &options),
        Command::Buffer(options) => buffer::run(&cli.config, &options),
        Command::Schema => schema::run(),
        Command::Completions(options) => completions::run(&options),
        Command::Man => man::run(),
    }
}

/// Reads the config; warnings go to stderr, errors end the program with 2.
fn load(path: &Path) -> Result<Config, Failure> {
    let (config, document) = open(path)?;
    checked((config, &document))
}

/// Reads the config, and what was set remotely over it.
fn load_whole(path: &Path) -> Result<LoadedConfig, Failure> {
    let file = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(LoadedConfig::read(path, file))
}

/// The config, if it has no errors; warnings go to stderr.
fn checked((config, document): (Option<Config>, &Document)) -> Result<Config, Failure> {
    let shown = document.render_all();
    match config {
        Some(config) => {
            eprint!("{shown}");
            Ok(config)
        }
        None => Err(Failure::Usage(shown.trim_end().to_owned())),
    }
}

fn open(path: &Path) -> Result<(Option<Config>, Document), Failure> {
    agent_config::load(path).map_err(|error| unreadable(path, &error))
}

/// A config file that cannot be read at all.
fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let fix = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "ask as root, or as a user who may read it",
        _ => "write one there (README.md has a sample), or name another with --config FILE",
    };
    Failure::Usage(format!("{}: error: cannot read the config: {error}\n = {fix}", path.display()))
}

/// The runtime that everything but the disk runs on: one thread, so that a reading crosses none.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?)
}
