//! State of another program: whatever of it can be read goes on, the rest is lost alone, and said.

use super::*;
use headwater_pipeline::account::ReadingLedger;
use headwater_pipeline::sections::body::{self, Kind};
use headwater_pipeline::sections::put_section;
use proptest::prelude::*;

const STREAMS: &str = "[streams.a]\nretain = \"0s\"\naggregates = [\"count\", \"mean\", \"first\", \"last\", \"p95\", \"slope\"]\n\
    downsample = { type = \"lttb\", points = 4 }\n\
    [[streams.a.detectors]]\ntype = \"threshold\"\nabove = 50.0\n[[streams.a.detectors]]\ntype = \"zscore\"\n\
    [[streams.a.detectors]]\ntype = \"half-space\"\nover = [\"*/a\", \"*/b\"]\nname = \"both\"\n\
    [streams.b]\npairs = [{ a = \"*/a\", b = \"*/b\" }]\n\
    [streams.raw]\nwindow = { type = \"none\" }\nfilter = { type = \"swinging-door\", error = 4.0 }\n";

/// So many readings of two series, a second apart, the last but one high enough for an alert.
fn feed(pipeline: &mut Pipeline, seconds: std::ops::Range<i64>) -> Vec<Wire> {
    let series = ["x/a", "x/b"].map(|name| pipeline.introduce(0, name, &[]).unwrap());
    for second in seconds {
        let time = START + second * 1_000;
        let value = if second == 30 { 60.0 } else { 20.0 + (second % 7) as f64 };
        series.iter().for_each(|series| pipeline.on_reading(*series, TakenAt::Event(time), value, at(time)));
    }
    drained(pipeline)
}

/// A state after 31 seconds, with an alert raised.
fn stored() -> (Pipeline, Vec<u8>) {
    let mut pipeline = pipeline(STREAMS, 10);
    let told = feed(&mut pipeline, 0..31);
    assert_eq!(told.iter().filter(|m| m.text("detector") == "threshold").count(), 2, "one of each series");
    let mut state = Vec::new();
    pipeline.save(at(START), &mut state);
    (pipeline, state)
}

/// The same body with its sections changed: another version, other bytes, or gone.
fn changed(state: &[u8], mut change: impl FnMut(u16, &mut u16, &mut Vec<u8>) -> bool) -> Vec<u8> {
    let mut body = Vec::new();
    for section in sections(state) {
        let (tag, mut version, stored) = section.unwrap();
        let mut bytes = stored.rest().to_vec();
        if change(tag, &mut version, &mut bytes) {
            put_section(&mut body, tag, version, |to| to.extend_from_slice(&bytes));
        }
    }
    body
}

/// What goes on of a state, and what is said of the rest.
fn gone_on(state: &[u8]) -> (Pipeline, Option<i64>, String) {
    let (stored, mut unread) = (StoredBody::new(state), Unread::default());
    stored.note_unknown(&mut unread);
    let mut pipeline = pipeline(STREAMS, 10);
    let given_up = pipeline.restore_within(AgentTime::MIN, stored, || None, &mut unread);
    assert!(pipeline.totals().balances() && pipeline.ledger().balances());
    (pipeline, given_up, unread.to_string())
}

fn put_first(bytes: &mut [u8], what: &[u8], with: &[u8]) {
    let place = bytes.windows(what.len()).position(|found| found == what).unwrap();
    bytes[place..place + with.len()].copy_from_slice(with);
}

#[test]
fn a_section_that_is_unknown_costs_nothing_and_is_said() {
    let (mut whole, state) = stored();
    let mut body = Vec::new();
    put_section(&mut body, 999, 4, |to| to.extend_from_slice(b"something"));
    let (half, rest) = state.split_at(sections(&state).next().unwrap().unwrap().2.rest().len() + 8);
    let body = [half, &body, rest].concat();
    let (mut next, given_up, said) = gone_on(&body);
    assert_eq!(
        (given_up, said.as_str()),
        (Some(0), "section 999 of version 4 is passed over: this program does not know it")
    );
    assert_eq!(feed(&mut next, 31..200), feed(&mut whole, 31..200));
}

