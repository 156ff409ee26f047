//! The body of a request.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::app::InFlight;

/// Room for so many bytes is made on somebody's word that they will come.
const AHEAD: usize = 1 << 20;

/// Why there is no body.
pub(super) enum NoBody {
    /// It did not come to its end.
    Broken,
    /// It is longer than a body may be.
    TooLong,
    /// All requests together hold more than may be.
    TooMuch,
}

/// A body of at most so many bytes, which are counted as held when they have come: what is only announced costs nothing.
/// One that is not taken is read on for a while without being kept: a client that is still sending does not read, and would
/// not see the answer.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    announced: usize,
    place: &mut InFlight,
) -> Result<Bytes, NoBody> {
    let mut all = BytesMut::new();
    let mut length = 0_usize;
    let mut refused = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| NoBody::Broken)?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > limit {
            refused = Some(NoBody::TooLong);
        } else if refused.is_none() && !place.hold(data.len()) {
            refused = Some(NoBody::TooMuch);
        }
        if refused.is_some() {
            all = BytesMut::new();
            place.release();
            if length > limit.saturating_mul(4) {
                break;
            }
            continue;
        }
        if length == announced && length == data.len() {
            // All of it came at once: nothing has to be put together.
            return Ok(data);
        }
        if all.is_empty() {
            all.reserve(announced.min(AHEAD));
        }
        all.extend_from_slice(&data);
    }
    refused.map_or_else(|| Ok(all.freeze()), Err)
}
