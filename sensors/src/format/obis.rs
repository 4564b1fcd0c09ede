//! OBIS: what meters of electricity, gas, water and heat say in text, as a telegram or line by line.
//!
//! `1-0:1.8.1(000123.456*kWh)`: every line is a record, its code the field, with its unit. The customer port of smart meters
//! (DSMR P1, ESMR) and the optical head (IEC 62056-21, "D0") both write that. `*255` behind a code, which means the present
//! value, is left out. Lines with several values are histories and hold no reading, but for that of a sub-meter: its time, then
//! its value. Identities (`96.1.x`, `0.0.x`, `C.1.x`) and messages (`96.13.x`) are no readings. Bytes that do not belong to a
//! line (STX, ETX) are passed over.
//!
//! The time of a record is the field `clock`: that of the line (a sub-meter's), or of the telegram (`0-0:1.0.0`, `0.9.1` and
//! `0.9.2` are not read). A payload that is a whole telegram is checked by its CRC, if it has one, with CR LF after every
//! line, whatever became of these on the way; of a telegram that comes line by line the CRC is not checked.
//!
//! Sources: DSMR 5.0.2 P1 companion standard; IEC 62056-21 and 62056-61; EN 13757-1. Meters that speak in bytes are read by `sml.rs`. Cost: one
//! pass (two of a telegram with a CRC), and no allocation.

use super::{Format, FormatKind, bare};
use crate::fields::{DecodeError, FieldUse, Fields, Position, Scalar};

pub(super) const KIND: FormatKind =
    FormatKind { name: "obis", read: |_, _| Some(Box::new(Obis::default())), sample: "format = \"obis\"\n" };

/// The field with the time of a line.
const CLOCK: &str = "clock";

/// The code of a telegram's own time.
const TELEGRAM_TIME: &str = "0-0:1.0.0";

/// What `260101120000W` is as RFC 3339 has it, without its offset: `2026-01-01T12:00:00W`.
const TIME_BYTES: usize = 20;

#[derive(Clone, Debug, Default)]
struct Obis {
    /// The time of the telegram; `None`: it has not said it.
    clock: Option<Clock>,
}

#[derive(Clone, Copy, Debug)]
struct Clock([u8; TIME_BYTES]);

impl Format for Obis {
    fn decode(&mut self, payload: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        let payload = bare(payload);
        check(payload)?;
        self.clock = None;
        let mut is_empty = true;
        for (number, line) in (1_u64..).zip(payload.split(|byte| *byte == b'\n')) {
            is_empty &= !self.line(line, Some(Position::Line(number)), fields);
        }
        if is_empty {
            fields.end();
        }
        Ok(())
    }

    fn decode_line(&mut self, line: &[u8], fields: &mut Fields<'_>) -> Result<(), DecodeError> {
        self.line(bare(line), None, fields);
        Ok(())
    }

    fn boxed(&self) -> Box<dyn Format> {
        Box::new(self.clone())
    }
}

impl Obis {
    /// Reads a line; answers whether it is a record.
    fn line(&mut self, line: &[u8], at: Option<Position>, fields: &mut Fields<'_>) -> bool {
        let line = trimmed(line);
        match line.first() {
            // The meter's name begins a telegram, and `!` ends it.
            Some(b'/' | b'!') => self.clock = None,
            // A value on a line of its own, which DSMR 2 writes for gas, does not say what it is.
            None | Some(b'(') => {}
            Some(_) => {
                match self.record(line, fields) {
                    Ok(()) => fields.end(),
                    Err(what) => fields.reject(DecodeError { what: what.into(), at }),
                }
                return true;
            }
        }
        false
    }

