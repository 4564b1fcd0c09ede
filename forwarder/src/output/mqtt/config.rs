//! The table of an MQTT output.

use super::Mqtt;
use super::batch::BatchSettings;
use super::poison::PoisonGuard;
use super::sparkplug::NodeName;
use super::topic::TopicTemplate;
use crate::{Output, OutputContext, SendRate};
use headwater_mqtt::{Backoff, Settings};
use headwater_settings::{Or, Table};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const INFLIGHT: i64 = 1_000;

const ACK_TIMEOUT_MS: i64 = 30_000;

pub(super) fn read(table: &mut Table<'_>, context: &OutputContext) -> Option<Box<dyn Output>> {
    let settings = Settings::read(table);
    let topic = read_topic(table);
    let inflight = table.integer("inflight", 2..=60_000).given().unwrap_or(INFLIGHT);
    let ack_timeout = table.duration("ack_timeout", 1_000..=3_600_000).given().unwrap_or(ACK_TIMEOUT_MS);
    let rate = SendRate::read(table);
    let retains = table.boolean("retain").given().unwrap_or(false);
    let home_assistant = read_home_assistant(table, topic.as_ref());
    let edge_node = read_sparkplug(table, &context.agent);
    let batch = read_batch(table, retains || home_assistant == Some(true) || edge_node.is_some());
    let spread = table.duration("spread", 0..=60_000).given().unwrap_or_default();
    let OutputContext { agent, output } = context;
    // It says what it is: a source of the same name has another one.
    let client_id = format!("headwater-{agent}-output-{output}");
    let seed = u64::from(crc32fast::hash(client_id.as_bytes())) ^ fastrand::u64(..);
    Some(Box::new(Mqtt {
        settings: settings?,
        topic: topic?,
        client_id,
        inflight: u16::try_from(inflight).unwrap_or(u16::MAX),
        ack_timeout: Duration::from_millis(ack_timeout.unsigned_abs()),
        rate,
        retains,
        home_assistant,
        edge_node,
        // Two lives of the agent begin with different numbers.
        births: Cell::new(std::process::id().to_le_bytes()[0]),
        batch,
        spread: Duration::from_millis(spread.unsigned_abs()),
        backoff: Rc::new(RefCell::new(Backoff::new(seed))),
        guard: Rc::new(RefCell::new(PoisonGuard::new())),
    }))
}

/// Reads `batch` and `gzip`.
fn read_batch(table: &mut Table<'_>, wants_series: bool) -> Option<BatchSettings> {
    let wait = table.duration("batch", 10..=3_600_000);
    let gzip = table.boolean("gzip").given().unwrap_or(false);
    if wait.is_none() && gzip {
        let fix = "add batch = \"1s\", or leave it out: a single message gets no smaller";
        table.refuse(table.place_of("gzip"), "`gzip` without `batch`", fix);
    }
    if wait.is_some() && wants_series {
        let fix = "leave one of them out: a batch has many series, and those want a topic for each";
        table.refuse(
            table.place_of("batch"),
            "`batch` beside `retain`, `home_assistant` or `sparkplug`",
            fix,
        );
    }
    let wait = Duration::from_millis(wait?.value.unsigned_abs());
    Some(BatchSettings { wait, gzip })
}

fn read_topic(table: &mut Table<'_>) -> Option<TopicTemplate> {
    let given = table.string("topic");
    let template = given.map_or_else(|| TopicTemplate::DEFAULT.to_owned(), |at| at.value);
    let topic = TopicTemplate::parse(&template);
    topic
        .map_err(|fix| table.refuse(table.place_of("topic"), format!("`topic` cannot be `{template}`"), fix))
        .ok()
}

/// Reads `sparkplug = { group = "plant" }`.
fn read_sparkplug(table: &mut Table<'_>, agent: &str) -> Option<NodeName> {
    let mut own = table.table("sparkplug")?;
    own.note("group", "what hosts know its plant or line by");
    let group = own.string("group");
    if group.is_none() {
        own.missing("group", "add the group that hosts know the agent by, e.g. group = \"plant\"");
    }
    own.finish();
    for key in ["topic", "retain", "home_assistant"] {
        if table.has(key) {
            let what = format!("`{key}` beside `sparkplug`");
            table.refuse(
                table.place_of(key),
                what,
                "leave one of them out: Sparkplug has topics and births of its own",
            );
        }
    }
    let group = group?;
    let name = NodeName::new(&group.value, agent);
    name.map_err(|fix| table.refuse(group.span.clone(), format!("`group` cannot be `{}`", group.value), fix))
        .ok()
}

fn read_home_assistant(table: &mut Table<'_>, topic: Option<&TopicTemplate>) -> Option<bool> {
    let wanted = table.boolean("home_assistant").given();
    if wanted == Some(true) && topic.is_some_and(|topic| !topic.has_one_series()) {
        let what = "Home Assistant reads one series from a topic, and here several share one";
        let fix = "write {stream} and {series} into the topic, or leave it out";
        table.refuse(table.place_of("topic"), what, fix);
    }
    wanted
}
