//! Times in messages that were made before they were known: marked, and put right when they are.
//!
//! Rare, so that simple is good enough: a body is decoded, changed and encoded again.

use super::wire::{Wire, read};
use crate::clock::{Correction, mark_of};
use bytes::Bytes;
use headwater_forwarder::Message;

/// Says that the times of a message are those of a boot whose time is not known, and has it held. Clocks that are wrong
/// begin with the same time at every boot: the boot is a part of the id.
pub(crate) fn mark_unsynced(message: &mut Message, boot: &str) {
    message.lane = message.lane.held();
    edit(message, |entries| {
        mark_ids(entries, &mark_of(boot), |_| true);
        say_clock(entries, "unsynced", boot);
    });
}

/// Makes the id of a message another one than that of a message from before the clock was set back, `turn` times in all,
/// if there may be one: if its own time is before `until_ms`.
pub(crate) fn mark_turn(message: &mut Message, turn: u32, until_ms: i64) {
    edit(message, |entries| {
        mark_ids(entries, &mark_of_turn(turn), |time| time < until_ms);
    });
}

/// What the ids of messages carry that there may be two of, before and after the clock was set back.
pub(crate) fn mark_of_turn(turn: u32) -> String {
    format!("~{turn}")
}

/// Puts a mark at the end of the ids that `wants` it, told their time. Those of alerts have had theirs since they were
/// raised.
fn mark_ids(entries: &mut [(String, Wire)], mark: &str, wants: impl Fn(i64) -> bool) {
    if entries.iter().any(|(key, _)| key == "detector") {
        return;
    }
    for (_, value) in entries.iter_mut().filter(|(key, _)| is_id(key)) {
        let Wire::Text(id) = value else { continue };
        if time_of(id).is_some_and(|(_, time, _)| wants(time)) {
            id.push_str(mark);
        }
    }
}

/// The boot whose times a message carries, if they are not known.
pub(crate) fn boot_of(message: &Message) -> Option<String> {
    let body = read(&message.body).ok()?;
    (body.text("clock") == "unsynced").then(|| body.text("boot").to_owned())
}

/// Puts every time in a message right, and the ids that carry the mark of a boot whose time is known by now: `offset_of` a
/// mark (ms). An alert may have been raised in another boot than its message is from.
pub(crate) fn move_times(message: &mut Message, known: &Correction, offset_of: impl Fn(&str) -> Option<i64>) {
    let by_ms = known.offset_ms;
    edit(message, |entries| {
        let boot = take(entries, "boot").unwrap_or_default();
        for (key, value) in entries.iter_mut() {
            match (key.as_str(), value) {
                ("start" | "end" | "time" | "from" | "to", Wire::Integer(time)) => {
                    *time = time.saturating_add(by_ms);
                }
                ("points" | "evidence", list) => move_readings(list, by_ms),
                (key, Wire::Text(id)) if is_id(key) => {
                    if let Some(placed) = placed(id, &offset_of) {
                        *id = placed;
                    }
                }
                _ => {}
            }
        }
        take(entries, "clock");
        if known.estimated {
            say_clock(entries, "estimated", &boot);
        }
    });
}

/// An id with the true time, if it has the mark of a boot whose time is known.
fn placed(id: &str, offset_of: impl Fn(&str) -> Option<i64>) -> Option<String> {
    let (before, time, after) = time_of(id)?;
    let (length, rest) = after.split_at_checked(after.find('~')?)?;
    let (mark, rest) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
    Some(format!("{before}{}{length}{rest}", time.saturating_add(offset_of(mark)?)))
}

/// Of readings, `[time, value]` each, or lists of them by name.
fn move_readings(readings: &mut Wire, by_ms: i64) {
    match readings {
        Wire::Map(lists) => lists.iter_mut().for_each(|(_, list)| move_readings(list, by_ms)),
        Wire::List(list) => {
            for reading in list {
                if let Wire::List(pair) = reading
                    && let Some(Wire::Integer(time)) = pair.first_mut()
                {
                    *time = time.saturating_add(by_ms);
                }
            }
        }
        _ => {}
    }
}

fn is_id(key: &str) -> bool {
    matches!(key, "id" | "alert")
}

/// The time in an id, with what stands before and after it.
fn time_of(id: &str) -> Option<(&str, i64, &str)> {
    let at = id.rfind('@')? + 1;
    let (before, rest) = id.split_at_checked(at)?;
    let sign = usize::from(rest.starts_with('-'));
    let digits = rest.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    let (time, after) = rest.split_at_checked(sign + digits)?;
    Some((before, time.parse().ok()?, after))
}

fn say_clock(entries: &mut Vec<(String, Wire)>, clock: &str, boot: &str) {
    entries.push(("clock".to_owned(), Wire::Text(clock.to_owned())));
    entries.push(("boot".to_owned(), Wire::Text(boot.to_owned())));
}

