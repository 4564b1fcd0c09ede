//! Support vector machines: linear or with a kernel, with votes or with probabilities after Platt.
//!
//! Sources: `svmclassifier.cc`, `svmregressor.cc` of onnxruntime 1.32; C.-C. Chang, C.-J. Lin, "LIBSVM", 2011; T.-F. Wu,
//! C.-J. Lin, R. C. Weng, "Probability estimates for multi-class classification by pairwise coupling", JMLR 5, 2004.
//! Deviation: of two classes without probabilities, onnxruntime exchanges the scores, against its own label; here they are
//! those of scikit-learn's `decision_function`.

use super::linear::{dot, label_and_scores, singles};
use super::scores::{PostTransform, largest, logistic};
use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{Tensor, TensorKind};

/// The classes of a machine, whose pairs are judged one by one.
const CLASSES_MAX: usize = 64;

/// Rounds of the coupling of pairs, as LIBSVM allows for two and three classes.
const COUPLING_ROUNDS: usize = 100;

#[derive(Clone, Copy)]
enum KernelKind {
    Linear,
    Polynomial,
    Rbf,
    Sigmoid,
}

/// A kernel with its support vectors.
struct Vectors {
    kind: KernelKind,
    gamma: f64,
    offset: f64,
    degree: f64,
    numbers: Box<[f32]>,
    width: usize,
}

impl Vectors {
    /// Reads a kernel over as many rows.
    fn read(node: &ProtoNode<'_>, input: &Tensor, rows: usize, numbers: Vec<f64>) -> Result<Self, OnnxError> {
        let width = input.row().filter(|_| input.kind != TensorKind::Text);
        let width = width.ok_or_else(|| node.unsupported("its input is no row of numbers"))?;
        if width == 0 || Some(numbers.len()) != rows.checked_mul(width) {
            return Err(
                node.malformed(format!("{} numbers for {rows} rows of {width} features", numbers.len()))
            );
        }
        let kind = match node.text("kernel_type")?.unwrap_or("LINEAR") {
            "LINEAR" => KernelKind::Linear,
            "POLY" => KernelKind::Polynomial,
            "RBF" => KernelKind::Rbf,
            "SIGMOID" => KernelKind::Sigmoid,
            other => return Err(node.unsupported(format!("kernel {other} does not run here"))),
        };
        let parameters = node.floats("kernel_params")?;
        let parameter = |at: usize| parameters.get(at).copied().unwrap_or(0.0);
        Ok(Self {
            kind,
            gamma: parameter(0),
            offset: parameter(1),
            degree: parameter(2),
            numbers: singles(numbers),
            width,
        })
    }

    /// The kernel of some features with each vector.
    fn kernels<'a>(&'a self, features: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.numbers.chunks(self.width).map(move |vector| match self.kind {
            KernelKind::Linear => dot(vector, features),
            KernelKind::Polynomial => (self.gamma * dot(vector, features) + self.offset).powf(self.degree),
            KernelKind::Sigmoid => (self.gamma * dot(vector, features) + self.offset).tanh(),
            KernelKind::Rbf => {
                let squares = vector.iter().zip(features).map(|(own, feature)| {
                    let apart = feature - f64::from(*own);
                    apart * apart
                });
                (-self.gamma * squares.sum::<f64>()).exp()
            }
        })
    }

    fn work(&self) -> usize {
        self.numbers.len() + 16 * self.numbers.len() / self.width.max(1)
    }
}

/// The machine of each pair of classes: its weights for the vectors of both, its offset, and what makes a probability of
/// its score.
struct Pair {
    first: usize,
    second: usize,
    offset: f64,
    platt: Option<(f64, f64)>,
}

/// A machine that tells classes apart, pair by pair.
struct PairsStep {
    vectors: Vectors,
    /// One row of weights for each class but one.
    weights: Box<[f32]>,
    /// Where the vectors of each class begin, and where those of the last end.
    begins: Box<[usize]>,
    pairs: Box<[Pair]>,
    labels: Box<[f64]>,
    post: PostTransform,
    has_probabilities: bool,
    scores: usize,
}

impl PairsStep {
    fn classes(&self) -> usize {
        self.labels.len()
    }

    /// What a pair's weights for the vectors of one class make of the kernels.
    fn part(&self, kernels: &[f64], row: usize, class: usize) -> f64 {
        let range =
            self.begins.get(class).copied().unwrap_or(0)..self.begins.get(class + 1).copied().unwrap_or(0);
        let first = row * kernels.len();
        let weights = self.weights.get(first + range.start..first + range.end).unwrap_or_default();
        dot(weights, kernels.get(range).unwrap_or_default())
    }

    fn score(&self, kernels: &[f64], pair: &Pair) -> f64 {
        let sum =
            self.part(kernels, pair.second - 1, pair.first) + self.part(kernels, pair.first, pair.second);
        f64::from((sum + pair.offset) as f32)
    }

