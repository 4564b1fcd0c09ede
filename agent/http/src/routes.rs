//! Who answers which path. All parts of the agent share one set of routes; the listener looks into it for each request.

use crate::access::AccessToken;
use crate::request::{Request, decoded};
use crate::response::Response;
use headwater_settings::Secret;
use hyper::Method;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};

/// An answer that is being made.
pub type Answering = Pin<Box<dyn Future<Output = Response>>>;

/// Answers requests. A closure that returns a future is one.
pub trait Handler {
    /// Answers one. The future is dropped before its end when the client goes, or the listener stops.
    fn handle(&self, request: Request) -> Answering;
}

impl<F, A> Handler for F
where
    F: Fn(Request) -> A,
    A: Future<Output = Response> + 'static,
{
    fn handle(&self, request: Request) -> Answering {
        Box::pin(self(request))
    }
}

/// A path with what it takes to be let in.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) access: Access,
    pub(crate) body_bytes_max: usize,
}

/// Who may ask.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Who knows the token of the listener, if it has one.
    Listener,
    /// Who knows this token.
    Token(Rc<AccessToken>),
}

impl Route {
    /// GET, and with it HEAD. A path that ends with `/*` takes everything below it: [`Request::rest`].
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), access: Access::Listener, body_bytes_max: 0 }
    }

    /// POST of at most so many bytes, as they come and inflated.
    #[must_use]
    pub fn post(path: impl Into<String>, body_bytes_max: usize) -> Self {
        Self { method: Method::POST, body_bytes_max, ..Self::get(path) }
    }

    /// The same with a token of its own instead of the listener's.
    #[must_use]
    pub fn with_token(self, token: &Secret) -> Self {
        Self { access: Access::Token(Rc::new(AccessToken::new(token))), ..self }
    }
}

/// The paths of the listener; clones share them.
#[derive(Clone, Default)]
pub struct Routes(Rc<RefCell<Vec<Entry>>>);

struct Entry {
    route: Rc<Route>,
    handler: Rc<dyn Handler>,
}

/// A route that is answered until this is dropped.
#[must_use = "dropping it takes the route away"]
pub struct Registered {
    routes: Weak<RefCell<Vec<Entry>>>,
    route: Rc<Route>,
}

/// Somebody else answers this path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTaken(pub String);

impl fmt::Display for PathTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the path `{}` of the listener is taken", self.0)
    }
}

/// What a request meets.
pub(crate) enum Match {
    Handler {
        route: Rc<Route>,
        handler: Rc<dyn Handler>,
        rest: String,
    },
    /// The path is there for these methods.
    OtherMethods(Vec<Method>),
    Nobody,
}

impl Routes {
    /// Adds a route.
    ///
    /// # Errors
    /// Another one has the same path and method.
    pub fn add(&self, route: Route, handler: impl Handler + 'static) -> Result<Registered, PathTaken> {
        let mut entries = self.0.borrow_mut();
        if entries.iter().any(|entry| entry.route.path == route.path && entry.route.method == route.method) {
            return Err(PathTaken(route.path));
        }
        let route = Rc::new(route);
        entries.push(Entry { route: route.clone(), handler: Rc::new(handler) });
        Ok(Registered { routes: Rc::downgrade(&self.0), route })
    }

    /// The largest body that any route takes (bytes).
    pub(crate) fn body_bytes_max(&self) -> usize {
        self.0.borrow().iter().map(|entry| entry.route.body_bytes_max).max().unwrap_or(0)
    }

    /// The route with this very path, or else the longest one that ends with `/*` and takes it.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Match {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let entries = self.0.borrow();
        let Some(known) = entries
            .iter()
            .filter(|entry| entry.takes(path))
            .map(|entry| &entry.route.path)
            .max_by_key(|known| if known.as_str() == path { usize::MAX } else { known.len() })
        else {
            return Match::Nobody;
        };
        let of_path = || entries.iter().filter(|entry| entry.route.path == *known);
        let Some(entry) = of_path().find(|entry| entry.route.method == *method) else {
            return Match::OtherMethods(of_path().map(|entry| entry.route.method.clone()).collect());
        };
        let rest = known.strip_suffix('*').and_then(|start| path.strip_prefix(start)).unwrap_or_default();
        let Some(rest) = decoded(rest) else { return Match::Nobody };
        Match::Handler { route: entry.route.clone(), handler: entry.handler.clone(), rest }
    }
}

impl Entry {
    fn takes(&self, path: &str) -> bool {
        let known = self.route.path.as_str();
        known == path
            || known.strip_suffix('*').is_some_and(|start| start.ends_with('/') && path.starts_with(start))
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.borrow().iter().map(|entry| &entry.route.path)).finish()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(entries) = self.routes.upgrade() {
            entries.borrow_mut().retain(|entry| !Rc::ptr_eq(&entry.route, &self.route));
        }
    }
}
