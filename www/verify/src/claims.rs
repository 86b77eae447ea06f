//! What a verified token says.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::VerifyError;
use crate::expect::Expect;
use crate::json;

/// The end of the year 9999, in seconds since the epoch. A later time is a mistake (of unit, mostly).
const MAX_NUMERIC_DATE: u64 = 253_402_300_799;

/// What a verified token says. Only a [`Verifier`](crate::Verifier) makes one.
///
/// Clones share their content. `Debug` shows user, session and times, and leaves the app's own
/// claims out.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims {
    inner: Arc<Inner>,
}

#[derive(PartialEq, Eq)]
struct Inner {
    subject: String,
    session: String,
    issuer: String,
    audience: Vec<String>,
    issued_at: u64,
    expires_at: u64,
    /// The later of `iat` and `nbf`.
    not_before: u64,
    roles: Vec<String>,
    permissions: Vec<String>,
    extra: Map<String, Value>,
}

impl Claims {
    /// The user: `sub`.
    pub fn subject(&self) -> &str {
        &self.inner.subject
    }

    /// The session: `sid`. New at every sign-in.
    pub fn session(&self) -> &str {
        &self.inner.session
    }

    /// Who issued the token: `iss`, the issuer that was expected.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// For whom it was issued: `aud`, which contains the audience that was expected.
    pub fn audience(&self) -> &[String] {
        &self.inner.audience
    }

    /// When it was issued: `iat`, in whole seconds.
    pub fn issued_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.inner.issued_at)
    }

    /// When it ends: `exp`, in whole seconds.
    pub fn expires_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.inner.expires_at)
    }

    /// How long it still lives. Zero once it has expired.
    pub fn expires_in(&self, now: SystemTime) -> Duration {
        self.expires_at().duration_since(now).unwrap_or_default()
    }

    /// The user's roles: `roles`. None if the token has no such claim.
    pub fn roles(&self) -> &[String] {
        &self.inner.roles
    }

    /// Whether the user has this role. Names are compared exactly.
    pub fn has_role(&self, role: &str) -> bool {
        self.inner.roles.iter().any(|has| has == role)
    }

    /// The user's permissions: `permissions`. None if the token has no such claim.
    pub fn permissions(&self) -> &[String] {
        &self.inner.permissions
    }

    /// Whether the user has this permission. Names are compared exactly: there are no wildcards.
    pub fn has_permission(&self, permission: &str) -> bool {
        self.inner.permissions.iter().any(|has| has == permission)
    }

    /// The claims that are none of the above: the app's own.
    pub fn extra(&self) -> &Map<String, Value> {
        &self.inner.extra
    }

    /// One of the app's own claims, as the type the app knows it to have.
    ///
    /// ```
    /// # fn plan(claims: &fiftyten_verify::Claims) -> Result<Option<String>, serde_json::Error> {
    /// let plan: Option<String> = claims.get("plan")?;
    /// # Ok(plan)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The token has the claim, and it is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        self.inner.extra.get(name).map(T::deserialize).transpose()
    }

    /// Reads a payload whose signature was found good, and checks of it what does not change with time.
    pub(crate) fn read(payload: &[u8], expect: &Expect) -> Result<Self, VerifyError> {
        if !json::is_strict_object(payload) {
            return Err(VerifyError::Payload);
        }
        let mut members: Map<String, Value> =
            serde_json::from_slice(payload).map_err(|_| VerifyError::Payload)?;

        let issuer = text(&mut members, "iss")?;
        if issuer != expect.issuer {
            return Err(VerifyError::Issuer);
        }
        let audience = match members.get("aud") {
            None => return Err(VerifyError::ClaimMissing("aud")),
            Some(Value::String(_)) => vec![text(&mut members, "aud")?],
            Some(_) => texts(&mut members, "aud")?,
        };
        if !audience.contains(&expect.audience) {
            return Err(VerifyError::Audience);
        }

        let expires_at = time(&mut members, "exp")?.ok_or(VerifyError::ClaimMissing("exp"))?;
        let issued_at = time(&mut members, "iat")?.ok_or(VerifyError::ClaimMissing("iat"))?;
        let not_before = time(&mut members, "nbf")?;
        match expires_at.checked_sub(issued_at) {
            Some(lifetime @ 1..) if Duration::from_secs(lifetime) <= expect.max_lifetime => {}
            _ => return Err(VerifyError::Lifetime),
        }

        let subject = text(&mut members, "sub")?;
        let session = text(&mut members, "sid")?;
        let roles = texts(&mut members, "roles")?;
        let permissions = texts(&mut members, "permissions")?;
        let extra = members;
        Ok(Self {
            inner: Arc::new(Inner {
                subject,
                session,
                issuer,
                audience,
                issued_at,
                expires_at,
                not_before: not_before.map_or(issued_at, |time| time.max(issued_at)),
                roles,
                permissions,
                extra,
            }),
        })
    }

    /// Checks what changes with time: `exp`, and that `iat` and `nbf` have come.
    pub(crate) fn check_times(&self, expect: &Expect, now: SystemTime) -> Result<(), VerifyError> {
        // A clock before 1970 is treated as at 1970: every token is from its future then.
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if now >= Duration::from_secs(self.inner.expires_at) {
            return Err(VerifyError::Expired);
        }
        if Duration::from_secs(self.inner.not_before) > now.saturating_add(expect.max_clock_skew) {
            return Err(VerifyError::NotYetValid);
        }
        Ok(())
    }

    /// About how many bytes these claims take in memory.
    pub(crate) fn bytes(&self) -> usize {
        let texts =
            |texts: &[String]| texts.iter().map(|text| size_of::<String>() + text.len()).sum::<usize>();
        let inner = &*self.inner;
        size_of::<Inner>()
            + inner.subject.len()
            + inner.session.len()
            + inner.issuer.len()
            + texts(&inner.audience)
            + texts(&inner.roles)
            + texts(&inner.permissions)
            + json::bytes(&inner.extra)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("subject", &self.inner.subject)
            .field("session", &self.inner.session)
            .field("issued_at", &self.inner.issued_at)
            .field("expires_at", &self.inner.expires_at)
            .finish_non_exhaustive()
    }
}

/// Takes a required string that is not empty.
fn text(members: &mut Map<String, Value>, name: &'static str) -> Result<String, VerifyError> {
    match members.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::String(_)) => Err(VerifyError::ClaimMissing(name)),
        Some(_) => Err(VerifyError::ClaimMalformed(name)),
    }
}

/// Takes an array of strings. Without it there are none.
fn texts(members: &mut Map<String, Value>, name: &'static str) -> Result<Vec<String>, VerifyError> {
    let values = match members.remove(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(VerifyError::ClaimMalformed(name)),
    };
    values
        .into_iter()
        .map(|value| match value {
            Value::String(text) => Ok(text),
            _ => Err(VerifyError::ClaimMalformed(name)),
        })
        .collect()
}

/// Takes a time in whole seconds since the epoch. RFC 7519 would allow fractions; no issuer needs them.
fn time(members: &mut Map<String, Value>, name: &'static str) -> Result<Option<u64>, VerifyError> {
    match members.remove(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(seconds @ 0..=MAX_NUMERIC_DATE) => Ok(Some(seconds)),
            _ => Err(VerifyError::ClaimMalformed(name)),
        },
    }
}
