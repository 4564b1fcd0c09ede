//! What crashes, power cuts and damage leave of checkpoints and their deltas.

use super::*;
use headwater_pipeline::sections::put_section;

/// Writes these bytes as a whole body.
fn write(path: &Path, bytes: &[u8]) -> io::Result<u64> {
    super::write(path, &Body::of(bytes))
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("headwater-checkpoint-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn a_body_comes_back_and_replaces_the_one_before() {
    let folder = Folder::new("whole");
    let path = folder.0.join("state");
    assert_eq!(read(&path, None).unwrap(), Found::Nothing);
    assert_eq!(write(&path, b"one").unwrap(), 23);
    write(&path, b"two").unwrap();
    assert_eq!(read(&path, None).unwrap(), Found::Body(b"two".to_vec()));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn every_damage_is_set_aside_and_kept() {
    let folder = Folder::new("damage");
    let path = folder.0.join("state");
    write(&path, b"some state").unwrap();
    let whole = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|cut| whole[..cut].to_vec()).collect();
    // The version may be a later one.
    for at in (0..4).chain(8..whole.len()) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        damaged.push(flipped);
    }
    damaged.push([whole.as_slice(), b"more"].concat());
    for (count, bytes) in damaged.iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        let found = read(&path, None).unwrap();
        let Found::Broken { aside, .. } = found else { panic!("{count}: {found:?}") };
        assert_eq!(fs::read(&aside).unwrap(), *bytes);
        let again = read(&path, None).unwrap();
        assert!(matches!(&again, Found::Broken { aside: kept, .. } if *kept == aside), "{again:?}");
        write(&path, b"next").unwrap();
        assert_eq!(
            (read(&path, None).unwrap(), fs::read(&aside).unwrap()),
            (Found::Body(b"next".to_vec()), bytes.clone())
        );
    }
}

#[test]
fn one_of_a_later_frame_is_read_and_one_is_kept_before_it_is_replaced() {
    let folder = Folder::new("later");
    let path = folder.0.join("windows.checkpoint");
    write(&path, b"one").unwrap();
    let mut later = fs::read(&path).unwrap();
    later[4] = 7;
    fs::write(&path, &later).unwrap();
    assert_eq!(read(&path, None).unwrap(), Found::Body(b"one".to_vec()));
    let kept = keep(&path).unwrap().unwrap();
    assert_eq!(kept, folder.0.join("windows.upgrade-1"));
    write(&path, b"two").unwrap();
    assert_eq!(fs::read(kept).unwrap(), later, "as it was");
    let others = std::iter::from_fn(|| keep(&path).unwrap()).count();
    assert_eq!(others, 7, "bounded");
    later[4] = 5;
    fs::write(&path, &later).unwrap();
    assert!(matches!(read(&path, None).unwrap(), Found::Broken { .. }));
}

#[test]
fn what_memory_has_no_room_for_is_set_aside_unread() {
    let folder = Folder::new("large");
    let path = folder.0.join("state");
    let bytes = write(&path, &[7; 4_000]).unwrap();
    assert_eq!(read(&path, Some(bytes)).unwrap(), Found::Body(vec![7; 4_000]));
    let found = read(&path, Some(bytes - 1)).unwrap();
    let Found::Broken { aside, why } = found else { panic!("{found:?}") };
    assert!(why.contains("too large"), "{why}");
    assert_eq!(fs::metadata(aside).unwrap().len(), bytes);
}

/// A body of sections that is told from the others by `step`.
fn body(step: u8) -> Vec<u8> {
    let mut body = Vec::new();
    for section in 0..6_u8 {
        put_section(&mut body, 20 + u16::from(section), 1, |to| {
            to.extend((0..60).map(|at: u8| at.wrapping_mul(section)));
            to.extend_from_slice(&[step; 9]);
            to.extend(std::iter::repeat_n(step ^ section, usize::from(step % 5) * 3));
        });
    }
    body
}

