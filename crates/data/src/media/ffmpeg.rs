//! Videos of any other kind, through the `ffmpeg` program.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use image::RgbImage;

use super::{check_size, video::uniform_indices};

/// Samples `n` frames of a video file; the error is the reason in words.
///
/// Decodes the video twice, once to count its frames: the counts that containers state are
/// often wrong.
pub(super) fn sample(path: &Path, n: usize) -> Result<Vec<RgbImage>, String> {
    let total = count_frames(path)?;
    if total == 0 {
        return Err("the video has no frames".into());
    }
    let indices = uniform_indices(total, n);
    let mut wanted = indices.clone();
    wanted.dedup();
    let select: Vec<String> = wanted.iter().map(|index| format!("eq(n\\,{index})")).collect();
    // One frame a second, so that no rate conversion drops or repeats a selected frame.
    let filter = format!("select={},setpts=N/TB", select.join("+"));
    let mut ffmpeg = Ffmpeg::start(
        path,
        &["-vf", &filter, "-r", "1", "-c:v", "ppm", "-f", "image2pipe", "pipe:1"],
    )?;
    let mut frames: Vec<RgbImage> = Vec::with_capacity(n);
    let mut previous = None;
    for &index in &indices {
        let frame = match frames.last() {
            Some(frame) if previous == Some(index) => frame.clone(),
            _ => match read_ppm(&mut ffmpeg.output) {
                Ok(frame) => frame,
                Err(reason) => {
                    ffmpeg.finish()?;
                    return Err(format!("frame {index} of {total}: {reason}"));
                }
            },
        };
        previous = Some(index);
        frames.push(frame);
    }
    ffmpeg.finish()?;
    Ok(frames)
}

/// Samples `n` frames of a video held in memory.
pub(super) fn sample_bytes(bytes: &[u8], n: usize) -> Result<Vec<RgbImage>, String> {
    let mut file = tempfile::NamedTempFile::new()
        .map_err(|e| format!("cannot create a temporary file for the video: {e}"))?;
    file.write_all(bytes).map_err(|e| format!("cannot write {}: {e}", file.path().display()))?;
    sample(file.path(), n)
}

/// Counts the frames that decoding gives.
fn count_frames(path: &Path) -> Result<usize, String> {
    let mut ffmpeg = Ffmpeg::start(path, &["-progress", "pipe:1", "-f", "null", "-"])?;
    let mut frames = 0;
    for line in ffmpeg.output.by_ref().lines() {
        let line = line.map_err(|e| format!("cannot read from ffmpeg: {e}"))?;
        if let Some(count) = line.strip_prefix("frame=") {
            frames = count.trim().parse().unwrap_or(frames);
        }
    }
    ffmpeg.finish()?;
    Ok(frames)
}

/// A running `ffmpeg`, which ends with this value.
struct Ffmpeg {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Error messages go to a file: a full pipe would stop the program.
    messages: File,
}

impl Ffmpeg {
    /// Starts `ffmpeg` on the first video stream of a local file.
    fn start(path: &Path, arguments: &[&str]) -> Result<Self, String> {
        // The prefix keeps file names with a colon from being read as protocols, and the list
        // keeps playlists from reaching out.
        let mut input = std::ffi::OsString::from("file:");
        input.push(path);
        let temporary = |e: std::io::Error| format!("cannot create a temporary file: {e}");
        let messages = tempfile::tempfile().map_err(temporary)?;
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i"])
            .arg(input)
            .args(["-map", "0:v:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(messages.try_clone().map_err(temporary)?)
            .spawn()
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => {
                    "not a picture, and reading it as a video needs the ffmpeg program, which is \
                     not on the PATH: install it (apt install ffmpeg, brew install ffmpeg), or \
                     give a folder of pictures or an animated GIF, WebP or PNG"
                        .to_string()
                }
                _ => format!("cannot start ffmpeg: {e}"),
            })?;
        let output = child.stdout.take().ok_or("cannot read from ffmpeg")?;
        Ok(Self { child, output: BufReader::new(output), messages })
    }

    /// Waits for the end and checks that all went well.
    fn finish(mut self) -> Result<(), String> {
        let drained = std::io::copy(&mut self.output, &mut std::io::sink());
        drained.map_err(|e| format!("cannot read from ffmpeg: {e}"))?;
        let status = self.child.wait().map_err(|e| format!("cannot wait for ffmpeg: {e}"))?;
        if status.success() {
            return Ok(());
        }
        let mut text = Vec::new();
        let read = self
            .messages
            .rewind()
            .and_then(|()| Read::by_ref(&mut self.messages).take(2000).read_to_end(&mut text));
        read.map_err(|e| format!("ffmpeg failed, and its messages cannot be read: {e}"))?;
        Err(format!("ffmpeg cannot read the video: {}", String::from_utf8_lossy(&text).trim()))
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // Both fail only where the program has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads one binary PPM picture (netpbm's `P6`).
fn read_ppm(input: &mut impl BufRead) -> Result<RgbImage, String> {
    let cut = |e: std::io::Error| format!("ffmpeg's output ends early: {e}");
    let mut magic = [0; 2];
    input.read_exact(&mut magic).map_err(cut)?;
    if magic != *b"P6" {
        return Err("ffmpeg wrote something else than a PPM picture".into());
    }
    let mut numbers = [0u32; 3];
    for number in &mut numbers {
        let mut started = false;
        loop {
            let mut byte = [0];
            input.read_exact(&mut byte).map_err(cut)?;
            match byte[0] {
                digit @ b'0'..=b'9' => {
                    started = true;
                    *number = number.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
                }
                _ if started => break,
                _ => {}
            }
        }
    }
    let [width, height, maximum] = numbers;
    if maximum != 255 {
        return Err(format!("ffmpeg wrote samples up to {maximum}: expected 255"));
    }
    check_size(width.into(), height.into())?;
    let mut image = RgbImage::new(width, height);
    input.read_exact(&mut image).map_err(cut)?;
    Ok(image)
}
