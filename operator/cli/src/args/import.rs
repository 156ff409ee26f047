//! Arguments of `vox import`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

/// `vox import`.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Write sources and policies for the config.yaml of a LiteLLM proxy, and say line by line what is otherwise then.
    ///
    /// No cluster is asked, and no key is copied: the objects refer to a Secret that you make. docs/importing.md has a table of
    /// what is carried over. With --namespace the objects have that namespace. Exit status 1 when no entry can be carried over.
    Litellm(ImportLitellmArgs),
}

/// `vox import litellm`.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ImportLitellmArgs {
    /// The configuration; - reads it from the standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write sources.yaml, policies.yaml and report.txt into this folder; - prints the objects, and the report on the standard
    /// error.
    #[arg(long, default_value = "-", value_name = "DIR")]
    pub(crate) output_dir: PathBuf,
    /// Name of the policy for everybody, and the beginning of the names of others.
    #[arg(long, default_value = "litellm", value_name = "NAME", value_parser = name)]
    pub(crate) policy: String,
    /// Name of the Secret with the providers' keys.
    #[arg(long, default_value = "litellm-keys", value_name = "NAME", value_parser = name)]
    pub(crate) secret: String,
}

fn name(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let ends = |letter: char| letter != '-';
    if (1..=40).contains(&text.len())
        && text.chars().all(allowed)
        && text.starts_with(ends)
        && text.ends_with(ends)
    {
        return Ok(text.to_owned());
    }
    Err("a name has at most 40 small letters, digits and hyphens, and none of these at its ends".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_kubernetes_takes() {
        assert!(name("litellm-2").is_ok());
        for wrong in ["", "-a", "a-", "A", "a.b", "a/b", &"x".repeat(41)] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
