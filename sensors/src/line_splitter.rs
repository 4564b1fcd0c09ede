//! Lines of bounded length from bytes that come in pieces.

/// The ends of lines in text.
pub(crate) const LINE_FEED: &[u8] = b"\n";

/// Splits a stream of bytes into lines. It holds at most one line, of at most `bytes_max`.
#[derive(Debug)]
pub(crate) struct LineSplitter {
    /// Each of these bytes ends a line.
    ends: &'static [u8],
    bytes_max: usize,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// Whether the line whose end has not come is too long already.
    is_too_long: bool,
}

impl LineSplitter {
    /// A splitter at the beginning of a line.
    pub(crate) fn new(ends: &'static [u8], bytes_max: usize) -> Self {
        Self { ends, bytes_max, partial: Vec::new(), is_too_long: false }
    }

    /// Takes the next bytes and hands over each line that ends in them, without its end; `None`: one that was too long.
    /// Returns how many of the bytes belong to lines that have ended.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut on_line: impl FnMut(Option<&[u8]>)) -> usize {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| self.ends.contains(byte)) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if self.partial.is_empty() && !self.is_too_long {
                on_line((line.len() <= self.bytes_max).then_some(line));
                continue;
            }
            self.keep(line);
            self.end(&mut on_line);
        }
        self.keep(rest);
        bytes.len() - rest.len()
    }

    /// Whether the line whose end has not come is too long already.
    pub(crate) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// The input has ended: hands over a last line that has no end.
    pub(crate) fn finish(&mut self, mut on_line: impl FnMut(Option<&[u8]>)) {
        if !self.partial.is_empty() || self.is_too_long {
            self.end(&mut on_line);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.is_too_long || self.partial.len() + part.len() > self.bytes_max {
            self.is_too_long = true;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(part);
        }
    }

    fn end(&mut self, on_line: &mut impl FnMut(Option<&[u8]>)) {
        on_line((!self.is_too_long).then_some(&self.partial));
        self.partial.clear();
        self.is_too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(splitter: &mut LineSplitter, pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut lines = Vec::new();
        for piece in pieces {
            splitter.feed(piece, |line| lines.push(line.map(<[u8]>::to_vec)));
        }
        splitter.finish(|line| lines.push(line.map(<[u8]>::to_vec)));
        lines
    }

    #[test]
    fn a_line_waits_for_its_end_and_one_too_long_costs_itself() {
        let mut splitter = LineSplitter::new(LINE_FEED, 5);
        let found = lines(&mut splitter, &[b"ab", b"c\n\nlonger\nlon", b"ger", b"\n12345\nd"]);
        let line = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(found, [line("abc"), line(""), None, None, line("12345"), line("d")]);
        assert!(splitter.partial.capacity() <= 8);
        let mut either = LineSplitter::new(b"\r\n", 5);
        assert_eq!(lines(&mut either, &[b"a\rb\r", b"\nc"]), [line("a"), line("b"), line(""), line("c")]);
    }

    proptest! {
        /// However the bytes come, the lines are those of the text.
        #[test]
        fn pieces_make_no_difference(text in "[ab\n]{0,60}", cuts in prop::collection::vec(0..60_usize, 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let found = lines(&mut LineSplitter::new(LINE_FEED, 10), &pieces);
            let whole: Vec<&str> = text.strip_suffix('\n').unwrap_or(&text).split('\n').collect();
            let fits = |line: &&str| (line.len() <= 10).then(|| line.as_bytes().to_vec());
            let expected = if text.is_empty() { Vec::new() } else { whole.iter().map(fits).collect() };
            prop_assert_eq!(found, expected);
        }
    }
}
