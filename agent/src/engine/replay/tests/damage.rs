//! Journals that are cut off, damaged, of others, or cannot be written.

use super::*;

fn lived(steps: i64) -> World {
    let mut world = World::new();
    for step in 0..steps {
        world.run(&Op::Read(step % 3 == 0, 700, Some(-step % 5 * 100), step as f64));
        world.run(&Op::Flush);
    }
    world
}

/// Cut anywhere, it is used up to there: no damage where the process was ended in mid write.
#[test]
fn every_prefix_of_a_journal_can_be_read() {
    let world = lived(24);
    let path = world.folder.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let mut last = 0;
    let header = 16 + u32::from_le_bytes(whole[4..8].try_into().unwrap()) as usize;
    for cut in header..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let segments = Segments::read(&world.folder.0, &identity()).unwrap();
        let Replayed { pipeline, cut, .. } = world.replayed(&segments);
        let received = pipeline.ledger().sources[0].1.received;
        assert!(cut.is_none() && received >= last);
        last = received;
    }
    assert_eq!(last, 24);
    for cut in 0..header {
        fs::write(&path, &whole[..cut]).unwrap();
        let segments = Segments::read(&world.folder.0, &identity()).unwrap();
        assert!(segments.after(Base::of(&world.disk.as_ref().unwrap().body)).is_none());
    }
}

