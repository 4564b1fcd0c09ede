//! The numbers of a model: of a linear one, or of a forest.

use super::ModelError;
use headwater_kernel::model::{Classifier, Forest, Linear, Link, Node};
use headwater_kernel::state::{Corrupt, State, StateReader};

/// The tags of their sections.
pub(super) const LINEAR: u8 = 2;
pub(super) const FOREST: u8 = 3;

/// Slope and offset of the curve that makes a probability of a margin.
pub type Curve = (f64, f64);

/// What a model judges by.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelNumbers {
    /// Weighted sums; see [`Linear`].
    Linear {
        /// The middle of each feature.
        centers: Vec<f64>,
        /// The spread of each feature.
        widths: Vec<f64>,
        /// The weights, sum after sum.
        weights: Vec<f64>,
        /// What is added to each sum.
        biases: Vec<f64>,
        /// The curves of margins; `None`: softmax.
        curves: Option<Vec<Curve>>,
    },
    /// Decision trees; see [`Forest`].
    Forest {
        /// The number of features.
        features: usize,
        /// The number of classes.
        classes: usize,
        /// The first node of each tree.
        roots: Vec<u32>,
        /// All nodes.
        nodes: Vec<Node>,
        /// The shares of the classes at each node.
        shares: Vec<f32>,
    },
}

/// A view of the numbers, as the kernel wants them.
enum View<'m> {
    Linear(Linear<'m>),
    Forest(Forest<'m>),
}

impl ModelNumbers {
    fn view(&self) -> View<'_> {
        match self {
            Self::Linear { centers, widths, weights, biases, curves } => {
                let link = curves.as_deref().map_or(Link::Softmax, Link::Platt);
                View::Linear(Linear { centers, widths, weights, biases, link })
            }
            Self::Forest { features, classes, roots, nodes, shares } => {
                View::Forest(Forest { features: *features, classes: *classes, roots, nodes, shares })
            }
        }
    }

    /// Its memory (bytes).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Linear { centers, widths, weights, biases, curves } => {
                let numbers = centers.len() + widths.len() + weights.len() + biases.len();
                numbers * size_of::<f64>() + curves.as_ref().map_or(0, |curves| size_of_val(&**curves))
            }
            Self::Forest { roots, nodes, shares, .. } => {
                size_of_val(&**roots) + size_of_val(&**nodes) + size_of_val(&**shares)
            }
        }
    }

    /// Whether it can be judged by.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Linear { centers, widths, weights, biases, curves } => {
                let finite = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
                let sums = biases.len();
                sums != 2
                    && centers.len() == widths.len()
                    && centers.len().checked_mul(sums) == Some(weights.len())
                    && curves.as_ref().is_none_or(|curves| {
                        curves.len() == sums && curves.iter().all(|(a, b)| a.is_finite() && b.is_finite())
                    })
                    && widths.iter().all(|width| *width > 0.0)
                    && [centers, widths, weights, biases].into_iter().all(|numbers| finite(numbers))
            }
            Self::Forest { nodes, shares, .. } => {
                let is_share = |share: &f32| (0.0..=1.0).contains(share);
                matches!(self.view(), View::Forest(forest) if forest.is_sound())
                    && nodes.iter().all(|node| !node.threshold.is_nan())
                    && shares.iter().all(is_share)
            }
        }
    }

    /// The tag of its section, and the section.
    pub(super) fn write(&self) -> (u8, Vec<u8>) {
        let mut bytes = Vec::new();
        let to = &mut |part: &[u8]| bytes.extend_from_slice(part);
        let tag = match self {
            Self::Linear { centers, widths, weights, biases, curves } => {
                ((centers.len() as u32, biases.len() as u32), curves.is_some()).save(to);
                for numbers in [centers, widths, weights, biases] {
                    numbers.iter().for_each(|number| number.save(to));
                }
                curves.iter().flatten().for_each(|curve| curve.save(to));
                LINEAR
            }
            Self::Forest { features, classes, roots, nodes, shares } => {
                (*features as u32, *classes as u32).save(to);
                (roots.len() as u32, nodes.len() as u32).save(to);
                roots.iter().for_each(|root| root.save(to));
                for node in nodes {
                    (node.threshold, (node.feature, node.low)).save(to);
                }
                shares.iter().for_each(|share| share.to_bits().save(to));
                FOREST
            }
        };
        (tag, bytes)
    }

    /// Reads a section. Lengths are believed only as far as there are bytes.
    pub(super) fn read(tag: u8, bytes: &[u8]) -> Result<Self, ModelError> {
        let mut from = StateReader::new(bytes);
        let read = if tag == LINEAR { read_linear(&mut from) } else { read_forest(&mut from) };
        let read = read.ok().filter(|_| from.rest().is_empty());
        read.ok_or_else(|| ModelError::Unsound("its numbers end too early or too late".to_owned()))
    }
}

fn read_linear(from: &mut StateReader<'_>) -> Result<ModelNumbers, Corrupt> {
    let ((features, sums), is_curved): ((u32, u32), bool) = State::load(from)?;
    let (features, sums) = (features as usize, sums as usize);
    let weights = features.checked_mul(sums).ok_or(Corrupt)?;
    Ok(ModelNumbers::Linear {
        centers: list(from, features)?,
        widths: list(from, features)?,
        weights: list(from, weights)?,
        biases: list(from, sums)?,
        curves: if is_curved { Some(list(from, sums)?) } else { None },
    })
}

fn read_forest(from: &mut StateReader<'_>) -> Result<ModelNumbers, Corrupt> {
    let ((features, classes), (roots, nodes)): ((u32, u32), (u32, u32)) = State::load(from)?;
    let (classes, nodes) = (classes as usize, nodes as usize);
    let roots = list(from, roots as usize)?;
    let read: Vec<(f64, (u32, u32))> = list(from, nodes)?;
    let shares: Vec<u32> = list(from, nodes.checked_mul(classes).ok_or(Corrupt)?)?;
    Ok(ModelNumbers::Forest {
        features: features as usize,
        classes,
        roots,
        nodes: read.into_iter().map(|(threshold, (feature, low))| Node { threshold, feature, low }).collect(),
        shares: shares.into_iter().map(f32::from_bits).collect(),
    })
}

fn list<T: State>(from: &mut StateReader<'_>, count: usize) -> Result<Vec<T>, Corrupt> {
    (0..count).map(|_| T::load(from)).collect()
}

impl Classifier for ModelNumbers {
    fn features(&self) -> usize {
        match self.view() {
            View::Linear(linear) => linear.features(),
            View::Forest(forest) => forest.features(),
        }
    }

    fn classes(&self) -> usize {
        match self.view() {
            View::Linear(linear) => linear.classes(),
            View::Forest(forest) => forest.classes(),
        }
    }

    fn judge(&self, features: &[f64], probabilities: &mut [f64]) {
        match self.view() {
            View::Linear(linear) => linear.judge(features, probabilities),
            View::Forest(forest) => forest.judge(features, probabilities),
        }
    }

    fn weigh(&self, features: &[f64], class: usize, weights: &mut [f64]) {
        match self.view() {
            View::Linear(linear) => linear.weigh(features, class, weights),
            View::Forest(forest) => forest.weigh(features, class, weights),
        }
    }
}
