//! The PostgreSQL store, on a server of the tests' own.

use std::sync::Arc;

use fiftyten_server::store::{PostgresStore, PostgresUrl, Store};

use crate::cluster::Cluster;
use crate::store_suite;

mod durability;
mod failover;
mod fault;
mod migration;
mod race;
mod refusal;
mod tls;

async fn open(url: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(&PostgresUrl::parse(url).unwrap()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_every_store_has_to_do() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    store_suite::run(|| async { open(&url).await as Arc<dyn Store> }).await;
}

#[tokio::test]
async fn an_address_with_a_zero_byte_is_nobodys() {
    let cluster = Cluster::shared();
    let store = open(&cluster.database().await).await;
    assert!(store.find_account("ada\0@example.test").await.unwrap().is_none());
}
