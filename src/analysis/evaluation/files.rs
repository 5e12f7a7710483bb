//! Files of an evaluation.

use super::page::page;
use super::results::EvaluatedRun;
use crate::error::Result;
use crate::report::csv_field;
use crate::run::OutputDirectory;
use crate::statistics::ConfusionMatrix;

/// Writes `report.html` and `evaluation.json`, and for classifiers `classes.csv` and `confusion.csv`.
///
/// # Errors
///
/// The errors of [`OutputDirectory`].
pub fn write_report(
    output: OutputDirectory,
    command: &str,
    evaluated: &EvaluatedRun,
) -> Result<()> {
    let write = |name: &str, text: &str| output.write(name, text.as_bytes());
    write("evaluation.json", &format!("{:#}\n", evaluated.to_json()))?;
    if let Some(confusion) = &evaluated.evaluation.confusion {
        write("classes.csv", &classes_csv(evaluated, confusion))?;
        write("confusion.csv", &confusion_csv(evaluated, confusion))?;
    }
    write("report.html", &page(command, evaluated).to_html())?;
    output.finish()
}

/// Returns the scores of every class; a score that is not defined is an empty field.
fn classes_csv(evaluated: &EvaluatedRun, confusion: &ConfusionMatrix) -> String {
    let optional = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
    let mut text = "class,name,n,n_predicted,accuracy,precision,f1\n".to_owned();
    for (class, scores) in confusion.by_class().into_iter().enumerate() {
        text.push_str(&format!(
            "{class},{},{},{},{},{},{}\n",
            csv_field(&evaluated.class_name(class)),
            scores.n_samples,
            scores.n_predicted,
            optional(scores.accuracy),
            optional(scores.precision),
            optional(scores.f1),
        ));
    }
    text
}

/// Returns a line for each pair of a true and a predicted class that occurs.
fn confusion_csv(evaluated: &EvaluatedRun, confusion: &ConfusionMatrix) -> String {
    let mut text = "label,label_name,predicted,predicted_name,n\n".to_owned();
    for (label, predicted, count) in confusion.counts() {
        let [label_name, predicted_name] =
            [label, predicted].map(|class| csv_field(&evaluated.class_name(class)));
        text.push_str(&format!(
            "{label},{label_name},{predicted},{predicted_name},{count}\n"
        ));
    }
    text
}
