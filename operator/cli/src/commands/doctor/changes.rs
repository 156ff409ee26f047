//! What changed since yesterday, as part of the line on freshness.

use jiff::{SignedDuration, Timestamp};
use vox_contracts::change::{CatalogChanges, ChangesQuery};

use crate::cluster::{Cluster, Operator, Place};
use crate::commands::catalog::counted;

/// `since yesterday 3 added, 1 removed`. Nothing where nobody can say: another line tells that the operator does not answer.
pub(super) async fn since_yesterday(cluster: &Cluster, place: &Place, now: Timestamp) -> Option<String> {
    let namespace = match place {
        Place::All => None,
        Place::Namespace(namespace) => Some(namespace.clone()),
    };
    let since = now.checked_sub(SignedDuration::from_hours(24)).ok()?;
    let query = ChangesQuery { since, namespace, source: None, limit: 0 };
    Some(told(&Operator::find(cluster).await.ok()?.changes(&query).await.ok()?))
}

fn told(changes: &CatalogChanges) -> String {
    format!("since yesterday {}", counted(changes).unwrap_or_else(|| "nothing changed".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vox_contracts::change::ChangeKind;

    use super::*;

    #[test]
    fn a_day_is_told_in_a_few_words() {
        let counts =
            BTreeMap::from([(ChangeKind::Added, 3), (ChangeKind::Removed, 1), (ChangeKind::Repriced, 2)]);
        let changes = CatalogChanges { counts, ..CatalogChanges::default() };
        assert_eq!(told(&changes), "since yesterday 3 added, 1 removed, 2 repriced");
        assert_eq!(told(&CatalogChanges::default()), "since yesterday nothing changed");
    }
}
