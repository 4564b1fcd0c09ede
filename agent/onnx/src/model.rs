//! A compiled file: what goes in, what comes out, and how one row is judged.

use crate::FILE_BYTES_MAX;
use crate::OnnxError;
use crate::builder::Builder;
use crate::operators;
use crate::proto::{ProtoInput, ProtoModel};
use crate::step::PlacedStep;
use crate::tensor::{Tensor, TensorKind, TensorPlace};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The most features of a model.
const FEATURES_MAX: usize = 4096;

/// The entry of a file's metadata that names its features, separated by commas or line breaks.
const FEATURES_ENTRY: &str = "features";

/// What a model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnnxPurpose {
    /// Which of these classes it is.
    Classes(Vec<String>),
    /// A number.
    Value,
    /// Whether it is like what was trained on: an outlier has a score below 0.
    Outlier,
}

/// A model that judges rows of features.
pub struct OnnxModel {
    features: usize,
    names: Vec<String>,
    kinds: Box<[TensorKind]>,
    producer: String,
    purpose: OnnxPurpose,
    steps: Box<[PlacedStep]>,
    constants: Box<[f64]>,
    numbers: usize,
    label: Option<TensorPlace>,
    /// What the labels of the classes are, in order.
    labels: Box<[f64]>,
    scores: TensorPlace,
}

/// The numbers that a judgement writes.
#[derive(Clone, Debug)]
pub struct OnnxScratch(Box<[f64]>);

/// What a model says of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnnxAnswer<'a> {
    /// The number of the class that the model chooses. Of a model that tells outliers: 1 for an outlier.
    pub class: usize,
    /// A score for each class, in their order; of other models one number. Probabilities, where the model has them.
    pub scores: &'a [f64],
}

impl fmt::Debug for OnnxModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxModel")
            .field("features", &self.features)
            .field("purpose", &self.purpose)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

impl OnnxModel {
    /// Reads a file, of which nothing is read when it is too large.
    ///
    /// # Errors
    /// The file cannot be read, or does not run here.
    pub fn read_file(path: &Path) -> Result<Self, OnnxError> {
        let unreadable = |error: std::io::Error| OnnxError::Unreadable(error.to_string());
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length > FILE_BYTES_MAX {
            return Err(OnnxError::TooLarge(length));
        }
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::read(&bytes)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// The bytes are none, too many, or hold what does not run here.
    pub fn read(bytes: &[u8]) -> Result<Self, OnnxError> {
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(OnnxError::TooLarge(bytes.len() as u64));
        }
        let file = ProtoModel::read(bytes)?;
        refuse_unknown(&file)?;
        let mut graph = Builder::default();
        let mut names = Vec::new();
        let mut kinds = Vec::new();
        for input in &file.graph.inputs {
            let (kind, shape) = kind_and_shape(input)?;
            graph.feature(input.name, kind, shape.clone())?;
            let width = shape.iter().product();
            if names.len() + width > FEATURES_MAX {
                return Err(OnnxError::unsupported(format!("more than {FEATURES_MAX} features")));
            }
            kinds.resize(kinds.len() + width, kind);
            match width {
                1 => names.push(input.name.to_owned()),
                _ => names.extend((0..width).map(|at| format!("{}[{at}]", input.name))),
            }
        }
        // One tensor of several features has no names for them.
        if file.graph.inputs.len() == 1 && names.len() > 1 {
            names.clear();
        }
        if let Some((_, entry)) = file.metadata.iter().find(|(key, _)| *key == FEATURES_ENTRY) {
            names = entry.split([',', '\n']).map(|name| name.trim().to_owned()).collect();
        }
        if kinds.is_empty() || !(names.is_empty() || names.len() == kinds.len()) {
            let (names, features) = (names.len(), kinds.len());
            return Err(OnnxError::malformed(format!("{features} features, and {names} names of features")));
        }
        for constant in &file.graph.constants {
            graph.constant(constant.name, constant)?;
        }
        for node in &file.graph.nodes {
            if let Some(compile) = operators::find(node.domain, node.operator) {
                compile(&mut graph, node, file.opset(node.domain))?;
            }
        }
        Outputs::of(&graph, &file.graph.outputs)?.finish(graph, file.producer, names, kinds)
    }

    /// How many features a row has.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// The names of the features in order, where the file has them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What it says.
    #[must_use]
    pub fn purpose(&self) -> &OnnxPurpose {
        &self.purpose
    }

