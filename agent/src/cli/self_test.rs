//! `headwater self-test`: what works on this machine, in one screen, and the way out where something does not.
//!
//! Looks at what the config asks for: the state directory and its disk, the clock, devices, every source and every output. It
//! publishes one message to each output and nothing to the topics of a source. A running agent is not disturbed: the
//! test has client ids of its own. Of a source with `ack = "durable"` it measures how many messages the broker sends before
//! it waits, on a topic of the test's own.

mod device;
mod disk;

use super::{Failure, open, runtime, stdout};
use crate::clock;
use crate::config::Config;
use crate::engine::SyncRates;
use headwater_forwarder::{BufferConfig, ProbeResult, Sync};
use headwater_sensors::AckLimit;
use headwater_text::{LINE_BYTES_MAX, clean};
use std::path::Path;

/// The line for a source or an output that needs nothing of this machine.
const UNTRIED: &str = "needs nothing that can be tried";

/// A finding about one part of the machine.
enum Finding {
    /// It works.
    Good(String),
    /// It works, and somebody may want to know.
    Note(String),
    /// It does not work, and what to do.
    Bad(String),
}

/// Prints findings line by line, and counts the bad ones.
struct Screen {
    bad: usize,
    /// Whether the lines could be printed.
    printed: Result<(), Failure>,
}

impl Screen {
    fn new() -> Self {
        let (version, host) = (env!("CARGO_PKG_VERSION"), crate::config::host_name());
        let title = format!("headwater {version} on {host} ({})", std::env::consts::ARCH);
        Self { bad: 0, printed: stdout::line(&title) }
    }

    fn show(&mut self, what: &str, finding: Finding) {
        let (word, text) = match finding {
            Finding::Good(text) => ("ok", text),
            Finding::Note(text) => ("note", text),
            Finding::Bad(text) => {
                self.bad += 1;
                ("FAIL", text)
            }
        };
        if self.printed.is_ok() {
            let text = clean(&text, LINE_BYTES_MAX);
            self.printed = stdout::line(&format!("{word:<4}  {what:<14}  {text}"));
        }
    }
}

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    let mut screen = Screen::new();
    let (config, document) = open(path)?;
    let mistakes = document.render_all();
    let Some(config) = config else {
        screen.show("config", Finding::Bad(format!("{} has mistakes", path.display())));
        return Err(Failure::Usage(mistakes.trim_end().to_owned()));
    };
    screen.show("config", describe(path, &config, &mistakes));
    let state_dir = &config.agent.state_dir;
    screen.show("state", disk::state(state_dir));
    screen.show("disk", disk::measure(state_dir, config.buffer.max_size));
    screen.show("clock", clock(config.clock.trust));
    screen.show("devices", device::look());
    runtime()?.block_on(async {
        sources(&mut screen, &config).await;
        outputs(&mut screen, &config).await;
    });
    screen.printed?;
    match screen.bad {
        0 => Ok(()),
        1 => Err(Failure::Other("1 thing does not work".into())),
        bad => Err(Failure::Other(format!("{bad} things do not work"))),
    }
}

fn describe(path: &Path, config: &Config, mistakes: &str) -> Finding {
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let text = format!(
        "{}: {}, {}, {}",
        path.display(),
        plural(config.sources.len(), "source"),
        plural(config.streams.len(), "stream"),
        plural(config.outputs.len(), "output")
    );
    if mistakes.is_empty() {
        Finding::Good(text)
    } else {
        Finding::Note(format!("{text}; `headwater check` has warnings"))
    }
}

fn clock(trust: clock::Trust) -> Finding {
    let now = clock::believed(trust);
    let time =
        jiff::Timestamp::from_millisecond(now.time.0).map_or_else(|_| "?".into(), |time| time.to_string());
    if now.synced {
        Finding::Good(time)
    } else {
        Finding::Note(format!(
            "{time} cannot be believed; windows are stamped anew once it is right: `timedatectl` says what sets it"
        ))
    }
}

/// Every source.
async fn sources(screen: &mut Screen, config: &Config) {
    for source in &config.sources {
        let finding = match source.source.probe().await {
            Some(headwater_sensors::Finding::Works(text)) => Finding::Good(text),
            Some(headwater_sensors::Finding::Note(text)) => Finding::Note(text),
            Some(headwater_sensors::Finding::Fails(text)) => Finding::Bad(text),
            None => Finding::Good(UNTRIED.to_owned()),
        };
        screen.show(&format!("source {}", source.name), finding);
        if let Some(limit) = source.source.measure_window().await {
            screen.show(&format!("acks {}", source.name), acks(&limit, &config.buffer));
        }
    }
}

/// What rate the messages allow that a broker sends before it waits for an acknowledgement.
fn acks(limit: &AckLimit, buffer: &BufferConfig) -> Finding {
    let (messages, at_least) = match limit {
        AckLimit::Unknown(why) => {
            return Finding::Note(format!("how many messages come unacknowledged is not known: {why}"));
        }
        AckLimit::Messages(messages) => (*messages, ""),
        AckLimit::AtLeast(messages) => (*messages, " or more"),
    };
    let at_sync = match buffer.sync {
        Sync::Always => String::new(),
        Sync::Every(ms) => format!("{} a second at `sync`, ", messages as u64 * 1_000 / ms.max(1)),
    };
    let rates = SyncRates::of(buffer.daily_writes);
    let text = format!(
        "the broker sends {messages} messages{at_least} before it waits: {at_sync}{:.0} a second for long within \
         `daily_writes`, {:.0} more at once",
        messages as f64 * rates.per_second,
        messages as f64 * rates.at_once,
    );
    if at_least.is_empty() {
        Finding::Note(format!(
            "{text}; if more come, raise its messages in flight and in the queue (mosquitto: `max_inflight_messages`, \
             `max_queued_messages`)"
        ))
    } else {
        Finding::Good(text)
    }
}

/// Every output.
async fn outputs(screen: &mut Screen, config: &Config) {
    for output in &config.outputs {
        let finding = match output.output.probe(&output.encoder).await {
            Some(ProbeResult::Good(text)) => Finding::Good(text),
            Some(ProbeResult::Note(text)) => Finding::Note(text),
            Some(ProbeResult::Bad(text)) => Finding::Bad(text),
            None => Finding::Good(UNTRIED.to_owned()),
        };
        screen.show(&format!("output {}", output.name), finding);
    }
}
