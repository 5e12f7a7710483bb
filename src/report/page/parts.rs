//! Building blocks of sections: figures, rows, conditional content and values of controls.

use maud::{Markup, Render, html};

use crate::report::condition::Condition;
use crate::report::condition::control_name;

/// Returns content with a caption below it; content wider than the screen scrolls on its own.
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

/// Arranges contents in a row, or in a column on a narrow screen.
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

/// Returns content that is shown only while a condition holds.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Condition, shown_when};
///
/// let html = shown_when(&Condition::equals("clip", 3).and("frame", 2), "the frame").into_string();
/// assert_eq!(html, "<div data-when=\"clip=3 frame=2\">the frame</div>");
/// ```
pub fn shown_when(condition: &Condition, content: impl Render) -> Markup {
    let when = (!condition.is_always()).then(|| condition.to_string());
    html! { div data-when=[when] { (content) } }
}

/// Returns the current value of a control as text: the name of the chosen option, or the step.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::control_value;
///
/// assert!(control_value("frame").into_string().contains("data-text=\"frame\""));
/// ```
pub fn control_value(control: &str) -> Markup {
    html! { span data-text=(control_name(control)) {} }
}
