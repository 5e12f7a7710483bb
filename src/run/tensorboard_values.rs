//! Values of TensorBoard events for its plugins, encoded as TensorBoard's own writers do.
//!
//! TensorBoard 2.21 reads all of them.

use std::collections::HashMap;

use protobuf::well_known_types::Value;
use protobuf::{Message, RepeatedField};
use tensorboard_proto::api::{DataType as HparamType, Experiment, HParamInfo, MetricInfo, Status};
use tensorboard_proto::layout::{Category, Chart as ChartMessage, Layout, MultilineChartContent};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionEndInfo, SessionStartInfo};
use tensorboard_proto::summary::{Summary_Value, SummaryMetadata};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::TensorShapeProto_Dim;
use tensorboard_proto::types::DataType;

/// Value of a setting in the table of hyperparameters.
#[derive(Debug, Clone, PartialEq)]
pub enum HparamValue {
    /// Number.
    Number(f64),
    /// Text, such as the name of a choice.
    Text(String),
    /// True or false.
    Flag(bool),
}

/// Chart on the page of custom scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chart {
    /// Title of the chart.
    pub title: &'static str,
    /// Regular expressions; every tag that one of them matches is a line of the chart.
    pub tags: &'static [&'static str],
}

/// Number of the field `SummaryMetadata.data_class`, which tensorboard-rs does not define.
const DATA_CLASS_FIELD: u32 = 4;

/// Number of the field `HParamInfo.differs`, which tensorboard-rs does not define either.
const DIFFERS_FIELD: u32 = 7;

/// Values of `SummaryMetadata.data_class`.
#[derive(Clone, Copy)]
enum DataClass {
    Tensor = 2,
    BlobSequence = 3,
}

/// Number of buckets of a histogram.
const N_BUCKETS: usize = 30;

/// Histogram of the finite values: rows of left edge, right edge and count.
///
/// Equal values give one bucket of width 1, as in TensorBoard.
pub(super) fn histogram(tag: &str, values: &[f64]) -> Summary_Value {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite
        .clone()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    let n_values = finite.clone().count();
    let mut rows = Vec::new();
    if n_values > 0 && low == high {
        rows.extend([low - 0.5, low + 0.5, n_values as f64]);
    } else if n_values > 0 {
        let width = (high - low) / N_BUCKETS as f64;
        let mut counts = [0.0; N_BUCKETS];
        for value in finite {
            let bucket = ((value - low) / width) as usize;
            // The largest value lies on the last edge, and rounding can put others there.
            counts[bucket.min(N_BUCKETS - 1)] += 1.0;
        }
        for (bucket, count) in counts.into_iter().enumerate() {
            let edge = |k: usize| match k {
                // Exactly, because the sum of the widths is rounded.
                N_BUCKETS => high,
                k => low + k as f64 * width,
            };
            rows.extend([edge(bucket), edge(bucket + 1), count]);
        }
    }
    let mut tensor = tensor(DataType::DT_DOUBLE, &[rows.len() / 3, 3]);
    tensor.set_double_val(rows);
    value(tag, "histograms", DataClass::Tensor, Vec::new(), tensor)
}

/// Text in Markdown.
pub(super) fn text(tag: &str, markdown: &str) -> Summary_Value {
    let mut tensor = tensor(DataType::DT_STRING, &[1]);
    tensor.set_string_val(strings([markdown.as_bytes().to_vec()]));
    let tag = format!("{tag}/text_summary");
    value(&tag, "text", DataClass::Tensor, Vec::new(), tensor)
}

/// Encoded image of `size`, width and height in pixels.
pub(super) fn image(tag: &str, size: [u32; 2], png: &[u8]) -> Summary_Value {
    let [width, height] = size.map(|side| side.to_string().into_bytes());
    let mut tensor = tensor(DataType::DT_STRING, &[3]);
    tensor.set_string_val(strings([width, height, png.to_vec()]));
    value(tag, "images", DataClass::BlobSequence, Vec::new(), tensor)
}

