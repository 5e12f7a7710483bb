//! Room on the page for the data of matrices.

use super::page_data::packed_bytes;

/// Budget for the packed matrices on the page, in bytes. It keeps the page of a few images below 15 MB.
const PAGE_BYTES: usize = 11_500_000;

/// Room that is left on the page.
#[derive(Debug)]
pub(super) struct PageRoom {
    n_left: usize,
}

/// Parts of one image that are shown on the page.
///
/// The means of the heads come first, then cosines of hidden states, then single heads, in the order of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImagePlan {
    n_means: usize,
    n_cosines: usize,
    n_heads: usize,
    heads_per_layer: usize,
}

impl Default for PageRoom {
    fn default() -> Self {
        Self { n_left: PAGE_BYTES }
    }
}

impl PageRoom {
    /// Chooses the parts of the next of `n_images` images, each of which gets an equal share of the room.
    ///
    /// Chosen beforehand, from the usual size of each part, because packing a part takes longer than its topology.
    pub(super) fn plan(
        &self,
        n_images: usize,
        [n_layers, heads_per_layer]: [usize; 2],
        [n_points, n_tokens]: [usize; 2],
    ) -> ImagePlan {
        let mut room = self.n_left / n_images.max(1);
        let mut take = |count: usize, size: usize| {
            let n = count.min(room / size.max(1));
            room -= n * size;
            n
        };
        let bytes = packed_bytes(n_points, n_tokens);
        ImagePlan {
            n_means: take(n_layers, bytes.matrix),
            n_cosines: take(n_layers, bytes.cosines),
            n_heads: take(n_layers * heads_per_layer, bytes.matrix),
            heads_per_layer,
        }
    }

    /// Takes the room of packed data; `None` if there is not enough.
    pub(super) fn take(&mut self, packed: Option<String>) -> Option<String> {
        let packed = packed?;
        self.n_left = self.n_left.checked_sub(packed.len())?;
        Some(packed)
    }
}

impl ImagePlan {
    /// True if a matrix is shown; `head` is its position among the single heads, and `None` for their mean.
    pub(super) fn shows_matrix(&self, layer: usize, head: Option<usize>) -> bool {
        match head {
            None => layer < self.n_means,
            Some(head) => layer * self.heads_per_layer + head < self.n_heads,
        }
    }

    /// Number of matrices that are shown.
    pub(super) fn n_matrices(&self) -> usize {
        self.n_means + self.n_heads
    }

    /// True if the cosines of the hidden states of a layer are shown.
    pub(super) fn shows_cosines(&self, layer: usize) -> bool {
        layer < self.n_cosines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_gets_an_equal_share_and_means_come_first() {
        let mut room = PageRoom::default();
        let small = room.plan(2, [4, 3], [16, 17]);
        assert!(small.shows_matrix(3, Some(2)) && small.shows_cosines(3));
        let large = room.plan(1, [12, 6], [1369, 1370]);
        assert!(large.shows_matrix(0, None) && !large.shows_matrix(11, Some(5)));
        let shared = room.plan(4, [12, 6], [1369, 1370]);
        assert!(shared.n_means <= large.n_means && shared.n_heads == 0);
        assert_eq!(
            room.take(Some("x".repeat(PAGE_BYTES - 1))).map(|x| x.len()),
            Some(PAGE_BYTES - 1)
        );
        assert_eq!(room.take(Some("xy".to_owned())), None);
        assert_eq!(room.take(Some("x".to_owned())), Some("x".to_owned()));
        assert!(!room.plan(1, [1, 0], [16, 17]).shows_matrix(0, None));
    }
}
