//! An HTTP server that answers 204, or what a server behind it answers, and keeps what it was sent.

use crate::bare::{content_length, read_head};
use flate2::read::GzDecoder;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A request as it came.
#[derive(Clone)]
pub struct SunkRequest {
    /// When it was answered.
    pub at: Instant,
    /// All its bytes.
    pub raw: Vec<u8>,
    body_at: usize,
}

impl SunkRequest {
    /// Whether its body is in gzip.
    #[must_use]
    pub fn is_gzip(&self) -> bool {
        String::from_utf8_lossy(&self.raw[..self.body_at]).to_lowercase().contains("content-encoding: gzip")
    }

    /// The text of its body.
    ///
    /// # Panics
    /// When it says that it is in gzip, and is not.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let body = &self.raw[self.body_at..];
        if !self.is_gzip() {
            return body.to_vec();
        }
        let mut text = Vec::new();
        GzDecoder::new(body).read_to_end(&mut text).expect("gzip");
        text
    }

    /// The lines of line protocol in its body, or the elements of its list of messages.
    #[must_use]
    pub fn messages(&self) -> usize {
        let text = self.text();
        let sign: &[u8] = if text.starts_with(b"[") { b"\"kind\":\"" } else { b"\n" };
        text.windows(sign.len()).filter(|window| *window == sign).count()
    }
}

/// A running server on loopback.
pub struct HttpSink {
    /// Its port, on 127.0.0.1.
    pub port: u16,
    requests: Arc<Mutex<Vec<SunkRequest>>>,
}

impl HttpSink {
    /// Starts it, in front of the server on another port of loopback if there is one. It ends with the program.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start(behind: Option<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                // A client that goes away ends its connection.
                std::thread::spawn(move || drop(serve(stream, behind, &kept)));
            }
        });
        Self { port, requests }
    }

    /// The requests so far that have a body.
    #[must_use]
    pub fn requests(&self) -> Vec<SunkRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the last of them was answered.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).last().map(|request| request.at)
    }
}

fn serve(stream: TcpStream, behind: Option<u16>, kept: &Mutex<Vec<SunkRequest>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut behind = behind.map(|port| TcpStream::connect(("127.0.0.1", port))).transpose()?;
    let (mut answers, mut asked) = (stream.try_clone()?, BufReader::new(stream));
    loop {
        let head = read_head(&mut asked)?;
        let (length, body_at) = (content_length(&head), head.len());
        let mut raw = head.into_bytes();
        raw.resize(body_at + length, 0);
        asked.read_exact(&mut raw[body_at..])?;
        match &mut behind {
            Some(server) => answers.write_all(&passed(server, &raw)?)?,
            None => answers.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?,
        }
        if length > 0 {
            let request = SunkRequest { at: Instant::now(), raw, body_at };
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        }
    }
}

/// The answer of the server behind.
fn passed(server: &mut TcpStream, raw: &[u8]) -> std::io::Result<Vec<u8>> {
    server.write_all(raw)?;
    let mut answer = BufReader::new(server);
    let head = read_head(&mut answer)?;
    let (length, mut all) = (content_length(&head), head.into_bytes());
    let from = all.len();
    all.resize(from + length, 0);
    answer.read_exact(&mut all[from..])?;
    Ok(all)
}
