//! Choosers and sliders, which determine what a page shows.

use maud::{Markup, Render, html};

use crate::report::condition::control_name;

/// Number of steps of a slider.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Control, Steps};
///
/// // Three clips of different lengths.
/// let steps = Steps::ByChoice { control: "clip".to_owned(), n_steps: vec![20, 12, 8] };
/// assert!(Control::range("frame", "Frame", steps).markup().into_string().contains("20 12 8"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steps {
    /// Fixed number of steps.
    Fixed(usize),
    /// Number of steps that depends on the value of another control.
    ByChoice {
        /// Name of the control.
        control: String,
        /// Number of steps for each value of that control; the last applies to all further values.
        n_steps: Vec<usize>,
    },
}

/// Shortest time per step of a slider that is played; a shorter one would keep the browser from reacting to the reader.
const MIN_INTERVAL: u32 = 20;

/// Appearance of a control.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Choice { options: Vec<String> },
    Range { steps: Steps },
}

/// Control of a page: a chooser or a slider.
///
/// Its value is a whole number from 0, used in [`Condition`](super::Condition)s and in the page's address, such as
/// `#clip=3&frame=2`. A name may belong to only one control of a page.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Control, Steps, controls};
///
/// let bar = controls(&[
///     Control::choice("clip", "Clip", ["walking", "running"]),
///     Control::range("frame", "Frame", Steps::Fixed(20)).with_play_button(400),
/// ]);
/// assert!(bar.into_string().contains("data-control=\"frame\""));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    name: String,
    label: String,
    kind: Kind,
    milliseconds_per_step: Option<u32>,
}

impl Control {
    /// Creates a chooser; its value is the index of the chosen option.
    pub fn choice<T: Into<String>>(
        name: &str,
        label: impl Into<String>,
        options: impl IntoIterator<Item = T>,
    ) -> Self {
        let options = options.into_iter().map(Into::into).collect();
        Self::new(name, label.into(), Kind::Choice { options })
    }

    /// Creates a slider; its value is the step.
    pub fn range(name: &str, label: impl Into<String>, steps: Steps) -> Self {
        Self::new(name, label.into(), Kind::Range { steps })
    }

    /// Adds a button that advances a slider by one step every `milliseconds_per_step`, and from the last to the first.
    #[must_use]
    pub fn with_play_button(mut self, milliseconds_per_step: u32) -> Self {
        self.milliseconds_per_step = Some(milliseconds_per_step);
        self
    }

    fn new(name: &str, label: String, kind: Kind) -> Self {
        Self {
            name: control_name(name),
            label,
            kind,
            milliseconds_per_step: None,
        }
    }

    /// Returns the HTML of the control.
    pub fn markup(&self) -> Markup {
        let (name, label) = (&self.name, &self.label);
        let id = format!("control_{name}");
        match &self.kind {
            Kind::Choice { options } => html! {
                span.control {
                    label for=(id) { (label) }
                    // No autocompletion: a value that the browser restores could contradict the address.
                    select id=(id) data-control=(name) autocomplete="off" {
                        @for (value, option) in options.iter().enumerate() {
                            option value=(value) { (option) }
                        }
                    }
                }
            },
            Kind::Range { steps } => html! {
                span.control.range {
                    @if let Some(milliseconds) = self.milliseconds_per_step {
                        button type="button" data-play=(name) data-interval=(milliseconds.max(MIN_INTERVAL))
                            aria-label={ "Play " (label) } aria-pressed="false" {}
                    }
                    label for=(id) { (label) }
                    (slider(name, &id, steps))
                    output for=(id) {
                        span data-text=(name) { "0" } " / " span data-last=(name) { (last(steps)) }
                    }
                }
            },
        }
    }
}

/// Returns the input element of a slider.
fn slider(name: &str, id: &str, steps: &Steps) -> Markup {
    let (controlled_by, counts) = match steps {
        Steps::Fixed(_) => (None, None),
        Steps::ByChoice { control, n_steps } => {
            let counts: Vec<String> = n_steps.iter().map(usize::to_string).collect();
            (Some(control_name(control)), Some(counts.join(" ")))
        }
    };
    html! {
        input type="range" id=(id) data-control=(name) min="0" max=(last(steps)) step="1" value="0"
            data-steps-of=[controlled_by] data-steps=[counts] autocomplete="off";
    }
}

/// Returns the last step at the initial values of all controls.
fn last(steps: &Steps) -> usize {
    let n_steps = match steps {
        Steps::Fixed(n_steps) => *n_steps,
        Steps::ByChoice { n_steps, .. } => n_steps.first().copied().unwrap_or_default(),
    };
    n_steps.saturating_sub(1)
}

impl Render for Control {
    fn render(&self) -> Markup {
        self.markup()
    }
}

/// Returns a bar of controls, which stays at the top of the window while its section is scrolled.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::{Control, controls};
///
/// let bar = controls(&[Control::choice("layer", "Layer", ["1", "2"])]).into_string();
/// assert!(bar.contains("role=\"group\""));
/// ```
pub fn controls(controls: &[Control]) -> Markup {
    html! {
        div.controls role="group" aria-label="Controls" {
            @for control in controls { (control) }
        }
    }
}
