//! TensorBoard event files.
//!
//! Framing and messages come from tensorboard-rs; the file is our own, because that crate's writer
//! truncates a file of the same second, loses what is queued at exit, and panics on a full disk.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use protobuf::Message;
use tensorboard_proto::event::{Event, SessionLog_SessionStatus};
use tensorboard_rs::record_writer::RecordWriter;
use tensorboard_rs::summary;

const FLUSH_INTERVAL: Duration = Duration::from_secs(2);

/// One event file, written by one thread.
///
/// # Errors
///
/// Every call returns the error of the file system; none panics.
pub struct EventWriter {
    records: RecordWriter<BufWriter<File>>,
    flushed: Instant,
}

impl EventWriter {
    /// Opens a new event file in `directory`, which is made if it is not there.
    pub fn create(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let file = new_file(directory)?;
        let mut writer = Self {
            records: RecordWriter::new(BufWriter::new(file)),
            flushed: Instant::now(),
        };
        let mut event = event();
        event.set_file_version("brain.Event:2".to_owned());
        writer.write(&event)?;
        Ok(writer)
    }

    /// Declares what TensorBoard has at a step and later void: a run goes on from there.
    pub fn session_start(&mut self, step: usize) -> io::Result<()> {
        let mut event = event();
        event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        event
            .mut_session_log()
            .set_status(SessionLog_SessionStatus::START);
        self.write(&event)
    }

    /// Appends one number; 32 bits are what TensorBoard keeps.
    pub fn scalar(&mut self, tag: &str, value: f64, step: usize) -> io::Result<()> {
        let mut event = event();
        event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        event.set_summary(summary::scalar(tag, value as f32));
        self.write(&event)
    }

    /// Hands everything to the file system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.records.flush()
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
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    event.set_wall_time(since_1970.as_secs_f64());
    event
}

/// A file of a name that no other writer took, even in the same second.
fn new_file(directory: &Path) -> io::Result<File> {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    let stem = format!(
        "events.out.tfevents.{}.{host}.{}",
        since_1970.as_secs(),
        std::process::id()
    );
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

    /// The events of a file, its framing and checksums verified.
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
    fn scalars_are_read_back_and_two_writers_do_not_collide() {
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
    fn a_directory_that_cannot_be_made_is_an_error() {
        assert!(EventWriter::create(Path::new("/proc/nowhere")).is_err());
    }
}
