//! What an application adds to its models in Rust: values that are computed, and checks that refuse.

use super::Value;
use std::sync::Arc;

/// A closure of the application's. Two are equal when they are the same closure.
pub struct Rule<F: ?Sized>(Arc<F>);

/// Gives a column its value when none is named.
pub type Computed = Rule<dyn Fn() -> Value + Send + Sync>;

/// Looks at a column's new value, and says why it will not do.
pub type ColumnCheck = Rule<dyn Fn(&Value) -> Result<(), String> + Send + Sync>;

/// Looks at a record as it will be, and says why it will not do.
pub type RecordCheck = Rule<dyn Fn(&Proposed<'_>) -> Result<(), String> + Send + Sync>;

/// A record as it will be: one value a column, NULL where none is given.
#[derive(Debug, Clone, Copy)]
pub struct Proposed<'a> {
    /// Its values; what the database itself fills in is NULL.
    pub values: &'a [Value],
    /// Whether it is a new record.
    pub is_new: bool,
}

impl Computed {
    /// A value that is computed each time.
    pub fn new(compute: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(compute))
    }

    /// The value, now.
    #[must_use]
    pub fn value(&self) -> Value {
        (self.0)()
    }
}

impl ColumnCheck {
    /// A check of one value; NULL is not checked.
    pub fn new(check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Why the value will not do.
    ///
    /// # Errors
    /// In the application's own words.
    pub fn run(&self, value: &Value) -> Result<(), String> {
        (self.0)(value)
    }
}

impl RecordCheck {
    /// A check of a whole record.
    pub fn new(check: impl Fn(&Proposed<'_>) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Why the record will not do.
    ///
    /// # Errors
    /// In the application's own words.
    pub fn run(&self, record: &Proposed<'_>) -> Result<(), String> {
        (self.0)(record)
    }
}

impl<F: ?Sized> Clone for Rule<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: ?Sized> PartialEq for Rule<F> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }
}

impl<F: ?Sized> std::fmt::Debug for Rule<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rule(..)")
    }
}
