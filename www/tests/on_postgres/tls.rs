//! TLS with an authority that was made for the test.

use std::fs;
use std::path::Path;
use std::process::Command;

use fiftyten_server::store::{PostgresStore, PostgresUrl, Store};
use tempfile::TempDir;

use crate::cluster::{Cluster, ENCODED, OWNER};

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output();
    let output = output.expect("openssl is missing: apt-get install openssl");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority `NAME.pem`, and a certificate that it signed for `localhost`.
fn authority(folder: &Path, name: &str) {
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    let subject = format!("/CN=the authority {name}");
    let req = ["req", "-x509", "-subj", &subject, "-keyout", &key, "-out", &certificate];
    openssl(folder, &[&req[..], &curve].concat());
    let req = ["req", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"];
    openssl(folder, &[&req[..], &curve[..5]].concat());
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let sign = ["x509", "-req", "-in", "server.csr", "-CA", &certificate, "-CAkey", &key, "-CAcreateserial"];
    openssl(folder, &[&sign[..], &["-days", "2", "-extfile", "names", "-out", "server.crt"]].concat());
}

#[tokio::test]
async fn the_certificate_is_checked_whatever_the_mode_is_called() {
    let folder = TempDir::new().unwrap();
    authority(folder.path(), "stranger");
    authority(folder.path(), "ours");
    let cluster = Cluster::start_with(&["ssl=on"], |data| {
        for file in ["server.crt", "server.key"] {
            fs::copy(folder.path().join(file), data.join(file)).unwrap();
        }
        // Who does not encrypt is turned away.
        let rule =
            "hostssl all ada 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), rule).unwrap();
    });
    let database = cluster.database().await;
    let name = database.rsplit('/').next().unwrap();
    let url = |host: &str, query: &str| {
        format!("postgres://{OWNER}:{ENCODED}@{host}:{}/{name}{query}", cluster.port)
    };
    let root = |name: &str| format!("sslrootcert={}", folder.path().join(format!("{name}.pem")).display());
    for mode in ["", "sslmode=require&", "sslmode=verify-ca&", "sslmode=verify-full&"] {
        let url = url("localhost", &format!("?{mode}{}", root("ours")));
        let store = super::open(&url).await;
        store.ping().await.unwrap();
    }
    let refusal = async |url: String| {
        let error = PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.err().unwrap().to_string();
        assert!(!error.contains("canary") && !error.contains('\n'), "{error}");
        error
    };
    for query in [format!("?sslmode=require&{}", root("stranger")), "?sslmode=require".to_owned()] {
        let line = refusal(url("localhost", &query)).await;
        assert!(line.contains("not signed by an authority that is trusted here"), "{line}");
    }
    let line = refusal(url("127.0.0.1", &format!("?sslmode=require&{}", root("ours")))).await;
    assert!(line.contains("its certificate is for another name"), "{line}");
    let line = refusal(url("localhost", "?sslmode=disable")).await;
    assert!(line.contains("no encryption") && line.contains("pg_hba.conf"), "{line}");
    let line = refusal(url("localhost", "?sslrootcert=/nowhere.pem")).await;
    assert!(line.contains("sslrootcert: /nowhere.pem"), "{line}");
    let line = refusal(url("localhost", &format!("?{}", root("names").replace(".pem", "")))).await;
    assert!(line.contains("holds no certificate in PEM form"), "{line}");
}
