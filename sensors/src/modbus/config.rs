//! The table of a Modbus source.

use super::REGISTERS_MAX;
use super::register::{ByteOrder, Encoding, Register, RegisterPlace, RegisterTable, ValueType};
use crate::SourceContext;
use crate::serial_port::{LineSettings, PortName};
use crate::series_table::{read_labels, read_name, required};
use headwater_settings::{At, Or, Pairs, Table};
use std::collections::HashSet;
use std::time::Duration;

/// The port of a Modbus server.
const PORT: u16 = 502;

/// The most words in an answer (Modbus Application Protocol V1.1b3, 6.3 and 6.4), and those of the longest value.
const WORDS_MAX: i64 = 125;
const WORDS_MIN: i64 = 4;

/// What a serial line needs between two questions (ms): cheap meters take longer than the standard's 3.5 characters.
const SERIAL_PAUSE_MS: i64 = 30;

/// Values of registers are scaled by no more.
const SCALE_MAX: f64 = 1e12;

/// How a bus is reached.
#[derive(Clone, Debug)]
pub(super) enum BusAddress {
    Tcp(HostPort),
    /// A serial line behind a converter that knows nothing of Modbus.
    RtuOverTcp(HostPort),
    Rtu(PortName, LineSettings),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    pub(super) host: String,
    pub(super) port: u16,
}

/// A bus, and what is asked of it.
#[derive(Clone, Debug)]
pub(super) struct ModbusConfig {
    /// The source's name.
    pub(super) source: String,
    pub(super) address: BusAddress,
    pub(super) every: Duration,
    /// How long an answer is waited for.
    pub(super) timeout: Duration,
    /// The time before each question.
    pub(super) pause: Duration,
    /// The most words of a question, and how many that nobody wants it may hold in a row.
    pub(super) words_max: u16,
    pub(super) gap: u16,
    pub(super) registers: Vec<Register>,
}

/// Reads the table of a source. `None`: there were mistakes.
pub(super) fn read_config(
    table: &mut Table<'_>,
    context: &SourceContext,
    labels: &Pairs,
) -> Option<ModbusConfig> {
    let line = LineSettings::read(table);
    let address = line.and_then(|line| read_address(table, line));
    let is_serial = !matches!(address, Some(BusAddress::Tcp(_)));
    let every = table.duration("interval", 10..=86_400_000).value_or(1_000);
    let timeout = table.duration("timeout", 10..=60_000).value_or(1_000);
    let pause = table.duration("pause", 0..=10_000).value_or(if is_serial { SERIAL_PAUSE_MS } else { 0 });
    let words_max = table.integer("max_registers", WORDS_MIN..=WORDS_MAX).value_or(WORDS_MAX);
    let gap = table.integer("gap", 0..=WORDS_MAX - WORDS_MIN).value_or(0);
    let unit = table.integer("unit", 0..=255).value_or(1);
    let registers = read_registers(table, unit, labels);
    let duration = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    Some(ModbusConfig {
        source: context.source.clone(),
        address: address?,
        every: duration(every),
        timeout: duration(timeout),
        pause: duration(pause),
        words_max: u16::try_from(words_max).ok()?,
        gap: u16::try_from(gap).ok()?,
        registers: registers?,
    })
}

/// `None`: there were mistakes.
fn read_address(table: &mut Table<'_>, line: LineSettings) -> Option<BusAddress> {
    let fix = "write `tcp://192.168.1.30:502`, `rtu:///dev/ttyUSB0`, or `rtu+tcp://192.168.1.30:4196` for a serial \
               line behind a converter";
    let url =
        required(table, "url", "url = \"tcp://192.168.1.30:502\" or \"rtu:///dev/ttyUSB0\"", |table| {
            table.string("url")
        })?;
    let rest = |scheme: &str| url.value.strip_prefix(scheme);
    let address = if let Some(path) = rest("rtu://") {
        PortName::new(path).map(|port| BusAddress::Rtu(port, line))
    } else if let Some(to) = rest("rtu+tcp://") {
        host_port(to).map(BusAddress::RtuOverTcp)
    } else {
        rest("tcp://").and_then(host_port).map(BusAddress::Tcp)
    };
    if address.is_none() {
        table.refuse(url.span.clone(), format!("`url` cannot be `{}`", url.value), fix);
    }
    address
}

fn host_port(text: &str) -> Option<HostPort> {
    let text = text.trim_end_matches('/');
    let is_host_alone = text.ends_with(']') || !text.contains(':');
    let (host, port) = if is_host_alone {
        (text, PORT)
    } else {
        text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)))?
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_host = !host.is_empty() && !host.contains(['/', '@', ' ']);
    is_host.then(|| HostPort { host: host.to_owned(), port })
}

