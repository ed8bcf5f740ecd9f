//! A buffer before a `Write`: rows are put together here and written in large pieces.

use crate::{Error, Result};
use std::io::Write;

/// How much is collected before it is written, in bytes.
const FULL: usize = 64 * 1024;

pub(super) struct Sink {
    to: Box<dyn Write>,
    pub(super) buffer: Vec<u8>,
}

impl Sink {
    pub(super) fn new(to: Box<dyn Write>) -> Self {
        Self { to, buffer: Vec::new() }
    }

    pub(super) fn replace(&mut self, to: Box<dyn Write>) -> Box<dyn Write> {
        std::mem::replace(&mut self.to, to)
    }

    pub(super) const fn is_dirty(&self) -> bool {
        !self.buffer.is_empty()
    }

    pub(super) fn drain_if_full(&mut self) -> Result<()> {
        if self.buffer.len() >= FULL { self.drain() } else { Ok(()) }
    }

    fn drain(&mut self) -> Result<()> {
        let written = self.to.write_all(&self.buffer).map_err(Error::from);
        self.buffer.clear();
        written
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        if !self.buffer.is_empty() {
            self.drain()?;
            self.to.flush()?;
        }
        Ok(())
    }
}
