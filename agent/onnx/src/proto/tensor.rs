//! Tensors of the file, and lists of numbers: packed or one by one, in the fields of their kind or raw.

use crate::OnnxError;
use crate::tensor::{RANK_MAX, TensorKind};
use headwater_protobuf::{WireFields, WireValue};

/// A tensor of the file.
#[derive(Debug, Default)]
pub(crate) struct ProtoTensor<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: Vec<usize>,
    code: u64,
    bytes: &'a [u8],
}

pub(super) fn text<'a>(value: WireValue<'a>) -> Result<&'a str, OnnxError> {
    value.text().ok_or_else(|| OnnxError::malformed("a name is no text"))
}

pub(super) fn bounded<T>(list: &mut Vec<T>, item: T, max: usize, what: &str) -> Result<(), OnnxError> {
    if list.len() >= max {
        return Err(OnnxError::unsupported(format!("more than {max} {what}")));
    }
    list.push(item);
    Ok(())
}

pub(super) fn single(value: WireValue<'_>) -> f64 {
    if let WireValue::Bits32(bits) = value { f32::from_bits(bits).into() } else { 0.0 }
}

/// The floats of a field, packed or one by one.
pub(super) fn singles(mut fields: WireFields<'_>, number: u64) -> Result<Vec<f64>, OnnxError> {
    let mut list = Vec::new();
    while let Some((field, value)) = fields.field()? {
        match value {
            WireValue::Bits32(_) if field == number => list.push(single(value)),
            WireValue::Bytes(bytes) if field == number => {
                list.extend(little_endian(bytes, |bytes| f32::from_le_bytes(bytes).into())?);
            }
            _ => {}
        }
    }
    Ok(list)
}

/// The whole numbers of a field, packed or one by one.
pub(super) fn varints(mut fields: WireFields<'_>, number: u64) -> Result<Vec<u64>, OnnxError> {
    let mut list = Vec::new();
    while let Some((field, value)) = fields.field()? {
        match value {
            WireValue::Varint(whole) if field == number => list.push(whole),
            WireValue::Bytes(bytes) if field == number => {
                let mut packed = WireFields(bytes);
                while !packed.0.is_empty() {
                    list.push(packed.varint()?);
                }
            }
            _ => {}
        }
    }
    Ok(list)
}

pub(super) fn texts(mut fields: WireFields<'_>, number: u64) -> Result<Vec<&str>, OnnxError> {
    let mut list = Vec::new();
    while let Some((field, value)) = fields.field()? {
        if field == number {
            list.push(text(value)?);
        }
    }
    Ok(list)
}

fn little_endian<const N: usize>(
    bytes: &[u8],
    number: impl Fn([u8; N]) -> f64,
) -> Result<impl Iterator<Item = f64>, OnnxError> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(OnnxError::malformed("a list of numbers ends in the middle of one"));
    }
    Ok(chunks.iter().map(move |chunk| number(*chunk)))
}

impl<'a> ProtoTensor<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, OnnxError> {
        let mut tensor = Self { bytes, ..Self::default() };
        let mut fields = WireFields(bytes);
        while let Some((field, value)) = fields.field()? {
            match field {
                2 => tensor.code = value.number(),
                8 => tensor.name = text(value)?,
                13 | 14 if value.number() != 0 || !value.bytes().is_empty() => {
                    return Err(OnnxError::unsupported(
                        "its numbers lie in a second file; save it as one (`onnx.save(model, path)`)",
                    ));
                }
                _ => {}
            }
        }
        for size in varints(WireFields(bytes), 1)? {
            let size = usize::try_from(size).map_err(|_| OnnxError::malformed("a negative dimension"))?;
            bounded(&mut tensor.shape, size, RANK_MAX, "dimensions")?;
        }
        Ok(tensor)
    }

    pub(crate) fn kind(&self) -> Result<TensorKind, OnnxError> {
        TensorKind::of_code(self.code)
            .ok_or_else(|| OnnxError::unsupported(format!("numbers of kind {} do not run here", self.code)))
    }

    pub(crate) fn texts(&self) -> Result<Vec<&'a str>, OnnxError> {
        texts(WireFields(self.bytes), 6)
    }

    /// Its numbers.
    pub(crate) fn values(&self) -> Result<Vec<f64>, OnnxError> {
        let mut fields = WireFields(self.bytes);
        let mut raw = None;
        while let Some((field, value)) = fields.field()? {
            if field == 9 {
                raw = Some(value.bytes());
            }
        }
        if let Some(raw) = raw {
            return self.raw(raw);
        }
        let fields = WireFields(self.bytes);
        Ok(match self.code {
            1 => singles(fields, 4)?,
            7 => varints(fields, 7)?.into_iter().map(|whole| whole.cast_signed() as f64).collect(),
            11 => doubles(fields)?,
            12 | 13 => varints(fields, 11)?.into_iter().map(|whole| whole as f64).collect(),
            _ => varints(fields, 5)?.into_iter().map(|whole| whole.cast_signed() as f64).collect(),
        })
    }

    fn raw(&self, bytes: &[u8]) -> Result<Vec<f64>, OnnxError> {
        Ok(match self.code {
            1 => little_endian(bytes, |bytes| f32::from_le_bytes(bytes).into())?.collect(),
            2 | 9 => little_endian(bytes, |[byte]: [u8; 1]| byte.into())?.collect(),
            3 => little_endian(bytes, |bytes| i8::from_le_bytes(bytes).into())?.collect(),
            4 => little_endian(bytes, |bytes| u16::from_le_bytes(bytes).into())?.collect(),
            5 => little_endian(bytes, |bytes| i16::from_le_bytes(bytes).into())?.collect(),
            6 => little_endian(bytes, |bytes| i32::from_le_bytes(bytes).into())?.collect(),
            7 => little_endian(bytes, |bytes| i64::from_le_bytes(bytes) as f64)?.collect(),
            11 => little_endian(bytes, f64::from_le_bytes)?.collect(),
            12 => little_endian(bytes, |bytes| u32::from_le_bytes(bytes).into())?.collect(),
            13 => little_endian(bytes, |bytes| u64::from_le_bytes(bytes) as f64)?.collect(),
            code => return Err(OnnxError::unsupported(format!("numbers of kind {code} do not run here"))),
        })
    }
}

fn doubles(mut fields: WireFields<'_>) -> Result<Vec<f64>, OnnxError> {
    let mut list = Vec::new();
    while let Some((field, value)) = fields.field()? {
        match value {
            WireValue::Bits64(bits) if field == 10 => list.push(f64::from_bits(bits)),
            WireValue::Bytes(bytes) if field == 10 => list.extend(little_endian(bytes, f64::from_le_bytes)?),
            _ => {}
        }
    }
    Ok(list)
}
