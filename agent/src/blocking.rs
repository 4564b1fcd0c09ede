//! Work that may take its time, on a thread where it holds up nothing else.

/// Does the work; its panic becomes one of the caller's, so that it is not overlooked.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(value) => value,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // It was cancelled before it began: the program ends.
        Err(Err(_)) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_panic_is_passed_on() {
        assert_eq!(super::run(|| 7).await, 7);
        let panicked = tokio::spawn(super::run(|| panic!("no disk"))).await;
        assert!(panicked.unwrap_err().is_panic());
    }
}