/// One bit that is not what it was ends it there, or up to the next segment, and is said; the file is kept.
#[test]
fn a_flipped_bit_is_noticed_and_the_file_is_kept() {
    let mut world = lived(6);
    world.run(&Op::Save);
    for step in 0..6 {
        world.run(&Op::Read(step % 2 == 0, 500, Some(0), 1.0));
        world.run(&Op::Flush);
    }
    let paths = world.folder.segments();
    assert_eq!(paths.len(), 2);
    for path in paths {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            fs::write(&path, &flipped).unwrap();
            let segments = Segments::read(&world.folder.0, &identity()).unwrap();
            let base = Base::of(&world.disk.as_ref().unwrap().body);
            let replayed = segments.after(base).is_some().then(|| world.replayed(&segments));
            let said = segments.set_aside();
            if let Some(Replayed { cut, pipeline, .. }) = replayed {
                assert!(
                    cut.is_some() || said.as_ref().is_some_and(|said| said.contains("goes on")),
                    "byte {at}"
                );
                assert!(pipeline.ledger().sources[0].1.received < 12);
            }
            if let Some(said) = said {
                assert!(said.contains("journal-damaged.1"), "{said}");
                assert_eq!(fs::read(world.folder.0.join("journal-damaged.1")).unwrap(), flipped);
                fs::remove_file(world.folder.0.join("journal-damaged.1")).unwrap();
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

/// What a journal hands over, and whether that is said to be all.
#[derive(Default)]
struct Read(Vec<String>);

impl Replay for Read {
    fn on_segment(&mut self, _: Now, _: bool) {}

    fn on_record(&mut self, record: Record<'_>, _: bool) {
        self.0.push(format!("{record:?}"));
    }

    fn on_gap(&mut self, _: Gap) {}
}

/// Every bit of every byte, and every byte that is missing in the middle: what is read is the beginning of what was
/// written, and that it is not all is said, with the file kept.
#[test]
fn no_flipped_bit_and_no_missing_byte_goes_unnoticed() {
    let world = lived(4);
    let path = world.folder.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let base = Base::of(&world.disk.as_ref().unwrap().body);
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let segments = Segments::read(&world.folder.0, &identity()).unwrap();
        let mut read = Read::default();
        let cut = segments.after(base).map(|chain| chain.replay(&mut read).is_some());
        let said = segments.set_aside().is_some();
        let _ = fs::remove_file(world.folder.0.join("journal-damaged.1"));
        (read.0, cut, said)
    };
    let (all, cut, said) = read(&whole);
    assert_eq!((cut, said), (Some(false), false));
    for at in 0..whole.len() {
        let mut damages: Vec<Vec<u8>> = (0..8)
            .map(|bit| {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                flipped
            })
            .collect();
        damages.extend((at + 1 < whole.len()).then(|| [&whole[..at], &whole[at + 1..]].concat()));
        for damaged in damages {
            let (some, cut, said) = read(&damaged);
            // A last frame that lacks a byte looks as if the process had ended while it wrote it.
            let is_cut_off = damaged.len() < whole.len() && some.len() < all.len();
            assert!(said || is_cut_off && cut.is_some(), "byte {at}: {cut:?}");
            assert!(said != (cut == Some(false)) && all.starts_with(&some), "byte {at}");
        }
    }
}

#[test]
fn a_journal_of_another_boot_is_removed_and_one_of_an_unknown_version_is_kept() {
    let world = lived(3);
    let path = world.folder.segments().pop().unwrap();
    let base = Base::of(&world.disk.as_ref().unwrap().body);
    let other = Identity { boot: "c".to_owned(), ..identity() };
    let segments = Segments::read(&world.folder.0, &other).unwrap();
    assert!(segments.after(base).is_none());
    assert_eq!((segments.remove_foreign(), path.exists()), (1, false));
    let mut newer = fs::read(lived(3).folder.segments().pop().unwrap()).unwrap();
    newer[16] += 1;
    let header = u32::from_le_bytes(newer[4..8].try_into().unwrap()) as usize;
    let crc = crc32fast::hash(&newer[16..16 + header]).to_le_bytes();
    newer[12..16].copy_from_slice(&crc);
    fs::write(&path, newer).unwrap();
    let segments = Segments::read(&world.folder.0, &identity()).unwrap();
    assert!(segments.after(base).is_none() && segments.remove_foreign() == 0);
    assert!(segments.set_aside().unwrap().contains("journal-damaged.1") && !path.exists());
}

/// The next run has another config, or is of another version: all that came comes again, and nothing that was told is
/// told otherwise under the same revision.
#[test]
fn another_config_takes_over_what_came() {
    let mut world = lived(60);
    world.run(&Op::Kept);
    world.run(&Op::Pass(20_000));
    world.run(&Op::Flush);
    assert!(world.told.len() > 20);
    let other = Identity { config: 8, ..identity() };
    let opened = JournalFolder::open(&world.folder.0, &world.folder.0, other.clone());
    let Replayed { pipeline, told: again, handed_over: _, orphaned, cut, .. } =
        world.replayed(&opened.segments);
    assert_eq!((cut, orphaned), (None, 0));
    assert_eq!(pipeline.ledger(), world.pipeline.ledger());
    let again: Vec<Vec<u8>> = again
        .into_iter()
        .map(|told| match told {
            Told::Event(at, event) => bytes(at, &event),
            Told::Message(message) => panic!("{message:?}"),
        })
        .collect();
    assert_eq!(again.len(), world.told.len(), "what was kept, too: something else may come of it");
    let first: HashSet<&Vec<u8>> = world.told.iter().collect();
    assert!(again.iter().all(|message| !first.contains(message)), "under other revisions");
    // It goes on in the same folder, and is killed too.
    world.journal = Journal::new(opened, true);
    world.pipeline = pipeline;
    world.pipeline.resume(world.at(), false);
    world.told = again;
    world.introduced.clear();
    world.kept = 0;
    let disk = world.disk.take();
    world.save();
    world.disk = disk;
    world.run(&Op::Read(true, 700, Some(0), 7.0));
    world.run(&Op::Pass(30_000));
    world.run(&Op::Flush);
    let segments = Segments::read(&world.folder.0, &other).unwrap();
    let Replayed { pipeline, told: again, cut, .. } = world.replayed(&segments);
    assert_eq!(cut, None);
    assert_eq!(pipeline.ledger(), world.pipeline.ledger());
    assert_eq!(again.len(), world.told.len());
    let again = again.into_iter().map(|told| match told {
        Told::Event(at, event) => bytes(at, &event),
        Told::Message(message) => panic!("{message:?}"),
    });
    let again: Vec<Vec<u8>> = again.collect();
    assert!(again == world.told, "the second one tells what the first one told");
}

/// A config without the source has no place for its readings: they are counted.
#[test]
fn readings_of_a_source_that_is_gone_are_counted() {
    let world = lived(12);
    let segments = Segments::read(&world.folder.0, &Identity { config: 8, ..identity() }).unwrap();
    let chain = segments.after(Base::of(&world.disk.as_ref().unwrap().body)).unwrap();
    let fresh = || of_sources("other");
    let Replayed { pipeline, orphaned, cut, .. } =
        replay(&chain, (fresh(), world.disk.as_ref().unwrap().now), &mut |_, _| {}, &fresh);
    assert_eq!((orphaned, cut, pipeline.totals().received), (12, None, 0));
}

/// After a power cut what was synced is used, and what is there of the rest. It is never taken for all that came, and damage
/// of what was synced is said.
#[test]
fn a_synced_journal_outlives_its_boot() {
    let on_disk = Identity { is_synced: true, ..identity() };
    let mut world = World::of(on_disk.clone());
    let (path, mut synced) = (world.folder.segments().pop().unwrap(), 0);
    for step in 0..16 {
        world.run(&Op::Read(step % 3 == 0, 700, Some(-step % 5 * 100), step as f64));
        world.run(&Op::Flush);
        if step == 9 {
            let unsynced = world.journal.take_unsynced().unwrap();
            unsynced.sync().unwrap();
            world.journal.on_synced(&unsynced);
            assert!(world.journal.take_unsynced().is_none() && unsynced.bytes >= 4_096);
            synced = fs::metadata(&path).unwrap().len() as usize;
        }
    }
    let whole = fs::read(&path).unwrap();
    let later = Identity { boot: "c".to_owned(), ..on_disk.clone() };
    let used = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let segments = Segments::read(&world.folder.0, &later).unwrap();
        segments.after(Base::of(&world.disk.as_ref().unwrap().body))?;
        let Replayed { cut, pipeline, .. } = world.replayed(&segments);
        assert!(cut.is_some(), "a machine has ended");
        let said = segments.set_aside();
        let _ = fs::remove_file(world.folder.0.join("journal-damaged.1"));
        Some((pipeline.ledger().sources[0].1.received, said.is_some()))
    };
    assert_eq!(used(&whole), Some((16, false)));
    let header = 16 + u32::from_le_bytes(whole[4..8].try_into().unwrap()) as usize;
    for cut in header..whole.len() {
        let (received, is_said) = used(&whole[..cut]).unwrap();
        assert!(!is_said && (received >= 10 || cut < synced), "cut at {cut}");
        // As a file system may leave it.
        let zeros = [&whole[..cut], &[0; 5_000]].concat();
        assert!(used(&zeros).unwrap().0 >= received, "zeros from {cut}");
    }
    for at in header..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        let (received, is_said) = used(&flipped).unwrap();
        assert!(received < 16 || is_said, "byte {at}");
        assert!(at >= synced || received < 10, "byte {at}");
        assert!(!is_said || at < synced, "byte {at}");
    }
    fs::write(&path, &whole).unwrap();
    let segments = Segments::read(&world.folder.0, &Identity { config: 8, ..on_disk }).unwrap();
    let Replayed { cut, pipeline, .. } = world.replayed(&segments);
    assert_eq!(pipeline.ledger().sources[0].1.received, 16, "a change of the config takes nothing");
    assert_eq!(cut, None);
}

