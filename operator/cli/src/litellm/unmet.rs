//! What the settings name and the policies cannot say as it stands.

use super::policies::Maker;
use super::report::{Report, Verdict, quoted};

impl Maker<'_> {
    /// Fall-backs of groups that are not there.
    pub(super) fn tell_of_nobodys_fallbacks(&self, report: &mut Report) {
        for fallback in self.settings.fallbacks.iter().filter(|one| self.groups.get(one.group).is_none()) {
            let reason = format!("no entry that was carried over has the name {}", quoted(fallback.group));
            report.add(Verdict::Left, (fallback.line, fallback.at.clone()), reason);
        }
    }

    /// Aliases that only the policy for everybody has, where there are others. `known` are those that it has.
    pub(super) fn tell_of_lone_aliases(&self, known: &[String], policies: usize, report: &mut Report) {
        if policies < 2 {
            return;
        }
        for alias in self.settings.aliases.iter().filter(|alias| known.iter().any(|name| name == alias.name))
        {
            let reason = format!(
                "only policy {} has this alias; pods that ask for another of the {policies} policies get unknown_model for it",
                self.target.policy
            );
            report.add(Verdict::Changed, (alias.line, alias.at.clone()), reason);
        }
    }
}
