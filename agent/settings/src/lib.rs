//! Tables of a TOML file that know where they stand, and collect every mistake instead of stopping at the first.
//!
//! serde's derive stops at the first bad field and loses the place behind `flatten` and `untagged`; people who edit
//! a file over ssh want the whole list at once. So a [`Document`] is parsed once, and each part of the program reads
//! its own [`Table`] from it: every question marks a key as known, every bad answer becomes a [`Mistake`], and
//! [`Table::finish`] reports the keys that nobody asked for, with the nearest one that exists.
//!
//! Sources, outputs and the agent share this crate and nothing else of each other's configuration.

mod at;
mod conceal;
mod document;
mod fingerprint;
mod nearest;
mod node;
mod outline;
mod overlay;
mod quoted;
mod secret;
mod shape;
mod table;
mod units;

pub use at::{At, Numbers, Or, Pairs};
pub use document::{Document, Mistake, Severity, is_readable_by_others};
pub use fingerprint::fingerprint_of;
pub use nearest::nearest;
pub use outline::Wanted;
pub use overlay::Overlay;
pub use quoted::quoted;
pub use secret::Secret;
pub use shape::{ConfigShape, KeyShape};
pub use table::{Amount, SwitchOrTable, Table};
pub use units::{format_duration, format_size, parse_duration, parse_size};
