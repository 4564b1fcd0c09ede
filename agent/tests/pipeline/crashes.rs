//! Crashes in virtual time: a random stream, checkpoints that become durable or not, and crashes and stops in between.
//! What was told before a crash stays told.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const STREAMS: &str = "[streams.t]\naggregates = [\"count\", \"sum\"]\nwindow = { type = \"tumbling\", size = \"10s\" }\n\
    lateness = \"1s\"\nidle = \"5s\"\n[[streams.t.detectors]]\ntype = \"jump\"\nabove = 20.0\nper_hour = 0\n\
    [streams.s]\naggregates = [\"count\", \"sum\"]\nwindow = { type = \"sliding\", size = \"20s\", every = \"5s\" }\n\
    lateness = \"1s\"\nidle = \"5s\"\n\
    [streams.g]\nwindow = { type = \"session\", gap = \"3s\" }\nlateness = \"0s\"\nidle = \"5s\"\n\
    [streams.c]\naggregates = [\"first\", \"last\"]\nwindow = { type = \"count\", size = 7 }\n\
    [streams.n]\nwindow = { type = \"none\" }\n";

#[derive(Clone, Debug)]
enum Op {
    /// One reading, after so long, so much earlier or later than now (ms).
    Read(i64, i64),
    /// Time passes (ms).
    Pass(i64),
    /// A checkpoint is taken.
    Save,
    /// The one taken last is durable.
    Written,
    /// And whether the clock is synchronised when the next life begins, or later.
    Crash(bool),
    /// Stopped and started as it should be.
    Stop,
    /// The series gives way.
    Forget,
}

fn op() -> impl Strategy<Value = Op> {
    let apart = prop_oneof![6 => -2_000..500_i64, 2 => -40_000..0_i64, 1 => 0..200_000_i64];
    prop_oneof![
        40 => (0..2_500_i64, apart).prop_map(|(after, apart)| Op::Read(after, apart)),
        8 => (0..15_000_i64).prop_map(Op::Pass),
        4 => Just(Op::Save),
        4 => Just(Op::Written),
        2 => any::<bool>().prop_map(Op::Crash),
        1 => Just(Op::Stop),
    ]
}

/// State as it was taken, and how many readings it knows.
#[derive(Clone)]
struct Saved {
    state: Vec<u8>,
    rev_limit: RevLimit,
    read: usize,
    survived: usize,
}

/// One agent's lives, and what its subscriber has seen.
struct World {
    /// Whether the source hands over again what a crash has made the agent forget.
    durable: bool,
    pipeline: Pipeline,
    now: i64,
    synced: bool,
    life: u32,
    /// Everything that the device has sent, and how much of it this life has read.
    sent: Vec<(i64, f64)>,
    read: usize,
    /// What the agent has read and not forgotten.
    survived: Vec<(i64, f64)>,
    has_crashed: bool,
    on_disk: Saved,
    taken: Option<Saved>,
    told: BTreeMap<(String, i64), (u32, Wire)>,
}

fn fresh(durable: bool) -> Pipeline {
    let (config, document) = config::parse(Path::new("test.toml"), &format!("{SOURCE}{STREAMS}"), |_| None);
    let config = config.unwrap_or_else(|| panic!("{}", document.render_all()));
    let sources = vec![SourceEntry { name: "s".to_owned(), future_ms: 300_000, is_durable: durable }];
    Pipeline::new("a1", sources, config.streams, config.limits)
}

impl World {
    fn new(durable: bool) -> Self {
        let mut pipeline = fresh(durable);
        let mut state = Vec::new();
        let rev_limit = pipeline.checkpoint(at(START), &mut state);
        let on_disk = Saved { state, rev_limit, read: 0, survived: 0 };
        let mut world = Self {
            durable,
            pipeline,
            now: START,
            synced: true,
            life: 0,
            sent: Vec::new(),
            read: 0,
            survived: Vec::new(),
            has_crashed: false,
            on_disk,
            taken: None,
            told: BTreeMap::new(),
        };
        world.pipeline.on_durable(rev_limit);
        world
    }

    fn at(&self) -> Now {
        Now { synced: self.synced, ..at(self.now) }
    }

    fn save(&mut self) -> Saved {
        let mut state = Vec::new();
        let rev_limit = self.pipeline.checkpoint(self.at(), &mut state);
        Saved { state, rev_limit, read: self.read, survived: self.survived.len() }
    }

    fn written(&mut self, saved: Saved) {
        self.pipeline.on_durable(saved.rev_limit);
        self.on_disk = saved;
    }

