//! Accumulators that few streams need: those that follow the readings in order of event time, the slope, and the
//! points.

use super::{Aggregate, Value};
use crate::points::{Downsample, Points};
use headwater_kernel::aggregate::{
    self, CounterRate, CounterRule, Ends, Integral, Slope, Stamped, States, ValueSteps,
};
use headwater_kernel::state::{Corrupt, State, StateReader, StateWriter, Tagged};
use headwater_kernel::time::Time;

/// How many later readings may come before a reading that is still put in order.
const DISORDER: usize = 16;

/// A path over readings in moderate disorder.
pub(super) type Ordered<A> = aggregate::Ordered<A, DISORDER>;

/// The last reading before a window, at which its totals begin; `None` inside: there is none that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Prior(pub(super) Option<Stamped>);

impl Tagged for Prior {
    const TAG: u16 = 10;
    const VERSION: u16 = 1;
    const BYTES: u16 = 17;
}

impl State for Prior {
    fn save(&self, to: &mut (impl StateWriter + ?Sized)) {
        self.0.is_some().save(to);
        // The size is constant.
        self.0.unwrap_or_default().save(to);
    }

    fn load(from: &mut StateReader<'_>) -> Result<Self, Corrupt> {
        let (is_there, prior) = State::load(from)?;
        Ok(Self(Some(prior).filter(|_| is_there)))
    }
}

/// Each accumulator has its own pointer, so that a stream pays only for what it configures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct OptionalAccumulators {
    pub(super) rate: Option<Box<Ordered<CounterRate>>>,
    pub(super) integral: Option<Box<Ordered<Integral>>>,
    pub(super) states: Option<Box<Ordered<States>>>,
    pub(super) steps: Option<Box<Ordered<ValueSteps>>>,
    pub(super) slope: Option<Box<Slope>>,
    pub(super) points: Option<Box<Points>>,
    /// Where totals begin; `None`: there are no totals.
    pub(super) prior: Option<Prior>,
}

impl OptionalAccumulators {
    /// Empty accumulators for these aggregates; `None`: they need none.
    pub(super) fn new<'a>(
        aggregates: impl Iterator<Item = &'a Aggregate>,
        downsample: Option<Downsample>,
    ) -> Option<Self> {
        let mut optional =
            Self { points: downsample.map(|asked| Box::new(Points::new(asked))), ..Self::default() };
        for aggregate in aggregates {
            if aggregate.is_total() {
                optional.prior = Some(Prior::default());
            }
            match aggregate {
                Aggregate::Increase | Aggregate::Rate => optional.rate = Some(Box::default()),
                Aggregate::Integral | Aggregate::TimeWeightedMean => optional.integral = Some(Box::default()),
                Aggregate::States | Aggregate::TimeOn | Aggregate::TimeOff => {
                    optional.states = Some(Box::default())
                }
                Aggregate::MeanAbsChange | Aggregate::MaxAbsChange | Aggregate::LongestRun => {
                    optional.steps = Some(Box::default());
                }
                Aggregate::Slope => optional.slope = Some(Box::default()),
                _ => {}
            }
        }
        (optional != Self::default()).then_some(optional)
    }

    /// Memory when full (bytes).
    pub(super) fn bytes(&self, downsample: Option<Downsample>) -> usize {
        let points = downsample.map_or(0, |asked| (asked.room() + 1) * size_of::<Stamped>());
        let there = self.points.as_ref().map_or(0, |points| points.heap_bytes());
        self.heap_bytes() - there + points
    }

    /// Present memory (bytes).
    pub(super) fn heap_bytes(&self) -> usize {
        let parts = [
            self.rate.as_deref().map(size_of_val),
            self.integral.as_deref().map(size_of_val),
            self.states.as_deref().map(size_of_val),
            self.steps.as_deref().map(size_of_val),
            self.slope.as_deref().map(size_of_val),
            self.points.as_deref().map(|points| size_of_val(points) + points.heap_bytes()),
        ];
        size_of::<Self>() + parts.into_iter().flatten().sum::<usize>()
    }

    /// The number of an aggregate that begins at `prior`, as far as it does.
    pub(super) fn value(&self, aggregate: &Aggregate, prior: Option<Stamped>) -> Option<Value> {
        let states = || self.states.as_ref().map(|states| states.path_after(prior));
        let count = |ms: i64| Value::Count(ms.unsigned_abs());
        let number = match aggregate {
            Aggregate::States => {
                return self.states.as_ref().map(|states| Value::Count(states.path().distinct().into()));
            }
            Aggregate::TimeOn => return states().map(|states| count(states.on_ms())),
            Aggregate::TimeOff => return states().map(|states| count(states.off_ms())),
            Aggregate::LongestRun => {
                return self.steps.as_ref().map(|steps| Value::Count(steps.path().longest_run()));
            }
            Aggregate::MeanAbsChange => self.steps.as_ref()?.path_after(prior).mean(),
            Aggregate::MaxAbsChange => self.steps.as_ref()?.path_after(prior).largest(),
            Aggregate::Increase => self.rate.as_ref()?.path_after(prior).increase(),
            Aggregate::Rate => self.rate.as_ref()?.path_after(prior).per_second(),
            Aggregate::Integral => self.integral.as_ref()?.path_after(prior).area(),
            Aggregate::TimeWeightedMean => self.integral.as_ref()?.path_after(prior).mean(),
            Aggregate::Slope => self.slope.as_ref()?.per_second(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).map(Value::Number)
    }

    /// Takes on the rules that are not stored with it, and what state of an earlier version lacks.
    pub(super) fn adopt(&mut self, prototype: &Self, counters: CounterRule) {
        if let Some(rate) = &mut self.rate {
            rate.path_mut().set_rule(counters);
        }
        self.prior = prototype.prior.map(|none| self.prior.unwrap_or(none));
    }

    /// See [`Points::choose`].
    pub(super) fn points(&self, downsample: Downsample, ends: &Ends) -> Option<Vec<Stamped>> {
        Some(self.points.as_ref()?.choose(downsample, ends))
    }

    /// See [`Points::retain`].
    pub(super) fn retain(&mut self, chosen: Vec<Stamped>) {
        if let Some(points) = &mut self.points {
            points.retain(chosen);
        }
    }

    pub(super) fn push(&mut self, time: Time, value: f64) {
        self.rate.iter_mut().for_each(|path| path.push(time, value));
        self.integral.iter_mut().for_each(|path| path.push(time, value));
        self.states.iter_mut().for_each(|path| path.push(time, value));
        self.steps.iter_mut().for_each(|path| path.push(time, value));
        self.slope.iter_mut().for_each(|slope| slope.push(time, value));
        self.points.iter_mut().for_each(|points| points.push(time, value));
    }

    /// Merges a later window. An accumulator that either window lacks is dropped. Totals begin where this one's do.
    pub(super) fn merge(&mut self, later: &Self) {
        merge(&mut self.rate, &later.rate, |path, later| path.merge(later));
        merge(&mut self.integral, &later.integral, |path, later| path.merge(later));
        merge(&mut self.states, &later.states, |path, later| path.merge(later));
        merge(&mut self.steps, &later.steps, |path, later| path.merge(later));
        merge(&mut self.slope, &later.slope, |slope, later| slope.merge(later));
        merge(&mut self.points, &later.points, |points, later| points.merge(later));
    }
}

fn merge<T>(own: &mut Option<Box<T>>, later: &Option<Box<T>>, merge: impl FnOnce(&mut T, &T)) {
    match (own.as_deref_mut(), later) {
        (Some(own), Some(later)) => merge(own, later),
        _ => *own = None,
    }
}
