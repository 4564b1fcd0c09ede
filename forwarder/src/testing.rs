//! What several tests need.

use crate::{EncodeError, Encoder, Framing, Message, MessageAddress};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of a test's own, gone when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("headwater-forwarder-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Takes everything, and makes a line of so many bytes of every message that is not empty.
pub(crate) struct Lines {
    pub(crate) bytes: usize,
}

impl Encoder for Lines {
    fn agent(&self) -> &str {
        "agent"
    }

    fn takes(&self, _: &Message) -> bool {
        true
    }

    fn address<'m>(&'m self, _: &'m Message) -> Option<MessageAddress<'m>> {
        None
    }

    fn encode(&self, batch: &[&Message], _: Framing, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        to.resize(to.len() + batch.len() * self.bytes, b'x');
        let is_bad = batch.iter().any(|message| message.body.is_empty());
        if is_bad { Err(EncodeError { format: "lines", why: "empty".into() }) } else { Ok(()) }
    }
}
