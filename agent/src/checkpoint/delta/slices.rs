//! Parts of slices, as far as there are any, and what two have in common.

/// How many bytes are equal from the beginning.
pub(super) fn common(one: &[u8], other: &[u8]) -> usize {
    let words =
        one.chunks_exact(8).zip(other.chunks_exact(8)).take_while(|(one, other)| one == other).count() * 8;
    let rest =
        tail(one, words).iter().zip(tail(other, words)).take_while(|(one, other)| one == other).count();
    words + rest
}

/// The first bytes, as many as there are.
pub(super) fn head(bytes: &[u8], length: usize) -> &[u8] {
    bytes.get(..length).unwrap_or(bytes)
}

/// The bytes from a place on.
pub(super) fn tail(bytes: &[u8], from: usize) -> &[u8] {
    bytes.get(from..).unwrap_or_default()
}
