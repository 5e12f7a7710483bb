//! List of all pairs of items that one penalty compares at one step.

use super::activations::{Activations, LayerOf, WITHIN_FRAME_FLOOR};
use super::item_pairs::{ItemPair, MatchedPoints};
use super::motion::PatchMotion;
use super::pairs::{Alignment, Between};
use super::penalty::TopologyPenalty;
use super::row_selection::RowSelection;
use super::row_source::Source;
use crate::counted::counted;
use crate::error::{Error, Result};
use crate::fused::{HostReads, ReadPlace, ReadValues};
use crate::nn::{DiagramBatch, Heads, Tokens};
use crate::topology::EdgeGradient;

/// Diagrams of one layer under one selection of rows, and the gradient that the penalties collect for them.
pub(super) struct LayerDiagrams {
    pub(super) layer: LayerOf,
    pub(super) selection: RowSelection,
    pub(super) diagrams: DiagramBatch,
    /// Within-frame attention of each item, 0 to 1; `None` where all attention is within the frame.
    pub(super) within_frame_attention: Option<Vec<f64>>,
    /// Derivatives of the loss with respect to the distances, one list per item.
    pub(super) gradient: Vec<EdgeGradient>,
    /// True if a penalty with a weight other than 0 uses them.
    pub(super) is_in_loss: bool,
}

impl LayerDiagrams {
    /// True if the item's within-frame attention is at least [`WITHIN_FRAME_FLOOR`].
    pub(super) fn is_above_floor(&self, item: usize) -> bool {
        self.within_frame_attention
            .as_ref()
            .is_none_or(|fractions| fractions[item] >= WITHIN_FRAME_FLOOR)
    }
}

/// Returns the pairs of layers that a penalty compares, whose items correspond by index.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] if a layer or the reference does not exist, or if layers differ in their number
/// of images or, where each head is an item, of heads.
pub(super) fn layer_pairs(
    penalty: &TopologyPenalty,
    activations: &Activations,
) -> Result<Vec<[LayerOf; 2]>> {
    let n_layers = activations.n_layers(penalty.source)?;
    let pairs = penalty.layer_pairs(n_layers)?.into_iter();
    let pairs: Vec<[LayerOf; 2]> = if penalty.is_between(Between::Reference) {
        let reference = activations.required_reference()?;
        let within = |e: Error| e.within("the reference");
        let n_others = reference.n_layers(penalty.source).map_err(within)?;
        if n_others != n_layers {
            return Err(Error::invalid_parameter(format!(
                "the model has {} and the reference {n_others}, expected the same number",
                counted(n_layers, "layer")
            )));
        }
        pairs
            .map(|[layer, _]| [LayerOf::Model(layer), LayerOf::Reference(layer)])
            .collect()
    } else {
        pairs.map(|pair| pair.map(LayerOf::Model)).collect()
    };
    let selection = penalty.row_selection();
    for &pair in &pairs {
        selection.check_same_items(activations, pair)?;
        for layer in pair {
            selection.check_n_images(activations, layer)?;
        }
    }
    Ok(pairs)
}

/// Returns all pairs of items that a penalty compares at a step, in a fixed order.
///
/// # Errors
///
/// As [`layer_pairs`], or if the penalty needs frames, their motion or views and there are none.
pub(super) fn item_pairs(
    penalty: &TopologyPenalty,
    activations: &Activations,
    step: usize,
) -> Result<Vec<ItemPair>> {
    let layer_pairs = layer_pairs(penalty, activations)?;
    let frames = FramePairs::new(penalty, activations, step)?;
    // All other penalties use the first view only, which is the clean one.
    let view_pairs = penalty
        .view_pairs(activations.n_views)?
        .unwrap_or(vec![[0; 2]]);
    let n_images = activations.images_per_view(penalty.source)?;
    let mut item_pairs = Vec::new();
    for pair in layer_pairs {
        let n_heads = penalty
            .row_selection()
            .items_per_image(activations, pair[0]);
        let n_items = n_images * n_heads;
        let item_pair = |items, matched| ItemPair {
            layers: pair,
            items,
            matched,
        };
        match &frames {
            None => {
                let Some(shift) = penalty.partners().shift(n_images, step) else {
                    continue;
                };
                // A shift by whole images compares each head with the same head.
                let partner = |item: usize| (item + shift * n_heads) % n_items;
                for &[first, second] in &view_pairs {
                    item_pairs.extend((0..n_items).map(|item| {
                        let items = [first * n_items + item, second * n_items + partner(item)];
                        item_pair(items, None)
                    }));
                }
            }
            // The first view comes first in the batch, so these items need no offset.
            Some(frames) => {
                item_pairs.extend(
                    frames
                        .items(n_items)
                        .map(|(items, matched)| item_pair(items, matched)),
                );
            }
        }
    }
    Ok(item_pairs)
}

