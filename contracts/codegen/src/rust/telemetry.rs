//! `generated/telemetry.rs`.

use std::fmt::Write as _;

use super::{drift_guard, header, pascal};
use crate::model::{AttributeUse, Telemetry};

const CONTRACT: &str = "model-telemetry.v1.yaml";

const HEAD: &str = r#"//! Events about models: names, attributes and their validation.

use serde_json::{Map, Value};

"#;

const TYPES: &str = r#"/// The type of an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeType {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// True or false.
    Boolean,
    /// A list of texts.
    StringArray,
}

/// How strongly an attribute is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// An event without it is refused.
    Required,
    /// Required where what it describes exists.
    ConditionallyRequired,
    /// Wanted.
    Recommended,
    /// Only on request.
    OptIn,
}

/// Whose name an attribute has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// The OpenTelemetry semantic conventions'.
    Semconv,
    /// Ours.
    Vox,
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// The type of its value.
    pub value_type: AttributeType,
    /// Whose name it is.
    pub namespace: Namespace,
    /// The values allowed; any where empty.
    pub values: &'static [&'static str],
    /// What it says.
    pub description: &'static str,
}

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub description: &'static str,
    /// What it may carry, in the order of the names.
    pub attributes: &'static [Use],
}

/// What an event may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// What.
    pub attribute: &'static Attribute,
    /// How strongly it is asked for.
    pub requirement: Requirement,
}

/// Why an event is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// No event of the contract has this name.
    #[error("unknown event {event:?}")]
    UnknownEvent {
        /// The name given.
        event: String,
    },
    /// The event has no such attribute.
    #[error("unknown attribute {attribute:?} on {event}")]
    UnknownAttribute {
        /// The event.
        event: &'static str,
        /// The name given.
        attribute: String,
    },
    /// The value has another type than the contract says.
    #[error("invalid type of {attribute} on {event}: expected {expected:?}")]
    WrongType {
        /// The event.
        event: &'static str,
        /// The attribute.
        attribute: &'static str,
        /// The type that the contract says.
        expected: AttributeType,
    },
    /// The value is none of those allowed.
    #[error("invalid value of {attribute} on {event}: expected one of {}", allowed.join(", "))]
    WrongValue {
        /// The event.
        event: &'static str,
        /// The attribute.
        attribute: &'static str,
        /// The values that the contract allows.
        allowed: &'static [&'static str],
    },
    /// A required attribute is missing.
    #[error("missing attribute {attribute} on {event}")]
    Missing {
        /// The event.
        event: &'static str,
        /// The attribute.
        attribute: &'static str,
    },
    /// The trace id is missing or no UUIDv7.
    #[error("missing or invalid {TRACE_ID} on {event}: expected a UUIDv7 in lower case")]
    TraceId {
        /// The event.
        event: &'static str,
    },
    /// The session id begins with no registered prefix.
    #[error("invalid {SESSION_ID} {session:?} on {event}: no registered prefix")]
    SessionPrefix {
        /// The event.
        event: &'static str,
        /// The session id given.
        session: String,
    },
}

"#;

const FUNCTIONS: &str = r#"/// The attribute of this name.
#[must_use]
pub fn attribute(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|attribute| attribute.name == name)
}

/// Whether a session id begins with a registered prefix and goes on after it.
#[must_use]
pub fn session_prefix_registered(session: &str) -> bool {
    SESSION_PREFIXES.iter().any(|prefix| session.len() > prefix.len() && session.starts_with(prefix))
}

/// Whether a text is a UUIDv7 as RFC 9562 writes it: lower case, hyphens, version 7, variant 10.
#[must_use]
pub fn is_trace_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'7',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Checks an event against the contract.
///
/// # Errors
/// [`TelemetryError`] for an unknown event or attribute, a value of the wrong type or outside its list, a missing
/// required attribute, and a trace id that is missing or no UUIDv7.
pub fn validate_event(name: &str, attributes: &Map<String, Value>) -> Result<(), TelemetryError> {
    validate(name, attributes, |name| attributes.get(name))
}

/// Checks the event of an attempt that stands within the record of its turn, and so does not repeat what it shares with
/// it: see [`TURN_ATTRIBUTES`].
///
/// # Errors
/// As of [`validate_event`].
pub fn validate_attempt_of_turn(
    name: &str,
    turn: &Map<String, Value>,
    attempt: &Map<String, Value>,
) -> Result<(), TelemetryError> {
    let shared = |name| turn.get(name).filter(|_| TURN_ATTRIBUTES.contains(&name));
    validate(name, attempt, |name| attempt.get(name).or_else(|| shared(name)))
}

