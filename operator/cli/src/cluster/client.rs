//! The connection to the API server, and what its refusals mean.

use std::ffi::OsStr;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource};

use crate::args::Global;
use crate::error::{Error, chain};

/// An API server that has not answered by then is away.
const CONNECT: Duration = Duration::from_secs(10);
const READ: Duration = Duration::from_secs(30);

/// A cluster, as the user named it.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) url: String,
    /// Where commands look: the arguments', else the context's namespace.
    pub(crate) place: Place,
    pub(crate) operator_namespace: Option<String>,
}

/// One namespace or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    All,
    Namespace(String),
}

impl Place {
    pub(crate) fn told(&self) -> String {
        match self {
            Self::All => "in all namespaces".to_owned(),
            Self::Namespace(name) => format!("in namespace {name}"),
        }
    }

    /// The same after a "no".
    pub(crate) fn told_of_none(&self) -> String {
        match self {
            Self::All => "in any namespace".to_owned(),
            Self::Namespace(_) => self.told(),
        }
    }
}

impl Cluster {
    /// Reads the configuration. Nothing is sent yet.
    pub(crate) async fn new(global: &Global) -> Result<Self, Error> {
        let mut config = config(global).await?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(READ);
        let namespace = global.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = Client::try_from(config).map_err(|error| Error::Kubeconfig { reason: chain(&error) })?;
        Ok(Self {
            client,
            url,
            place: if global.all_namespaces { Place::All } else { Place::Namespace(namespace) },
            operator_namespace: global.operator_namespace.clone().filter(|name| !name.is_empty()),
        })
    }

    /// The objects of a namespaced kind in a place.
    pub(crate) fn api<K>(&self, place: &Place) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match place {
            Place::All => Api::all(self.client.clone()),
            Place::Namespace(name) => Api::namespaced(self.client.clone(), name),
        }
    }

    /// Where the operator is looked for.
    pub(crate) fn operator_place(&self) -> Place {
        self.operator_namespace.clone().map_or(Place::All, Place::Namespace)
    }
}

async fn config(global: &Global) -> Result<Config, Error> {
    let options = KubeConfigOptions { context: global.context.clone(), ..KubeConfigOptions::default() };
    let failed = |error: KubeconfigError| Error::Kubeconfig { reason: chain(&error) };
    if let Some(files) = global.kubeconfig.as_deref().filter(|files| !files.is_empty()) {
        return Config::from_custom_kubeconfig(read(files).map_err(failed)?, &options).await.map_err(failed);
    }
    match Config::from_kubeconfig(&options).await {
        Ok(config) => Ok(config),
        // Inside a pod there is a ServiceAccount instead, which knows no contexts.
        Err(error) => {
            Config::incluster().ok().filter(|_| options.context.is_none()).ok_or_else(|| failed(error))
        }
    }
}

/// Several files are merged as kubectl does: a missing one among them is no error.
fn read(files: &OsStr) -> Result<Kubeconfig, KubeconfigError> {
    let paths: Vec<_> = std::env::split_paths(files).filter(|path| !path.as_os_str().is_empty()).collect();
    if let [only] = paths.as_slice() {
        return Kubeconfig::read_from(only);
    }
    paths
        .iter()
        .filter(|path| path.exists())
        .try_fold(Kubeconfig::default(), |merged, path| merged.merge(Kubeconfig::read_from(path)?))
}

/// A request, named so that its failure can be told.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) verb: &'static str,
    /// `plural.group`, as `kubectl auth can-i` takes it.
    pub(crate) resource: &'static str,
    /// `in namespace shop`.
    pub(crate) place: String,
}

impl Call {
    pub(crate) fn new(verb: &'static str, resource: &'static str, place: impl Into<String>) -> Self {
        Self { verb, resource, place: place.into() }
    }

    /// What a failure of this call means for the user.
    pub(crate) fn failed(self, cluster: &Cluster, error: &kube::Error) -> Error {
        let Self { verb, resource, place } = self;
        let url = cluster.url.clone();
        match error {
            kube::Error::Api(status) => match status.code {
                401 => Error::Unauthenticated { url },
                403 => Error::Forbidden { verb, resource, place },
                // The API server says so without details when it does not serve the kind at all.
                404 if status.details.as_ref().is_none_or(|details| details.name.is_empty())
                    && resource.ends_with("vox.dev") =>
                {
                    Error::KindMissing { url }
                }
                _ => Error::Refused { verb, resource, place, reason: status.message.clone() },
            },
            kube::Error::UpgradeConnection(kube::client::UpgradeConnectionError::ProtocolSwitch(code)) => {
                match code.as_u16() {
                    401 => Error::Unauthenticated { url },
                    403 => Error::Forbidden { verb, resource, place },
                    _ => Error::Refused { verb, resource, place, reason: format!("it answered {code}") },
                }
            }
            // The user's credential plugin, not the network.
            kube::Error::Auth(error) => Error::Kubeconfig { reason: chain(error) },
            other => Error::ApiServer { url, reason: innermost(other) },
        }
    }
}

/// The layers of an HTTP client say little ("client error"); what the network said stands innermost.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
