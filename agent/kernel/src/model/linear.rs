//! Linear models: one weighted sum for each class, and a probability that follows from it.
//!
//! A row is scaled first, `(x - center) / width`. Two classes share one sum, which speaks for the second. The links
//! are softmax (logistic regression), and Platt's sigmoid of each class by itself, normalised (J. Platt, "Probabilistic
//! Outputs for Support Vector Machines", 1999). Cost: one multiplication for each class and feature.

use super::Classifier;

/// A linear model over borrowed numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear<'m> {
    /// The middle of each feature [its unit].
    pub centers: &'m [f64],
    /// The spread of each feature [its unit]; never 0.
    pub widths: &'m [f64],
    /// The weights of the scaled features, sum after sum.
    pub weights: &'m [f64],
    /// What is added to each sum; one for two classes.
    pub biases: &'m [f64],
    /// How sums become probabilities.
    pub link: Link<'m>,
}

/// How sums become probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Link<'m> {
    /// Their exponentials, normalised.
    Softmax,
    /// `1 / (1 + exp(-(slope · sum + offset)))` of each, normalised: slope and offset of each sum.
    Platt(&'m [(f64, f64)]),
}

impl Linear<'_> {
    /// The sum numbered `row`, finite whatever the numbers are; 0 where terms beyond all bounds meet.
    fn sum(&self, row: usize, features: &[f64]) -> f64 {
        let bias = self.biases.get(row).copied().unwrap_or(0.0);
        let sum = self.terms(row, features).fold(bias, |sum, term| sum + term);
        if sum.is_nan() { 0.0 } else { sum.clamp(f64::MIN, f64::MAX) }
    }

    /// What each feature adds to the sum numbered `row`.
    fn terms<'a>(&'a self, row: usize, features: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let weights = self.weights.iter().skip(row.saturating_mul(self.centers.len()));
        let scaled = features.iter().zip(self.centers).zip(self.widths);
        scaled.zip(weights).map(|(((value, center), width), weight)| weight * ((value - center) / width))
    }

    const fn is_binary(&self) -> bool {
        self.biases.len() == 1
    }
}

impl Classifier for Linear<'_> {
    fn features(&self) -> usize {
        self.centers.len()
    }

    fn classes(&self) -> usize {
        self.biases.len().max(2)
    }

    fn judge(&self, features: &[f64], probabilities: &mut [f64]) {
        if let ([first, second], true) = (&mut *probabilities, self.is_binary()) {
            let sum = self.sum(0, features);
            let (slope, offset) = match self.link {
                Link::Softmax => (1.0, 0.0),
                Link::Platt(curves) => curves.first().copied().unwrap_or((1.0, 0.0)),
            };
            *second = sigmoid(slope * sum + offset);
            *first = 1.0 - *second;
            return;
        }
        for (row, probability) in probabilities.iter_mut().enumerate() {
            let sum = self.sum(row, features);
            *probability = match self.link {
                Link::Softmax => sum,
                Link::Platt(curves) => {
                    let (slope, offset) = curves.get(row).copied().unwrap_or((1.0, 0.0));
                    sigmoid(slope * sum + offset)
                }
            };
        }
        if self.link == Link::Softmax {
            let most = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            probabilities.iter_mut().for_each(|sum| *sum = libm::exp(*sum - most));
        }
        normalise(probabilities);
    }

    fn weigh(&self, features: &[f64], class: usize, weights: &mut [f64]) {
        let (row, sign) = match (self.is_binary(), class) {
            (true, 0) => (0, -1.0),
            (true, _) => (0, 1.0),
            (false, class) => (class, 1.0),
        };
        weights.fill(0.0);
        for (weight, term) in weights.iter_mut().zip(self.terms(row, features)) {
            *weight = sign * term;
        }
    }
}

/// Makes them add up to 1; equal shares where they are all 0.
fn normalise(probabilities: &mut [f64]) {
    let sum: f64 = probabilities.iter().sum();
    let even = 1.0 / probabilities.len().max(1) as f64;
    probabilities.iter_mut().for_each(|share| *share = if sum > 0.0 { *share / sum } else { even });
}

fn sigmoid(sum: f64) -> f64 {
    if sum.is_nan() { 0.5 } else { 1.0 / (1.0 + libm::exp(-sum)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Linear<'_> = Linear {
        centers: &[10.0, 0.0],
        widths: &[2.0, 1.0],
        weights: &[1.0, -3.0],
        biases: &[0.5],
        link: Link::Softmax,
    };

    /// Weights of a damaged file may be anything.
    #[test]
    fn probabilities_are_shares_whatever_the_numbers_are() {
        let sums = [f64::MAX, -f64::MAX, f64::INFINITY, f64::NAN, 1.0, 0.0];
        for (weight, offset) in sums.into_iter().flat_map(|weight| sums.map(|offset| (weight, offset))) {
            for link in [Link::Softmax, Link::Platt(&[(weight, offset), (offset, weight), (1.0, 0.0)])] {
                let (weights, biases) =
                    ([weight, offset, 1.0, weight, offset, weight], [offset, weight, 0.0]);
                let model = Linear { weights: &weights, biases: &biases, link, ..TWO };
                let mut shares = [0.0; 3];
                model.judge(&[1e300, -1e300], &mut shares);
                assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
                let model = Linear { biases: &biases[..1], ..model };
                let mut shares = [0.0; 2];
                model.judge(&[1e300, -1e300], &mut shares);
                assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
            }
        }
    }

    #[test]
    fn two_classes_share_one_sum() {
        let mut shares = [0.0; 2];
        // (12 - 10) / 2 - 3 · 0.5 + 0.5 = 0.
        TWO.judge(&[12.0, 0.5], &mut shares);
        assert_eq!(shares, [0.5, 0.5]);
        TWO.judge(&[12.0, 0.0], &mut shares);
        assert!((shares[1] - 0.817_574_476_193_643_7).abs() < 1e-15, "{shares:?}");
        let curved = Linear { link: Link::Platt(&[(2.0, -3.0)]), ..TWO };
        curved.judge(&[12.0, 0.0], &mut shares);
        assert_eq!(shares, [0.5, 0.5]);
        let mut weights = [9.0; 2];
        TWO.weigh(&[14.0, 1.0], 1, &mut weights);
        assert_eq!(weights, [2.0, -3.0]);
        TWO.weigh(&[14.0, 1.0], 0, &mut weights);
        assert_eq!(weights, [-2.0, 3.0]);
    }

    #[test]
    fn several_classes_have_a_sum_each_and_far_values_stay_probabilities() {
        let softmax = Linear {
            centers: &[0.0],
            widths: &[1.0],
            weights: &[1.0, 0.0, -1.0],
            biases: &[0.0; 3],
            link: Link::Softmax,
        };
        let curved = Linear { link: Link::Platt(&[(1.0, 0.0); 3]), ..softmax };
        assert_eq!((softmax.features(), softmax.classes()), (1, 3));
        let mut shares = [0.0; 3];
        softmax.judge(&[libm::log(2.0)], &mut shares);
        let wanted = [4.0 / 7.0, 2.0 / 7.0, 1.0 / 7.0];
        assert!(
            shares.iter().zip(wanted).all(|(share, wanted)| (share - wanted).abs() < 1e-15),
            "{shares:?}"
        );
        for model in [softmax, curved] {
            for far in [-1e308, -1e4, 0.0, 1e4, 1e308] {
                model.judge(&[far], &mut shares);
                assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{far}: {shares:?}");
            }
        }
    }
}
