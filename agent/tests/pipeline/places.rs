//! Places of series: who takes one, and who does not.

use super::*;

#[test]
fn a_series_that_no_stream_selects_takes_no_place() {
    let streams = "[streams.a]\nseries = [\"good/*\"]\nwindow = { type = \"none\" }\n";
    let mut one = pipeline(streams, 2);
    for n in 0..100 {
        let junk = one.introduce(0, &format!("junk/{n}"), &[]).expect("no limit");
        one.on_reading(junk, TakenAt::Arrival, 1.0, at(START));
    }
    let good = one.introduce(0, "good/1", &[]).expect("a place");
    one.on_reading(good, TakenAt::Arrival, 7.0, at(START));
    assert!(one.introduce(0, "good/2", &[]).is_some() && one.introduce(0, "good/3", &[]).is_none());
    assert_eq!((one.series_count(), one.series_of(0)), (2, 2));
    assert!(one.is_new(0, "good/3") && !one.is_new(0, "good/1") && !one.is_new(0, "junk/1000"));
    let counts = one.ledger().sources.remove(0).1;
    assert_eq!((counts.unselected, counts.selected, counts.received), (100, 1, 101));
    assert_eq!(drained(&mut one).len(), 1);

    // A journal names each handle again: that of the unselected ones stays one.
    let mut named = Vec::new();
    one.introduced(|handle, source, name, _| named.push((handle, source, name.to_owned())));
    assert_eq!(named.len(), 3, "{named:?}");
    let mut other = pipeline(streams, 2);
    for (handle, source, name) in named {
        assert_eq!(other.introduce(source, &name, &[]), Some(handle));
    }
}
