//! What the messages of a history say, and how they merge.

use crate::{Compactor, Message};

/// Merges five messages into one that names them all, and again, up to this many.
pub(super) struct Fives;

pub(super) const MERGED_MAX: usize = 25;

impl Compactor for Fives {
    fn merge(&self, older: &[Message]) -> Option<Vec<Message>> {
        let ids = |message: &Message| ids_of(text(message));
        let merged = older.chunks(5).flat_map(|five| {
            let ids: Vec<String> = five.iter().flat_map(ids).map(|id| id.to_string()).collect();
            if ids.len() > MERGED_MAX {
                return five.to_vec();
            }
            let (takers, _) = split(text(&five[0]));
            vec![Message { body: format!("{takers}:{}", ids.join(",")).into(), ..five[0].clone() }]
        });
        Some(merged.collect())
    }
}

/// A body is who takes it, a bit for each output, then numbers, and spaces to make it longer.
pub(super) fn split(body: &str) -> (&str, &str) {
    body.split_once(':').unwrap()
}

pub(super) fn text(message: &Message) -> &str {
    std::str::from_utf8(&message.body).unwrap()
}

pub(super) fn ids_of(body: &str) -> Vec<u64> {
    split(body).1.trim_end().split(',').map(|id| id.parse().unwrap()).collect()
}