/// What is written behind a segment that no durable checkpoint leads to is not durable, synced or not.
#[test]
fn a_segment_is_reachable_only_from_a_durable_checkpoint() {
    let mut world = World::of(Identity { is_synced: true, ..identity() });
    assert!(world.journal.is_reachable());
    world.run(&Op::Save);
    assert!(world.journal.is_reachable(), "it goes on where the last one ends");
    world.journal.end();
    assert!(!world.journal.is_reachable());
    world.run(&Op::Save);
    assert!(!world.journal.is_reachable(), "nobody knows what lies between");
    world.run(&Op::Written);
    assert!(world.journal.is_reachable());
    world.journal.fail(&std::io::Error::other("no disk"));
    assert!(!world.journal.is_reachable() && world.journal.trouble().is_some());
    assert_eq!(world.folder.segments().len(), 1, "what was promised stays");
    let segments = Segments::read(&world.folder.0, &Identity { is_synced: true, ..identity() }).unwrap();
    assert!(world.replayed(&segments).cut.is_some(), "and is not all");
}

/// A journal that moves to the disk outlives the boot once a checkpoint leads to it, and one that moves away no longer does.
#[test]
fn what_a_journal_outlives_changes_with_the_next_durable_checkpoint() {
    let mut world = World::new();
    world.run(&Op::Read(true, 700, Some(0), 1.0));
    world.run(&Op::Synced(true));
    assert!(!world.journal.is_reachable(), "a power cut takes what lies before");
    world.run(&Op::Read(true, 700, Some(0), 2.0));
    assert_eq!((world.folder.segments().len(), world.other.segments().len()), (1, 1));
    world.run(&Op::Written);
    assert!(world.journal.is_reachable());
    assert_eq!((world.folder.segments().len(), world.other.segments().len()), (0, 1));
    world.journal.take_unsynced().unwrap().sync().unwrap();
    let opened = world.opened("another boot");
    let Replayed { pipeline, .. } = world.replayed(&opened.segments);
    assert_eq!(pipeline.ledger().sources[0].1.received, 2, "one in the checkpoint, one in the journal");
    world.journal = Journal::new(opened, true);
    world.save();
    world.run(&Op::Synced(false));
    world.run(&Op::Flush);
    assert!(world.journal.take_unsynced().is_none(), "nobody syncs it");
    world.run(&Op::Written);
    assert_eq!((world.folder.segments().len(), world.other.segments().len()), (1, 0));
    let opened = world.opened("a third boot");
    assert!(opened.segments.after(Base::of(&world.disk.as_ref().unwrap().body)).is_none());
    assert_eq!(opened.segments.remove_foreign(), 1);
}

