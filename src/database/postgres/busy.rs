//! A server can keep Diesel busy for ever: where it begins a COPY that nobody asked for, libpq gives the same result again and
//! again, and Diesel reads results until there is none. Nothing ends that but the end of the process, which is its owner's to
//! decide.

use super::guard;
use rustix::time::{ClockId, clock_gettime};
use std::sync::{Once, OnceLock};
use std::time::Duration;

/// How long the process may compute in one call of Diesel's: a thousand times what the longest take. Waiting does not count.
const MOST: Duration = Duration::from_secs(10);

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);

static STUCK: OnceLock<fn()> = OnceLock::new();

/// Says what is done, in a thread of its own, when Diesel does not come back from a call that it computes in. It is for a
/// process that does little beside, for its time is what is measured. The first to say so counts.
pub fn when_stuck(act: fn()) {
    let _ = STUCK.set(act);
}

/// Looks from now on, where somebody wants to know.
pub fn watch() {
    static ONCE: Once = Once::new();
    let Some(act) = STUCK.get() else { return };
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            let mut watch = Watch::default();
            while !watch.finds_stuck(guard::calls(), spent()) {
                std::thread::sleep(EVERY);
            }
            act();
        });
    });
}

/// The processor's time that the process has had.
fn spent() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

/// The call that was under way when it was last looked, and how much time had been spent when it was first seen.
#[derive(Default)]
struct Watch {
    call: Option<u64>,
    since: Duration,
}

impl Watch {
    fn finds_stuck(&mut self, call: Option<u64>, spent: Duration) -> bool {
        if call.is_none() || call != self.call {
            *self = Self { call, since: spent };
        }
        spent.saturating_sub(self.since) >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Watch, spent};
    use std::time::Duration;

    #[test]
    fn one_call_that_computes_for_long_is_stuck() {
        let (mut watch, second) = (Watch::default(), Duration::from_secs(1));
        assert!(!watch.finds_stuck(None, second));
        assert!(!watch.finds_stuck(None, MOST * 2), "outside of calls");
        assert!(!watch.finds_stuck(Some(1), MOST * 2));
        assert!(!watch.finds_stuck(Some(1), MOST * 2 + second), "most of the time it waits");
        assert!(!watch.finds_stuck(Some(2), MOST * 4), "another one");
        assert!(watch.finds_stuck(Some(2), MOST * 5));
    }

    #[test]
    fn time_is_spent_by_computing() {
        let before = spent();
        while spent() == before {
            std::hint::black_box((0..10_000).sum::<u64>());
        }
        assert!(spent() > before);
    }
}
