//! What an output will send, said beforehand, for protocols that announce it.

use std::rc::Rc;

/// Everything that an output will send, as far as it is known now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// What there will be messages of, each once; at most [`Catalogue::ENTRIES_MAX`].
    pub entries: Vec<CatalogueEntry>,
}

impl Catalogue {
    /// The most entries: those who listen keep each for ever.
    pub const ENTRIES_MAX: usize = 1_000;
}

/// A catalogue that an output and its driver share.
pub(crate) type SharedCatalogue = Rc<Catalogue>;

/// One thing that messages will tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The kind of these messages.
    pub kind: &'static str,
    /// The stream's name.
    pub stream: String,
    /// The name of the series, or of the group.
    pub series: String,
    /// Who brings it.
    pub origin: Origin,
    /// What they tell.
    pub content: Content,
}

/// Who brings what messages tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The agent itself.
    Agent,
    /// The source of this name.
    Source(String),
    /// A source that has not named it yet in this run. What was announced of it stays.
    Unknown,
}

/// What messages tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A number.
    Number {
        /// Its key in the message.
        key: String,
        /// Its key of the time from which on it does not change (ms since the Unix epoch).
        time_key: &'static str,
        /// Its unit; `None`: it has none, or it is not known.
        unit: Option<String>,
        /// What it is to the series.
        role: Role,
        /// The time after which the next message must have come (ms); `None`: there is no such time.
        expires_ms: Option<i64>,
    },
    /// An alert.
    Alert {
        /// The detector's name.
        detector: String,
        /// Whether it stands now.
        stands: bool,
    },
}

/// What a number is to its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A value that the series had.
    Value,
    /// What has been added to the series' value in a window that begins at `start`.
    Growth,
    /// Another figure that is made of the values, in a unit of its own.
    Figure,
    /// A figure about the readings, not about what they measure.
    Diagnostic,
}
