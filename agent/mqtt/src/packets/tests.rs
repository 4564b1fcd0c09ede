//! Whatever bytes come, reading them ends with a packet, a fault, or the wish for more.

use super::*;
use crate::frame::{FrameLimits, Stage};
use bytes::BytesMut;

/// One packet of each kind in each version, some with properties.
fn packets() -> Vec<(Version, Stage, Vec<u8>)> {
    let both: [&[u8]; 8] = [
        &[0x30, 6, 0, 1, b't', 0, b'y', b'z'],
        &[0x3b, 9, 0, 3, b'a', b'/', b'b', 0, 7, 0, b'x'],
        &[0x40, 2, 0, 1],
        &[0x40, 3, 0, 1, 0x97],
        &[0xb0, 2, 0, 1],
        &[0xb0, 4, 0, 1, 0, 0x11],
        &[0xd0, 0],
        &[0xe0, 0],
    ];
    let only_v5: [&[u8]; 9] = [
        &[0x90, 5, 0, 1, 0, 1, 0x80],
        &[0x32, 17, 0, 1, b't', 0, 7, 9, 11, 1, 38, 0, 1, b'k', 0, 1, b'v', b'x', b'y'],
        &[0x30, 18, 0, 1, b't', 12, 1, 1, 2, 0, 0, 0, 9, 3, 0, 2, b'h', b'i', b'x', b'y'],
        &[0x30, 17, 0, 1, b't', 12, 8, 0, 1, b'r', 9, 0, 2, 1, 2, 35, 0, 1, b'x'],
        &[0x40, 10, 0, 1, 0x87, 6, 31, 0, 3, b'w', b'h', b'y'],
        &[0x90, 11, 0, 1, 6, 31, 0, 3, b'w', b'h', b'y', 0, 0x87],
        &[0xe0, 1, 0x8b],
        &[0xe0, 8, 0x97, 6, 31, 0, 3, b'w', b'h', b'y'],
        &[0xe0, 14, 0x9c, 12, 28, 0, 1, b's', 38, 0, 1, b'k', 0, 2, b'v', b'w'],
    ];
    let welcome_v5: &[u8] = &[
        0x20, 45, 1, 0, 42, 0x11, 0, 0, 0, 9, 0x21, 0, 9, 0x24, 1, 0x25, 1, 0x27, 0, 1, 0, 0, 0x12, 0, 1,
        b'i', 0x22, 0, 9, 0x13, 0, 9, 0x1f, 0, 1, b'r', 0x26, 0, 1, b'k', 0, 1, b'v', 0x28, 1, 0x29, 1,
    ];
    let mut all = vec![
        (Version::V4, Stage::Connecting, vec![0x20, 2, 1, 0]),
        (Version::V4, Stage::Connected, vec![0x90, 4, 0, 1, 1, 0x80]),
        (Version::V5, Stage::Connecting, vec![0x20, 2, 0, 1]),
        (Version::V5, Stage::Connecting, welcome_v5.to_vec()),
    ];
    for bytes in both {
        all.push((Version::V4, Stage::Connected, bytes.to_vec()));
        all.push((Version::V5, Stage::Connected, bytes.to_vec()));
    }
    all.extend(only_v5.map(|bytes| (Version::V5, Stage::Connected, bytes.to_vec())));
    all
}

/// Reads all packets in `bytes`. Returns how many there were; a fault ends it.
fn read_all(version: Version, stage: Stage, bytes: &[u8]) -> (usize, Option<Fault>) {
    let limits = FrameLimits { version, packet_bytes_max: 1 << 20 };
    let mut input = BytesMut::from(bytes);
    let mut count = 0;
    loop {
        let frame = match limits.take(stage, &mut input) {
            Ok(Some(frame)) => frame,
            Ok(None) => return (count, None),
            Err(fault) => return (count, Some(fault)),
        };
        let fault = match stage {
            Stage::Connecting => welcome(version, frame).err(),
            Stage::Connected => read(version, frame).err(),
        };
        if fault.is_some() {
            return (count, fault);
        }
        count += 1;
    }
}

#[test]
fn every_packet_cut_or_changed_anywhere_is_read_or_refused() {
    let mut rng = fastrand::Rng::with_seed(5);
    for (version, stage, packet) in packets() {
        for cut in 0..packet.len() {
            assert_eq!(read_all(version, stage, &packet[..cut]).0, 0, "{packet:x?} up to {cut}");
        }
        for _ in 0..2_000 {
            let mut bytes = packet.clone();
            for _ in 0..rng.usize(1..=4) {
                let at = rng.usize(..bytes.len());
                match rng.u8(..4) {
                    0 => bytes[at] = rng.u8(..),
                    1 => bytes[at] ^= 1 << rng.u8(..8),
                    2 => bytes.insert(at, rng.u8(..)),
                    _ if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => {}
                }
            }
            // Another packet behind it, so that lengths may reach into it; and the length made right half of the time.
            if let (true, Ok(length @ ..128)) = (rng.bool(), u8::try_from(bytes.len().saturating_sub(2))) {
                bytes.iter_mut().skip(1).take(1).for_each(|byte| *byte = length);
            }
            bytes.extend_from_slice(&packet);
            read_all(version, stage, &bytes);
        }
    }
}

#[test]
fn noise_behind_a_legal_first_byte_is_read_or_refused() {
    let mut rng = fastrand::Rng::with_seed(7);
    for first in [0x20, 0x30, 0x32, 0x3b, 0x40, 0x90, 0xb0, 0xd0, 0xe0] {
        for _ in 0..4_000 {
            let mut bytes: Vec<u8> = (0..rng.usize(..90)).map(|_| rng.u8(..)).collect();
            // Small numbers are lengths and properties.
            bytes.iter_mut().filter(|_| fastrand::bool()).for_each(|byte| *byte %= 40);
            bytes.splice(..0, [first, bytes.len() as u8]);
            for version in [Version::V4, Version::V5] {
                read_all(version, Stage::Connecting, &bytes);
                read_all(version, Stage::Connected, &bytes);
            }
        }
    }
}

#[test]
fn the_packets_of_these_tests_are_what_they_stand_for() {
    for (version, stage, packet) in packets() {
        match read_all(version, stage, &packet) {
            (1, None) => {}
            (0, Some(Fault::SentAway { .. } | Fault::RefusedV5(_))) => {}
            // The one with a topic alias, and the farewell that 3.1.1 does not have.
            (0, Some(Fault::Protocol(why))) => {
                assert!(why.contains("topic alias") || packet[0] == 0xe0, "{packet:x?}: {why}");
            }
            other => panic!("{packet:x?}: {other:?}"),
        }
    }
}