/// `None`: there were mistakes.
fn read_registers(table: &mut Table<'_>, unit: i64, labels: &Pairs) -> Option<Vec<Register>> {
    let tables = table.tables("registers");
    if tables.is_empty() {
        let example = "registers = [{ name = \"voltage\", address = 0, type = \"u16\" }]";
        table.missing("registers", format!("add what is read: {example}"));
        return None;
    }
    if tables.len() > REGISTERS_MAX {
        let what = format!("{} registers", tables.len());
        table.refuse(table.place_of("registers"), what, format!("write at most {REGISTERS_MAX}"));
        return None;
    }
    let mut names = HashSet::new();
    let registers: Vec<Option<Register>> =
        tables.into_iter().map(|register| read_register(register, unit, labels, &mut names)).collect();
    registers.into_iter().collect()
}

/// What the keys of a register mean.
const REGISTER_KEYS: [(&str, &str); 10] = [
    ("name", "of the series"),
    ("labels", "of this series"),
    ("table", "where it is kept; default: holding"),
    ("address", "its number, from 0; 0 is 40001 in many manuals"),
    ("unit", "the device on the line; default: that of the source"),
    ("type", "how its bits are read; default: u16, or bit"),
    ("order", "of the bytes; default: abcd"),
    ("scale", "multiplies the value; default: 1"),
    ("offset", "is added to the value; default: 0"),
    ("unit_of_measure", "the unit of the series"),
];

fn read_register(
    mut table: Table<'_>,
    unit: i64,
    labels: &Pairs,
    names: &mut HashSet<String>,
) -> Option<Register> {
    for (key, meaning) in REGISTER_KEYS {
        table.note(key, meaning);
    }
    let name = read_name(&mut table, names, ("register", "voltage"));
    let labels = read_labels(&mut table, labels);
    let tables = [RegisterTable::Holding, RegisterTable::Input, RegisterTable::Coil, RegisterTable::Discrete]
        .map(|table| (table.name(), table));
    let kept_in = table.choice("table", &tables).value_or(RegisterTable::Holding);
    let address = required(&mut table, "address", "address = 0, which is 40001 in many manuals", |table| {
        table.integer("address", 0..=65_535)
    });
    let unit = table.integer("unit", 0..=255).value_or(unit);
    let encoding = read_encoding(&mut table, kept_in);
    let unit_of_measure = table.string("unit_of_measure");
    table.finish();
    let (address, encoding) = (address?, encoding?);
    Some(Register {
        name: name?,
        labels,
        unit_of_measure: unit_of_measure.given(),
        place: RegisterPlace {
            unit: u8::try_from(unit).ok()?,
            table: kept_in,
            address: u16::try_from(address.value).ok()?,
        },
        encoding,
    })
}

fn read_encoding(table: &mut Table<'_>, kept_in: RegisterTable) -> Option<Encoding> {
    let kinds = [
        ("bit", ValueType::Bit),
        ("i16", ValueType::I16),
        ("u16", ValueType::U16),
        ("i32", ValueType::I32),
        ("u32", ValueType::U32),
        ("f32", ValueType::F32),
        ("i64", ValueType::I64),
        ("u64", ValueType::U64),
        ("f64", ValueType::F64),
    ];
    let has_bits = kept_in.has_bits();
    let usual = if has_bits { ValueType::Bit } else { ValueType::U16 };
    let is_given = table.has("type");
    let kind = table.choice("type", &kinds).or((!is_given).then_some(At { value: usual, span: 0..0 }))?;
    if (kind.value == ValueType::Bit) != has_bits {
        let (what, fix) = if has_bits {
            ("a bit is a bit", "leave `type` out, or read `table = \"holding\"` or `\"input\"`")
        } else {
            (
                "a register has words, and no single bit",
                "write `table = \"coil\"` or `\"discrete\"`, or another `type`",
            )
        };
        table.refuse(kind.span, what, fix);
        return None;
    }
    let orders = [
        ("abcd", ByteOrder::Abcd),
        ("badc", ByteOrder::Badc),
        ("cdab", ByteOrder::Cdab),
        ("dcba", ByteOrder::Dcba),
    ];
    Some(Encoding {
        kind: kind.value,
        order: table.choice("order", &orders).value_or(ByteOrder::Abcd),
        scale: table.number("scale", -SCALE_MAX..=SCALE_MAX).value_or(1.0),
        offset: table.number("offset", -SCALE_MAX..=SCALE_MAX).value_or(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_the_usual_one() {
        let shown = |text: &str| host_port(text).map(|HostPort { host, port }| format!("{host} {port}"));
        for (text, expected) in [
            ("meter.local", Some("meter.local 502")),
            ("10.0.0.1:1502/", Some("10.0.0.1 1502")),
            ("[fe80::1]", Some("fe80::1 502")),
            ("[::1]:77", Some("::1 77")),
            ("", None),
            ("a/b", None),
            ("a:x", None),
            (":502", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }
}
