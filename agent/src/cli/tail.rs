//! `headwater tail`: what an agent sends, for people.

use super::{Failure, open, runtime, stdout};
use crate::show::ShownLines;
use clap::Args;
use headwater_forwarder::{OUTPUTS, Tail, Tailed};
use headwater_text::{LINE_BYTES_MAX, clean, escape_json};
use headwater_wire::{Wire, read_all};
use std::path::Path;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::timeout;

/// Options of `tail`.
#[derive(Debug, Args)]
pub(super) struct TailOptions {
    /// Broker to ask, e.g. mqtt://127.0.0.1:1883 (default: that of the config's output)
    #[arg(long)]
    url: Option<String>,
    /// The output of the config to look at (default: the first that can be read back)
    #[arg(long)]
    output: Option<String>,
    /// The agent to look at (default: that of the config; with --url all)
    #[arg(long)]
    agent: Option<String>,
    /// Print the messages as JSON lines
    #[arg(long)]
    json: bool,
    /// End after this many messages
    #[arg(long)]
    count: Option<u64>,
    /// End with an error if no message comes for this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

pub(super) fn run(config_path: &Path, options: &TailOptions) -> Result<(), Failure> {
    let tail = match &options.url {
        Some(url) => at_address(url, options.agent.as_deref())?,
        None => from_config(config_path, options)?,
    };
    LocalSet::new().block_on(&runtime()?, follow(tail, options))
}

/// Follows the messages of an address, with the kind of output that has such addresses.
fn at_address(url: &str, agent: Option<&str>) -> Result<Box<dyn Tail>, Failure> {
    let mut wrong = String::new();
    for kind in OUTPUTS {
        match kind.tail.map(|tail| tail(url, agent)) {
            Some(Ok(tail)) => return Ok(tail),
            Some(Err(error)) => wrong = error,
            None => {}
        }
    }
    Err(Failure::Usage(wrong))
}

fn from_config(config_path: &Path, options: &TailOptions) -> Result<Box<dyn Tail>, Failure> {
    let (config, document) = open(config_path)?;
    let wrong = || Failure::Usage(document.render_all().trim_end().to_owned());
    let config = config.ok_or_else(wrong)?;
    let is_wanted = |name: &str| options.output.as_ref().is_none_or(|output| output == name);
    let mut refused = Vec::new();
    for output in config.outputs.iter().filter(|output| is_wanted(&output.name)) {
        match output.output.tail(&output.encoder, options.agent.as_deref()) {
            Ok(tail) => return Ok(tail),
            Err(why) => refused.push(format!("error: output {}: {why}", output.name)),
        }
    }
    if refused.is_empty() {
        let names: Vec<_> = config.outputs.iter().map(|output| &*output.name).collect();
        refused.push(format!("error: the config has no such output; it has: {}", names.join(", ")));
    }
    if options.output.is_none() {
        refused.push("no output can be read back; name a broker with --url".to_owned());
    }
    Err(Failure::Usage(refused.join("\n")))
}

async fn follow(mut tail: Box<dyn Tail>, options: &TailOptions) -> Result<(), Failure> {
    let mut lines = ShownLines::for_stdout();
    let mut left = options.count.unwrap_or(u64::MAX);
    while left > 0 {
        let message = next_message(&mut *tail);
        let (place, payload, backfill) = match options.timeout {
            None => message.await?,
            Some(seconds) => timeout(Duration::from_secs(seconds), message).await.map_err(|_| {
                Failure::Other(format!("no message in {seconds} s; does an agent send anything there?"))
            })??,
        };
        let Ok(messages) = read_all(&payload) else {
            let place = clean(&place, LINE_BYTES_MAX);
            stdout::line(&format!("{place}: {} bytes that are no message", payload.len()))?;
            left -= 1;
            continue;
        };
        // A batch counts as the messages that it holds.
        for message in messages.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            print(message, backfill, (!options.json).then_some(&mut lines))?;
            left -= 1;
        }
    }
    Ok(())
}

/// Waits for a message, however long: its place, its payload, and whether it is backfill. What is to be said meanwhile
/// goes to stderr.
async fn next_message(tail: &mut dyn Tail) -> Result<(String, Vec<u8>, bool), Failure> {
    loop {
        match tail.next().await.map_err(Failure::Other)? {
            Tailed::Note(note) => eprintln!("{}", clean(&note, LINE_BYTES_MAX)),
            Tailed::Message { place, payload, backfill } => {
                return Ok((place, payload.to_vec(), backfill));
            }
        }
    }
}

/// Prints a message as a line for people, or as JSON.
fn print(message: &Wire, backfill: bool, lines: Option<&mut ShownLines>) -> Result<(), Failure> {
    match lines {
        Some(lines) => stdout::line(&lines.line(message, backfill)),
        None => stdout::line(&escape_json(&serde_json::to_string(message).unwrap_or_default())),
    }
}
