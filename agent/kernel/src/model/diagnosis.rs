//! What a model says of one row: the most likely class, how sure it is that something is wrong, and why.

use super::{CLASSES_MAX, Classifier, FEATURES_MAX};

/// The features that a diagnosis names, at most.
pub const WEIGHED: usize = 3;

/// What a model says of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diagnosis {
    /// The most likely class.
    pub class: usize,
    /// Its probability.
    pub probability: f64,
    /// The most likely class of those that are not normal; `None`: every class is normal.
    pub fault: Option<usize>,
    /// The probability that the row is not normal.
    pub score: f64,
    probabilities: [f64; CLASSES_MAX],
    classes: usize,
    weighed: [usize; WEIGHED],
    weighs: usize,
}

impl Diagnosis {
    /// Asks a model. `normal` is the class of rows with which nothing is wrong; `None`: there is no such class. `None`:
    /// the row does not fit the model, or has a feature that is not finite.
    pub fn of(model: &(impl Classifier + ?Sized), normal: Option<usize>, features: &[f64]) -> Option<Self> {
        let classes = model.classes();
        let is_usable = features.len() == model.features()
            && features.len() <= FEATURES_MAX
            && features.iter().all(|feature| feature.is_finite());
        let mut probabilities = [0.0; CLASSES_MAX];
        let own = probabilities.get_mut(..classes).filter(|_| is_usable)?;
        model.judge(features, own);
        let most = |but: Option<usize>| {
            let others = own.iter().enumerate().filter(|(class, _)| Some(*class) != but);
            // The first of equal ones, so that the answer does not depend on the order of a search.
            others.reduce(|best, next| if next.1 > best.1 { next } else { best })
        };
        let (class, probability) = most(None).map(|(class, share)| (class, *share))?;
        let fault = most(normal).map(|(class, _)| class);
        let usual = normal.and_then(|normal| own.get(normal)).copied().unwrap_or(0.0);
        let score = (1.0 - usual).clamp(0.0, 1.0);
        let (weighed, weighs) = ([0; WEIGHED], 0);
        Some(Self { class, probability, fault, score, probabilities, classes, weighed, weighs })
    }

    /// The probability of each class.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        self.probabilities.get(..self.classes).unwrap_or(&self.probabilities)
    }

    /// Names the features that speak most for the fault, as the model says; `row` is what was judged. Costs about two
    /// judgements.
    pub fn explain(&mut self, model: &(impl Classifier + ?Sized), row: &[f64]) {
        let mut weights = [0.0; FEATURES_MAX];
        let Some(own) = weights.get_mut(..row.len()) else { return };
        model.weigh(row, self.fault.unwrap_or(self.class), own);
        (self.weighed, self.weighs) = most_weighty(&mut weights);
    }

    /// Names the features of a model that cannot tell what they weigh: those whose usual values, each in its place alone,
    /// would take most of the fault's probability. `row` is what was judged. Costs one judgement a feature.
    pub fn compare(&mut self, model: &(impl Classifier + ?Sized), usual: &[f64], row: &mut [f64]) {
        let class = self.fault.unwrap_or(self.class);
        let (mut weights, mut probabilities) = ([0.0; FEATURES_MAX], [0.0; CLASSES_MAX]);
        let Some(own) = probabilities.get_mut(..self.classes) else { return };
        let before = self.probabilities().get(class).copied().unwrap_or(0.0);
        for (at, (usual, weight)) in usual.iter().zip(&mut weights).enumerate() {
            let Some(feature) = row.get_mut(at) else { break };
            let kept = core::mem::replace(feature, *usual);
            model.judge(row, own);
            if let Some(feature) = row.get_mut(at) {
                *feature = kept;
            }
            let taken = before - own.get(class).copied().unwrap_or(before);
            // Less is what 32 bits round away.
            *weight = if taken > 1e-6 { taken } else { 0.0 };
        }
        (self.weighed, self.weighs) = most_weighty(&mut weights);
    }

    /// The features that speak most for the fault, the weightiest first; none before [`Diagnosis::explain`] or
    /// [`Diagnosis::compare`].
    #[must_use]
    pub fn weighed(&self) -> &[usize] {
        self.weighed.get(..self.weighs).unwrap_or(&self.weighed)
    }
}

