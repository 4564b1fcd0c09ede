//! Thermometers that come and go.

use crate::Finding;
use crate::testing::{Folder, Run, Told, run_local, source};

const SLAVE: &str = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";

#[test]
fn a_thermometer_comes_and_goes_while_the_source_runs() {
    run_local(async {
        let (folder, told) = (Folder::new(), Told::default());
        let table = format!("type = \"w1\"\ninterval = \"1s\"\nroot = \"{}\"\n", folder.0.display());
        let Some(Finding::Note(what)) = source(&table).probe().await else { panic!("there is no bus") };
        assert!(what.contains("dtoverlay=w1-gpio"), "{what}");
        let devices = folder.join("sys/bus/w1/devices");
        std::fs::create_dir_all(devices.join("w1_bus_master1")).unwrap();
        let Some(Finding::Note(what)) = source(&table).probe().await else {
            panic!("there is nothing on it")
        };
        assert!(what.contains("4.7 kΩ"), "{what}");
        let run = Run::start(&table, &told);
        told.until_link("no thermometer").await;
        for name in ["28-0316a2794b5f", "28-0417c1a2b3ff"] {
            std::fs::create_dir(devices.join(name)).unwrap();
            std::fs::write(devices.join(name).join("w1_slave"), SLAVE).unwrap();
        }
        told.until("both", |seen| seen.readings.len() >= 2).await;
        std::fs::remove_dir_all(devices.join("28-0316a2794b5f")).unwrap();
        told.until("the loss", |seen| {
            seen.troubles.iter().any(|trouble| trouble.contains("28-0316a2794b5f was there"))
        })
        .await;
        run.stop().await;
        assert!(told.values().iter().all(|value| *value == 23.125));
        let Some(Finding::Works(what)) = source(&table).probe().await else { panic!("one is there") };
        assert_eq!(what, "28-0417c1a2b3ff 23.125 °C");
    });
}
