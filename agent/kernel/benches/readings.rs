//! Nanoseconds a reading, beside a bare loop that does the same arithmetic over a `Vec` in the same run, so
//! that the ratio holds on any machine; and bytes a series. `cargo bench -p headwater-kernel`.

use headwater_kernel::aggregate::{Moments, SKETCH_BINS, Sketch};
use headwater_kernel::series::{Near, Pane, Slot, Slots, Spec, Windows, windows_version};
use headwater_kernel::state::{Corrupt, State, StateReader, StateWriter};
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_kernel::window::Shape;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

const READINGS: usize = 2_000_000;
const ROUNDS: usize = 9;

#[derive(Clone, Copy, Default)]
struct Plain(Moments);

#[derive(Clone, Copy, Default)]
struct WithSketch(Moments, Sketch<SKETCH_BINS>);

impl Pane for Plain {
    type Value = f64;

    #[inline]
    fn push(&mut self, _: Time, value: f64) {
        self.0.push(value);
    }

    fn merge(&mut self, later: &Self) {
        self.0.merge(&later.0);
    }
}

impl Pane for WithSketch {
    type Value = f64;

    #[inline]
    fn push(&mut self, _: Time, value: f64) {
        self.0.push(value);
        self.1.push(value);
    }

    fn merge(&mut self, later: &Self) {
        self.0.merge(&later.0);
        self.1.merge(&later.1);
    }
}

/// What a gateway uses: the first slot in place, others on the heap.
type Gateway<P> = Near<Slot<P>, Heap<Slot<P>>>;

struct Heap<T>(VecDeque<T>);

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Slots<T> for Heap<T> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, at: usize) -> Option<&T> {
        self.0.get(at)
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.0.get_mut(at)
    }

    fn insert(&mut self, at: usize, slot: T) -> Result<(), T> {
        self.0.insert(at, slot);
        Ok(())
    }

    fn remove(&mut self, at: usize) -> Option<T> {
        self.0.remove(at)
    }
}

/// A series on cache lines of its own: what every reading touches is on the first two.
#[repr(align(64))]
struct Series<P: Pane>(Windows<P, Gateway<P>>);

/// Readings, ten a second in every series: which series, the time and the value.
struct Stream {
    series: Vec<u32>,
    times: Vec<i64>,
    values: Vec<f64>,
    /// Where a round ends (ms).
    end: i64,
}

impl Stream {
    /// Readings of `count` series in random order; temperatures that wander about 20 with noise.
    fn new(count: usize) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let series: Vec<u32> = (0..READINGS).map(|_| (random() % count as u64) as u32).collect();
        let values = (0..READINGS).map(|_| 20.0 + (random() % 8_000) as f64 / 1_000.0).collect();
        let mut reached = vec![0; count];
        let times = series.iter().filter_map(|series| {
            let time = reached.get_mut(*series as usize)?;
            *time += 100;
            Some(*time)
        });
        let times: Vec<i64> = times.collect();
        let end = times.iter().copied().max().unwrap_or(0);
        Self { series, times, values, end }
    }
}

/// The arithmetic alone: an accumulator a series, started anew as often as the windows are.
fn bare<P: Pane<Value = f64> + Default>(stream: &Stream, panes: &mut [(P, u32)], per_window: u32) {
    for (series, value) in stream.series.iter().zip(&stream.values) {
        let Some((pane, readings)) = panes.get_mut(*series as usize) else { return };
        if *readings == per_window {
            (*pane, *readings) = (black_box(P::default()), 0);
        }
        *readings += 1;
        pane.push(Time(0), *value);
    }
    black_box(&panes);
}

fn windowed<P: Pane<Value = f64> + Default>(stream: &Stream, all: &mut [Series<P>], spec: &Spec, start: i64) {
    for ((series, time), value) in stream.series.iter().zip(&stream.times).zip(&stream.values) {
        let Some(Series(windows)) = all.get_mut(*series as usize) else { return };
        let time = Time(start + *time);
        let now = Now::uncorrected(time);
        black_box(windows.on_reading(spec, time, *value, now, P::default));
        while let Some(closed) = windows.poll(spec, now) {
            black_box(closed);
        }
    }
}

