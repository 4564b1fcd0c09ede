//! An ONNX file as written: its graph, nodes, attributes and tensors, borrowed from its bytes.
//!
//! Source: `onnx.proto` of ONNX 1.23, the fields that a model of numbers needs. What is counted is bounded before memory is
//! taken for it: a list takes at most eight bytes for one of the file.

mod tensor;

use crate::OnnxError;
use crate::tensor::RANK_MAX;
use headwater_protobuf::{WireFields, WireValue};
pub(crate) use tensor::ProtoTensor;
use tensor::{bounded, single, singles, text, texts, varints};

/// The names of inputs and outputs of all nodes together, and of attributes.
const NAMES_MAX: usize = 1 << 20;

/// The nodes, and the constants, of a graph.
const NODES_MAX: usize = 1 << 16;

/// A file.
#[derive(Debug, Default)]
pub(crate) struct ProtoModel<'a> {
    pub(crate) producer: &'a str,
    /// The versions of the operators, by domain.
    opsets: Vec<(&'a str, u64)>,
    pub(crate) metadata: Vec<(&'a str, &'a str)>,
    pub(crate) graph: ProtoGraph<'a>,
}

/// The graph of a file.
#[derive(Debug, Default)]
pub(crate) struct ProtoGraph<'a> {
    pub(crate) nodes: Vec<ProtoNode<'a>>,
    pub(crate) constants: Vec<ProtoTensor<'a>>,
    pub(crate) inputs: Vec<ProtoInput<'a>>,
    pub(crate) outputs: Vec<&'a str>,
}

/// An operator with its attributes.
#[derive(Debug, Default)]
pub(crate) struct ProtoNode<'a> {
    pub(crate) inputs: Vec<&'a str>,
    pub(crate) outputs: Vec<&'a str>,
    name: &'a str,
    pub(crate) operator: &'a str,
    pub(crate) domain: &'a str,
    attributes: Vec<(&'a str, &'a [u8])>,
}

/// What is put in: a name, a kind and a shape, whose unknown dimensions are `None`.
#[derive(Debug, Default)]
pub(crate) struct ProtoInput<'a> {
    pub(crate) name: &'a str,
    pub(crate) code: u64,
    pub(crate) shape: Vec<Option<usize>>,
}

impl<'a> ProtoModel<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut model, mut fields, mut is_graph) = (Self::default(), WireFields(bytes), false);
        while let Some((field, value)) = fields.field()? {
            match field {
                2 => model.producer = text(value)?,
                7 => (model.graph, is_graph) = (ProtoGraph::read(value.bytes())?, true),
                8 => bounded(&mut model.opsets, opset(value.bytes())?, 64, "sets of operators")?,
                14 => bounded(&mut model.metadata, entry(value.bytes())?, 256, "entries of metadata")?,
                _ => {}
            }
        }
        if is_graph { Ok(model) } else { Err(OnnxError::malformed("it has no graph")) }
    }

    /// The version of a domain's operators.
    pub(crate) fn opset(&self, domain: &str) -> u64 {
        self.opsets.iter().filter(|(of, _)| *of == domain).map(|(_, version)| *version).max().unwrap_or(1)
    }
}

fn opset(bytes: &[u8]) -> Result<(&str, u64), OnnxError> {
    let (mut domain, mut version, mut fields) = ("", 1, WireFields(bytes));
    while let Some((field, value)) = fields.field()? {
        match field {
            1 => domain = text(value)?,
            2 => version = value.number(),
            _ => {}
        }
    }
    Ok((if domain == "ai.onnx" { "" } else { domain }, version))
}

fn entry(bytes: &[u8]) -> Result<(&str, &str), OnnxError> {
    let (mut key, mut content, mut fields) = ("", "", WireFields(bytes));
    while let Some((field, value)) = fields.field()? {
        match field {
            1 => key = text(value)?,
            2 => content = text(value)?,
            _ => {}
        }
    }
    Ok((key, content))
}

impl<'a> ProtoGraph<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut graph, mut fields, mut names) = (Self::default(), WireFields(bytes), 0);
        while let Some((field, value)) = fields.field()? {
            match field {
                1 => {
                    let node = ProtoNode::read(value.bytes(), &mut names)?;
                    bounded(&mut graph.nodes, node, NODES_MAX, "operators")?;
                }
                5 => {
                    let tensor = ProtoTensor::read(value.bytes())?;
                    bounded(&mut graph.constants, tensor, NODES_MAX, "constants")?;
                }
                11 => bounded(&mut graph.inputs, ProtoInput::read(value.bytes())?, NODES_MAX, "inputs")?,
                12 => {
                    let output = ProtoInput::read(value.bytes())?.name;
                    bounded(&mut graph.outputs, output, 16, "outputs")?;
                }
                15 => return Err(OnnxError::unsupported("sparse constants do not run here")),
                _ => {}
            }
        }
        // Files before version 4 list their constants among the inputs.
        let constants: std::collections::HashSet<&str> =
            graph.constants.iter().map(|constant| constant.name).collect();
        graph.inputs.retain(|input| !constants.contains(input.name));
        Ok(graph)
    }
}

