//! Numbers and texts that stand for others.

use crate::OnnxError;
use crate::builder::Builder;
use crate::proto::ProtoNode;
use crate::step::{RowStep, StepInputs};
use crate::tensor::{Tensor, TensorKind};

/// Keys in order, with what stands for them.
struct LookupStep {
    pairs: Box<[(f64, f64)]>,
    other: f64,
}

impl RowStep for LookupStep {
    fn run(&self, inputs: &StepInputs<'_>, out: &mut [f64]) {
        for (out, number) in out.iter_mut().zip(inputs.of(0)) {
            // There is one zero, and one NaN.
            let key = if number.is_nan() { f64::NAN } else { number + 0.0 };
            let found = self.pairs.binary_search_by(|(own, _)| own.total_cmp(&key));
            *out = found.ok().and_then(|at| self.pairs.get(at)).map_or(self.other, |(_, value)| *value);
        }
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.pairs)
    }
}

/// A list of one of the kinds that an attribute may have.
fn list<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    name: &str,
) -> Result<(TensorKind, Vec<f64>), OnnxError> {
    let (floats, integers, texts) =
        (format!("{name}_floats"), format!("{name}_int64s"), format!("{name}_strings"));
    if let Some(tensor) = node.tensor(&format!("{name}_tensor"))? {
        let tensor = graph.constant_tensor(&tensor)?;
        return Ok((tensor.kind, graph.known(&tensor).unwrap_or_default().to_vec()));
    }
    if node.has(&floats) {
        return Ok((TensorKind::Single, node.floats(&floats)?));
    }
    if node.has(&texts) {
        let texts = node.texts(&texts)?;
        return Ok((TensorKind::Text, texts.into_iter().map(|text| graph.text_number(text)).collect()));
    }
    Ok((TensorKind::Integer, node.integers(&integers)?.into_iter().map(|number| number as f64).collect()))
}

pub(super) fn label_encoder<'a>(
    graph: &mut Builder<'a>,
    node: &ProtoNode<'a>,
    version: u64,
) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    if version < 2 {
        return Err(node.unsupported("its first version does not run here; export with a newer skl2onnx"));
    }
    let (of, keys) = list(graph, node, "keys")?;
    let (kind, values) = list(graph, node, "values")?;
    if keys.is_empty()
        || keys.len() != values.len()
        || (of == TensorKind::Text) != (input.kind == TensorKind::Text)
    {
        return Err(node.malformed("its keys and values do not fit"));
    }
    let other = match (kind, node.tensor("default_tensor")?) {
        (_, Some(tensor)) => {
            let tensor = graph.constant_tensor(&tensor)?;
            graph.known(&tensor).and_then(<[f64]>::first).copied().unwrap_or(f64::NAN)
        }
        (TensorKind::Text, _) => graph.text_number(node.text("default_string")?.unwrap_or("_Unused")),
        (TensorKind::Integer, _) => node.integer("default_int64")?.unwrap_or(-1) as f64,
        _ => node.float("default_float")?.unwrap_or(-0.0),
    };
    let key = |key: f64| if key.is_nan() { f64::NAN } else { key + 0.0 };
    let mut pairs: Vec<(f64, f64)> = keys.into_iter().map(key).zip(values).collect();
    pairs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    pairs.dedup_by(|later, first| later.0.total_cmp(&first.0).is_eq());
    let work = 32 * input.count();
    let step = LookupStep { pairs: pairs.into(), other };
    let made = graph.add_one(step, &[&input], kind, &input.shape, work)?;
    graph.output(node, 0, made)
}

/// A map from labels to scores: the scores, and their labels.
pub(super) fn zip_map<'a>(graph: &mut Builder<'a>, node: &ProtoNode<'a>, _: u64) -> Result<(), OnnxError> {
    let input = graph.input(node, 0)?;
    let labels = graph.labels(node, "classlabels_strings", "classlabels_int64s")?;
    if labels.values.len() != input.count() {
        return Err(node.malformed(format!("{} labels for {} scores", labels.values.len(), input.count())));
    }
    graph.output(node, 0, Tensor { labels: Some(labels), is_map: true, ..input })
}
