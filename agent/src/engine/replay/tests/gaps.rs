//! Journals with a damaged part in the middle: what lies behind it is used, and nothing of it is taken for more than it is.

use super::*;
use headwater_pipeline::event::Summary;
use headwater_wire::{id, read_event, to_json};
use std::collections::HashMap;

const STEPS: i64 = 700;

/// Readings for long enough that marks come.
fn lived() -> World {
    let mut world = World::new();
    for step in 0..STEPS {
        world.run(&Op::Read(step % 3 == 0, 700, Some(-step % 5 * 100), 20.0 + (step % 11) as f64 / 3.0));
        world.run(&Op::Flush);
        if step == STEPS / 4 {
            world.run(&Op::Kept);
        }
    }
    world
}

fn event(told: &[u8]) -> Event {
    read_event(&told[9..]).unwrap()
}

/// The count of a summary's readings.
fn count(summary: &Summary) -> u64 {
    let found = summary.numbers.iter().find(|(name, _)| &**name == "count");
    found.map_or(0, |(_, count)| {
        format!("{count:?}")
            .chars()
            .filter(char::is_ascii_digit)
            .fold(0, |sum, digit| sum * 10 + u64::from(digit as u32 - 48))
    })
}

/// What is told again after `damage` was done to the journal: of each id the first and the last that was told before it.
fn check(world: &World, damage: impl FnOnce(&mut Vec<u8>)) -> (i64, u64, String) {
    let path = world.folder.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damage(&mut damaged);
    fs::write(&path, &damaged).unwrap();
    let segments = Segments::read(&world.folder.0, &identity()).unwrap();
    let Replayed { pipeline, told: again, cut, nameless, .. } = world.replayed(&segments);
    let said = segments.set_aside().unwrap();
    fs::remove_file(world.folder.0.join("journal-damaged.1")).unwrap();
    fs::write(&path, &whole).unwrap();
    assert_eq!(cut, None, "it goes on: {said}");
    let before: HashMap<String, Vec<u8>> = world
        .told
        .iter()
        .map(|told| event(told))
        .map(|event| (key(&event), to_json(&event).unwrap()))
        .collect();
    let mut fullest: HashMap<String, u64> = HashMap::new();
    for told in &world.told {
        if let Event::Summary(summary) = event(told) {
            let known = fullest.entry(id(&Event::Summary(summary.clone()))).or_default();
            *known = count(&summary).max(*known);
        }
    }
    for told in again {
        let Told::Event(_, event) = told else { panic!("{told:?}") };
        if let Some(known) = before.get(&key(&event)) {
            assert_eq!(*known, to_json(&event).unwrap(), "no id and revision has two contents");
        }
        if let Event::Summary(summary) = &event {
            let known = fullest.get(&id(&event)).copied().unwrap_or(0);
            assert!(
                summary.is_partial || summary.is_retracted || count(summary) >= known,
                "less than was told, and not marked: {event:?}"
            );
        }
    }
    (pipeline.ledger().sources[0].1.received, nameless, said)
}

/// What no two contents may share.
fn key(event: &Event) -> String {
    let json = String::from_utf8(to_json(event).unwrap()).unwrap();
    let of = |name: &str| {
        json.split(&format!("\"{name}\":"))
            .nth(1)
            .map(|rest| rest.split([',', '}']).next().unwrap().to_owned())
    };
    format!("{} {:?} {:?}", id(event), of("rev"), of("state"))
}

#[test]
fn a_journal_goes_on_behind_what_cannot_be_read() {
    let world = lived();
    let length = fs::metadata(world.folder.segments().pop().unwrap()).unwrap().len() as usize;
    assert!(length > 25_000, "{length} bytes: there are marks");
    for place in 1..=6 {
        let at = length * place / 10;
        let (received, nameless, said) = check(&world, |bytes| bytes[at] ^= 0x10);
        assert!((STEPS / 2..STEPS).contains(&received), "{received} of {STEPS}");
        assert!(said.contains("bytes of the journal could not be read, with what came in"), "{said}");
        assert_eq!(nameless, 0);
    }
    // The first frame behind those that the segment begins with introduces a series.
    let path = world.folder.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let at = whole.windows(3).position(|found| found == b"x/a").unwrap();
    let (received, nameless, said) = check(&world, |bytes| bytes[at] ^= 0x10);
    assert!(nameless > 100 && received < STEPS / 2, "{nameless} readings of nobody, {received}: {said}");
    // A page that is gone, and one of zeros.
    check(&world, |bytes| drop(bytes.drain(9_000..13_096)));
    check(&world, |bytes| bytes[4_096..8_192].fill(0));
}

/// A fuzzer found that its link stopped the replay.
#[test]
fn a_source_that_there_is_not_costs_nothing() {
    let mut world = World::new();
    world.run(&Op::Read(true, 0, None, 20.0));
    world.journal.link(9, false, world.at());
    world.journal.count(IntakeCount::Repeated, 9, 1);
    world.run(&Op::Read(true, 1_000, None, 20.0));
    world.crash();
}
