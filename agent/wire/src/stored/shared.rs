//! Shares the names of numbers: all summaries of a stream have the same names, and reading one should not copy them.

use std::cell::RefCell;
use std::sync::Arc;

/// The most shared names; further ones are copied. A config has few.
const SHARED_MAX: usize = 64;

thread_local! {
    static SHARED: RefCell<Vec<Arc<str>>> = const { RefCell::new(Vec::new()) };
}

/// A name, shared if it has been read before on this thread.
pub(super) fn shared_name(name: &str) -> Arc<str> {
    SHARED.with_borrow_mut(|shared| {
        if let Some(known) = shared.iter().find(|known| &***known == name) {
            return known.clone();
        }
        let new = Arc::<str>::from(name);
        if shared.len() < SHARED_MAX {
            shared.push(new.clone());
        }
        new
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_copied_once_and_the_table_is_bounded() {
        assert!(Arc::ptr_eq(&shared_name("p95"), &shared_name("p95")));
        (0..1_000).for_each(|n| assert_eq!(&*shared_name(&format!("p{n}")), format!("p{n}")));
        assert!(SHARED.with_borrow(Vec::len) <= SHARED_MAX);
    }
}
