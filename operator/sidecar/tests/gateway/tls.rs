//! Upstreams behind TLS: trusted authorities only.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::fake::{GOOD, Step, whole};
use crate::house::{House, ended, folder, put, snapshot, upstream};

/// A server for `localhost` that gives one good answer a connection; its certificate is put into this file.
fn server(certificate: &Path) -> SocketAddr {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    put(certificate, cert.pem().as_bytes());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut request = [0; 8192];
            // A client that does not trust us says nothing.
            if !stream.read(&mut request).is_ok_and(|length| length > 0) {
                continue;
            }
            for step in whole(200, "connection: close\r\n", GOOD) {
                if let Step::Send(bytes) = step {
                    stream.write_all(&bytes).unwrap();
                }
            }
        }
    });
    address
}

fn house(trusted: &str) -> House {
    let folder = folder();
    let address = server(&folder.join("own.pem"));
    server(&folder.join("other.pem"));
    let url = format!("https://localhost:{}/v1", address.port());
    let snapshot = snapshot(1, vec![upstream("up", &url, None)], &json!({}));
    put(&folder.join("snapshot.json"), &snapshot.write().unwrap());
    let (file, bundle) = (folder.join("snapshot.json"), folder.join(trusted));
    let arguments = ["--snapshot", file.to_str().unwrap(), "--ca-bundle", bundle.to_str().unwrap()];
    let house = House::open(folder.clone(), &arguments);
    house.until_ready();
    house
}

#[test]
fn an_upstream_with_a_trusted_certificate_is_called() {
    let house = house("own.pem");
    let answer = house.ask();
    assert_eq!((answer.status(), answer.body.as_str()), (200, GOOD));
}

#[test]
fn an_upstream_with_another_certificate_gets_no_request() {
    let house = house("other.pem");
    assert_eq!(house.ask().status(), 502);
    assert_eq!(ended(&house.records()[0], 0), "tls");
}

#[test]
fn without_any_authority_https_fails_and_the_rest_serves() {
    let house = house("missing.pem");
    assert_eq!(house.get("/readyz").status(), 200);
    assert_eq!(house.ask().status(), 502);
}
