//! The agent's HTTP listener: `[http]`. Parts of the agent add what they answer to [`Engine::routes`].

use super::Engine;
use headwater_http::{HttpSettings, Routes, ServerSetup, serve, why_not_listening};
use std::cell::RefCell;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

/// The time between two attempts to listen: the address may come later than the agent.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// What is answered, and why nobody can ask.
#[derive(Default)]
pub(super) struct ListenerState {
    routes: Routes,
    trouble: RefCell<Option<String>>,
}

impl ListenerState {
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }
}

impl Engine {
    /// The paths that the agent's listener answers. Without `[http]` nobody can ask.
    pub(crate) fn routes(&self) -> &Routes {
        &self.listener.routes
    }

    /// Listens until `stop`, as soon as that is possible.
    pub(crate) async fn listen(&self, settings: HttpSettings, mut stop: watch::Receiver<bool>) {
        let HttpSettings { listen, token, hosts } = settings;
        let listener = loop {
            let error = match TcpListener::bind(listen).await {
                Ok(listener) => break listener,
                Err(error) => error,
            };
            self.on_listening(Some(why_not_listening(&listen, &error)));
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep(LISTEN_AGAIN) => {}
            }
        };
        self.on_listening(None);
        tracing::info!("listening at http://{listen}");
        serve(listener, ServerSetup { routes: self.routes().clone(), token, hosts }, stop).await;
    }

    /// Notes why nobody can ask; `None`: they can.
    fn on_listening(&self, trouble: Option<String>) {
        let before = self.listener.trouble.replace(trouble.clone());
        if before == trouble {
            return;
        }
        if let Some(why) = trouble {
            tracing::warn!("{why}");
        }
        self.on_status_changed();
    }
}
