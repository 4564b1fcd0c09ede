//! Chips whose registers the test has filled. Real ones are met on whole machines, by hand.

use super::bus::look_at_all;
use super::config::{Chip, Sensor};
use crate::Finding;
use crate::polled::{PollError, PolledConfig, PolledReadings};
use crate::testing::source;
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use std::collections::HashMap;

/// A bus whose chips have 256 registers each, and one command with its answer.
#[derive(Default)]
struct FakeBus {
    chips: HashMap<u8, [u8; 256]>,
    /// What an address answers that has no registers.
    answers: HashMap<u8, Vec<u8>>,
    register: usize,
}

impl FakeBus {
    fn fill(&mut self, address: u8, register: u8, bytes: &[u8]) {
        let chip = self.chips.entry(address).or_insert([0; 256]);
        chip[usize::from(register)..][..bytes.len()].copy_from_slice(bytes);
    }
}

impl ErrorType for FakeBus {
    type Error = ErrorKind;
}

impl I2c for FakeBus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            match (operation, self.answers.get(&address), self.chips.get_mut(&address)) {
                (Operation::Write(_), Some(_), _) => {}
                (Operation::Read(to), Some(answer), _) => to.copy_from_slice(answer),
                (Operation::Write(bytes), None, Some(chip)) => {
                    self.register = usize::from(bytes[0]);
                    // A converter has 16 bits in each register, and its measurement is over at once.
                    if address == 0x48 {
                        self.register *= 2;
                    } else {
                        chip[self.register..][..bytes.len() - 1].copy_from_slice(&bytes[1..]);
                    }
                }
                (Operation::Read(to), None, Some(chip)) => {
                    let register = if address == 0x40 { self.register * 2 } else { self.register };
                    to.copy_from_slice(&chip[register..][..to.len()]);
                }
                (_, None, None) => return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)),
            }
        }
        Ok(())
    }
}

struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

/// Series and their values.
type Values = Vec<(String, f64)>;

fn look(bus: &mut FakeBus, sensors: &[(Chip, u8)]) -> (Result<(), PollError>, Values, Vec<String>) {
    let sensors: Vec<Sensor> = sensors
        .iter()
        .map(|(chip, address)| Sensor { name: format!("s{address:x}"), address: *address, chip: *chip })
        .collect();
    let mut readings = PolledReadings::new(PolledConfig::for_tests());
    let result = look_at_all(bus, &mut NoDelay, &sensors, &mut readings);
    (result, readings.values(), readings.invalid_whys())
}

fn value(values: &[(String, f64)], name: &str) -> f64 {
    values.iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("{name}: {values:?}")).1
}

/// The example of the BMP280's data sheet (BST-BMP280-DS001, 3.12): 25.08 °C and 1006.53 hPa.
#[test]
fn a_bmp280_says_what_its_data_sheet_says() {
    let mut bus = FakeBus::default();
    bus.fill(0x77, 0xD0, &[0x58]);
    let calibration: [i32; 12] =
        [27_504, 26_435, -1_000, 36_477, -10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000];
    let bytes: Vec<u8> = calibration.iter().flat_map(|it| (*it as u16).to_le_bytes()).collect();
    bus.fill(0x77, 0x88, &bytes);
    let raw = |value: u32| [(value >> 12) as u8, (value >> 4) as u8, (value << 4) as u8];
    bus.fill(0x77, 0xF7, &[raw(415_148), raw(519_888)].concat());
    let (result, values, invalid) = look(&mut bus, &[(Chip::Bme280, 0x77)]);
    assert_eq!((result, invalid), (Ok(()), vec![]));
    assert!((value(&values, "s77/temperature") - 25.08).abs() < 0.01, "{values:?}");
    assert!((value(&values, "s77/pressure") - 1_006.53).abs() < 0.02, "{values:?}");
    assert_eq!(values.len(), 2, "it has no humidity");
}

#[test]
fn the_other_chips_say_what_their_data_sheets_say() {
    let mut bus = FakeBus::default();
    // The check of 0xBEEF is 0x92 (SHT3x-DIS, 4.12).
    bus.answers.insert(0x44, vec![0xBE, 0xEF, 0x92, 0xBE, 0xEF, 0x92]);
    // 320 mV over 0.1 Ω is 3.2 A (INA219, 8.6.3.1); 0x5D98 is 11.98 V (8.6.3.2).
    bus.fill(0x40, 2, &[0x7D, 0x00, 0x5D, 0x98]);
    // Ready, and half of the range.
    bus.fill(0x48, 0, &[0x40, 0x00, 0x85, 0x83]);
    let (result, values, invalid) =
        look(&mut bus, &[(Chip::Sht3x, 0x44), (Chip::Ina219 { shunt: 0.1 }, 0x40), (Chip::Ads1115, 0x48)]);
    assert_eq!((result, invalid), (Ok(()), vec![]));
    assert!((value(&values, "s44/temperature") - 85.523).abs() < 0.01, "{values:?}");
    assert!((value(&values, "s44/humidity") - 74.585).abs() < 0.01, "{values:?}");
    assert!((value(&values, "s40/voltage") - 11.98).abs() < 0.01, "{values:?}");
    assert!((value(&values, "s40/current") - 3.2).abs() < 1e-9, "{values:?}");
    assert!((value(&values, "s48/voltage0") - 2.048).abs() < 1e-9, "{values:?}");
    assert!((value(&values, "s48/voltage3") - 2.048).abs() < 1e-9, "{values:?}");
}

#[test]
fn a_chip_that_is_absent_or_another_one_stops_no_other() {
    let mut bus = FakeBus::default();
    bus.answers.insert(0x44, vec![0xBE, 0xEF, 0x93, 0xBE, 0xEF, 0x92]);
    bus.fill(0x77, 0xD0, &[0x61]);
    bus.fill(0x40, 2, &[0, 0, 0, 0]);
    let wanted = [
        (Chip::Bme280, 0x76),
        (Chip::Bme280, 0x77),
        (Chip::Sht3x, 0x44),
        (Chip::Ina219 { shunt: 0.1 }, 0x40),
    ];
    let (result, values, invalid) = look(&mut bus, &wanted);
    assert_eq!((result, values.len()), (Ok(()), 3));
    assert_eq!(
        invalid,
        ["it says that it is the chip 0x61, no BME280 or BMP280", "its check (CRC) is wrong"]
    );
    let (result, ..) = look(&mut FakeBus::default(), &wanted);
    assert!(
        matches!(&result, Err(PollError::Absent(why)) if why.starts_with("s76 does not answer at 0x76: ")),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_bus_that_is_absent_is_told_of() {
    let table = "type = \"i2c\"\nbus = \"/nowhere/i2c-9\"\nsensors = [{ name = \"a\", chip = \"bme280\" }]\n";
    let Some(Finding::Note(what)) = source(table).probe().await else { panic!("it is not there") };
    assert!(what.contains("dtparam=i2c_arm=on"), "{what}");
    let table = table.replace("/nowhere/i2c-9", "/dev/null");
    let Some(Finding::Fails(what) | Finding::Note(what)) = source(&table).probe().await else {
        panic!("it is none")
    };
    assert!(what.contains("/dev/null") || what.contains("does not answer"), "{what}");
}
