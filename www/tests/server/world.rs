//! A server on a store that can be made to fail, with a clock that can be moved, and a browser's requests.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64ct::{Base64UrlUnpadded, Encoding};
use fiftyten_server::account::{self, NewAccount};
use fiftyten_server::claims::ClaimsPatch;
use fiftyten_server::clock::{Clock, ManualClock};
use fiftyten_server::credential::{self, Credential, Scope};
use fiftyten_server::protocol::{Problem, RefreshBody};
use fiftyten_server::store::{
    Account, Found, KeySet, KeySetVersion, NewSession, Redemption, Result, SecretHash, Session, SqliteStore,
    Store, StoreError, StoredKey, Ticket, User,
};
use fiftyten_server::{Config, CredentialId, Secret, Server, SessionId, UserId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// A moment that is not a whole second.
pub(crate) const NOW: u64 = 1_800_000_000_127;
pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

pub(crate) const ORIGIN: &str = "http://localhost:8080";
pub(crate) const EMAIL: &str = "ada@example.test";
pub(crate) const PASSWORD: &str = "correct horse battery staple";

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<TestStore>,
    pub(crate) user: User,
    pub(crate) folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let store = Arc::new(TestStore::new(&folder, Arc::clone(&clock)));
        let user = add_user(&*store, EMAIL).await;
        let server = Server::start(config, Arc::clone(&store) as _, Arc::clone(&clock) as _).await.unwrap();
        Self { server, clock, store, user, folder }
    }

    pub(crate) fn router(&self) -> Router {
        self.server.router()
    }

    /// A credential as the `Authorization` header has it.
    pub(crate) async fn credential(&self, scope: Scope) -> String {
        let (_, secret) = credential::add(&*self.store, scope, "test", NOW).await.unwrap();
        format!("Bearer {}", secret.expose())
    }

    /// A call of the admin listener.
    pub(crate) async fn admin(&self, request: Request<Body>) -> Answer {
        answer(self.server.admin_router(), request).await
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answer {
        answer(self.router(), request).await
    }

    /// Signs in as the one user, and returns the session cookie as a browser sends it.
    pub(crate) async fn sign_in(&self) -> (String, RefreshBody) {
        let answer = self.call(post("/auth/v1/sessions").json(&credentials(EMAIL, PASSWORD))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        (answer.cookie(), answer.json())
    }

    pub(crate) async fn refresh(&self, cookie: &str) -> Answer {
        self.call(post("/auth/v1/refresh?reason=timer").cookie(cookie).send()).await
    }

    pub(crate) fn reads(&self) -> u64 {
        self.server.stats().store_reads
    }
}

pub(crate) async fn add_user(store: &dyn Store, email: &str) -> User {
    let new = NewAccount {
        email: email.to_owned(),
        password: PASSWORD.to_owned().into(),
        roles: vec!["clerk".to_owned()],
        permissions: vec!["orders:refund".to_owned()],
        claims: json!({ "name": "Ada" }).as_object().cloned().unwrap(),
    };
    account::add(store, new, NOW).await.unwrap()
}

/// A live session of this user's, opened at `now` behind the server's back.
pub(crate) fn new_session(user: &UserId, now: u64) -> Session {
    Session {
        id: SessionId::random(),
        user: user.clone(),
        created_at: now,
        last_active_at: now,
        expires_at: now + 30 * DAY,
        ended_at: None,
        user_agent: None,
    }
}

pub(crate) fn credentials(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

pub(crate) async fn answer(router: Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The problem's code, once everything around it is as every problem's should be.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.text());
        assert_eq!(self.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(self.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(problem.kind, "about:blank");
        problem.code
    }

    pub(crate) fn problem_session(&self) -> Option<String> {
        self.json::<Problem>().session
    }

    /// `name=value` of the one cookie that is set.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// A header that stands there once.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().unwrap_or_else(|| panic!("no {name}")).to_str().unwrap();
        assert!(values.next().is_none(), "{name} stands there twice");
        value
    }
}

/// A request as the SDK sends it, which may be spoilt.
pub(crate) struct Builder(axum::http::request::Builder);

pub(crate) fn request(method: &str, path: &str) -> Builder {
    Builder(Request::builder().method(method).uri(path)).with("x-fiftyten", "1").with("origin", ORIGIN)
}

pub(crate) fn bare(method: &str, path: &str) -> Builder {
    Builder(Request::builder().method(method).uri(path))
}

pub(crate) fn get(path: &str) -> Builder {
    request("GET", path)
}

pub(crate) fn post(path: &str) -> Builder {
    request("POST", path)
}

pub(crate) fn delete(path: &str) -> Builder {
    request("DELETE", path)
}

impl Builder {
    pub(crate) fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        Self(self.0.header(name, value.as_ref()))
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.headers_mut().unwrap().remove(name);
        self
    }

    pub(crate) fn cookie(self, cookie: &str) -> Self {
        self.with("cookie", cookie)
    }

    pub(crate) fn json(self, body: &Value) -> Request<Body> {
        self.with("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn body(self, body: impl Into<Body>) -> Request<Body> {
        self.0.body(body.into()).unwrap()
    }

    pub(crate) fn send(self) -> Request<Body> {
        self.body(Body::empty())
    }
}

/// Header and claims of a token, not verified.
pub(crate) fn decode(token: &str) -> (Value, Value) {
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let json = |part| serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap();
    (json(parts[0]), json(parts[1]))
}

/// How the store fails.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub(crate) enum Fault {
    None,
    Busy,
    Unavailable,
    Corrupt,
    /// Reads succeed, writes fail.
    ReadOnly,
    /// The signing keys cannot be read or written, and all else can.
    NoKeys,
}