/// The layout of windows stands once in the stream's section.
#[test]
fn an_accumulator_of_another_version_costs_its_number_until_a_window_opens() {
    let parts: [(u16, &[&str], &str); 5] = [
        (1, &["count", "mean"], "count, sum, extremes, mean and deviation in open windows"),
        (2, &["first", "last"], "first and last in open windows"),
        (3, &["p95"], "percentiles in open windows"),
        (7, &["slope"], "slope in open windows"),
        (8, &["points"], "points in open windows"),
    ];
    let (mut whole, state) = stored();
    let expected = of_windows(feed(&mut whole, 31..200));
    for (tag, numbers, name) in parts {
        let of_tag = |version: u16| [tag.to_le_bytes(), version.to_le_bytes()].concat();
        let (mut is_first, version) = (true, if tag == 1 || tag == 3 { 2 } else { 1 });
        let body = changed(&state, |section, _, bytes| {
            if section == body::STREAM.tag && std::mem::take(&mut is_first) {
                put_first(bytes, &of_tag(version), &of_tag(9));
            }
            true
        });
        let (mut next, given_up, said) = gone_on(&body);
        assert_eq!(given_up, Some(0));
        let why = format!("are left out: the state is of version 9, this program reads {version}");
        assert_eq!(said, format!("{name} of 2 series in stream `a` {why}"));
        let told = of_windows(feed(&mut next, 31..200));
        assert_eq!(told.len(), expected.len());
        for (told, whole) in told.iter().zip(&expected) {
            let is_restored = told.number("start") == Some(START as f64);
            for key in ["count", "mean", "first", "last", "p95", "slope", "points"] {
                let is_left_out = is_restored && numbers.contains(&key);
                let expected = if is_left_out { None } else { whole.get(key) };
                assert_eq!(told.get(key), expected, "{key} without {name}: {told:?}");
            }
        }
        // Once more over a restart: it is not there, and nothing else is missing.
        let (mut once, ..) = gone_on(&body);
        let mut again = Vec::new();
        once.save(at(START), &mut again);
        let (mut twice, given_up, said) = gone_on(&again);
        assert_eq!((given_up, said.as_str()), (Some(0), ""));
        assert_eq!(of_windows(feed(&mut twice, 31..200)), told);
        drained(&mut once);
    }
}

fn of_windows(messages: Vec<Wire>) -> Vec<Wire> {
    messages.into_iter().filter(|m| m.text("kind") == "summary" && m.text("stream") == "a").collect()
}

#[test]
fn a_detector_of_another_version_starts_anew_alone_under_the_alert_it_had_raised() {
    let (mut whole, state) = stored();
    let cleared = |messages: &[Wire]| {
        let alerts = messages.iter().filter(|m| m.text("state") == "cleared");
        alerts.map(|m| (m.text("id").to_owned(), m.text("detector").to_owned())).collect::<Vec<_>>()
    };
    let expected = cleared(&feed(&mut whole, 31..40));
    assert_eq!(expected.iter().filter(|(_, detector)| detector == "threshold").count(), 2);
    for (at, goes_on) in [(4, true), (2, false), (0, false)] {
        // The versions stand behind the fingerprint: slot, alert, detector.
        let print = STREAM_A_THRESHOLD.as_bytes();
        let body = changed(&state, |section, _, bytes| {
            if section == body::STREAM.tag && bytes.windows(print.len()).any(|found| found == print) {
                let behind =
                    bytes.windows(print.len()).position(|found| found == print).unwrap() + print.len();
                bytes[behind + at] = 3;
            }
            true
        });
        let (mut next, given_up, said) = gone_on(&body);
        assert_eq!(given_up, Some(0));
        assert_eq!(
            said,
            "detector `threshold` of 2 series in stream `a` starts anew: the state is of version 3, this program reads 1"
        );
        let told = cleared(&feed(&mut next, 31..40));
        let of = |all: &[(String, String)], threshold: bool| {
            all.iter()
                .filter(|(_, detector)| (detector == "threshold") == threshold)
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&told, false), of(&expected, false), "others go on");
        assert_eq!(of(&told, true), if goes_on { of(&expected, true) } else { Vec::new() });
    }
}

