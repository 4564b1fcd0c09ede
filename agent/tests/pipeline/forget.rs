//! Series that have been silent for long give way when room is wanted; they tell what they have first, and may come back.

use super::*;

const DAY: i64 = 86_400_000;

/// Windows that outlast the silence, and an alert that stands.
const STREAMS: &str = "[streams.month]\nwindow = { type = \"count\", size = 1000 }\naggregates = [\"count\", \"sum\"]\n\
    [streams.hour]\nwindow = { type = \"tumbling\", size = \"1h\" }\naggregates = [\"count\"]\n\
    [[streams.hour.detectors]]\ntype = \"threshold\"\nabove = 50.0\nname = \"hot\"\nevidence = { after = 3 }\n\
    [[streams.hour.detectors]]\ntype = \"half-space\"\nover = [\"*/a\", \"*/b\"]\nname = \"both\"\n";

fn read(pipeline: &mut Pipeline, name: &str, time: i64, value: f64) -> Option<SeriesHandle> {
    let series = pipeline.introduce(0, name, &[])?;
    pipeline.on_reading(series, TakenAt::Event(time), value, at(time));
    Some(series)
}

/// What the pipeline tells, as kind, stream and id.
fn told(pipeline: &mut Pipeline) -> Vec<String> {
    drained(pipeline)
        .iter()
        .map(|message| format!("{} {}", message.text("kind"), message.text("id")))
        .collect()
}

#[test]
fn the_most_silent_series_gives_way_and_tells_what_it_has() {
    let mut one = pipeline(STREAMS, 2);
    let old = read(&mut one, "x/old", START, 90.0).expect("a place");
    read(&mut one, "x/new", START + 2 * DAY, 1.0).expect("a place");
    assert!(one.introduce(0, "x/more", &[]).is_none() && one.is_full());
    let silent =
        |one: &mut Pipeline, ms: i64| one.most_silent(None, at(START + ms)).map(|name| name.to_string());
    assert_eq!((silent(&mut one, 7 * DAY - 1), silent(&mut one, 3 * DAY)), (None, None), "never before");
    one.on_tick(at(START + 7 * DAY));
    one.drain().for_each(drop);
    assert_eq!(silent(&mut one, 7 * DAY).as_deref(), Some("x/old"));
    assert!(one.forget(0, "x/old", at(START + 7 * DAY)) && !one.knows(old));
    assert_eq!(
        told(&mut one),
        [
            format!("summary month/x/old@{START}+1#0"),
            format!("evidence hour/x/old/hot@{START}/evidence"),
            format!("alert hour/x/old/hot@{START}"),
        ]
    );
    let counts = one.totals();
    assert!(counts.balances() && counts.in_windows == 1, "{counts:?}");
    assert_eq!((counts.forgotten, one.series_count(), one.generation()), (1, 1, 1));
    // Its place is free, and its old handle is nobody's.
    let more = one.introduce(0, "x/more", &[]).expect("a place");
    assert!(more.number() == old.number() && more != old);
    one.on_reading(old, TakenAt::Event(START), 1.0, at(START + 7 * DAY));
    assert_eq!(one.totals().received, counts.received);
}

#[test]
fn a_reading_is_a_sign_of_life_and_a_value_that_a_broker_kept_is_none() {
    let mut one = pipeline(
        "[streams.a]\nexpect = [\"gone\"]\n[[streams.a.detectors]]\ntype = \"missing\"\nafter = \"1h\"\n",
        3,
    );
    one.resume(at(START), false);
    read(&mut one, "kept", START, 1.0);
    let live = read(&mut one, "live", START, 1.0).expect("a place");
    one.set_replayed(true);
    read(&mut one, "kept", START + 6 * DAY, 1.0);
    one.set_replayed(false);
    one.on_reading(live, TakenAt::Event(0), 1.0, at(START + 6 * DAY));
    assert_eq!(one.most_silent(None, at(START + 7 * DAY)).as_deref(), Some("kept"));
    one.forget(0, "kept", at(START + 7 * DAY));
    // What the config expects is not forgotten, however long it has been silent.
    assert_eq!(one.most_silent(None, at(START + 12 * DAY)), None);
    assert_eq!(one.most_silent(None, at(START + 13 * DAY)).as_deref(), Some("live"));
    assert_eq!(one.most_silent(Some(1), at(START + 13 * DAY)), None, "of another source");
    assert_eq!(one.most_silent(Some(0), at(START + 13 * DAY)).as_deref(), Some("live"));
    // Where memory is short, nothing would be won by it.
    one.on_pressure(Pressure::Full);
    assert!(one.most_silent(None, at(START + 13 * DAY)).is_none() && !one.is_full());
}

