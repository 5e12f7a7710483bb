//! TensorBoard event files.
//!
//! Framing and messages come from tensorboard-rs. Files are written here, because the writer of that
//! crate truncates a file of the same second, loses queued events at exit, and panics on a full disk.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use protobuf::Message;
use tensorboard_proto::event::{Event, SessionLog_SessionStatus};
use tensorboard_proto::summary::Summary_Value;
use tensorboard_rs::record_writer::RecordWriter;
use tensorboard_rs::summary;

use super::tensorboard_values::{self, Chart, HparamValue};

/// Time after which the next event is written to the file with all that were collected.
const FLUSH_INTERVAL: Duration = Duration::from_secs(2);

/// Writer of one TensorBoard event file.
///
/// # Errors
///
/// Every method returns errors of the file system; none panics.
pub struct EventWriter {
    records: RecordWriter<BufWriter<File>>,
    flushed: Instant,
}

impl EventWriter {
    /// Creates a new event file in `directory`, and the directory if it is missing.
    pub fn create(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let file = new_file(directory)?;
        let mut writer = Self {
            records: RecordWriter::new(BufWriter::new(file)),
            flushed: Instant::now(),
        };
        let mut event = event();
        // From this version on TensorBoard heeds `session_start`, instead of guessing restarts from the steps.
        event.set_file_version("brain.Event:2".to_owned());
        writer.write(&event)?;
        Ok(writer)
    }

    /// Marks the start or a resumption of a run: TensorBoard ignores values of this step and later that were
    /// written before.
    pub fn session_start(&mut self, step: usize) -> io::Result<()> {
        let mut event = event();
        event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        event
            .mut_session_log()
            .set_status(SessionLog_SessionStatus::START);
        self.write(&event)
    }

    /// Appends one number, which the file stores in 32 bits.
    pub fn scalar(&mut self, tag: &str, value: f64, step: usize) -> io::Result<()> {
        let mut event = event();
        event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        event.set_summary(summary::scalar(tag, value as f32));
        self.write(&event)
    }

    /// Appends a histogram of some numbers; numbers that are not finite are left out.
    pub fn histogram(&mut self, tag: &str, values: &[f64], step: usize) -> io::Result<()> {
        self.summary(step, vec![tensorboard_values::histogram(tag, values)])
    }

    /// Appends a text in Markdown.
    pub fn text(&mut self, tag: &str, markdown: &str, step: usize) -> io::Result<()> {
        self.summary(step, vec![tensorboard_values::text(tag, markdown)])
    }

    /// Appends an encoded image of `size`, width and height in pixels.
    pub fn image(&mut self, tag: &str, size: [u32; 2], png: &[u8], step: usize) -> io::Result<()> {
        self.summary(step, vec![tensorboard_values::image(tag, size, png)])
    }

    /// Adds the run to the table of hyperparameters.
    ///
    /// The columns are the settings, those named in `first` before the others, and the final metrics by their scalar
    /// tags. Runs of one group, such as several seeds, are averaged, and the name of the group is the name of their row.
    pub fn hparams_start(
        &mut self,
        settings: &[(String, HparamValue)],
        first: &[String],
        metrics: &[String],
        group: &str,
    ) -> io::Result<()> {
        let values = tensorboard_values::hparams_start(settings, first, metrics, group, now());
        self.summary(0, values.into())
    }

    /// Marks the run as finished or failed in the table of hyperparameters.
    pub fn hparams_end(&mut self, is_success: bool) -> io::Result<()> {
        self.summary(0, vec![tensorboard_values::hparams_end(is_success, now())])
    }

    /// Defines the charts of the page of custom scalars, in categories.
    pub fn layout(&mut self, categories: &[(&str, &[Chart])]) -> io::Result<()> {
        self.summary(0, vec![tensorboard_values::layout(categories)])
    }

    /// Writes all buffered events to the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.records.flush()
    }

    fn summary(&mut self, step: usize, values: Vec<Summary_Value>) -> io::Result<()> {
        let mut event = event();
        event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        event.mut_summary().set_value(values.into());
        self.write(&event)
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let bytes = event.write_to_bytes().map_err(io::Error::other)?;
        self.records.write(&bytes)?;
        if self.flushed.elapsed() > FLUSH_INTERVAL {
            self.flush()?;
        }
        Ok(())
    }
}

fn event() -> Event {
    let mut event = Event::new();
    event.set_wall_time(now());
    event
}

/// Seconds since 1970.
fn now() -> f64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.unwrap_or_default().as_secs_f64()
}