pub(crate) const FAULTS: [Fault; 4] = [Fault::Busy, Fault::Unavailable, Fault::Corrupt, Fault::ReadOnly];

/// When it was written, and each session's time.
type Batch = (u64, Vec<(SessionId, u64)>);

type Hook = Box<dyn FnOnce(Arc<SqliteStore>) -> futures::BoxFuture + Send>;

pub(crate) mod futures {
    pub(crate) type BoxFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// SQLite, with faults on demand.
pub(crate) struct TestStore {
    pub(crate) sqlite: Arc<SqliteStore>,
    clock: Arc<ManualClock>,
    fault: AtomicU8,
    /// How long the clock moves on while a session is read, in ms.
    slow_read_ms: AtomicU64,
    /// Runs once, after an account, a session or those that ended were read and before the server sees it.
    after_read: Mutex<Option<Hook>>,
    /// Batches of activity that were written, each with its time.
    pub(crate) activity: Mutex<Vec<Batch>>,
    /// Background writes that have begun and not ended.
    in_flight: AtomicU64,
}

impl TestStore {
    pub(crate) fn new(folder: &TempDir, clock: Arc<ManualClock>) -> Self {
        Self {
            sqlite: Arc::new(SqliteStore::open(&folder.path().join("test.db")).unwrap()),
            clock,
            fault: AtomicU8::new(0),
            slow_read_ms: AtomicU64::new(0),
            after_read: Mutex::new(None),
            activity: Mutex::new(Vec::new()),
            in_flight: AtomicU64::new(0),
        }
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }

    pub(crate) fn read_slowly(&self, ms: u64) {
        self.slow_read_ms.store(ms, Ordering::SeqCst);
    }

    pub(crate) fn after_read<F: Future<Output = ()> + Send + 'static>(
        &self,
        hook: impl FnOnce(Arc<SqliteStore>) -> F + Send + 'static,
    ) {
        *self.after_read.lock().unwrap() = Some(Box::new(|store| Box::pin(hook(store))));
    }

    fn read(&self) -> Result<&SqliteStore> {
        match self.fault.load(Ordering::SeqCst) {
            fault if fault == Fault::Busy as u8 => Err(StoreError::Busy),
            fault if fault == Fault::Unavailable as u8 => Err(StoreError::Unavailable("disk on fire".into())),
            fault if fault == Fault::Corrupt as u8 => Err(StoreError::Corrupt("a row".into())),
            _ => Ok(&self.sqlite),
        }
    }

    fn write(&self) -> Result<&SqliteStore> {
        match self.fault.load(Ordering::SeqCst) {
            fault if fault == Fault::ReadOnly as u8 => Err(StoreError::Unavailable("disk full".into())),
            _ => self.read(),
        }
    }

    fn keys(&self) -> Result<&SqliteStore> {
        match self.fault.load(Ordering::SeqCst) {
            fault if fault == Fault::NoKeys as u8 => Err(StoreError::Unavailable("no such table".into())),
            _ => self.read(),
        }
    }

    async fn in_background<T>(&self, write: impl Future<Output = T>) -> T {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let written = write.await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        written
    }

