//! Many numbers that become one, or a row that is compared with itself.

use super::axes::{axes, axis};
use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{Tensor, TensorKind, count, places, strides};

/// Groups of as many numbers each: their places, group by group.
struct Groups {
    places: Box<[u32]>,
    size: usize,
}

impl Groups {
    /// The numbers of a tensor in groups along some of its dimensions.
    fn along(input: &Tensor, axes: &[usize]) -> Result<Self, OnnxError> {
        let own = strides(&input.shape);
        let part = |is_along: bool| {
            let sizes = input.shape.iter().zip(&own).enumerate();
            sizes
                .filter(move |(at, _)| axes.contains(at) == is_along)
                .map(|(_, (size, stride))| (*size, *stride))
        };
        let (shape, steps): (Vec<usize>, Vec<isize>) =
            part(false).chain(part(true)).map(|(size, stride)| (size, stride.cast_signed())).unzip();
        let size = part(true).map(|(size, _)| size).product();
        if size == 0 {
            return Err(OnnxError::unsupported("a sum over nothing"));
        }
        Ok(Self { places: places(&shape, &steps, 0)?.into(), size })
    }

    /// The places of each group.
    fn each(&self) -> impl Iterator<Item = &[u32]> {
        self.places.chunks(self.size)
    }
}

fn of<'a>(numbers: &'a [f64], group: &'a [u32]) -> impl Iterator<Item = f64> + 'a {
    group.iter().map(|place| numbers.get(*place as usize).copied().unwrap_or(f64::NAN))
}

/// What becomes of a group.
type Reduction = fn(&mut dyn Iterator<Item = f64>, f64) -> f64;

fn log_sum_exp(numbers: &mut dyn Iterator<Item = f64>) -> f64 {
    // One pass: the sum is rescaled when a larger number comes.
    let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
    for number in numbers {
        if number > largest {
            sum = sum * f64::exp(largest - number) + 1.0;
            largest = number;
        } else {
            sum += f64::exp(number - largest);
        }
    }
    largest + f64::ln(sum)
}

pub(super) fn reduction_of(operator: &str) -> Option<Reduction> {
    Some(match operator {
        "ReduceL1" => |numbers, _| numbers.map(f64::abs).sum(),
        "ReduceL2" => |numbers, _| numbers.map(|x| x * x).sum::<f64>().sqrt(),
        "ReduceLogSum" => |numbers, _| numbers.sum::<f64>().ln(),
        "ReduceLogSumExp" => |numbers, _| log_sum_exp(numbers),
        "ReduceMax" => {
            |numbers, _| numbers.fold(f64::NEG_INFINITY, |a, b| if a > b || a.is_nan() { a } else { b })
        }
        "ReduceMean" => |numbers, count| numbers.sum::<f64>() / count,
        "ReduceMin" => {
            |numbers, _| numbers.fold(f64::INFINITY, |a, b| if a < b || a.is_nan() { a } else { b })
        }
        "ReduceProd" => |numbers, _| numbers.product(),
        "ReduceSum" => |numbers, _| numbers.sum(),
        "ReduceSumSquare" => |numbers, _| numbers.map(|x| x * x).sum(),
        _ => return None,
    })
}

struct ReduceStep {
    f: Reduction,
    kind: TensorKind,
    groups: Groups,
}

impl RowStep for ReduceStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let numbers = inputs.of(0);
        for (out, group) in out.iter_mut().zip(self.groups.each()) {
            *out = self.kind.hold((self.f)(&mut of(numbers, group), group.len() as f64));
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.groups.places)
    }
}

/// The place of the largest or smallest number in its group.
struct ArgStep {
    groups: Groups,
    is_min: bool,
    takes_last: bool,
}

impl RowStep for ArgStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let numbers = inputs.of(0);
        for (out, group) in out.iter_mut().zip(self.groups.each()) {
            let (mut best, mut found) = (f64::NAN, 0);
            for (at, number) in of(numbers, group).enumerate() {
                let is_better = if self.is_min { number < best } else { number > best };
                if at == 0 || is_better || (self.takes_last && number == best) {
                    (best, found) = (number, at);
                }
            }
            *out = found as f64;
        }
    }
}

