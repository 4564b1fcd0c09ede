//! Trained models as files, and in memory.
//!
//! ```text
//! "headwater-model\n" | version u16 | length u64 | checksum u32 | sections     checksum: CRC-32 of the sections
//! section   tag u8 | version u16 | length u64 | bytes
//! ```
//!
//! Numbers are little-endian. The first section is the card: JSON, so that `strings` shows what the file is. The other one
//! holds the numbers, of a linear model or of a forest. A reader skips sections that it does not know; of those that it
//! knows it refuses a later version. Whatever the bytes are, the answer is a model or a [`ModelError`], and a model that
//! was read is sound: its numbers are finite, and every walk through its trees ends.

mod card;
mod numbers;

pub use card::{CardScore, ModelCard};
pub use numbers::{Curve, ModelNumbers};

use headwater_kernel::model::{CLASSES_MAX, Classifier, FEATURES_MAX};
use numbers::{FOREST, LINEAR};

/// The first bytes of every model file.
pub const MAGIC: &[u8; 16] = b"headwater-model\n";
/// The version of the file that this program writes, and the newest that it reads.
pub const MODEL_VERSION: u16 = 1;
/// The largest file that is read (bytes).
pub const MODEL_BYTES_MAX: u64 = 64 << 20;

/// The tag of the card.
const CARD: u8 = 1;
/// The version of every section.
const SECTION_VERSION: u16 = 1;

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// What people and `check` know of it.
    pub card: ModelCard,
    /// What it judges by.
    pub numbers: ModelNumbers,
}

/// Why bytes are no model that this program can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Something else.
    #[error("this is no model file; `headwater train` writes one")]
    Foreign,
    /// The file ends too early.
    #[error("the model file is cut off: copy it again")]
    CutOff,
    /// The bytes are not those that were written.
    #[error("the model file is damaged: its checksum is wrong; copy it again")]
    Damaged,
    /// A later program wrote it.
    #[error(
        "the model file has version {0}, and this program reads up to {SECTION_VERSION}: train it again here, or upgrade"
    )]
    Newer(u16),
    /// Whole, but it makes no sense.
    #[error("the model file makes no sense: {0}; train the model again")]
    Unsound(String),
}

impl ModelFile {
    /// The bytes of the file. The same model gives the same bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut sections = Vec::new();
        // A card has no map with keys that are not text, so that it always is JSON.
        put_section(&mut sections, CARD, &serde_json::to_vec_pretty(&self.card).unwrap_or_default());
        let (tag, bytes) = self.numbers.write();
        put_section(&mut sections, tag, &bytes);
        let mut file = MAGIC.to_vec();
        file.extend(MODEL_VERSION.to_le_bytes());
        file.extend((sections.len() as u64).to_le_bytes());
        file.extend(crc32fast::hash(&sections).to_le_bytes());
        file.append(&mut sections);
        file
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ModelError`] says what is wrong and what to do.
    pub fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        let shared = bytes.len().min(MAGIC.len());
        if bytes.is_empty() || bytes.get(..shared) != MAGIC.get(..shared) {
            return Err(ModelError::Foreign);
        }
        let mut rest = bytes.get(MAGIC.len()..).ok_or(ModelError::CutOff)?;
        let version = u16::from_le_bytes(take(&mut rest)?);
        if version > MODEL_VERSION {
            return Err(ModelError::Newer(version));
        }
        let (length, checksum) = (u64::from_le_bytes(take(&mut rest)?), u32::from_le_bytes(take(&mut rest)?));
        if (rest.len() as u64) < length {
            return Err(ModelError::CutOff);
        }
        if rest.len() as u64 > length || crc32fast::hash(rest) != checksum {
            return Err(ModelError::Damaged);
        }
        let (mut card, mut numbers) = (None, None);
        while !rest.is_empty() {
            let ([tag], version) = (take(&mut rest)?, u16::from_le_bytes(take(&mut rest)?));
            let length = usize::try_from(u64::from_le_bytes(take(&mut rest)?)).unwrap_or(usize::MAX);
            let (own, others) = rest.split_at_checked(length).ok_or(ModelError::CutOff)?;
            rest = others;
            let is_known = matches!(tag, CARD | LINEAR | FOREST);
            if is_known && version > SECTION_VERSION {
                return Err(ModelError::Newer(version));
            }
            match tag {
                CARD => card = Some(ModelCard::read(own)?),
                LINEAR | FOREST => numbers = Some(ModelNumbers::read(tag, own)?),
                _ => {}
            }
        }
        let unsound = |what: &str| ModelError::Unsound(what.to_owned());
        let model = Self {
            card: card.ok_or_else(|| unsound("it has no card"))?,
            numbers: numbers.ok_or_else(|| unsound("it has no numbers"))?,
        };
        model.check().map_err(|what| unsound(&what))?;
        Ok(model)
    }

    /// What does not fit together.
    fn check(&self) -> Result<(), String> {
        let (features, classes) = (self.numbers.features(), self.numbers.classes());
        let named = self.card.features().count();
        if features != named {
            return Err(format!("its card names {named} features, and its numbers are of {features}"));
        }
        if classes != self.card.classes.len() {
            return Err(format!("its card names {} classes, and it has {classes}", self.card.classes.len()));
        }
        if !(1..=FEATURES_MAX).contains(&features) || !(2..=CLASSES_MAX).contains(&classes) {
            return Err(format!("{features} features and {classes} classes"));
        }
        if let Some(normal) = &self.card.normal
            && !self.card.classes.contains(normal)
        {
            return Err(format!("its normal class `{normal}` is none of its classes"));
        }
        if self.numbers.is_sound() { Ok(()) } else { Err("numbers that no training makes".to_owned()) }
    }

    /// The class of rows with which nothing is wrong.
    #[must_use]
    pub fn normal(&self) -> Option<usize> {
        let normal = self.card.normal.as_ref()?;
        self.card.classes.iter().position(|class| class == normal)
    }
}

impl Classifier for ModelFile {
    fn features(&self) -> usize {
        self.numbers.features()
    }

    fn classes(&self) -> usize {
        self.numbers.classes()
    }

    fn judge(&self, features: &[f64], probabilities: &mut [f64]) {
        self.numbers.judge(features, probabilities);
    }

    fn weigh(&self, features: &[f64], class: usize, weights: &mut [f64]) {
        self.numbers.weigh(features, class, weights);
    }
}

fn put_section(to: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    to.push(tag);
    to.extend(SECTION_VERSION.to_le_bytes());
    to.extend((bytes.len() as u64).to_le_bytes());
    to.extend_from_slice(bytes);
}

/// The next `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ModelError> {
    let (own, others) = rest.split_first_chunk::<N>().ok_or(ModelError::CutOff)?;
    *rest = others;
    Ok(*own)
}

#[cfg(test)]
mod tests;
