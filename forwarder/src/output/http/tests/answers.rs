//! Answers that are no verdict on messages.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server that takes the empty request, and answers to messages as none for messages does.
#[test]
fn what_is_no_verdict_on_messages_refuses_none() {
    local(async {
        for (status, text, words) in [
            (200, "<!DOCTYPE html><title>Log in</title>", "a page for people"),
            (302, "", "redirects to https://elsewhere.example/"),
            (401, "who are you?", "check `username`"),
            (404, "database not found", "does the database exist"),
            (429, "slow down", "slow down"),
        ] {
            let server = Server::start(move |request| match (request.body.is_empty(), status) {
                (true, _) => answer(204, ""),
                (_, 302) => {
                    let to = header::HeaderValue::from_static("https://elsewhere.example/");
                    answer(status, text).with(header::LOCATION, to)
                }
                (_, 429) => {
                    answer(status, text).with(header::RETRY_AFTER, header::HeaderValue::from_static("120"))
                }
                _ => answer(status, text),
            })
            .await;
            let mut output = Driven::new("gzip = false", server.port, true);
            output.push(&["a\n", "b\n"]);
            output.connect().await;
            let Disconnected { reason, wait } = &output.lost[0];
            assert!(reason.contains(words), "{status}: {reason}");
            assert_eq!(
                (output.waiting.len(), output.refused.len(), server.requests()),
                (2, 0, 2),
                "{status}"
            );
            assert_eq!(status == 429, *wait >= Duration::from_secs(120), "{status}: {wait:?}");
        }
    });
}

#[test]
fn an_answer_without_end_is_cut_off() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = spawn_local(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut block = vec![0; 4_096];
            assert!(peer.read(&mut block).await.unwrap() > 0);
            peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            assert!(peer.read(&mut block).await.unwrap() > 0);
            peer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
            let mut sent = 0_usize;
            while peer.write_all(b"4\r\nsad \r\n").await.is_ok() {
                sent += 1;
            }
            sent
        });
        let mut output = Driven::new("gzip = false", port, true);
        output.push(&["a\n"]);
        output.connect().await;
        assert!(output.lost[0].reason.contains("answers without end"), "{:?}", output.lost);
        assert_eq!((output.waiting.len(), output.refused.len()), (1, 0));
        assert!(server.await.unwrap() > 0, "it is left");
    });
}
