//! The journal of a teacher's answers: one JSON object on each line, the first of which says what
//! the answers are.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, TryLockError},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use quintet_data::sample::Sample;
use quintet_endpoint::Usage;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        builder::{conversation, instruction},
        error::{Error, Result},
        format::Format,
    },
    Mode, Tagged, answer,
};

/// What answers of a journal have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub mode: Mode,
    pub model: String,
}

/// A usable answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The picture's id.
    pub id: String,
    /// What the teacher wrote.
    pub answer: String,
    /// The model, as it calls itself.
    pub model: Option<String>,
    /// The number of answers asked for until this one.
    pub tries: usize,
    /// What they took together.
    pub usage: Usage,
}

/// The answers of a journal.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    mode: Mode,
    by_id: HashMap<String, Record>,
}

impl Answers {
    /// Reads a journal; a missing one has no answers.
    pub(super) fn load(path: &Path, head: &Head) -> Result<Self> {
        match File::open(path) {
            Ok(file) => Ok(read(path, &file, head)?.0),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { mode: head.mode, ..Self::default() })
            }
            Err(e) => Err(Error::io(path)(e)),
        }
    }

    /// The number of pictures with an answer.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is no answer.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// A picture's answer, if it fits the picture's marks as they are now.
    pub fn get(&self, picture: &Tagged) -> Option<&Record> {
        let record = self.by_id.get(&picture.id)?;
        answer::turns(self.mode, &record.answer, &picture.tags).is_ok().then_some(record)
    }

    /// The sample of a picture, if it has an answer: a listing in this form behind one of the
    /// instructions, or a conversation.
    pub fn sample(&self, picture: &Tagged, format: Format, seed: u64) -> Option<Sample> {
        let record = self.by_id.get(&picture.id)?;
        let turns = answer::turns(self.mode, &record.answer, &picture.tags).ok()?;
        let turns = match self.mode {
            Mode::Qa => turns,
            Mode::Listing => {
                // Tags are spelled as they are on the marks.
                let entries = picture.tags.iter().zip(&turns);
                let entries = entries.map(|(tag, (_, text))| (tag.as_str(), text.as_str()));
                vec![(instruction(seed, &picture.id, &picture.tags)?, format.write(entries))]
            }
        };
        conversation(&picture.id, &picture.picture, turns)
    }
}

/// A journal being added to. One run at a time may hold it.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens or begins a journal. A last line that was not written whole is taken off.
    pub fn open(path: &Path, head: &Head) -> Result<(Self, Answers)> {
        let io = |source| Error::io(path)(source);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Journal {
                    path: path.to_owned(),
                    reason: "another run is writing to it; wait for it or name another".into(),
                });
            }
            Err(TryLockError::Error(e)) => return Err(io(e)),
        }
        let (answers, whole) = read(path, &file, head)?;
        file.set_len(whole).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let mut journal = Self { path: path.to_owned(), file };
        if whole == 0 {
            journal.write(head)?;
        }
        Ok((journal, answers))
    }

    /// Adds an answer, for good.
    pub fn add(&mut self, record: &Record) -> Result<()> {
        self.write(record)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let io = |source| Error::io(&self.path)(source);
        let mut line = serde_json::to_vec(line).map_err(|e| io(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(io)?;
        self.file.sync_data().map_err(io)
    }
}

/// The answers, and the length of the lines that are whole.
fn read(path: &Path, file: &File, head: &Head) -> Result<(Answers, u64)> {
    let fail = |reason| Error::Journal { path: path.to_owned(), reason };
    let mut answers = Answers { mode: head.mode, ..Answers::default() };
    let mut reader = BufReader::new(file);
    let (mut whole, mut line) = (0, Vec::new());
    for number in 1.. {
        line.clear();
        let bytes = reader.read_until(b'\n', &mut line).map_err(Error::io(path))?;
        if line.last() != Some(&b'\n') {
            break;
        }
        if number == 1 {
            let found: Head = serde_json::from_slice(&line)
                .map_err(|e| fail(format!("line 1 is not that of a journal: {e}")))?;
            if found != *head {
                let say = |head: &Head| format!("{:?} by {}", head.mode, head.model);
                return Err(fail(format!(
                    "it holds answers of {}, and these are of {}; name another file",
                    say(&found),
                    say(head)
                )));
            }
        } else {
            let record: Record = serde_json::from_slice(&line).map_err(|e| {
                fail(format!("line {number} is not an answer: {e}; delete it to ask again"))
            })?;
            answers.by_id.insert(record.id.clone(), record);
        }
        whole += bytes as u64;
    }
    Ok((answers, whole))
}
