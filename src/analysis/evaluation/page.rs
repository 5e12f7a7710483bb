//! The page of an evaluation.

use maud::{Markup, html};

use super::results::EvaluatedRun;
use crate::counted::{capitalised, counted, numbered};
use crate::report::page::{Column, Page, Section, Table, figure, number};
use crate::report::plot::Heatmap;
use crate::statistics::ConfusionMatrix;

/// Largest number of classes whose confusion matrix is drawn; cells of more would be too small to be told apart.
const MAX_DRAWN_CLASSES: usize = 100;

/// Largest number of rows of the table of classes.
const MAX_LISTED_CLASSES: usize = 200;

/// Number of pairs of classes that are listed.
const N_PAIRS: usize = 20;

/// Builds the page with all its sections.
pub(super) fn page(command: &str, evaluated: &EvaluatedRun) -> Page {
    let evaluation = &evaluated.evaluation;
    let noun = match evaluated.counted_noun {
        "frame" => "clip",
        noun => noun,
    };
    let lead = format!(
        "The {} split, {}; checkpoint of step {}.",
        evaluated.split,
        counted(evaluation.n_samples, noun),
        evaluated.step,
    );
    let mut page = Page::new(format!("Evaluation of {}", evaluated.run), lead)
        .section(Section::new("Metrics", metrics(evaluated)));
    if let Some(confusion) = &evaluation.confusion {
        page = page
            .section(Section::new(
                "Confusion matrix",
                confusion_section(evaluated, confusion),
            ))
            .section(Section::new("Classes", classes(evaluated, confusion)));
    }
    if evaluated.has_topology {
        page = page.section(Section::new("Attention topology", topology(evaluated)));
    }
    page.section(Section::new("Command", html! { p { code { (command) } } }))
}

/// Returns the table of the metrics.
fn metrics(evaluated: &EvaluatedRun) -> Markup {
    let columns = vec![Column::text("Metric"), Column::number("Value", "")];
    let loss = format!("loss ({})", evaluated.task.loss_unit());
    let table = Table::new(format!("On the {} split", evaluated.split), columns)
        .row([loss, number(evaluated.evaluation.loss)]);
    let table = evaluated
        .metrics()
        .into_iter()
        .fold(table, |table, (name, value)| {
            table.row([in_words(&name), number(value)])
        });
    html! {
        (table)
        @if evaluated.evaluation.confusion.is_some() {
            p {
                "Macro F1 is the mean over the classes of F1, the harmonic mean of accuracy and precision of a class, so "
                "that every class counts the same however many samples it has."
            }
        }
    }
}

/// Returns a name of a metric in words.
fn in_words(name: &str) -> String {
    let words = name.replace(['_', '/'], " ");
    words.replace("f1", "F1").replace("top 5", "top-5")
}

/// Returns the drawing of the confusion matrix, if it is not too large, and the table of the pairs confused most often.
fn confusion_section(evaluated: &EvaluatedRun, confusion: &ConfusionMatrix) -> Markup {
    let n_classes = confusion.n_classes();
    let columns = vec![
        Column::text("True class"),
        Column::text("Predicted class"),
        Column::number(capitalised(&numbered(2, evaluated.counted_noun)), ""),
        Column::number("Of the true class", "%"),
    ];
    let pairs = evaluated.most_confused(N_PAIRS);
    let pairs = pairs.into_iter().fold(
        Table::new("Classes that are confused most often", columns),
        |table, pair| {
            table.row([
                evaluated.class_name(pair.label),
                evaluated.class_name(pair.predicted),
                pair.count.to_string(),
                format!("{:.1}", 100.0 * pair.fraction),
            ])
        },
    );
    html! {
        @if n_classes <= MAX_DRAWN_CLASSES {
            (figure(
                heatmap(evaluated, confusion).draw(),
                "Rows are true classes, columns predicted ones. A row adds up to 1, unless its class has no samples: it is \
                 empty then. Numbers on the diagonal are the accuracies of the classes.",
            ))
        } @else {
            p {
                "The matrix of " (counted(n_classes, "class")) " is too large to be drawn; " code { "confusion.csv" }
                " has all its entries."
            }
        }
        @if pairs.rows.is_empty() {
            p { "No class was confused with another." }
        } @else {
            (pairs)
        }
    }
}

/// Returns the confusion matrix as fractions of the true classes.
fn heatmap(evaluated: &EvaluatedRun, confusion: &ConfusionMatrix) -> Heatmap {
    let n_classes = confusion.n_classes();
    let names = || -> Vec<String> {
        (0..n_classes)
            .map(|class| evaluated.class_name(class))
            .collect()
    };
    let classes = confusion.by_class();
    let values = (0..n_classes).flat_map(|label| {
        let n_samples = classes[label].n_samples as f64;
        // Without samples the quotient is NaN, which is drawn as an empty cell.
        (0..n_classes).map(move |predicted| (label, predicted, n_samples))
    });
    let values = values
        .map(|(label, predicted, n_samples)| confusion.count(label, predicted) as f64 / n_samples);
    Heatmap {
        range: Some([0.0, 1.0]),
        ..Heatmap::new(
            "True classes (rows) and predicted classes (columns)",
            format!(
                "fraction of the {} of the true class (row) for which the class of the column is predicted",
                numbered(2, evaluated.counted_noun)
            ),
            names(),
            names(),
            values.collect(),
        )
    }
}

/// Returns the table of the classes, of many only those with the lowest accuracy.
fn classes(evaluated: &EvaluatedRun, confusion: &ConfusionMatrix) -> Markup {
    let scores = confusion.by_class();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let is_cut = order.len() > MAX_LISTED_CLASSES;
    if is_cut {
        let accuracy = |class: usize| scores[class].accuracy.unwrap_or(f64::INFINITY);
        order.sort_by(|&a, &b| accuracy(a).total_cmp(&accuracy(b)));
        order.truncate(MAX_LISTED_CLASSES);
    }
    let columns = vec![
        Column::text("Class"),
        Column::number(capitalised(&numbered(2, evaluated.counted_noun)), ""),
        Column::number("Predicted", ""),
        Column::number("Accuracy", ""),
        Column::number("Precision", ""),
        Column::number("F1", ""),
    ];
    let optional = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let table = order
        .into_iter()
        .fold(Table::new("Scores by class", columns), |table, class| {
            let scores = scores[class];
            table.row([
                evaluated.class_name(class),
                scores.n_samples.to_string(),
                scores.n_predicted.to_string(),
                optional(scores.accuracy),
                optional(scores.precision),
                optional(scores.f1),
            ])
        });
    html! {
        p {
            "The accuracy of a class is the fraction of its " (numbered(2, evaluated.counted_noun))
            " for which it is predicted (recall); the precision is the fraction of its predictions that are right."
        }
        @if is_cut {
            p {
                "The " (MAX_LISTED_CLASSES) " classes with the lowest accuracy; " code { "classes.csv" } " has all of them."
            }
        }
        (table)
    }
}

/// Returns the table of the means over the measured samples, by layer.
fn topology(evaluated: &EvaluatedRun) -> Markup {
    let columns = vec![Column::text("Quantity"), Column::number("Mean", "")];
    let means = evaluated.evaluation.monitor.means().into_iter();
    let table = means.fold(
        Table::new("Means over samples", columns),
        |table, (name, value)| {
            // Added to 0, because a sum of no numbers is -0.
            table.row([name, number(value + 0.0)])
        },
    );
    html! { (table) }
}
