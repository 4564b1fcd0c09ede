//! Tests of payloads with several records, and of fields that stand in names and conditions, whatever the format.

use crate::decode::tests::{Seen, config, context, decoded, decoder};
use crate::{Decoder, SourceContext};
use proptest::prelude::*;

/// Series, time and value of each reading.
fn values(seen: &Seen) -> Vec<(&str, Option<i64>, f64)> {
    seen.readings.iter().map(|(series, time, value)| (series.as_str(), *time, *value)).collect()
}

#[test]
fn a_list_holds_records_of_their_own() {
    let config = "records = \"data/values\"\ntime = \"ts\"\nseries = \"{dev}/{field}\"";
    let payload = br#"{"dev": "x", "n": 9, "data": {"values": [{"ts": 1, "t": 25}, {"ts": 2, "t": 26, "h": 3}, {"ts": 3}]}, "z": 1}"#;
    let seen = decoded(config, "t", payload);
    assert_eq!(values(&seen), [("x/t", Some(1), 25.0), ("x/t", Some(2), 26.0), ("x/h", Some(2), 3.0)]);
    assert_eq!((seen.invalid.len(), seen.empty), (0, 1));
    // What stands beside the list may come after it, and a record's own field comes first.
    let payload =
        br#"{"data": {"values": [{"t": 1}, {"t": 2, "ts": 7, "dev": "y"}, {"t": 3}]}, "ts": 5, "dev": "x"}"#;
    let seen = decoded(config, "t", payload);
    assert_eq!(values(&seen), [("x/t", Some(5), 1.0), ("y/t", Some(7), 2.0), ("x/t", Some(5), 3.0)]);
}

