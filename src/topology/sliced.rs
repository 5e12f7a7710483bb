//! Sliced and sorted Wasserstein distances: diagrams on lines, where sorting gives the optimal matching.

use super::diagram_pair::DiagramPair;
use super::matched_cost::{MatchedCost, Power};
use super::matching::Point;
use super::wasserstein::{check_order, length_power};
use crate::error::{Error, Result};
use std::f64::consts::{FRAC_PI_2, PI};

/// Computes the sorted Wasserstein distance: bars are matched with bars only, in order of death.
///
/// ```text
/// W_p^p = sum over k of |death_k - death'_k|^p,   deaths in ascending order, p = order
/// ```
///
/// All finite bars must have the same birth, as in dimension 0; distances between such bars are equal in all
/// ground norms. The diagram with fewer finite bars is padded with bars of persistence zero. Essential bars
/// are matched with each other in ascending order of birth and add `|birth - birth'|^p`.
///
/// The value is at least the Wasserstein distance in every ground norm, because the optimal matching may
/// pair two bars with the diagonal where this one pairs them with each other. In return, no gradient pulls
/// a bar towards the diagonal as long as the other diagram has a counterpart for it.
///
/// # Gradient
///
/// With respect to the deaths of finite bars and the births of essential ones, with the order held constant;
/// zero where the distance is zero.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] unless `order` is finite and at least 1.
/// [`Error::is_invalid_diagram`] for the bars that [`super::wasserstein()`] rejects, and if finite bars have
/// different births.
///
/// # Cost
///
/// O(n log n).
///
/// # Example
///
/// ```
/// use burn_topology::topology::{Power, sorted_wasserstein};
///
/// let (first, second) = ([[0.0, 1.0], [0.0, 10.0]], [[0.0, 10.0], [0.0, 30.0]]);
/// let cost = sorted_wasserstein(&first, &second, 1.0, Power::One)?;
/// assert_eq!((cost.value, cost.first), (29.0, vec![[0.0, -1.0]; 2])); // the Wasserstein distance is 15.5
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn sorted_wasserstein(
    first: &[Point],
    second: &[Point],
    order: f64,
    power: Power,
) -> Result<MatchedCost> {
    check_order(order)?;
    let Some(diagrams) = DiagramPair::new(first, second)? else {
        return Ok(MatchedCost::infinite(first, second));
    };
    if !diagrams.has_equal_births() {
        return Err(Error::invalid_diagram(
            "finite bars have different births, expected one birth (dimension 0) to match them in \
             order of death",
        ));
    }
    let [first_indices, second_indices] = diagrams.finite_indices();
    let deaths_only = [0.0, 1.0];
    let mut sides = [
        project(first, first_indices, BarOf::First, deaths_only),
        project(second, second_indices, BarOf::Second, deaths_only),
    ];
    // A bar of persistence zero dies at the common birth. It belongs to no diagram, so it has no gradient.
    let padding = Projection {
        bar: BarOf::Neither,
        value: diagrams.any_finite_bar().map_or(0.0, |bar| bar[0]),
        gradient: [0.0; 2],
    };
    let n_matched = first_indices.len().max(second_indices.len());
    for side in &mut sides {
        side.resize(n_matched, padding);
    }
    let mut sum = SortedSum::new(order, [first.len(), second.len()]);
    sum.add_essential(&diagrams, first, second);
    sum.add(sides, 1.0);
    Ok(sum.finish(power))
}

/// Largest number of directions: the mean over so many is the integral up to rounding.
const MAX_DIRECTIONS: usize = 100_000;

