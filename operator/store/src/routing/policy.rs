use sqlx::Row as _;

use crate::{Result, Store};

/// The last good generation of one policy.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgrammedPolicy {
    /// `metadata.uid`.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Its spec as the user wrote it.
    pub spec: serde_json::Value,
}

impl Store {
    /// Remembers that this generation serves from now on. The same generation again changes nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn program(&self, policy: &ProgrammedPolicy) -> Result<()> {
        sqlx::query(
            "INSERT INTO routing_policy (policy_uid, namespace, name, generation, spec, programmed_at)
             VALUES ($1, $2, $3, $4, $5, now())
             ON CONFLICT (policy_uid) DO UPDATE SET generation = excluded.generation, spec = excluded.spec,
                 programmed_at = excluded.programmed_at
             WHERE routing_policy.generation < excluded.generation",
        )
        .bind(&policy.uid)
        .bind(&policy.namespace)
        .bind(&policy.name)
        .bind(policy.generation)
        .bind(&policy.spec)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The policies of a namespace that serve, ascending by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn programmed(&self, namespace: &str) -> Result<Vec<ProgrammedPolicy>> {
        let rows = sqlx::query(
            "SELECT policy_uid, name, generation, spec FROM routing_policy WHERE namespace = $1
             ORDER BY name COLLATE \"C\", policy_uid",
        )
        .bind(namespace)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ProgrammedPolicy {
                    uid: row.try_get("policy_uid")?,
                    namespace: namespace.to_owned(),
                    name: row.try_get("name")?,
                    generation: row.try_get("generation")?,
                    spec: row.try_get("spec")?,
                })
            })
            .collect()
    }

    /// Forgets every policy whose uid is not among `alive`; returns the namespaces that lost one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_missing_policies(&self, alive: &[String]) -> Result<Vec<String>> {
        let mut namespaces: Vec<String> =
            sqlx::query_scalar("DELETE FROM routing_policy WHERE policy_uid <> ALL($1) RETURNING namespace")
                .bind(alive)
                .fetch_all(&self.pool)
                .await?;
        namespaces.sort_unstable();
        namespaces.dedup();
        Ok(namespaces)
    }
}
