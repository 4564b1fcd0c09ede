//! The files of a TLS connection in the config: `ca`, `cert` and `key`.

use crate::Tls;
use headwater_settings::{At, Table, is_readable_by_others};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The files as named, not yet read.
pub struct TlsFiles {
    ca: Option<At<PathBuf>>,
    cert: Option<At<PathBuf>>,
    key: Option<At<PathBuf>>,
}

impl TlsFiles {
    /// Takes `ca`, `cert` and `key` of a table.
    pub fn take(table: &mut Table<'_>) -> Self {
        table.note("ca", "authorities, or the server's own certificate; default: the system's");
        table.note("cert", "our certificate, with `key`: mutual TLS");
        table.note("key", "of `cert`");
        Self { ca: table.path_to("ca"), cert: table.path_to("cert"), key: table.path_to("key") }
    }

    /// Reads the files where TLS is `wanted`. `fix` says how to ask for it. `None`: a mistake, which the table has noted;
    /// `Some(None)`: plain text.
    pub fn read(&self, table: &Table<'_>, wanted: bool, fix: &str) -> Option<Option<Tls>> {
        let named = [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key)];
        if !wanted {
            for (name, file) in named.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?))) {
                table.refuse(file.span.clone(), format!("`{name}` has no use without TLS"), fix);
            }
            return named.iter().all(|(_, file)| file.is_none()).then_some(None);
        }
        let identity = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some((cert.value.as_path(), key.value.as_path())),
            (None, None) => None,
            (Some(half), None) => return refuse_half(table, half.span.clone(), "`cert` without `key`"),
            (None, Some(half)) => return refuse_half(table, half.span.clone(), "`key` without `cert`"),
        };
        let ca: Option<&Path> = self.ca.as_ref().map(|file| file.value.as_path());
        if let Some(file) = self.key.as_ref().filter(|file| is_readable_by_others(&file.value)) {
            let what = format!("everybody on this machine may read the key {}", file.value.display());
            table.warn(file.span.clone(), what, format!("chmod 600 {}", file.value.display()));
        }
        for (name, file) in named.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?))) {
            table.note_file(name, &file.value);
        }
        let tls = Tls::read(ca, identity);
        tls.map_err(|bad| table.refuse(table.place_of(bad.key), bad.what, bad.fix)).ok().map(Some)
    }
}

fn refuse_half<T>(table: &Table<'_>, span: Range<usize>, what: &str) -> Option<T> {
    table.refuse(span, what, "mutual TLS needs both: the certificate and its key");
    None
}
