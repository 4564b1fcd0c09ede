//! A sketch on the wire, for others to merge: README.md has the format and an example.

use headwater_kernel::aggregate::Bin;
use headwater_pipeline::sketch::GrowingSketch;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The ratio of the bins, the number of values that count as zero, and for each sign the bins with their counts.
pub(super) struct WireSketch<'a>(pub(super) &'a GrowingSketch);

impl Serialize for WireSketch<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sketch = self.0.binned();
        let zero = sketch.own_bins().find(|bin| bin.key == 0).map_or(0, |bin| bin.count);
        let of_sign = |sign: i32| -> Vec<(i32, u32)> {
            let bins = sketch.own_bins().filter(|bin: &Bin| bin.key.signum() == sign);
            let mut bins: Vec<_> = bins.map(|bin| (sketch.index(bin), bin.count)).collect();
            bins.sort_unstable();
            bins
        };
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("gamma", &sketch.gamma())?;
        map.serialize_entry("level", &sketch.level())?;
        map.serialize_entry("zero", &zero)?;
        map.serialize_entry("negative", &of_sign(-1))?;
        map.serialize_entry("positive", &of_sign(1))?;
        map.end()
    }
}
