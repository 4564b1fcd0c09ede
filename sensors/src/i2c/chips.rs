//! Chips, and how they are asked. BME280, BMP280 and ADS1115 have drivers of their own; the others have two registers.
//!
//! Sources: Sensirion SHT3x-DIS data sheet, version 6, 4.3 and 4.12; Texas Instruments INA219, SBOS448G, 8.6.

use super::config::{Chip, Sensor};
use crate::polled::PolledReadings;
use ads1x1x::{Ads1x1x, FullScaleRange, TargetAddr, channel};
use bme280::{Configuration, Oversampling, i2c::BME280};
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;
use std::fmt::Debug;

/// The register of a BME280 or BMP280 that says which one it is, and what it says.
const BME280_ID: u8 = 0xD0;
const IS_BME280: u8 = 0x60;
const IS_BMP280: u8 = 0x58;

/// A measurement of the SHT3x with high repeatability, without holding the clock.
const SHT3X_MEASURE: [u8; 2] = [0x24, 0x00];
const SHT3X_MEASURE_MS: u32 = 16;

/// Registers of the INA219: the voltage over its shunt, in 10 µV, and that of the bus, in 4 mV from the third bit on.
const INA219_SHUNT: u8 = 1;
const INA219_BUS: u8 = 2;

/// An ADS1115 takes 8 ms for a measurement.
const ADS1115_WAIT_MS: u32 = 2;
const ADS1115_WAITS_MAX: u32 = 20;

/// The range of an ADS1115 (V) and the number at its end.
const ADS1115_RANGE: (FullScaleRange, f64) = (FullScaleRange::Within4_096V, 4.096);
const ADS1115_END: f64 = 32_768.0;

/// Why a sensor gives no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MeasureError {
    /// It does not answer.
    Silent(String),
    /// What it says cannot be.
    Wrong(String),
}

/// What the bus says of a chip that does not answer. A driver of the kernel that has the chip makes it busy.
fn silent(error: impl Debug) -> MeasureError {
    let error = format!("{error:?}");
    MeasureError::Silent(if error.contains("EBUSY") {
        "a driver of the kernel has it, and a source of IIO reads it then".to_owned()
    } else {
        error
    })
}

/// Measures with a sensor, and hands over its values.
pub(super) fn measure<B: I2c>(
    bus: &mut B,
    delay: &mut impl DelayNs,
    sensor: &Sensor,
    to: &mut PolledReadings,
) -> Result<(), MeasureError> {
    let (name, address) = (sensor.name.as_str(), sensor.address);
    match sensor.chip {
        Chip::Bme280 => bme280(bus, delay, (name, address), to),
        Chip::Sht3x => sht3x(bus, delay, (name, address), to),
        Chip::Ads1115 => ads1115(bus, delay, (name, address), to),
        Chip::Ina219 { shunt } => ina219(bus, shunt, (name, address), to),
    }
}

fn bme280<B: I2c>(
    bus: &mut B,
    delay: &mut impl DelayNs,
    (name, address): (&str, u8),
    to: &mut PolledReadings,
) -> Result<(), MeasureError> {
    let mut id = [0];
    bus.write_read(address, &[BME280_ID], &mut id).map_err(silent)?;
    let [id] = id;
    if ![IS_BME280, IS_BMP280].contains(&id) {
        return Err(MeasureError::Wrong(format!(
            "it says that it is the chip {id:#04x}, no BME280 or BMP280"
        )));
    }
    let once = Oversampling::Oversampling1X;
    let config = Configuration::default()
        .with_temperature_oversampling(once)
        .with_pressure_oversampling(once)
        .with_humidity_oversampling(once);
    let mut chip = BME280::new(bus, address);
    chip.init_with_config(delay, config).map_err(silent)?;
    let measured = chip.measure(delay).map_err(silent)?;
    to.reading(format_args!("{name}/temperature"), "°C", f64::from(measured.temperature));
    to.reading(format_args!("{name}/pressure"), "hPa", f64::from(measured.pressure) / 100.0);
    if id == IS_BME280 {
        to.reading(format_args!("{name}/humidity"), "%", f64::from(measured.humidity));
    }
    Ok(())
}

