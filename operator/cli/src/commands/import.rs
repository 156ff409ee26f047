//! `vox import`: objects from the configuration of another gateway.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;
use vox_crds::{ModelCatalogSource, RoutingPolicy};

use crate::args::{Global, ImportLitellmArgs};
use crate::error::{Error, Exit};
use crate::input;
use crate::litellm::{self, Imported, Note, Target, Verdict};
use crate::output::{Format, print};
use crate::progress::say;
use crate::schema;
use crate::table::printable;

/// `vox import litellm`.
pub(super) fn litellm(args: &ImportLitellmArgs, global: &Global) -> Result<Exit, Error> {
    if let Some(namespace) = global.namespace.as_deref().filter(|name| !is_namespace(name)) {
        return Err(Error::Usage(format!(
            "{namespace:?} is no name of a namespace: at most 63 small letters, digits and hyphens, and no hyphen at its ends"
        )));
    }
    let target = Target {
        policy: args.policy.clone(),
        secret: args.secret.clone(),
        namespace: global.namespace.clone(),
    };
    let text = input::file_up_to(&args.file, litellm::LONGEST)?;
    let told = input::told(&args.file);
    let imported =
        litellm::import(&text, &target).map_err(|error| Error::Input(format!("{told}: {error}")))?;
    check(&imported)?;
    let report = report(&imported, target.namespace.as_deref());
    let prints = args.output_dir == Path::new("-");
    if !prints {
        write(&args.output_dir, &imported, &report)?;
    }
    if global.output != Format::Table {
        global.output.print(&imported, String::new)?;
    } else if prints {
        print(&format!("{}{}", sources(&imported)?, policies(&imported)?))?;
    }
    say(report.trim_end());
    Ok(if imported.carried > 0 { Exit::Ok } else { Exit::No })
}

/// Whether a namespace can be called so: nobody else looks at it before the objects are applied.
fn is_namespace(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// What the API server would refuse is a mistake of this command, and must not leave it.
fn check(imported: &Imported) -> Result<(), Error> {
    imported.sources.iter().try_for_each(|source| checked("ModelCatalogSource", source))?;
    for policy in &imported.policies {
        checked("RoutingPolicy", policy)?;
        policy.spec.to_policy("imported", 1).map_err(|error| refused("RoutingPolicy", &error.to_string()))?;
    }
    Ok(())
}

fn checked(kind: &str, object: &impl Serialize) -> Result<(), Error> {
    let value = serde_json::to_value(object)
        .map_err(|error| Error::Serialise { format: "json", reason: error.to_string() })?;
    let mistakes = schema::mistakes(kind, &value).map_err(Error::Input)?;
    if mistakes.is_empty() { Ok(()) } else { Err(refused(kind, &mistakes.join("; "))) }
}

fn refused(kind: &str, why: &str) -> Error {
    Error::Input(format!(
        "nothing was written: the API server would refuse a {kind} made of this file ({why}); this is a mistake of vox import, please report it"
    ))
}

fn sources(imported: &Imported) -> Result<String, Error> {
    documents(imported, imported.sources.iter().map(yaml::<ModelCatalogSource>))
}

fn policies(imported: &Imported) -> Result<String, Error> {
    documents(imported, imported.policies.iter().map(yaml::<RoutingPolicy>))
}

fn yaml<T: Serialize>(object: &T) -> Result<String, Error> {
    serde_saphyr::to_string(object)
        .map_err(|error| Error::Serialise { format: "yaml", reason: error.to_string() })
}

fn documents(
    imported: &Imported,
    objects: impl Iterator<Item = Result<String, Error>>,
) -> Result<String, Error> {
    let keys: Vec<&str> = imported.secret.keys.keys().map(String::as_str).collect();
    let mut text = "# Made by vox import litellm.\n".to_owned();
    if !keys.is_empty() {
        text.push_str(&format!("# Secret {} must hold: {}\n", imported.secret.name, keys.join(", ")));
    }
    for object in objects {
        text.push_str("---\n");
        text.push_str(object?.trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// Writes no file that is there already.
fn write(folder: &Path, imported: &Imported, report: &str) -> Result<(), Error> {
    let files = [
        ("sources.yaml", sources(imported)?),
        ("policies.yaml", policies(imported)?),
        ("report.txt", report.to_owned()),
    ];
    let failed = |what: &Path, error: std::io::Error| {
        Error::Input(format!("failed to write {}: {error}; choose another --output-dir", what.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    if let Some((name, _)) = files.iter().find(|(name, _)| folder.join(name).exists()) {
        let error = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(failed(&folder.join(name), error));
    }
    for (name, text) in files {
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// What a person reads.
fn report(imported: &Imported, namespace: Option<&str>) -> String {
    let mut text = format!(
        "{} of {} entries carried over: sources {}, policies {}\n",
        imported.carried,
        imported.entries,
        imported.sources.len(),
        imported.policies.len()
    );
    text.push_str(&keys(&imported.secret.name, &imported.secret.keys, namespace));
    for (verdict, heading) in [
        (Verdict::ToDo, "to do before it works"),
        (Verdict::Changed, "carried over, and something else there"),
        (Verdict::Left, "not carried over"),
    ] {
        let notes: Vec<&Note> = imported.notes.iter().filter(|note| note.verdict == verdict).collect();
        if !notes.is_empty() {
            text.push_str(&format!("\n{heading}:\n"));
        }
        for note in notes {
            let Note { line, field, reason, .. } = note;
            text.push_str(&printable(&format!("line {line}: {field}: {reason}")));
            text.push('\n');
        }
    }
    text
}

fn keys(secret: &str, keys: &BTreeMap<String, Vec<String>>, namespace: Option<&str>) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let place = namespace.map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    let mut text = format!(
        "\nkeys, of which none was copied: write NAME=KEY for each into a file keys.env, then\n  \
         kubectl create secret generic {secret}{place} --from-env-file=keys.env\n"
    );
    for (key, sources) in keys {
        text.push_str(&printable(&format!("  {key} (sources: {})", sources.join(", "))));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
