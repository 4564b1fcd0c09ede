//! Summaries that may lack readings, because the end of an earlier run took some, say so, and no others do.

use super::*;

const FUTURE: i64 = 300_000;
const MINUTE: i64 = 60_000;
const STREAMS: &str = "[streams.a]\nwindow = { type = \"tumbling\", size = \"1m\" }\nlateness = \"0s\"\nretain = \"1h\"\n\
    pairs = [{ a = \"*/a\", b = \"*/b\", tolerance = \"1s\" }]\n";

/// Sources 0 and 1: one that delivers nothing again, and one that does.
fn of(streams: &str) -> Pipeline {
    let more = "[sources.again]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"#\"]\n[outputs.o]\ntype = \"stdout\"\n";
    let (config, document) =
        config::parse(Path::new("test.toml"), &format!("{SOURCE}{more}{streams}"), |_| None);
    let config = config.unwrap_or_else(|| panic!("{}", document.render_all()));
    let source =
        |name: &str, is_durable| SourceEntry { name: name.to_owned(), future_ms: FUTURE, is_durable };
    Pipeline::new("a1", vec![source("s", false), source("again", true)], config.streams, config.limits)
}

fn fresh() -> Pipeline {
    of(STREAMS)
}

fn read_at(pipeline: &mut Pipeline, source: usize, name: &str, taken: TakenAt, now: Now) {
    let series = pipeline.introduce(source, name, &[]).unwrap();
    pipeline.on_reading(series, taken, 1.0, now);
}

/// A reading with a time of its own.
fn read_event(pipeline: &mut Pipeline, source: usize, name: &str, ms: i64) {
    read_at(pipeline, source, name, TakenAt::Event(ms), at(ms));
}

fn saved(pipeline: &Pipeline, now: i64) -> Vec<u8> {
    let mut state = Vec::new();
    pipeline.save(at(now), &mut state);
    state
}

fn restored(mut next: Pipeline, state: &[u8], now: Now, after_crash: bool) -> Pipeline {
    let mut unread = Unread::default();
    next.restore_within(now.alive, StoredBody::new(state), || None, &mut unread).unwrap();
    assert!(unread.is_empty(), "{unread}");
    next.resume(now, after_crash);
    next
}

/// Which windows of a series are told now: their starts in minutes, and whether each is partial.
fn told(pipeline: &mut Pipeline, series: &str) -> Vec<(i64, bool)> {
    let own = drained(pipeline).into_iter().filter(|message| message.text("series") == series);
    let window = |message: Wire| {
        let minutes = (message.number("start").unwrap() as i64 - START) / MINUTE;
        (minutes, message.get("partial") == Some(&Wire::Boolean(true)))
    };
    own.filter(|message| message.text("kind") == "summary").map(window).collect()
}

/// Windows of before the cut, and as far behind it as a lost reading may have been ahead of the clock. The mark outlives
/// checkpoints and restarts.
#[test]
fn windows_that_begin_before_the_cut_are_partial_for_good() {
    let mut first = fresh();
    read_event(&mut first, 0, "x", START);
    let state = saved(&first, START + 1_000);
    let cut = START + 30_000;
    let mut next = restored(fresh(), &state, at(cut), true);
    for minute in 0..=7 {
        read_event(&mut next, 0, "x", START + 40_000 + minute * MINUTE);
    }
    let expected: Vec<(i64, bool)> =
        (0..7).map(|minute| (minute, minute * MINUTE < 30_000 + FUTURE)).collect();
    assert_eq!(told(&mut next, "x"), expected);
    // A stop and a start later: a late reading is told in a revision that is marked still.
    let now = at(START + 8 * MINUTE);
    let mut last = restored(fresh(), &saved(&next, now.time.0), now, false);
    for minute in [1, 6] {
        read_at(&mut last, 0, "x", TakenAt::Event(START + 50_000 + minute * MINUTE), now);
    }
    last.on_tick(at(now.time.0 + 2_000));
    assert_eq!(told(&mut last, "x"), [(1, true), (6, false)]);
}

/// The agent stamps these itself: no lost one was ahead of its clock.
#[test]
fn by_arrival_only_the_window_with_the_restart_in_it_is_partial() {
    let mut first = fresh();
    read_at(&mut first, 0, "x", TakenAt::Arrival, at(START));
    let state = saved(&first, START + 1_000);
    let mut next = restored(fresh(), &state, at(START + MINUTE + 30_000), true);
    for minute in 1..=3 {
        read_at(&mut next, 0, "x", TakenAt::Arrival, at(START + 40_000 + minute * MINUTE));
    }
    assert_eq!(told(&mut next, "x"), [(0, true), (1, true), (2, false)]);
    // The clock is set back: the cut moves with it.
    next.on_clock_step(at(START + 4 * MINUTE), -10 * MINUTE, None);
    told(&mut next, "x");
    for minute in -6..=-4 {
        read_at(&mut next, 0, "x", TakenAt::Arrival, at(START + 40_000 + minute * MINUTE));
    }
    assert_eq!(told(&mut next, "x"), [(-6, false), (-5, false)]);
}

