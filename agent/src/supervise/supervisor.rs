//! The tasks of a running agent. Each has a name and is joined, so that a task that ends by itself, or by a panic, is
//! noticed.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// Tasks of one thread that run until they are told to end.
#[derive(Default)]
pub(super) struct Supervisor {
    tasks: JoinSet<()>,
    names: Vec<(Id, String, AbortHandle)>,
}

/// A task that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEnded {
    /// The task has panicked.
    Panicked {
        /// The task's name.
        task: String,
        /// The message of the panic.
        panic: String,
    },
    /// The task has returned.
    Returned {
        /// The task's name.
        task: String,
    },
    /// A task or thread elsewhere has ended, in the words of its watcher.
    Elsewhere(String),
}

impl fmt::Display for TaskEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked { task, panic } => write!(f, "the task `{task}` panicked: {panic}"),
            Self::Returned { task } => write!(f, "the task `{task}` ended although nobody had asked it to"),
            Self::Elsewhere(what) => f.write_str(what),
        }
    }
}

impl Supervisor {
    /// Starts a task. Must be called on a `LocalSet`.
    pub(super) fn spawn(&mut self, name: impl Into<String>, task: impl Future<Output = ()> + 'static) {
        let name = name.into();
        #[cfg(debug_assertions)]
        let task = injected(name.clone(), task);
        let handle = self.tasks.spawn_local(task);
        self.names.push((handle.id(), name, handle));
    }

    /// Waits for a task to end by itself; for ever, if there is none.
    pub(super) async fn ended(&mut self) -> TaskEnded {
        poll_fn(|context| self.poll_ended(context)).await
    }

    /// The same, to wait for several.
    pub(super) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<TaskEnded> {
        while let Poll::Ready(Some(joined)) = self.tasks.poll_join_next_with_id(context) {
            if let Some(ended) = self.name(joined) {
                return Poll::Ready(ended);
            }
        }
        Poll::Pending
    }

    /// Aborts the task of a name. It does nothing any more.
    pub(super) fn abort_one(&mut self, name: &str) {
        let place = self.names.iter().position(|(_, known, _)| known == name);
        if let Some((_, _, task)) = place.map(|place| self.names.swap_remove(place)) {
            task.abort();
        }
    }

    /// Waits for all tasks to end as they were told. Returns those that panicked.
    pub(super) async fn finish(&mut self) -> Vec<TaskEnded> {
        let mut panicked = Vec::new();
        while let Some(joined) = self.tasks.join_next_with_id().await {
            let ended = self.name(joined);
            panicked.extend(ended.filter(|ended| matches!(ended, TaskEnded::Panicked { .. })));
        }
        panicked
    }

    /// Aborts all tasks.
    pub(super) async fn abort(&mut self) {
        self.tasks.shutdown().await;
        self.names.clear();
    }

    /// How a task has ended; `None`: it was to end.
    fn name(&mut self, joined: Result<(Id, ()), JoinError>) -> Option<TaskEnded> {
        let (id, panic) = match joined {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), error.try_into_panic().ok()),
        };
        let place = self.names.iter().position(|(known, ..)| *known == id)?;
        let (_, task, _) = self.names.swap_remove(place);
        Some(match panic {
            Some(panic) => TaskEnded::Panicked { task, panic: panic_text(&*panic) },
            None => TaskEnded::Returned { task },
        })
    }
}

/// The message of a panic.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

/// The output of a future, or the message of its panic.
pub(super) async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic_text(&*panic))),
    })
    .await
}

/// The task itself, or in a test one that panics: `HEADWATER_TEST_PANIC` names the task.
#[cfg(debug_assertions)]
async fn injected(name: String, task: impl Future<Output = ()>) {
    /// The time in which the other tasks begin to work.
    const AFTER: std::time::Duration = std::time::Duration::from_millis(300);
    if std::env::var("HEADWATER_TEST_PANIC").is_ok_and(|wanted| wanted == name) {
        let mut task = pin!(task);
        let _ = tokio::time::timeout(AFTER, &mut task).await;
        panic!("a test wants `{name}` to panic");
    }
    task.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::time::Duration;
    use tokio::task::LocalSet;
    use tokio::time::sleep;

    async fn run(test: impl Future<Output = ()>) {
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_named_with_its_words() {
        run(async {
            let mut supervisor = Supervisor::default();
            supervisor.spawn("ticker", pending());
            supervisor.spawn("source barn", async {
                sleep(Duration::from_secs(1)).await;
                panic!("already {}", "borrowed");
            });
            let ended = supervisor.ended().await;
            assert_eq!(ended.to_string(), "the task `source barn` panicked: already borrowed");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_returns_is_no_better_and_no_task_ends_twice() {
        run(async {
            let mut supervisor = Supervisor::default();
            supervisor.spawn("checkpointer", async {});
            supervisor.spawn("clock", async { panic!("no clock") });
            let ended = [supervisor.ended().await, supervisor.ended().await].map(|ended| ended.to_string());
            assert!(
                ended.contains(&"the task `checkpointer` ended although nobody had asked it to".to_owned())
            );
            assert!(ended.contains(&"the task `clock` panicked: no clock".to_owned()));
            let third = tokio::time::timeout(Duration::from_secs(60), supervisor.ended()).await;
            assert!(third.is_err(), "there is none left");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_aborted_has_not_ended_by_itself() {
        run(async {
            let mut supervisor = Supervisor::default();
            supervisor.spawn("checkpoints", pending());
            supervisor.abort_one("checkpoints");
            supervisor.spawn("checkpoints", async { sleep(Duration::from_secs(1)).await });
            let ended = supervisor.ended().await;
            assert!(matches!(&ended, TaskEnded::Returned { task } if task == "checkpoints"), "{ended}");
            supervisor.spawn("ticker", pending());
            supervisor.abort_one("ticker");
            assert_eq!(supervisor.finish().await, []);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_panics_on_the_way_out_is_not_silent() {
        run(async {
            let mut supervisor = Supervisor::default();
            supervisor.spawn("a", async {});
            supervisor.spawn("b", async { panic!("on the way out") });
            let panicked = supervisor.finish().await;
            assert_eq!(
                panicked,
                [TaskEnded::Panicked { task: "b".to_owned(), panic: "on the way out".to_owned() }]
            );
        })
        .await;
    }
}
