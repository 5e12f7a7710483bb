//! Drawings made of pixels, as PNG and GIF images: persistence diagrams, barcodes, vines and clips.
//!
//! TensorBoard and video players show these; report pages have SVG plots instead, see [`plot`](super::plot).

mod axis;
mod barcode;
mod canvas;
mod clip_animation;
mod clip_grid;
mod persistence_diagram;
mod vine_chart;

pub use barcode::barcode;
pub use canvas::EncodedImage;
pub use clip_animation::{ClipPanel, clip_animation};
pub use clip_grid::{clip_grid, clip_rows};
pub use persistence_diagram::persistence_diagram;
pub use vine_chart::{VinePanel, vine_chart};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Bar, Diagram};

    /// Diagrams in dimensions 0 and 1 of synthetic bars, multiplied by a scale.
    fn diagrams(n_bars: usize, scale: f64) -> Vec<Diagram<f64>> {
        let bar = |birth: f64, death: f64| Bar {
            birth: birth * scale,
            death: death * scale,
            birth_edge: None,
            death_edge: death.is_finite().then_some([0, 1]),
        };
        let wave = |k: usize| 0.5 + 0.4 * (1.7 * k as f64).sin();
        let components = (0..n_bars).map(|k| bar(0.0, wave(k)));
        let last = (n_bars > 0).then(|| bar(0.0, f64::INFINITY));
        let loops = (0..n_bars / 3).map(|k| bar(wave(k), wave(k) + 0.1 * wave(k + 1)));
        let diagram = |homology_dim, bars| Diagram { homology_dim, bars };
        vec![
            diagram(0, components.chain(last).collect()),
            diagram(1, loops.collect()),
        ]
    }

    #[test]
    fn any_number_and_scale_of_bars_is_drawn() {
        for (n_bars, scale) in [
            (0, 1.0),
            (1, 1.0),
            (16, 0.5),
            (16, 0.0),
            (196, 1.0),
            (20, 1e-6),
            (20, 1e3),
        ] {
            let diagrams = diagrams(n_bars, scale);
            for image in [
                persistence_diagram(&diagrams, "layer 3, step 1700", "Jensen-Shannon distance"),
                barcode(&diagrams, "layer 3, step 1700", "Jensen-Shannon distance"),
            ] {
                let decoded = image::load_from_memory(&image.bytes).unwrap();
                assert_eq!(
                    [decoded.width(), decoded.height()],
                    [image.width, image.height]
                );
                assert!(image.height <= 520);
                // The colour of dimension 0, which the legend has even without bars.
                let is_drawn = decoded
                    .to_rgb8()
                    .pixels()
                    .any(|pixel| pixel.0 == [213, 94, 0]);
                assert!(is_drawn, "{n_bars} bars at scale {scale}");
            }
        }
    }

    #[test]
    fn an_animation_has_a_diagram_for_each_frame() {
        use image::AnimationDecoder;
        let frames: Vec<f32> = (0..4 * 30).map(|k| (k % 30) as f32 / 29.0).collect();
        let panels = [("clip", 0, &frames[..]), ("predicted", 1, &frames[..90])];
        let panels = panels.map(|(title, first_frame, pixels)| ClipPanel {
            title,
            pixels,
            first_frame,
            captions: &[],
        });
        let diagrams: Vec<_> = (0..2).map(|k| diagrams(9 + 3 * k, 0.5)).collect();
        let animation = clip_animation(&panels, [1, 5, 6], &diagrams, "layer 3", "distance");
        let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(&animation.bytes));
        let frames = decoder.unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(frames.len(), 4);
        let [first, last] = [0, 3].map(|k| frames[k].buffer());
        assert_eq!(first.dimensions(), (animation.width, animation.height));
        let labels: Vec<String> = (0..4).map(|k| format!("class {k}")).collect();
        let captioned = ClipPanel {
            captions: &labels,
            ..panels[0]
        };
        let animation = clip_animation(&[captioned, captioned], [1, 5, 6], &[], "", "");
        assert_eq!(animation.width, 14 + 2 * (6 * 42 + 14));
        assert_eq!(animation.height, 38 + 5 * 42 + 14 + 22);
        // The predicted clip starts at the second frame, and the diagrams differ.
        assert_ne!(first.get_pixel(330, 100), last.get_pixel(330, 100));
    }
}