/// Writes bodies, the first one whole and the others as deltas; answers what it took.
fn write_all(file: &mut CheckpointFile, steps: std::ops::Range<u8>) -> Vec<CheckpointWrite> {
    steps.map(|step| file.write(Body::of(&body(step)), false).unwrap()).collect()
}

#[test]
fn deltas_make_the_last_body_and_cost_little() {
    let folder = Folder::new("deltas");
    let path = folder.0.join("windows.checkpoint");
    let mut file = CheckpointFile::new(path.clone());
    let written = write_all(&mut file, 0..20);
    assert!(written[0].is_whole && written[1..].iter().all(|write| !write.is_whole));
    assert!(fs::metadata(beside(&path)).unwrap().len() < 19 * 200);
    assert_eq!(read(&path, None).unwrap(), Found::Body(body(19)));
    assert_eq!(fs::read(&path).unwrap()[20..], body(0), "the whole one stands as it was");
    // The last one is written whole, and so are one that has little in common with the one before it, and the next run's first.
    assert!(file.write(Body::of(&body(6)), true).unwrap().is_whole);
    assert!(!beside(&path).exists());
    assert_eq!(read(&path, None).unwrap(), Found::Body(body(6)));
    assert!(file.write(Body::of(&body(7)), false).unwrap().is_whole, "nothing was kept to compare it with");
    assert!(!file.write(Body::of(&body(8)), false).unwrap().is_whole);
    let mut random = fastrand::Rng::with_seed(1);
    let other: Vec<u8> = (0..2_000).map(|_| random.u8(..)).collect();
    assert!(file.write(Body::of(&other), false).unwrap().is_whole);
    assert_eq!(read(&path, None).unwrap(), Found::Body(other));
    let mut file = CheckpointFile::new(path.clone());
    assert!(file.write(Body::of(&body(9)), false).unwrap().is_whole);
    assert_eq!(read(&path, None).unwrap(), Found::Body(body(9)));
}

/// However much of the deltas a power cut leaves: the last body that is whole there.
#[test]
fn every_prefix_of_the_deltas_is_a_body_that_was_durable() {
    let folder = Folder::new("prefix");
    let path = folder.0.join("windows.checkpoint");
    write_all(&mut CheckpointFile::new(path.clone()), 0..6);
    let whole = fs::read(beside(&path)).unwrap();
    let mut last = 0;
    for cut in 0..=whole.len() {
        fs::write(beside(&path), &whole[..cut]).unwrap();
        let found = read(&path, None).unwrap();
        let step = (0..6).find(|step| found == Found::Body(body(*step)));
        let step = step.unwrap_or_else(|| panic!("{cut}: {found:?}"));
        assert!(step == last || step == last + 1, "{cut}: {step} after {last}");
        last = step;
    }
    assert_eq!(last, 5);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2, "nothing is set aside");
}

/// Damage costs what follows it, and is kept and told; the files stand until the next checkpoint.
#[test]
fn every_flipped_bit_of_a_delta_that_another_one_follows_is_found() {
    let folder = Folder::new("flips");
    let path = folder.0.join("windows.checkpoint");
    write_all(&mut CheckpointFile::new(path.clone()), 0..4);
    let last = fs::read(beside(&path)).unwrap().len();
    write_all(&mut CheckpointFile::new(path.clone()), 0..5);
    let whole = fs::read(beside(&path)).unwrap();
    for bit in 0..last * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(beside(&path), &flipped).unwrap();
        for _ in 0..2 {
            let found = read(&path, None).unwrap();
            let Found::Earlier { body: found, aside, .. } = found else { panic!("{bit}: {found:?}") };
            assert!((0..4).any(|step| found == body(step)), "{bit}");
            assert_eq!(fs::read(beside(&aside)).unwrap(), flipped);
            assert_eq!(fs::read(&aside).unwrap(), fs::read(&path).unwrap());
            fs::remove_file(beside(&aside)).unwrap();
            fs::remove_file(&aside).unwrap();
        }
    }
}

