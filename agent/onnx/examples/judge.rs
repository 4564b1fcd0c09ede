//! Judges rows: `judge MODEL.onnx < rows.csv`, a line of numbers a row; prints the chosen class and the scores of each.

use headwater_onnx::{OnnxModel, OnnxPurpose};
use std::io::{BufRead, Write};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: judge MODEL.onnx < rows.csv")?;
    let model = OnnxModel::read_file(Path::new(&path))?;
    eprintln!(
        "{:?}, {} features, {} steps, {} bytes",
        model.purpose(),
        model.features(),
        model.steps(),
        model.bytes()
    );
    let mut scratch = model.scratch();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let row = line?.split(',').map(|cell| cell.trim().parse()).collect::<Result<Vec<f64>, _>>()?;
        let answer = model.judge(&row, &mut scratch);
        match model.purpose() {
            OnnxPurpose::Classes(classes) => {
                write!(out, "{}", classes.get(answer.class).map_or("?", |name| name.as_str()))?;
            }
            OnnxPurpose::Value => write!(out, "-")?,
            OnnxPurpose::Outlier => write!(out, "{}", if answer.class == 1 { "-1" } else { "1" })?,
        }
        for score in answer.scores {
            write!(out, ",{score}")?;
        }
        writeln!(out)?;
    }
    Ok(out.flush()?)
}
