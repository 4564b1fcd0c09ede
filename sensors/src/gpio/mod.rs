//! `type = "gpio"`: lines of a GPIO chip, by its character device (Linux `Documentation/userspace-api/gpio/chardev.rst`).
//!
//! The kernel notes edges, debounces them and numbers them. A look takes what it has noted, so that no pulse is missed between
//! two looks; the numbers tell how many pulses there were even where the kernel had no room for all. A count goes on over
//! restarts: it is stored with the readings.

mod config;
mod line;
mod pulses;

pub(crate) use config::KIND;

use crate::SourcePosition;
use crate::access::explain;
use crate::polled::{PollError, PolledDevice, PolledReadings};
use line::{GpioLine, LineUse, RequestedLines};
use pulses::Pulses;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// The drop-in of the service that opens chips.
const DROP_IN: &str = "gpio.conf";

/// The most lines of a source: those of one request (`GPIO_V2_LINES_MAX`).
const LINES_MAX: usize = 64;

/// The most edges that a look takes; the others wait for the next one.
const EDGES_MAX: usize = 4_096;

/// How lines are asked for; tests have another way.
type Requester = fn(&std::path::Path, &[GpioLine]) -> io::Result<Box<dyn RequestedLines>>;

/// A chip with the lines that are wanted of it.
struct GpioDevice<R> {
    chip: PathBuf,
    lines: Vec<GpioLine>,
    /// The counts of the lines, by their places.
    pulses: Vec<Pulses>,
    requester: R,
    /// `None`: not asked for, or lost.
    requested: Option<Box<dyn RequestedLines>>,
}

impl<R> GpioDevice<R>
where
    R: Fn(&std::path::Path, &[GpioLine]) -> io::Result<Box<dyn RequestedLines>>,
{
    fn new(chip: PathBuf, lines: Vec<GpioLine>, requester: R) -> Self {
        let pulses = lines.iter().map(|_| Pulses::default()).collect();
        Self { chip, lines, pulses, requester, requested: None }
    }

    /// Asks for the lines.
    fn request(&mut self, to: &mut PolledReadings) -> Result<Box<dyn RequestedLines>, PollError> {
        let shown = self.chip.display();
        if !self.chip.exists() {
            return Err(PollError::Absent(format!("{shown} is not there; it is opened as soon as it is")));
        }
        if let Err(error) = File::open(&self.chip) {
            return Err(PollError::Failed(explain(&self.chip, &error, DROP_IN)));
        }
        let mut lines = (self.requester)(&self.chip, &self.lines).map_err(|error| {
            PollError::Failed(format!("{shown}: {error}; `gpioinfo` shows the lines, and who has one"))
        })?;
        self.pulses.iter_mut().for_each(Pulses::begin);
        for line in self.lines.iter().filter(|line| line.wanted == LineUse::Edges) {
            take_level(line, lines.as_mut(), to)?;
        }
        Ok(lines)
    }

    fn read(&mut self, lines: &mut dyn RequestedLines, to: &mut PolledReadings) -> Result<(), PollError> {
        for _ in 0..EDGES_MAX {
            let Some(edge) = lines.next_edge().map_err(lost)? else { break };
            let known = self.lines.iter().zip(&mut self.pulses).find(|(line, _)| line.offset == edge.offset);
            let Some((line, pulses)) = known else { continue };
            let missed = pulses.take(edge.number);
            if line.wanted == LineUse::Edges {
                if missed > 0 {
                    to.invalid(
                        &line.name,
                        format!("{missed} edges came faster than they were read: look more often"),
                    );
                }
                to.reading(format_args!("{}", line.name), &line.unit, if edge.is_rising { 1.0 } else { 0.0 });
            }
        }
        for (line, pulses) in self.lines.iter().zip(&self.pulses) {
            match line.wanted {
                LineUse::Edges => {}
                LineUse::Level => take_level(line, lines, to)?,
                LineUse::Pulses(_) => {
                    to.reading(format_args!("{}", line.name), &line.unit, pulses.count() * line.scale);
                    to.position(line.name.as_bytes(), &pulses.store());
                }
            }
        }
        Ok(())
    }
}

/// Takes the level of a line.
fn take_level(
    line: &GpioLine,
    lines: &mut dyn RequestedLines,
    to: &mut PolledReadings,
) -> Result<(), PollError> {
    let is_active = lines.is_active(line.offset).map_err(lost)?;
    to.reading(format_args!("{}", line.name), &line.unit, if is_active { 1.0 } else { 0.0 });
    Ok(())
}

fn lost(error: io::Error) -> PollError {
    PollError::Failed(format!("the chip is gone: {error}; it is opened again when it is back"))
}

impl<R> PolledDevice for GpioDevice<R>
where
    R: Fn(&std::path::Path, &[GpioLine]) -> io::Result<Box<dyn RequestedLines>> + Send + 'static,
{
    fn resume(&mut self, left: &[SourcePosition]) -> Result<(), String> {
        let mut whole = Ok(());
        for (line, pulses) in self.lines.iter().zip(&mut self.pulses) {
            let Some(SourcePosition { at, .. }) = left.iter().find(|it| it.key == line.name.as_bytes())
            else {
                continue;
            };
            match Pulses::load(at) {
                Some(known) => *pulses = known,
                None => whole = Err(format!("the count of {} cannot be read; it begins at 0", line.name)),
            }
        }
        whole
    }

    fn look(&mut self, to: &mut PolledReadings) -> Result<(), PollError> {
        let mut lines = match self.requested.take() {
            Some(lines) => lines,
            None => self.request(to)?,
        };
        self.read(lines.as_mut(), to)?;
        self.requested = Some(lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