impl<'a> ProtoInput<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, OnnxError> {
        let (mut input, mut fields) = (Self::default(), WireFields(bytes));
        while let Some((field, value)) = fields.field()? {
            match field {
                1 => input.name = text(value)?,
                2 => input.read_type(value.bytes())?,
                _ => {}
            }
        }
        Ok(input)
    }

    fn read_type(&mut self, bytes: &[u8]) -> Result<(), OnnxError> {
        let mut kinds = WireFields(bytes);
        while let Some((field, value)) = kinds.field()? {
            let mut fields = WireFields(if field == 1 { value.bytes() } else { &[] });
            while let Some((field, value)) = fields.field()? {
                match field {
                    1 => self.code = value.number(),
                    2 => self.shape = shape(value.bytes())?,
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn shape(bytes: &[u8]) -> Result<Vec<Option<usize>>, OnnxError> {
    let (mut shape, mut fields) = (Vec::new(), WireFields(bytes));
    while let Some((_, value)) = fields.field()? {
        let (mut size, mut dimension) = (0, WireFields(value.bytes()));
        while let Some((field, value)) = dimension.field()? {
            if field == 1 {
                size = value.number();
            }
        }
        // An unknown dimension is written as 0, or as a name.
        let size = usize::try_from(size).ok().filter(|size| *size > 0);
        bounded(&mut shape, size, RANK_MAX, "dimensions")?;
    }
    Ok(shape)
}

impl<'a> ProtoNode<'a> {
    fn read(bytes: &'a [u8], names: &mut usize) -> Result<Self, OnnxError> {
        let (mut node, mut fields) = (Self::default(), WireFields(bytes));
        while let Some((field, value)) = fields.field()? {
            match field {
                1 => bounded(&mut node.inputs, text(value)?, NODES_MAX, "inputs of an operator")?,
                2 => bounded(&mut node.outputs, text(value)?, NODES_MAX, "outputs of an operator")?,
                3 => node.name = text(value)?,
                4 => node.operator = text(value)?,
                5 => {
                    let named = (attribute_name(value.bytes())?, value.bytes());
                    bounded(&mut node.attributes, named, 64, "attributes of an operator")?;
                }
                7 => node.domain = text(value)?,
                _ => continue,
            }
            *names += 1;
            if *names > NAMES_MAX {
                return Err(OnnxError::unsupported(format!("more than {NAMES_MAX} names in its graph")));
            }
        }
        if node.domain == "ai.onnx" {
            node.domain = "";
        }
        Ok(node)
    }

    /// A mistake in it, with its place.
    pub(crate) fn unsupported(&self, what: impl std::fmt::Display) -> OnnxError {
        OnnxError::Unsupported(format!("operator {} (`{}`): {what}", self.operator, self.name))
    }

    /// The same, for what no exporter writes.
    pub(crate) fn malformed(&self, what: impl std::fmt::Display) -> OnnxError {
        OnnxError::Malformed(format!("operator {} (`{}`): {what}", self.operator, self.name))
    }

    fn fields(&self, name: &str) -> Option<WireFields<'a>> {
        self.attributes.iter().find(|(of, _)| *of == name).map(|(_, bytes)| WireFields(bytes))
    }

    fn last(&self, name: &str, number: u64) -> Result<Option<WireValue<'a>>, OnnxError> {
        let (mut found, Some(mut fields)) = (None, self.fields(name)) else { return Ok(None) };
        while let Some((field, value)) = fields.field()? {
            if field == number {
                found = Some(value);
            }
        }
        Ok(found)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields(name).is_some()
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, OnnxError> {
        Ok(self.last(name, 3)?.map(|value| value.number().cast_signed()))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, OnnxError> {
        Ok(self.integer(name)?.unwrap_or(0) != 0)
    }

    pub(crate) fn float(&self, name: &str) -> Result<Option<f64>, OnnxError> {
        Ok(self.last(name, 2)?.map(single))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, OnnxError> {
        self.last(name, 4)?.map(text).transpose()
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<Option<ProtoTensor<'a>>, OnnxError> {
        self.last(name, 5)?.map(|value| ProtoTensor::read(value.bytes())).transpose()
    }

    pub(crate) fn floats(&self, name: &str) -> Result<Vec<f64>, OnnxError> {
        let Some(fields) = self.fields(name) else { return Ok(Vec::new()) };
        singles(fields, 7)
    }

    /// The floats of an attribute, or those of the tensor that newer files have in its place.
    pub(crate) fn floats_or_tensor(&self, name: &str) -> Result<Vec<f64>, OnnxError> {
        match self.tensor(&format!("{name}_as_tensor"))? {
            Some(tensor) => tensor.values(),
            None => self.floats(name),
        }
    }

    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>, OnnxError> {
        let Some(fields) = self.fields(name) else { return Ok(Vec::new()) };
        Ok(varints(fields, 8)?.into_iter().map(u64::cast_signed).collect())
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, OnnxError> {
        let Some(fields) = self.fields(name) else { return Ok(Vec::new()) };
        texts(fields, 9)
    }
}

fn attribute_name(bytes: &[u8]) -> Result<&str, OnnxError> {
    let mut fields = WireFields(bytes);
    while let Some((field, value)) = fields.field()? {
        if field == 1 {
            return text(value);
        }
    }
    Err(OnnxError::malformed("an attribute has no name"))
}
