//! Outputs of several kinds at once. (Kafka among them is part of the tests of Kafka.)

use headwater_tests::week::{Output, without};

/// An MQTT broker is away for a week: the database and the files notice nothing.
#[test]
fn a_week_without_a_broker_is_nothing_to_a_database_and_files() {
    without(Output::Mqtt, None);
}

/// A database is away for a week: the MQTT broker and the files notice nothing.
#[test]
fn a_week_without_a_database_is_nothing_to_a_broker_and_files() {
    without(Output::Http, None);
}

/// Files cannot be written for a week: the MQTT broker and the database notice nothing.
#[test]
fn a_week_without_files_is_nothing_to_a_broker_and_a_database() {
    without(Output::File, None);
}
