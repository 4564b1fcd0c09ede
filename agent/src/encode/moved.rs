//! Times in messages that were made before they were known: marked, and put right when they are.
//!
//! Rare, so that simple is good enough: a body is decoded, changed and encoded again.

use super::wire::{Wire, read};
use crate::clock::Correction;
use bytes::Bytes;
use headwater_forwarder::Message;

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