/// The quickest of a few rounds of each, taken in turns.
fn compare<P: Pane<Value = f64> + Default>(name: &str, count: usize, spec: &Spec, per_window: u32) {
    let stream = Stream::new(count);
    let mut panes: Vec<(P, u32)> = (0..count).map(|_| (P::default(), 0)).collect();
    let mut all: Vec<Series<P>> = (0..count).map(|_| Series(Windows::new())).collect();
    let mut best = [f64::INFINITY; 2];
    for round in 0..ROUNDS as i64 {
        let mut start = Instant::now();
        bare(&stream, &mut panes, per_window);
        best[0] = best[0].min(start.elapsed().as_nanos() as f64 / READINGS as f64);
        start = Instant::now();
        windowed(&stream, &mut all, spec, round * stream.end);
        best[1] = best[1].min(start.elapsed().as_nanos() as f64 / READINGS as f64);
    }
    let [bare, ns] = best;
    let name = format!("{name}, {count} series");
    println!("{name:<52} {ns:8.1} {:10.1} {bare:10.1} {:8.2}", 1e3 / ns, ns / bare);
}

impl State for Plain {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.0.save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        State::load(from).map(Self)
    }
}

/// What a checkpoint of many series takes, into memory and back.
fn checkpoint(count: usize, spec: &Spec) {
    let stream = Stream::new(count);
    let mut all: Vec<Series<Plain>> = (0..count).map(|_| Series(Windows::new())).collect();
    windowed(&stream, &mut all, spec, 0);
    let mut bytes = Vec::new();
    let start = Instant::now();
    all.iter().for_each(|Series(windows)| {
        windows.save(spec, &mut |more: &[u8]| bytes.extend_from_slice(more), |pane, to| pane.save(to))
    });
    let saved = start.elapsed();
    let mut from = StateReader::new(&bytes);
    let start = Instant::now();
    let loaded = (0..count)
        .filter(|_| {
            Windows::<Plain, Gateway<Plain>>::load(
                spec,
                windows_version(&spec.shape),
                AgentTime(0),
                &mut from,
                Plain::load,
            )
            .is_ok()
        })
        .count();
    let each = bytes.len() / count;
    println!("{loaded} series saved in {saved:?}, {each} bytes each, and loaded in {:?}", start.elapsed());
}

fn main() {
    let shape = Shape::tumbling(60_000).unwrap_or_else(|wrong| panic!("{wrong}"));
    let tumbling = Spec {
        shape,
        lateness_ms: 5_000,
        idle_ms: 60_000,
        retain_ms: 0,
        gather_ms: 0,
        rev_max: u32::MAX,
        by_clock: false,
        by_arrival: false,
    };
    let sliding = |size_ms, every_ms| {
        let shape = Shape::sliding(size_ms, every_ms).unwrap_or_else(|wrong| panic!("{wrong}"));
        Spec { shape, ..tumbling }
    };
    println!("{:<52} {:>8} {:>10} {:>10} {:>8}", "", "ns", "M/s", "bare ns", "ratio");
    for count in [1, 1_000, 100_000] {
        compare::<Plain>("tumbling 1m, moments", count, &tumbling, 600);
    }
    for count in [1, 1_000, 10_000] {
        compare::<WithSketch>("tumbling 1m, moments and sketch", count, &tumbling, 600);
    }
    compare::<Plain>("sliding 1h every 1m, moments", 1, &sliding(3_600_000, 60_000), 600);
    compare::<Plain>("sliding 1m every 1s (10 readings), moments", 1, &sliding(60_000, 1_000), 10);
    compare::<Plain>("sliding 10s every 100ms (1 reading), moments", 1, &sliding(10_000, 100), 1);
    println!();
    let sizes = [size_of::<Series<Plain>>(), size_of::<Series<WithSketch>>()];
    println!("bytes of a series with one open window: moments {}, with sketch {}", sizes[0], sizes[1]);
    println!(
        "bytes of another window: moments {}, with sketch {}",
        size_of::<Slot<Plain>>(),
        size_of::<Slot<WithSketch>>()
    );
    checkpoint(10_000, &tumbling);
}
