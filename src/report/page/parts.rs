//! Pieces of a section.

use maud::{Markup, Render, html};

use super::condition::Condition;
use super::condition::control_name;

/// Content with a caption below; scrolls by itself where the screen is narrow.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::figure;
/// use burn_topology::report::plot::LinePlot;
///
/// let plot = LinePlot::new("Loss", "epoch", "loss (nats)").draw();
/// assert!(figure(plot, "Mean of three runs.").into_string().contains("<figcaption>"));
/// ```
pub fn figure(content: impl Render, caption: &str) -> Markup {
    html! {
        figure {
            div.scroll { (content) }
            @if !caption.is_empty() { figcaption { (caption) } }
        }
    }
}

/// Contents beside each other, below each other where the screen is narrow.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::side_by_side;
/// use maud::html;
///
/// let row = side_by_side([html! { p { "left" } }, html! { p { "right" } }]).into_string();
/// assert_eq!(row.matches("class=\"beside\"").count(), 1);
/// ```
pub fn side_by_side<T: Render>(contents: impl IntoIterator<Item = T>) -> Markup {
    html! {
        div.beside {
            @for content in contents { div { (content) } }
        }
    }
}

/// Content that is shown while a condition holds.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Condition, shown_when};
///
/// let shown = shown_when(&Condition::of("clip", 3).and("frame", 2), "the frame").into_string();
/// assert_eq!(shown, "<div data-when=\"clip=3 frame=2\">the frame</div>");
/// ```
pub fn shown_when(condition: &Condition, content: impl Render) -> Markup {
    let when = (!condition.is_always()).then(|| condition.to_string());
    html! { div data-when=[when] { (content) } }
}

/// The value of a control, within text: the name of the option, or the step.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::value_of;
///
/// assert!(value_of("frame").into_string().contains("data-text=\"frame\""));
/// ```
pub fn value_of(control: &str) -> Markup {
    html! { span data-text=(control_name(control)) {} }
}
