//! Why a command failed, in one sentence (what happened, where, what to do), and the exit status that scripts see.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    Ok,
    No,
    Usage,
    Unreachable,
    NotFound,
    TimedOut,
    Warned,
}

impl Exit {
    pub(crate) const ALL: &'static [Self] =
        &[Self::Ok, Self::No, Self::Usage, Self::Unreachable, Self::NotFound, Self::TimedOut, Self::Warned];

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotFound => 4,
            Self::TimedOut => 5,
            Self::Warned => 6,
        }
    }

    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done, and what was checked is well",
            Self::No => {
                "a check says no: a source is stale, a discovery failed, a contract has a violation, a policy's test fails or no call tells what it would do, a gateway refuses or breaks off, doctor found a failure, a collector does not take a test, nothing of an imported file can be carried over"
            }
            Self::Usage => "wrong arguments, or a file that cannot be read as what it should be",
            Self::Unreachable => {
                "the cluster, the operator or the gateway cannot be reached, or refuses access"
            }
            Self::NotFound => {
                "a source, its catalog, a policy, a snapshot, a turn, calls of a policy, a collector to export to, a Service or the kind itself does not exist"
            }
            Self::TimedOut => "not finished within --timeout",
            Self::Warned => {
                "doctor found something to look at and nothing that fails, and --fail-on warn was given"
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("failed to read the kubeconfig: {reason}; check --kubeconfig, KUBECONFIG and --context")]
    Kubeconfig { reason: String },
    #[error("failed to reach the API server at {url}: {reason}; check the network and --context")]
    ApiServer { url: String, reason: String },
    #[error(
        "the API server at {url} does not accept your credentials; log in again, or choose another --context"
    )]
    Unauthenticated { url: String },
    #[error(
        "you may not {verb} {resource} {place}; ask an administrator of the cluster for a role with verb {verb} on {resource}"
    )]
    Forbidden { verb: &'static str, resource: &'static str, place: String },
    #[error("the API server refused to {verb} {resource} {place}: {reason}")]
    Refused { verb: &'static str, resource: &'static str, place: String, reason: String },
    #[error(
        "the cluster at {url} has no kind ModelCatalogSource; install its definition with the chart: helm install vox charts/vox"
    )]
    KindMissing { url: String },
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Operator(String),
    #[error(
        "you may not list pods in all namespaces, which is how the operator is found; \
         name its namespace with --operator-namespace"
    )]
    OperatorHidden,
    #[error("{0}")]
    Gateway(String),
    #[error("the gateway says: {0}")]
    Answer(String),
    #[error("{0}")]
    Input(String),
    #[error("failed to {what}: {source}")]
    Local { what: String, source: io::Error },
    #[error("failed to read the contracts of {}: {reason}; name the root of a checkout with --dir", .dir.display())]
    Contracts { dir: PathBuf, reason: String },
    #[error("failed to write the result as {format}: {reason}")]
    Serialise { format: &'static str, reason: String },
}

impl Error {
    /// Whether it is the user who may not look, and not what was looked for that is broken.
    pub(crate) const fn is_hidden(&self) -> bool {
        matches!(self, Self::Forbidden { .. } | Self::OperatorHidden)
    }

    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Input(_) | Self::Contracts { .. } => Exit::Usage,
            Self::Kubeconfig { .. }
            | Self::ApiServer { .. }
            | Self::Unauthenticated { .. }
            | Self::Forbidden { .. }
            | Self::Refused { .. }
            | Self::Operator(_)
            | Self::Gateway(_)
            | Self::OperatorHidden => Exit::Unreachable,
            Self::KindMissing { .. } | Self::NotFound(_) => Exit::NotFound,
            Self::Answer(_) | Self::Local { .. } | Self::Serialise { .. } => Exit::No,
        }
    }
}

/// An error with its causes in one line, without those that the line before has already said.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_status_has_its_own_code() {
        let mut codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        codes.dedup();
        assert_eq!(codes, vec![0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_refusal_names_the_verb_and_the_resource() {
        let error = Error::Forbidden {
            verb: "patch",
            resource: "modelcatalogsources.vox.dev",
            place: "in namespace shop".to_owned(),
        };
        let text = error.to_string();
        assert!(text.contains("patch modelcatalogsources.vox.dev in namespace shop"), "{text}");
        assert_eq!(error.exit(), Exit::Unreachable);
    }
}
