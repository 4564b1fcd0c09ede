#![no_std]
#![no_main]
//! The kernel on a Cortex-M4: one series in sliding windows with moments, ends and percentiles, a threshold,
//! and a checkpoint. Nothing here runs; it links, which proves that nothing asks for an operating system, an
//! allocator or a clock, and its size is watched by `check`.

use core::hint::black_box;
use headwater_kernel::aggregate::{Ends, Moments, Sketch};
use headwater_kernel::detect::{Bound, Detector, Threshold, ThresholdConfig};
use headwater_kernel::series::{Pane, Slot, Spec, Windows, windows_version};
use headwater_kernel::state::{Corrupt, State, StateReader, StateWriter};
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_kernel::window::Shape;

#[derive(Clone, Copy, Default)]
struct Summary {
    moments: Moments,
    ends: Ends,
    sketch: Sketch<64>,
}

impl Pane for Summary {
    type Value = f64;

    fn push(&mut self, time: Time, value: f64) {
        self.moments.push(value);
        self.ends.push(time, value);
        self.sketch.push(value);
    }

    fn merge(&mut self, later: &Self) {
        self.moments.merge(&later.moments);
        self.ends.merge(&later.ends);
        self.sketch.merge(&later.sketch);
    }
}

impl State for Summary {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.moments.save(to);
        self.ends.save(to);
        self.sketch.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        Ok(Self { moments: State::load(from)?, ends: State::load(from)?, sketch: State::load(from)? })
    }
}

type Series = Windows<Summary, heapless::Vec<Slot<Summary>, 8>>;

/// What an application does with the kernel. The sensor, the clock, the flash and the radio are volatile.
fn run(shape: Shape) -> Option<()> {
    let spec = Spec {
        shape,
        lateness_ms: 5_000,
        idle_ms: 60_000,
        retain_ms: 60_000,
        gather_ms: 1_000,
        rev_max: u32::MAX,
        by_clock: false,
        by_arrival: false,
    };
    let stored = black_box([0_u8; 64]);
    let mut series = Series::load(
        &spec,
        windows_version(&shape),
        AgentTime(0),
        &mut StateReader::new(&stored),
        Summary::load,
    )
    .unwrap_or_default();
    let hot = Bound { level: 35.0, clear: 33.0 };
    let mut threshold = Threshold::new(ThresholdConfig { above: Some(hot), below: None }).ok()?;
    loop {
        let (time, value) = (Time(black_box(0)), black_box(21.5));
        let now = Now { time, alive: AgentTime(black_box(0)), synced: true };
        black_box(series.on_reading(&spec, time, value, now, Summary::default));
        black_box(threshold.push(time.into(), value));
        while let Some(closed) = series.poll(&spec, now) {
            let Summary { moments, ends, sketch } = closed.pane;
            black_box((moments.mean(), moments.stddev(), ends.delta(), sketch.quantile(0.95)));
        }
        black_box(series.due(&spec, now));
        let mut sink = |bytes: &[u8]| {
            black_box(bytes);
        };
        series.save(&spec, &mut sink, |summary, to| summary.save(to));
    }
}

/// Where the chip starts.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    for shape in [Shape::tumbling(60_000), Shape::sliding(300_000, 60_000), Shape::session(30_000, 600_000)] {
        let _ = shape.map(|shape| run(black_box(shape)));
    }
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn stop(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
