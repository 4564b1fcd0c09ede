//! The constants that decide how much evidence is enough.

/// How much evidence `auto` needs. No config sets it: it exists so that recordings can tell what the choice of the
/// defaults is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoSettings {
    /// The surprise of all views together that is needed at least (digits).
    pub together: f64,
    /// The rarity that a view needs that speaks alone (digits).
    pub alone: f64,
    /// What a recent alarm adds to the surprise needed (digits).
    pub weariness: f64,
}

impl AutoSettings {
    /// What the running agent uses.
    pub const DEFAULT: Self = Self { together: 2.35, alone: 3.35, weariness: 0.2 };
}