/// Nothing is missing of a source that delivers again once a later reading has come, also of a series that the checkpoint
/// does not know.
#[test]
fn channels_whose_sources_deliver_again_are_not_partial() {
    let mut first = fresh();
    // A pair exists once both of its series are known.
    for (source, name) in [(0, "x/a"), (1, "y/a"), (1, "y/b"), (1, "x/b"), (1, "y/a"), (0, "x/a")] {
        read_event(&mut first, source, name, START);
    }
    read_event(&mut first, 1, "both", START);
    read_event(&mut first, 0, "both", START);
    let state = saved(&first, START + 1_000);
    let mut next = restored(fresh(), &state, at(START + 30_000), true);
    for name in ["y/a", "y/b", "x/b"] {
        read_event(&mut next, 1, name, START + 2 * MINUTE);
    }
    // The others are closed before any source has named them.
    next.on_tick(at(START + 10 * MINUTE));
    let mut said = drained(&mut next);
    read_event(&mut next, 1, "z", START + 11 * MINUTE);
    read_event(&mut next, 1, "z", START + 12 * MINUTE);
    said.extend(drained(&mut next));
    let partial = |series: &str| {
        let of = said.iter().find(|message| message.text("series") == series);
        of.unwrap_or_else(|| panic!("{series}")).get("partial").is_some()
    };
    let series = ["x/a", "y/a", "y/b", "x/b", "both", "y/a~y/b", "x/a~x/b", "z"];
    assert_eq!(series.map(partial), [true, false, false, false, true, false, true, false]);
    let mut new = restored(fresh(), &state, at(START + 30_000), true);
    for source in [0, 1] {
        let name = format!("new{source}");
        [40_000, 100_000].into_iter().for_each(|ms| read_event(&mut new, source, &name, START + ms));
        assert_eq!(told(&mut new, &name), [(0, source == 0)]);
    }
}

/// A source delivers again, but later than a window waits: what the clock ends by then may be less than what was told.
#[test]
fn windows_that_the_clock_ends_before_their_readings_come_again_are_partial() {
    let mut first = fresh();
    read_event(&mut first, 1, "x", START);
    let state = saved(&first, START);
    // The power cut takes it, and with it what was told of it.
    read_event(&mut first, 1, "x", START + 2_000);
    let mut next = restored(fresh(), &state, at(START + 5_000), true);
    let quiet = at(START + 10 * MINUTE);
    next.on_tick(quiet);
    assert_eq!(told(&mut next, "x"), [(0, true)]);
    // The mark outlives a stop. It goes when a later reading has come: by then all of them have.
    let mut last = restored(fresh(), &saved(&next, quiet.time.0), quiet, false);
    read_at(&mut last, 1, "x", TakenAt::Event(START + 2_000), quiet);
    last.on_tick(at(quiet.time.0 + 2_000));
    assert_eq!(told(&mut last, "x"), [(0, true)]);
    for ms in [START + MINUTE, START + 3_000] {
        read_at(&mut last, 1, "x", TakenAt::Event(ms), at(quiet.time.0 + 3_000));
    }
    last.on_tick(at(quiet.time.0 + 5_000));
    assert_eq!(told(&mut last, "x"), [(0, false)]);
    // What begins behind the cut is whole, whoever ends it.
    read_event(&mut last, 1, "x", quiet.time.0 + MINUTE);
    last.on_tick(at(quiet.time.0 + 20 * MINUTE));
    assert_eq!(told(&mut last, "x"), [(1, false), (11, false)]);
}

/// What a stop leaves is whole; windows that a change of the config begins anew are not, and those of others are.
#[test]
fn a_stop_costs_nothing_and_a_changed_stream_its_own_windows() {
    let both = format!(
        "{STREAMS}[streams.b]\nwindow = {{ type = \"tumbling\", size = \"1m\" }}\nlateness = \"0s\"\n"
    );
    let mut first = of(&both);
    read_event(&mut first, 0, "x", START);
    let state = saved(&first, START + 1_000);
    let partial = |config: &str| {
        let mut next = restored(of(config), &state, at(START + 30_000), false);
        [40_000, 100_000].into_iter().for_each(|ms| read_event(&mut next, 0, "x", START + ms));
        let mark = |message: &Wire| (message.text("stream").to_owned(), message.get("partial").is_some());
        drained(&mut next).iter().map(mark).collect::<Vec<_>>()
    };
    let expected = |b: bool| vec![("a".to_owned(), false), ("b".to_owned(), b)];
    assert_eq!(partial(&both), expected(false));
    assert_eq!(partial(&format!("{both}aggregates = [\"count\", \"p95\"]\n")), expected(true));
}

/// Without its checkpoint the agent knows of no window that it has told.
#[test]
fn after_a_lost_checkpoint_whatever_the_source() {
    for source in [0, 1] {
        let mut next = fresh();
        next.forget_past();
        next.resume(at(START + 30_000), false);
        for minute in 0..=6 {
            read_event(&mut next, source, "x", START + 40_000 + minute * MINUTE);
        }
        assert_eq!(told(&mut next, "x"), (0..6).map(|minute| (minute, minute < 6)).collect::<Vec<_>>());
    }
}

/// Until the clock is known nobody knows where the cut lies.
#[test]
fn the_cut_waits_for_the_clock() {
    let mut first = fresh();
    read_event(&mut first, 0, "x", START);
    let state = saved(&first, START + 1_000);
    let unknown = |ms: i64| Now { synced: false, ..at(ms) };
    let mut next = restored(fresh(), &state, unknown(5_000), true);
    let state = saved(&next, 5_000);
    for next in [&mut next, &mut restored(fresh(), &state, unknown(6_000), false)] {
        for minute in [0, 1, 20, 21] {
            read_at(next, 0, "x", TakenAt::Event(START + minute * MINUTE), unknown(7_000));
        }
        assert_eq!(told(next, "x"), [(0, true), (1, true), (20, true)]);
        next.on_tick(at(START + 30_000));
        for minute in [22, 23] {
            read_at(next, 0, "x", TakenAt::Event(START + minute * MINUTE), at(START + 24 * MINUTE));
        }
        assert_eq!(told(next, "x"), [(21, false), (22, false)]);
    }
}
