//! A chip that is none: the kernel's part is played by the test. Real chips are met on whole machines, by hand.

use super::GpioDevice;
use super::line::{CountedEdge, GpioLine, LineBias, LineUse, NotedEdge, RequestedLines};
use crate::polled::{PollError, PolledConfig, PolledDevice, PolledReadings};
use crate::testing::{Folder, source};
use crate::{Finding, SourcePosition};
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the kernel has noted, and the level of every line.
#[derive(Default)]
struct Noted {
    edges: VecDeque<NotedEdge>,
    is_active: bool,
    is_gone: bool,
    requests: u32,
}

#[derive(Clone, Default)]
struct FakeChip(Arc<Mutex<Noted>>);

impl FakeChip {
    fn note(&self, offset: u32, numbers: impl IntoIterator<Item = u32>) {
        let edge = |number| NotedEdge { offset, is_rising: number % 2 == 1, number };
        self.0.lock().unwrap().edges.extend(numbers.into_iter().map(edge));
    }
}

impl RequestedLines for FakeChip {
    fn is_active(&mut self, _: u32) -> io::Result<bool> {
        let noted = self.0.lock().unwrap();
        if noted.is_gone { Err(io::Error::other("no such device")) } else { Ok(noted.is_active) }
    }

    fn next_edge(&mut self) -> io::Result<Option<NotedEdge>> {
        let mut noted = self.0.lock().unwrap();
        if noted.is_gone { Err(io::Error::other("no such device")) } else { Ok(noted.edges.pop_front()) }
    }
}

fn line(name: &str, offset: u32, wanted: LineUse) -> GpioLine {
    GpioLine {
        name: name.to_owned(),
        offset,
        wanted,
        bias: LineBias::AsIs,
        is_active_low: false,
        debounce: Duration::ZERO,
        scale: if wanted == LineUse::Level { 1.0 } else { 0.5 },
        unit: String::new(),
    }
}

/// A device on a chip that is there, and whatever it finds in a look.
fn device(chip: &FakeChip) -> impl PolledDevice {
    let lines = vec![
        line("float", 27, LineUse::Level),
        line("door", 22, LineUse::Edges),
        line("water", 17, LineUse::Pulses(CountedEdge::Falling)),
    ];
    let chip = chip.clone();
    let requester = move |_: &Path, _: &[GpioLine]| {
        chip.0.lock().unwrap().requests += 1;
        Ok(Box::new(chip.clone()) as Box<dyn RequestedLines>)
    };
    GpioDevice::new("/dev/null".into(), lines, requester)
}

/// Series and their values.
type Values = Vec<(String, f64)>;

fn look(device: &mut impl PolledDevice) -> (Result<(), PollError>, Values, Vec<SourcePosition>) {
    let mut readings = PolledReadings::new(PolledConfig::for_tests());
    let result = device.look(&mut readings);
    (result, readings.values(), readings.positions())
}

fn values(of: &[(&str, f64)]) -> Values {
    of.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn levels_edges_and_pulses_are_read_and_a_count_goes_on_after_a_restart() {
    let chip = FakeChip::default();
    let mut first = device(&chip);
    assert_eq!(look(&mut first).1, values(&[("door", 0.0), ("float", 0.0), ("water", 0.0)]));
    chip.note(17, 1..=4);
    chip.note(22, [1, 2, 3]);
    let (result, got, left) = look(&mut first);
    assert_eq!(result, Ok(()));
    assert_eq!(got, values(&[("door", 1.0), ("door", 0.0), ("door", 1.0), ("float", 0.0), ("water", 2.0)]));
    // The chip goes and comes back: the kernel numbers from 1 on again.
    chip.0.lock().unwrap().is_gone = true;
    assert!(matches!(look(&mut first).0, Err(PollError::Failed(why)) if why.contains("no such device")));
    chip.0.lock().unwrap().is_gone = false;
    chip.note(17, [1, 2]);
    assert_eq!(look(&mut first).1.last().unwrap().1, 3.0);
    // Another run begins with what was stored, which is older.
    let mut second = device(&chip);
    second.resume(&left).unwrap();
    chip.note(17, [1, 6]);
    assert_eq!(look(&mut second).1.last().unwrap(), &("water".to_owned(), 5.0), "lost ones count too");
    let broken = SourcePosition { key: b"water".to_vec(), at: vec![9] };
    assert!(device(&chip).resume(&[broken]).is_err_and(|why| why.contains("water")));
    assert_eq!(chip.0.lock().unwrap().requests, 3);
}

#[tokio::test]
async fn a_chip_that_is_absent_or_none_is_told_of() {
    let folder = Folder::new();
    let path = folder.join("gpiochip7");
    let table =
        format!("type = \"gpio\"\nchip = \"{}\"\nlines = [{{ name = \"a\", line = 1 }}]\n", path.display());
    let Some(Finding::Note(what)) = source(&table).probe().await else { panic!("it is not there") };
    assert!(what.contains("gpiochip7 is not there"), "{what}");
    std::fs::write(&path, "").unwrap();
    let Some(Finding::Fails(what)) = source(&table).probe().await else { panic!("it is no chip") };
    assert!(what.contains("`gpioinfo` shows"), "{what}");
}