/// A power cut may leave the length of a file and not its bytes: zeros, or what stood there before.
#[test]
fn a_last_delta_of_other_bytes_was_not_durable() {
    let folder = Folder::new("torn");
    let path = folder.0.join("windows.checkpoint");
    write_all(&mut CheckpointFile::new(path.clone()), 0..4);
    let durable = fs::read(beside(&path)).unwrap().len();
    write_all(&mut CheckpointFile::new(path.clone()), 0..5);
    let whole = fs::read(beside(&path)).unwrap();
    for from in durable..whole.len() {
        for stale in [vec![0; whole.len() - from], whole[..whole.len() - from].to_vec()] {
            fs::write(beside(&path), [&whole[..from], &stale].concat()).unwrap();
            assert_eq!(read(&path, None).unwrap(), Found::Body(body(3)), "{from}");
        }
    }
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2, "nothing is set aside");
}

/// A checkpoint that cannot be read takes its deltas with it.
#[test]
fn deltas_of_a_damaged_checkpoint_are_set_aside_with_it() {
    let folder = Folder::new("base");
    let path = folder.0.join("windows.checkpoint");
    write_all(&mut CheckpointFile::new(path.clone()), 0..3);
    let deltas = fs::read(beside(&path)).unwrap();
    let mut whole = fs::read(&path).unwrap();
    whole[40] ^= 1;
    fs::write(&path, &whole).unwrap();
    let Found::Broken { aside, .. } = read(&path, None).unwrap() else { panic!() };
    assert_eq!((fs::read(&aside).unwrap(), fs::read(beside(&aside)).unwrap()), (whole, deltas));
    let mut file = CheckpointFile::new(path.clone());
    file.write(Body::of(b"next"), false).unwrap();
    assert_eq!(read(&path, None).unwrap(), Found::Body(b"next".to_vec()));
    assert!(beside(&aside).exists() && !beside(&path).exists());
}

/// A crash or a power cut between any two steps leaves the body before or the one after: what can stand in the folder is
/// each step's outcome, and what the file system may still have of the step before.
#[test]
fn a_crash_between_two_steps_leaves_one_body_or_the_other() {
    let folder = Folder::new("steps");
    let path = folder.0.join("windows.checkpoint");
    let mut file = CheckpointFile::new(path.clone());
    write_all(&mut file, 0..4);
    let (old, old_deltas) = (fs::read(&path).unwrap(), fs::read(beside(&path)).unwrap());
    assert!(file.write(Body::of(&body(9)), true).unwrap().is_whole);
    let new = fs::read(&path).unwrap();
    write_all(&mut CheckpointFile::new(path.clone()), 9..11);
    assert_eq!(fs::read(&path).unwrap(), new);
    let new_deltas = fs::read(beside(&path)).unwrap();
    let stands = |whole: &[u8], deltas: Option<&[u8]>, beside_it: &[u8]| {
        fs::write(&path, whole).unwrap();
        fs::write(path.with_extension("checkpoint.new"), beside_it).unwrap();
        let _ = fs::remove_file(beside(&path));
        deltas.into_iter().for_each(|deltas| fs::write(beside(&path), deltas).unwrap());
        read(&path, None).unwrap()
    };
    // The run that finds it begins with a whole one, and goes on.
    let goes_on = || {
        write_all(&mut CheckpointFile::new(path.clone()), 20..23);
        assert_eq!(read(&path, None).unwrap(), Found::Body(body(22)));
    };
    for cut in 0..=new.len() {
        assert_eq!(stands(&old, Some(&old_deltas), &new[..cut]), Found::Body(body(3)), "it is being written");
    }
    goes_on();
    assert_eq!(stands(&new, Some(&old_deltas), b""), Found::Body(body(9)), "it has been renamed");
    goes_on();
    assert_eq!(stands(&new, None, b""), Found::Body(body(9)), "the deltas are gone");
    for cut in 0..new_deltas.len() {
        assert_eq!(
            stands(&new, Some(&new_deltas[..cut]), b""),
            Found::Body(body(9)),
            "a delta is being written"
        );
    }
    goes_on();
    assert_eq!(stands(&new, Some(&new_deltas), b""), Found::Body(body(10)));
}

