//! What the names of timm's architectures say beyond shapes of tensors: the number of heads and the activation.

/// Numbers of heads of architectures that are unlike others of their size, by the beginning of their names.
const UNUSUAL_HEADS: [(&str, usize); 9] = [
    ("vit_base_patch16_gap_224", 16),
    ("vit_base_patch16_plus_", 14),
    ("vit_base_patch32_plus_", 14),
    ("vit_giant_patch14_dinov2", 24),
    ("vit_giant_patch14_reg", 24),
    ("vit_giant_patch16_radio", 24),
    ("test_vit3", 3),
    ("test_vit4", 3),
    ("test_vit", 2),
];

/// Numbers of heads of all other architectures, by the word in their names that states their size.
const HEADS: [(&str, usize); 22] = [
    ("tiny", 3),
    ("wee", 4),
    ("dwee", 4),
    ("pwee", 4),
    ("dpwee", 4),
    ("xsmall", 4),
    ("little", 5),
    ("dlittle", 5),
    ("small", 6),
    ("medium", 8),
    ("mediumd", 8),
    ("betwixt", 10),
    ("base", 12),
    ("so150m2", 13),
    ("so150m", 14),
    ("intern300m", 16),
    ("large", 16),
    ("so400m", 16),
    ("huge", 16),
    ("giant", 16),
    ("giantopt", 16),
    ("gigantic", 16),
];

/// Numbers of heads of the published models, by the width of their tokens.
const HEADS_OF_WIDTH: [(usize, usize); 15] = [
    (192, 3),
    (256, 4),
    (320, 5),
    (384, 6),
    (512, 8),
    (640, 10),
    (768, 12),
    (832, 13),
    (896, 14),
    (1024, 16),
    (1152, 16),
    (1280, 16),
    (1408, 16),
    (1536, 24),
    (1664, 16),
];

/// Architectures with the approximation of GELU by tanh, by the beginning of their names.
const GELU_TANH: [&str; 5] = [
    "vit_base_patch32_siglip_",
    "vit_giantopt_patch16_siglip_",
    "vit_large_patch16_siglip_512",
    "vit_large_patch16_siglip_gap_512",
    "vit_so400m_patch16_siglip_",
];

/// Number of heads of an architecture of timm; `None` if its name is not known.
pub(super) fn n_heads(architecture: &str) -> Option<usize> {
    let unusual = UNUSUAL_HEADS
        .iter()
        .find(|(start, _)| architecture.starts_with(start));
    let by_size = || {
        architecture
            .split(['_', '.'])
            .find_map(|word| HEADS.iter().find(|(size, _)| *size == word))
    };
    unusual.or_else(by_size).map(|&(_, n_heads)| n_heads)
}

/// Number of heads of the published models of a width; `None` if there are none.
pub(super) fn n_heads_of_width(d_model: usize) -> Option<usize> {
    let published = HEADS_OF_WIDTH.iter().find(|(width, _)| *width == d_model);
    published.map(|&(_, n_heads)| n_heads)
}

/// True for architectures with the approximation of GELU by tanh.
pub(super) fn has_gelu_tanh(architecture: &str) -> bool {
    GELU_TANH
        .iter()
        .any(|start| architecture.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Architectures of timm 1.0.31 with the number of heads and the activation that it creates.
    const TIMM: [(&str, usize, bool); 34] = [
        ("deit3_medium_patch16_224", 8, false),
        ("deit_base_distilled_patch16_384", 12, false),
        ("eva_large_patch14_336", 16, false),
        ("flexivit_small", 6, false),
        ("test_vit", 2, false),
        ("test_vit2", 2, false),
        ("test_vit3", 3, false),
        ("vit_base_patch14_reg4_dinov2", 12, false),
        ("vit_base_patch16_224", 12, false),
        ("vit_base_patch16_224.augreg_in21k", 12, false),
        ("vit_base_patch16_gap_224", 16, false),
        ("vit_base_patch16_plus_240", 14, false),
        ("vit_base_patch16_siglip_gap_256", 12, false),
        ("vit_base_patch32_siglip_gap_256", 12, true),
        ("vit_betwixt_patch16_reg4_gap_256", 10, false),
        ("vit_dlittle_patch16_reg1_gap_256", 5, false),
        ("vit_giant_patch14_224", 16, false),
        ("vit_giant_patch14_reg4_dinov2", 24, false),
        ("vit_giantopt_patch16_siglip_gap_384", 16, true),
        ("vit_gigantic_patch14_224", 16, false),
        ("vit_huge_patch14_gap_224", 16, false),
        ("vit_intern300m_patch14_448", 16, false),
        ("vit_large_patch14_dinov2", 16, false),
        ("vit_large_patch16_siglip_gap_384", 16, false),
        ("vit_large_patch16_siglip_gap_512", 16, true),
        ("vit_little_patch16_reg4_gap_256", 5, false),
        ("vit_medium_patch16_gap_256", 8, false),
        ("vit_mediumd_patch16_reg4_gap_256", 8, false),
        ("vit_small_patch16_36x1_224", 6, false),
        ("vit_so150m2_patch16_reg1_gap_256", 13, false),
        ("vit_so150m_patch16_reg4_gap_256", 14, false),
        ("vit_so400m_patch14_siglip_gap_224", 16, false),
        ("vit_so400m_patch16_siglip_gap_256", 16, true),
        ("vit_wee_patch16_reg1_gap_256", 4, false),
    ];

    #[test]
    fn architectures_are_those_of_timm() {
        for (architecture, heads, is_tanh) in TIMM {
            assert_eq!(n_heads(architecture), Some(heads), "{architecture}");
            assert_eq!(has_gelu_tanh(architecture), is_tanh, "{architecture}");
        }
        assert_eq!(n_heads("resnet50"), None);
    }
}
