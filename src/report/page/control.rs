//! What the reader chooses, and what is shown then.

use maud::{Markup, html};

/// Something to choose by; every control of a page has a name of its own.
///
/// # Example
///
/// ```
/// use burn_topology::report::{Choice, Control, when};
///
/// let clips = [("a", 8), ("b", 5)].map(|(title, n_frames)| Choice::new(title).with_steps(n_frames));
/// let controls = [
///     Control::choice("clip", "Clip", clips.to_vec()).limiting("frame"),
///     Control::range("frame", "Frame", 8),
/// ];
/// let text = Control::bar(&controls).into_string();
/// assert!(text.contains("data-control=\"clip\"") && text.contains("data-limit=\"7\""));
/// assert_eq!(when(&[("clip", 1), ("frame", 4)]), "clip=1 frame=4");
/// ```
#[derive(Debug, Clone)]
pub struct Control {
    name: &'static str,
    label: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Choice {
        options: Vec<Choice>,
        limits: Option<&'static str>,
    },
    Range {
        n_steps: usize,
    },
}

/// One of several; its value is its place.
#[derive(Debug, Clone)]
pub struct Choice {
    title: String,
    n_steps: Option<usize>,
}

impl Choice {
    /// What the reader reads.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            n_steps: None,
        }
    }

    /// Steps that the range has for this choice, where the control is [`limiting`](Control::limiting) one.
    pub fn with_steps(mut self, n_steps: usize) -> Self {
        self.n_steps = Some(n_steps);
        self
    }
}

impl Control {
    /// One of several, by their places.
    pub fn choice(name: &'static str, label: &'static str, options: Vec<Choice>) -> Self {
        let kind = Kind::Choice {
            options,
            limits: None,
        };
        Self { name, label, kind }
    }

    /// A number from 0 to one less than `n_steps`, which plays.
    pub fn range(name: &'static str, label: &'static str, n_steps: usize) -> Self {
        let kind = Kind::Range { n_steps };
        Self { name, label, kind }
    }

    /// The choice says how many steps that range has.
    pub fn limiting(mut self, range: &'static str) -> Self {
        if let Kind::Choice { limits, .. } = &mut self.kind {
            *limits = Some(range);
        }
        self
    }

    /// Controls side by side, with a button to play a range.
    pub fn bar(controls: &[Self]) -> Markup {
        let plays = controls
            .iter()
            .any(|control| matches!(control.kind, Kind::Range { .. }));
        html! {
            div.controls role="group" aria-label="What is shown" {
                @for control in controls { (control.markup()) }
                @if plays { button #play type="button" aria-pressed="false" { "Play" } }
            }
        }
    }

    fn markup(&self) -> Markup {
        match &self.kind {
            Kind::Choice { options, limits } => html! {
                label {
                    (self.label)
                    select data-control=(self.name) data-limits=[*limits] {
                        @for (place, option) in options.iter().enumerate() {
                            option value=(place) data-limit=[option.n_steps.map(last)] { (option.title) }
                        }
                    }
                }
            },
            Kind::Range { n_steps } => html! {
                label {
                    (self.label)
                    input type="range" data-control=(self.name) min="0" max=(last(*n_steps)) value="0" step="1";
                    output data-text=(self.name) { "0" }
                }
            },
        }
    }
}

fn last(n_steps: usize) -> usize {
    n_steps.saturating_sub(1)
}

/// The value of an attribute `data-when`: an element that has it is shown if all these controls have these
/// values.
pub fn when(conditions: &[(&str, usize)]) -> String {
    let conditions = conditions
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    conditions.collect::<Vec<_>>().join(" ")
}
