//! What the driver shows of a thermometer: its memory of nine bytes, twice, whether their check is right, and thousandths of
//! a degree.
//!
//! ```text
//! 50 05 4b 46 7f ff 0c 10 1c : crc=1c YES
//! 50 05 4b 46 7f ff 0c 10 1c t=85000
//! ```
//!
//! After power-on, or where the supply broke down during a measurement, the memory says 85 °C (DS18B20 data sheet, 19-7487,
//! "Memory"). Its byte 6 tells the two apart: it is 0x0C then, and 0x10 after a true measurement of 85 °C. A data line that is
//! shorted reads as zeros, whose check is right.

/// What the memory says after power-on (°C).
const POWER_ON: f64 = 85.0;

/// Byte 6 after a measurement of just that.
const MEASURED: &str = "10";

/// The range of the thermometers (°C).
const RANGE: std::ops::RangeInclusive<f64> = -55.0..=125.0;

/// The temperature in a `w1_slave` (°C), or why there is none.
pub(crate) fn degrees(text: &str) -> Result<f64, String> {
    let (check, rest) = text.split_once('\n').ok_or("it says less than two lines")?;
    if !check.trim_end().ends_with("YES") {
        return Err("its check (CRC) is wrong: the cable is long, or the resistor too large".to_owned());
    }
    let (bytes, millidegrees) = rest.rsplit_once("t=").ok_or("it says no temperature")?;
    let millidegrees: f64 =
        millidegrees.trim().parse().map_err(|_| "its temperature is no number".to_owned())?;
    let bytes: Vec<&str> = bytes.split_whitespace().collect();
    if bytes.iter().all(|byte| *byte == "00") {
        return Err("all its bytes are 0: the data line is shorted".to_owned());
    }
    let degrees = millidegrees / 1_000.0;
    if bytes.get(6) == Some(&MEASURED) && RANGE.contains(&degrees) {
        return Ok(degrees);
    }
    plausible(degrees)
}

/// The temperature (°C), unless it is one that was not measured.
pub(super) fn plausible(degrees: f64) -> Result<f64, String> {
    if degrees == POWER_ON {
        return Err(
            "it says 85 °C, which it does after power-on: its supply is weak, or it was not measured yet"
                .to_owned(),
        );
    }
    if !RANGE.contains(&degrees) {
        return Err(format!("{degrees} °C is beyond what it can measure"));
    }
    Ok(degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_measured_is_a_temperature() {
        let slave = |bytes: &str, word: &str, t: &str| format!("{bytes} : crc=d8 {word}\n{bytes} t={t}\n");
        for (text, expected) in [
            (slave("72 01 4b 46 7f ff 0e 10 57", "YES", "23125"), Ok(23.125)),
            (slave("fe ff 4b 46 7f ff 02 10 57", "YES", "-125"), Ok(-0.125)),
            (slave("50 05 4b 46 7f ff 10 10 1c", "YES", "85000"), Ok(85.0)),
            (slave("50 05 4b 46 7f ff 0c 10 1c", "YES", "85000"), Err("after power-on")),
            (slave("72 01 4b 46 7f ff 0e 10 57", "NO", "23125"), Err("check (CRC) is wrong")),
            (slave("00 00 00 00 00 00 00 00 00", "YES", "0"), Err("shorted")),
            (slave("ff ff ff ff ff ff ff ff ff", "YES", "127937"), Err("beyond what it can measure")),
            ("72 01 : crc=57 YES\n72 01".to_owned(), Err("no temperature")),
            ("72 01 : crc=57 YES\n72 01 t=x".to_owned(), Err("no number")),
            (String::new(), Err("two lines")),
        ] {
            match (degrees(&text), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{text}"),
                (Err(got), Err(expected)) => assert!(got.contains(expected), "{text}: {got}"),
                (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
            }
        }
        assert!(plausible(85.0).is_err() && plausible(84.9).is_ok() && plausible(f64::NAN).is_err());
    }
}