    /// Lets `time` pass by the runtime's clock, which the test has paused, and then waits for the disk, which
    /// knows nothing of that.
    pub(crate) async fn settle(&self, time: std::time::Duration) {
        tokio::time::sleep(time).await;
        while self.in_flight.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    }

    async fn have_read(&self) {
        self.clock.advance(self.slow_read_ms.load(Ordering::SeqCst));
        let hook = self.after_read.lock().unwrap().take();
        if let Some(hook) = hook {
            hook(Arc::clone(&self.sqlite)).await;
        }
    }
}

#[async_trait]
impl Store for TestStore {
    async fn ping(&self) -> Result<()> {
        self.read()?.ping().await
    }

    async fn find_session(&self, secret: &SecretHash) -> Result<Option<Found>> {
        let found = self.read()?.find_session(secret).await;
        self.have_read().await;
        found
    }

    async fn open_session(&self, new: NewSession) -> Result<bool> {
        self.write()?.open_session(new).await
    }

    async fn end_session(&self, id: &SessionId, of: Option<&UserId>, at: u64) -> Result<bool> {
        self.write()?.end_session(id, of, at).await
    }

    async fn end_sessions(&self, of: &UserId, except: Option<&SessionId>, at: u64) -> Result<u64> {
        self.write()?.end_sessions(of, except, at).await
    }

    async fn list_sessions(&self, of: &UserId) -> Result<Vec<Session>> {
        self.read()?.list_sessions(of).await
    }

    async fn record_activity(&self, batch: Vec<(SessionId, u64)>) -> Result<()> {
        let store = self.write()?;
        self.activity.lock().unwrap().push((self.clock.now_ms(), batch.clone()));
        self.in_background(store.record_activity(batch)).await
    }

    async fn prune_sessions(&self, before: u64) -> Result<u64> {
        self.in_background(self.write()?.prune_sessions(before)).await
    }

    async fn add_account(&self, account: Account) -> Result<()> {
        self.write()?.add_account(account).await
    }

    async fn find_account(&self, email: &str) -> Result<Option<Account>> {
        let account = self.read()?.find_account(email).await;
        self.have_read().await;
        account
    }

    async fn list_users(&self) -> Result<Vec<User>> {
        self.read()?.list_users().await
    }

    async fn set_password(&self, user: &UserId, hash: Secret<String>, at: u64) -> Result<bool> {
        self.write()?.set_password(user, hash, at).await
    }

    async fn read_keys(&self) -> Result<KeySet> {
        self.keys()?.read_keys().await
    }

    async fn swap_keys(&self, seen: &KeySetVersion, keys: Vec<StoredKey>) -> Result<bool> {
        self.keys()?;
        self.write()?.swap_keys(seen, keys).await
    }

    async fn add_credential(&self, credential: Credential, secret: SecretHash) -> Result<()> {
        self.write()?.add_credential(credential, secret).await
    }

    async fn find_credential(&self, secret: &SecretHash) -> Result<Option<Credential>> {
        self.read()?.find_credential(secret).await
    }

    async fn list_credentials(&self) -> Result<Vec<Credential>> {
        self.read()?.list_credentials().await
    }

    async fn remove_credential(&self, id: &CredentialId) -> Result<bool> {
        self.write()?.remove_credential(id).await
    }

    async fn live_sessions(&self, now: u64) -> Result<Vec<Session>> {
        self.read()?.live_sessions(now).await
    }

    async fn set_claims(&self, id: &SessionId, claims: ClaimsPatch) -> Result<bool> {
        self.write()?.set_claims(id, claims).await
    }

    async fn add_ticket(&self, ticket: Ticket, secret: SecretHash) -> Result<()> {
        self.write()?.add_ticket(ticket, secret).await
    }

    async fn find_ticket(&self, secret: &SecretHash) -> Result<Option<Ticket>> {
        self.read()?.find_ticket(secret).await
    }

    async fn redeem_ticket(&self, redemption: Redemption) -> Result<bool> {
        self.write()?.redeem_ticket(redemption).await
    }

    async fn prune_tickets(&self, before: u64) -> Result<u64> {
        self.in_background(self.write()?.prune_tickets(before)).await
    }

    async fn ended_sessions(&self, since: u64) -> Result<Vec<(SessionId, u64)>> {
        let ended = self.read()?.ended_sessions(since).await;
        self.have_read().await;
        ended
    }
}
