//! A WebSocket that carries MQTT: bytes in and out, as over a plain socket.
//!
//! Source: RFC 6455; MQTT 3.1.1 section 6: binary frames, whose borders mean nothing to MQTT. Deviation: no extensions, and
//! no pings of our own, because MQTT has them. What is written at once is one frame, of [`FRAME_BYTES_MAX`] at most.

mod frame;
mod handshake;

pub(crate) use handshake::upgraded;

use bytes::{Buf, BytesMut};
use frame::{Opcode, Start, put_frame};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes of a frame that is sent, and of one read.
const FRAME_BYTES_MAX: usize = 32 << 10;

/// The status of a close: all is well.
const NORMAL_CLOSURE: [u8; 2] = 1000_u16.to_be_bytes();

/// A stream of bytes in the frames of another stream.
pub(crate) struct WebSocket<S> {
    stream: S,
    /// What was read and not taken yet.
    input: BytesMut,
    /// The bytes of the present data frame that are still to come.
    left: u64,
    /// Frames that the stream has not taken yet.
    output: BytesMut,
    /// Whether one of both has said that it closes.
    is_closed: bool,
    scratch: Box<[u8]>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// A stream whose handshake is over; `input` was read behind it.
    pub(crate) fn new(stream: S, input: BytesMut) -> Self {
        let scratch = vec![0; FRAME_BYTES_MAX].into();
        Self { stream, input, left: 0, output: BytesMut::new(), is_closed: false, scratch }
    }

    /// Takes the start of the next frame, and control frames whole. `false`: more must be read.
    fn next_frame(&mut self) -> io::Result<bool> {
        let Some(Start { opcode, header_bytes, payload_bytes }) = Start::read(&self.input)? else {
            return Ok(false);
        };
        if let Opcode::Data = opcode {
            self.input.advance(header_bytes);
            self.left = payload_bytes;
            return Ok(true);
        }
        // A control frame has 125 bytes at most.
        let whole = header_bytes.saturating_add(usize::try_from(payload_bytes).unwrap_or(usize::MAX));
        if self.input.len() < whole {
            return Ok(false);
        }
        let mut payload = self.input.split_to(whole);
        payload.advance(header_bytes);
        match opcode {
            // Who does not take its pongs gets no more of them.
            Opcode::Ping if self.output.len() < FRAME_BYTES_MAX => {
                put_frame(&mut self.output, Opcode::Pong, &payload)?;
            }
            Opcode::Close => self.is_closed = true,
            Opcode::Ping | Opcode::Pong | Opcode::Data => {}
        }
        Ok(true)
    }

    /// Hands the waiting frames to the stream.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let taken = ready!(Pin::new(&mut self.stream).poll_write(context, &self.output))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(taken);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more; `false`: the stream has ended.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut read = ReadBuf::new(&mut self.scratch);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut read))?;
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(!read.filled().is_empty()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &mut *self;
        loop {
            if socket.left > 0 && !socket.input.is_empty() {
                let left = usize::try_from(socket.left).unwrap_or(usize::MAX);
                let taken = socket.input.split_to(left.min(socket.input.len()).min(to.remaining()));
                to.put_slice(&taken);
                socket.left -= taken.len() as u64;
                return Poll::Ready(Ok(()));
            }
            if socket.is_closed {
                return Poll::Ready(Ok(()));
            }
            if socket.left == 0 && socket.next_frame()? {
                // A pong that does not leave now leaves with what is written next.
                if let Poll::Ready(drained) = socket.poll_drain(context) {
                    drained?;
                }
            } else if !ready!(socket.poll_more(context))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(context))?;
        let payload = bytes.get(..FRAME_BYTES_MAX).unwrap_or(bytes);
        put_frame(&mut self.output, Opcode::Data, payload)?;
        if let Poll::Ready(drained) = self.poll_drain(context) {
            drained?;
        }
        Poll::Ready(Ok(payload.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_closed {
            self.is_closed = true;
            put_frame(&mut self.output, Opcode::Close, &NORMAL_CLOSURE)?;
        }
        ready!(self.poll_drain(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// A frame as a server sends it.
    fn served(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(short as u8),
            long @ 126..65_536 => frame.extend([126, (long >> 8) as u8, long as u8]),
            huge => {
                frame.push(127);
                frame.extend((huge as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    /// A frame of a client, unmasked: its first byte and its payload.
    async fn taken(server: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
        let mut start = [0; 2];
        server.read_exact(&mut start).await.unwrap();
        assert!(start[1] & 0x80 != 0, "a client masks");
        let bytes = match start[1] & 0x7f {
            126 => usize::from(server.read_u16().await.unwrap()),
            short => usize::from(short),
        };
        let mut mask = [0; 4];
        server.read_exact(&mut mask).await.unwrap();
        let mut payload = vec![0; bytes];
        server.read_exact(&mut payload).await.unwrap();
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        (start[0], payload)
    }

    #[tokio::test]
    async fn frames_mean_nothing_to_what_they_carry() {
        let (client, mut server) = duplex(1 << 20);
        // The first two bytes came with the answer to the handshake.
        let mut socket = WebSocket::new(client, BytesMut::from(&[0x02, 3][..]));
        let long = [7; 300];
        let frames = [
            &b"abc"[..],
            &served(0x80, b"de"),
            &served(0x89, b"alive?"),
            &served(0x82, b""),
            &served(0x82, &long),
        ];
        server.write_all(&frames.concat()).await.unwrap();
        let mut read = [0; 305];
        socket.read_exact(&mut read).await.unwrap();
        assert_eq!((&read[..5], &read[5..]), (&b"abcde"[..], &long[..]));
        assert_eq!(taken(&mut server).await, (0x8a, b"alive?".to_vec()), "the pong");
        socket.write_all(&[5; 200]).await.unwrap();
        socket.flush().await.unwrap();
        assert_eq!(taken(&mut server).await, (0x82, vec![5; 200]));
        server.write_all(&served(0x88, &[3, 232])).await.unwrap();
        assert_eq!(socket.read(&mut read).await.unwrap(), 0, "the server closes");
    }

    #[tokio::test]
    async fn a_packet_may_be_larger_than_a_frame() {
        let (client, mut server) = duplex(1 << 20);
        let mut socket = WebSocket::new(client, BytesMut::new());
        let packet: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        server.write_all(&served(0x82, &packet)).await.unwrap();
        let mut read = vec![0; packet.len()];
        socket.read_exact(&mut read).await.unwrap();
        assert_eq!(read, packet);
        socket.write_all(&packet).await.unwrap();
        socket.flush().await.unwrap();
        let mut got = Vec::new();
        while got.len() < packet.len() {
            got.extend(taken(&mut server).await.1);
        }
        assert_eq!(got, packet);
    }

    #[tokio::test]
    async fn what_no_server_sends_ends_the_connection() {
        for bytes in [
            &[0x82, 0x81, 1, 2, 3, 4, 5][..],
            &[0x81, 1, b'x'],
            &[0xc2, 1, 0],
            &[0x83, 0],
            &[0x89, 126, 0, 200],
            &[0x09, 0],
        ] {
            let (client, mut server) = duplex(1 << 10);
            let mut socket = WebSocket::new(client, BytesMut::new());
            server.write_all(bytes).await.unwrap();
            assert!(socket.read(&mut [0; 8]).await.is_err(), "{bytes:?}");
        }
    }
}
