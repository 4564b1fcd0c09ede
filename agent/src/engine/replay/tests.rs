//! Crashes in virtual time: what a journal replays is what happened, at every point of every stream.

mod damage;
mod gaps;
mod ops;

use super::super::source_positions::PositionMap;
use super::*;
use crate::journal::{Base, Identity, Journal, JournalFolder, Segments};
use headwater_kernel::detect::KINDS;
use headwater_kernel::time::Time;
use headwater_pipeline::pipeline::{SourceEntry, TakenAt};
use headwater_sensors::Receipt;
use headwater_wire::Messages;
use ops::{Op, ops};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const START: i64 = 1_700_000_040_000;

fn streams() -> String {
    let mut text = String::from(
        "[sources.s]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"#\"]\n\
         [streams.t]\nwindow = { type = \"tumbling\", size = \"10s\" }\nidle = \"8s\"\nlateness = \"1s\"\n\
         aggregates = [\"count\", \"sum\", \"p90\"]\n\
         [streams.w]\nwindow = { type = \"sliding\", size = \"20s\", every = \"5s\" }\nidle = \"8s\"\nlateness = \"1s\"\n\
         pairs = [{ a = \"*/a\", b = \"*/b\", tolerance = \"2s\" }]\n\
         [streams.g]\nwindow = { type = \"session\", gap = \"3s\" }\nidle = \"8s\"\n\
         [streams.c]\nwindow = { type = \"count\", size = 7 }\n\
         [streams.d]\nwindow = { type = \"none\" }\nfilter = { type = \"deadband\", absolute = 5.0, heartbeat = \"20s\" }\n\
         [streams.n]\nwindow = { type = \"none\" }\n",
    );
    for kind in KINDS {
        let needs = match kind.name {
            "threshold" | "jump" => "above = 30.0\n",
            "rate" => "rise = 5.0\n",
            "stuck" => "after = \"10s\"\n",
            "range" => "max = 70.0\n",
            _ => "",
        };
        text += &format!("[[streams.n.detectors]]\ntype = \"{}\"\n{needs}per_hour = 0\n", kind.name);
    }
    text + "[[streams.n.detectors]]\ntype = \"auto\"\nover = [\"*/a\", \"*/b\"]\nname = \"both\"\n"
}

fn fresh() -> Pipeline {
    of_sources("s")
}

/// A pipeline with one source of this name.
fn of_sources(name: &str) -> Pipeline {
    let (config, document) = crate::config::parse(Path::new("test.toml"), &streams(), |_| None);
    let config = config.unwrap_or_else(|| panic!("{}", document.render_all()));
    let sources = vec![SourceEntry { name: name.to_owned(), future_ms: 300_000, is_durable: false }];
    Pipeline::new("a1", sources, config.streams, config.limits)
}

fn identity() -> Identity {
    Identity { boot: "b".to_owned(), config: 7, is_synced: false }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
        let count = COUNT.replace(COUNT.get() + 1);
        let thread = std::thread::current().id();
        let name = format!("headwater-replay-{}-{thread:?}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort_by_key(|path| path.extension().unwrap().to_str().unwrap().parse::<u64>().unwrap());
        paths
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

struct Taken {
    body: Vec<u8>,
    now: Now,
    rev_limit: RevLimit,
    segment: u64,
    /// What had been told.
    told: usize,
    /// How many messages had been handed over.
    handed_over: u64,
    positions: PositionMap,
}

/// One agent's lives.
struct World {
    /// The folder that the journal begins in, and the one that it moves to.
    folder: Folder,
    other: Folder,
    identity: Identity,
    journal: Journal,
    pipeline: Pipeline,
    now: i64,
    disk: Option<Taken>,
    taken: Option<Taken>,
    /// All that was told, and how much of it is safe.
    told: Vec<Vec<u8>>,
    kept: usize,
    /// How many messages the source has handed over; the receipt of each is its number.
    handed_over: u64,
    /// Where in each of its inputs the source is: behind the last message of that series.
    positions: PositionMap,
    /// The series that this life has introduced.
    introduced: HashSet<SeriesHandle>,
}

fn bytes(at: Time, event: &Event) -> Vec<u8> {
    let message = Messages::default().message(event, at.0);
    [&[message.lane as u8], message.made_ms.to_le_bytes().as_slice(), &message.body].concat()
}

/// What a state tells from here on, if it hears a few readings more and then none: of the bytes some say how far a
/// series has been looked at, which changes nothing.
fn future(pipeline: &Pipeline, now: Now) -> Vec<Vec<u8>> {
    let (mut body, mut next) = (Vec::new(), fresh());
    pipeline.save(now, &mut body);
    next.restore_within(now.alive, StoredBody::new(&body), || None, &mut Unread::default());
    next.resume(now, false);
    let series = ["x/a", "x/b"].map(|name| next.introduce(0, name, &[]).unwrap());
    let mut time = now.time.0;
    for step in 0..40 {
        let late = [0, -700, -9_000, -33_000][step % 4];
        time += 400;
        let taken = TakenAt::Event(time + late);
        next.on_reading(series[step % 2], taken, 20.0 + step as f64, Now::uncorrected(Time(time)));
    }
    for _ in 0..100 {
        time += 1_000;
        next.on_tick(Now::uncorrected(Time(time)));
    }
    let mut told: Vec<_> = next.drain().map(|(at, event)| bytes(at, &event)).collect();
    told.sort();
    told
}

impl World {
    fn new() -> Self {
        Self::of(identity())
    }

    fn of(identity: Identity) -> Self {
        let (folder, other) = (Folder::new(), Folder::new());
        let (runtime, state) = if identity.is_synced { (&other, &folder) } else { (&folder, &other) };
        let journal = Journal::new(JournalFolder::open(&runtime.0, &state.0, identity.clone()), false);
        let mut pipeline = fresh();
        pipeline.resume(Now::uncorrected(Time(START)), false);
        let mut world = Self {
            folder,
            other,
            identity,
            journal,
            pipeline,
            now: START,
            disk: None,
            taken: None,
            told: Vec::new(),
            kept: 0,
            handed_over: 0,
            positions: PositionMap::default(),
            introduced: HashSet::new(),
        };
        world.save();
        world.written();
        world
    }

    fn at(&self) -> Now {
        Now::uncorrected(Time(self.now))
    }

    fn save(&mut self) {
        let (now, mut body) = (self.at(), Vec::new());
        let rev_limit = self.pipeline.checkpoint(now, &mut body);
        let pipeline = &self.pipeline;
        let segment = self.journal.begin(Base::of(&body), now, |opening| {
            opening.rev_limit(pipeline.rev_limit().map(|limit| limit.0));
            pipeline.source_names().for_each(|(source, name)| opening.source(source, name));
            pipeline.introduced(|series, source, name, labels| {
                opening.series(series.number(), source, name, labels);
            });
            pipeline.sources_down().for_each(|source| opening.down(source, now));
        });
        self.taken = Some(Taken {
            body,
            now,
            rev_limit,
            segment,
            told: self.told.len(),
            handed_over: self.handed_over,
            positions: self.positions.clone(),
        });
    }

    /// The source is behind this many messages; 0: the input is gone.
    fn position(&mut self, key: &[u8], handed_over: u64) {
        let at = handed_over.to_le_bytes();
        let at = if handed_over == 0 { &[][..] } else { &at };
        self.journal.position(0, key, at);
        self.positions.set(key, at);
    }

    fn written(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        self.pipeline.on_durable(taken.rev_limit);
        self.journal.drop_before(taken.segment);
        self.journal.rev_limit(self.pipeline.rev_limit().map(|limit| limit.0));
        self.kept = self.kept.max(taken.told);
        self.disk = Some(taken);
    }

    fn hear(&mut self) {
        if self.pipeline.has_events() {
            self.journal.flush();
        }
        let told = self.pipeline.drain().map(|(at, event)| bytes(at, &event));
        self.told.extend(told);
    }

    fn pass(&mut self, ms: i64) {
        let end = self.now + ms;
        while let Some(due) = self.pipeline.poll_timeout().filter(|due| due.0 <= end) {
            self.now = self.now.max(due.0);
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    fn tick(&mut self) {
        self.journal.tick(self.at());
        self.pipeline.on_tick(self.at());
        self.hear();
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Read(is_a, after, apart, value) => {
                self.pass(after);
                let name = if is_a { "x/a" } else { "x/b" };
                let series = self.pipeline.introduce(0, name, &[]).unwrap();
                let now = self.at();
                if self.introduced.insert(series) {
                    self.journal.series(series.number(), 0, name, &[]);
                }
                let taken = apart.map_or(TakenAt::Arrival, |apart| TakenAt::Event(self.now + apart));
                self.journal.reading(series.number(), taken, value, now);
                self.pipeline.on_reading(series, taken, value, now);
                self.journal.receipt(0, Receipt(self.handed_over));
                self.handed_over += 1;
                self.position(name.as_bytes(), self.handed_over);
                self.hear();
            }
            Op::Pass(ms) => self.pass(ms),
            Op::Link(is_up) => {
                self.journal.link(0, is_up, self.at());
                self.pipeline.on_link(0, is_up, self.at());
            }
            // A source forgets an input.
            Op::Invalid => {
                self.position(b"x/a", 0);
                self.journal.count(IntakeCount::Invalid, 0, 1);
                self.pipeline.on_invalid(0);
            }
            Op::Forget(is_a) => {
                let (name, now) = (if is_a { "x/a" } else { "x/b" }, self.at());
                self.journal.forgotten(0, name, now);
                self.pipeline.forget(0, name, now);
                self.hear();
            }
            Op::Save => self.save(),
            Op::Written => self.written(),
            Op::Flush => self.journal.flush(),
            Op::Kept => {
                let place = self.journal.place();
                self.kept = self.told.len();
                self.journal.kept(place);
            }
            Op::Synced(is_synced) => {
                self.journal.keep_synced(is_synced);
                self.save();
            }
            Op::Crash => self.crash(),
        }
    }

    fn replayed(&self, segments: &Segments) -> Replayed {
        let disk = self.disk.as_ref().unwrap();
        let chain = segments.after(Base::of(&disk.body)).unwrap();
        let mut base = fresh();
        let body = StoredBody::new(&disk.body);
        let mut unread = Unread::default();
        assert_eq!(base.restore_within(SINCE, body, || None, &mut unread), Some(0));
        assert!(unread.is_empty(), "{unread}");
        replay(&chain, (base, disk.now), &mut |_, _| {}, &fresh)
    }

    /// The process ends, and the next one finds this.
    fn opened(&mut self, boot: &str) -> JournalFolder {
        let identity =
            Identity { boot: boot.to_owned(), is_synced: self.journal.is_synced(), ..self.identity.clone() };
        let nowhere = JournalFolder::open(Path::new("/"), Path::new("/"), identity.clone());
        self.journal = Journal::new(nowhere, false);
        let (own, other) = (&self.folder.0, &self.other.0);
        let (runtime, state) = if self.identity.is_synced { (other, own) } else { (own, other) };
        JournalFolder::open(runtime, state, identity)
    }

    /// The state is the very state, what it tells again is what it had told, and the next life goes on.
    fn crash(&mut self) {
        self.journal.flush();
        let opened = self.opened(&identity().boot);
        let Replayed { pipeline, told, mut handed_over, now, cut, .. } = self.replayed(&opened.segments);
        assert_eq!(cut, None);
        let since = self.disk.as_ref().map_or(0, |disk| disk.handed_over)..self.handed_over;
        let receipts = handed_over.take_receipts(0);
        assert!(receipts.eq(since.map(Receipt)), "what was handed over since the checkpoint");
        let mut positions = self.disk.as_ref().map(|disk| disk.positions.clone()).unwrap_or_default();
        handed_over.take_positions(0).for_each(|(key, at)| positions.set(&key, &at));
        assert_eq!(positions, self.positions, "each input goes on behind what was used of it");
        let mut again: Vec<Vec<u8>> = told
            .into_iter()
            .map(|told| match told {
                Told::Event(at, event) => bytes(at, &event),
                Told::Message(message) => panic!("{message:?}"),
            })
            .collect();
        let mut expected = self.told[self.kept..].to_vec();
        again.sort();
        expected.sort();
        assert_eq!(again.len(), expected.len());
        assert!(again == expected, "what is told again is what was told");
        assert!(now.time.0 <= self.now);
        assert_eq!(pipeline.ledger(), self.pipeline.ledger());
        assert!(future(&pipeline, now) == future(&self.pipeline, now), "the very state");
        self.journal = Journal::new(opened, true);
        self.pipeline = pipeline;
        self.pipeline.resume(self.at(), false);
        self.introduced.clear();
        self.save();
    }
}

/// `HEADWATER_CASES`, by hand, makes it longer.
fn cases() -> u32 {
    std::env::var("HEADWATER_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_crash_at_any_point_leaves_no_trace(ops in ops()) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.run(op));
        world.crash();
    }
}
