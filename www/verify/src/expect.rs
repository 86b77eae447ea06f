//! What a verifier expects of a token.

use std::time::Duration;

use crate::header::{TOKEN_TYPE, bare_type};

/// What a token must say to be accepted: who issued it, for whom, and within which times.
///
/// ```
/// use std::time::Duration;
/// use fiftyten_verify::Expect;
///
/// let expect = Expect::new("https://app.example/auth", "https://app.example")
///     .max_lifetime(Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) max_lifetime: Duration,
    pub(crate) max_clock_skew: Duration,
    pub(crate) token_type: String,
}

impl Expect {
    /// `iss` must equal `issuer`, to the byte: the refresh server's public URL with its base path.
    /// `aud` must be, or contain, `audience`: the app's public origin.
    ///
    /// An empty issuer or audience matches no token.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            max_lifetime: Duration::from_secs(600),
            max_clock_skew: Duration::from_secs(5),
            token_type: TOKEN_TYPE.to_owned(),
        }
    }

    /// The longest `exp` − `iat` that is accepted, 10 minutes unless set here.
    ///
    /// A session that ends stays usable for as long as its last token lives, so an issuer that is
    /// set by mistake to make tokens of a day would undo revocation without anyone noticing.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// How far `iat` and `nbf` may lie in the future, 5 s unless set here.
    ///
    /// This machine's clock may lag the issuer's by that much. It is no leeway on `exp`, which has
    /// none: a token ends when it says. A clock that lags makes every token live longer by the lag,
    /// so a large one must show: 5 s is far more than machines that keep time by NTP differ, and half
    /// of the 10 s by which tokens are renewed ahead of their end.
    #[must_use]
    pub fn max_clock_skew(mut self, skew: Duration) -> Self {
        self.max_clock_skew = skew;
        self
    }

    /// The `typ` that tokens must have in their header, in place of `session+jwt`: for tokens of another
    /// issuer, such as `at+jwt` (RFC 9068) or `JWT`. Case does not matter, nor `application/` before it
    /// (RFC 7515 section 4.1.9).
    ///
    /// `JWT` says of what kind a token is as little as nothing does. Where an issuer gives it to its ID
    /// tokens too, only the audience keeps one kind from being taken for the other (RFC 8725 section
    /// 3.11). All other checks stay: a token needs a `kid`, a `sub`, a `sid` and an `iat`.
    ///
    /// An empty type matches no token.
    #[must_use]
    pub fn token_type(mut self, token_type: &str) -> Self {
        self.token_type = bare_type(token_type).to_owned();
        self
    }
}
