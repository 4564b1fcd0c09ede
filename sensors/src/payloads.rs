//! Consecutive payloads of one input, such as lines or datagrams, on their way from the thread that reads them.

/// Payloads in one allocation, each with its number.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    bytes: Vec<u8>,
    /// The end of each payload in `bytes`; `None`: too long, and skipped.
    ends: Vec<Option<usize>>,
    /// The number of the first one.
    first: u64,
}

impl Payloads {
    /// No payload yet; the first one will have this number.
    pub(crate) fn from(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Adds a payload; `None`: it was too long, and is skipped.
    pub(crate) fn push(&mut self, payload: Option<&[u8]>) {
        self.bytes.extend_from_slice(payload.unwrap_or_default());
        self.ends.push(payload.map(|_| self.bytes.len()));
    }

    /// Each payload with its number; `None`: too long, and skipped.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<&[u8]>, u64)> {
        let mut start = 0;
        (self.first..).zip(&self.ends).map(move |(number, end)| {
            let payload = end.and_then(|end| self.bytes.get(std::mem::replace(&mut start, end)..end));
            (payload, number)
        })
    }

    /// The bytes of all of them.
    pub(crate) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Takes them out; the next one follows in number.
    pub(crate) fn take(&mut self) -> Self {
        let next = Self::from(self.first + self.ends.len() as u64);
        std::mem::replace(self, next)
    }
}
