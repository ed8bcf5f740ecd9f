//! Without the prompt there is nobody to show progress to.

pub(super) struct Busy;

impl Busy {
    pub(super) const fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "the form of what is drawn")]
    pub(super) const fn work(&self, _line: u32) {}

    #[expect(clippy::unused_self, reason = "the form of what is drawn")]
    pub(super) const fn rows(&self, _rows: u64) {}

    #[expect(clippy::unused_self, reason = "the form of what is drawn")]
    pub(super) const fn rest(&self) {}
}

pub(super) struct Bar;

impl Bar {
    pub(super) const fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "the form of the bar that is drawn")]
    pub(super) const fn update(&self, _done: u64, _total: u64, _rows: u64) {}
}
