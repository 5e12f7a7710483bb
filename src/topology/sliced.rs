//! Distances of diagrams on lines, where an optimal matching is a sort.

use super::diagram_distance::{MatchedCost, Power};
use super::diagram_pair::DiagramPair;
use super::matching::Point;
use super::wasserstein::{check_order, power};
use crate::error::{Error, Result};
use std::f64::consts::{FRAC_PI_2, PI};

/// Wasserstein distance in which the diagonal takes nothing: bars by bars, in order of death.
///
/// Not the optimum, which may send both of two bars to the diagonal; and therefore without that
/// pull towards the diagonal. All finite bars must have one birth, as in dimension 0, where the
/// ground norms agree. The shorter diagram is filled up with bars of length zero. Essential bars
/// are matched with each other in the order of their births.
///
/// # Gradient
///
/// By deaths (and births of essential bars), with the order held constant; zero at zero.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] unless `order` is finite and at least 1;
/// [`Error::is_invalid_diagram`] as [`super::wasserstein()`], and if births differ.
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
/// assert_eq!((cost.value, cost.first), (29.0, vec![[0.0, -1.0]; 2])); // the optimum is 15.5
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
        return Ok(MatchedCost::impossible(first, second));
    };
    if !diagrams.has_equal_births() {
        return Err(Error::invalid_diagram(
            "finite bars have different births, expected one birth (dimension 0) to match them in \
             order of death",
        ));
    }
    let [of_first, of_second] = diagrams.finite_index();
    let mut sides = [
        project(first, of_first, Owner::First, [0.0, 1.0]),
        project(second, of_second, Owner::Second, [0.0, 1.0]),
    ];
    let filling = Place {
        owner: Owner::Nobody,
        at: diagrams.any_finite_bar().map_or(0.0, |bar| bar[0]),
        by: [0.0; 2],
    };
    let n_places = of_first.len().max(of_second.len());
    for side in &mut sides {
        side.resize(n_places, filling);
    }
    let mut sum = SortedSum::new(order, [first.len(), second.len()]);
    sum.add_essential(&diagrams, first, second);
    sum.add(sides, 1.0);
    Ok(sum.finish(power))
}

/// Sliced Wasserstein distance: the mean over directions of the distance of the projections.
///
/// Each diagram is completed by the other's bars moved to the diagonal, both are projected on lines
/// through the origin, and a sort matches them there. `n_directions` angles are spread evenly over
/// the half circle from -90 degrees. Essential bars are matched with each other in the order of
/// their births.
///
/// # Gradient
///
/// Exact within an order of the projections; zero at zero.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] unless `order` is finite and at least 1 and there is a
/// direction; [`Error::is_invalid_diagram`] as [`super::wasserstein()`].
///
/// # Cost
///
/// O(n log n) for each direction.
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
/// // One direction, straight down: deaths alone, and the diagonal at the middle of the rival.
/// let cost = sliced_wasserstein(&[[0.0, 4.0]], &[[0.0, 6.0]], 1.0, 1, Power::One)?;
/// assert!((cost.value - 3.0).abs() < 1e-12); // |-4 + 6| and |-3 + 2|
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
    if n_directions == 0 {
        return Err(Error::invalid_parameter(
            "n_directions is 0, expected at least one direction to project on",
        ));
    }
    let Some(diagrams) = DiagramPair::new(first, second)? else {
        return Ok(MatchedCost::impossible(first, second));
    };
    let [of_first, of_second] = diagrams.finite_index();
    let mut sum = SortedSum::new(order, [first.len(), second.len()]);
    sum.add_essential(&diagrams, first, second);
    for k in 0..n_directions {
        let angle = PI * k as f64 / n_directions as f64 - FRAC_PI_2;
        let line = [angle.cos(), angle.sin()];
        // A bar at its nearest point of the diagonal, the middle of birth and death twice.
        let middle = [0.5 * (line[0] + line[1]); 2];
        let mut sides = [
            project(first, of_first, Owner::First, line),
            project(second, of_second, Owner::Second, line),
        ];
        sides[0].extend(project(second, of_second, Owner::Second, middle));
        sides[1].extend(project(first, of_first, Owner::First, middle));
        sum.add(sides, 1.0 / n_directions as f64);
    }
    Ok(sum.finish(power))
}

/// Whose derivative a place on a line moves.
#[derive(Debug, Clone, Copy)]
enum Owner {
    First(usize),
    Second(usize),
    Nobody,
}

/// A bar's place on a line, and its derivative by birth and death.
#[derive(Debug, Clone, Copy)]
struct Place {
    owner: Owner,
    at: f64,
    by: [f64; 2],
}

