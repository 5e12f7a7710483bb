//! The known name that a misspelt one was probably meant to be.

/// The known name nearest to `name` by edit distance, if it is near enough to be a slip.
///
/// Near enough is one edit for every three characters of `name`, and one for shorter names. Among
/// equally near names the first wins.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (edit_distance(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The optimal string alignment distance: insertions, deletions, substitutions and swaps of
/// neighbouring characters that turn `from` into `to`, ignoring case.
fn edit_distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.to_lowercase().chars().collect();
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    rows[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        rows[i][0] = i;
        for j in 1..=to.len() {
            let substituted = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let shifted = rows[i - 1][j].min(rows[i][j - 1]) + 1;
            let mut best = substituted.min(shifted);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_with_a_swap_as_one() {
        assert_eq!(edit_distance("wieght", "weight"), 1);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("ADAMW", "adamw"), 0);
    }

    #[test]
    fn only_a_slip_earns_a_suggestion() {
        let known = ["weight", "schedule", "lr", "homology_dim"];
        assert_eq!(nearest("wieght", &known), Some("weight"));
        assert_eq!(nearest("shedule", &known), Some("schedule"));
        assert_eq!(nearest("rl", &known), Some("lr"));
        assert_eq!(nearest("homologydim", &known), Some("homology_dim"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("x", &["y"]), None);
        assert_eq!(nearest("weight", &[]), None);
    }

    #[test]
    fn of_two_equally_near_names_the_first_wins() {
        assert_eq!(nearest("dim", &["dip", "dig"]), Some("dip"));
    }
}
