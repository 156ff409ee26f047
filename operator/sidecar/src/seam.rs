//! seam
use vox_routing::{Live, Request, Router};
pub(crate) trait Explains {
    fn explain(&self, _: &Request, _: &dyn Live, _: u64) -> String {
        "why".to_owned()
    }
}
impl Explains for Router {}