/// What is there after an error nobody knows, so the next one is written whole.
#[test]
fn a_failed_write_is_followed_by_a_whole_one() {
    let folder = Folder::new("failed");
    let path = folder.0.join("windows.checkpoint");
    let mut file = CheckpointFile::new(path.clone());
    write_all(&mut file, 0..1);
    // Something that is no file stands where the deltas would be.
    fs::create_dir(beside(&path)).unwrap();
    file.write(Body::of(&body(1)), false).unwrap_err();
    fs::remove_dir(beside(&path)).unwrap();
    assert_eq!(read(&path, None).unwrap(), Found::Body(body(0)));
    assert!(file.write(Body::of(&body(2)), false).unwrap().is_whole);
    assert_eq!(read(&path, None).unwrap(), Found::Body(body(2)));
}

#[test]
fn deltas_end_when_they_are_many_times_the_whole() {
    let folder = Folder::new("many");
    let path = folder.0.join("windows.checkpoint");
    let mut file = CheckpointFile::new(path.clone());
    let noise = |step: u64| {
        let mut body = Vec::new();
        let mut random = fastrand::Rng::with_seed(step);
        put_section(&mut body, 1, 1, |to| to.extend((0..40_000).map(|_| random.u8(..))));
        body
    };
    let mut written = Vec::new();
    for step in 0..60 {
        written.push(file.write(Body::of(&noise(step)), false).unwrap());
        assert!(read(&path, None).unwrap() == Found::Body(noise(step)), "{step}");
    }
    let whole: Vec<usize> = (0..60).filter(|step| written[*step].is_whole).collect();
    assert_eq!(whole.len(), 3, "1 MiB of 40,000 bytes each: {whole:?}");
}

#[test]
fn deltas_that_memory_has_no_room_for_are_left_out() {
    let folder = Folder::new("memory");
    let path = folder.0.join("windows.checkpoint");
    write_all(&mut CheckpointFile::new(path.clone()), 0..3);
    let Found::Earlier { body: found, why, .. } = read(&path, Some(800)).unwrap() else { panic!() };
    assert!(found == body(0) && why.contains("memory has room"), "{why}");
}

#[test]
fn what_is_kept_for_an_upgrade_is_kept_with_its_deltas() {
    let folder = Folder::new("kept");
    let path = folder.0.join("windows.checkpoint");
    let mut file = CheckpointFile::new(path.clone());
    write_all(&mut file, 0..3);
    let kept = keep(&path).unwrap().unwrap();
    write_all(&mut CheckpointFile::new(path.clone()), 7..9);
    assert_eq!(read(&kept, None).unwrap(), Found::Body(body(2)));
    assert_eq!(read(&path, None).unwrap(), Found::Body(body(8)));
}

/// What was written is read for ever, whatever deflates it.
#[test]
fn the_layout_is_what_it_was() {
    const DELTAS: &str = "48574344010000004c000000b3ffffff5162ba9801000000ce010000000000007d2984f0e0010000000000002eba426d\
        6dccb11100200c02c018600d5dc1311cc7e11d403b5248c1dd17d02382631ee95f5bab95186f67003032d390ca01c90b4b000000b4ffffff\
        0a7b4e5f02000000e0010000000000002eba426df2010000000000005a1944476dc7cb0900200c04d1f59f2ab405fbb0198bb700612f4b20\
        ef303013405dfb598b73ed644f5f480fd227d277d20ffa";
    let folder = Folder::new("layout");
    let path = folder.0.join("windows.checkpoint");
    write(&path, &body(0)).unwrap();
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let bytes: Vec<u8> = DELTAS.as_bytes().chunks(2).map(byte).collect();
    fs::write(beside(&path), bytes).unwrap();
    assert_eq!(read(&path, None).unwrap(), Found::Body(body(2)));
}