/// Creates a file with a name that no other writer has, even in the same second.
fn new_file(directory: &Path) -> io::Result<File> {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    let stem = format!(
        "events.out.tfevents.{}.{host}.{}",
        // TensorBoard reads the files of a directory in the order of their names, which begin with the time.
        now() as u64,
        std::process::id()
    );
    // `create_new` fails if the file exists, so two writers never share one.
    let mut suffix = 0;
    loop {
        match File::create_new(directory.join(format!("{stem}.{suffix}"))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => suffix += 1,
            opened => return opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the events of a file, and checks framing and checksums.
    fn read(path: &Path) -> Vec<Event> {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut events = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let data = &rest[12..12 + length];
            let mut framed = Vec::new();
            RecordWriter::new(&mut framed).write(data).unwrap();
            assert_eq!(framed, rest[..16 + length]);
            events.push(Message::parse_from_bytes(data).unwrap());
            rest = &rest[16 + length..];
        }
        events
    }

    #[test]
    fn two_writers_of_one_second_have_their_own_files() {
        let directory = std::env::temp_dir().join(format!("events-{}", std::process::id()));
        for value in [1.5, f64::NAN] {
            let mut writer = EventWriter::create(&directory).unwrap();
            writer.scalar("train/loss", value, 7).unwrap();
            writer.flush().unwrap();
        }
        let mut files: Vec<_> = std::fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert_eq!(files.len(), 2);
        let events = read(&files[0]);
        assert_eq!(events[0].get_file_version(), "brain.Event:2");
        let value = &events[1].get_summary().get_value()[0];
        assert_eq!((value.get_tag(), events[1].get_step()), ("train/loss", 7));
        let values: Vec<f32> = files
            .iter()
            .map(|file| read(file)[1].get_summary().get_value()[0].get_simple_value())
            .collect();
        assert!(values.contains(&1.5) && values.iter().any(|value| value.is_nan()));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn every_plugin_gets_the_shape_it_expects() {
        let directory = std::env::temp_dir().join(format!("plugins-{}", std::process::id()));
        let mut writer = EventWriter::create(&directory).unwrap();
        writer.session_start(5).unwrap();
        writer
            .histogram("lifetimes", &[0.0, 1.0, 3.0, f64::NAN], 5)
            .unwrap();
        writer.histogram("equal", &[2.0; 4], 5).unwrap();
        writer.histogram("none", &[], 5).unwrap();
        writer.text("config", "*hello*", 5).unwrap();
        writer.image("image", [3, 2], b"png", 5).unwrap();
        let settings = [("lr".to_owned(), HparamValue::Number(0.1))];
        writer
            .hparams_start(&settings, &[], &["accuracy".to_owned()], "group")
            .unwrap();
        writer.hparams_end(true).unwrap();
        let chart = Chart {
            title: "losses",
            tags: &["loss.*"],
        };
        writer.layout(&[("training", &[chart])]).unwrap();
        writer.flush().unwrap();
        let file = std::fs::read_dir(&directory).unwrap().next().unwrap();
        let events = read(&file.unwrap().path());
        let status = events[1].get_session_log().get_status();
        assert_eq!(status, SessionLog_SessionStatus::START);
        let values: Vec<&Summary_Value> = events[2..]
            .iter()
            .flat_map(|event| event.get_summary().get_value())
            .collect();
        let shapes: Vec<(&str, &str, Vec<i64>)> = values
            .iter()
            .map(|value| {
                let shape = value.get_tensor().get_tensor_shape().get_dim();
                (
                    value.get_tag(),
                    value.get_metadata().get_plugin_data().get_plugin_name(),
                    shape.iter().map(|dim| dim.get_size()).collect(),
                )
            })
            .collect();
        assert_eq!(
            shapes,
            [
                ("lifetimes", "histograms", vec![30, 3]),
                ("equal", "histograms", vec![1, 3]),
                ("none", "histograms", vec![0, 3]),
                ("config/text_summary", "text", vec![1]),
                ("image", "images", vec![3]),
                ("_hparams_/experiment", "hparams", vec![0]),
                ("_hparams_/session_start_info", "hparams", vec![0]),
                ("_hparams_/session_end_info", "hparams", vec![0]),
                ("custom_scalars__config__", "custom_scalars", vec![]),
            ]
        );
        let buckets = values[0].get_tensor().get_double_val();
        let counts: Vec<f64> = buckets.chunks(3).map(|row| row[2]).collect();
        assert_eq!(counts.iter().sum::<f64>(), 3.0);
        assert_eq!((counts[0], counts[10], counts[29]), (1.0, 1.0, 1.0));
        assert_eq!((buckets[0], buckets[88]), (0.0, 3.0));
        assert_eq!(values[1].get_tensor().get_double_val(), [1.5, 2.5, 4.0]);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_created_is_an_error() {
        assert!(EventWriter::create(Path::new("/proc/nowhere")).is_err());
    }
}
