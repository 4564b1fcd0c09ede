//! Kafka beside outputs of other kinds, one of which is down for a week.

use headwater_tests::Kafka;
use headwater_tests::week::{Output, without};

/// The cluster is away: the MQTT broker, the database and the files notice nothing.
#[test]
fn a_week_without_a_cluster_is_nothing_to_the_others() {
    let Some(cluster) = Kafka::start() else { return };
    without(Output::Kafka, Some(cluster));
}

/// The MQTT broker is away: the cluster, the database and the files notice nothing.
#[test]
fn a_week_without_a_broker_is_nothing_to_a_cluster() {
    let Some(cluster) = Kafka::start() else { return };
    without(Output::Mqtt, Some(cluster));
}
