//! A line, what is wanted of it, and how the kernel is asked for it.

use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Which edges count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountedEdge {
    Rising,
    Falling,
    Both,
}

/// What is read of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineUse {
    /// Its level at each look.
    Level,
    /// Its level at the start, and each change.
    Edges,
    /// How many pulses there were.
    Pulses(CountedEdge),
}

/// What holds a line where nothing drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineBias {
    AsIs,
    PullUp,
    PullDown,
    Off,
}

/// A line that is read.
#[derive(Clone, Debug)]
pub(super) struct GpioLine {
    /// Of the series.
    pub(super) name: String,
    pub(super) offset: u32,
    pub(super) wanted: LineUse,
    pub(super) bias: LineBias,
    /// Whether the lower voltage is 1.
    pub(super) is_active_low: bool,
    /// A level that lasts shorter is no level.
    pub(super) debounce: Duration,
    /// What a count is multiplied with.
    pub(super) scale: f64,
    pub(super) unit: String,
}

/// An edge that the kernel has noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotedEdge {
    pub(super) offset: u32,
    pub(super) is_rising: bool,
    /// Its number among those of its line, from 1 on since the request.
    pub(super) number: u32,
}

/// Lines that the kernel has given.
pub(super) trait RequestedLines: Send {
    /// Whether a line is active now.
    ///
    /// # Errors
    /// The chip is gone.
    fn is_active(&mut self, offset: u32) -> io::Result<bool>;

    /// The next edge that was noted; `None`: there is none.
    ///
    /// # Errors
    /// The chip is gone.
    fn next_edge(&mut self) -> io::Result<Option<NotedEdge>>;
}

/// Asks the kernel for lines, all or none.
pub(super) fn request(chip: &Path, lines: &[GpioLine]) -> io::Result<Box<dyn RequestedLines>> {
    let mut builder = Request::builder();
    builder.on_chip(chip).with_consumer("headwater").with_kernel_event_buffer_size(1_024);
    for line in lines {
        builder.with_line(line.offset).as_input().with_bias(match line.bias {
            LineBias::AsIs => None,
            LineBias::PullUp => Some(Bias::PullUp),
            LineBias::PullDown => Some(Bias::PullDown),
            LineBias::Off => Some(Bias::Disabled),
        });
        if line.is_active_low {
            builder.as_active_low();
        } else {
            builder.as_active_high();
        }
        builder.with_edge_detection(match line.wanted {
            LineUse::Level => None,
            LineUse::Edges | LineUse::Pulses(CountedEdge::Both) => Some(EdgeDetection::BothEdges),
            LineUse::Pulses(CountedEdge::Rising) => Some(EdgeDetection::RisingEdge),
            LineUse::Pulses(CountedEdge::Falling) => Some(EdgeDetection::FallingEdge),
        });
        builder.with_debounce_period(line.debounce);
    }
    Ok(Box::new(KernelLines(builder.request().map_err(io::Error::other)?)))
}

struct KernelLines(Request);

impl RequestedLines for KernelLines {
    fn is_active(&mut self, offset: u32) -> io::Result<bool> {
        Ok(self.0.value(offset).map_err(io::Error::other)? == gpiocdev::line::Value::Active)
    }

    fn next_edge(&mut self) -> io::Result<Option<NotedEdge>> {
        if !self.0.has_edge_event().map_err(io::Error::other)? {
            return Ok(None);
        }
        let edge = self.0.read_edge_event().map_err(io::Error::other)?;
        let is_rising = edge.kind == EdgeKind::Rising;
        Ok(Some(NotedEdge { offset: edge.offset, is_rising, number: edge.line_seqno }))
    }
}
