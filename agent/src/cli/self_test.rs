//! `headwater self-test`: what works on this machine, in one screen, and the way out where something does not.
//!
//! Looks at what the config asks for: the state directory and its disk, the clock, devices, every source and every output. It
//! publishes one message to each output and nothing to the topics of a source. A running agent is not disturbed: the
//! test has client ids of its own.

mod device;
mod disk;

use super::{Failure, open, runtime};
use crate::clock;
use crate::config::Config;
use headwater_forwarder::ProbeResult;
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
#[derive(Default)]
struct Screen {
    bad: usize,
}

impl Screen {
    fn show(&mut self, what: &str, finding: Finding) {
        let (word, text) = match finding {
            Finding::Good(text) => ("ok", text),
            Finding::Note(text) => ("note", text),
            Finding::Bad(text) => {
                self.bad += 1;
                ("FAIL", text)
            }
        };
        println!("{word:<4}  {what:<14}  {}", clean(&text, LINE_BYTES_MAX));
    }
}

pub(super) fn run(path: &Path) -> Result<(), Failure> {
    println!(
        "headwater {} on {} ({})",
        env!("CARGO_PKG_VERSION"),
        crate::config::host_name(),
        std::env::consts::ARCH
    );
    let mut screen = Screen::default();
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