    fn record(&mut self, line: &[u8], fields: &mut Fields<'_>) -> Result<(), &'static str> {
        let text = std::str::from_utf8(line).map_err(|_| "not OBIS: bytes that are not UTF-8")?;
        let (code, values) = text
            .split_once('(')
            .filter(|(code, _)| is_code(code))
            .ok_or("not OBIS: a line that is no code with a value, such as 1-0:1.8.0(000123.4*kWh)")?;
        let values = values.strip_suffix(')').ok_or("not OBIS: a line without its last bracket")?;
        let code = code.strip_suffix("*255").unwrap_or(code);
        if code == TELEGRAM_TIME {
            self.clock = Clock::of(values);
            return Ok(());
        }
        let (own_time, value) = match values.split_once(")(") {
            None => (None, values),
            Some((time, value)) if !value.contains('(') => match Clock::of(time) {
                Some(clock) => (Some(clock), value),
                None => return Ok(()),
            },
            Some(_) => return Ok(()),
        };
        if is_identity(code) || Clock::of(value).is_some() {
            return Ok(());
        }
        let want = fields.want(CLOCK);
        if matches!(want, FieldUse::Time(_) | FieldUse::Captured)
            && let Some(clock) = own_time.or(self.clock)
        {
            fields.put(want, CLOCK, Scalar::Text(&String::from_utf8_lossy(&clock.0)));
        }
        let (value, unit) = value.split_once('*').unwrap_or((value, ""));
        let want = fields.want(code);
        fields.put_measured(want, code, Scalar::Text(value), unit);
        Ok(())
    }
}

impl Clock {
    /// `260101120000W`, `260101120000`; `None`: it is none.
    fn of(text: &str) -> Option<Self> {
        let (digits, season) = match text.as_bytes() {
            [digits @ .., season @ (b'S' | b'W')] => (digits, *season),
            digits => (digits, b' '),
        };
        let [y0, y1, mo0, mo1, d0, d1, h0, h1, mi0, mi1, s0, s1] = *<&[u8; 12]>::try_from(digits).ok()?;
        let is_time = digits.iter().all(u8::is_ascii_digit) && (mo0, d0, h0) <= (b'1', b'3', b'2');
        is_time.then_some(Self([
            b'2', b'0', y0, y1, b'-', mo0, mo1, b'-', d0, d1, b'T', h0, h1, b':', mi0, mi1, b':', s0, s1,
            season,
        ]))
    }
}

/// Without blanks and control characters around it.
fn trimmed(mut line: &[u8]) -> &[u8] {
    let is_none = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
    while let [first, rest @ ..] = line
        && is_none(first)
    {
        line = rest;
    }
    while let [rest @ .., last] = line
        && is_none(last)
    {
        line = rest;
    }
    line
}

/// `1-0:1.8.1`, `1.8.1`, `C.7.0`, `0.0.0*01`.
fn is_code(code: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.*&".contains(&byte);
    code.contains('.') && code.bytes().all(is_sign)
}

/// Whether a code is of a number that only names something, or of a message.
fn is_identity(code: &str) -> bool {
    let of_medium = code.rsplit_once(':').map_or(code, |(_, code)| code);
    ["96.1.", "96.13.", "0.0.", "C.1.", "0.2."].iter().any(|group| of_medium.starts_with(group))
}

/// # Errors
/// The telegram's CRC is not that of what it says.
fn check(payload: &[u8]) -> Result<(), DecodeError> {
    let Some(end) = payload.iter().rposition(|byte| *byte == b'!') else { return Ok(()) };
    let digits = payload.get(end + 1..).unwrap_or_default();
    let (Some(start), true) = (payload.iter().position(|byte| *byte == b'/'), digits.len() == 4) else {
        return Ok(());
    };
    let said = std::str::from_utf8(digits).ok().and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let lines = payload.get(start..end).unwrap_or_default().split_inclusive(|byte| *byte == b'\n');
    let lines = lines.map(|line| match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => (line, &b"\r\n"[..]),
        line => (line, &b""[..]),
    });
    let crc = lines.fold(0, |crc, (line, end)| crc16(crc16(crc, line), end));
    if said == Some(crc16(crc, b"!")) {
        return Ok(());
    }
    Err(DecodeError::new("not OBIS: the checksum is wrong: the telegram was changed on its way"))
}

