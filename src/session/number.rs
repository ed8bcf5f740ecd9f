//! Keys for new records that a script refers to before the database has seen them.

use super::journal::Change;
use super::{SHAPES, Session};
use crate::Result;
use crate::model::{EntityId, Value};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

/// How many keys are asked for one at a time before more are asked for at once.
const SINGLE: usize = 8;

/// How many keys are asked for at once at most.
const KEYS: usize = 4_000;

/// Where keys for new records come from.
#[derive(Debug)]
pub(super) enum Numbers {
    /// Nobody else writes: one after the other, from this one on.
    Counted(i64),
    /// From a sequence, some at once; and how many were asked for.
    Reserved(VecDeque<i64>, usize),
}

impl Session {
    /// Where the keys of a table's new records come from, with nothing of it pending; none where that cannot be told.
    pub(super) fn numbers(&mut self, entity: EntityId) -> Result<Option<Numbers>> {
        if self.store.facts().sequences {
            return Ok(Some(Numbers::Reserved(VecDeque::new(), 0)));
        }
        let last = self.greatest(entity)?.max(self.store.last_number(&self.catalog, entity)?);
        // Beyond the greatest number of all SQLite picks at random.
        Ok(last.max(0).checked_add(1).map(Numbers::Counted))
    }

    /// Gives keys to new records of followed tables.
    pub(super) fn number(&mut self, changes: &mut [Change]) -> Result<()> {
        if self.seen.followed.is_empty() {
            return Ok(());
        }
        for change in changes {
            let Change::Insert { entity, columns, values, given, .. } = change else { continue };
            let Some(key) = self.catalog.get(*entity).numbered_key() else { continue };
            if let Some(at) = columns.iter().position(|column| *column == key) {
                if let (Some(Some(Numbers::Counted(next))), Value::Int(number)) =
                    (self.seen.followed.get_mut(entity), &values[at])
                    && *number >= *next
                {
                    match number.checked_add(1) {
                        Some(after) => *next = after,
                        // Beyond the last number SQLite chooses at random.
                        None => self.seen.clear(),
                    }
                }
                continue;
            }
            let Some(number) = self.next_number(*entity)? else { continue };
            // From now on the key is part of the change, as where it is shown.
            *columns = with_key(&mut self.keyed, columns, key);
            values.reserve_exact(1);
            values.push(Value::Int(number));
            *given = true;
        }
        Ok(())
    }

    fn next_number(&mut self, entity: EntityId) -> Result<Option<i64>> {
        let asked = match self.seen.followed.get_mut(&entity) {
            None | Some(None) => return Ok(None),
            Some(Some(Numbers::Counted(next))) => {
                let number = *next;
                let Some(after) = next.checked_add(1) else {
                    self.seen.clear();
                    return Ok(None);
                };
                *next = after;
                return Ok(Some(number));
            }
            Some(Some(Numbers::Reserved(ready, asked))) => {
                if let Some(number) = ready.pop_front() {
                    return Ok(Some(number));
                }
                *asked
            }
        };
        // One at a time at first: numbers that are not used leave gaps.
        let count = if asked < SINGLE { 1 } else { asked.min(KEYS) };
        let keys = self.guarded(|session| session.new_keys(entity, count));
        let keys = match keys {
            Err(error) if error.kind.is_transient() => return Err(error),
            keys => keys.unwrap_or_default(),
        };
        if keys.is_empty() {
            // No sequence of its own: the database numbers as ever, and is asked.
            self.seen.clear();
            self.seen.plain = Some(false);
            return Ok(None);
        }
        let mut keys = VecDeque::from(keys);
        let number = keys.pop_front();
        self.seen.followed.insert(entity, Some(Numbers::Reserved(keys, asked + count)));
        Ok(number)
    }
}

impl Session {
    /// Takes keys for new records from a sequence: none that a staged record has, also where the server has lost what it
    /// gave before.
    pub(super) fn new_keys(&mut self, entity: EntityId, count: usize) -> Result<Vec<i64>> {
        let mut keys = self.store.reserve_keys(&self.catalog, entity, count)?;
        if !self.store.is_renewed() {
            return Ok(keys);
        }
        let inserts = self.journal.changes().filter(|change| change.entity() == entity);
        let staged: HashSet<i64> = inserts
            .filter_map(|change| match change.key(&self.catalog).as_deref() {
                Some([Value::Int(key)]) => Some(*key),
                _ => None,
            })
            .collect();
        let mut asked = keys.len();
        loop {
            keys.retain(|key| !staged.contains(key));
            // Not for ever: each round leaves one of those behind that are staged.
            if keys.len() >= count || asked == 0 || asked > count + staged.len() {
                return Ok(keys);
            }
            let more = self.store.reserve_keys(&self.catalog, entity, count - keys.len())?;
            asked = if more.is_empty() { 0 } else { asked + more.len() };
            keys.extend(more);
        }
    }
}

/// The columns of an insert with the key behind them, shared among like ones.
pub(super) fn with_key(known: &mut Vec<(Rc<[usize]>, Rc<[usize]>)>, columns: &Rc<[usize]>, key: usize) -> Rc<[usize]> {
    if let Some((_, keyed)) = known.iter().find(|(plain, _)| Rc::ptr_eq(plain, columns)) {
        return Rc::clone(keyed);
    }
    let keyed: Rc<[usize]> = columns.iter().copied().chain([key]).collect();
    if known.len() >= SHAPES {
        known.clear();
    }
    known.push((Rc::clone(columns), Rc::clone(&keyed)));
    keyed
}