    /// Which program wrote the file.
    #[must_use]
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// The steps of a judgement.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// The memory that it takes, with one scratch (bytes).
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |step: &PlacedStep| {
            step.step.bytes()
                + size_of::<PlacedStep>()
                + size_of_val(&*step.inputs)
                + size_of_val(&*step.step)
        };
        let numbers = self.numbers * size_of::<f64>() + size_of_val(&*self.constants);
        self.steps.iter().map(of).sum::<usize>() + numbers
    }

    /// Room for judgements.
    #[must_use]
    pub fn scratch(&self) -> OnnxScratch {
        OnnxScratch(vec![0.0; self.numbers].into())
    }

    /// Judges a row; features that are not there are NaN.
    pub fn judge<'a>(&'a self, features: &[f64], scratch: &'a mut OnnxScratch) -> OnnxAnswer<'a> {
        let numbers = &mut scratch.0;
        let mut features = features.iter();
        for (number, kind) in numbers.iter_mut().zip(&self.kinds) {
            *number = kind.hold(features.next().copied().unwrap_or(f64::NAN));
        }
        for step in &self.steps {
            step.run(&self.constants, numbers);
        }
        let of = |place: TensorPlace| {
            let numbers = if place.is_constant { &self.constants } else { &scratch.0 };
            numbers.get(place.start..place.start + place.len).unwrap_or_default()
        };
        let scores = of(self.scores);
        let class = match (self.label.and_then(|label| of(label).first()), &self.purpose) {
            (_, OnnxPurpose::Value) => 0,
            (Some(label), OnnxPurpose::Outlier) => usize::from(*label < 0.0),
            (None, OnnxPurpose::Outlier) => usize::from(scores.first().is_some_and(|score| *score < 0.0)),
            (Some(label), _) => self.labels.iter().position(|own| own == label).unwrap_or(0),
            (None, _) => scores
                .iter()
                .enumerate()
                .fold(0, |best, (at, score)| if Some(score) > scores.get(best) { at } else { best }),
        };
        OnnxAnswer { class, scores }
    }
}

/// Names all operators that do not run here, so that nobody learns of them one by one.
fn refuse_unknown(file: &ProtoModel<'_>) -> Result<(), OnnxError> {
    let unknown =
        file.graph.nodes.iter().filter(|node| operators::find(node.domain, node.operator).is_none());
    let name = |domain: &str, operator: &str| match domain {
        "" => operator.to_owned(),
        _ => format!("{domain}.{operator}"),
    };
    let names: BTreeSet<String> = unknown.map(|node| name(node.domain, node.operator)).collect();
    if names.is_empty() { Ok(()) } else { Err(OnnxError::Operators(names.into_iter().collect())) }
}

/// One row of an input.
fn kind_and_shape(input: &ProtoInput<'_>) -> Result<(TensorKind, Vec<usize>), OnnxError> {
    let refuse = |what: &str| Err(OnnxError::unsupported(format!("input `{}`: {what}", input.name)));
    let kind = match TensorKind::of_code(input.code) {
        Some(kind) if kind != TensorKind::Text => kind,
        _ => return refuse("only numbers go in; leave columns of text out, or encode them before"),
    };
    match *input.shape.as_slice() {
        [_, Some(width)] if width <= FEATURES_MAX => Ok((kind, vec![1, width])),
        [_, Some(_)] => refuse("too many features"),
        [_] => Ok((kind, vec![1])),
        [_, None] => {
            refuse("the file does not say how many features it has; export with `FloatTensorType([None, N])`")
        }
        _ => refuse("it is no table of rows and features"),
    }
}

/// What the outputs of a graph mean.
struct Outputs {
    purpose: OnnxPurpose,
    label: Option<Tensor>,
    labels: Vec<f64>,
    scores: Tensor,
}

impl Outputs {
    fn of(graph: &Builder<'_>, names: &[&str]) -> Result<Self, OnnxError> {
        let mut outputs = Vec::new();
        for name in names {
            let tensor = graph.tensor(name);
            outputs
                .push(tensor.ok_or_else(|| OnnxError::malformed(format!("nothing makes output `{name}`")))?);
        }
        let is_label = |tensor: &&&Tensor| !tensor.kind.is_float() && tensor.count() == 1 && !tensor.is_map;
        let label = outputs.iter().find(is_label).map(|tensor| (*tensor).clone());
        let scores =
            outputs.iter().find(|tensor| tensor.is_map || (tensor.kind.is_float() && tensor.count() > 0));
        let Some(scores) = scores.map(|tensor| (*tensor).clone()) else {
            return Err(OnnxError::unsupported("it has no output of scores, probabilities or values"));
        };
        let known =
            if scores.is_map { scores.labels.clone() } else { label.as_ref().and_then(|l| l.labels.clone()) };
        let Some(known) = known else {
            let purpose = match (&label, scores.count()) {
                (Some(_), 1) => OnnxPurpose::Outlier,
                (None, 1) => OnnxPurpose::Value,
                (_, count) => {
                    return Err(OnnxError::unsupported(format!(
                        "{count} scores without the names of their classes; export a classifier with its labels, a \
                         regressor with one target"
                    )));
                }
            };
            return Ok(Self { purpose, label, labels: Vec::new(), scores });
        };
        if known.values.len() != scores.count() {
            return Err(OnnxError::unsupported(format!(
                "{} scores for {} classes; export without `raw_scores`",
                scores.count(),
                known.values.len()
            )));
        }
        let classes = known.values.iter().map(|value| graph.label(known.kind, *value)).collect();
        Ok(Self { purpose: OnnxPurpose::Classes(classes), label, labels: known.values.clone(), scores })
    }

    fn finish(
        self,
        graph: Builder<'_>,
        producer: &str,
        names: Vec<String>,
        kinds: Vec<TensorKind>,
    ) -> Result<OnnxModel, OnnxError> {
        Ok(OnnxModel {
            features: kinds.len(),
            names,
            kinds: kinds.into(),
            producer: producer.to_owned(),
            purpose: self.purpose,
            steps: graph.steps.into(),
            constants: graph.constants.into(),
            numbers: graph.numbers,
            label: self.label.map(|label| label.place),
            labels: self.labels.into(),
            scores: self.scores.place,
        })
    }
}
