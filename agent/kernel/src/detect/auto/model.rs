//! What `auto` knows of one series, and what it says of the next reading.

use super::flat::Flat;
use super::fusion::{Alone, Evidence};
use super::near::{self, Beside, Near};
use super::profile::Profile;
use super::reason::Reason;
use super::surprise::{Surprise, digits};
use super::tempo::Tempo;
use crate::detect::learned::learned_struct;
use crate::time::Time;

learned_struct!(View { mean, surprise });
learned_struct!(AutoModel {
    profile,
    views,
    near,
    flat,
    tempo,
    seen,
    forgot,
    level,
    spread,
    recent,
    unrest,
    scale,
    misfits,
    before,
    since
});

/// What is as rare as one reading in 125 can be recognised after as many readings.
pub(super) const LEARNING: u32 = 125;
/// The input of each view, and over how many readings it averages.
const VIEWS: [(Of, f64); 10] = [
    (Of::Day, 1.0),
    (Of::Day, 3.0),
    (Of::Day, 10.0),
    (Of::Day, 30.0),
    (Of::Week, 1.0),
    (Of::Week, 3.0),
    (Of::Week, 10.0),
    (Of::Week, 30.0),
    (Of::Level, 10.0),
    (Of::Unrest, 10.0),
];
/// The views beside the last readings that count with the others; the last one only speaks alone.
const NEAR_TOGETHER: usize = near::VIEWS - 1;
/// A step is the distance from the mean of about this many readings.
const STEP_READINGS: f64 = 10.0;
/// The level and the scale of the series reach back this many readings.
const LEVEL_READINGS: u32 = 1_000;
/// The histograms forget half when this many were seen.
const SEEN_MAX: u32 = 16_384;
/// They do not forget what was seen once within so much time [ms]: at one reading a second half is forgotten every two
/// hours, and what every morning brings would be new every morning.
const RECORD_MS: i64 = 7 * 86_400_000;
/// A reading this many times further out than usual is judged but not learned, and one this many times closer than
/// usual is no news; [`MISFITS`] of either in a row are another unit, and everything is learned anew.
const RANGE: f64 = 4_096.0;
const MISFITS: u8 = 60;
/// So many readings long after an alarm, a value that is closer to what was usual before it than by half to what is
/// usual now is a return.
const RETURN_READINGS: u16 = 500;
const RETURN: f64 = 0.5;
/// What is usual at a time is said when it is so far from the level [spreads].
const OF_THE_TIME: f64 = 0.5;
/// What is not so far from usual [spreads] is hardly to be seen, and says little as a reason.
const VISIBLE: f64 = 0.1;
const HARDLY: f64 = 0.1;
/// A mean over several readings is what a reason tells of when it is so much rarer than the value itself.
const MEANS_SAY: f64 = 0.75;
/// Larger values are clamped to this, so that differences and their means stay finite.
const VALUE_MAX: f64 = 1e300;

/// The past of one series, as `auto` learns it. State: 7.2 KB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoModel {
    pub(super) profile: Profile,
    views: [View; VIEWS.len()],
    near: Near,
    flat: Flat,
    tempo: Tempo,
    /// Readings learned, up to [`SEEN_MAX`].
    seen: u32,
    /// When what was seen once was last forgotten [ms].
    forgot: i64,
    level: f64,
    /// Mean distance from the level [channel unit]; 0 while the series has been constant.
    spread: f64,
    /// Mean of the last readings.
    recent: f64,
    /// Mean distance from it [channel unit].
    unrest: f64,
    /// log2 of the scale of the histograms.
    scale: i16,
    /// Consecutive readings of another order of magnitude than before.
    misfits: u8,
    /// What was usual before the last alarm [channel unit], and the readings since.
    before: f64,
    since: u16,
}

/// The reference of a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Of {
    Day,
    Week,
    Level,
    Unrest,
}

/// One difference from the usual, averaged over a span [scales].
#[derive(Clone, Copy, Debug, PartialEq)]
struct View {
    mean: f64,
    surprise: Surprise,
}