fn project(
    points: &[Point],
    index: &[usize],
    owner: impl Fn(usize) -> Owner,
    by: [f64; 2],
) -> Vec<Place> {
    let place = |&bar: &usize| Place {
        owner: owner(bar),
        at: points[bar][0] * by[0] + points[bar][1] * by[1],
        by,
    };
    index.iter().map(place).collect()
}

/// A sum of powers of distances between sorted places, and its derivatives.
struct SortedSum {
    order: f64,
    sum: f64,
    on_first: Vec<[f64; 2]>,
    on_second: Vec<[f64; 2]>,
}

impl SortedSum {
    fn new(order: f64, [n_first, n_second]: [usize; 2]) -> Self {
        Self {
            order,
            sum: 0.0,
            on_first: vec![[0.0; 2]; n_first],
            on_second: vec![[0.0; 2]; n_second],
        }
    }

    /// Adds the places of two sides as far as both reach, matched in order.
    fn add(&mut self, mut sides: [Vec<Place>; 2], weight: f64) {
        for side in &mut sides {
            // Stable: equal places keep the order of the bars.
            side.sort_by(|a, b| a.at.total_cmp(&b.at));
        }
        let [first, second] = sides;
        for (x, y) in first.into_iter().zip(second) {
            let apart = x.at - y.at;
            if apart == 0.0 {
                continue;
            }
            self.sum += weight * power(apart.abs(), self.order);
            let slope = power(apart.abs(), self.order - 1.0) * apart.signum();
            self.move_owner(x, weight * self.order * slope);
            self.move_owner(y, -weight * self.order * slope);
        }
    }

    fn add_essential(&mut self, diagrams: &DiagramPair<'_>, first: &[Point], second: &[Point]) {
        let born = |points: &[Point], index: &[usize], owner: fn(usize) -> Owner| -> Vec<Place> {
            let place = |&bar: &usize| Place {
                owner: owner(bar),
                at: points[bar][0],
                by: [1.0, 0.0],
            };
            index.iter().map(place).collect()
        };
        let [of_first, of_second] = diagrams.essential_index();
        let sides = [
            born(first, of_first, Owner::First),
            born(second, of_second, Owner::Second),
        ];
        self.add(sides, 1.0);
    }

    fn move_owner(&mut self, place: Place, derivative: f64) {
        let on = match place.owner {
            Owner::First(bar) => &mut self.on_first[bar],
            Owner::Second(bar) => &mut self.on_second[bar],
            Owner::Nobody => return,
        };
        for (on, by) in on.iter_mut().zip(place.by) {
            *on += derivative * by;
        }
    }

    fn finish(mut self, power: Power) -> MatchedCost {
        let mut value = self.sum;
        if power == Power::One && self.sum > 0.0 {
            value = self.sum.powf(self.order.recip());
            let outer = value / (self.order * self.sum);
            for on in self.on_first.iter_mut().chain(&mut self.on_second) {
                *on = on.map(|part| part * outer);
            }
        }
        MatchedCost {
            value,
            first: self.on_first,
            second: self.on_second,
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
        let found = cost(&first, &second);
        let h = 1e-6;
        for bar in 0..first.len() {
            for end in 0..2 {
                let moved = |step: f64| {
                    let mut first = first.clone();
                    first[bar][end] += step;
                    cost(&first, &second).value
                };
                let expected = (moved(h) - moved(-h)) / (2.0 * h);
                assert!((found.first[bar][end] - expected).abs() < 1e-8);
            }
        }
        let back = cost(&second, &first);
        assert!((back.value - found.value).abs() < 1e-15);
        for (found, back) in found
            .first
            .iter()
            .flatten()
            .zip(back.second.iter().flatten())
        {
            assert!((found - back).abs() < 1e-14);
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
    fn sliced_values_are_those_of_the_formula_in_numpy() {
        // GUDHI 3.13 spreads `num_directions` angles alike, but leaves the last one out.
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
        let (found, h) = (value(&first), 1e-6);
        for bar in 0..3 {
            let moved = |step: f64| {
                let mut first = first;
                first[bar] += step;
                value(&first).value
            };
            let expected = (moved(h) - moved(-h)) / (2.0 * h);
            assert!((found.first[bar][1] - expected).abs() < 1e-8);
        }
        // 0.2, 0.9, 1.4 against 0, 0.5, 1.1.
        assert!((found.value - (0.04 + 0.16 + 0.09_f64).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn equal_diagrams_are_at_distance_zero_with_gradient_zero() {
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
    fn sorted_matching_refuses_different_births() {
        let error = sorted_wasserstein(&FIRST, &SECOND, 2.0, Power::P).unwrap_err();
        assert!(error.is_invalid_diagram());
    }

    #[test]
    fn essential_bars_differ_by_their_births() {
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
}
