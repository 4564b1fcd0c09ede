//! `type = "http"`: payloads that others POST to the agent's listener, or that the agent asks a server for.
//!
//! Limits: payloads of `[limits] payload`, inflated too; those of the listener (`agent/http`).

mod poll;
mod receive;
mod witness;

use crate::topic::TopicTemplate;
use crate::{DecodeConfig, Running, Sink, Source, SourceContext, SourceKind, SourceProbe, Stop};
use headwater_http::{ClientSettings, Route};
use headwater_settings::{At, Or, Pairs, Secret, Table};
use std::time::Duration;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "http", read, find: None, discover: None, sample: include_str!("sample.toml") };

/// The time between two requests where nothing else is configured (ms).
const INTERVAL_MS: i64 = 60_000;

/// Paths that the agent answers itself, or what they begin with.
const OWN_PATHS: [&str; 4] = ["/metrics", "/health", "/api", "/assets"];

/// Which way the payloads come.
enum Way {
    /// Others POST them to this path.
    Receive { path: String, token: Option<Secret> },
    /// The agent asks for them.
    Poll { client: Box<ClientSettings>, every: Duration },
}

struct Http {
    way: Way,
    decode: DecodeConfig,
    context: SourceContext,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let way = match (table.has("path"), table.has("url")) {
        (true, false) => read_path(table),
        (false, true) => read_url(table),
        (true, true) => {
            let fix = "take `path` for what others send, or `url` for what is asked for";
            table.refuse(table.place_of("url"), "`path` and `url` are both given", fix);
            let _ = (read_path(table), read_url(table));
            None
        }
        (false, false) => {
            table.missing("path", "add `path = \"/ingest\"`, to which others POST, or a `url` to ask");
            None
        }
    };
    let decode = DecodeConfig::read(table, labels, Some(vec![TopicTemplate::literal(&context.source)]));
    Some(Box::new(Http { way: way?, decode: decode?, context: context.clone() }))
}

fn read_path(table: &mut Table<'_>) -> Option<Way> {
    let token = table.secret("token");
    let path = table.string("path")?;
    if let Some(At { value, span }) = &token {
        headwater_http::check_token(table, value, span.clone());
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    let is_own = |own: &&str| {
        path.value.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_dotted = path.value.split('/').any(|level| matches!(level, "." | ".."));
    if path.value.len() < 2 || !path.value.starts_with('/') || !path.value.chars().all(is_plain) || is_dotted
    {
        let fix = "write it as `path = \"/ingest\"`: letters, digits and -_.~ between slashes";
        table.refuse(path.span, format!("`path` cannot be `{}`", path.value), fix);
        return None;
    }
    if OWN_PATHS.iter().any(is_own) {
        table.refuse(
            path.span,
            format!("the agent itself answers `{}`", path.value),
            "take another path: \"/ingest\"",
        );
        return None;
    }
    Some(Way::Receive { path: path.value, token: token.map(|token| token.value) })
}

fn read_url(table: &mut Table<'_>) -> Option<Way> {
    let client = ClientSettings::read(table, "http://127.0.0.1:8080/sensors");
    let every = table.duration("interval", 1_000..=86_400_000).value_or(INTERVAL_MS);
    Some(Way::Poll { client: Box::new(client?), every: Duration::from_millis(every.unsigned_abs()) })
}

impl Source for Http {
    fn may_be_remote(&self) -> bool {
        true
    }

    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn exclusive(&self) -> Option<String> {
        match &self.way {
            Way::Receive { path, .. } => Some(format!("the path `{path}` of the agent's listener")),
            Way::Poll { .. } => None,
        }
    }

    fn needs_listener(&self) -> bool {
        matches!(self.way, Way::Receive { .. })
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async {
            match &self.way {
                Way::Receive { .. } => None,
                Way::Poll { client, .. } => Some(poll::probe(client, self.context.payload_bytes_max).await),
            }
        })
    }

    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Running {
        let Self { way, decode, context } = *self;
        match way {
            Way::Receive { path, token } => {
                let route = Route::post(path, context.payload_bytes_max);
                let route = match &token {
                    Some(token) => route.with_token(token),
                    None => route,
                };
                Box::pin(receive::run(route, (decode, context), sink, stop))
            }
            Way::Poll { client, every } => {
                Box::pin(poll::run((*client, every), (decode, context), sink, stop))
            }
        }
    }
}

#[cfg(test)]
mod tests;
