//! Bounds how often one place of the code writes to the log: strangers may make some lines come as often as packets do.
//!
//! A library has one line a minute from each place; all that it says through the `log` crate at one level is one place.
//! A place of the program's own has [`OWN_BURST`] lines at once and then one every two seconds; those that a stranger
//! drives bound themselves far below. Debug lines of its own pass: whoever turns them on wants all.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

const LIBRARY_EVERY: Duration = Duration::from_secs(60);
const OWN_EVERY: Duration = Duration::from_secs(2);
const OWN_BURST: u32 = 60;

/// The most places that are told apart; others do not pass.
const PLACES_MAX: usize = 1_024;

/// What the program's own targets begin with.
const OWN: &str = "headwater";

/// Holds lines back.
#[derive(Default)]
pub(super) struct LineLimit(Mutex<Vec<Place>>);

/// A place of the code that writes lines: a bucket of tokens.
struct Place {
    callsite: Identifier,
    tokens: u32,
    /// When the last token came.
    filled: Instant,
}

impl LineLimit {
    fn passes(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        let (burst, every) = match metadata.target().starts_with(OWN) {
            true if *metadata.level() > Level::INFO => return true,
            true => (OWN_BURST, OWN_EVERY),
            false => (1, LIBRARY_EVERY),
        };
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let callsite = metadata.callsite();
        let known = places.iter_mut().find(|place| place.callsite == callsite);
        let Some(place) = known else {
            let has_room = places.len() < PLACES_MAX;
            if has_room {
                places.push(Place { callsite, tokens: burst - 1, filled: now });
            }
            return has_room;
        };
        let due = now.saturating_duration_since(place.filled).as_millis() / every.as_millis();
        if due > 0 {
            place.tokens = place.tokens.saturating_add(u32::try_from(due).unwrap_or(u32::MAX)).min(burst);
            place.filled = now;
        }
        let passes = place.tokens > 0;
        place.tokens -= u32::from(passes);
        passes
    }
}

impl<S: Subscriber> Layer<S> for LineLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.passes(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::logged;
    use super::*;

    #[test]
    fn nobody_floods_the_log() {
        let lines = logged(|| {
            (0..1_000).for_each(|n| tracing::warn!(target: "log", n, "a packet"));
            (0..1_000).for_each(|n| tracing::warn!(target: "headwater", n, "own"));
            (0..100).for_each(|n| tracing::debug!(target: "headwater", n, "wanted"));
        });
        let count = |word: &str| lines.lines().filter(|line| line.contains(word)).count();
        assert_eq!((count("packet"), count("wanted")), (1, 100));
        assert!((OWN_BURST as usize..OWN_BURST as usize + 5).contains(&count("own")), "{}", count("own"));
    }

    #[test]
    fn lines_come_again_later() {
        let limit = LineLimit::default();
        let now = Instant::now();
        let callsite = tracing::callsite!(
            name: "test",
            kind: tracing::metadata::Kind::EVENT,
            target: "rustls",
            level: Level::WARN,
            fields:
        );
        let metadata = tracing::Callsite::metadata(callsite);
        assert!(limit.passes(metadata, now) && !limit.passes(metadata, now + LIBRARY_EVERY / 2));
        assert!(limit.passes(metadata, now + LIBRARY_EVERY));
        assert!(!limit.passes(metadata, now + LIBRARY_EVERY));
    }
}
