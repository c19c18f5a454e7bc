//! TensorBoard event files: `Event` messages of `tensorflow/core/util/event.proto` in TFRecord
//! framing, with scalar summaries only.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Kind, Metrics, crc32c::masked};
use crate::{Result, error::io};

pub(super) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Starts a new file, which TensorBoard reads after the older ones of the directory. When
    /// the run goes on after `step`, a session start tells it to drop older events beyond that.
    pub(super) fn create(dir: &Path, step: u64) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Files are read in the order of their names; nanoseconds keep two sittings within a
        // second apart.
        let name = format!(
            "events.out.tfevents.{:010}.{:09}.{}",
            now.as_secs(),
            now.subsec_nanos(),
            std::process::id()
        );
        let path = dir.join(name);
        let file = File::create(&path).map_err(io(&path, "create"))?;
        let mut events = Self { path, file };
        let mut version = Message::event(0);
        version.bytes(3, b"brain.Event:2");
        events.append(&version)?;
        let mut session = Message::default();
        session.varint(1, 1); // SessionLog.status = START
        let mut start = Message::event(step + 1);
        start.bytes(7, &session.0);
        events.append(&start)?;
        Ok(events)
    }

    pub(super) fn write(&mut self, kind: Kind, step: u64, metrics: &Metrics) -> Result<()> {
        let mut summary = Message::default();
        for (name, value) in metrics {
            let mut entry = Message::default();
            entry.bytes(1, format!("{}/{name}", kind.name()).as_bytes());
            entry.float(2, *value as f32);
            summary.bytes(1, &entry.0);
        }
        let mut event = Message::event(step);
        event.bytes(5, &summary.0);
        self.append(&event)
    }

    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.sync_all().map_err(io(&self.path, "flush"))
    }

    /// One TFRecord: length, its checksum, the message, its checksum.
    fn append(&mut self, message: &Message) -> Result<()> {
        let length = (message.0.len() as u64).to_le_bytes();
        let record = [
            length.as_slice(),
            &masked(&length).to_le_bytes(),
            &message.0,
            &masked(&message.0).to_le_bytes(),
        ];
        self.file.write_all(&record.concat()).map_err(io(&self.path, "write"))
    }
}

/// A protocol buffer message under construction (protobuf.dev, "Encoding").
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// `Event` with its wall time and step.
    fn event(step: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut event = Self::default();
        event.double(1, now.as_secs_f64());
        event.varint(2, step);
        event
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.raw_varint(field << 3);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.raw_varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.raw_varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `golden/tensorboard/check.py` checks whole files with TensorBoard's own reader.
    #[test]
    fn bytes_are_those_that_tensorboard_reads() {
        let mut entry = Message::default();
        entry.bytes(1, b"train/loss");
        entry.float(2, 2.5);
        let mut summary = Message::default();
        summary.bytes(1, &entry.0);
        let mut event = Message::default();
        event.double(1, 1.5);
        event.varint(2, 300);
        event.bytes(5, &summary.0);
        let expected: &[u8] = b"\x09\0\0\0\0\0\0\xf8\x3f\x10\xac\x02\x2a\x13\x0a\x11\
            \x0a\x0atrain/loss\x15\0\0\x20\x40";
        assert_eq!(event.0, expected);
    }
}