/// Computes the sliced Wasserstein distance: the mean over directions of distances between projections.
///
/// ```text
/// SW_p^p = 1/K * sum over directions t of sum over k of |x_k(t) - y_k(t)|^p
/// ```
///
/// with `p = order`, `K = n_directions`, and `x_k(t)`, `y_k(t)` the projections in ascending order. Each
/// diagram is first completed by the bars of the other one, moved to their nearest points of the diagonal,
/// so that both have the same number of points. They are projected onto lines through the origin with `K`
/// angles spread evenly over the half circle from -90 degrees, and sorting matches them there. Essential
/// bars are matched with each other in ascending order of birth and add `|birth - birth'|^p`.
///
/// # Gradient
///
/// Exact as long as the order of the projections does not change; zero where the distance is zero.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] unless `order` is finite and at least 1 and `n_directions` is 1 to 100,000.
/// [`Error::is_invalid_diagram`] for the bars that [`super::wasserstein()`] rejects.
///
/// # Cost
///
/// O(n log n) per direction.
///
/// # Source
///
/// M. Carriere, M. Cuturi, S. Oudot, Sliced Wasserstein Kernel for Persistence Diagrams, ICML 2017.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{Power, sliced_wasserstein};
///
/// // One direction, -90 degrees: minus the death of each bar, and of the other one moved to the diagonal.
/// let cost = sliced_wasserstein(&[[0.0, 4.0]], &[[0.0, 6.0]], 1.0, 1, Power::One)?;
/// assert!((cost.value - 3.0).abs() < 1e-12); // {-4, -3} and {-6, -2}: |-4 + 6| + |-3 + 2|
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn sliced_wasserstein(
    first: &[Point],
    second: &[Point],
    order: f64,
    n_directions: usize,
    power: Power,
) -> Result<MatchedCost> {
    check_order(order)?;
    if n_directions == 0 || n_directions > MAX_DIRECTIONS {
        return Err(Error::invalid_parameter(format!(
            "n_directions is {n_directions}, expected 1 to {MAX_DIRECTIONS} directions to project onto"
        )));
    }
    let Some(diagrams) = DiagramPair::new(first, second)? else {
        return Ok(MatchedCost::infinite(first, second));
    };
    let [first_indices, second_indices] = diagrams.finite_indices();
    let mut sum = SortedSum::new(order, [first.len(), second.len()]);
    sum.add_essential(&diagrams, first, second);
    for k in 0..n_directions {
        let angle = PI * k as f64 / n_directions as f64 - FRAC_PI_2;
        let line = [angle.cos(), angle.sin()];
        // The nearest point of the diagonal has both coordinates (birth + death) / 2. Projecting it to the
        // line is the same as projecting the bar to this vector.
        let line_from_diagonal = [0.5 * (line[0] + line[1]); 2];
        let mut sides = [
            project(first, first_indices, BarOf::First, line),
            project(second, second_indices, BarOf::Second, line),
        ];
        sides[0].extend(project(
            second,
            second_indices,
            BarOf::Second,
            line_from_diagonal,
        ));
        sides[1].extend(project(
            first,
            first_indices,
            BarOf::First,
            line_from_diagonal,
        ));
        sum.add(sides, 1.0 / n_directions as f64);
    }
    Ok(sum.finish(power))
}

/// Index of a bar in the first or the second diagram, or a point that belongs to neither.
#[derive(Debug, Clone, Copy)]
enum BarOf {
    First(usize),
    Second(usize),
    Neither,
}

/// Projection of a bar onto a line.
#[derive(Debug, Clone, Copy)]
struct Projection {
    /// Bar that is projected, which receives the gradient.
    bar: BarOf,
    /// Coordinate on the line.
    value: f64,
    /// Derivatives of the coordinate with respect to birth and death.
    gradient: [f64; 2],
}

/// Projects the bars with the given indices; the coordinate is the scalar product with `line`.
fn project(
    points: &[Point],
    indices: &[usize],
    bar: impl Fn(usize) -> BarOf,
    line: [f64; 2],
) -> Vec<Projection> {
    let projection = |&index: &usize| Projection {
        bar: bar(index),
        value: points[index][0] * line[0] + points[index][1] * line[1],
        gradient: line,
    };
    indices.iter().map(projection).collect()
}

/// Sum of powers of distances between projections in sorted order, and its gradient.
struct SortedSum {
    order: f64,
    sum: f64,
    /// Derivatives with respect to birth and death of each bar of the first diagram.
    first_gradient: Vec<[f64; 2]>,
    /// Derivatives with respect to birth and death of each bar of the second diagram.
    second_gradient: Vec<[f64; 2]>,
}

