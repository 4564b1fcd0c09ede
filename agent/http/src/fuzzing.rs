//! A door for `tests/fuzz`: what a client sends, without a socket.

use crate::server::{ServerSetup, serve_one};
use crate::{Request, Response, Route, Routes, StatusCode, inflated};
use headwater_settings::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, split};

/// The room that a client leaves for answers (bytes).
const ANSWERS_BYTES: usize = 1 << 20;

/// Serves a client that sends these bytes and then no more, with a route that answers queries and one that takes bodies.
pub async fn hear(bytes: &[u8]) {
    let routes = Routes::default();
    let look = |request: Request| async move {
        let name = request.query("name").unwrap_or_default().into_owned();
        Response::text(StatusCode::OK, format!("{} {name}", request.rest))
    };
    let take = |request: Request| async move {
        let _ = inflated(&request.body, ANSWERS_BYTES);
        Response::bytes("application/octet-stream", request.body)
    };
    let secret = Secret::new("0123456789abcdef".to_owned());
    let kept = [
        routes.add(Route::get("/look/*"), look),
        routes.add(Route::post("/take", 64 << 10), take),
        routes.add(Route::get("/guarded").with_token(&secret), look),
    ];
    let setup = ServerSetup { routes, ..ServerSetup::default() };
    let (here, there) = duplex(bytes.len().max(ANSWERS_BYTES));
    let (mut answers, mut questions) = split(here);
    // There is room for all of it.
    let _ = questions.write_all(bytes).await;
    let _ = questions.shutdown().await;
    let mut answer = Vec::new();
    let (_, _) = tokio::join!(serve_one(there, setup), answers.read_to_end(&mut answer));
    drop(kept);
}