    /// The probabilities of the classes, from those of the pairs.
    fn couple(&self, scratch: &mut [f64], scores: &mut [f64]) {
        let classes = self.classes();
        let Some((pairwise, rest)) = scratch.split_at_mut_checked(classes * classes) else { return };
        let Some((q, products)) = rest.split_at_mut_checked(classes * classes) else { return };
        couple(classes, pairwise, q, products, scores);
    }
}

fn at(matrix: &[f64], classes: usize, row: usize, column: usize) -> f64 {
    matrix.get(row * classes + column).copied().unwrap_or(0.0)
}

fn set(matrix: &mut [f64], classes: usize, row: usize, column: usize, number: f64) {
    if let Some(cell) = matrix.get_mut(row * classes + column) {
        *cell = number;
    }
}

/// The second method of Wu, Lin and Weng: `pairwise` has the probability of a row's class against a column's.
fn couple(classes: usize, pairwise: &[f64], q: &mut [f64], products: &mut [f64], shares: &mut [f64]) {
    for row in 0..classes {
        let others = (0..classes).filter(|other| *other != row);
        let own = others.map(|other| at(pairwise, classes, other, row).powi(2)).sum();
        for column in 0..classes {
            let cell = if column == row {
                own
            } else {
                -at(pairwise, classes, column, row) * at(pairwise, classes, row, column)
            };
            set(q, classes, row, column, cell);
        }
    }
    shares.fill(1.0 / classes as f64);
    let near = 0.005 / classes as f64;
    for _ in 0..COUPLING_ROUNDS {
        for (row, product) in products.iter_mut().enumerate().take(classes) {
            *product =
                shares.iter().enumerate().map(|(column, share)| at(q, classes, row, column) * share).sum();
        }
        let mut whole: f64 = shares.iter().zip(&*products).map(|(share, product)| share * product).sum();
        let error = products.iter().take(classes).map(|product| (product - whole).abs()).fold(0.0, f64::max);
        if error < near {
            break;
        }
        for row in 0..classes {
            let own = at(q, classes, row, row);
            let product = products.get(row).copied().unwrap_or(0.0);
            let step = (whole - product) / own;
            if let Some(share) = shares.get_mut(row) {
                *share += step;
            }
            whole = (whole + step * (step * own + 2.0 * product)) / (1.0 + step) / (1.0 + step);
            for (column, product) in products.iter_mut().enumerate().take(classes) {
                *product = (*product + step * at(q, classes, row, column)) / (1.0 + step);
            }
            shares.iter_mut().for_each(|share| *share /= 1.0 + step);
        }
    }
}

impl RowStep for PairsStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let Some((label, rest)) = out.split_first_mut() else { return };
        let Some((scores, scratch)) = rest.split_at_mut_checked(self.scores) else { return };
        let classes = self.classes();
        let vectors = self.begins.last().copied().unwrap_or(0);
        let Some((kernels, scratch)) = scratch.split_at_mut_checked(vectors) else { return };
        let Some((votes, scratch)) = scratch.split_at_mut_checked(classes) else { return };
        for (to, kernel) in kernels.iter_mut().zip(self.vectors.kernels(inputs.of(0))) {
            *to = f64::from(kernel as f32);
        }
        votes.fill(0.0);
        for (number, pair) in self.pairs.iter().enumerate() {
            let score = self.score(kernels, pair);
            if let Some(votes) = votes.get_mut(if score > 0.0 { pair.first } else { pair.second }) {
                *votes += 1.0;
            }
            if let Some((a, b)) = pair.platt {
                let share = (1.0 - logistic(score * a + b)).clamp(1e-7, 1.0 - 1e-7);
                set(scratch, classes, pair.first, pair.second, share);
                set(scratch, classes, pair.second, pair.first, 1.0 - share);
            } else if let Some(to) = scores.get_mut(number) {
                *to = score;
            }
        }
        if self.has_probabilities {
            self.couple(scratch, scores);
        }
        let class = largest(votes);
        *label = self.labels.get(class).copied().unwrap_or(f64::NAN);
        match *scores {
            [score, _] if self.pairs.len() == 1 && !self.has_probabilities => {
                // A score above 0 speaks for the first class.
                self.post.of_two(-score, false, scores);
            }
            _ => self.post.apply(scores),
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.vectors.numbers) + size_of_val(&*self.weights)
    }
}

/// A machine without a kernel: one row of weights for each class.
struct LinearMachineStep {
    vectors: Vectors,
    offset: f64,
    labels: Box<[f64]>,
    post: PostTransform,
}

impl RowStep for LinearMachineStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let Some((label, scores)) = out.split_first_mut() else { return };
        for (score, kernel) in scores.iter_mut().zip(self.vectors.kernels(inputs.of(0))) {
            *score = f64::from((kernel + self.offset) as f32);
        }
        *label = self.labels.get(largest(scores)).copied().unwrap_or(f64::NAN);
        self.post.apply(scores);
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.vectors.numbers)
    }
}

