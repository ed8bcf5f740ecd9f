//! How long to wait between two tries, and how often to try.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

/// The longest wait between two tries.
const LONGEST: Duration = Duration::from_secs(2);

/// Waits between tries, each about twice as long as the one before. They differ by chance, so that two who are in each
/// other's way do not meet again and again.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Instant,
    wait: Duration,
}

impl Patience {
    pub(crate) fn new(bound: Duration, first: Duration) -> Self {
        Self { until: Instant::now() + bound, wait: first }
    }

    /// Waits; false, at once, where that would be for too long.
    pub(crate) fn pause(&mut self) -> bool {
        let chance = RandomState::new().hash_one(()) % 512;
        let wait = self.wait * (512 + u32::try_from(chance).unwrap_or(0)) / 1_024;
        if Instant::now() + wait >= self.until {
            return false;
        }
        std::thread::sleep(wait);
        self.wait = (self.wait * 2).min(LONGEST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Patience;
    use std::time::{Duration, Instant};

    #[test]
    fn it_ends_within_its_bound() {
        let began = Instant::now();
        let mut patience = Patience::new(Duration::from_millis(100), Duration::from_millis(10));
        let pauses = std::iter::from_fn(|| patience.pause().then_some(())).count();
        assert!((2..12).contains(&pauses), "{pauses}");
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(!Patience::new(Duration::ZERO, Duration::from_secs(60)).pause());
    }
}