impl SortedSum {
    fn new(order: f64, [n_first, n_second]: [usize; 2]) -> Self {
        Self {
            order,
            sum: 0.0,
            first_gradient: vec![[0.0; 2]; n_first],
            second_gradient: vec![[0.0; 2]; n_second],
        }
    }

    /// Adds `weight` times the sum over two sides matched in ascending order, which have the same length.
    fn add(&mut self, mut sides: [Vec<Projection>; 2], weight: f64) {
        for side in &mut sides {
            // A stable sort: equal projections keep the order of the bars.
            side.sort_by(|a, b| a.value.total_cmp(&b.value));
        }
        let [first, second] = sides;
        for (x, y) in first.into_iter().zip(second) {
            let difference = x.value - y.value;
            // At order 1 the slope would be 0^0 = 1; the gradient there is defined as zero.
            if difference == 0.0 {
                continue;
            }
            self.sum += weight * length_power(difference.abs(), self.order);
            let slope = length_power(difference.abs(), self.order - 1.0) * difference.signum();
            self.add_gradient(x, weight * self.order * slope);
            self.add_gradient(y, -weight * self.order * slope);
        }
    }

    /// Adds the essential bars, which are matched with each other in ascending order of birth.
    fn add_essential(&mut self, diagrams: &DiagramPair<'_>, first: &[Point], second: &[Point]) {
        // Not by `project`: 0 times the infinite death would be a NaN.
        let births =
            |points: &[Point], indices: &[usize], bar: fn(usize) -> BarOf| -> Vec<Projection> {
                let projection = |&index: &usize| Projection {
                    bar: bar(index),
                    value: points[index][0],
                    gradient: [1.0, 0.0],
                };
                indices.iter().map(projection).collect()
            };
        let [first_indices, second_indices] = diagrams.essential_indices();
        let sides = [
            births(first, first_indices, BarOf::First),
            births(second, second_indices, BarOf::Second),
        ];
        self.add(sides, 1.0);
    }

    /// Adds a derivative with respect to a projection to the gradient of the bar that was projected.
    fn add_gradient(&mut self, projection: Projection, derivative: f64) {
        let gradient = match projection.bar {
            BarOf::First(index) => &mut self.first_gradient[index],
            BarOf::Second(index) => &mut self.second_gradient[index],
            BarOf::Neither => return,
        };
        for (sum, part) in gradient.iter_mut().zip(projection.gradient) {
            *sum += derivative * part;
        }
    }