#[test]
fn a_payload_may_be_the_list_and_its_elements_lists_or_bare_values() {
    let seen = decoded("records = \"\"\ntime = \"0\"", "t", b"[[1000, 21.5], [2000, 22, 23]]");
    assert_eq!(
        values(&seen),
        [("t/1", Some(1_000), 21.5), ("t/1", Some(2_000), 22.0), ("t/2", Some(2_000), 23.0)]
    );
    let seen = decoded("records = \"v\"", "t", br#"{"v": [1, "2", null, true, "x"]}"#);
    assert_eq!(values(&seen), [("t/value", None, 1.0), ("t/value", None, 2.0), ("t/value", None, 1.0)]);
    assert_eq!(seen.empty, 2);
    let seen = decoded("records = \"v\"", "t", br#"{"v": {"a": 1}}"#);
    assert_eq!(values(&seen), [("t/a", None, 1.0)], "an object is one record");
    for payload in ["[]", "{\"v\": []}", "{\"v\": null}", "{\"w\": 1}", "", "null"] {
        let seen = decoded("records = \"v\"", "t", payload.as_bytes());
        assert_eq!((seen.empty, seen.invalid.len()), (1, 0), "{payload}");
    }
    assert!(
        decoded("records = \"v\"", "t", b"{\"v\": 5}").invalid[0].contains("neither a list nor an object")
    );
}

#[test]
fn each_member_of_a_list_may_hold_records() {
    let payload = br#"{"site": "s", "at": 9, "d": [
        {"vals": [{"k": "t", "v": 1}, {"k": "h", "v": 2, "at": 3}], "id": "a", "at": 7},
        {"id": "b", "vals": [{"k": "t", "v": 4}]}, {"id": "c"}, {"id": "e", "vals": null},
        {"vals": {"k": "x", "v": 5}}]}"#;
    let config = "records = \"d/*/vals\"\nseries = \"{site}/{id?}/{k}\"\ntime = \"at\"\nfields = [\"v\"]";
    let seen = decoded(config, "t", payload);
    let expected =
        [("s/a/t", Some(7), 1.0), ("s/a/h", Some(3), 2.0), ("s/b/t", Some(9), 4.0), ("s/x", Some(9), 5.0)];
    assert_eq!((values(&seen).as_slice(), seen.invalid.len(), seen.empty), (&expected[..], 0, 2), "{seen:?}");
    for (records, payload, expected) in [
        (
            "*/p",
            r#"[{"id": "a", "p": [1, 2]}, {"p": [3], "id": "b"}]"#,
            &[("a/value", 1.0), ("a/value", 2.0), ("b/value", 3.0)][..],
        ),
        ("*/p", r#"{"x": {"id": "a", "p": [1]}, "y": {"id": "b", "p": 5}, "z": 6}"#, &[("a/value", 1.0)]),
        (
            "d/*/p/q",
            r#"{"d": [{"id": "a", "p": {"q": [1]}}, {"id": "b", "p": "{\"q\": [2]}"}]}"#,
            &[("a/value", 1.0), ("b/value", 2.0)],
        ),
        ("d/*/{time}", r#"{"d": [{"5000": 1}, {"6000": 2}]}"#, &[("value", 1.0), ("value", 2.0)]),
    ] {
        let config = format!("records = \"{records}\"\nseries = \"{{id?}}/{{field}}\"");
        let seen = decoded(&config, "t", payload.as_bytes());
        let read: Vec<_> = seen.readings.iter().map(|(series, _, value)| (series.as_str(), *value)).collect();
        assert_eq!(read, expected, "{records}: {seen:?}");
    }
    for (payload, told) in [("{\"d\":[{\"a\":1}]}", 1), ("{\"d\":[]}", 0), ("{\"d\":[{\"vals\":[]}]}", 0)] {
        let seen = decoded(config, "t", payload.as_bytes());
        assert_eq!((seen.empty, seen.invalid.len(), seen.remarks.len()), (1, 0, told), "{payload}: {seen:?}");
        assert!(seen.remarks.iter().all(|remark| remark.contains("no `d/*/vals`")), "{seen:?}");
    }
}

#[test]
fn a_path_where_no_records_are_is_told_once_and_not_after_it_was_right() {
    let told = |payloads: &[&str]| {
        let mut decoder = decoder("records = \"data/list\"");
        let mut seen = Seen::roomy();
        payloads.iter().for_each(|payload| decoder.on_payload("t", payload.as_bytes(), &mut seen));
        assert_eq!(seen.empty as usize, payloads.len() - seen.readings.len());
        seen.remarks
    };
    let without = r#"{"data":{"values":[{"a":1}]}}"#;
    assert_eq!(
        told(&["{}", without, without]),
        [
            "the first payload has no `data/list`, which `records` names: it holds no reading; check the path if none has it"
        ]
    );
    for found in [r#"{"data":{"list":[{"a":1}]}}"#, r#"{"data":{"list":[]}}"#, r#"{"data":{"list":null}}"#] {
        assert_eq!(told(&["{}", found, without]), [""; 0], "{found}");
    }
}

#[test]
fn a_star_in_fields_stands_for_any_text_and_texts_there_are_no_faults() {
    let mut decoder = decoder("fields = [\"a/*\", \"*/t\", \"n\"]");
    let mut seen = Seen::roomy();
    for payload in [
        r#"{"a":{"x":1,"s":"text","deep":{"y":2}},"b":{"t":3,"u":9},"n":4,"m":9,"ab":9}"#,
        r#"{"a":{"x":"off line","y":5},"n":"text","b":{"t":{"t":6}}}"#,
    ] {
        decoder.on_payload("t", payload.as_bytes(), &mut seen);
    }
    let expected =
        [("t/a/x", 1.0), ("t/a/deep/y", 2.0), ("t/b/t", 3.0), ("t/n", 4.0), ("t/a/y", 5.0), ("t/b/t/t", 6.0)];
    assert_eq!(values(&seen), expected.map(|(series, value)| (series, None, value)));
    assert!(seen.invalid.len() == 1 && seen.invalid[0].contains("`n` is `text`"), "{seen:?}");
    assert_eq!(seen.remarks.len(), 2, "{:?}", seen.remarks);
}

#[test]
fn a_payload_without_the_wanted_fields_is_told_once_and_not_after_one_had_them() {
    let told = |payloads: &[&str]| {
        let mut decoder = decoder("fields = [\"temp\", \"a/b\"]");
        let mut seen = Seen::roomy();
        payloads.iter().for_each(|payload| decoder.on_payload("t", payload.as_bytes(), &mut seen));
        seen.remarks
    };
    let without = r#"{"temperature":1,"hum":2}"#;
    assert_eq!(
        told(&["{}", without, without, r#"{"other":1}"#]),
        [
            "the first payload has none of the `fields`: it holds `temperature`, `hum`; check their names if none has them"
        ]
    );
    let dotted = decoded("fields = [\"a.b\"]", "t", br#"{"a":{"b":1}}"#).remarks;
    assert!(dotted[0].contains("check their names (what is nested is written a/b)"), "{dotted:?}");
    for found in [r#"{"temp":1}"#, r#"{"x":1,"temp":null}"#, r#"{"a":{"b":1}}"#] {
        assert_eq!(told(&[found, without]), [""; 0], "{found}");
    }
}

#[test]
fn the_keys_of_an_object_may_be_the_times() {
    let config = "records = \"{time}\"\ntime_format = \"unix\"";
    let seen = decoded(
        config,
        "t",
        br#"{"1700000000": {"t": 1}, "1700000001": {"t": 2}, "noon": {"t": 3}, "1700000002": 4}"#,
    );
    let expected = [
        ("t/t", Some(1_700_000_000_000), 1.0),
        ("t/t", Some(1_700_000_001_000), 2.0),
        ("t/value", Some(1_700_000_002_000), 4.0),
    ];
    assert_eq!(values(&seen), expected);
    assert!(seen.invalid[0].contains("`{time}` is `noon`, not a time in unix"), "{seen:?}");
    let seen = decoded("records = \"d/{time}\"", "t", br#"{"d": {"2023-11-14T22:13:20Z": {"t": 1}}}"#);
    assert_eq!(values(&seen), [("t/t", Some(1_700_000_000_000), 1.0)]);
    assert!(decoded(config, "t", b"[1]").invalid[0].contains("no object whose keys are times"));
}

#[test]
fn the_keys_of_an_object_may_be_names() {
    let config = "records = \"list/{id}\"\nseries = \"{site}/{id}/{field}\"\nlabels = { sensor = \"{id}\" }\nwhere = \"id != \\\"gw\\\"\"";
    let payload = br#"{"list": {"a": {"t": 1}, "b": {"t": 2, "h": 3}, "c": 4, "gw": {"t": 5}, "d": [6, 7]}, "site": "x", "t": 9}"#;
    let seen = decoded(config, "t", payload);
    let expected = [
        ("x/a/t", None, 1.0),
        ("x/b/t", None, 2.0),
        ("x/b/h", None, 3.0),
        ("x/c/value", None, 4.0),
        ("x/d/0", None, 6.0),
        ("x/d/1", None, 7.0),
    ];
    assert_eq!(values(&seen), expected);
    assert_eq!((seen.filtered, seen.invalid.len()), (1, 0));
    assert_eq!(seen.series[1].1, [("sensor".to_owned(), "b".to_owned())]);
    // A gateway sends several records of each device.
    let config = "records = \"{device}\"\nseries = \"{device}/{field}\"\ntime = \"ts\"\nfields = [\"v/t\"]";
    let payload = br#"{"A": [{"ts": 1, "v": {"t": 25}}, {"ts": 2, "v": {"t": 26}}], "B": [{"ts": 1, "v": {"t": 5}}], "C": []}"#;
    let seen = decoded(config, "t", payload);
    assert_eq!(values(&seen), [("A/v/t", Some(1), 25.0), ("A/v/t", Some(2), 26.0), ("B/v/t", Some(1), 5.0)]);
    assert!(decoded(config, "t", b"[1]").invalid[0].contains("no object whose keys are names"));
}

#[test]
fn a_field_in_a_name_may_be_absent_where_that_is_said() {
    let seen = decoded(
        "records = \"\"\nseries = \"{model}/{channel?}/{field}\"",
        "t",
        br#"[{"model": "TH", "channel": 1, "t": 1}, {"model": "PS", "t": 2}, {"channel": 3, "t": 3}]"#,
    );
    assert_eq!(values(&seen), [("TH/1/t", None, 1.0), ("PS/t", None, 2.0)]);
    assert_eq!(
        seen.invalid,
        ["no field `model`, which `series` names; write {model?} there if some records lack it"]
    );
}

#[test]
fn several_texts_in_a_payload_are_as_many_records() {
    let config = "time = \"ts\"\nfields = [\"v\"]";
    let seen = decoded(config, "t", b"{\"ts\":1,\"v\":1}\n{\"ts\":2,\"v\":2}\r\n\n{\"ts\":3,\"v\":3}\n\0");
    assert_eq!(values(&seen), [("t/v", Some(1), 1.0), ("t/v", Some(2), 2.0), ("t/v", Some(3), 3.0)]);
    let seen = decoded(
        config,
        "t",
        b"{\"ts\":1,\"v\":1}\n{\"ts\":2,\"v\":\n{\"ts\":3,\"v\":3}\n5\n{\"ts\":4,\"v\":4}",
    );
    let times: Vec<_> = seen.readings.iter().map(|(_, time, _)| time.unwrap()).collect();
    // The broken text goes on until it can no longer be read: on the fourth line.
    assert_eq!((times, seen.invalid.len()), (vec![1, 4], 1), "{seen:?}");
    let seen = decoded(config, "t", b"{\"ts\":1,\"v\":1} {\"ts\":2,\"v\":2}{\"ts\":3,\"v\":3}");
    assert_eq!(values(&seen), [("t/v", Some(1), 1.0), ("t/v", Some(2), 2.0), ("t/v", Some(3), 3.0)]);
    assert!(decoded(config, "t", b"{\"ts\":1,\"v\":1} 5").invalid[0].contains("nothing more"));
}

#[test]
fn fields_of_the_record_stand_in_names_and_are_no_readings() {
    let text = "series = \"{model}/{meta/id}/{field}\"\nlabels = { model = \"{model}\", channel = \"ch{channel}\", site = \"north\" }";
    let mut decoder = Decoder::new(&config(text, &["rtl/{host}/events"]), &context());
    let mut seen = Seen::roomy();
    for payload in [
        r#"{"model": "TH", "meta": {"id": 5}, "channel": 1, "t": 21.2, "h": 44}"#,
        r#"{"t": -18.4, "model": "TH", "meta": {"id": 91}}"#,
        r#"{"model": "TH", "meta": {"id": 5}, "channel": 1, "t": 21.3}"#,
    ] {
        decoder.on_payload("rtl/pi/events", payload.as_bytes(), &mut seen);
    }
    let expected =
        [("TH/5/t", None, 21.2), ("TH/5/h", None, 44.0), ("TH/91/t", None, -18.4), ("TH/5/t", None, 21.3)];
    assert_eq!(values(&seen), expected);
    let labels = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(
        seen.series[0].1,
        labels(&[("host", "pi"), ("model", "TH"), ("channel", "ch1"), ("site", "north")])
    );
    assert_eq!(
        seen.series[2].1,
        labels(&[("host", "pi"), ("model", "TH"), ("site", "north")]),
        "no channel, no label"
    );
    assert_eq!(seen.introduced, 3, "once each");
}

#[test]
fn a_record_without_a_name_is_invalid_and_mixes_with_no_other() {
    let config = "series = \"{id}/{field}\"";
    for (payload, why) in [
        (r#"{"t": 1}"#.to_owned(), "no field `id`, which `series` names"),
        (r#"{"t": 1, "id": null}"#.to_owned(), "no field `id`"),
        (r#"{"t": 1, "id": " "}"#.to_owned(), "no field `id`"),
        (r#"{"t": 1, "id": {"a": 1}}"#.to_owned(), "`id`, which `series` names, is an object or a list"),
        (format!(r#"{{"t": 1, "id": "{}"}}"#, "x".repeat(10_000)), "longer than 1024 bytes"),
    ] {
        let seen = decoded(config, "t", payload.as_bytes());
        assert_eq!((seen.readings.len(), seen.invalid.len()), (0, 1), "{seen:?}");
        assert!(seen.invalid[0].contains(why), "{:?}", seen.invalid);
    }
    let long = format!(r#"{{"t": 1, "note": "{}"}}"#, "x".repeat(10_000));
    let seen = decoded("labels = { note = \"{note}\" }", "t", long.as_bytes());
    assert!(seen.readings.is_empty() && seen.invalid[0].contains("longer than 1024 bytes"), "{seen:?}");
    let nested = decoded("labels = { a = \"{id}\" }", "t", br#"{"t": 1, "id": {"a": 1}}"#);
    assert_eq!((nested.readings.len(), nested.series[0].1.len()), (2, 0), "a label is left out");
}

#[test]
fn a_condition_turns_records_away_and_their_readings_are_counted() {
    let config = "where = \"q == true && meta.state != \\\"test\\\"\"\nfields = [\"v\", \"w\"]";
    for (payload, outcome) in [
        (r#"{"v": 7.0, "w": 1, "q": true, "meta": {"state": "run"}}"#, (2, 0, 0)),
        (r#"{"v": 0.0, "q": false, "meta": {"state": "run"}}"#, (0, 1, 0)),
        (r#"{"v": 0.0, "w": 1, "q": true, "meta": {"state": "test"}}"#, (0, 2, 0)),
        (r#"{"v": 7.1}"#, (0, 1, 0)),
        (r#"{"q": true}"#, (0, 0, 1)),
    ] {
        let seen = decoded(config, "t", payload.as_bytes());
        assert_eq!((seen.readings.len(), seen.filtered, seen.empty), outcome, "{payload}: {seen:?}");
        assert_eq!(seen.invalid, [""; 0]);
    }
    let every = decoded("where = \"q > 0\"", "t", br#"{"q": 1, "v": 2}"#);
    assert_eq!(every.readings.len(), 2, "a field of a condition is a reading all the same");
    let rows = "format = \"csv\"\nwhere = \"status == \\\"ok\\\" && limit < 5\"\nfields = [\"v\"]";
    let seen = decoded(rows, "t", b"v,status,limit\n1,ok,4\n2,bad,4\n3,ok,6\n");
    assert_eq!((seen.readings.len(), seen.filtered), (1, 2));
}

#[test]
fn records_without_end_are_bounded() {
    let context = SourceContext { payload_bytes_max: 4 << 20, ..context() };
    let mut decoder = Decoder::new(&config("records = \"v\"\nseries = \"{id}/{field}\"", &["#"]), &context);
    let mut read = |records: usize| {
        let records: Vec<String> = (0..records).map(|n| format!("{{\"id\":{n},\"t\":1}}")).collect();
        let mut seen = Seen::roomy();
        decoder.on_payload("t", format!("{{\"v\": [{}]}}", records.join(",")).as_bytes(), &mut seen);
        seen
    };
    let seen = read(50_000);
    assert_eq!((seen.series.len(), seen.readings.len(), seen.refused), (8, 8, 49_992));
    assert!(read(1_000_000).invalid[0].contains("more than `payload` in [limits] allows"));
}

#[test]
fn times_of_several_fields_and_times_that_are_not_there() {
    let config =
        "time = [\"date\", \"clock\"]\ntime_format = \"%d.%m.%Y %H:%M:%S\"\ntime_zone = \"Europe/Berlin\"";
    let seen = decoded(config, "t", br#"{"date": "14.11.2023", "clock": "23:13:20", "v": 1}"#);
    assert_eq!(values(&seen), [("t/v", Some(1_700_000_000_000), 1.0)]);
    let seen = decoded(config, "t", br#"{"date": "14.11.2023", "v": 1}"#);
    assert!(seen.invalid[0].contains("no field `date clock`"), "{seen:?}");
    let lists = "time = \"ts\"\ntime_format = [\"unix\", \"%d.%m.%Y %H:%M\"]";
    let seen = decoded(lists, "t", br#"{"ts": "14.11.2023 22:13", "v": 1}"#);
    assert_eq!(values(&seen), [("t/v", Some(1_699_999_980_000), 1.0)]);
    for time in ["null", "\"\"", "\"0001-01-01T00:00:00Z\"", "\"0001-01-01T00:00:00+00:00\""] {
        let payload = format!("{{\"time\": {time}, \"v\": 1}}");
        let seen = decoded("time = \"time\"\ntime_else = \"arrival\"", "t", payload.as_bytes());
        assert_eq!(values(&seen), [("t/v", None, 1.0)], "{time}");
        let seen = decoded("time = \"time\"", "t", payload.as_bytes());
        assert!(seen.invalid[0].contains("write time_else = \"arrival\""), "{seen:?}");
    }
    let bad = decoded(
        "time = \"time\"\ntime_else = \"arrival\"",
        "t",
        br#"{"time": "28.02.2023 16:00:49", "v": 1}"#,
    );
    assert!(bad.invalid[0].ends_with("write time_format = \"%d.%m.%Y %H:%M:%S\""), "{bad:?}");
}

#[test]
fn names_of_records_are_learnt_once_over_payloads() {
    let mut decoder = decoder("records = \"\"\nseries = \"{id}/{field}\"");
    let mut seen = Seen::roomy();
    for _ in 0..3 {
        decoder.on_payload("t", br#"[{"id": 1, "t": 1}, {"id": 2, "t": 2}]"#, &mut seen);
    }
    assert_eq!((seen.readings.len(), seen.introduced), (6, 2));
}

proptest! {
    /// Whatever comes, under every key at once: no panic, no number that is not finite, and nothing uncounted.
    #[test]
    fn nearly_json_does_no_harm_under_all_keys(
        payload in r#"([{}\[\]":, \n]|"(v|a|id|ts|q|w/x)"|null|true|-?[0-9]{1,4}|1e999|NaN|"[a-z0-9,. °%]{0,6}"){0,40}"#,
        records in prop::sample::select(vec!["", "records = \"v\"", "records = \"\"", "records = \"v/{time}\""]),
    ) {
        let time = if records.contains("{time}") { "" } else { "time = [\"ts\", \"w/x\"]\ntime_else = \"arrival\"" };
        let text = format!(
            "{records}\n{time}\ntime_zone = \"Europe/Berlin\"\ntime_format = [\"unix\", \"%d.%m.%Y %H\"]\nwhere = \"q != 3\"\n\
             series = \"{{id}}/{{field}}\"\nlabels = {{ a = \"{{a}}-{{topic}}\" }}\nwords = {{ on = 5 }}\nskip = [\"off\"]\n\
             units = \"strip\"\ndecimal = \",\""
        );
        let seen = decoded(&text, "t", payload.as_bytes());
        prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
        let counted = seen.readings.len() + seen.invalid.len() + (seen.empty + seen.filtered + seen.refused) as usize;
        prop_assert!(counted > 0, "{payload}: {seen:?}");
    }
}
