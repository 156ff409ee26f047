//! How long certificates are good for. Pure: text in, facts out.

use jiff::Timestamp;
use vox_contracts::checkup::{CertificateFacts, CertificateUse};
use x509_parser::pem::Pem;

/// The certificates of a text in PEM, in its order. What cannot be read is left out.
pub(crate) fn facts(used_as: CertificateUse, pem: &[u8]) -> Vec<CertificateFacts> {
    let blocks = Pem::iter_from_buffer(pem).filter_map(Result::ok);
    let read = blocks.filter_map(|block| {
        let certificate = block.parse_x509().ok()?;
        let validity = certificate.validity();
        Some(CertificateFacts {
            used_as,
            not_before: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            not_after: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
        })
    });
    // A serving certificate comes with those between it and its authority; its own stands first.
    let most = if used_as == CertificateUse::Serving { 1 } else { usize::MAX };
    read.take(most).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(year: i32) -> String {
        let mut params = CertificateParams::new(vec!["vox.ns.svc".to_owned()]).unwrap();
        params.not_before = date_time_ymd(year, 1, 1);
        params.not_after = date_time_ymd(year + 1, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn each_authority_of_a_bundle_tells_from_when_until_when_it_is_good() {
        let bundle = format!("{}{}", certificate(2030), certificate(2026));
        let found = facts(CertificateUse::Authority, bundle.as_bytes());
        let ends: Vec<String> = found.iter().map(|one| one.not_after.to_string()).collect();
        assert_eq!(ends, ["2031-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]);
        assert_eq!(found[0].not_before.to_string(), "2030-01-01T00:00:00Z");
    }

    #[test]
    fn of_a_chain_the_certificate_itself_is_told() {
        let chain = format!("{}{}", certificate(2026), certificate(2030));
        let found = facts(CertificateUse::Serving, chain.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].not_after.to_string(), "2027-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_certificate_is_left_out() {
        assert_eq!(facts(CertificateUse::Serving, b""), []);
        assert_eq!(
            facts(
                CertificateUse::Authority,
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
            ),
            []
        );
        assert_eq!(facts(CertificateUse::Authority, &[0xff; 64]), []);
    }
}
