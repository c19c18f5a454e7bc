//! The process, and what is read from it and written to it. Whatever it does, nothing here waits longer
//! than the time that it was given.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::Settings;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;
/// Chunks that may wait.
const CHUNKS: usize = 16;
/// Most bytes of the line before an answer.
const LINE: usize = 32;
/// How much is kept of what the program says.
const SAID: usize = 4096;
/// How long a program may take to end once its input has.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked at then.
const GLANCE: Duration = Duration::from_millis(2);

/// A program that runs.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    timeout: Duration,
    /// To a thread that writes.
    requests: Option<SyncSender<Vec<u8>>>,
    /// From a thread that reads.
    chunks: Receiver<Vec<u8>>,
    /// The end of standard error, and what ends with it.
    said: Arc<Mutex<Vec<u8>>>,
    silent: Receiver<()>,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn start(settings: &Settings) -> Result<Self, String> {
        let Settings { command, directory, timeout, .. } = settings;
        let (name, arguments) =
            command.split_first().ok_or("no command; name a program and its arguments")?;
        let mut child = Command::new(name)
            .args(arguments)
            .current_dir(match directory.as_os_str().is_empty() {
                true => ".".as_ref(),
                false => directory.as_path(),
            })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => format!(
                    "there is no program {name}; install it, or give `command` its full path"
                ),
                _ => format!("{name} cannot be started: {error}"),
            })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (requests, incoming) = sync_channel::<Vec<u8>>(1);
        let (outgoing, chunks) = sync_channel(CHUNKS);
        let (end, silent) = sync_channel::<()>(1);
        let said = Arc::new(Mutex::new(Vec::new()));
        let process = Self {
            child,
            timeout: *timeout,
            requests: Some(requests),
            chunks,
            said: said.clone(),
            silent,
        };
        let (Some(mut stdin), Some(mut stdout), Some(stderr)) = pipes else {
            return Err("its input and output cannot be reached".into());
        };
        let spawn = |work: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().spawn(work);
            thread.map_err(|error| format!("no thread can be started for it: {error}"))
        };
        spawn(Box::new(move || {
            for request in incoming {
                if stdin.write_all(&request).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        }))?;
        spawn(Box::new(move || {
            let mut buffer = vec![0; CHUNK];
            while let Ok(count @ 1..) = read(&mut stdout, &mut buffer) {
                if outgoing.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        }))?;
        spawn(Box::new(move || {
            listen(stderr, &said);
            drop(end);
        }))?;
        Ok(process)
    }

    /// Asks and waits for an answer of so many bytes.
    ///
    /// # Errors
    /// What is wrong and what to do. The process is of no use then.
    pub fn ask(&mut self, request: Vec<u8>, expected: usize) -> Result<Vec<u8>, String> {
        let until = Instant::now() + self.timeout;
        match self.chunks.try_recv() {
            Ok(chunk) => return Err(unasked(&chunk)),
            // If it has ended, the end of its answer will tell.
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        if let Some(requests) = &self.requests
            && let Err(TrySendError::Full(_)) = requests.try_send(request)
        {
            return Err(
                "it answers requests before it has read them; read all of each first".into()
            );
        }
        let mut line = Vec::new();
        let mut answer = loop {
            line.extend(self.chunk(until, || "no answer".into())?);
            if let Some(end) = line.iter().take(LINE).position(|byte| *byte == b'\n') {
                let count = std::str::from_utf8(&line[..end]).ok();
                let count = count.and_then(|count| count.trim().parse::<usize>().ok());
                match count {
                    Some(count) if count == expected => break line.split_off(end + 1),
                    Some(count) => {
                        return Err(format!(
                            "it answered {count} bytes, expected {expected}: 8 for each component of \
                             each state"
                        ));
                    }
                    None => return Err(garbage(&line)),
                }
            }
            if line.len() >= LINE {
                return Err(garbage(&line));
            }
        };
        answer.reserve_exact(expected.saturating_sub(answer.len()));
        while answer.len() < expected {
            let so_far = answer.len();
            let chunk = self.chunk(until, || format!("{so_far} of {expected} bytes"))?;
            answer.extend(chunk);
        }
        match answer.len() > expected {
            true => Err(unasked(&answer[expected..])),
            false => Ok(answer),
        }
    }

    /// Some more bytes; `got` says what there is so far.
    fn chunk(&mut self, until: Instant, got: impl Fn() -> String) -> Result<Vec<u8>, String> {
        match self.chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(chunk) => Ok(chunk),
            Err(RecvTimeoutError::Timeout) => {
                let seconds = self.timeout.as_secs_f64();
                let said = self.last_words(Duration::ZERO);
                Err(format!(
                    "{} within {seconds} s; give it a longer `timeout` if that is too short{said}",
                    got()
                ))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status =
                    self.end().map_or("ended".into(), |status| format!("ended ({status})"));
                let said = self.last_words(PATIENCE);
                Err(format!(
                    "it {status} with {}; it has to answer until its standard input ends{said}",
                    got()
                ))
            }
        }
    }

    /// The last line that it said, once it is silent or after a while.
    fn last_words(&self, wait: Duration) -> String {
        let _ = self.silent.recv_timeout(wait);
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said);
        match said.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("; it said: {}", line.trim()),
            None => String::new(),
        }
    }

    /// Ends it: by the end of its input, or by force.
    fn end(&mut self) -> Option<ExitStatus> {
        self.requests = None;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => thread::sleep(GLANCE),
                Err(_) => break,
            }
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// As [`Read::read`], again if it is interrupted.
fn read(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Keeps the end of what is said.
fn listen(mut from: impl Read, said: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; SAID];
    while let Ok(count @ 1..) = read(&mut from, &mut buffer) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(&buffer[..count]);
        let surplus = said.len().saturating_sub(SAID);
        said.drain(..surplus);
    }
}

fn garbage(bytes: &[u8]) -> String {
    format!(
        "it wrote {} where a line with the number of bytes of its answer should be; nothing else may \
         be written to standard output, so print to standard error",
        shown(bytes)
    )
}

fn unasked(bytes: &[u8]) -> String {
    format!(
        "it wrote {} after its answer; only what it is asked for may be written to standard output, so \
         print to standard error",
        shown(bytes)
    )
}

/// The beginning of some bytes.
fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(LINE)]))
}
