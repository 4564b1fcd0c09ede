//! Clocks that are wrong, in virtual time: one reading a second, stamped on arrival, in windows of ten seconds.

mod alerts;
mod deeds;

use super::*;
use crate::config;
use headwater_pipeline::event::Event;
use headwater_pipeline::pipeline::{Pipeline, SeriesHandle, SourceEntry, TakenAt};
use headwater_pipeline::sections::body::StoredBody;
use headwater_pipeline::sections::unread::Unread;
use headwater_wire::{Encoding, Wire, read};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// 2027-01-15T08:00:00Z; all of this happens after the build.
const TRUE: i64 = 1_800_000_000_000;

const CONFIG: &str = "[sources.s]\ntype = \"mqtt\"\nurl = \"mqtt://h\"\ntopics = [\"#\"]\n[streams.w]\n\
    window = { type = \"tumbling\", size = \"10s\" }\naggregates = [\"count\"]\n\
    [[streams.w.detectors]]\ntype = \"missing\"\nafter = \"5s\"\n\
    [[streams.w.detectors]]\ntype = \"threshold\"\nabove = 5.0\nper_hour = 0\n";

/// A machine with its clocks, and an agent on it.
struct World {
    /// The true time, the wall clock's error, and when the machine booted.
    truth: i64,
    error: i64,
    booted: i64,
    sync: SyncState,
    boot: usize,
    boots: Arc<Boots>,
    agent: Option<(AgentClock, Pipeline, SeriesHandle)>,
    /// What was made, in order.
    made: Vec<Event>,
    corrections: Vec<Correction>,
    changes: Vec<Change>,
    readings: i64,
    tenths: i64,
    /// The agent's time when the clocks were last looked at, and the time since boot then (ms).
    alive: (AgentTime, i64),
    /// Of every reading; above 5 the alarm is raised.
    value: f64,
}

impl World {
    /// Booted ten seconds ago, with a wall clock that is wrong by `error` (ms).
    fn new(error: i64, sync: SyncState) -> Self {
        let mut world = Self {
            truth: TRUE,
            error,
            booted: TRUE - 10_000,
            sync,
            boot: 0,
            boots: Arc::default(),
            agent: None,
            made: Vec::new(),
            corrections: Vec::new(),
            changes: Vec::new(),
            readings: 0,
            tenths: 0,
            alive: (AgentTime(0), 0),
            value: 1.0,
        };
        world.start(&Past::default(), None, false);
        world
    }

    fn up_ms(&self) -> i64 {
        self.truth - self.booted
    }

    fn sample(&self) -> Sample {
        Sample { wall: Time(self.truth + self.error), up_ms: self.up_ms(), sync: self.sync }
    }

    /// The agent starts, from what an earlier run has saved; `after_crash`: that run went on after it.
    fn start(&mut self, past: &Past, state: Option<Vec<u8>>, after_crash: bool) {
        let (config, document) = config::parse(Path::new("t.toml"), CONFIG, |_| None);
        let config = config.unwrap_or_else(|| panic!("{}", document.render_all()));
        let sources = vec![SourceEntry { name: "s".to_owned(), future_ms: 300_000, is_durable: false }];
        let mut pipeline = Pipeline::new("a", sources, config.streams, config.limits);
        if let Some(state) = state {
            let (stored, mut unread) = (StoredBody::new(&state), Unread::default());
            stored.note_unknown(&mut unread);
            pipeline.restore_within(past.alive, stored, || None, &mut unread).unwrap();
            assert!(unread.is_empty());
        }
        let boot = BootId::from(format!("boot-{}", self.boot).as_str());
        let clock = AgentClock::start_at(self.sample(), boot, config.clock, self.boots.clone(), past);
        let now = clock.now_at(self.up_ms());
        assert_eq!(now.alive, past.alive, "it stands still while the agent is away");
        self.alive = (now.alive, self.up_ms());
        pipeline.resume_after(now, after_crash, clock.restart_gap());
        pipeline.stamp_with(clock.unsynced_boot());
        pipeline.place_alerts(&|boot| clock.offset_of(boot));
        let series = pipeline.introduce(0, "t", &[]).unwrap();
        self.agent = Some((clock, pipeline, series));
    }