/// Pairs of frames that a penalty compares in a batch of clips.
struct FramePairs {
    n_clips: usize,
    n_frames: usize,
    pairs: Vec<[usize; 2]>,
    /// Corresponding points, by clip and pair; empty if points with the same index correspond.
    matched: Vec<MatchedPoints>,
    /// Offset from the clip of the earlier frame to that of the later; `None` if there is no other clip.
    shift: Option<usize>,
}

impl FramePairs {
    /// Lists the pairs of frames; `None` if the penalty does not compare frames.
    fn new(
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
                "a batch of {} cannot be divided into clips of {} each",
                counted(batch_size, "frame"),
                counted(n_frames, "frame")
            )));
        }
        let n_clips = batch_size / n_frames;
        let matched = match penalty.kind.alignment() {
            Alignment::Position => Vec::new(),
            Alignment::Flow => {
                let motion = required_motion(activations, n_clips)?;
                let n_prefix = match penalty.tokens {
                    Tokens::All => activations.n_prefix_tokens as u32,
                    Tokens::Patches => 0,
                };
                (0..n_clips)
                    .flat_map(|clip| pairs.iter().map(move |&pair| (clip, pair)))
                    .map(|(clip, pair)| {
                        // Prefix tokens do not move: the class token is the same token in every frame.
                        let prefix = (0..n_prefix).map(|token| [token; 2]);
                        let patches = motion
                            .matched(clip, pair, n_frames)
                            .into_iter()
                            .map(|pair| pair.map(|patch| patch + n_prefix));
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
            shift: penalty.partners().shift(n_clips, step),
        }))
    }

    /// Returns the pairs of items of one layer, with their corresponding points.
    ///
    /// Where each head is an item, heads vary faster than frames.
    fn items(&self, n_items: usize) -> impl Iterator<Item = ([usize; 2], Option<MatchedPoints>)> {
        // An empty batch has no frames: 0 / 1 instead of 0 / 0.
        let n_heads = n_items / (self.n_clips * self.n_frames).max(1);
        // A single clip has no shuffled partner, so nothing is compared.
        let n_pairs = match self.shift {
            Some(_) => self.n_clips * self.pairs.len(),
            None => 0,
        };
        let shift = self.shift.unwrap_or_default();
        (0..n_pairs).flat_map(move |k| {
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

/// Returns the motion that was passed, after checking that it fits the batch.
fn required_motion(activations: &Activations, n_clips: usize) -> Result<&PatchMotion> {
    if activations.padding.is_some() {
        return Err(Error::invalid_parameter(
            "a penalty aligns frames by flow, but some tokens may be padding, which has no place in a frame; pass no \
             padding, or use alignment by position",
        ));
    }
    let motion = activations.motion.as_ref().ok_or_else(|| {
        Error::invalid_parameter(
            "a penalty aligns frames by flow, but no motion was passed; use alignment by position, or \
             clips with known flow",
        )
    })?;
    let n_steps = n_clips * (activations.n_frames - 1);
    let n_patches = activations.n_patches();
    if motion.n_steps() != n_steps || n_patches.is_some_and(|n| n != motion.n_patches()) {
        return Err(Error::invalid_parameter(format!(
            "the motion has {} of {}, expected {} between frames of {}",
            counted(motion.n_steps(), "step"),
            counted(motion.n_patches(), "patch"),
            counted(n_steps, "step"),
            counted(n_patches.unwrap_or_default(), "patch")
        )));
    }
    Ok(motion)
}

/// Within-frame attention of a layer that is on its way to the host.
pub(super) struct PendingFractions {
    heads: Heads,
    n_heads: usize,
    place: ReadPlace,
}

impl PendingFractions {
    /// Adds the within-frame attention of a layer to the values that are read from their device.
    ///
    /// `None` if all attention is within the frame, and for hidden states, to which it does not apply.
    pub(super) fn new(
        selection: RowSelection,
        activations: &Activations,
        layer: LayerOf,
        reads: &mut HostReads,
    ) -> Option<Self> {
        let (activations, layer) = activations.owner(layer);
        let fractions = activations.within_frame_attention.get(layer)?;
        (selection.source != Source::Hidden).then(|| Self {
            heads: selection.heads,
            n_heads: fractions.dims()[1],
            // Read without the graph: gating is a decision, and no gradient flows through it.
            place: reads.add(fractions.clone()),
        })
    }

    /// Takes the fraction of each item from the values that were read.
    pub(super) fn arrived(self, values: &mut ReadValues) -> Result<Vec<f64>> {
        let by_head: Vec<f64> = values.take(self.place)?;
        Ok(match self.heads {
            Heads::Each => by_head,
            Heads::Mean => by_head
                .chunks_exact(self.n_heads)
                .map(|heads| heads.iter().sum::<f64>() / self.n_heads as f64)
                .collect(),
        })
    }
}
