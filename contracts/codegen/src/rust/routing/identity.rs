//! How an id becomes an identity.

use crate::model::Identity;

pub(super) fn rules(identity: &Identity) -> String {
    let Identity { own, indefinite, size, rules } = identity;
    let rules: String = rules
        .iter()
        .map(|rule| {
            format!("IdentityRule {{ pattern: {:?}, replacement: {:?} }},", rule.pattern, rule.replacement)
        })
        .collect();
    format!(
        "/// Ids that are an identity of their own.\npub const IDENTITY_OWN: &str = {own:?};\n\n\
         /// Identities that would tell no particular model, and are none.\npub const IDENTITY_INDEFINITE: &str = {indefinite:?};\n\n\
         /// Names that tell a size.\npub const IDENTITY_SIZE: &str = {size:?};\n\n\
         /// What is rewritten in an id, in order, again until none changes it.\n\
         pub const IDENTITY_RULES: &[IdentityRule] = &[{rules}];\n\n",
    )
}