    /// The machine is off for a while; `wall` is what its clock says when it is on again.
    fn reboot(&mut self, off_ms: i64, wall: i64) {
        let (past, state) = self.checkpoint();
        self.boot_from(&past, state, (off_ms, wall), false);
    }

    /// What the next run goes on from.
    fn checkpoint(&mut self) -> (Past, Vec<u8>) {
        let up_ms = self.up_ms();
        let (clock, pipeline, _) = self.agent.as_mut().unwrap();
        self.made.extend(pipeline.drain().map(|(_, event)| event));
        let now = clock.now_at(up_ms);
        clock.boots.seen(up_ms);
        let past = Past {
            boot: Some(clock.boot.clone()),
            synced: now.synced,
            time: now.time,
            alive: now.alive,
            corrected_ms: clock.steady.get().corrected_ms(),
        };
        let mut state = Vec::new();
        pipeline.checkpoint(now, &mut state);
        (past, state)
    }

    fn boot_from(&mut self, past: &Past, state: Vec<u8>, (off_ms, wall): (i64, i64), after_crash: bool) {
        self.truth += off_ms;
        self.booted = self.truth;
        self.truth += 5_000;
        self.error = wall + 5_000 - self.truth;
        self.boot += 1;
        self.start(past, Some(state), after_crash);
    }

    /// Time passes, with a reading every second.
    fn run(&mut self, ms: i64) {
        for _ in 0..ms / 100 {
            self.truth += 100;
            self.tenths += 1;
            let (up_ms, sample) = (self.up_ms(), self.sample());
            let (clock, pipeline, series) = self.agent.as_mut().unwrap();
            if self.tenths % 5 == 0 {
                let before = clock.now_at(up_ms);
                let change = clock.look_at(sample);
                if let Some(Change::Set { by_ms } | Change::Moved { by_ms }) = change {
                    pipeline.on_clock_step(before, by_ms, None);
                    self.corrections.extend(clock.settle());
                }
                self.changes.extend(change);
            }
            let now = clock.now_at(up_ms);
            let (alive, passed_ms) = (self.alive.0, up_ms - self.alive.1);
            let apart_ms = now.alive.since(alive) - passed_ms;
            assert!(apart_ms.abs() <= passed_ms / 10 + 1, "the agent's time never steps: {apart_ms} ms");
            self.alive = (now.alive, up_ms);
            pipeline.on_tick(now);
            if self.tenths % 10 == 0 {
                pipeline.on_reading(*series, TakenAt::Arrival, self.value, now);
                self.readings += 1;
            }
            self.made.extend(pipeline.drain().map(|(_, event)| event));
        }
    }

    /// What outputs get when all that is held goes now.
    fn sent(&self) -> Vec<Wire> {
        let json = |event: &Event| {
            let mut bytes = Vec::new();
            Encoding::Json.encode(event, &*self.boots, &mut bytes).unwrap();
            bytes
        };
        self.made.iter().map(|event| read(&json(event)).unwrap()).collect()
    }

    /// The summaries: start and end relative to the first moment, how many readings, and what the clock was.
    fn table(&self) -> Vec<(i64, i64, i64, String)> {
        let number = |message: &Wire, key| message.number(key).unwrap() as i64;
        let row = |message: &Wire| {
            let (start, end) = (number(message, "start") - TRUE, number(message, "end") - TRUE);
            (start, end, number(message, "count"), message.text("clock").to_owned())
        };
        self.sent().iter().filter(|message| message.text("kind") == "summary").map(row).collect()
    }

    /// The alerts: their ids, and whether they were raised or cleared.
    fn alerts(&self) -> Vec<(String, String)> {
        let sent = self.sent();
        let alerts = sent.iter().filter(|message| message.text("kind") == "alert");
        alerts.map(|alert| (alert.text("id").to_owned(), alert.text("state").to_owned())).collect()
    }

