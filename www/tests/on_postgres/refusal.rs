//! What cannot be used is refused in one line that says what to do, and never shows the password.

use fiftyten_server::store::{PostgresStore, PostgresUrl};

use crate::cluster::{Cluster, ENCODED, OWNER};

async fn refusal(url: &str) -> String {
    let parsed = PostgresUrl::parse(url).unwrap();
    let error = PostgresStore::open(&parsed).await.err().unwrap_or_else(|| panic!("{url} is refused"));
    for line in [error.to_string(), format!("{error:?}")] {
        assert!(line.contains(&parsed.to_string()) && !line.contains('\n'), "{line}");
        assert!(!line.contains("canary") && !line.contains("wrong-word"), "{line}");
    }
    error.to_string()
}

#[tokio::test]
async fn a_wrong_password_or_user_is_named_as_that() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let wrong = refusal(&url.replace(ENCODED, "wrong-word")).await;
    assert!(wrong.contains("password authentication failed") && wrong.contains("check user and"), "{wrong}");
    let nobody = refusal(&url.replace(OWNER, "nobody")).await;
    assert!(nobody.contains("check user and password"), "{nobody}");
    let none = refusal(&url.replace(&format!(":{ENCODED}"), "")).await;
    assert!(none.contains("asks for a password, and the URL has none"), "{none}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_to_be_made() {
    let cluster = Cluster::shared();
    let line = refusal(&cluster.url("nowhere")).await;
    assert!(line.contains("\"nowhere\" does not exist: make it (CREATE DATABASE)"), "{line}");
}

#[tokio::test]
async fn a_server_that_is_not_there_or_has_no_tls_is_told_apart() {
    let cluster = Cluster::shared();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let silent = refusal(&format!("postgres://ada:canary@127.0.0.1:{port}/x")).await;
    assert!(silent.contains("does not answer in time"), "{silent}");
    drop(taken);
    let nothing = refusal(&format!("postgres://ada:canary@127.0.0.1:{port}/x")).await;
    assert!(nothing.contains("nothing listens there: is PostgreSQL running"), "{nothing}");
    let no_socket = refusal("postgres://ada:canary@/x?host=/nowhere").await;
    assert!(no_socket.contains("nothing listens there"), "{no_socket}");
    let nobody = refusal("postgres://ada:canary@no-such-host.invalid/x?sslmode=disable").await;
    assert!(nobody.contains("cannot be reached"), "{nobody}");
    let plain = refusal(&format!("{}?sslmode=verify-full", cluster.url("postgres"))).await;
    assert!(plain.contains("offers no TLS") && plain.contains("sslmode=disable"), "{plain}");
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let other = cluster.superuser(&url).await;
    other.batch_execute("CREATE TABLE invoices (id BIGINT)").await.unwrap();
    let line = refusal(&url).await;
    assert!(
        line.contains("another program in its schema public") && line.contains("CREATE DATABASE"),
        "{line}"
    );
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(other.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 1);

    let schema = "?options=-csearch_path%3Dfiftyten";
    let missing = refusal(&format!("{url}{schema}")).await;
    assert!(missing.contains("CREATE SCHEMA"), "{missing}");
    other.batch_execute(&format!("CREATE SCHEMA fiftyten AUTHORIZATION {OWNER}")).await.unwrap();
    drop(super::open(&format!("{url}{schema}")).await);
    assert_eq!(other.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    drop(super::open(&url).await);
    let other = cluster.superuser(&url).await;
    other.batch_execute("INSERT INTO fiftyten_schema (version) VALUES (99)").await.unwrap();
    let line = refusal(&url).await;
    assert!(line.contains("newer fiftyten-server (schema 99; this one knows up to 3)"), "{line}");
}

#[tokio::test]
async fn a_user_who_may_not_make_tables_is_told_what_is_lacking() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let guest = "CREATE ROLE guest LOGIN PASSWORD 'canary'";
    cluster.superuser(&url).await.batch_execute(guest).await.unwrap();
    let line = refusal(&url.replace(&format!("{OWNER}:{ENCODED}"), "guest:canary")).await;
    assert!(line.contains("permission denied") && line.contains("GRANT"), "{line}");
}

#[tokio::test]
async fn a_server_that_cannot_be_written_to_is_no_primary() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let name = url.rsplit('/').next().unwrap();
    let standby = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    cluster.superuser("postgres").await.batch_execute(&standby).await.unwrap();
    let line = refusal(&url).await;
    assert!(line.contains("name the primary"), "{line}");
}
