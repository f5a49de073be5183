//! Feeds a bulk load from memory: one thread encodes rows, and another sends them in chunks.
//!
//! Knows no driver and no rows.

use std::io::{self, Write};

use crossbeam_channel::{Receiver, bounded};

use elt_base::error::{Error, Result};

/// How many bytes gather before they are sent.
pub const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_WAITING_MAX: usize = 4;

enum Chunk {
    Rows(Vec<u8>),
    End,
}

/// The chunks as they arrive.
pub struct Chunks(Receiver<Chunk>);

impl Chunks {
    /// Writes all chunks.
    ///
    /// # Errors
    /// The encoding stopped, so that the rows are not all; the writer's own.
    pub fn write_to(&self, writer: &mut dyn Write) -> io::Result<()> {
        loop {
            match self.0.recv() {
                Ok(Chunk::Rows(bytes)) => writer.write_all(&bytes)?,
                Ok(Chunk::End) => return Ok(()),
                Err(_) => return Err(io::Error::other("stopped")),
            }
        }
    }
}

/// Appends rows to a buffer, and calls the function behind each of them.
pub type Encode<'e> = dyn FnMut(&mut Vec<u8>, &mut dyn FnMut(&mut Vec<u8>) -> Result<()>) -> Result<()> + 'e;

/// Runs `encode` here and `load` on another thread; returns what `load` does. `refused` is the error if it ends too
/// early.
pub fn fed<T: Send>(
    encode: &mut Encode<'_>,
    load: impl FnOnce(Chunks) -> Result<T> + Send,
    refused: impl Fn() -> Error,
) -> Result<T> {
    let (sender, receiver) = bounded(CHUNKS_WAITING_MAX);
    let chunk = || Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
    std::thread::scope(|scope| {
        let loading = scope.spawn(move || load(Chunks(receiver)));
        let mut out = chunk();
        let mut is_gone = false;
        let encoded = encode(&mut out, &mut |out| {
            if out.len() < CHUNK_BYTES {
                return Ok(());
            }
            let full = std::mem::replace(out, chunk());
            sender.send(Chunk::Rows(full)).map_err(|_| {
                is_gone = true;
                refused()
            })
        });
        let is_whole = encoded.is_ok() && sender.send(Chunk::Rows(out)).and_then(|()| sender.send(Chunk::End)).is_ok();
        // Without its end, the load fails.
        drop(sender);
        let loaded = loading.join().unwrap_or_else(|_| Err(refused()));
        // The server's error takes precedence over an error that it caused here; our own takes precedence over both.
        match encoded {
            Err(error) if !is_gone => Err(error),
            _ => loaded.and_then(|loaded| if is_whole { Ok(loaded) } else { Err(refused()) }),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped() -> Error {
        elt_base::messages::interrupted()
    }

    /// Sends so many rows of 100 kB, and fails then if `fails`; returns how many bytes arrived.
    fn sent(rows: usize, fails: bool, accepts: bool) -> Result<usize> {
        let mut encode = |out: &mut Vec<u8>, after_row: &mut dyn FnMut(&mut Vec<u8>) -> Result<()>| {
            for _ in 0..rows {
                out.extend_from_slice(&[b'x'; 100_000]);
                after_row(out)?;
            }
            if fails { Err(stopped()) } else { Ok(()) }
        };
        let load = |chunks: Chunks| {
            let mut bytes = Vec::new();
            if accepts {
                chunks.write_to(&mut bytes).map_err(|_| stopped())?;
            }
            Ok(bytes.len())
        };
        fed(&mut encode, load, stopped)
    }

    #[test]
    fn all_rows_arrive_or_none() {
        assert_eq!(sent(0, false, true).ok(), Some(0));
        assert_eq!(sent(95, false, true).ok(), Some(9_500_000));
        assert!(sent(95, true, true).is_err());
        assert!(sent(95, false, false).is_err());
    }
}