/// Where the vectors of each class begin.
fn begins(node: &ProtoNode<'_>, counts: &[i64], classes: usize) -> Result<Box<[usize]>, OnnxError> {
    let mut begins = vec![0_usize];
    for count in counts {
        let end = usize::try_from(*count).ok().and_then(|count| begins.last()?.checked_add(count));
        begins.push(end.ok_or_else(|| node.malformed("a negative count of vectors"))?);
    }
    if counts.len() != classes {
        return Err(node.malformed(format!("vectors of {} classes, and labels of {classes}", counts.len())));
    }
    Ok(begins.into())
}

fn pairs(node: &ProtoNode<'_>, classes: usize) -> Result<Box<[Pair]>, OnnxError> {
    let (offsets, a, b) = (node.floats("rho")?, node.floats("prob_a")?, node.floats("prob_b")?);
    let count = classes * (classes - 1) / 2;
    if offsets.len() < count || a.len() != b.len() || (!a.is_empty() && a.len() < count) {
        return Err(node.malformed(format!("too few numbers for {count} pairs of classes")));
    }
    let mut platt = a.into_iter().zip(b);
    let mut offsets = offsets.into_iter();
    let all = (0..classes).flat_map(|first| (first + 1..classes).map(move |second| (first, second)));
    Ok(all
        .map(|(first, second)| Pair {
            first,
            second,
            offset: offsets.next().unwrap_or(0.0),
            platt: platt.next(),
        })
        .collect())
}

pub(super) fn classifier<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let labels = graph.labels(node, "classlabels_strings", "classlabels_ints")?;
    let classes = labels.values.len();
    if !(2..=CLASSES_MAX).contains(&classes) {
        return Err(node.unsupported(format!("{classes} classes; 2 to {CLASSES_MAX} run here")));
    }
    let post = PostTransform::read(node)?;
    let counts = node.integers("vectors_per_class")?;
    if counts.is_empty() {
        let vectors = Vectors::read(node, &input, classes, node.floats("coefficients")?)?;
        let offset = node.floats("rho")?.first().copied().unwrap_or(0.0);
        let work = vectors.work();
        let vectors = Vectors { kind: KernelKind::Linear, ..vectors };
        let step = LinearMachineStep { vectors, offset, labels: labels.values.clone().into(), post };
        return label_and_scores(graph, node, (step, &input), (labels, classes), (0, work));
    }
    let begins = begins(node, &counts, classes)?;
    let rows = begins.last().copied().unwrap_or(0);
    let vectors = Vectors::read(node, &input, rows, node.floats("support_vectors")?)?;
    let weights = singles(node.floats("coefficients")?);
    if Some(weights.len()) != rows.checked_mul(classes - 1) {
        return Err(node.malformed(format!("{} coefficients for {rows} vectors", weights.len())));
    }
    let pairs = pairs(node, classes)?;
    let has_probabilities = pairs.iter().all(|pair| pair.platt.is_some());
    let scores = if has_probabilities || classes == 2 { classes } else { pairs.len() };
    let scratch = rows + 2 * classes + 2 * classes * classes;
    let work = vectors.work() + weights.len() + if has_probabilities { 400 * classes * classes } else { 0 };
    let labels_of = labels.values.clone().into();
    let step =
        PairsStep { vectors, weights, begins, pairs, labels: labels_of, post, has_probabilities, scores };
    label_and_scores(graph, node, (step, &input), (labels, scores), (scratch, work))
}

struct RegressionStep {
    vectors: Vectors,
    weights: Box<[f32]>,
    offset: f64,
    /// Answers 1 or -1.
    is_one_class: bool,
}

impl RowStep for RegressionStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let kernels = self.vectors.kernels(inputs.of(0));
        let sum: f64 =
            self.weights.iter().zip(kernels).map(|(weight, kernel)| f64::from(*weight) * kernel).sum();
        let sum = f64::from((sum + self.offset) as f32);
        if let Some(out) = out.first_mut() {
            *out = match self.is_one_class {
                true if sum > 0.0 => 1.0,
                true => -1.0,
                false => sum,
            };
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.vectors.numbers) + size_of_val(&*self.weights)
    }
}

pub(super) fn regressor<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let rows = usize::try_from(node.integer("n_supports")?.unwrap_or(0)).unwrap_or(0);
    let weights = node.floats("coefficients")?;
    let (vectors, weights) = if rows > 0 {
        (Vectors::read(node, &input, rows, node.floats("support_vectors")?)?, singles(weights))
    } else {
        let vectors = Vectors::read(node, &input, 1, weights)?;
        (Vectors { kind: KernelKind::Linear, ..vectors }, [1.0].into())
    };
    if rows > 0 && weights.len() != rows {
        return Err(node.malformed(format!("{} coefficients for {rows} vectors", weights.len())));
    }
    let offset = node.floats("rho")?.first().copied();
    let offset = offset.ok_or_else(|| node.malformed("it has no rho"))?;
    let work = vectors.work();
    let step = RegressionStep { vectors, weights, offset, is_one_class: node.flag("one_class")? };
    let made = graph.add_one(step, &[&input], TensorKind::Single, &[1, 1], work)?;
    graph.output(node, 0, made)
}
