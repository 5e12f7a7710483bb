//! Suggestion for a misspelt name.

/// Known name with the smallest edit distance to `name`; `None` if all are too different.
///
/// One edit is allowed for every three characters of `name`, and at least one. Among equally near
/// names the first one is returned.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer names leave room for more typing errors; more edits than this make another word.
    let allowed = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (edit_distance(name, candidate), *candidate))
        // Replacing every character of a short name is no misspelling.
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance (optimal string alignment), ignoring case.
///
/// This is the smallest number of insertions, deletions, substitutions and swaps of neighbouring
/// characters that turn `from` into `to`.
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
            // Two swapped neighbours, the most common typing error, count as one edit.
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
    fn a_swap_counts_as_one_edit() {
        assert_eq!(edit_distance("wieght", "weight"), 1);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("ADAMW", "adamw"), 0);
    }

    #[test]
    fn only_a_similar_name_is_suggested() {
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
    fn the_first_of_two_equally_near_names_is_suggested() {
        assert_eq!(nearest("dim", &["dip", "dig"]), Some("dip"));
    }
}