#[test]
fn a_series_that_comes_back_goes_on_behind_what_was_told() {
    let mut one = pipeline(STREAMS, 10);
    read(&mut one, "x/old", START, 90.0);
    read(&mut one, "x/old", START + 1_000, 90.0);
    one.forget(0, "x/old", at(START + 7 * DAY));
    let mut first = drained(&mut one);
    for life in 0..2 {
        // The same readings again, after a restart too.
        if life == 1 {
            let mut state = Vec::new();
            one.save(at(START + 7 * DAY), &mut state);
            one = pipeline(STREAMS, 10);
            one.restore(&mut StateReader::new(&state)).expect("a whole state");
            one.resume(at(START + 7 * DAY), false);
        }
        read(&mut one, "x/old", START, 99.0);
        read(&mut one, "x/old", START + 1_000, 99.0);
        assert_eq!(one.ledger().streams[0].1.late, 2 + 2 * life);
        read(&mut one, "x/new", START, 9.0);
        assert_eq!(one.ledger().streams[0].1.late, 2 + 2 * life, "another one may tell of that time");
    }
    read(&mut one, "x/old", START + 7 * DAY + 1, 99.0);
    one.forget(0, "x/old", at(START + 15 * DAY));
    first.extend(drained(&mut one));
    let mut ids: Vec<String> = first
        .iter()
        .filter(|message| message.text("series") == "x/old")
        .map(|message| format!("{} {} {:?}", message.text("kind"), message.text("id"), message.number("rev")))
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert!(ids.len() == all && all >= 8, "{ids:?}");
}

#[test]
fn silence_goes_on_over_a_restart() {
    let mut one = pipeline(STREAMS, 10);
    read(&mut one, "x/old", START, 1.0);
    let mut state = Vec::new();
    one.save(at(START + DAY), &mut state);
    let restored = |state: &[u8]| {
        let mut next = pipeline(STREAMS, 10);
        let mut unread = Unread::default();
        next.restore_within(AgentTime(START + DAY), StoredBody::new(state), || None, &mut unread);
        next.resume(at(START + DAY), false);
        next
    };
    let mut next = restored(&state);
    let silent = |next: &mut Pipeline, ms| next.most_silent(None, at(START + ms)).is_some();
    assert!(!silent(&mut next, 7 * DAY - 1), "never before");
    assert!(silent(&mut next, 7 * DAY + 7 * DAY / 64), "in steps of a 64th");
    // A state of an earlier version does not say: it counts from the first time that room is wanted.
    let mut old = Vec::new();
    for section in sections(&state) {
        let (tag, version, own) = section.expect("a section");
        if tag != 25 {
            headwater_pipeline::sections::put_section(&mut old, tag, version, |to| {
                to.extend_from_slice(own.rest())
            });
        }
    }
    let mut next = restored(&old);
    assert!(!silent(&mut next, 20 * DAY) && !silent(&mut next, 27 * DAY - 1) && silent(&mut next, 27 * DAY));
}

#[test]
fn pairs_and_groups_lose_a_member_and_find_it_again() {
    let streams = format!(
        "{STREAMS}[streams.p]\nwindow = {{ type = \"tumbling\", size = \"1d\" }}\n\
        pairs = [{{ a = \"*/a\", b = \"*/b\", tolerance = \"2s\" }}]\n"
    );
    let mut one = pipeline(&streams, 2);
    let both = |one: &mut Pipeline, from: i64| {
        for step in 0..200 {
            read(one, "x/a", from + step * 1_000, 1.0 + (step % 7) as f64);
            read(one, "x/b", from + step * 1_000 + 1, 2.0 + (step % 5) as f64);
        }
    };
    both(&mut one, START);
    one.drain().for_each(drop);
    one.forget(0, "x/a", at(START + 300_000));
    let ends = told(&mut one);
    assert!(ends.iter().any(|id| id.starts_with("summary p/x/a~x/b@")), "{ends:?}");
    // The other one goes on alone, then with the one that is back.
    read(&mut one, "x/b", START + 300_000, 1.0);
    both(&mut one, START + DAY);
    one.drain().for_each(drop);
    one.forget(0, "x/b", at(START + DAY + 300_000));
    let ends = told(&mut one);
    assert_eq!(ends.iter().filter(|id| id.starts_with("summary p/x/a~x/b@")).count(), 1, "{ends:?}");
    one.forget(0, "x/a", at(START + DAY + 300_000));
    assert_eq!((one.series_count(), one.totals().in_windows), (0, 0));
    one.on_tick(at(START + 60 * DAY));
    assert!(one.totals().balances());
}
