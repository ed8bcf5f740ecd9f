//! The new values of a change: shared among the changes of one command, which differ only in their rows.

use crate::model::Value;
use std::ops::Deref;
use std::rc::Rc;

/// Columns with values. A copy costs nothing until one of the two is changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Values(Rc<[(usize, Value)]>);

impl Values {
    /// The values, to be changed in place.
    pub fn make_mut(&mut self) -> &mut [(usize, Value)] {
        Rc::make_mut(&mut self.0)
    }

    /// Keeps some of them.
    pub fn retain(&mut self, keep: impl Fn(&(usize, Value)) -> bool) {
        if !self.iter().all(&keep) {
            self.0 = self.iter().filter(|pair| keep(pair)).cloned().collect();
        }
    }

    /// Changes them as a list.
    pub fn edit<T>(&mut self, edit: impl FnOnce(&mut Vec<(usize, Value)>) -> T) -> T {
        let mut list = self.to_vec();
        let done = edit(&mut list);
        self.0 = list.into();
        done
    }
}

impl Deref for Values {
    type Target = [(usize, Value)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<Vec<(usize, Value)>> for Values {
    fn from(values: Vec<(usize, Value)>) -> Self {
        Self(values.into())
    }
}

impl FromIterator<(usize, Value)> for Values {
    fn from_iter<I: IntoIterator<Item = (usize, Value)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl<'v> IntoIterator for &'v Values {
    type Item = &'v (usize, Value);
    type IntoIter = std::slice::Iter<'v, (usize, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