/// The features with the largest weights above 0, and how many they are.
fn most_weighty(weights: &mut [f64]) -> ([usize; WEIGHED], usize) {
    let (mut weighed, mut count) = ([0; WEIGHED], 0);
    for place in &mut weighed {
        let most = weights.iter().enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a });
        let Some((feature, weight)) = most.filter(|(_, weight)| **weight > 0.0) else { break };
        debug_assert!(weight.is_finite());
        *place = feature;
        count += 1;
        if let Some(taken) = weights.get_mut(feature) {
            *taken = 0.0;
        }
    }
    (weighed, count)
}

#[cfg(test)]
mod tests {
    use super::super::{Linear, Link};
    use super::*;

    const MODEL: Linear<'_> = Linear {
        centers: &[0.0; 4],
        widths: &[1.0; 4],
        weights: &[
            0.0, 0.0, 0.0, 0.0, //
            1.0, 2.0, -1.0, 3.0, //
            -1.0, 0.0, 1.0, 0.0,
        ],
        biases: &[0.0, 0.0, 0.0],
        link: Link::Softmax,
    };

    #[test]
    fn the_fault_is_named_with_what_speaks_for_it() {
        let explained = |row: &[f64]| {
            let mut diagnosis = Diagnosis::of(&MODEL, Some(0), row).unwrap();
            assert_eq!(diagnosis.weighed(), &[] as &[usize], "nobody has asked why");
            diagnosis.explain(&MODEL, row);
            diagnosis
        };
        let diagnosis = explained(&[1.0, 1.0, 1.0, 1.0]);
        assert_eq!((diagnosis.class, diagnosis.fault, diagnosis.weighed()), (1, Some(1), &[3, 1, 0][..]));
        assert!(diagnosis.score > 0.99 && diagnosis.probabilities().len() == 3);
        // Normal is most likely, and the fault is the likelier of the others.
        let calm = explained(&[-1.0, -2.0, -2.0, -2.0]);
        assert_eq!((calm.class, calm.fault, calm.weighed()), (0, Some(2), &[0][..]));
        assert!(calm.score < 0.5, "{calm:?}");
        let without = Diagnosis::of(&MODEL, None, &[0.0; 4]).unwrap();
        assert_eq!((without.class, without.fault, without.score), (0, Some(0), 1.0));
    }

    /// The same model, and it cannot tell what its features weigh.
    struct Mute;

    impl Classifier for Mute {
        fn features(&self) -> usize {
            MODEL.features()
        }

        fn classes(&self) -> usize {
            MODEL.classes()
        }

        fn judge(&self, features: &[f64], probabilities: &mut [f64]) {
            MODEL.judge(features, probabilities);
        }
    }

    #[test]
    fn a_model_that_cannot_tell_is_asked_with_usual_values() {
        let mut row = [1.0, 1.0, 1.0, 0.1];
        let mut diagnosis = Diagnosis::of(&Mute, Some(0), &row).unwrap();
        assert_eq!(diagnosis.weighed(), &[] as &[usize]);
        diagnosis.compare(&Mute, &[0.0; 4], &mut row);
        assert_eq!(diagnosis.weighed(), &[1, 0, 3], "the third speaks against it");
        assert_eq!(row, [1.0, 1.0, 1.0, 0.1]);
        diagnosis.compare(&Mute, &row.clone(), &mut row);
        assert_eq!(diagnosis.weighed(), &[] as &[usize], "nothing is unusual");
    }

    #[test]
    fn a_row_that_does_not_fit_has_no_finding() {
        for features in
            [&[1.0; 3][..], &[1.0; 5], &[1.0, 1.0, 1.0, f64::NAN], &[f64::INFINITY, 0.0, 0.0, 0.0]]
        {
            assert_eq!(Diagnosis::of(&MODEL, Some(0), features), None);
        }
    }
}