    /// The next life begins with what is on disk.
    fn restart(&mut self, crashed: bool) {
        self.life += 1;
        self.has_crashed |= crashed;
        self.taken = None;
        self.pipeline = fresh(self.durable);
        let mut state = StateReader::new(&self.on_disk.state);
        assert_eq!(self.pipeline.restore_since(self.at().alive, &mut state), Ok(0));
        self.pipeline.resume(self.at(), crashed);
        if self.durable {
            self.read = self.on_disk.read;
        }
        self.survived.truncate(self.on_disk.survived);
        // As the agent does, before anything is told.
        let saved = self.save();
        self.written(saved);
        self.catch_up();
    }

    fn catch_up(&mut self) {
        while let Some((time, value)) = self.sent.get(self.read).copied() {
            self.read += 1;
            self.survived.push((time, value));
            let series = self.pipeline.introduce(0, "x", &[]).unwrap();
            self.pipeline.on_reading(series, TakenAt::Event(time), value, self.at());
            self.hear();
        }
    }

    fn pass(&mut self, ms: i64) {
        let end = self.now + ms;
        while let Some(due) = self.pipeline.poll_timeout().filter(|due| due.0 <= end) {
            self.now = self.now.max(due.0);
            self.pipeline.on_tick(self.at());
            self.hear();
        }
        (self.now, self.synced) = (end, self.synced || ms > 5_000);
        self.pipeline.on_tick(self.at());
        self.hear();
    }

    /// What is told is told: under one id and revision, one content.
    fn hear(&mut self) {
        for message in drained(&mut self.pipeline) {
            let key = (message.text("id").to_owned(), message.number("rev").unwrap() as i64);
            let (life, first) = self.told.entry(key).or_insert((self.life, message.clone()));
            assert_eq!(*first, message, "two contents");
            *life = self.life;
        }
        if self.pipeline.wants_checkpoint() && self.taken.is_none() {
            self.taken = Some(self.save());
        }
        self.check_accounts();
    }

    /// Every reading that this life knows of is in the accounts once, in whole and in parts.
    fn check_accounts(&self) {
        let ledger = self.pipeline.ledger();
        assert!(ledger.balances(), "{ledger:?}");
        let [(_, source)] = &ledger.sources[..] else { panic!("{ledger:?}") };
        assert_eq!((source.received, source.selected), (self.survived.len() as i64, source.received));
        for (name, counts) in &ledger.streams {
            assert_eq!(counts.received, source.selected, "{name}");
        }
        assert_eq!(ledger.total.received, source.selected * ledger.streams.len() as i64);
    }

    fn send(&mut self, time: i64) {
        let number = self.sent.len() as f64;
        self.sent.push((time, number * 7.0 % 50.0 + number));
        self.catch_up();
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Read(after, apart) => {
                self.pass(*after);
                self.send(self.now + apart);
            }
            Op::Pass(ms) => self.pass(*ms),
            Op::Save => self.taken = Some(self.save()),
            Op::Written => {
                if let Some(saved) = self.taken.take() {
                    self.written(saved);
                }
            }
            Op::Forget => {
                self.pipeline.forget(0, "x", self.at());
                self.hear();
            }
            Op::Crash(synced) => {
                self.synced = *synced;
                self.restart(true);
            }
            Op::Stop => {
                let saved = self.save();
                self.written(saved);
                self.restart(false);
            }
        }
    }

    /// Until everything is told; no window is open any more.
    fn finish(&mut self) {
        for _ in 0..100 {
            let saved = self.save();
            self.written(saved);
            self.pass(60_000);
        }
    }

    /// Whoever takes the higher revision, and leaves out a partial one for a fuller one, is never told of fewer readings
    /// than before; without a crash nothing is partial. (What is delivered again comes in several revisions, and what the
    /// clock ends before a later reading comes is partial until then.)
    fn check_partial(&self) {
        let mut taken: BTreeMap<&str, (f64, bool)> = BTreeMap::new();
        let is_cut = |summary: &&Wire| {
            summary.text("kind") == "summary" && ["t", "s"].contains(&summary.text("stream"))
        };
        for ((id, _), (_, summary)) in &self.told {
            let Some(summary) = Some(summary).filter(is_cut) else { continue };
            let (count, is_partial) = (summary.number("count").unwrap(), summary.get("partial").is_some());
            assert!(!is_partial || self.has_crashed, "{id} is partial");
            let taken = taken.entry(id).or_insert((count, is_partial));
            assert!(
                is_partial || self.durable || count >= taken.0,
                "{id} lacks readings, and does not say so"
            );
            assert!(is_partial || !taken.1 || self.durable, "{id} was partial before");
            if !is_partial || count >= taken.0 {
                *taken = (count, is_partial);
            }
        }
    }

    /// The highest revision of every window holds what the agent has read and not forgotten.
    fn check(&self) {
        assert_eq!(self.pipeline.totals().late, 0);
        let mut last: BTreeMap<&str, &(u32, Wire)> = BTreeMap::new();
        for ((id, _), told) in &self.told {
            last.insert(id, told);
        }
        let mut seen = BTreeSet::new();
        for (id, (life, summary)) in last {
            if !["t", "s"].contains(&summary.text("stream")) || summary.text("kind") != "summary" {
                continue;
            }
            let bounds = (summary.number("start").unwrap() as i64, summary.number("end").unwrap() as i64);
            seen.insert((summary.text("stream").to_owned(), bounds.0));
            let inside = self.survived.iter().filter(|(time, _)| bounds.0 <= *time && *time < bounds.1);
            let (count, sum) = inside.fold((0.0, 0.0), |(count, sum), (_, value)| (count + 1.0, sum + value));
            let got = (summary.number("count").unwrap(), summary.number("sum").unwrap());
            // What was told before a crash, and lost by it, is not untold.
            if self.durable || *life == self.life {
                assert_eq!((got.0, got.1.round()), (count, f64::round(sum)), "{id}");
            }
            assert!(got.0 >= count, "{id}");
        }
        sessions::check(&self.told, &self.survived, self.has_crashed);
        for (time, _) in &self.survived {
            assert!(
                seen.contains(&("t".to_owned(), time.div_euclid(10_000) * 10_000)),
                "no window for {time}"
            );
        }
        if self.durable {
            let readings =
                self.told.values().filter(|(_, message)| message.text("kind") == "reading").count();
            assert_eq!(readings, self.sent.len(), "every reading once");
        }
    }
}

