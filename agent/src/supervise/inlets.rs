//! What comes into a running agent: its sources, each with a way into the engine, and the listener that others ask. Each
//! can be stopped alone, and another one started in its place.

use super::supervisor::{Supervisor, TaskEnded};
use crate::config::SourceConfig;
use crate::engine::{Engine, EngineSink};
use headwater_http::HttpSettings;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// The listener's name among what comes in. No source can have it: names have no blanks.
const LISTENER: &str = "HTTP listener";

/// All that comes in, in the order of the config, and behind the sources the listener, so that it answers as soon as they
/// do.
#[derive(Default)]
pub(super) struct Inlets(Vec<Inlet>);

/// A source or a listener that runs.
struct Inlet {
    name: String,
    /// The fingerprint of its config.
    print: u64,
    /// True tells it to stop.
    stop: watch::Sender<bool>,
    tasks: Supervisor,
}

/// The sources and the listener of a config.
pub(super) struct InletConfig {
    /// `[sources]`.
    pub(super) sources: Vec<SourceConfig>,
    /// `[http]`, with its fingerprint.
    pub(super) http: Option<(HttpSettings, u64)>,
    /// `[limits] new_series`.
    pub(super) new_series: usize,
}

impl Inlet {
    fn start<F: Future<Output = ()> + 'static>(
        (name, print): (&str, u64),
        task: String,
        run: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        let ((stop, stopped), mut tasks) = (watch::channel(false), Supervisor::default());
        tasks.spawn(task, run(stopped));
        Self { name: name.to_owned(), print, stop, tasks }
    }

    fn is(&self, name: &str, print: u64) -> bool {
        self.name == name && self.print == print
    }
}

impl Inlets {
    /// Which of these sources go on as they are, by their places among those that run.
    pub(super) fn kept(&self, config: &InletConfig) -> Vec<Option<usize>> {
        let place = |source: &SourceConfig| self.0.iter().position(|own| own.is(&source.name, source.print));
        config.sources.iter().map(place).collect()
    }

    /// Stops what a config does not have any more, or has otherwise. What it has received is decoded.
    pub(super) async fn stop_others(&mut self, config: &InletConfig, within: Duration) {
        let goes_on = |own: &Inlet| {
            let is_source = config.sources.iter().any(|source| own.is(&source.name, source.print));
            is_source || config.http.as_ref().is_some_and(|(_, print)| own.is(LISTENER, *print))
        };
        let others = self.0.iter_mut().filter(|own| !goes_on(own));
        stop_all(others.collect(), within).await;
    }

    /// Goes on with a config: keeps what runs, and starts what does not. What the config does not have has been stopped.
    pub(super) fn go_on(&mut self, engine: &Rc<Engine>, config: InletConfig) {
        let InletConfig { sources, http, new_series } = config;
        let mut before = std::mem::take(&mut self.0);
        let mut running = |name: &str, print: u64| {
            let place = before.iter().position(|own| own.is(name, print))?;
            Some(before.swap_remove(place))
        };
        for (index, source) in sources.into_iter().enumerate() {
            let own = running(&source.name, source.print).unwrap_or_else(|| {
                let sink = EngineSink::new(engine.clone(), index, &source, new_series);
                let SourceConfig { name, print, source, .. } = source;
                Inlet::start((&name, print), format!("source {name}"), |stopped| {
                    source.run(Box::new(sink), stopped)
                })
            });
            self.0.push(own);
        }
        if let Some((settings, print)) = http {
            let own = running(LISTENER, print).unwrap_or_else(|| {
                let engine = engine.clone();
                let run = |stopped| async move { engine.listen(settings, stopped).await };
                Inlet::start((LISTENER, print), LISTENER.to_owned(), run)
            });
            self.0.push(own);
        }
    }

    /// Waits for one to end by itself.
    pub(super) async fn ended(&mut self) -> TaskEnded {
        let all = &mut self.0;
        poll_fn(|context| {
            let ended = all.iter_mut().map(|own| own.tasks.poll_ended(context));
            ended.into_iter().find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    /// Stops all. What they have received is decoded.
    pub(super) async fn stop(&mut self, within: Duration) {
        stop_all(self.0.iter_mut().collect(), within).await;
    }
}

async fn stop_all(inlets: Vec<&mut Inlet>, within: Duration) {
    inlets.iter().for_each(|own| _ = own.stop.send(true));
    let deadline = Instant::now() + within;
    for own in inlets {
        let panicked = timeout_at(deadline, own.tasks.finish()).await.unwrap_or_default();
        panicked.iter().for_each(|ended| tracing::error!("{ended}"));
        own.tasks.abort().await;
    }
}
