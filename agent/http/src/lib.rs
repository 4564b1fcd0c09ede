//! HTTP/1.1 on one thread: a bounded server for the agent's own listener, and a bounded client ([`HttpClient`]).
//!
//! The agent owns one listener. Whatever wants to be reached over it (the page, `/metrics`, `/api`, a source) adds a
//! [`Route`] with a [`Handler`] to the [`Routes`], which all of them share, and keeps the [`Registered`] that comes back:
//! dropping it takes the route away. [`serve`] does everything before and after a handler, which so gets a whole request
//! from somebody who may ask, and gives a [`Response`]: bytes, or a stream of server-sent events ([`events`]).
//!
//! RFC 9110 (semantics), RFC 9112 (HTTP/1.1), and the HTML standard, 9.2 (server-sent events), by `hyper`, which reads and
//! writes the messages. What a public listener must bound besides is here; the numbers stand in `server.rs`.
//!
//! Everything runs on the caller's `LocalSet`. Nothing here is `Send`.

mod access;
mod body;
mod client;
mod connections;
mod events;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gzip;
mod listen;
mod origin;
mod patient;
mod request;
mod response;
mod routes;
mod server;
mod settings;

pub use bytes::Bytes;
pub use client::{ANSWER_BYTES_MAX, ClientSettings, HttpAnswer, HttpCall, HttpClient, NoAnswer};
pub use events::{EventSender, EventStream, EventsEnded, ServerEvent, events};
pub use gzip::{GzipError, deflated, inflated};
pub use hyper::{HeaderMap, Method, StatusCode, header};
pub use listen::why_not_listening;
pub use request::Request;
pub use response::Response;
pub use routes::{Answering, Handler, PathTaken, Registered, Route, Routes};
pub use server::{LISTENER_BYTES, ServerSetup, serve};
pub use settings::{HttpSettings, check_token};

#[cfg(test)]
mod tests;