/// Checks what an event says itself; `get` also finds what it does not repeat.
fn validate<'a>(
    name: &str,
    attributes: &Map<String, Value>,
    get: impl Fn(&'static str) -> Option<&'a Value>,
) -> Result<(), TelemetryError> {
    let Some(event) = EVENTS.iter().find(|event| event.name == name) else {
        return Err(TelemetryError::UnknownEvent { event: name.to_owned() });
    };
    if !get(TRACE_ID).and_then(Value::as_str).is_some_and(is_trace_id) {
        return Err(TelemetryError::TraceId { event: event.name });
    }
    for (key, value) in attributes {
        let known = event.attributes.binary_search_by_key(&key.as_str(), |used| used.attribute.name).ok();
        let Some(used) = known.and_then(|place| event.attributes.get(place)) else {
            return Err(TelemetryError::UnknownAttribute { event: event.name, attribute: key.clone() });
        };
        check_value(event, used.attribute, value)?;
    }
    let mut required = event.attributes.iter().filter(|used| used.requirement == Requirement::Required);
    let missing = required.find(|used| get(used.attribute.name).is_none());
    missing.map_or(Ok(()), |used| {
        Err(TelemetryError::Missing { event: event.name, attribute: used.attribute.name })
    })
}

/// Checks an event as [`validate_event`] does, and that its session id, if it has one, has a registered prefix.
///
/// # Errors
/// [`TelemetryError`], also for an unregistered prefix.
pub fn validate_event_strict(name: &str, attributes: &Map<String, Value>) -> Result<(), TelemetryError> {
    validate_event(name, attributes)?;
    let session = attributes.get(SESSION_ID).and_then(Value::as_str);
    match (session, EVENTS.iter().find(|event| event.name == name)) {
        (Some(session), Some(event)) if !session_prefix_registered(session) => {
            Err(TelemetryError::SessionPrefix { event: event.name, session: session.to_owned() })
        }
        _ => Ok(()),
    }
}

fn check_value(event: &Event, attribute: &Attribute, value: &Value) -> Result<(), TelemetryError> {
    let fits = match attribute.value_type {
        AttributeType::String => value.is_string(),
        AttributeType::Int => value.is_i64() || value.is_u64(),
        AttributeType::Double => value.is_number(),
        AttributeType::Boolean => value.is_boolean(),
        AttributeType::StringArray => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
    };
    if !fits {
        return Err(TelemetryError::WrongType {
            event: event.name,
            attribute: attribute.name,
            expected: attribute.value_type,
        });
    }
    let listed = attribute.values.is_empty() || value.as_str().is_some_and(|text| attribute.values.contains(&text));
    if !listed {
        return Err(TelemetryError::WrongValue {
            event: event.name,
            attribute: attribute.name,
            allowed: attribute.values,
        });
    }
    Ok(())
}
"#;

/// Renders the file; `bytes` is the contract as it stands on disk.
pub(crate) fn render(contract: &Telemetry, bytes: &[u8]) -> String {
    let mut out = header(CONTRACT);
    out.push_str(HEAD);
    out.push_str(&drift_guard(CONTRACT, bytes));
    out.push_str(TYPES);
    let prefixes: String =
        contract.session_prefixes.iter().map(|prefix| format!("{:?},", prefix.name)).collect();
    let shared: String = contract.turn_attributes.iter().map(|name| format!("{name:?},")).collect();
    let _ = write!(
        out,
        "/// Version of the OpenTelemetry semantic conventions that the attributes follow.\n\
         pub const SEMCONV_VERSION: &str = {:?};\n\n\
         /// The attribute that holds the trace id.\npub const TRACE_ID: &str = {:?};\n\n\
         /// What an attempt within the record of its turn does not repeat.\npub const TURN_ATTRIBUTES: &[&str] = &[{shared}];\n\n\
         /// The attribute that holds the session id.\npub const SESSION_ID: &str = {:?};\n\n\
         /// What a session id may begin with.\npub const SESSION_PREFIXES: &[&str] = &[{prefixes}];\n\n",
        contract.semconv_version, contract.trace_id.attribute, contract.session_attribute
    );
    let mut rows = String::new();
    for attribute in &contract.attributes {
        let _ = write!(
            rows,
            "Attribute {{ name: {:?}, value_type: AttributeType::{}, namespace: Namespace::{}, values: &{:?}, \
             description: {:?} }},",
            attribute.name,
            if attribute.value_type == "string[]" {
                "StringArray".to_owned()
            } else {
                pascal(&attribute.value_type)
            },
            pascal(&attribute.namespace),
            attribute.values,
            attribute.description,
        );
    }
    let _ = write!(out, "/// Every attribute.\npub const ATTRIBUTES: &[Attribute] = &[{rows}];\n\n");
    let mut events = String::new();
    for event in &contract.events {
        let mut uses: Vec<_> = event.attributes.iter().collect();
        // Looked up by name for each attribute of each line that comes in.
        uses.sort_by_key(|used| &used.name);
        let uses: String = uses.into_iter().map(|used| written_use(contract, used)).collect();
        let _ = write!(
            events,
            "Event {{ name: {:?}, description: {:?}, attributes: &[{uses}] }},",
            event.name, event.description
        );
    }
    let _ = write!(out, "/// Every event.\npub const EVENTS: &[Event] = &[{events}];\n\n");
    out.push_str(FUNCTIONS);
    out
}

/// An attribute as an event has it.
fn written_use(contract: &Telemetry, used: &AttributeUse) -> String {
    // That there is one has been checked: see `semantic/telemetry.rs`.
    let place = contract.attributes.iter().position(|attribute| attribute.name == used.name);
    let requirement = pascal(&used.requirement);
    format!(
        "Use {{ attribute: &ATTRIBUTES[{}], requirement: Requirement::{requirement} }},",
        place.unwrap_or_default()
    )
}
