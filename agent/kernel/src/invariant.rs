//! What to do where an invariant does not hold: tests stop, and a release does without.

/// Passes on a part that an invariant says is there; `what` names it.
#[inline]
pub(crate) fn present<T>(part: Option<T>, what: &str) -> Option<T> {
    debug_assert!(part.is_some(), "{what} is missing");
    part
}