/// A run that is synced finds what one that was not has left, and relies on it only while the boot is the same.
#[test]
fn what_was_not_synced_is_found_by_a_run_that_syncs() {
    let mut world = lived(5);
    world.run(&Op::Flush);
    world.journal.keep_synced(true);
    let opened = world.opened(&identity().boot);
    assert_eq!(world.replayed(&opened.segments).pipeline.ledger().sources[0].1.received, 5);
    world.journal = Journal::new(opened, true);
    world.run(&Op::Save);
    assert!(!world.journal.is_reachable(), "what it follows is not on the disk");
    world.run(&Op::Written);
    assert!(world.journal.is_reachable());
}

/// What was not written down is known not to be there, and all that may have been told is told above.
#[test]
fn an_end_is_an_end() {
    let world = lived(5);
    world.journal.end();
    let segments = Segments::read(&world.folder.0, &identity()).unwrap();
    let Replayed { cut, .. } = world.replayed(&segments);
    assert!(cut.is_some());
}

/// A folder that cannot be written costs the journal and nothing else.
#[test]
fn a_folder_that_is_gone_is_trouble() {
    let mut world = lived(3);
    assert!(!world.journal.is_removed());
    fs::remove_dir_all(&world.folder.0).unwrap();
    fs::write(&world.folder.0, "no folder").unwrap();
    world.run(&Op::Read(true, 10, Some(0), 1.0));
    assert!(world.journal.is_removed() && !world.journal.is_on());
    world.save();
    assert!(!world.journal.is_on());
    assert!(world.journal.trouble().unwrap().contains("cannot be written"));
    fs::remove_file(&world.folder.0).unwrap();
    world.save();
    assert!(world.journal.is_on() && world.journal.trouble().is_none());
}