const STREAM_A_THRESHOLD: &str = "threshold above=50 on=reading name=\"threshold\"";

/// Whichever section is gone, of a later version, or full of noise: it costs itself, is said, and all accounts balance.
#[test]
fn each_section_is_lost_alone() {
    let (whole, state) = stored();
    let kinds = [
        body::REVISIONS,
        body::SUPPRESSED,
        body::TIMESTAMPS,
        body::ACCOUNTS,
        body::STREAM,
        body::CHANNEL,
        body::GROUP,
        body::PAIR,
        body::CUTS,
    ];
    type Harm = fn(&mut u16, &mut Vec<u8>) -> bool;
    let harms: [(&str, Harm); 4] = [
        ("version", |version, _| {
            *version = 7;
            true
        }),
        ("noise", |_, bytes| {
            bytes.iter_mut().for_each(|byte| *byte = 0xee);
            true
        }),
        ("longer", |_, bytes| {
            bytes.push(1);
            true
        }),
        ("shorter", |_, bytes| {
            bytes.pop();
            true
        }),
    ];
    for Kind { tag, .. } in kinds {
        for (what, harm) in harms {
            let mut is_first = true;
            let body = changed(&state, |section, version, bytes| {
                if section == tag && std::mem::take(&mut is_first) { harm(version, bytes) } else { true }
            });
            let (mut next, given_up, said) = gone_on(&body);
            // (A floor or a ceiling of noise is a number as any other.)
            let is_said = !said.is_empty() || what == "noise" && tag < body::ACCOUNTS.tag;
            assert!(is_said, "{what} in section {tag}");
            assert_eq!(given_up.is_none(), tag == body::ACCOUNTS.tag);
            let totals = next.totals();
            let lost = whole.totals().in_windows - totals.in_windows;
            assert_eq!(given_up.unwrap_or(lost), lost);
            let is_costly = tag == body::STREAM.tag || tag == body::CHANNEL.tag;
            assert_eq!(lost > 0, is_costly, "{what} in section {tag} costs {lost}");
            if tag != body::ACCOUNTS.tag {
                assert_eq!((totals.received, totals.refused), (whole.totals().received, lost));
            }
            feed(&mut next, 31..200);
            assert!(next.ledger().balances());
        }
    }
}

#[test]
fn without_an_account_the_account_begins_with_what_is_in_windows() {
    let (whole, state) = stored();
    let (next, given_up, said) = gone_on(&changed(&state, |section, _, _| section != body::ACCOUNTS.tag));
    assert_eq!(
        (given_up, said.as_str()),
        (None, "the readings' account begins at what is in windows: there is no state")
    );
    let ReadingLedger { total, .. } = next.ledger();
    assert_eq!((total.received, total.in_windows), (whole.totals().in_windows, whole.totals().in_windows));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Under a good checksum, by another program: any bytes.
    #[test]
    fn no_flipped_bytes_do_harm(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let (_, mut state) = stored();
        for (at, bits) in flips {
            let at = at.index(state.len());
            state[at] ^= bits;
        }
        let (stored, mut unread) = (StoredBody::new(&state), Unread::default());
        stored.note_unknown(&mut unread);
        let mut next = pipeline(STREAMS, 10);
        next.restore_within(AgentTime::MIN, stored, || None, &mut unread);
        next.resume(at(START + 31_000), true);
        feed(&mut next, 31..100);
    }
}
