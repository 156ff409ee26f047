use vox_contracts::generated::telemetry::TelemetryError;

/// Why a line is not taken. The same again would be refused again. No value of the line stands in any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its form.
    #[error(
        "it is no record: a line is one JSON object of kind call or feedback, with the members that its kind has"
    )]
    Malformed,
    /// Postgres cannot hold it.
    #[error("a text in it has a NUL character")]
    Nul,
    /// The contract has no such event, or not for this.
    #[error("its event is unknown, or none of a call or try")]
    Event,
    /// The contract has no such attribute.
    #[error("the attribute {0} is unknown on this event")]
    Attribute(String),
    /// Of another type than the contract says, or out of its range.
    #[error("the value of {0} is of another type, too long, or out of its range")]
    Value(&'static str),
    /// It has to be there.
    #[error("the attribute {0} is missing")]
    Missing(&'static str),
    /// It has to be there and a `UUIDv7`.
    #[error("{0} is missing or no UUIDv7 in lower case")]
    Id(&'static str),
    /// A pod speaks for its own namespace only.
    #[error("vox.policy is not of the caller's namespace")]
    Namespace,
    /// The database says so, of a line that its reader took.
    #[error("the database does not take it: {0}")]
    Untakable(String),
    /// Its session begins with no registered prefix.
    #[error("vox.session.id begins with no registered prefix")]
    Session,
}

impl Refused {
    /// A word of a closed list, for metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Nul => "nul",
            Self::Event => "event",
            Self::Attribute(_) => "attribute",
            Self::Value(_) => "value",
            Self::Missing(_) => "missing",
            Self::Id(_) => "id",
            Self::Namespace => "namespace",
            Self::Untakable(_) => "untakable",
            Self::Session => "session",
        }
    }

    /// A name that could be an attribute's is told; anything else somebody may have put there on purpose.
    fn attribute(name: &str) -> Self {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte);
        let told = name.len() <= 64 && name.bytes().all(is_name);
        Self::Attribute(if told { name.to_owned() } else { "(no name of one)".to_owned() })
    }
}

impl From<TelemetryError> for Refused {
    fn from(error: TelemetryError) -> Self {
        match error {
            TelemetryError::UnknownEvent { .. } => Self::Event,
            TelemetryError::UnknownAttribute { attribute, .. } => Self::attribute(&attribute),
            TelemetryError::WrongType { attribute, .. } | TelemetryError::WrongValue { attribute, .. } => {
                Self::Value(attribute)
            }
            TelemetryError::Missing { attribute, .. } => Self::Missing(attribute),
            TelemetryError::TraceId { .. } => Self::Id("vox.trace_id"),
            TelemetryError::SessionPrefix { .. } => Self::Session,
        }
    }
}
