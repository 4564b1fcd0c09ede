//! Suggests the word that was probably meant.

/// The candidate with the smallest edit distance to `word`, if it is near enough to be a likely slip: at most a
/// third of the longer word's letters, and one is always allowed. Of longer words than people write, none is: the time is the product
/// of the lengths.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const BYTES_MAX: usize = 256;
    candidates
        .into_iter()
        .filter(|candidate| word.len().max(candidate.len()) <= BYTES_MAX)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, candidate)| *d <= (word.chars().count().max(candidate.chars().count()) / 3).max(1))
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance (Damerau-Levenshtein without overlapping swaps), in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut previous_char = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let substituted = at(&above, j) + usize::from(x != *y);
            let mut best = substituted.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && Some(*y) == previous_char && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
        previous_char = Some(x);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let keys = ["topics", "format", "fields", "url", "lateness"];
        assert_eq!(nearest("topcis", keys), Some("topics"));
        assert_eq!(nearest("topic", keys), Some("topics"));
        assert_eq!(nearest("latness", keys), Some("lateness"));
        assert_eq!(nearest("urk", keys), Some("url"));
        assert_eq!(nearest("password", keys), None);
        let long = "x".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str(), "x"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("abcd", "acbd"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
