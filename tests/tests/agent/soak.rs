//! The short form of `tests/soak`: what ends by force, a few times.

use headwater_tests::soak::{kill, power};

#[test]
fn what_was_safe_survives_kills() {
    println!("{}", kill::run(20));
}

#[test]
fn with_durable_acknowledgements_nothing_is_missing_after_power_cuts() {
    if let Some(said) = power::run_durable(6) {
        println!("{said}");
    }
}

#[test]
fn what_was_safe_survives_power_cuts() {
    if let Some(said) = power::run(10) {
        println!("{said}");
    }
}
