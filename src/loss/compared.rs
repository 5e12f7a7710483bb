//! The list of all pairs of items that one penalty compares.

use std::sync::Arc;

use super::motion::PatchMotion;
use super::pairs::Alignment;
use super::penalty::TopologyPenalty;
use super::reading::{Activations, LayerReading, MASS_FLOOR, Source};
use crate::error::{Error, Result};
use crate::nn::{DiagramBatch, Heads, Tokens};
use crate::topology::EdgeGradient;

/// One layer, read one way, and what the penalties ask of it.
pub(super) struct Reading {
    pub(super) layer: usize,
    pub(super) way: LayerReading,
    pub(super) diagrams: DiagramBatch,
    /// Share of attention within the frame, by item; `None` where it is all.
    pub(super) masses: Option<Vec<f64>>,
    pub(super) gradient: Vec<EdgeGradient>,
}

impl Reading {
    /// Whether there is enough attention within the frame to speak of its topology.
    pub(super) fn is_heard(&self, item: usize) -> bool {
        self.masses
            .as_ref()
            .is_none_or(|masses| masses[item] >= MASS_FLOOR)
    }
}

/// Pairs of points, of the first and of the second item, that are taken for the same.
type Matched = Arc<[[u32; 2]]>;

/// Two items that are compared.
pub(super) struct Compared {
    /// Their places in the list of readings.
    pub(super) readings: [usize; 2],
    /// Their places there.
    pub(super) items: [usize; 2],
    /// Points taken for the same; `None`: those of the same number.
    pub(super) matched: Option<Matched>,
}

/// Everything that a penalty compares at a step, in a fixed order.
///
/// `place` is that of a layer in the list of readings.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if the penalty needs frames, their motion or views and there are none.
pub(super) fn compared(
    penalty: &TopologyPenalty,
    activations: &Activations,
    step: usize,
    place: impl Fn(usize) -> usize,
) -> Result<Vec<Compared>> {
    let layer_pairs = penalty.layer_pairs(activations.n_layers(penalty.source)?)?;
    let frames = Frames::of(penalty, activations, step)?;
    let view_pairs = penalty
        .view_pairs(activations.n_views)?
        .unwrap_or(vec![[0; 2]]);
    let n_images = activations.images_per_view(penalty.source)?;
    let mut found = Vec::new();
    for pair in layer_pairs {
        let n_heads = penalty.reading().items_per_image(activations, pair[0]);
        let n_items = n_images * n_heads;
        let one = |items, matched| Compared {
            readings: pair.map(&place),
            items,
            matched,
        };
        match &frames {
            None => {
                let Some(shift) = penalty.partners.shift(n_images, step) else {
                    continue;
                };
                // A head with the same head.
                let partner = |item: usize| (item + shift * n_heads) % n_items;
                for &[first, second] in &view_pairs {
                    let of_views =
                        |item| [first * n_items + item, second * n_items + partner(item)];
                    found.extend((0..n_items).map(|item| one(of_views(item), None)));
                }
            }
            Some(frames) => {
                let pairs = frames.pairs_of_items(n_items);
                found.extend(pairs.map(|(items, matched)| one(items, matched)));
            }
        }
    }
    Ok(found)
}

/// The pairs of frames of a batch of clips.
struct Frames {
    n_clips: usize,
    n_frames: usize,
    pairs: Vec<[usize; 2]>,
    /// Points taken for the same, by clip and pair; empty: those of the same number.
    matched: Vec<Matched>,
    /// How many clips on the later frame is that of; `None` if there is no other.
    shift: Option<usize>,
}

