//! Finds the minimum of a smooth convex function: L-BFGS with a line search that satisfies the weak Wolfe conditions.
//!
//! Source: J. Nocedal, "Updating Quasi-Newton Matrices with Limited Storage", 1980; the line search by bisection after
//! A. Lewis and M. Overton, 2013. Sums run in a fixed order, so that the answer is the same on every processor.

/// Steps that are remembered.
const MEMORY: usize = 12;
const STEPS_MAX: usize = 3_000;
const BISECTIONS_MAX: usize = 60;
/// A step must gain this share of what the slope promises, and leave at most this share of the slope.
const GAIN: f64 = 1e-4;
const SLOPE: f64 = 0.9;
/// Where a step promises less than this share of the value, numbers are too coarse for a better place.
const PROMISE_MIN: f64 = 1e-15;

/// One step: the way, the change of the gradient, and one over their product.
struct Step {
    way: Vec<f64>,
    change: Vec<f64>,
    inverse: f64,
}

/// The place of the minimum, from `at` on. `function` writes the gradient and answers the value.
pub(super) fn minimise(mut function: impl FnMut(&[f64], &mut [f64]) -> f64, mut at: Vec<f64>) -> Vec<f64> {
    let mut gradient = vec![0.0; at.len()];
    let mut value = function(&at, &mut gradient);
    let mut past: Vec<Step> = Vec::new();
    for _ in 0..STEPS_MAX {
        let mut way = direction(&gradient, &past);
        let mut slope = dot(&way, &gradient);
        if slope >= 0.0 {
            past.clear();
            way = gradient.iter().map(|part| -part).collect();
            slope = dot(&way, &gradient);
        }
        if -slope <= PROMISE_MIN * (1.0 + value.abs()) {
            break;
        }
        let Some((next, next_gradient, next_value)) = search(&mut function, (&at, value), (&way, slope))
        else {
            break;
        };
        let way: Vec<f64> = next.iter().zip(&at).map(|(next, at)| next - at).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(next, now)| next - now).collect();
        let product = dot(&way, &change);
        if product > 0.0 {
            if past.len() == MEMORY {
                past.remove(0);
            }
            past.push(Step { way, change, inverse: 1.0 / product });
        }
        (at, gradient, value) = (next, next_gradient, next_value);
    }
    at
}

/// A place that is lower by enough, its gradient and its value; `None`: numbers are too coarse for one.
fn search(
    function: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
    (at, value): (&[f64], f64),
    (way, slope): (&[f64], f64),
) -> Option<(Vec<f64>, Vec<f64>, f64)> {
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, 1.0);
    let mut gradient = vec![0.0; at.len()];
    let mut best = None;
    for _ in 0..BISECTIONS_MAX {
        let next: Vec<f64> = at.iter().zip(way).map(|(at, way)| at + length * way).collect();
        let next_value = function(&next, &mut gradient);
        if next_value.is_nan() || next_value > value + GAIN * length * slope {
            high = length;
        } else if dot(way, &gradient) < SLOPE * slope {
            low = length;
            best = Some((next, gradient.clone(), next_value));
        } else {
            return Some((next, gradient, next_value));
        }
        length = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * low };
    }
    best
}

/// The way down by what the past steps tell of the curvature.
fn direction(gradient: &[f64], past: &[Step]) -> Vec<f64> {
    let mut way: Vec<f64> = gradient.iter().map(|part| -part).collect();
    let mut shares = Vec::with_capacity(past.len());
    for step in past.iter().rev() {
        let share = step.inverse * dot(&step.way, &way);
        add(&mut way, -share, &step.change);
        shares.push(share);
    }
    if let Some(last) = past.last() {
        let scale = 1.0 / (last.inverse * dot(&last.change, &last.change));
        way.iter_mut().for_each(|part| *part *= scale);
    }
    for (step, share) in past.iter().zip(shares.into_iter().rev()) {
        let back = step.inverse * dot(&step.change, &way);
        add(&mut way, share - back, &step.way);
    }
    way
}

fn add(to: &mut [f64], factor: f64, of: &[f64]) {
    to.iter_mut().zip(of).for_each(|(to, of)| *to += factor * of);
}

/// The sum of the products, in order.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

#[cfg(test)]
mod tests {
    use super::minimise;

    #[test]
    fn a_narrow_valley_and_a_flat_floor() {
        let valley = |at: &[f64], gradient: &mut [f64]| {
            let (x, y) = (at[0] - 3.0, at[1] + 2.0);
            gradient.copy_from_slice(&[2.0 * x + 0.5 * y, 2e4 * y + 0.5 * x]);
            x * x + 1e4 * y * y + 0.5 * x * y
        };
        let found = minimise(valley, vec![100.0, 100.0]);
        assert!((found[0] - 3.0).abs() < 1e-8 && (found[1] + 2.0).abs() < 1e-8, "{found:?}");
        // Squared hinge: smooth once, and flat beyond 1.
        let hinge = |at: &[f64], gradient: &mut [f64]| {
            let gap = (1.0 - at[0]).max(0.0);
            gradient[0] = at[0] * 0.1 - 2.0 * gap;
            0.05 * at[0] * at[0] + gap * gap
        };
        let found = minimise(hinge, vec![-50.0]);
        assert!((found[0] - 2.0 / 2.1).abs() < 1e-8, "{found:?}");
    }
}