impl Default for AutoModel {
    fn default() -> Self {
        Self::new()
    }
}

impl AutoModel {
    /// One that has learned nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self::starting(0.0, Time(0), Tempo::new())
    }

    const fn starting(value: f64, time: Time, tempo: Tempo) -> Self {
        const VIEW: View = View { mean: 0.0, surprise: Surprise::new() };
        Self {
            profile: Profile::new(),
            views: [VIEW; VIEWS.len()],
            near: Near::starting(value),
            flat: Flat::starting(value, time),
            tempo,
            seen: 0,
            forgot: time.0,
            level: value,
            spread: 0.0,
            recent: value,
            unrest: 0.0,
            scale: 0,
            misfits: 0,
            before: value,
            since: u16::MAX,
        }
    }

    pub(super) const fn is_learning(&self) -> bool {
        self.seen < LEARNING
    }

    /// Judges a finite `value` by the past, then learns it; returns the evidence.
    pub(super) fn weigh(&mut self, time: Time, value: f64) -> Evidence {
        let value = value.clamp(-VALUE_MAX, VALUE_MAX);
        if self.seen == 0 {
            *self = Self::starting(value, time, self.tempo);
        }
        let distance = (value - self.level).abs();
        let first_change = self.spread == 0.0 && distance > 0.0;
        let wild = self.spread > 0.0 && distance > self.spread * RANGE;
        let tiny = distance > 0.0 && distance < self.spread / RANGE;
        self.misfits = if wild || tiny {
            self.misfits.saturating_add(1)
        } else {
            if distance == 0.0 { self.misfits } else { 0 }
        };
        if self.misfits >= MISFITS {
            *self = Self::starting(value, time, self.tempo);
        }
        let [day, week] = self.profile.expected(time, self.level);
        if !wild {
            self.learn_scale(distance);
        }
        let teaches = !wild && !first_change;
        let per_unit = libm::scalbn(1.0, (-i32::from(self.scale)).clamp(-1_000, 1_000));
        if self.tempo.is_gap(time) {
            self.near.resume(value);
        }
        let long = self.near.long();
        let near = self.near.push(value, per_unit, self.seen, teaches);
        let (squares, reason) = self.squares(time, value, [day, week], &near, per_unit);
        self.since = self.since.saturating_add(1);
        let evidence = Evidence {
            together: libm::sqrt(squares / (VIEWS.len() + NEAR_TOGETHER) as f64),
            usual: week,
            reason,
            alone: self.alone(value, &near),
            flat: self.flat.push(time, value, &self.tempo),
            tempo: self.tempo.digits(),
            week: self.tempo.readings_of_a_week(),
            returns: self.since < RETURN_READINGS
                && (value - self.before).abs() < RETURN * (value - long).abs(),
        };
        self.tempo.learn(time);
        if teaches {
            self.learn(time, value);
        }
        if self.is_learning() { Evidence { usual: week, ..Evidence::default() } } else { evidence }
    }

    /// Remembers what was usual before an alarm that was raised for the last reading.
    pub(super) const fn on_alarm(&mut self) {
        (self.before, self.since) = (self.near.long(), 0);
    }

    /// The sum of the squares of the surprise of the views that count together [digits^2], and what the most surprised
    /// one says.
    fn squares(
        &mut self,
        time: Time,
        value: f64,
        [day, week]: [f64; 2],
        near: &Beside,
        per_unit: f64,
    ) -> (f64, Reason) {
        let step = (value - self.recent).abs();
        let knows_days = self.tempo.knows_days() && self.flat.has_seen_a_day(time);
        let of_the_time = |usual: f64| knows_days && (usual - self.level).abs() > OF_THE_TIME * self.spread;
        let (of_the_day, of_the_week) = (of_the_time(day), of_the_time(week));
        let (mut sum, mut most, mut reason) = (0.0, 0.0, Reason::default());
        for (view, (of, span)) in self.views.iter_mut().zip(VIEWS) {
            let (difference, of_the_time) = match of {
                Of::Day => (value - day, of_the_day),
                Of::Week => (value - week, of_the_week),
                Of::Level => (value - self.level, false),
                Of::Unrest => (step - self.unrest, false),
            };
            let difference = (difference * per_unit).clamp(-RANGE, RANGE);
            view.mean += (difference - view.mean) / span.min(f64::from(self.seen) + 1.0);
            let surprise = digits(view.surprise.push(view.mean, self.seen, !near.pardoned));
            sum += surprise * surprise;
            let by = view.mean / per_unit;
            let visible = of == Of::Unrest || by.abs() >= VISIBLE * self.spread;
            let said =
                if span > 1.0 { MEANS_SAY } else { 1.0 } * if visible { surprise } else { HARDLY * surprise };
            if said > most {
                let usual = Reason::Usual { readings: span as u8, by, at: of_the_time.then_some(time) };
                (most, reason) = (said, if of == Of::Unrest { Reason::Steps } else { usual });
            }
        }
        for standing in near.standings.iter().take(NEAR_TOGETHER) {
            let surprise = digits(standing.one_in);
            sum += surprise * surprise;
        }
        (sum, reason)
    }

    /// What the views say that may speak alone. Of misfits in a row, which teach nothing, only the first is beyond the
    /// record; what a coarse sensor steps is nothing.
    fn alone(&self, value: f64, near: &Beside) -> [Alone; 2] {
        if near.coarse {
            return [Alone::default(); 2];
        }
        let neighbours = Reason::Neighbours { by: value - near.neighbour };
        [(0, neighbours, Some(near.neighbour)), (NEAR_TOGETHER, Reason::Steps, None)].map(
            |(view, reason, expected)| {
                near.standings.get(view).map_or(Alone::default(), |standing| Alone {
                    digits: digits(standing.one_in),
                    beyond_usual: standing.beyond_usual,
                    beyond_record: if self.misfits > 1 { 0.0 } else { standing.beyond_record },
                    record: digits(f64::from(self.seen)),
                    reason,
                    expected,
                })
            },
        )
    }

    /// Learns the level and the steps; the histograms have learned already.
    fn learn(&mut self, time: Time, value: f64) {
        let reach = f64::from(self.seen.saturating_add(1).min(LEVEL_READINGS));
        self.profile.learn(time, value);
        self.unrest += ((value - self.recent).abs() - self.unrest) / reach;
        self.recent += (value - self.recent) / STEP_READINGS;
        self.level += (value - self.level) / reach;
        self.seen = self.seen.min(SEEN_MAX) + 1;
        if self.seen >= SEEN_MAX {
            self.seen /= 2;
            let keeps = (0..RECORD_MS).contains(&time.0.saturating_sub(self.forgot));
            if !keeps {
                self.forgot = time.0;
            }
            self.views.iter_mut().for_each(|view| view.surprise.halve(keeps));
            self.near.halve(keeps);
        }
    }

    /// Follows the order of magnitude of the distances from the level, and moves the histograms when it has left
    /// their middle.
    fn learn_scale(&mut self, distance: f64) {
        let reach = f64::from(self.seen.saturating_add(1).min(LEVEL_READINGS));
        let first = self.spread == 0.0;
        self.spread += (distance - self.spread) / reach;
        if self.spread == 0.0 {
            return;
        }
        let scale = libm::round(libm::log2(self.spread)) as i16;
        let octaves = i32::from(scale) - i32::from(self.scale);
        if first {
            self.scale = scale;
        } else if octaves.abs() > 3 {
            self.views.iter_mut().for_each(|view| view.rescale(octaves));
            self.near.rescale(octaves);
            self.scale = scale;
        }
    }
}

impl View {
    fn rescale(&mut self, octaves: i32) {
        self.mean = libm::scalbn(self.mean, -octaves).clamp(-RANGE, RANGE);
        self.surprise.rescale(octaves);
    }
}
