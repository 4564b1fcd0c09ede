//! Files as a run, a crash and a full disk leave them.

use super::*;
use crate::Lane;
use crate::testing::Folder;

const PATH: &str = "out/{kind}/x-{n}.jsonl";

fn writer(folder: &Folder, max_size: u64) -> FileWriter {
    let template = PathTemplate::parse(&format!("{}/{PATH}", folder.path().display())).unwrap();
    FileWriter::new(
        Arc::new(template),
        Rotation { max_size, max_age: Duration::from_secs(3_600), gzip: false },
    )
}

/// A batch of messages of these kinds with these numbers.
fn batch(folder: &Folder, messages: &[(&str, u64)]) -> LineBatch {
    let mut batch = LineBatch::new();
    for (kind, seq) in messages {
        let place = format!("{}/out/{kind}/x-{NUMBER}.jsonl", folder.path().display());
        let lines = batch.entry(place).or_default();
        lines.text.extend_from_slice(format!("line {seq}\n").as_bytes());
        let tag = Tag { lane: Lane::Data, seq: *seq, owed: crate::output_set::OutputSet::bit(0) };
        lines.ends.push((tag, lines.text.len()));
    }
    batch
}

/// Names below `out/KIND`, and their lines.
fn files(folder: &Folder, kind: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(folder.path().join("out").join(kind)) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<_> = paths.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
    files.sort();
    files
}

fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[test]
fn files_get_their_names_when_they_are_complete() {
    let folder = Folder::new();
    let (mut writer, mut written) = (writer(&folder, 20), Vec::new());
    writer.write(&batch(&folder, &[("a", 0), ("a", 1)]), &mut written).unwrap();
    assert_eq!(files(&folder, "a"), [pair(".x-1.jsonl", "line 0\nline 1\n")]);
    writer.write(&batch(&folder, &[("a", 2), ("b", 3)]), &mut written).unwrap();
    assert_eq!(files(&folder, "a"), [pair("x-1.jsonl", "line 0\nline 1\nline 2\n")], "it has its size");
    writer.write(&batch(&folder, &[("a", 4)]), &mut written).unwrap();
    writer.finish();
    assert_eq!(files(&folder, "a")[1], pair("x-2.jsonl", "line 4\n"));
    assert_eq!(files(&folder, "b"), [pair("x-1.jsonl", "line 3\n")]);
    assert_eq!(written.iter().map(|tag| tag.seq).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

/// However many lines are written together, a file has its size and one message more at most.
#[test]
fn a_large_batch_fills_one_file_after_another() {
    let folder = Folder::new();
    let (mut writer, mut written) = (writer(&folder, 25), Vec::new());
    writer.begin("name\n");
    let messages: Vec<_> = (0..8).map(|seq| ("a", seq)).collect();
    writer.write(&batch(&folder, &messages), &mut written).unwrap();
    let expected = [
        pair(".x-3.jsonl", "name\nline 6\nline 7\n"),
        pair("x-1.jsonl", "name\nline 0\nline 1\nline 2\n"),
        pair("x-2.jsonl", "name\nline 3\nline 4\nline 5\n"),
    ];
    assert_eq!(files(&folder, "a"), expected);
    assert_eq!(written.iter().map(|tag| tag.seq).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
}

#[test]
fn every_file_begins_with_the_header() {
    let folder = Folder::new();
    let (mut writer, mut written) = (writer(&folder, 20), Vec::new());
    writer.begin("name,value\n");
    for seq in 0..3 {
        writer.write(&batch(&folder, &[("a", seq)]), &mut written).unwrap();
    }
    writer.finish();
    let expected = ["name,value\nline 0\nline 1\n", "name,value\nline 2\n"];
    assert_eq!(files(&folder, "a"), [pair("x-1.jsonl", expected[0]), pair("x-2.jsonl", expected[1])]);
}

#[test]
fn files_get_their_names_at_their_age() {
    let folder = Folder::new();
    let mut writer = writer(&folder, 1_000);
    writer.rotation.max_age = Duration::from_millis(1);
    writer.write(&batch(&folder, &[("a", 0)]), &mut Vec::new()).unwrap();
    std::thread::sleep(writer.due().unwrap());
    writer.tend();
    assert_eq!((files(&folder, "a"), writer.due()), (vec![pair("x-1.jsonl", "line 0\n")], None));
}

#[test]
fn what_a_crash_left_is_completed_without_its_torn_line() {
    let folder = Folder::new();
    let mut first = writer(&folder, 1_000);
    first.write(&batch(&folder, &[("a", 0)]), &mut Vec::new()).unwrap();
    first.growing[0].file.write_all(b"torn").unwrap();
    let mut other = writer(&folder, 1_000);
    other.write(&batch(&folder, &[("a", 1)]), &mut Vec::new()).unwrap();
    assert_eq!(files(&folder, "a")[0], pair(".x-1.jsonl", "line 0\ntorn"), "another agent has it open");
    drop((first, other));
    fs::write(folder.path().join("out/a/.x-9.jsonl"), "only torn").unwrap();
    fs::write(folder.path().join("out/a/.foreign"), "text").unwrap();
    let mut second = writer(&folder, 1_000);
    second.write(&batch(&folder, &[("b", 2)]), &mut Vec::new()).unwrap();
    let expected = [pair(".foreign", "text"), pair("x-1.jsonl", "line 0\n"), pair("x-2.jsonl", "line 1\n")];
    assert_eq!(files(&folder, "a"), expected);
}

#[test]
fn what_cannot_be_written_is_not_acknowledged_and_leaves_nothing() {
    let folder = Folder::new();
    let mut writer = writer(&folder, 1_000);
    let mut written = Vec::new();
    writer.write(&batch(&folder, &[("a", 0)]), &mut written).unwrap();
    // A file that takes nothing: as on a disk that is full.
    writer.growing[0].file = File::open(folder.path().join("out/a/.x-1.jsonl")).unwrap();
    fs::write(folder.path().join("out/b"), "a file where a folder should be").unwrap();
    let two = batch(&folder, &[("b", 1), ("c", 2)]);
    let error = writer.write(&two, &mut written).unwrap_err();
    assert!(error.starts_with("cannot make ") && error.contains("x-{n}.jsonl"), "{error}");
    let error = writer.write(&batch(&folder, &[("a", 3)]), &mut written).unwrap_err();
    assert!(error.starts_with("cannot write "), "{error}");
    assert_eq!(written.iter().map(|tag| tag.seq).collect::<Vec<_>>(), [0]);
    assert_eq!(files(&folder, "a"), [pair(".x-1.jsonl", "line 0\n")]);
    writer.write(&batch(&folder, &[("a", 3)]), &mut written).unwrap();
    assert_eq!(files(&folder, "a")[1], pair(".x-2.jsonl", "line 3\n"));
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = File::open(path).unwrap();
    io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
    text
}

#[test]
fn complete_files_are_compressed_and_their_numbers_go_on() {
    let folder = Folder::new();
    let mut writer = writer(&folder, 10);
    writer.rotation.gzip = true;
    for seq in 0..4 {
        writer.write(&batch(&folder, &[("a", seq)]), &mut Vec::new()).unwrap();
    }
    let out = folder.path().join("out/a");
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["x-1.jsonl.gz", "x-2.jsonl.gz"]);
    assert_eq!(unpacked(&out.join("x-2.jsonl.gz")), "line 2\nline 3\n");
}

/// Whatever a crash leaves between two steps of a compression, the lines are there once.
#[test]
fn a_compression_that_a_crash_ended_is_done_again_or_was_done() {
    for renamed in [false, true] {
        let folder = Folder::new();
        let out = folder.path().join("out/a");
        let mut first = writer(&folder, 1_000);
        first.write(&batch(&folder, &[("a", 0)]), &mut Vec::new()).unwrap();
        drop(first);
        if renamed {
            // The original was not removed yet.
            fs::copy(out.join(".x-1.jsonl"), out.join("copy")).unwrap();
            let completion = Completion { gzip: true, until: None };
            completion.reveal(&out.join(".x-1.jsonl"), &out.join("x-1.jsonl")).unwrap();
            fs::rename(out.join("copy"), out.join(".x-1.jsonl")).unwrap();
        } else {
            fs::write(out.join(".x-1.jsonl.gz"), "half").unwrap();
        }
        let mut second = writer(&folder, 1_000);
        second.rotation.gzip = true;
        second.write(&batch(&folder, &[("b", 2)]), &mut Vec::new()).unwrap();
        let names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["x-1.jsonl.gz"], "renamed: {renamed}");
        assert_eq!(unpacked(&out.join("x-1.jsonl.gz")), "line 0\n");
    }
}

#[test]
fn what_cannot_be_compressed_gets_its_name_as_it_is() {
    let folder = Folder::new();
    let mut writer = writer(&folder, 1_000);
    writer.write(&batch(&folder, &[("a", 0)]), &mut Vec::new()).unwrap();
    let late = Completion { gzip: true, until: Some(Instant::now()) };
    writer.growing.remove(0).complete(late);
    assert_eq!(files(&folder, "a"), [pair("x-1.jsonl", "line 0\n")]);
}
