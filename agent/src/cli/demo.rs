//! `headwater demo`: simulated sensors with faults in them, the agent, a broker to which it sends its messages, and these
//! messages printed as they come. Everything listens on loopback and keeps its state in a folder that goes with it.

mod meter;
mod uplink;

use super::{Failure, runtime, stdout};
use crate::config::{self, Config};
use crate::show::{ShownLines, is_late};
use crate::{clock, logging, supervise};
use clap::Args;
use headwater_mqtt::{Backoff, Broker, MqttEvent, MqttSession, Qos, Settings};
use headwater_wire::read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The config, but for its ports and its state directory.
const CONFIG: &str = include_str!("demo/demo.toml");

/// Options of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoOptions {
    /// End by itself after this many seconds
    #[arg(long)]
    seconds: Option<u64>,
    /// Print the config of the demo, with words such as PORT where it fills in numbers, and do nothing else
    #[arg(long)]
    print_config: bool,
}

/// What a reader will see, and when; the times are those of `demo.toml`, `uplink.rs` and `meter.rs`.
const INTRODUCTION: &str = "\
Watch it in a browser: http://127.0.0.1:PAGE

Headwater reads eight simulated sensors: a greenhouse, a freezer, a pump, and a power meter that speaks MQTT.
A day of theirs takes a minute. What it makes of them comes below, times in UTC. Look at this:

  every 5 s      a summary of each sensor: how many readings, and their mean, percentiles, …
  after 12 s     ALERT: the sun shines on a sensor of the greenhouse; `clear` two seconds later
  after 15 s     the line to the broker is cut for 10 s: nothing comes, and the status says offline.
                 Then all of it comes, marked `(waited in the buffer)`: nothing is lost
  after 34 s     the meter sends a reading 12 s late: its summary comes again, marked `(correction 1)`
  after 46 s     ALERT missing: the battery of bed2 is changed, and nothing comes of it until 58 s
  after 65 s     ALERT door: the freezer stands open, until it is cold again, at 90 s
  after 95 s     ALERT auto: the pump shakes. Nobody gave a limit; the detector had learned what is usual
  every 30 s     a report: how many readings came, and what became of them; then the same of messages
  after 2 m      all of it again

Another terminal can watch the broker that the agent sends to:

  mosquitto_sub -p PORT -t 'headwater/#' -v
  headwater tail --url mqtt://127.0.0.1:PORT

The config of all this: headwater demo --print-config. Ctrl-C ends the demo. It leaves nothing behind.
";

/// Runs the demo until Ctrl-C, or for the seconds that the options say.
pub(super) fn run(options: &DemoOptions) -> Result<(), Failure> {
    if options.print_config {
        return stdout::print(CONFIG);
    }
    // The outage is meant to be: the connection's warnings would only be in the way.
    logging::start(Some(tracing::Level::ERROR));
    let folder = Folder::new()?;
    let broker = Broker::start()?;
    let port = broker.port();
    let page = page_port()?;
    let introduction = INTRODUCTION.replace("PAGE", &page.to_string());
    stdout::line(&introduction.replace("PORT", &port.to_string()))?;
    runtime()?.block_on(async {
        let uplink = TcpListener::bind(("127.0.0.1", 0)).await?;
        let config = config_for((port, uplink.local_addr()?.port(), page), &folder.0)?;
        tokio::select! {
            played = play(config, port, options.seconds) => played,
            () = uplink::carry(uplink, port) => Ok(()),
            failed = meter::publish(port, clock::now) => failed.map_err(Failure::Other),
        }
    })
}

async fn play(config: Config, port: u16, seconds: Option<u64>) -> Result<(), Failure> {
    let stop = watch::Sender::new(false);
    let printing = print_messages(port, &stop);
    let agent = async { supervise::run(config, has_stopped(&stop)).await };
    let ending = async {
        let forever = Duration::from_secs(seconds.unwrap_or(u64::from(u32::MAX)));
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = tokio::time::sleep(forever) => {}
            () = has_stopped(&stop) => {}
        }
        let _ = stop.send(true);
        stdout::line("")
    };
    let (ran, printed, ended) = tokio::join!(agent, printing, ending);
    ran.map_err(|error| Failure::Other(error.to_string()))?;
    printed.and(ended)
}

/// The agent of the demo: windows of five seconds, and a rule for each fault that the sensors have in them.
fn config_for((port, uplink, page): (u16, u16, u16), state: &Path) -> Result<Config, Failure> {
    let text = CONFIG
        .replace("UPLINK", &uplink.to_string())
        .replace("PORT", &port.to_string())
        .replace("PAGE", &page.to_string())
        .replace("STATE", &state.display().to_string());
    let (config, document) = config::parse(Path::new("demo.toml"), &text, |name| std::env::var(name).ok());
    config.ok_or_else(|| Failure::Other(document.render_all()))
}

/// A port for the page: the one that is in the guides, or any that is free.
fn page_port() -> std::io::Result<u16> {
    let usual = std::net::TcpListener::bind(("127.0.0.1", 8600));
    let listener = usual.or_else(|_| std::net::TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.port())
}

async fn has_stopped(stop: &watch::Sender<bool>) {
    drop(stop.subscribe().wait_for(|stop| *stop).await);
}

/// Subscribes like anybody else, and prints. Where nobody reads on, the demo ends.
async fn print_messages(port: u16, stop: &watch::Sender<bool>) -> Result<(), Failure> {
    tokio::select! {
        () = has_stopped(stop) => Ok(()),
        failed = follow(port) => {
            let _ = stop.send(true);
            failed
        }
    }
}

async fn follow(port: u16) -> Result<(), Failure> {
    let settings = Settings::parse_url(&format!("mqtt://127.0.0.1:{port}")).map_err(Failure::Other)?;
    let session = MqttSession::passing("headwater-demo-eyes");
    let (mut backoff, mut lines) = (Backoff::new(1), ShownLines::for_stdout());
    loop {
        let (client, mut connection) = headwater_mqtt::connect(&settings, &session)
            .map_err(|error| Failure::Other(error.to_string()))?;
        while let Ok(event) = connection.poll().await {
            match event {
                MqttEvent::Connected { .. } => {
                    let filter = ["headwater/#".to_owned()];
                    client
                        .try_subscribe(&filter, Qos::AtLeastOnce)
                        .map_err(|error| Failure::Other(error.to_string()))?;
                }
                MqttEvent::Incoming(publish) => {
                    if let Ok(message) = read(&publish.payload) {
                        stdout::line(&lines.line(&message, is_late(publish.topic())))?;
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
