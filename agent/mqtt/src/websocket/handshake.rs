//! The opening handshake of a WebSocket (RFC 6455, section 4), for the subprotocol `mqtt`.

use super::WebSocket;
use super::frame::fill_randomly;
use bytes::BytesMut;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest answer (bytes).
const ANSWER_BYTES_MAX: usize = 8 << 10;

/// What RFC 6455 appends to a key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const END: &[u8] = b"\r\n\r\n";

/// Makes a WebSocket of a stream; `host` is the server's `host:port`.
///
/// # Errors
/// The stream's, or the server does not speak MQTT over websockets at this path.
pub(crate) async fn upgraded<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    path: &str,
) -> io::Result<WebSocket<S>> {
    let mut nonce = [0; 16];
    fill_randomly(&mut nonce)?;
    let key = base64(&nonce);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut input = BytesMut::with_capacity(1 << 10);
    let end = loop {
        if let Some(end) = input.windows(END.len()).position(|part| part == END) {
            break end;
        }
        if input.len() > ANSWER_BYTES_MAX {
            return Err(refused("its answer has no end"));
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let answer = input.split_to(end + END.len());
    check(&String::from_utf8_lossy(&answer), &key)?;
    Ok(WebSocket::new(stream, input))
}

/// Whether the answer opens a WebSocket for this key.
fn check(answer: &str, key: &str) -> io::Result<()> {
    let mut lines = answer.lines();
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        let shown: String = status.chars().filter(|c| !c.is_control()).take(80).collect();
        return Err(refused(&format!("it answers `{shown}`; check port and path, often /mqtt")));
    }
    let is = |name: &str, wanted: &str| {
        let headers = lines.clone().filter_map(|line| line.split_once(':'));
        let mut values = headers
            .filter(|(known, _)| known.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim());
        values.any(|value| value == wanted)
    };
    let proof = base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()).as_ref());
    if !is("sec-websocket-accept", &proof) {
        return Err(refused("its answer is that to another request: does a proxy stand between?"));
    }
    if !is("sec-websocket-protocol", "mqtt") {
        return Err(refused("it does not offer the subprotocol mqtt"));
    }
    Ok(())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the server opens no websocket: {why}"))
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let sign = SIGNS.get((number >> (18 - 6 * place) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if place <= three.len() { char::from(sign) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the proof of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nconnection: Upgrade\r\n\
                        SEC-WEBSOCKET-ACCEPT: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

    #[test]
    fn the_example_of_the_rfc_is_accepted_and_nothing_else() {
        assert_eq!(base64(b"the sample nonce"), KEY);
        assert_eq!([base64(b""), base64(b"f"), base64(b"fo"), base64(b"foo")], ["", "Zg==", "Zm8=", "Zm9v"]);
        check(GOOD, KEY).unwrap();
        for (from, to, told) in [
            ("101 Switching Protocols", "404 Not Found", "`HTTP/1.1 404 Not Found`; check port and path"),
            ("HTTP/1.1 101", "SSH-2.0-x", "`SSH-2.0-x"),
            ("s3pPL", "x3pPL", "another request"),
            (": mqtt", ": mqttv3", "subprotocol"),
        ] {
            let error = check(&GOOD.replace(from, to), KEY).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(check("", KEY).is_err());
    }
}
