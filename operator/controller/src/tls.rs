//! The operator's certificate: its own authority by default, somebody else's (cert-manager) where told so. Both are read
//! from one Secret, looked at again every minute, and taken into use without a restart.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use axum_server::tls_rustls::RustlsConfig;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::control_plane::Shared;

/// How long a certificate is good for, and how long before its end it is replaced, in days.
const LEAF_DAYS: (i64, i64) = (90, 30);
const AUTHORITY_DAYS: (i64, i64) = (3650, 365);
/// A certificate is good from so long before it is made, for clocks that are behind.
const EARLY: SignedDuration = SignedDuration::from_hours(1);
/// How often the Secret is looked at.
const LOOK: Duration = Duration::from_secs(60);

const LEAF_UNTIL: &str = "vox.dev/certificate-until";
const AUTHORITY_UNTIL: &str = "vox.dev/authority-until";

/// Reads the certificate, making it first where that is ours to do; waits for it where it is not.
pub(crate) async fn load(shared: &Shared) -> anyhow::Result<RustlsConfig> {
    let mut said = false;
    loop {
        match current(shared).await {
            Ok(Some(pems)) => {
                shared.authority.store(Arc::new(pems.authority));
                shared.certificate.store(Arc::new(pems.certificate.clone()));
                return RustlsConfig::from_pem(pems.certificate, pems.key)
                    .await
                    .context("failed to use the certificate");
            }
            Ok(None) if !said => {
                said = true;
                tracing::warn!(
                    secret = shared.settings.tls_secret,
                    "waiting for the certificate that cert-manager makes"
                );
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "failed to load the certificate; trying again")
            }
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// Keeps the certificate current for as long as the process lives.
pub(crate) async fn keep(shared: Shared, config: RustlsConfig) {
    let mut used = shared.authority.load_full();
    let mut fingerprint = String::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let pems = match current(&shared).await {
            Ok(Some(pems)) => pems,
            Ok(None) => continue,
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "failed to look at the certificate; the one in use stays"
                );
                continue;
            }
        };
        let now = crate::names::sha256(&pems.certificate);
        if now != fingerprint {
            if let Err(error) = config.reload_from_pem(pems.certificate.clone(), pems.key).await {
                tracing::error!(%error, "failed to use the new certificate; the one in use stays");
                continue;
            }
            fingerprint = now;
            shared.certificate.store(Arc::new(pems.certificate));
        }
        if *used != pems.authority {
            used = Arc::new(pems.authority);
            shared.authority.store(Arc::clone(&used));
            tracing::info!("the certificate authority changed");
        }
    }
}

