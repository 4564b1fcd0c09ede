//! Compresses the files of the page, so that the program holds them as browsers take them. Equal files give equal bytes.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::{env, fs};

/// The path on the listener, the file, and its type.
const FILES: [(&str, &str, &str); 12] = [
    ("/", "web/index.html", "text/html; charset=utf-8"),
    ("/page/page.css", "web/page.css", "text/css; charset=utf-8"),
    ("/page/uplot.css", "uplot/uPlot.min.css", "text/css; charset=utf-8"),
    ("/page/uplot.js", "uplot/uPlot.iife.min.js", "text/javascript; charset=utf-8"),
    ("/page/main.js", "web/main.js", "text/javascript; charset=utf-8"),
    ("/page/dom.js", "web/dom.js", "text/javascript; charset=utf-8"),
    ("/page/tables.js", "web/tables.js", "text/javascript; charset=utf-8"),
    ("/page/flow.js", "web/flow.js", "text/javascript; charset=utf-8"),
    ("/page/chart.js", "web/chart.js", "text/javascript; charset=utf-8"),
    ("/page/alerts.js", "web/alerts.js", "text/javascript; charset=utf-8"),
    ("/page/series.js", "web/series.js", "text/javascript; charset=utf-8"),
    ("/page/icon.svg", "web/icon.svg", "image/svg+xml"),
];

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut list = String::from("&[\n");
    for (number, (path, file, content_type)) in FILES.into_iter().enumerate() {
        println!("cargo::rerun-if-changed={file}");
        let bytes = fs::read(file).map_err(|error| io::Error::other(format!("{file}: {error}")))?;
        let gzip = out.join(format!("{number}.gz"));
        fs::write(&gzip, deflated(&bytes)?)?;
        let tag = format!("\\\"{:08x}\\\"", crc32fast::hash(&bytes));
        list.push_str(&format!(
            "    PageFile {{ path: {path:?}, content_type: {content_type:?}, tag: \"{tag}\", gzip: include_bytes!({gzip:?}) }},\n"
        ));
    }
    list.push(']');
    fs::write(out.join("files.rs"), list)
}

/// In gzip, without a name or a time.
fn deflated(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
