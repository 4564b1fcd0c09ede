//! Looks at devices that are slow, absent or odd.

use super::{LOOK_SECONDS, PollError, PolledConfig, PolledDevice, PolledReadings, run_polled};
use crate::source::Stop;
use crate::testing::{Told, run_local};
use glob::Pattern;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_local;

fn config(only: &[&str], names: &[(&str, &str)]) -> PolledConfig {
    PolledConfig {
        only: only.iter().map(|pattern| Pattern::new(pattern).unwrap()).collect(),
        names: names.iter().map(|(name, own)| ((*name).to_owned(), (*own).to_owned())).collect(),
        ..PolledConfig::for_tests()
    }
}

/// A device that finds what the test sends, and nothing new otherwise.
struct Fake(Receiver<Result<Vec<(&'static str, f64)>, PollError>>);

impl PolledDevice for Fake {
    fn look(&mut self, to: &mut PolledReadings) -> Result<(), PollError> {
        for (name, value) in self.0.recv().unwrap_or_else(|_| Err(PollError::Absent("gone".into())))? {
            to.reading(format_args!("{name}"), "°C", value);
        }
        Ok(())
    }
}

#[test]
fn what_is_found_is_named_and_what_is_not_wanted_is_left_out() {
    let config = config(&["*/temp", "x"], &[("a", "kitchen"), ("a/b", "cellar"), ("x", "y")]);
    for (found, name) in [
        ("a/temp", Some("box/kitchen/temp")),
        ("a/b/temp", Some("box/cellar/temp")),
        ("ab/temp", Some("box/ab/temp")),
        ("x", Some("box/y")),
        ("a/humidity", None),
    ] {
        assert_eq!(config.series_name(found).as_deref(), name, "{found}");
    }
}

/// A word that nothing has is told of from the second look on, until something has it.
#[test]
fn words_of_the_config_that_nothing_has_are_told_of() {
    for (config, words) in [
        (config(&["a/*", "tmep/*"], &[]), "`only` has `tmep/*`"),
        (config(&[], &[("a", "kitchen"), ("tmep", "cellar")]), "`names` has `tmep`"),
    ] {
        let (told, mut readings) = (Told::default(), PolledReadings::new(config));
        let mut look = |name: &str| {
            readings.reading(format_args!("{name}"), "", 1.0);
            readings.deliver(&mut told.clone());
            told.0.borrow().troubles.len()
        };
        assert_eq!([look("a/b"), look("a/b"), look("tmep/x"), look("tmep/x")], [0, 1, 1, 1]);
        assert!(told.0.borrow().troubles[0].contains(words), "{words}");
    }
}

#[test]
fn a_device_that_comes_late_goes_and_says_odd_things_is_told_of() {
    run_local(async {
        let (told, (send, receive)) = (Told::default(), channel());
        let (stop, stopped) = watch::channel(false);
        let mut sink = told.clone();
        let run = spawn_local(async move {
            run_polled(Box::new(Fake(receive)), config(&[], &[]), &mut sink, Stop::from(stopped)).await;
        });
        send.send(Err(PollError::Absent("x is not there".into()))).unwrap();
        told.until_link("x is not there").await;
        send.send(Ok(vec![("a", 1.0), ("b", f64::NAN), ("c\u{7}", 2.0)])).unwrap();
        told.until_values(&[1.0, 2.0]).await;
        told.until("the number that is none", |seen| seen.invalid == ["the value is no number"]).await;
        assert!(told.0.borrow().series[1].0.starts_with("box/c_~"), "names are made safe");
        send.send(Err(PollError::Failed("x is shut".into()))).unwrap();
        told.until_link("x is shut").await;
        // A device that hangs holds up neither the runtime nor a stop.
        stop.send(true).unwrap();
        run.await.unwrap();
        drop(send);
        assert_eq!(told.0.borrow().links, ["x is not there", "up", "x is shut"]);
    });
}

/// Devices come and go while the source runs.
#[test]
fn a_device_that_is_gone_is_told_of_until_it_is_back() {
    let (told, mut readings) = (Told::default(), PolledReadings::new(config(&[], &[])));
    for there in [&["a", "b"][..], &["b"], &["a", "b"], &["a", "b"]] {
        there.iter().for_each(|name| readings.device(name));
        readings.deliver(&mut told.clone());
    }
    assert_eq!(told.0.borrow().troubles, ["a was there and is gone"]);
}

#[test]
fn a_device_that_hangs_is_told_of_and_goes_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (told, (send, receive)) = (Told::default(), channel());
        let (_stop, stopped) = watch::channel(false);
        let mut sink = told.clone();
        let run = run_polled(Box::new(Fake(receive)), config(&[], &[]), &mut sink, Stop::from(stopped));
        let watch = async {
            // The runtime's time stands while a thread works, so that it is moved by hand.
            tokio::time::sleep(Duration::from_millis(50)).await;
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(LOOK_SECONDS)).await;
            tokio::time::resume();
            told.until_link("has not answered for 10 s").await;
            send.send(Ok(vec![("a", 1.0)])).unwrap();
            told.until_values(&[1.0]).await;
        };
        tokio::select! {
            () = run => panic!("it runs"),
            () = watch => drop(send),
        }
        assert_eq!(told.0.borrow().links.last().map(String::as_str), Some("up"));
    });
}