impl Frames {
    /// `None` if the penalty does not compare frames.
    fn of(
        penalty: &TopologyPenalty,
        activations: &Activations,
        step: usize,
    ) -> Result<Option<Self>> {
        let n_frames = activations.n_frames;
        let Some(pairs) = penalty.frame_pairs(n_frames)? else {
            return Ok(None);
        };
        let batch_size = activations.images_per_view(penalty.source)?;
        if !batch_size.is_multiple_of(n_frames) {
            return Err(Error::invalid_parameter(format!(
                "a batch of {batch_size} frames is not one of clips of {n_frames} frames each"
            )));
        }
        let n_clips = batch_size / n_frames;
        let matched = match penalty.alignment {
            Alignment::Position => Vec::new(),
            Alignment::Flow => {
                let motion = known_motion(activations, n_clips)?;
                let n_before = match penalty.tokens {
                    Tokens::All => activations.n_prefix_tokens as u32,
                    Tokens::Patches => 0,
                };
                let clips =
                    (0..n_clips).flat_map(|clip| pairs.iter().map(move |&pair| (clip, pair)));
                clips
                    .map(|(clip, pair)| {
                        // The class token is the same token in every frame.
                        let prefix = (0..n_before).map(|token| [token; 2]);
                        let patches = motion.matched(clip, pair, n_frames).into_iter();
                        let patches = patches.map(|pair| pair.map(|patch| patch + n_before));
                        prefix.chain(patches).collect()
                    })
                    .collect()
            }
        };
        Ok(Some(Self {
            n_clips,
            n_frames,
            pairs,
            matched,
            shift: penalty.partners.shift(n_clips, step),
        }))
    }

    /// Items of a layer whose heads, if they are items, vary faster than frames.
    fn pairs_of_items(
        &self,
        n_items: usize,
    ) -> impl Iterator<Item = ([usize; 2], Option<Matched>)> {
        let n_heads = n_items / (self.n_clips * self.n_frames).max(1);
        let n_compared = match self.shift {
            Some(_) => self.n_clips * self.pairs.len(),
            None => 0,
        };
        let shift = self.shift.unwrap_or_default();
        (0..n_compared).flat_map(move |k| {
            let (clip, pair) = (k / self.pairs.len(), self.pairs[k % self.pairs.len()]);
            let clips = [clip, (clip + shift) % self.n_clips];
            (0..n_heads).map(move |head| {
                let item =
                    |side: usize| (clips[side] * self.n_frames + pair[side]) * n_heads + head;
                ([item(0), item(1)], self.matched.get(k).cloned())
            })
        })
    }
}

fn known_motion(activations: &Activations, n_clips: usize) -> Result<&PatchMotion> {
    let motion = activations.motion.as_ref().ok_or_else(|| {
        Error::invalid_parameter(
            "a penalty aligns frames by flow, but no motion was passed; compare tokens at the same \
             place, or clips whose flow is known",
        )
    })?;
    let n_steps = n_clips * (activations.n_frames - 1);
    let n_patches = activations.n_patches();
    if motion.n_steps() != n_steps || n_patches.is_some_and(|n| n != motion.n_patches()) {
        return Err(Error::invalid_parameter(format!(
            "the motion is one of {} steps of {} patches, expected {n_steps} steps between frames of \
             {} patches",
            motion.n_steps(),
            motion.n_patches(),
            n_patches.unwrap_or_default()
        )));
    }
    Ok(motion)
}

/// Share of attention within the frame, by item.
pub(super) fn item_masses(
    way: LayerReading,
    activations: &Activations,
    layer: usize,
) -> Result<Option<Vec<f64>>> {
    let Some(mass) = activations.mass.get(layer) else {
        return Ok(None);
    };
    if way.source == Source::Hidden {
        return Ok(None);
    }
    let [_, n_heads] = mass.dims();
    let masses: Vec<f64> = mass
        .clone()
        .without_autodiff()
        .try_into_vec_as()
        .map_err(|e| Error::invalid_distribution(format!("attention cannot be read: {e}")))?;
    Ok(Some(match way.heads {
        Heads::Each => masses,
        Heads::Mean => masses
            .chunks_exact(n_heads)
            .map(|of_heads| of_heads.iter().sum::<f64>() / n_heads as f64)
            .collect(),
    }))
}
