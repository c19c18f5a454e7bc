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
    Mode, Tagged, Teacher, answer,
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
    /// The digest of what was asked: the answer counts for nothing else. An older journal does not
    /// say it; its answers count for nothing.
    #[serde(default)]
    pub prompt: String,
    /// What the teacher wrote.
    pub answer: String,
    /// The model, as it calls itself.
    pub model: Option<String>,
    /// The number of answers asked for until this one.
    pub tries: usize,
    /// What they took together.
    pub usage: Usage,
}

/// The answers of a journal, for a teacher's questions.
#[derive(Clone, Debug)]
pub struct Answers<'a> {
    teacher: &'a Teacher<'a>,
    /// By the picture's id and the digest of what was asked.
    kept: HashMap<(String, String), Record>,
}

impl<'a> Answers<'a> {
    /// Reads a journal; a missing one has no answers.
    pub(super) fn load(path: &Path, teacher: &'a Teacher<'a>) -> Result<Self> {
        match File::open(path) {
            Ok(file) => Ok(read(path, &file, teacher)?.0),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { teacher, kept: HashMap::new() })
            }
            Err(e) => Err(Error::io(path)(e)),
        }
    }

    /// The number of answers, those to other questions too.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there is no answer.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The answer to what the teacher would be asked about a picture, as it and its marks are now.
    pub fn get(&self, picture: &Tagged) -> Option<&Record> {
        Some(self.usable(picture)?.0)
    }

    /// The answer, and what it says.
    fn usable(&self, picture: &Tagged) -> Option<(&Record, Vec<answer::Pair>)> {
        // What cannot be read now was not asked about either.
        let prompt = self.teacher.digest(picture).ok()?;
        let record = self.kept.get(&(picture.id.clone(), prompt))?;
        Some((record, answer::turns(self.teacher.mode(), &record.answer, &picture.tags).ok()?))
    }

    /// The sample of a picture, if it has an answer: a listing in this form behind one of the
    /// instructions, or a conversation.
    pub fn sample(&self, picture: &Tagged, format: Format, seed: u64) -> Option<Sample> {
        let (_, turns) = self.usable(picture)?;
        let turns = match self.teacher.mode() {
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
    pub fn open<'a>(path: &Path, teacher: &'a Teacher<'a>) -> Result<(Self, Answers<'a>)> {
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
        let (answers, whole) = read(path, &file, teacher)?;
        file.set_len(whole).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let mut journal = Self { path: path.to_owned(), file };
        if whole == 0 {
            journal.write(&teacher.head())?;
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
fn read<'a>(path: &Path, file: &File, teacher: &'a Teacher<'a>) -> Result<(Answers<'a>, u64)> {
    let fail = |reason| Error::Journal { path: path.to_owned(), reason };
    let head = teacher.head();
    let mut kept = HashMap::new();
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
            if found != head {
                let say = |head: &Head| format!("{:?} by {}", head.mode, head.model);
                return Err(fail(format!(
                    "it holds answers of {}, and these are of {}; name another file",
                    say(&found),
                    say(&head)
                )));
            }
        } else {
            let record: Record = serde_json::from_slice(&line).map_err(|e| {
                fail(format!("line {number} is not an answer: {e}; delete it to ask again"))
            })?;
            kept.insert((record.id.clone(), record.prompt.clone()), record);
        }
        whole += bytes as u64;
    }
    Ok((Answers { teacher, kept }, whole))
}
