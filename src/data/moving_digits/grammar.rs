//! Closed grammar of captions: sentences from the factors of a clip, each in several wordings.

use super::factors::{Action, Factors, Growth, Motion, Scenery, Side, Speed, Turn};

/// Wording of a caption: one of [`N_WORDINGS`] for its subject, and one for its predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wording {
    subject: usize,
    predicate: usize,
}

/// Number of wordings of a subject and of a predicate.
const N_WORDINGS: usize = 3;

impl Wording {
    /// All wordings.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..N_WORDINGS * N_WORDINGS).map(|index| Self {
            subject: index / N_WORDINGS,
            predicate: index % N_WORDINGS,
        })
    }

    /// True for wordings that can be held out of training: each part of them occurs in others, which training has, and
    /// the plainest wording, that of the first parts, is not among them.
    pub(super) fn can_be_held_out(self) -> bool {
        self.subject + self.predicate == N_WORDINGS - 1
    }
}

impl Factors {
    /// Sentence about a clip.
    pub(super) fn sentence(&self, wording: Wording) -> String {
        let subject = match self.partner {
            None => one(self.digit, wording.subject),
            Some(partner) => two([self.digit, partner], wording.subject),
        };
        format!("{subject} {}", self.action.predicate(wording.predicate))
    }
}

const DIGITS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

const PLURALS: [&str; 10] = [
    "zeros", "ones", "twos", "threes", "fours", "fives", "sixes", "sevens", "eights", "nines",
];

/// Directions by eighth of the full circle, counted from the right and counterclockwise.
const DIRECTIONS: [&str; 8] = [
    "right",
    "right and up",
    "up",
    "left and up",
    "left",
    "left and down",
    "down",
    "right and down",
];

/// Digit with its indefinite article.
fn with_article(digit: usize) -> String {
    let article = if digit == 8 { "an" } else { "a" };
    format!("{article} {}", DIGITS[digit])
}

/// Subject of one digit.
fn one(digit: usize, wording: usize) -> String {
    match wording {
        0 => with_article(digit),
        1 => format!("the digit {}", DIGITS[digit]),
        _ => format!("the number {}", DIGITS[digit]),
    }
}

/// Subject of two digits.
fn two([first, second]: [usize; 2], wording: usize) -> String {
    let [one, other] = [first, second].map(|digit| DIGITS[digit]);
    match wording {
        0 if first == second => format!("two {}", PLURALS[first]),
        0 => format!("{} and {}", with_article(first), with_article(second)),
        1 => format!("the digits {one} and {other}"),
        _ => format!("the numbers {one} and {other}"),
    }
}

impl Action {
    /// Predicate of a sentence about the action, with the place of two digits before it.
    fn predicate(self, wording: usize) -> String {
        let said = match self.motion {
            Motion::Still => ["stays still", "stands still", "does not move"][wording].to_owned(),
            Motion::Move { direction, speed } => {
                let verb = ["moves", "goes", "drifts"][wording];
                let speed = match speed {
                    None => "",
                    Some(Speed::Slow) => " slowly",
                    Some(Speed::Fast) => " fast",
                };
                format!("{verb} {}{speed}", DIRECTIONS[direction.0])
            }
            Motion::Bounce => {
                ["bounces", "bounces around", "bounces off the border"][wording].to_owned()
            }
            Motion::Turn { turn, growth } => {
                let verb = ["turns", "rotates", "spins"][wording];
                let turn = match turn {
                    Turn::Left => "left",
                    Turn::Right => "right",
                };
                let growth = match growth {
                    Growth::Grow => "grows",
                    Growth::Shrink => "shrinks",
                };
                format!("{verb} {turn} and {growth}")
            }
            Motion::Apart(side) => {
                placed(side, ["stay apart", "keep apart", "do not touch"][wording])
            }
            Motion::Merge(side) => placed(side, ["come together", "merge", "meet"][wording]),
            Motion::Split(side) => placed(side, ["move apart", "separate", "part"][wording]),
            Motion::Appear(side) => placed(
                side,
                [
                    "appear in turn",
                    "appear one after the other",
                    "show up in turn",
                ][wording],
            ),
        };
        let scenery = match self.scenery {
            Scenery::Plain => "",
            Scenery::Bar => " behind a bar",
            Scenery::Noise => " in noise",
            Scenery::Blur => " out of focus",
        };
        format!("{said}{scenery}")
    }
}

/// Place of two digits, then what they do.
fn placed(side: Side, predicate: &str) -> String {
    let side = match side {
        Side::Beside => "side by side",
        Side::Above => "one above the other",
    };
    format!("{side} {predicate}")
}