    /// Whatever the clocks did: every reading is in exactly one summary or in an open window, no two messages have one
    /// id, nobody says that readings are missing, and what was raised is cleared under its own id.
    fn check(&self) {
        let (_, pipeline, _) = self.agent.as_ref().unwrap();
        let counted: i64 = self.table().iter().map(|(_, _, count, _)| count).sum();
        assert_eq!(counted + pipeline.totals().in_windows, self.readings, "{:?}", pipeline.totals());
        assert_eq!(pipeline.totals().late, 0);
        let sent = self.sent();
        let mut ids = BTreeSet::new();
        for message in &sent {
            assert_ne!(message.text("detector"), "missing", "{message:?}");
            let id = (message.text("id").to_owned(), message.number("rev").map(|rev| rev as i64));
            assert!(ids.insert(id.clone()), "{id:?} twice: {:?}", self.table());
        }
        let alerts = self.alerts();
        for pair in alerts.chunks(2) {
            assert_eq!(pair[0].1, "raised");
            if let Some(cleared) = pair.get(1) {
                assert_eq!(*cleared, (pair[0].0.clone(), "cleared".to_owned()));
            }
        }
        let raised: BTreeSet<_> = alerts.iter().map(|(id, _)| id.as_str()).collect();
        let evidence = sent.iter().filter(|message| message.text("kind") == "evidence");
        evidence.for_each(|evidence| assert!(raised.contains(evidence.text("alert")), "{evidence:?}"));
    }
}

const HOUR: i64 = 3_600_000;

/// The table of cases, to the millisecond; `cargo test -p headwater cases_of -- --nocapture` prints it.
#[test]
fn cases_of_wrong_clocks_and_what_comes_out() {
    let case = |name: &str, world: &World, expected: &[(i64, i64, i64, &str)]| {
        println!("{name}");
        for (start, end, count, clock) in world.table() {
            println!("    {start:>10} ..{end:>10} ms  {count:>2} readings  {clock}");
        }
        world.check();
        let table = world.table();
        let rows: Vec<_> =
            table.iter().map(|(start, end, count, clock)| (*start, *end, *count, clock.as_str())).collect();
        assert_eq!(rows, expected, "{name}");
    };

    let mut world = World::new(0, SyncState::Synced);
    world.run(30_000);
    case(
        "synchronised from the start",
        &world,
        &[(0, 10_000, 9, ""), (10_000, 20_000, 10, ""), (20_000, 30_000, 10, "")],
    );
    assert!(world.made.iter().all(|event| !event.clock().is_unsynced()));

    // Windows are aligned on the timeline since boot, and moved as they are when the time is known.
    for (year, wall) in [(1970, 7_000), (2021, 1_609_459_207_000)] {
        let mut world = World::new(wall - TRUE, SyncState::Unknown);
        world.run(25_000);
        assert!(world.made.iter().all(|event| event.clock().is_unsynced()));
        assert!(world.table().iter().all(|(.., clock)| clock == "unsynced"));
        world.error = 0;
        world.run(15_000);
        assert_eq!(world.changes, [Change::Set { by_ms: TRUE - wall }]);
        case(
            &format!("booted in {year}, synchronised after 25.5 s"),
            &world,
            &[
                (-7_000, 3_000, 2, ""),
                (3_000, 13_000, 10, ""),
                (13_000, 23_000, 10, ""),
                (23_000, 25_500, 3, ""),
                (20_000, 30_000, 4, ""),
                (30_000, 40_000, 10, ""),
            ],
        );
    }

    let mut world = World::new(7_000 - TRUE, SyncState::Unknown);
    world.run(20_000);
    world.boots.announce();
    case(
        "booted in 1970, never synchronised",
        &world,
        &[(-TRUE, 10_000 - TRUE, 2, "unsynced"), (10_000 - TRUE, 20_000 - TRUE, 10, "unsynced")],
    );
    world.error = 0;
    world.run(500);
    let correction = Correction { boot: "boot-0".into(), offset_ms: TRUE - 7_000, estimated: false };
    assert_eq!(world.corrections, [correction]);

    // Three boots, 60 s off between them; the last one learns the time after 10.5 s. What it made is exact; the others
    // ended, at the latest, when the next one began.
    let mut world = World::new(7_000 - TRUE, SyncState::Unknown);
    world.run(20_000);
    world.reboot(60_000, 3_000);
    world.run(15_000);
    world.reboot(60_000, 0);
    world.run(5_000);
    world.error = 0;
    world.run(5_000);
    case(
        "two boots that never knew the time, and a third",
        &world,
        &[
            (113_000, 123_000, 2, "estimated"),
            (123_000, 133_000, 10, "estimated"),
            (133_000, 140_000, 8, "estimated"),
            (137_000, 147_000, 1, "estimated"),
            (147_000, 157_000, 10, "estimated"),
            (157_000, 160_000, 4, "estimated"),
            (160_000, 170_000, 4, ""),
            (170_000, 170_500, 1, ""),
        ],
    );
    assert!(world.corrections.is_empty(), "nothing went out before");

    // Set by two seconds while it runs: windows do not see it, not even that they last a little longer.
    for step in [2_000, -2_000] {
        let mut world = World::new(0, SyncState::Synced);
        world.run(25_000);
        world.error = step;
        world.run(15_500);
        assert_eq!(world.changes, [Change::Followed { by_ms: step }]);
        let (third, fourth) = if step > 0 { (10, 9) } else { (11, 10) };
        let rows = [(0, 9), (10_000, 10), (20_000, third), (30_000, fourth)];
        let rows = rows.map(|(start, count)| (start, start + 10_000, count, ""));
        let ended = if step > 0 { &rows[..] } else { &rows[..3] };
        case(&format!("set by {step} ms while it runs"), &world, ended);
    }

    // Set by an hour: what is open ends, the rest is on the new timeline.
    for step in [HOUR, -HOUR] {
        let mut world = World::new(0, SyncState::Synced);
        world.run(25_000);
        world.error = step;
        world.run(16_000);
        assert_eq!(world.changes, [Change::Moved { by_ms: step }]);
        case(
            &format!("set by {step} ms while it runs"),
            &world,
            &[
                (0, 10_000, 9, ""),
                (10_000, 20_000, 10, ""),
                (20_000, 25_500, 6, ""),
                (step + 20_000, step + 30_000, 4, ""),
                (step + 30_000, step + 40_000, 10, ""),
            ],
        );
    }

    // Suspended for an hour: time has passed, and nothing was set.
    let mut world = World::new(0, SyncState::Synced);
    world.run(25_000);
    world.truth += HOUR;
    world.run(16_000);
    assert_eq!(world.changes, []);
    let after = HOUR + 20_000;
    println!("suspended for an hour: {:?}", world.table());
    let row = |start: i64, count| (start, start + 10_000, count, String::new());
    let told = [row(0, 9), row(10_000, 10), row(20_000, 6), row(after, 4), row(after + 10_000, 10)];
    assert_eq!(world.table(), told);
}

