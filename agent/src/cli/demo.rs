//! `headwater demo`: simulated sensors with faults in them, the agent, a broker to which it sends its messages, and these
//! messages printed as they come. Everything listens on loopback and keeps its state in a folder that goes with it.

use super::{Failure, runtime};
use crate::config::{self, Config};
use crate::{logging, show, supervise};
use clap::Args;
use headwater_mqtt::{Backoff, Broker, MqttEvent, MqttSession, Qos, Settings};
use headwater_wire::read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// Options of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoOptions {
    /// End by itself after this many seconds
    #[arg(long)]
    seconds: Option<u64>,
}

/// What a reader will see, and when; the times are those of `demo.toml`.
const INTRODUCTION: &str = "\
Headwater reads seven simulated sensors: a greenhouse, a freezer and a pump. A day of theirs takes a minute.

  every 5 s      a summary of each sensor
  after 20 s     the sun shines on a sensor: an alert, and its end two seconds later
  after 50 s     the freezer's door stands open: an alert, until it is cold again, at 75 s
  after 80 s     the battery of a sensor is changed: its summaries stop for 20 s
  every 30 s     a report: what was received, and what became of it
  after 2 m      the faults come again

Another terminal can watch the broker that the agent sends to:

  mosquitto_sub -p PORT -t 'headwater/#' -v
  headwater tail --url mqtt://127.0.0.1:PORT

Ctrl-C ends the demo. It leaves nothing behind.
";

/// Runs the demo until Ctrl-C, or for the seconds that the options say.
pub(super) fn run(options: &DemoOptions) -> Result<(), Failure> {
    logging::start(Some(tracing::Level::WARN));
    let folder = Folder::new()?;
    let broker = Broker::start()?;
    let port = broker.port();
    let config = config_for(port, &folder.0)?;
    println!("{}", INTRODUCTION.replace("PORT", &port.to_string()));
    runtime()?.block_on(play(config, port, options.seconds))
}

async fn play(config: Config, port: u16, seconds: Option<u64>) -> Result<(), Failure> {
    let (stop, stopped) = watch::channel(false);
    let printing = print_messages(port, stopped.clone());
    let agent = async {
        let mut stopped = stopped.clone();
        supervise::run(config, async move { drop(stopped.wait_for(|stop| *stop).await) }).await
    };
    let ending = async {
        let forever = Duration::from_secs(seconds.unwrap_or(u64::from(u32::MAX)));
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = tokio::time::sleep(forever) => {}
        }
        println!();
        let _ = stop.send(true);
    };
    let (ran, (), ()) = tokio::join!(agent, printing, ending);
    ran.map_err(|error| Failure::Other(error.to_string()))
}

/// The agent of the demo: windows of five seconds, and a rule for each fault that the sensors have in them.
fn config_for(port: u16, state: &Path) -> Result<Config, Failure> {
    let text = include_str!("demo/demo.toml")
        .replace("PORT", &port.to_string())
        .replace("STATE", &state.display().to_string());
    let (config, document) = config::parse(Path::new("demo.toml"), &text, |name| std::env::var(name).ok());
    config.ok_or_else(|| Failure::Other(document.render_all()))
}

/// Subscribes like anybody else, and prints.
async fn print_messages(port: u16, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => {}
        lost = follow(port) => {
            if let Err(error) = lost {
                eprintln!("the demo's own subscriber failed: {error}");
            }
        }
    }
}

async fn follow(port: u16) -> Result<(), String> {
    let settings = Settings::parse_url(&format!("mqtt://127.0.0.1:{port}"))?;
    let session = MqttSession::passing("headwater-demo-eyes");
    let mut backoff = Backoff::new(1);
    loop {
        let (client, mut connection) =
            headwater_mqtt::connect(&settings, &session).map_err(|error| error.to_string())?;
        while let Ok(event) = connection.poll().await {
            match event {
                MqttEvent::Connected { .. } => {
                    let filter = ["headwater/#".to_owned()];
                    client.try_subscribe(&filter, Qos::AtLeastOnce).map_err(|error| error.to_string())?;
                }
                MqttEvent::Incoming(publish) => {
                    if let Ok(message) = read(&publish.payload) {
                        println!("{}", show::line(&message, show::is_late(publish.topic())));
                    }
                }
                _ => {}
            }
        }
        tokio::time::sleep(backoff.after(&connection)).await;
    }
}

/// A folder of this process's own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("headwater-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}
