//! What was used last.

use std::collections::VecDeque;

/// What a value counts at least, so that there are not too many to look through.
const LEAST: usize = 64 << 10;

/// Values by key, the last used of which are kept.
pub(super) struct Recent<K, V> {
    /// Key, value and bytes of each; those used last are last.
    entries: VecDeque<(K, V, usize)>,
    bytes: usize,
    most: usize,
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    /// Nothing yet, and room for so many bytes, or for one value that has more.
    pub fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, most }
    }

    /// The value of a key; where it is not kept, `make` gives it and its bytes.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get<E>(&mut self, key: K, make: impl FnOnce() -> Result<(V, usize), E>) -> Result<V, E> {
        let found = self.entries.iter().rposition(|entry| entry.0 == key);
        let entry = match found.and_then(|at| self.entries.remove(at)) {
            Some(entry) => entry,
            None => {
                let (value, bytes) = make()?;
                let bytes = bytes.max(LEAST);
                self.bytes = self.bytes.saturating_add(bytes);
                (key, value, bytes)
            }
        };
        let value = entry.1.clone();
        self.entries.push_back(entry);
        while self.bytes > self.most && self.entries.len() > 1 {
            let Some((_, _, bytes)) = self.entries.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_is_kept() {
        let mut recent = Recent::new(3 * LEAST);
        let mut made = Vec::new();
        // The last has no room beside others.
        for (key, bytes) in
            [(1, 0), (2, 5), (3, LEAST), (1, 0), (4, 1), (2, 1), (1, 0), (9, 4 * LEAST), (1, 0)]
        {
            let value = recent.get(key, || {
                made.push(key);
                Ok::<_, ()>((10 * key, bytes))
            });
            assert_eq!(value, Ok(10 * key));
        }
        assert_eq!(made, [1, 2, 3, 4, 2, 9, 1]);
        assert_eq!(recent.get(5, || Err("no")), Err("no"));
        assert_eq!((recent.entries.len(), recent.bytes), (1, LEAST));
    }
}