/// `HEADWATER_CASES`, by hand, makes it longer.
fn cases() -> u32 {
    std::env::var("HEADWATER_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_revision_ever_has_two_contents(ops in prop::collection::vec(op(), 1..250), durable: bool) {
        let mut world = World::new(durable);
        ops.iter().for_each(|op| world.run(op));
        world.finish();
        world.check();
        world.check_partial();
    }

    /// Also not if the series gives way now and then, and comes back. What it then sends of before is late.
    #[test]
    fn a_series_that_comes_back_tells_nothing_twice(ops in prop::collection::vec(prop_oneof![12 => op(), 1 => Just(Op::Forget)], 1..250), durable: bool) {
        let mut world = World::new(durable);
        ops.iter().for_each(|op| world.run(op));
        world.finish();
    }
}

/// However often a window is told of between two checkpoints, the next life tells of it above that.
#[test]
fn revisions_wait_for_a_checkpoint_rather_than_pass_the_ceiling() {
    let mut world = World::new(false);
    let late = |world: &mut World, times: usize| {
        for _ in 0..times {
            world.send(START);
            world.pass(2_000);
        }
    };
    late(&mut world, 1);
    world.pass(20_000);
    late(&mut world, 30);
    let id = format!("t/x@{START}+10000");
    let told = |world: &World| world.told.keys().filter(|(known, _)| *known == id).count();
    assert_eq!(told(&world), 8, "the others wait");
    assert!(world.pipeline.wants_checkpoint());
    world.run(&Op::Written);
    world.pass(2_000);
    assert_eq!(told(&world), 9, "all that waited is in one");
    for _ in 0..4 {
        late(&mut world, 7);
        world.run(&Op::Crash(true));
    }
    world.finish();
    world.check();
}

/// A ceiling may be lower than the one before it. What is told while its checkpoint is being written keeps to both.
#[test]
fn a_checkpoint_on_its_way_to_the_disk_counts_already() {
    let mut world = World::new(false);
    let late = |world: &mut World, start: i64, times: usize| {
        for _ in 0..times {
            world.send(start);
            world.pass(2_000);
        }
    };
    late(&mut world, START, 1);
    world.pass(20_000);
    for _ in 0..5 {
        late(&mut world, START, 6);
        world.run(&Op::Save);
        world.run(&Op::Written);
    }
    // The window with so many revisions is forgotten; those after it have few.
    let later = START + 3 * 3_600_000;
    world.pass(3 * 3_600_000);
    late(&mut world, later, 1);
    world.pass(20_000);
    world.run(&Op::Save);
    late(&mut world, later, 20);
    world.run(&Op::Written);
    world.run(&Op::Crash(true));
    late(&mut world, later, 20);
    world.finish();
}

/// A window far ahead, of before the clock was synchronised, is in the checkpoint: the next life knows of it.
#[test]
fn what_was_told_far_ahead_of_the_clock_is_told_above_it() {
    let mut world = World::new(false);
    let ahead = START + 86_400_000;
    world.synced = false;
    world.send(ahead);
    world.send(ahead + 20_000);
    world.synced = true;
    world.run(&Op::Save);
    world.run(&Op::Written);
    for _ in 0..2 {
        world.synced = false;
        world.send(ahead);
        world.pass(3_000);
        world.run(&Op::Crash(true));
    }
    world.synced = false;
    world.send(ahead);
    world.finish();
    world.check();
}