fn take(entries: &mut Vec<(String, Wire)>, key: &str) -> Option<String> {
    let at = entries.iter().position(|(known, _)| known == key)?;
    match entries.remove(at) {
        (_, Wire::Text(text)) => Some(text),
        _ => None,
    }
}

fn edit(message: &mut Message, change: impl FnOnce(&mut Vec<(String, Wire)>)) {
    let Ok(Wire::Map(mut entries)) = read(&message.body) else { return };
    change(&mut entries);
    if let Ok(body) = serde_cbor::to_vec(&Wire::Map(entries)) {
        message.body = Bytes::from(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwater_forwarder::Lane;

    fn message(json: &str) -> Message {
        let wire: Wire = serde_json::from_str(json).unwrap();
        let body = serde_cbor::to_vec(&wire).unwrap().into();
        Message { lane: Lane::Data, made_ms: 0, route: Bytes::new(), body }
    }

    fn json(message: &Message) -> String {
        serde_json::to_string(&read(&message.body).unwrap()).unwrap()
    }

    /// `boot-1` is off by `by_ms`, `boot-2` by 100.
    fn place(message: &mut Message, by_ms: i64, estimated: bool) {
        let known = Correction { boot: "boot-1".to_owned(), offset_ms: by_ms, estimated };
        let known_marks = [("~boot-1", by_ms), ("~boot-2", 100)];
        move_times(message, &known, |mark| {
            known_marks.iter().find(|(known, _)| *known == mark).map(|(_, offset_ms)| *offset_ms)
        });
    }

    #[test]
    fn every_time_moves_and_nothing_else() {
        let summary = r#"{"id":"s/a@b/t@60000+60000","rev":0,"start":60000,"end":120000,"count":60000,"points":[[60001,60000.0],[61000,2.5]]}"#;
        let mut moved = message(summary);
        mark_unsynced(&mut moved, "boot-1");
        assert_eq!((moved.lane, boot_of(&moved).as_deref()), (Lane::HeldData, Some("boot-1")));
        assert!(json(&moved).starts_with(r#"{"id":"s/a@b/t@60000+60000~boot-1","rev":0"#));
        assert!(json(&moved).ends_with(r#","clock":"unsynced","boot":"boot-1"}"#));
        let mut exact = moved.clone();
        place(&mut exact, 1_700_000_000_123, false);
        assert_eq!(
            json(&exact),
            r#"{"id":"s/a@b/t@1700000060123+60000","rev":0,"start":1700000060123,"end":1700000120123,"count":60000,"points":[[1700000060124,60000.0],[1700000061123,2.5]]}"#
        );
        place(&mut moved, -60_000, true);
        assert!(json(&moved).starts_with(r#"{"id":"s/a@b/t@0+60000","rev":0,"start":0,"end":60000"#));
        assert!(json(&moved).ends_with(r#""clock":"estimated","boot":"boot-1"}"#));
        assert_eq!(boot_of(&moved), None);
    }

    /// Those of alerts are made with their marks, and have the time of the boot that they were raised in.
    #[test]
    fn ids_of_alerts_say_when_they_were_raised() {
        let of = |mark: &str| {
            let id = format!("s/t/d@-5{mark}");
            format!(r#"{{"id":"{id}/evidence","alert":"{id}","detector":"d","evidence":{{"a":[[-5,1.0]]}}}}"#)
        };
        for (mark, placed) in
            [("~boot-1", "5"), ("~boot-2", "95"), ("~boot-3", "-5~boot-3"), ("~1", "-5~1"), ("", "-5")]
        {
            let mut alert = message(&of(mark));
            mark_unsynced(&mut alert, "boot-1");
            mark_turn(&mut alert, 7, 0);
            place(&mut alert, 10, false);
            let id = format!("s/t/d@{placed}");
            let expected = format!(
                r#"{{"id":"{id}/evidence","alert":"{id}","detector":"d","evidence":{{"a":[[5,1.0]]}}}}"#
            );
            assert_eq!(json(&alert), expected);
        }
    }

    #[test]
    fn what_is_told_again_after_a_step_back_has_another_id() {
        let mut early = message(r#"{"id":"s/t@1000+60000","start":1000}"#);
        mark_turn(&mut early, 2, 1_001);
        assert_eq!(json(&early), r#"{"id":"s/t@1000+60000~2","start":1000}"#);
        let mut late = message(r#"{"id":"s/t@1000+60000","start":1000}"#);
        mark_turn(&mut late, 2, 1_000);
        assert_eq!(json(&late), r#"{"id":"s/t@1000+60000","start":1000}"#);
    }

    #[test]
    fn rubbish_stays_as_it_is() {
        for body in ["", "x", "{", "{\"id\":\"@\"}", "{\"id\":\"a@\"}", "{\"id\":5}"] {
            let mut broken = Message { body: Bytes::copy_from_slice(body.as_bytes()), ..message("{}") };
            place(&mut broken, 5, false);
            mark_turn(&mut broken, 1, 5);
            assert_eq!(boot_of(&broken), None);
        }
    }
}
