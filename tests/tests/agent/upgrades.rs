//! State of other versions. The agent goes on with that of every released version; a part that it cannot read costs itself
//! alone.

use headwater_tests::agent::state_dir;
use headwater_tests::state::{Changed, HEADER, Outcome, cases, crc32, folders, go_on, make, seal};
use headwater_tests::{Agent, Message, Mosquitto, Publisher, Subscriber, TempDir};
use std::fs;

/// The folders of released versions, which never change; see `tests/state/make`.
#[test]
fn the_state_of_every_released_version_is_gone_on_with() {
    for folder in folders() {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a case's name");
        let case = cases().into_iter().find(|case| case.name == name).expect("a case that is known");
        println!("{}", folder.display());
        let told = fs::read_to_string(folder.join("outcome.jsonl")).expect("what was said then");
        let config = fs::read_to_string(folder.join("config.toml")).expect("the config of then");
        let version = folder.parent().and_then(|version| version.file_name()?.to_str());
        let changed = Changed::since(version.expect("a version's name"), &case);
        Outcome::read(&told).check_later(&go_on(&case, &folder, &config), changed);
    }
}

/// The folders of the next release, as this program makes them.
#[test]
fn the_state_of_this_version_is_gone_on_with() {
    for case in cases() {
        let folder = TempDir::new();
        make(&case, &folder);
        let told = fs::read_to_string(folder.join("outcome.jsonl")).expect("what was said");
        let outcome = Outcome::read(&told);
        outcome.check_later(&go_on(&case, &folder, &case.config), Changed::default());
        assert!(told.contains("\"repeated\":5"), "what the source remembers: {told}");
        assert!(
            case.name == "offline" || outcome.count("alert") > 20 && outcome.count("reading") > 100,
            "{told}"
        );
    }
}

const SERIES: usize = 4;

/// A checkpoint of four series, each with readings in windows and a detector, and its surroundings.
struct Field {
    broker: Mosquitto,
    subscriber: Subscriber,
    dir: TempDir,
    config: String,
}

impl Field {
    fn new() -> Self {
        let broker = Mosquitto::start();
        let (subscriber, dir) = (Subscriber::new(broker.port), TempDir::new());
        let mut config = crate::Config::new(broker.port, broker.port);
        config.streams += "\n[[streams.main.detectors]]\ntype = \"zscore\"\n";
        let field = Self { subscriber, dir, config: config.text(), broker };
        let agent = Agent::start(&field.dir, &field.config);
        crate::wait_source(&field.broker, 1);
        field.publish(0);
        // All readings are in when the window of the last one is told.
        let told =
            |messages: &headwater_tests::Messages| messages.summaries("main", "sensors/p3/temp").len() == 1;
        field.subscriber.wait_until("a window", told);
        assert_eq!(agent.terminate().code(), Some(0));
        field
    }

    /// Publishes two readings of a day and one of the next for every series.
    fn publish(&self, day: i64) {
        let mut publisher = Publisher::new(self.broker.port);
        let time = 1_700_006_400_000 + day * 86_400_000;
        for place in (0..SERIES).map(|n| format!("p{n}")) {
            let readings = [(time, 1.0), (time + 1_000, 2.0), (time + crate::WINDOW_MS, 3.0)];
            crate::publish(&mut publisher, &place, "temp", &readings);
        }
    }

