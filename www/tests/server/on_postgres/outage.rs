//! PostgreSQL is gone for a while.

use std::sync::Arc;

use fiftyten_server::store::{PostgresStore, PostgresUrl, Store};

use super::{database, start};
use crate::cluster::Cluster;
use crate::fleet;
use crate::outage::{Plan, live_through};
use crate::world::EMAIL;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stops_and_comes_back_is_not_stormed_and_nobody_is_signed_out() {
    let plan = Plan::from_environment();
    let site = tokio::task::spawn_blocking(move || {
        let cluster = Arc::new(Cluster::start(&[]));
        let url = database(&cluster);
        let server = start(&url, &plan.flags().iter().map(String::as_str).collect::<Vec<_>>());
        (cluster, url, server)
    });
    let (cluster, url, server) = site.await.unwrap();
    let store = PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.unwrap();
    let user = store.find_account(EMAIL).await.unwrap().unwrap().user.id;
    let sessions = fleet::open_sessions(&store, &user, plan.browsers).await;
    let (stopped, back) = (Arc::clone(&cluster), Arc::clone(&cluster));
    let target = fleet::target(&server);
    live_through("PostgreSQL", plan, target, &sessions, move || stopped.stop(), move || back.go_on()).await;
}
