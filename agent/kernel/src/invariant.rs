//! Broken invariants: tests stop, and a release goes on without the missing part.

/// Passes on a part that must be there; `what` names it.
#[inline]
pub(crate) fn present<T>(part: Option<T>, what: &str) -> Option<T> {
    debug_assert!(part.is_some(), "{what} is missing");
    part
}
