//! `headwater tail`: what an agent sends, for people.

use super::{Failure, open, runtime};
use crate::encode::{OutputRender, read};
use crate::show;
use clap::Args;
use headwater_mqtt::{Backoff, Event, Qos, Session, Settings};
use std::path::Path;

/// Options of `tail`.
#[derive(Debug, Args)]
pub(super) struct TailOptions {
    /// Broker to ask, e.g. mqtt://127.0.0.1:1883 (default: that of the config's output)
    #[arg(long)]
    url: Option<String>,
    /// The output of the config to look at (default: the first)
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
}

/// Where to look, and for what.
struct View {
    settings: Settings,
    filter: String,
}

pub(super) fn run(config_path: &Path, options: &TailOptions) -> Result<(), Failure> {
    let view = match &options.url {
        Some(url) => View {
            settings: Settings::parse_url(url).map_err(Failure::Usage)?,
            filter: format!("headwater/{}/#", options.agent.as_deref().unwrap_or("+")),
        },
        None => from_config(config_path, options)?,
    };
    runtime()?.block_on(follow(&view, options))
}

/// The connection of an output's table; the rest of the config need not be right for this.
fn from_config(config_path: &Path, options: &TailOptions) -> Result<View, Failure> {
    let (config, document) = open(config_path)?;
    let wrong = || Failure::Usage(crate::config::render_mistakes(&document).trim_end().to_owned());
    let config = config.ok_or_else(wrong)?;
    let wanted = |name: &str| options.output.as_ref().is_none_or(|output| output == name);
    let output = config.outputs.iter().find(|output| wanted(&output.name));
    let missing =
        || Failure::Usage("error: the config has no such output; name a broker with --url".to_owned());
    let output = output.ok_or_else(missing)?;
    let mut tables = document.root().named_tables("outputs");
    let table = tables.iter_mut().find(|(name, _)| name.value == output.name);
    let settings = table.and_then(|(_, table)| Settings::read(table)).ok_or_else(wrong)?;
    let OutputRender { agent, topic, .. } = &output.render;
    Ok(View { settings, filter: topic.filter(options.agent.as_ref().unwrap_or(agent)) })
}

async fn follow(view: &View, options: &TailOptions) -> Result<(), Failure> {
    let session = Session::passing(format!("headwater-tail-{}", std::process::id()));
    let mut backoff = Backoff::new(u64::from(std::process::id()));
    let mut left = options.count.unwrap_or(u64::MAX);
    loop {
        let (client, mut connection) = headwater_mqtt::connect(&view.settings, &session)
            .map_err(|error| Failure::Other(error.to_string()))?;
        let lost = loop {
            match connection.poll().await {
                Ok(Event::Connected { .. }) => {
                    eprintln!("listening to {}", view.filter);
                    client
                        .try_subscribe(std::slice::from_ref(&view.filter), Qos::AtLeastOnce)
                        .map_err(|e| Failure::Other(e.to_string()))?;
                }
                Ok(Event::Incoming(publish)) => {
                    print(publish.topic(), &publish.payload, options.json);
                    left -= 1;
                    if left == 0 {
                        return Ok(());
                    }
                }
                Ok(Event::Subscribed { refused }) if !refused.is_empty() => {
                    return Err(Failure::Other(format!(
                        "the broker refuses the subscription to {}",
                        view.filter
                    )));
                }
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        eprintln!("no connection: {lost}; trying again");
        tokio::time::sleep(backoff.after(&connection)).await;
    }
}

fn print(topic: &str, payload: &[u8], as_json: bool) {
    let Ok(message) = read(payload) else {
        println!("{topic}: {} bytes that are no message", payload.len());
        return;
    };
    if as_json {
        println!("{}", serde_json::to_string(&message).unwrap_or_default());
    } else {
        println!("{}", show::line(&message, show::is_late(topic)));
    }
}
