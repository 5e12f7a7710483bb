//! Conditions on the controls of a page, under which parts of it are shown.

use std::fmt;

/// Condition on the values of a page's controls: a conjunction of `control = value` and `control in range`.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::Condition;
///
/// let condition = Condition::equals("clip", 3).and("frame", 2);
/// assert_eq!(condition.to_string(), "clip=3 frame=2");
/// // A tubelet covers two frames.
/// assert_eq!(Condition::between("frame", 2, 3).to_string(), "frame=2-3");
/// assert!(Condition::always().is_always());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    parts: Vec<Part>,
}

/// Range of values of one control, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    control: String,
    first: usize,
    last: usize,
}

impl Condition {
    /// Creates a condition that always holds.
    pub fn always() -> Self {
        Self::default()
    }

    /// Creates the condition that a control has a value: the index of its option, or the step of its range, from 0.
    pub fn equals(control: &str, value: usize) -> Self {
        Self::between(control, value, value)
    }

    /// Creates the condition that a control's value lies between two values, both included.
    pub fn between(control: &str, first: usize, last: usize) -> Self {
        let control = control_name(control);
        Self {
            parts: vec![Part {
                control,
                first,
                last,
            }],
        }
    }

    /// Adds the condition that another control has a value.
    #[must_use]
    pub fn and(self, control: &str, value: usize) -> Self {
        self.and_all(Self::equals(control, value))
    }

    /// Adds all parts of another condition.
    #[must_use]
    pub fn and_all(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// True if the condition holds for all values of the controls.
    pub fn is_always(&self) -> bool {
        self.parts.is_empty()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}={}", part.control, part.first)?;
            if part.last != part.first {
                write!(f, "-{}", part.last)?;
            }
        }
        Ok(())
    }
}

/// Replaces all but ASCII letters, digits and underscores by hyphens, so that a name needs no escaping in conditions
/// and links.
pub(super) fn control_name(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars()
        .map(|c| if kept(c) { c } else { '-' })
        .collect()
}
