//! How long an attempt may take.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};

use crate::config::Timeouts;

/// How long a client's library waits, in seconds. OpenAI's and Anthropic's for Python send the first one, those for
/// JavaScript the second.
const PATIENCE: [HeaderName; 2] =
    [HeaderName::from_static("x-stainless-read-timeout"), HeaderName::from_static("x-stainless-timeout")];

/// The time of one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// Until then all attempts together have to have answered.
    pub(super) deadline: Instant,
    /// Until then this one has to have come as far as it is waited for now.
    pub(super) until: Instant,
    /// What it is called when that is too late.
    pub(super) class: &'static str,
}

impl Time {
    /// From now to the head of the answer, and to the end of one that is no stream.
    ///
    /// The head of a stream comes at once. That of any other answer comes when the answer is complete, and nothing tells a
    /// server that thinks from one that hangs. So an attempt after which somebody else can be asked gets half of the time
    /// that is left, and no less than the head of a stream would get.
    pub(super) fn new(
        timeouts: &Timeouts,
        stream: bool,
        deadline: Instant,
        last: bool,
        now: Instant,
    ) -> Self {
        let left = deadline.saturating_duration_since(now);
        let (patience, class) = match (stream, last) {
            (true, _) => (timeouts.header, "header_timeout"),
            (false, false) => (timeouts.header.max(left / 2), "answer_timeout"),
            (false, true) => (left, "total_timeout"),
        };
        if patience < left {
            Self { deadline, until: now + patience, class }
        } else {
            Self { deadline, until: deadline, class: "total_timeout" }
        }
    }
}

/// How long the client waits, where its library says so.
pub(super) fn clients(headers: &HeaderMap) -> Duration {
    let told = PATIENCE.into_iter().filter_map(|name| {
        let seconds: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
    });
    told.min().unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        body: Duration::from_secs(60),
        connect: Duration::from_secs(5),
        header: Duration::from_secs(60),
        first_token: Duration::from_secs(60),
        idle: Duration::from_secs(60),
    };

    fn time(stream: bool, seconds: u64, last: bool) -> (u64, &'static str) {
        let now = Instant::now();
        let time = Time::new(&TIMEOUTS, stream, now + Duration::from_secs(seconds), last, now);
        ((time.until - now).as_secs_f64().round() as u64, time.class)
    }

    #[test]
    fn the_head_of_a_stream_has_its_own_time() {
        assert_eq!(time(true, 120, false), (60, "header_timeout"));
        assert_eq!(time(true, 20, false), (20, "total_timeout"));
    }

    #[test]
    fn a_whole_answer_leaves_half_of_the_time_to_the_others() {
        assert_eq!(time(false, 600, false), (300, "answer_timeout"));
        assert_eq!(time(false, 120, false), (60, "answer_timeout"));
        assert_eq!(time(false, 50, false), (50, "total_timeout"));
        assert_eq!(time(false, 600, true), (600, "total_timeout"));
    }

    #[test]
    fn a_client_says_how_long_it_waits() {
        let told = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            clients(&headers)
        };
        assert_eq!(told("x-stainless-read-timeout", "1.5"), Duration::from_millis(1500));
        assert_eq!(told("x-stainless-timeout", "600"), Duration::from_secs(600));
        for nonsense in ["", "soon", "-1", "0", "NaN", "1e400", "inf"] {
            assert_eq!(told("x-stainless-timeout", nonsense), Duration::MAX, "{nonsense}");
        }
    }
}
