//! When to ask again.

use std::{hash::BuildHasher, hash::RandomState, time::Duration};

use chrono::{DateTime, Utc};

use crate::Settings;

impl Settings {
    /// How long to wait after try number `tries` (from 1) failed: twice as long as before, half
    /// of it by chance, so that many clients do not come back at once.
    pub(crate) fn pause_after(&self, tries: u32) -> Duration {
        let doubled = self.pause.saturating_mul(2u32.saturating_pow(tries.saturating_sub(1)));
        let pause = doubled.min(self.longest_pause);
        // A hasher's keys are the standard library's only source of chance.
        let chance = RandomState::new().hash_one(tries) as f64 / u64::MAX as f64;
        pause.mul_f64(0.5 + 0.5 * chance)
    }
}

/// What `Retry-After` asks for (RFC 9110, section 10.2.3): seconds or a date.
pub(crate) fn retry_after(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = DateTime::parse_from_rfc2822(header).ok()?;
    // A date that has passed asks for no pause.
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let settings = Settings {
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(10),
            ..Settings::default()
        };
        for (tries, most) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (40, 10.0)] {
            for _ in 0..50 {
                let pause = settings.pause_after(tries).as_secs_f64();
                assert!((most / 2.0..=most).contains(&pause), "{tries}: {pause}");
            }
        }
        let drawn: std::collections::HashSet<_> =
            (0..50).map(|_| settings.pause_after(3)).collect();
        assert!(drawn.len() > 10, "pauses differ");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc2822("Wed, 21 Oct 2015 07:28:00 GMT").unwrap().to_utc();
        let seconds = |s| Some(Duration::from_secs_f64(s));
        assert_eq!(retry_after("7", now), seconds(7.0));
        assert_eq!(retry_after(" 0.5 ", now), seconds(0.5));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:29:30 GMT", now), seconds(90.0));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:00:00 GMT", now), seconds(0.0));
        for nonsense in ["", "soon", "-3", "NaN", "inf", "1e300"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }
}
