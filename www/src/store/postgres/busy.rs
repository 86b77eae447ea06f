//! A connection on which something is under way.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed;
use tokio::runtime::Handle;

use super::connector::{Connector, Links};
use super::link::Link;

/// How often to look whether a server that is silent has been replaced by another.
const LOOK: Duration = Duration::from_secs(1);

/// A connection out of a pool. If this is dropped before what is under way has ended, because nobody waits for
/// it any longer, the connection keeps its place until it has.
///
/// A commit goes on waiting for the standby whether or not anybody is there. If its connection were replaced,
/// each new attempt would leave another behind, until PostgreSQL takes no more.
pub(super) struct Busy {
    client: Option<managed::Object<Links>>,
    connector: Arc<Connector>,
}

impl Busy {
    pub(super) fn new(client: managed::Object<Links>, connector: &Arc<Connector>) -> Self {
        Self { client: Some(client), connector: Arc::clone(connector) }
    }

    pub(super) fn link(&self) -> &Link {
        self.client.as_ref().expect("it is only taken by what consumes this")
    }

    /// What was under way has ended: the connection goes back, if it can be used again.
    pub(super) fn end(mut self, usable: bool) {
        if let Some(client) = self.client.take()
            && !usable
        {
            drop(managed::Object::take(client));
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let (Some(client), Ok(runtime)) = (self.client.take(), Handle::try_current()) else { return };
        runtime.spawn(wait(client, Arc::clone(&self.connector)));
    }
}

async fn wait(client: managed::Object<Links>, connector: Arc<Connector>) {
    {
        // It is answered after what was sent before it, or when the connection is gone.
        let mut ended = std::pin::pin!(client.simple_query(""));
        while tokio::time::timeout(LOOK, &mut ended).await.is_err() && connector.is_current(&client) {}
    }
    drop(managed::Object::take(client));
}
