//! What no single room can be asked.

mod replay;