struct SoftmaxStep {
    groups: Groups,
    kind: TensorKind,
    is_log: bool,
}

impl RowStep for SoftmaxStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let numbers = inputs.of(0);
        for group in self.groups.each() {
            let largest = of(numbers, group).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = of(numbers, group).map(|number| (number - largest).exp()).sum();
            for (place, number) in group.iter().zip(of(numbers, group)) {
                let share =
                    if self.is_log { number - largest - sum.ln() } else { (number - largest).exp() / sum };
                if let Some(out) = out.get_mut(*place as usize) {
                    *out = self.kind.hold(share);
                }
            }
        }
    }
}

/// Divides each group by its length: the sum of absolute values, or the root of that of squares.
struct LengthStep {
    groups: Groups,
    kind: TensorKind,
    is_l1: bool,
}

impl RowStep for LengthStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let numbers = inputs.of(0);
        for group in self.groups.each() {
            let length: f64 = match self.is_l1 {
                true => of(numbers, group).map(f64::abs).sum(),
                false => of(numbers, group).map(|x| x * x).sum::<f64>().sqrt(),
            };
            for (place, number) in group.iter().zip(of(numbers, group)) {
                if let Some(out) = out.get_mut(*place as usize) {
                    *out = self.kind.hold(if length == 0.0 { 0.0 } else { number / length });
                }
            }
        }
    }
}

/// The shape that is left.
fn reduced(input: &Tensor, axes: &[usize], keeps: bool) -> Vec<usize> {
    let sizes = input.shape.iter().enumerate();
    sizes
        .filter(|(at, _)| keeps || !axes.contains(at))
        .map(|(at, size)| if axes.contains(&at) { 1 } else { *size })
        .collect()
}

pub(super) fn reduction<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let Some(f) = reduction_of(node.operator) else { return Ok(()) };
    let named = axes(graph, node, input.shape.len())?.filter(|axes| !axes.is_empty());
    if named.is_none() && node.flag("noop_with_empty_axes")? {
        return graph.output(node, 0, input);
    }
    let axes = named.unwrap_or_else(|| (0..input.shape.len()).collect());
    let shape = reduced(&input, &axes, node.integer("keepdims")?.unwrap_or(1) != 0);
    let step = ReduceStep { f, kind: input.kind, groups: Groups::along(&input, &axes)? };
    let made = graph.add_one(step, &[&input], input.kind, &shape, input.count())?;
    graph.output(node, 0, made)
}

pub(super) fn arg<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let axes = [axis(node, node.integer("axis")?.unwrap_or(0), input.shape.len())?];
    let shape = reduced(&input, &axes, node.integer("keepdims")?.unwrap_or(1) != 0);
    let step = ArgStep {
        groups: Groups::along(&input, &axes)?,
        is_min: node.operator == "ArgMin",
        takes_last: node.flag("select_last_index")?,
    };
    let made = graph.add_one(step, &[&input], TensorKind::Integer, &shape, input.count())?;
    graph.output(node, 0, made)
}

/// Files before version 13 take all dimensions from the named one on as one.
pub(super) fn softmax<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    version: u64,
) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let rank = input.shape.len();
    let named = node.integer("axis")?.unwrap_or(if version < 13 { 1 } else { -1 });
    let at = axis(node, named, rank)?;
    let axes: Vec<usize> = (at..if version < 13 { rank } else { at + 1 }).collect();
    let step = SoftmaxStep {
        groups: Groups::along(&input, &axes)?,
        kind: input.kind,
        is_log: node.operator == "LogSoftmax",
    };
    let work = 16 * count(&input.shape)?;
    let made = graph.add_one(step, &[&input], input.kind, &input.shape, work)?;
    graph.output(node, 0, made)
}

pub(super) fn lp_normalization<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    _: u64,
) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let axes = [axis(node, node.integer("axis")?.unwrap_or(-1), input.shape.len())?];
    let is_l1 = node.integer("p")?.unwrap_or(2) == 1;
    let step = LengthStep { groups: Groups::along(&input, &axes)?, kind: input.kind, is_l1 };
    let made = graph.add_one(step, &[&input], input.kind, &input.shape, 2 * input.count())?;
    graph.output(node, 0, made)
}
