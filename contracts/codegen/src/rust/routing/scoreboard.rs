//! The figures of the scoreboard.

use super::{grouped, seconds};
use crate::model::Scoreboard;

pub(super) fn figures(scoreboard: &Scoreboard) -> String {
    let minutes = |minutes: u64| seconds(minutes * 60);
    let days = |days: u64| seconds(days * 24 * 60 * 60);
    let windows: Vec<String> = scoreboard.windows_days.iter().map(|days| grouped(u64::from(*days))).collect();
    format!(
        "/// Windows of the scoreboard, in days, ascending.\n\
         pub const SCOREBOARD_WINDOWS_DAYS: &[u32] = &[{}];\n\n\
         /// The window that routing decides by, in days; one of [`SCOREBOARD_WINDOWS_DAYS`].\n\
         pub const SCOREBOARD_ROUTING_WINDOW_DAYS: u32 = {};\n\n\
         /// How often what came in since is rolled up.\n\
         pub const SCOREBOARD_LIVE: Duration = {};\n\n\
         /// After so long a call counts half where bounds decide.\n\
         pub const SCOREBOARD_HALF_LIFE: Duration = {};\n\n\
         /// So long feedback waits for its call.\n\
         pub const SCOREBOARD_GRACE: Duration = {};\n\n",
        windows.join(", "),
        scoreboard.routing_window_days,
        minutes(scoreboard.live_minutes),
        days(scoreboard.half_life_days),
        minutes(scoreboard.grace_hours * 60),
    )
}