    /// Takes the p-th root for [`Power::One`], and returns value and gradient.
    fn finish(mut self, power: Power) -> MatchedCost {
        let mut value = self.sum;
        if power == Power::One && self.sum > 0.0 {
            value = self.sum.powf(self.order.recip());
            // d s^(1/p) / ds = s^(1/p) / (p s)
            let outer = value / (self.order * self.sum);
            let gradients = self.first_gradient.iter_mut();
            for gradient in gradients.chain(&mut self.second_gradient) {
                *gradient = gradient.map(|part| part * outer);
            }
        }
        MatchedCost {
            value,
            first: self.first_gradient,
            second: self.second_gradient,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: [Point; 3] = [[0.1, 0.9], [0.3, 1.4], [0.25, 0.45]];
    const SECOND: [Point; 2] = [[0.15, 1.2], [0.4, 0.7]];

    fn check_gradient(cost: impl Fn(&[Point], &[Point]) -> MatchedCost) {
        let (first, second) = (FIRST.to_vec(), SECOND.to_vec());
        let actual = cost(&first, &second);
        let h = 1e-6;
        for bar in 0..first.len() {
            for end in 0..2 {
                let moved = |step: f64| {
                    let mut first = first.clone();
                    first[bar][end] += step;
                    cost(&first, &second).value
                };
                let expected = (moved(h) - moved(-h)) / (2.0 * h);
                assert!((actual.first[bar][end] - expected).abs() < 1e-8);
            }
        }
        let back = cost(&second, &first);
        assert!((back.value - actual.value).abs() < 1e-15);
        for (actual, back) in actual
            .first
            .iter()
            .flatten()
            .zip(back.second.iter().flatten())
        {
            assert!((actual - back).abs() < 1e-14);
        }
    }

    #[test]
    fn sliced_gradient_equals_central_differences() {
        for order in [1.0, 1.5, 2.0, 3.0] {
            for power in [Power::P, Power::One] {
                check_gradient(|x, y| sliced_wasserstein(x, y, order, 7, power).unwrap());
            }
        }
    }

    #[test]
    fn sliced_values_agree_with_the_formula_in_numpy() {
        // GUDHI 3.13 uses the same angles, but leaves out the last one.
        for (directions, expected) in [
            (1, 0.42500000000000016),
            (7, 0.5180169882891177),
            (50, 0.5210975085943921),
        ] {
            let cost = sliced_wasserstein(&FIRST, &SECOND, 1.0, directions, Power::One).unwrap();
            assert!((cost.value - expected).abs() < 1e-12, "{}", cost.value);
        }
    }

    #[test]
    fn sorted_gradient_equals_central_differences_by_death() {
        let deaths = |deaths: &[f64]| -> Vec<Point> { deaths.iter().map(|&d| [0.0, d]).collect() };
        let (first, second) = ([0.9, 0.2, 1.4], [1.1, 0.5]);
        let value = |first: &[f64]| {
            sorted_wasserstein(&deaths(first), &deaths(&second), 2.0, Power::One).unwrap()
        };
        let (actual, h) = (value(&first), 1e-6);
        for bar in 0..3 {
            let moved = |step: f64| {
                let mut first = first;
                first[bar] += step;
                value(&first).value
            };
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            assert!((actual.first[bar][1] - expected).abs() < 1e-8);
        }
        // Deaths 0.2, 0.9, 1.4 are matched with 0, 0.5, 1.1.
        assert!((actual.value - (0.04 + 0.16 + 0.09_f64).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn equal_diagrams_have_distance_and_gradient_zero() {
        for power in [Power::P, Power::One] {
            let sliced = sliced_wasserstein(&FIRST, &FIRST, 2.0, 5, power).unwrap();
            let line = [[0.0, 1.0], [0.0, 3.0], [1.0, f64::INFINITY]];
            let sorted = sorted_wasserstein(&line, &line, 1.0, power).unwrap();
            for cost in [sliced, sorted] {
                assert_eq!(cost.value, 0.0);
                assert_eq!(cost.first, vec![[0.0; 2]; 3]);
            }
        }
    }

    #[test]
    fn sorted_distance_rejects_different_births() {
        let error = sorted_wasserstein(&FIRST, &SECOND, 2.0, Power::P).unwrap_err();
        assert!(error.is_invalid_diagram());
    }

    #[test]
    fn essential_bars_are_compared_by_birth() {
        let inf = f64::INFINITY;
        let (first, second) = ([[0.0, inf], [2.0, inf]], [[3.5, inf], [1.0, inf]]);
        for cost in [
            sliced_wasserstein(&first, &second, 1.0, 3, Power::One).unwrap(),
            sorted_wasserstein(&first, &second, 1.0, Power::One).unwrap(),
        ] {
            assert_eq!(cost.value, 2.5);
            assert_eq!(cost.first, vec![[-1.0, 0.0]; 2]);
        }
        let alone = sliced_wasserstein(&first, &[], 1.0, 3, Power::One).unwrap();
        assert_eq!((alone.value, alone.first), (inf, vec![[0.0; 2]; 2]));
    }

    #[test]
    fn the_number_of_directions_is_limited() {
        for n_directions in [0, MAX_DIRECTIONS + 1, usize::MAX] {
            let distance = sliced_wasserstein(&[], &[], 1.0, n_directions, Power::P);
            let error = distance.unwrap_err();
            assert!(error.is_invalid_parameter());
            let expected = format!("n_directions is {n_directions}, expected 1 to 100000");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }
}
