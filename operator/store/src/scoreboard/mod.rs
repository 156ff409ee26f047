//! The scoreboard: rolled up from what happened, shown, and traced back. How it is computed stands in the SQL files beside
//! this one, and in docs/scoreboard.md.

mod hours;
mod prices;
mod read;
mod roll_up;
mod rules;
mod show;
mod trace;
mod traffic;
mod windows;

pub use roll_up::Pass;
pub use rules::Rules;
pub use show::LastPass;