fn sht3x<B: I2c>(
    bus: &mut B,
    delay: &mut impl DelayNs,
    (name, address): (&str, u8),
    to: &mut PolledReadings,
) -> Result<(), MeasureError> {
    bus.write(address, &SHT3X_MEASURE).map_err(silent)?;
    delay.delay_ms(SHT3X_MEASURE_MS);
    let mut answer = [0; 6];
    bus.read(address, &mut answer).map_err(silent)?;
    let [t0, t1, t_check, h0, h1, h_check] = answer;
    if (check(&[t0, t1]), check(&[h0, h1])) != (t_check, h_check) {
        return Err(MeasureError::Wrong("its check (CRC) is wrong".to_owned()));
    }
    let part = |high, low| f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX);
    to.reading(format_args!("{name}/temperature"), "°C", -45.0 + 175.0 * part(t0, t1));
    to.reading(format_args!("{name}/humidity"), "%", 100.0 * part(h0, h1));
    Ok(())
}

/// The check of two bytes: polynomial 0x31, from 0xFF on.
fn check(bytes: &[u8]) -> u8 {
    let step = |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x31 };
    bytes.iter().fold(0xFF, |crc, byte| (0..8).fold(crc ^ byte, step))
}

fn ina219<B: I2c>(
    bus: &mut B,
    shunt_ohm: f64,
    (name, address): (&str, u8),
    to: &mut PolledReadings,
) -> Result<(), MeasureError> {
    let mut read = |register: u8| {
        let mut word = [0; 2];
        bus.write_read(address, &[register], &mut word).map_err(silent)?;
        Ok(word)
    };
    let current = f64::from(i16::from_be_bytes(read(INA219_SHUNT)?)) * 1e-5 / shunt_ohm;
    let voltage = f64::from(u16::from_be_bytes(read(INA219_BUS)?) >> 3) * 4e-3;
    to.reading(format_args!("{name}/voltage"), "V", voltage);
    to.reading(format_args!("{name}/current"), "A", current);
    to.reading(format_args!("{name}/power"), "W", voltage * current);
    Ok(())
}

fn ads1115<B: I2c>(
    bus: &mut B,
    delay: &mut impl DelayNs,
    (name, address): (&str, u8),
    to: &mut PolledReadings,
) -> Result<(), MeasureError> {
    let address = match address {
        0x48 => TargetAddr::Gnd,
        0x49 => TargetAddr::Vdd,
        0x4A => TargetAddr::Sda,
        _ => TargetAddr::Scl,
    };
    let mut chip = Ads1x1x::new_ads1115(bus, address);
    chip.set_full_scale_range(ADS1115_RANGE.0).map_err(silent)?;
    let mut take = |number: u8, read: &mut dyn FnMut() -> nb::Result<i16, MeasureError>| {
        for _ in 0..ADS1115_WAITS_MAX {
            match read() {
                Ok(raw) => {
                    let volts = f64::from(raw) / ADS1115_END * ADS1115_RANGE.1;
                    to.reading(format_args!("{name}/voltage{number}"), "V", volts);
                    return Ok(());
                }
                Err(nb::Error::WouldBlock) => delay.delay_ms(ADS1115_WAIT_MS),
                Err(nb::Error::Other(error)) => return Err(error),
            }
        }
        Err(MeasureError::Wrong("its measurement does not end".to_owned()))
    };
    take(0, &mut || chip.read(channel::SingleA0).map_err(|error| error.map(silent)))?;
    take(1, &mut || chip.read(channel::SingleA1).map_err(|error| error.map(silent)))?;
    take(2, &mut || chip.read(channel::SingleA2).map_err(|error| error.map(silent)))?;
    take(3, &mut || chip.read(channel::SingleA3).map_err(|error| error.map(silent)))
}
