//! The texts that a config is read from.

/// The last line of a stored text that has two parts, before the length of the second (bytes).
const TRAILER: &str = "#:remote ";

/// The text of the file, and what lies over it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigText {
    /// That of the file.
    pub(crate) file: String,
    /// What was set remotely; empty: nothing.
    pub(crate) remote: String,
}

impl ConfigText {
    /// Both as one text: equal ones are the same config. Without a remote part it is that of the file.
    pub(crate) fn whole(&self) -> String {
        let Self { file, remote } = self;
        if remote.is_empty() {
            return file.clone();
        }
        format!("{file}\n{remote}\n{TRAILER}{}\n", remote.len())
    }

    /// The parts of such a text.
    pub(crate) fn parts(whole: &str) -> Self {
        Self::split(whole).unwrap_or_else(|| Self { file: whole.to_owned(), remote: String::new() })
    }

    fn split(whole: &str) -> Option<Self> {
        let (body, trailer) = whole.strip_suffix('\n')?.rsplit_once('\n')?;
        let length: usize = trailer.strip_prefix(TRAILER)?.parse().ok()?;
        let at = body.len().checked_sub(length)?;
        let file = body.get(..at)?.strip_suffix('\n')?;
        Some(Self { file: file.to_owned(), remote: body.get(at..)?.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_together_comes_apart() {
        for file in ["", "a = 1", "a = 1\n", "ü\n#:remote 3\n"] {
            for remote in ["", "b = 2\n", "ü", "\n"] {
                let text = ConfigText { file: file.to_owned(), remote: remote.to_owned() };
                // A file that ends like that is none that people write; it is read as what it was, or not at all.
                if !(remote.is_empty() && file.contains("#:")) {
                    assert_eq!(ConfigText::parts(&text.whole()), text);
                }
            }
        }
        for odd in ["#:remote 1\n", "x\n#:remote 9\n", "x\n#:remote -1\n", "ü\n#:remote 1\n", "x\n#:remote 1"]
        {
            assert_eq!(ConfigText::parts(odd).file, odd);
        }
    }
}
