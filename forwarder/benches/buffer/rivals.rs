//! What others would do.

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

/// A key per message, and a flush every `flush_every` of them: as one would do it after reading the documentation.
pub fn fill_sled(folder: &Path, count: usize, body_bytes: usize, flush_every: usize) -> sled::Db {
    let db = sled::Config::new().path(folder.join("naive")).flush_every_ms(None).open().unwrap();
    for n in 0..count as u64 {
        db.insert(n.to_be_bytes(), vec![n as u8; body_bytes]).unwrap();
        if (n + 1).is_multiple_of(flush_every as u64) {
            db.flush().unwrap();
        }
    }
    db.flush().unwrap();
    db
}

/// Takes the first one out, again and again.
pub fn drain_sled(db: &sled::Db, flush_every: usize) {
    let mut count = 0_usize;
    while db.pop_min().unwrap().is_some() {
        count += 1;
        if count.is_multiple_of(flush_every) {
            db.flush().unwrap();
        }
    }
}

/// A file that is appended to, and synced every `sync_every` messages.
pub fn fill_file(folder: &Path, count: usize, body_bytes: usize, sync_every: usize) {
    let mut file = File::create(folder.join("plain")).unwrap();
    let mut batch = Vec::new();
    for n in 0..count {
        batch.extend_from_slice(&(body_bytes as u32).to_le_bytes());
        batch.resize(batch.len() + body_bytes, n as u8);
        if (n + 1).is_multiple_of(sync_every) {
            file.write_all(&batch).unwrap();
            file.sync_data().unwrap();
            batch.clear();
        }
    }
    file.write_all(&batch).unwrap();
    file.sync_data().unwrap();
}

/// Reads it through and deletes it; how many messages were in it.
pub fn drain_file(folder: &Path) -> usize {
    let path = folder.join("plain");
    let mut file = BufReader::new(File::open(&path).unwrap());
    let (mut length, mut body, mut count) = ([0; 4], Vec::new(), 0);
    while file.read_exact(&mut length).is_ok() {
        body.resize(u32::from_le_bytes(length) as usize, 0);
        file.read_exact(&mut body).unwrap();
        count += 1;
    }
    std::fs::remove_file(path).unwrap();
    count
}

/// `rumqttc` and a task that publishes what it has in memory.
pub async fn bare_publisher(port: u16, count: usize, body_bytes: usize) {
    let mut options = MqttOptions::new("bare", "127.0.0.1", port);
    options.set_inflight(1_000);
    let (client, mut events) = AsyncClient::new(options, 1_000);
    let mut network = events.network_options();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    tokio::task::spawn_local(async move {
        let body = bytes::Bytes::from(vec![b'x'; body_bytes]);
        for _ in 0..count {
            client.publish_bytes("late/x", QoS::AtLeastOnce, false, body.clone()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let mut acked = 0;
    while acked < count {
        if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
            acked += 1;
        }
    }
}