/// A clock without a battery says the same at every boot.
#[test]
fn boots_at_the_same_time_have_ids_of_their_own() {
    let mut world = World::new(0, SyncState::Unknown);
    for wall in [7_000, 7_000, 2_000] {
        world.reboot(1_000, wall);
        world.run(25_000);
    }
    world.check();
}

/// The power is cut after a window was told that the checkpoint holds as open. The next run ends it under the id that it was
/// told with, above the revisions of that run, and says that it is partial.
#[test]
fn a_window_that_was_open_at_a_power_cut_has_one_id() {
    for (wall, sync) in [(7_000, SyncState::Unknown), (TRUE, SyncState::Synced)] {
        let mut world = World::new(wall - TRUE, sync);
        world.run(25_000);
        let (past, state) = world.checkpoint();
        world.run(15_000);
        world.sync = SyncState::Unknown;
        world.boot_from(&past, state, (60_000, 3_000), true);
        world.run(15_000);
        world.error = 0;
        world.sync = SyncState::Synced;
        world.run(1_000);
        let mut told: BTreeMap<String, Vec<(i64, i64, bool)>> = BTreeMap::new();
        for message in world.sent().iter().filter(|message| message.text("kind") == "summary") {
            let number = |key| message.number(key).unwrap() as i64;
            let content = (number("rev"), number("count"), message.get("partial").is_some());
            told.entry(message.text("id").to_owned()).or_default().push(content);
        }
        let again: Vec<_> = told.values().filter(|told| told.len() > 1).collect();
        let [[whole, part]] = again.iter().map(|told| [told[0], told[1]]).collect::<Vec<_>>()[..] else {
            panic!("{told:?}")
        };
        assert!(whole.1 > part.1 && part.0 > whole.0 && (whole.2, part.2) == (false, true), "{told:?}");
        let starts: BTreeSet<_> = told.keys().map(|id| id.split('+').next().unwrap()).collect();
        assert_eq!(starts.len(), told.len(), "{told:?}");
    }
}
