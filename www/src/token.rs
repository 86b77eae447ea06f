//! Minting session tokens: JWS compact (RFC 7515), signed by the current key.

use chrono::{DateTime, TimeDelta, Utc};
use fiftyten::protocol::{RefreshBody, SessionRef, TOKEN_TYPE};
use jwt_compact::{AlgorithmExt, Header, TimeOptions};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::claims::Claims;
use crate::config::Config;
use crate::key::KeyRing;
use crate::random::{SessionId, UserId};

/// Claims that the server sets: an app's own claims may not use these names.
pub const RESERVED_CLAIMS: [&str; 11] =
    ["iss", "aud", "sub", "sid", "iat", "exp", "nbf", "jti", "roles", "permissions", "cnf"];

/// Makes the answers to sign-in and refresh.
#[derive(Debug)]
pub(crate) struct Minter {
    issuer: String,
    audience: String,
    lifetime_s: u64,
    refresh_in_ms: u64,
}

#[derive(Serialize)]
struct SessionClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    sid: &'a str,
    roles: &'a [String],
    permissions: &'a [String],
    #[serde(flatten)]
    own: &'a Map<String, Value>,
}

/// A token could not be made: the clock shows a date that no token can carry.
#[derive(Debug)]
pub(crate) struct CannotMint;

impl Minter {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            issuer: config.issuer(),
            audience: config.audience(),
            lifetime_s: config.token_lifetime.as_secs(),
            refresh_in_ms: config.refresh_in.as_millis() as u64,
        }
    }

    /// A token for `user`'s session with its claims, dated `received_ms`: when the request was taken in hand, which has to
    /// be before the session was read. So a token never outlives the session's end by more than its
    /// lifetime, and `expires_in_ms` may be counted from when the client sent the request.
    pub(crate) fn mint(
        &self,
        keys: &KeyRing,
        user: &UserId,
        claims: &Claims,
        session: &SessionId,
        received_ms: u64,
    ) -> Result<RefreshBody, CannotMint> {
        let issued_s = received_ms / 1000;
        let issued_at = i64::try_from(issued_s).ok().and_then(|s| DateTime::<Utc>::from_timestamp(s, 0));
        let issued_at = issued_at.ok_or(CannotMint)?;
        let lifetime = i64::try_from(self.lifetime_s).ok().and_then(TimeDelta::try_seconds);
        let claims = jwt_compact::Claims::new(SessionClaims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: user.as_str(),
            sid: session.as_str(),
            roles: &claims.roles,
            permissions: &claims.permissions,
            own: &claims.own,
        })
        .set_duration_and_issuance(
            &TimeOptions::new(TimeDelta::zero(), || issued_at),
            lifetime.ok_or(CannotMint)?,
        );
        let header = Header::empty().with_token_type(TOKEN_TYPE).with_key_id(keys.kid());
        let signing = keys.signing();
        let token = signing.algorithm().token(&header, &claims, signing).map_err(|_| CannotMint)?;
        Ok(RefreshBody {
            token,
            expires_in_ms: (issued_s + self.lifetime_s) * 1000 - received_ms,
            refresh_in_ms: self.refresh_in_ms,
            session: SessionRef { id: session.as_str().to_owned(), user: user.as_str().to_owned() },
        })
    }
}
