//! Arithmetic number by number, with shapes that stretch to each other.

use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{Tensor, TensorKind, broadcast, count, stretched};

/// What a function of one number makes of a kind.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Makes {
    Same,
    Boolean,
}

type Unary = fn(f64) -> f64;
type Binary = fn(f64, f64) -> f64;

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn sign(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else { -truth(x < 0.0) }
}

pub(super) fn unary_of(operator: &str) -> Option<(Unary, Makes)> {
    let same: Unary = match operator {
        "Abs" => f64::abs,
        "Ceil" => f64::ceil,
        "Exp" => f64::exp,
        "Floor" => f64::floor,
        "Log" => f64::ln,
        "Neg" => |x| -x,
        "Reciprocal" => |x| 1.0 / x,
        "Relu" => |x| if x < 0.0 { 0.0 } else { x },
        "Round" => f64::round_ties_even,
        "Sigmoid" => sigmoid,
        "Sign" => sign,
        "Softplus" => |x| x.exp().ln_1p(),
        "Sqrt" => f64::sqrt,
        "Tanh" => f64::tanh,
        "IsNaN" => return Some((|x| truth(x.is_nan()), Makes::Boolean)),
        "Not" => return Some((|x| truth(x == 0.0), Makes::Boolean)),
        _ => return None,
    };
    Some((same, Makes::Same))
}

pub(super) fn binary_of(operator: &str) -> Option<(Binary, Makes)> {
    let same: Binary = match operator {
        "Add" => |a, b| a + b,
        "Div" => |a, b| a / b,
        "Mul" => |a, b| a * b,
        "Pow" => f64::powf,
        "Sub" => |a, b| a - b,
        _ => {
            let comparison: Binary = match operator {
                "And" => |a, b| truth(a != 0.0 && b != 0.0),
                "Equal" => |a, b| truth(a == b),
                "Greater" => |a, b| truth(a > b),
                "GreaterOrEqual" => |a, b| truth(a >= b),
                "Less" => |a, b| truth(a < b),
                "LessOrEqual" => |a, b| truth(a <= b),
                "Or" => |a, b| truth(a != 0.0 || b != 0.0),
                "Xor" => |a, b| truth((a != 0.0) != (b != 0.0)),
                _ => return None,
            };
            return Some((comparison, Makes::Boolean));
        }
    };
    Some((same, Makes::Same))
}

/// The larger, or NaN where one is.
fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

fn smaller(a: f64, b: f64) -> f64 {
    if a < b || a.is_nan() { a } else { b }
}

pub(super) fn variadic_of(operator: &str) -> Option<Binary> {
    Some(match operator {
        "Max" => larger,
        "Min" => smaller,
        "Sum" | "Mean" => |a, b| a + b,
        _ => return None,
    })
}

struct UnaryStep {
    f: Unary,
    kind: TensorKind,
}

impl RowStep for UnaryStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        for (out, number) in out.iter_mut().zip(inputs.of(0)) {
            *out = self.kind.hold((self.f)(*number));
        }
    }
}

/// A function of two tensors that are stretched to the shape of its output.
struct BinaryStep {
    f: Binary,
    kind: TensorKind,
    left: Option<Box<[u32]>>,
    right: Option<Box<[u32]>>,
}

fn number(numbers: &[f64], places: &Option<Box<[u32]>>, at: usize) -> f64 {
    let place = match places {
        Some(places) => places.get(at).map(|place| *place as usize),
        None => Some(at),
    };
    place.and_then(|place| numbers.get(place)).copied().unwrap_or(f64::NAN)
}

impl RowStep for BinaryStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let (left, right) = (inputs.of(0), inputs.of(1));
        for (at, out) in out.iter_mut().enumerate() {
            let (left, right) = (number(left, &self.left, at), number(right, &self.right, at));
            *out = self.kind.hold((self.f)(left, right));
        }
    }

    fn bytes(&self) -> usize {
        let of = |places: &Option<Box<[u32]>>| places.as_deref().map_or(0, size_of_val);
        of(&self.left) + of(&self.right)
    }
}

struct WhereStep([Option<Box<[u32]>>; 3]);

impl RowStep for WhereStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        let [condition, yes, no] = &self.0;
        for (at, out) in out.iter_mut().enumerate() {
            let is = number(inputs.of(0), condition, at) != 0.0;
            *out = if is { number(inputs.of(1), yes, at) } else { number(inputs.of(2), no, at) };
        }
    }
}

struct ClipStep {
    kind: TensorKind,
    low: f64,
    high: f64,
}

impl RowStep for ClipStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        for (out, number) in out.iter_mut().zip(inputs.of(0)) {
            *out = self.kind.hold(smaller(larger(*number, self.low), self.high));
        }
    }
}