/// Columns of the table of hyperparameters, and the settings of this run; the settings `first` are the first columns.
pub(super) fn hparams_start(
    settings: &[(String, HparamValue)],
    first: &[String],
    metrics: &[String],
    group: &str,
    seconds: f64,
) -> [Summary_Value; 2] {
    let mut experiment = Experiment::new();
    for (name, setting) in settings {
        let mut info = HParamInfo::new();
        info.set_name(name.clone());
        info.set_field_type(match setting {
            HparamValue::Number(_) => HparamType::DATA_TYPE_FLOAT64,
            HparamValue::Text(_) => HparamType::DATA_TYPE_STRING,
            HparamValue::Flag(_) => HparamType::DATA_TYPE_BOOL,
        });
        if first.contains(name) {
            // TensorBoard sorts the columns by this flag and then by name, and shows only a few of them at first.
            info.mut_unknown_fields().add_varint(DIFFERS_FIELD, 1);
        }
        experiment.mut_hparam_infos().push(info);
    }
    for tag in metrics {
        let mut info = MetricInfo::new();
        info.mut_name().set_tag(tag.clone());
        experiment.mut_metric_infos().push(info);
    }
    experiment.set_time_created_secs(seconds);
    let mut start = SessionStartInfo::new();
    let values = settings.iter().map(|(name, setting)| {
        let mut value = Value::new();
        match setting {
            HparamValue::Number(number) => value.set_number_value(*number),
            HparamValue::Text(text) => value.set_string_value(text.clone()),
            HparamValue::Flag(flag) => value.set_bool_value(*flag),
        }
        (name.clone(), value)
    });
    // A map has no order; the columns above keep that of the settings.
    start.set_hparams(values.collect::<HashMap<_, _>>());
    start.set_group_name(group.to_owned());
    start.set_start_time_secs(seconds);
    let mut columns = HParamsPluginData::new();
    columns.set_experiment(experiment);
    let mut row = HParamsPluginData::new();
    row.set_session_start_info(start);
    [
        hparams("_hparams_/experiment", &columns),
        hparams("_hparams_/session_start_info", &row),
    ]
}

/// End of this run in the table of hyperparameters.
pub(super) fn hparams_end(is_success: bool, seconds: f64) -> Summary_Value {
    let mut end = SessionEndInfo::new();
    end.set_status(if is_success {
        Status::STATUS_SUCCESS
    } else {
        Status::STATUS_FAILURE
    });
    end.set_end_time_secs(seconds);
    let mut data = HParamsPluginData::new();
    data.set_session_end_info(end);
    hparams("_hparams_/session_end_info", &data)
}

/// Page of custom scalars: categories of charts.
pub(super) fn layout(categories: &[(&str, &[Chart])]) -> Summary_Value {
    let mut layout = Layout::new();
    for (title, charts) in categories {
        let mut category = Category::new();
        category.set_title((*title).to_owned());
        for chart in *charts {
            let mut lines = MultilineChartContent::new();
            lines.set_tag(chart.tags.iter().map(|tag| (*tag).to_owned()).collect());
            let mut message = ChartMessage::new();
            message.set_title(chart.title.to_owned());
            message.set_multiline(lines);
            category.mut_chart().push(message);
        }
        layout.mut_category().push(category);
    }
    let mut tensor = tensor(DataType::DT_STRING, &[]);
    tensor.set_string_val(strings([encoded(&layout)]));
    let tag = "custom_scalars__config__";
    value(tag, "custom_scalars", DataClass::Tensor, Vec::new(), tensor)
}

fn hparams(tag: &str, data: &HParamsPluginData) -> Summary_Value {
    // The content is in the metadata; the empty tensor is what TensorBoard itself writes here.
    let tensor = tensor(DataType::DT_FLOAT, &[0]);
    value(tag, "hparams", DataClass::Tensor, encoded(data), tensor)
}

fn value(
    tag: &str,
    plugin: &str,
    class: DataClass,
    content: Vec<u8>,
    tensor: TensorProto,
) -> Summary_Value {
    let mut metadata = SummaryMetadata::new();
    metadata
        .mut_plugin_data()
        .set_plugin_name(plugin.to_owned());
    metadata.mut_plugin_data().set_content(content);
    metadata
        // Written as an unknown field, which has the same bytes as a field of that number.
        .mut_unknown_fields()
        .add_varint(DATA_CLASS_FIELD, class as u64);
    let mut value = Summary_Value::new();
    value.set_tag(tag.to_owned());
    value.set_metadata(metadata);
    value.set_tensor(tensor);
    value
}

fn tensor(dtype: DataType, shape: &[usize]) -> TensorProto {
    let mut tensor = TensorProto::new();
    tensor.set_dtype(dtype);
    for &side in shape {
        let mut dim = TensorShapeProto_Dim::new();
        dim.set_size(side as i64);
        tensor.mut_tensor_shape().mut_dim().push(dim);
    }
    // Creates an empty shape where there are no sides: a scalar without a shape is not read.
    tensor.mut_tensor_shape();
    tensor
}

fn strings<const N: usize>(values: [Vec<u8>; N]) -> RepeatedField<Vec<u8>> {
    RepeatedField::from_vec(values.into())
}

fn encoded(message: &impl Message) -> Vec<u8> {
    message.write_to_bytes().expect("every field is set")
}
