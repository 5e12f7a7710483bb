//! When something is shown.

use std::fmt;

/// States of a page's controls in which something is shown: all parts must hold.
///
/// # Example
///
/// ```
/// use burn_topology::report::page::Condition;
///
/// let when = Condition::of("clip", 3).and("frame", 2);
/// assert_eq!(when.to_string(), "clip=3 frame=2");
/// // A tubelet is of two frames.
/// assert_eq!(Condition::between("frame", 2, 3).to_string(), "frame=2-3");
/// assert!(Condition::always().is_always());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    control: String,
    first: usize,
    last: usize,
}

impl Condition {
    /// Nothing is asked for.
    pub fn always() -> Self {
        Self::default()
    }

    /// A control has a value: the place of its option, or the step of its range, from 0.
    pub fn of(control: &str, value: usize) -> Self {
        Self::between(control, value, value)
    }

    /// A control's value lies between two, both included.
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

    /// And another control has a value.
    #[must_use]
    pub fn and(self, control: &str, value: usize) -> Self {
        self.and_all(Self::of(control, value))
    }

    /// And everything that another condition asks for.
    #[must_use]
    pub fn and_all(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self
    }

    /// Whether nothing is asked for.
    pub fn is_always(&self) -> bool {
        self.parts.is_empty()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{}={}", part.control, part.first)?;
            if part.last != part.first {
                write!(f, "-{}", part.last)?;
            }
        }
        Ok(())
    }
}

/// A name that needs no escaping in conditions and links: what is not a letter, digit or underscore
/// of ASCII becomes a hyphen.
pub(super) fn control_name(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars()
        .map(|c| if kept(c) { c } else { '-' })
        .collect()
}