fn no_texts(node: &ProtoNode<'_>, tensors: &[&Tensor]) -> Result<(), OnnxError> {
    if tensors.iter().any(|tensor| tensor.kind == TensorKind::Text) {
        return Err(node.unsupported("texts are no numbers"));
    }
    Ok(())
}

pub(super) fn unary<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    no_texts(node, &[&input])?;
    let Some((f, makes)) = unary_of(node.operator) else { return Ok(()) };
    let kind = if makes == Makes::Boolean { TensorKind::Boolean } else { input.kind };
    let made = graph.add_one(UnaryStep { f, kind }, &[&input], kind, &input.shape, input.count())?;
    graph.output(node, 0, made)
}

/// Adds a function of two tensors.
pub(super) fn add_binary(
    graph: &mut Builder<'_>,
    f: Binary,
    makes: Makes,
    left: &Tensor,
    right: &Tensor,
) -> Result<Tensor, OnnxError> {
    let shape = broadcast(&left.shape, &right.shape)?;
    let kind = if makes == Makes::Boolean { TensorKind::Boolean } else { left.kind };
    let step = BinaryStep {
        f,
        kind,
        left: stretched(&left.shape, &shape)?,
        right: stretched(&right.shape, &shape)?,
    };
    graph.add_one(step, &[left, right], kind, &shape, count(&shape)?)
}

pub(super) fn binary<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let (left, right) = (graph.input(node, 0)?, graph.input(node, 1)?);
    if node.operator != "Equal" {
        no_texts(node, &[&left, &right])?;
    }
    let Some((f, makes)) = binary_of(node.operator) else { return Ok(()) };
    let made = add_binary(graph, f, makes, &left, &right)?;
    graph.output(node, 0, made)
}

pub(super) fn variadic<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let Some(f) = variadic_of(node.operator) else { return Ok(()) };
    let mut made = graph.input(node, 0)?;
    for at in 1..node.inputs.len() {
        let next = graph.input(node, at)?;
        no_texts(node, &[&made, &next])?;
        made = add_binary(graph, f, Makes::Same, &made, &next)?;
    }
    if node.operator == "Mean" {
        let parts = graph.fixed(made.kind, Vec::new(), &[node.inputs.len() as f64])?;
        made = add_binary(graph, |a, b| a / b, Makes::Same, &made, &parts)?;
    }
    graph.output(node, 0, made)
}

pub(super) fn choose<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let (condition, yes, no) = (graph.input(node, 0)?, graph.input(node, 1)?, graph.input(node, 2)?);
    if yes.kind != no.kind {
        return Err(node.malformed("its inputs are of two kinds"));
    }
    let shape = broadcast(&broadcast(&condition.shape, &yes.shape)?, &no.shape)?;
    let places =
        [stretched(&condition.shape, &shape)?, stretched(&yes.shape, &shape)?, stretched(&no.shape, &shape)?];
    let inputs = [&condition, &yes, &no];
    let made = graph.add_one(WhereStep(places), &inputs, yes.kind, &shape, count(&shape)?)?;
    graph.output(node, 0, made)
}

pub(super) fn clip<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    no_texts(node, &[&input])?;
    let bound = |at: usize, name: &str, none: f64| -> Result<f64, OnnxError> {
        let Some(tensor) = graph.optional(node, at)? else { return Ok(node.float(name)?.unwrap_or(none)) };
        let known = graph.known(&tensor).and_then(<[f64]>::first).copied();
        known.ok_or_else(|| node.unsupported("bounds that are no constants do not run here"))
    };
    let (low, high) = (bound(1, "min", f64::NEG_INFINITY)?, bound(2, "max", f64::INFINITY)?);
    let step = ClipStep { kind: input.kind, low, high };
    let made = graph.add_one(step, &[&input], input.kind, &input.shape, input.count())?;
    graph.output(node, 0, made)
}

pub(super) fn cast<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let code = u64::try_from(node.integer("to")?.unwrap_or(0)).unwrap_or(0);
    let kind = TensorKind::of_code(code)
        .filter(|kind| (*kind == TensorKind::Text) == (input.kind == TensorKind::Text))
        .ok_or_else(|| node.unsupported(format!("a cast to kind {code} does not run here")))?;
    let is_held = kind == input.kind || kind == TensorKind::Double || input.kind == TensorKind::Boolean;
    let made = if is_held {
        Tensor { kind, ..input }
    } else {
        let step = UnaryStep { f: |x| x, kind };
        let mut made = graph.add_one(step, &[&input], kind, &input.shape, input.count())?;
        made.labels = input.labels;
        made
    };
    graph.output(node, 0, made)
}