/// CRC-16/ARC: polynomial 0xA001, reflected.
fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    const POLYNOMIAL: u16 = 0xA001;
    bytes.iter().fold(crc, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::crc16;
    use crate::decode::PayloadOrigin;
    use crate::decode::tests::{Seen, decoded, decoder};
    use proptest::prelude::*;

    const OBIS: &str = "format = \"obis\"\n";

    const TELEGRAM: &str = "/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(260101120000W)\r\n\
        0-0:96.1.1(4530303334)\r\n1-0:1.8.1(000992.992*kWh)\r\n0-0:96.14.0(0002)\r\n1-0:1.7.0(00.424*kW)\r\n\
        1-0:99.97.0(2)(0-0:96.7.19)(170326062519W)(0029642045*s)(160417043131S)(0032317527*s)\r\n\
        0-0:96.13.0()\r\n0-1:24.1.0(003)\r\n0-1:24.2.1(260101115501W)(02569.646*m3)\r\n!";

    fn telegram() -> String {
        format!("{TELEGRAM}{:04X}\r\n", crc16(0, TELEGRAM.as_bytes()))
    }

    fn values(seen: &Seen) -> Vec<(&str, f64)> {
        seen.readings.iter().map(|(series, _, value)| (series.as_str(), *value)).collect()
    }

    #[test]
    fn a_telegram_of_a_smart_meter_is_read_with_its_times() {
        let expected = [
            ("t/1-0:1.8.1", 992.992),
            ("t/0-0:96.14.0", 2.0),
            ("t/1-0:1.7.0", 0.424),
            ("t/0-1:24.1.0", 3.0),
            ("t/0-1:24.2.1", 2569.646),
        ];
        let keys = format!("{OBIS}time = \"clock\"\ntime_zone = \"Europe/Amsterdam\"");
        for payload in [telegram(), telegram().replace('\r', "")] {
            let seen = decoded(&keys, "t", payload.as_bytes());
            assert_eq!((values(&seen).as_slice(), seen.invalid.len()), (&expected[..], 0), "{seen:?}");
            let times: Vec<_> = seen.readings.iter().map(|(_, time, _)| time.unwrap()).collect();
            assert_eq!((times[0], times[4]), (1_767_265_200_000, 1_767_264_901_000));
        }
        assert!(decoded(OBIS, "t", telegram().as_bytes()).readings.iter().all(|(_, time, _)| time.is_none()));
        let changed = telegram().replace("992.992", "993.992");
        let seen = decoded(OBIS, "t", changed.as_bytes());
        assert!(seen.readings.is_empty() && seen.invalid[0].contains("the checksum is wrong"), "{seen:?}");
    }

    #[test]
    fn the_hour_that_comes_twice_in_autumn_is_told_apart() {
        let keys = format!("{OBIS}time = \"clock\"\ntime_zone = \"Europe/Amsterdam\"");
        for (clock, ms) in [("261025023000S", 1_792_888_200_000), ("261025023000W", 1_792_891_800_000)] {
            let seen = decoded(&keys, "t", format!("0-0:1.0.0({clock})\n1-0:1.7.0(1*kW)\n").as_bytes());
            assert_eq!(seen.readings[0].1, Some(ms), "{clock}");
        }
    }

    #[test]
    fn lines_of_an_optical_head_are_read_one_by_one() {
        let mut decoder = decoder(OBIS);
        let mut seen = Seen::roomy();
        for line in [
            "/EMH5\\@01LZQJL0013E",
            "\u{2}F.F(00)",
            "0.0.0(1EMH0012345678)",
            "1-0:1.8.0*255(000123.456*kWh)",
            "1.8.0*01(000100.5)",
            "C.1.0(87654321)",
            "16.7(000.41*kW)",
            "rubbish",
            "1.8.0(1",
            "(00024.123)",
            "!\u{3}",
        ] {
            decoder.on_line("t", line.as_bytes(), PayloadOrigin { name: "t", line: None }, &mut seen);
        }
        let expected = [("t/F.F", 0.0), ("t/1-0:1.8.0", 123.456), ("t/1.8.0*01", 100.5), ("t/16.7", 0.41)];
        assert_eq!(values(&seen), expected);
        assert_eq!(seen.invalid.len(), 2, "{seen:?}");
        assert_eq!(decoded(OBIS, "t", b"").empty, 1);
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(payload in "[0-9.:*()!/SWk\\n-]{0,80}", bytes: Vec<u8>) {
            for payload in [payload.as_bytes(), &bytes] {
                let seen = decoded(&format!("{OBIS}time = \"clock\""), "t", payload);
                prop_assert!(seen.readings.iter().all(|(_, _, value)| value.is_finite()));
            }
        }
    }
}