struct Pems {
    authority: String,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

async fn current(shared: &Shared) -> anyhow::Result<Option<Pems>> {
    let api: Api<Secret> = Api::namespaced(shared.client.clone(), &shared.settings.namespace);
    let name = &shared.settings.tls_secret;
    let read = api.get_opt(name).await.with_context(|| format!("failed to read Secret {name}"))?;
    if !shared.settings.tls_managed {
        return read.as_ref().map(pems).transpose();
    }
    let now = Timestamp::now();
    let good = read.as_ref().filter(|secret| !is_due(secret, LEAF_UNTIL, LEAF_DAYS.1, now));
    if let Some(pems) = good.and_then(|secret| pems(secret).ok()).filter(is_readable) {
        return Ok(Some(pems));
    }
    // Whoever damaged the Secret is not asked what else is wrong with it: everything is made anew.
    let read = if good.is_some() { read.map(emptied) } else { read };
    let host = shared.host();
    let secret = issue(name, &host, read, now)?;
    let post = PostParams::default();
    let written = if secret.metadata.resource_version.is_some() {
        api.replace(name, &post, &secret).await
    } else {
        api.create(&post, &secret).await
    };
    match written {
        Ok(secret) => {
            tracing::info!(host, "issued the operator's certificate");
            pems(&secret).map(Some)
        }
        // Another replica was first; its certificate is as good.
        Err(kube::Error::Api(status)) if status.code == 409 => {
            Err(anyhow!("another replica wrote Secret {name} meanwhile"))
        }
        Err(error) => Err(anyhow::Error::new(error).context(format!("failed to write Secret {name}"))),
    }
}

fn pems(secret: &Secret) -> anyhow::Result<Pems> {
    let field = |key: &str| {
        let data = secret.data.as_ref().and_then(|data| data.get(key));
        data.map(|bytes| bytes.0.clone())
            .with_context(|| format!("failed to find {key} in Secret {}", secret.name_any()))
    };
    Ok(Pems {
        authority: String::from_utf8(field("ca.crt")?).context("failed to read ca.crt as text")?,
        certificate: field("tls.crt")?,
        key: field("tls.key")?,
    })
}

/// Whether the parts are what they should be. A damaged Secret would otherwise end every restart of the operator.
fn is_readable(pems: &Pems) -> bool {
    let key = std::str::from_utf8(&pems.key).is_ok_and(|text| KeyPair::from_pem(text).is_ok());
    let certificate = |pem: &[u8]| CertificateDer::from_pem_slice(pem).is_ok();
    key && certificate(&pems.certificate) && certificate(pems.authority.as_bytes())
}

fn emptied(mut secret: Secret) -> Secret {
    tracing::error!(secret = secret.name_any(), "the certificate's Secret is damaged; a new one is made");
    secret.data = None;
    secret
}

/// Whether a certificate ends within `margin` days, or nobody knows when.
fn is_due(secret: &Secret, annotation: &str, margin: i64, now: Timestamp) -> bool {
    let until: Option<Timestamp> = secret.annotations().get(annotation).and_then(|text| text.parse().ok());
    until.is_none_or(|until| until.duration_since(now) < SignedDuration::from_hours(24 * margin))
}

/// A Secret with a new certificate, from the authority in `previous` while that is good, else from a new one. The old
/// authority stays in `ca.crt` beside a new one, because Jobs that run already trust only it.
fn issue(name: &str, host: &str, previous: Option<Secret>, now: Timestamp) -> anyhow::Result<Secret> {
    let mut secret = previous.unwrap_or_default();
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.managed_fields = None;
    secret.type_.get_or_insert_with(|| "kubernetes.io/tls".to_owned());
    let text = |secret: &Secret, key: &str| {
        let data = secret.data.as_ref().and_then(|data| data.get(key));
        data.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
    };
    let known = text(&secret, "ca.crt").zip(text(&secret, "ca.key"));
    let usable = known.filter(|_| !is_due(&secret, AUTHORITY_UNTIL, AUTHORITY_DAYS.1, now));
    let (authority, authority_key) = match usable {
        Some(known) => known,
        None => {
            let made = authority(now)?;
            secret
                .annotations_mut()
                .insert(AUTHORITY_UNTIL.to_owned(), end(now, AUTHORITY_DAYS.0)?.to_string());
            let both = text(&secret, "ca.crt").map_or(made.0.clone(), |old| format!("{}{old}", made.0));
            (both, made.1)
        }
    };
    let (certificate, key) = leaf(host, &authority, &authority_key, now)?;
    secret.annotations_mut().insert(LEAF_UNTIL.to_owned(), end(now, LEAF_DAYS.0)?.to_string());
    secret.labels_mut().insert("app.kubernetes.io/managed-by".to_owned(), "vox-operator".to_owned());
    let data = secret.data.get_or_insert_default();
    for (field, value) in
        [("ca.crt", authority), ("ca.key", authority_key), ("tls.crt", certificate), ("tls.key", key)]
    {
        data.insert(field.to_owned(), ByteString(value.into_bytes()));
    }
    Ok(secret)
}

fn authority(now: Timestamp) -> anyhow::Result<(String, String)> {
    let mut params = validity(CertificateParams::default(), now, AUTHORITY_DAYS.0)?;
    params.distinguished_name.push(DnType::CommonName, "vox-operator authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    Ok((issuer.pem(), issuer.key().serialize_pem()))
}

fn leaf(
    host: &str,
    authority: &str,
    authority_key: &str,
    now: Timestamp,
) -> anyhow::Result<(String, String)> {
    // The newest authority stands first in the bundle, and the parser takes the first.
    let issuer = Issuer::from_ca_cert_pem(authority, KeyPair::from_pem(authority_key)?)?;
    let mut params = validity(
        CertificateParams::new(vec![host.to_owned(), format!("{host}.cluster.local")])?,
        now,
        LEAF_DAYS.0,
    )?;
    params.distinguished_name.push(DnType::CommonName, "vox-operator");
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn validity(mut params: CertificateParams, now: Timestamp, days: i64) -> anyhow::Result<CertificateParams> {
    // rcgen makes whole days of what others can give; the second is added.
    let second = |time: Timestamp| {
        let at = time.to_zoned(jiff::tz::TimeZone::UTC);
        let part = |part: i8| u64::from(part.unsigned_abs());
        let day = rcgen::date_time_ymd(at.year().into(), at.month().unsigned_abs(), at.day().unsigned_abs());
        day + Duration::from_secs(part(at.hour()) * 3600 + part(at.minute()) * 60 + part(at.second()))
    };
    params.not_before = second(now.checked_sub(EARLY)?);
    params.not_after = second(end(now, days)?);
    Ok(params)
}

fn end(now: Timestamp, days: i64) -> anyhow::Result<Timestamp> {
    now.checked_add(SignedDuration::from_hours(24 * days))
        .context("failed to compute the end of a certificate")
}

#[cfg(test)]
mod tests {
    use vox_contracts::checkup::CertificateUse;

    use super::*;

    fn text(secret: &Secret, key: &str) -> String {
        String::from_utf8(secret.data.as_ref().unwrap()[key].0.clone()).unwrap()
    }

    #[test]
    fn a_renewal_keeps_the_authority_and_changes_the_certificate() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let first = issue("tls", "vox.ns.svc", None, now).unwrap();
        assert!(!is_due(&first, LEAF_UNTIL, LEAF_DAYS.1, now));
        let later = now.checked_add(SignedDuration::from_hours(24 * 61)).unwrap();
        assert!(is_due(&first, LEAF_UNTIL, LEAF_DAYS.1, later));
        let second = issue("tls", "vox.ns.svc", Some(first.clone()), later).unwrap();
        assert_eq!(text(&first, "ca.crt"), text(&second, "ca.crt"));
        assert_ne!(text(&first, "tls.crt"), text(&second, "tls.crt"));
    }

    #[test]
    fn a_certificate_is_good_from_an_hour_ago_until_when_its_secret_says() {
        let now: Timestamp = "2026-03-01T00:29:07Z".parse().unwrap();
        let secret = issue("tls", "vox.ns.svc", None, now).unwrap();
        for (key, until, used_as) in [
            ("tls.crt", LEAF_UNTIL, CertificateUse::Serving),
            ("ca.crt", AUTHORITY_UNTIL, CertificateUse::Authority),
        ] {
            let facts = crate::certificates::facts(used_as, text(&secret, key).as_bytes());
            assert_eq!(facts[0].not_before.to_string(), "2026-02-28T23:29:07Z");
            assert_eq!(facts[0].not_after.to_string(), secret.annotations()[until]);
        }
    }

    #[test]
    fn a_new_authority_stands_before_the_old_one() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let first = issue("tls", "vox.ns.svc", None, now).unwrap();
        let later = now.checked_add(SignedDuration::from_hours(24 * 3300)).unwrap();
        let second = issue("tls", "vox.ns.svc", Some(first.clone()), later).unwrap();
        assert!(text(&second, "ca.crt").ends_with(&text(&first, "ca.crt")));
        assert_eq!(text(&second, "ca.crt").matches("BEGIN CERTIFICATE").count(), 2);
    }

    #[test]
    fn a_damaged_secret_is_seen() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut secret = issue("tls", "vox.ns.svc", None, now).unwrap();
        assert!(is_readable(&pems(&secret).unwrap()));
        secret.data.as_mut().unwrap().insert("tls.crt".to_owned(), ByteString(b"garbage".to_vec()));
        assert!(!is_readable(&pems(&secret).unwrap()));
    }

    #[test]
    fn the_key_is_no_part_of_what_callers_get() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let pems = pems(&issue("tls", "vox.ns.svc", None, now).unwrap()).unwrap();
        assert!(!pems.authority.contains("PRIVATE"));
    }
}
