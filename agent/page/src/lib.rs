//! The page that the agent serves, as browsers take it. `web/` holds it, `uplot/` the charts by others, and `build.rs`
//! compresses both. Nothing is loaded from anywhere else, and there is nothing to build beside this.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct PageFile {
    /// The path that it is served at.
    pub path: &'static str,
    /// Its type.
    pub content_type: &'static str,
    /// A tag of its content, with its quotes (RFC 9110, 8.8.3).
    pub tag: &'static str,
    /// Its content in gzip.
    pub gzip: &'static [u8],
}

/// All files. The first one is the page.
pub const FILES: &[PageFile] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What the page may load and do (Content Security Policy 3): its own files and the agent's answers, and nothing else.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    /// The page is loaded over slow links, and lies in the program of a small machine.
    const BYTES_MAX: usize = 150_000;

    #[test]
    fn the_page_is_small_and_has_all_that_it_names() {
        let bytes: usize = FILES.iter().map(|file| file.gzip.len()).sum();
        println!("{bytes} bytes");
        assert!(bytes < BYTES_MAX, "{bytes} bytes compressed");
        let page = include_str!("../web/index.html");
        let named = page.split(['"', '\'']).filter(|word| word.starts_with("page/"));
        for name in named {
            assert!(
                FILES.iter().any(|file| file.path.strip_prefix('/') == Some(name)),
                "{name} is not there"
            );
        }
        assert!(
            FILES.iter().all(|file| file.gzip.starts_with(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0])),
            "no name, no time"
        );
        assert!(FILES.iter().all(|file| file.tag.len() == 10 && file.tag.starts_with('"')));
    }

    /// What comes from outside is text and never markup: no script of ours writes HTML.
    #[test]
    fn no_script_writes_markup() {
        let scripts = [
            include_str!("../web/main.js"),
            include_str!("../web/dom.js"),
            include_str!("../web/tables.js"),
            include_str!("../web/flow.js"),
            include_str!("../web/chart.js"),
            include_str!("../web/alerts.js"),
            include_str!("../web/series.js"),
        ];
        for word in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
        {
            assert!(scripts.iter().all(|script| !script.contains(word)), "{word}");
        }
    }
}