    /// Changes the checkpoint and goes on with it. Returns the report of cause `upgrade`.
    fn go_on(&self, change: impl FnOnce(&mut Vec<u8>)) -> Message {
        let path = state_dir(&self.dir).join("windows.checkpoint");
        let mut file = fs::read(&path).expect("a checkpoint");
        change(&mut file);
        fs::write(&path, &file).expect("a checkpoint of another program");
        let agent = Agent::start(&self.dir, &self.config);
        let upgrade = |messages: &headwater_tests::Messages| messages.has_cause("upgrade");
        self.subscriber.wait_until("the report", upgrade);
        let windows = |messages: &headwater_tests::Messages| {
            let places = (0..SERIES).map(|n| format!("sensors/p{n}/temp"));
            places.filter(|series| messages.summaries("main", series).len() >= 3).count() == SERIES
        };
        self.publish(1);
        self.subscriber.wait_until("the next day's windows", windows);
        assert_eq!(agent.terminate().code(), Some(0));
        assert_eq!(fs::read(path.with_extension("upgrade-1")).expect("it is kept"), file, "as it was");
        assert!(!path.with_extension("damaged-1").exists());
        let messages = self.subscriber.messages();
        messages.check_accounts();
        messages.check_repeats();
        let report = messages.of("report").find(|report| report.text("cause") == "upgrade").cloned();
        report.expect("the report")
    }
}

/// The beginning of each section, with its tag.
fn starts(file: &[u8]) -> Vec<(usize, u16)> {
    let mut at = HEADER;
    std::iter::from_fn(|| {
        let header = file.get(at..at + 8)?;
        let start = at;
        at += 8 + u32::from_le_bytes(header[4..8].try_into().expect("a length")) as usize;
        Some((start, u16::from_le_bytes([header[0], header[1]])))
    })
    .collect()
}

/// The section of a series in a stream.
const CHANNEL: u16 = 21;

#[test]
fn a_checkpoint_of_a_newer_version_costs_what_this_one_does_not_know() {
    let field = Field::new();
    let report = field.go_on(|file| {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let channel = starts(file).into_iter().find(|(_, tag)| *tag == CHANNEL).expect("a series").0;
        // A later frame, a later version of one series, and a section of something else in the middle.
        file[4] += 1;
        file[channel + 2] = 9;
        file.splice(channel..channel, [&[0x39, 0x30, 1, 0, 4, 0, 0, 0][..], b"more"].concat());
        seal(file);
    });
    let detail = report.text("detail");
    assert!(detail.contains("section 12345 of version 1 is passed over"), "{detail}");
    assert!(
        detail.contains("a series starts anew: the state is of version 9, this program reads 1"),
        "{detail}"
    );
    assert!(detail.contains("1 readings in open windows given up"), "{detail}");
    assert!(detail.contains("windows.upgrade-1"), "{detail}");
    let of = |place: usize| {
        let messages = field.subscriber.messages();
        let series = format!("sensors/p{place}/temp");
        let counts: Vec<i64> =
            messages.summaries("main", &series).values().map(|summary| summary.integer("count")).collect();
        counts
    };
    let counts: Vec<Vec<i64>> = (0..SERIES).map(of).collect();
    assert_eq!(
        counts.iter().filter(|counts| counts.starts_with(&[2, 1, 2])).count(),
        SERIES - 1,
        "{counts:?}"
    );
}

#[test]
fn a_section_that_is_cut_off_costs_itself() {
    let field = Field::new();
    let report = field.go_on(|file| {
        file.truncate(file.len() - 5);
        seal(file);
    });
    let detail = report.text("detail");
    assert!(detail.contains("section 21 at byte") && detail.contains("is cut off"), "{detail}");
}

/// Waiting messages know their streams by name. Readings in windows of a stream that has gone are accounted for.
#[test]
fn a_buffer_goes_out_under_a_config_that_no_longer_has_its_streams() {
    let case = cases().into_iter().find(|case| case.name == "stopped").expect("the case");
    let folder = TempDir::new();
    make(&case, &folder);
    let told = fs::read_to_string(folder.join("outcome.jsonl")).expect("what was said");
    let case = case.without_streams();
    let outcome = go_on(&case, &folder, &case.config);
    let buffered = outcome.count("reading");
    assert!(buffered > 50, "{buffered} readings of the buffer");
    let all = Outcome::read(&told).count("reading");
    assert!(buffered < all, "{buffered} of {all}: what comes now is wanted by no stream");
}
