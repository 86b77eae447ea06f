//! Why a token, or a key set, was refused.

use std::fmt;

/// Why a token was refused.
///
/// The text says what to do about it, and contains nothing of the token: it may be logged. Match on
/// the variant, or across languages and versions on [`code`](Self::code).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    TooLarge,
    /// It is not three non-empty parts joined by dots.
    NotCompact,
    /// A part is not base64url without padding, in its one canonical form.
    Encoding,
    /// The header is not a JSON object with the members, each once, that a token's header has.
    Header,
    /// `alg` is not one this verifier knows, or not the one the key is for.
    Algorithm,
    /// `typ` is not the type that was expected: that of a session token, unless set otherwise.
    TokenType,
    /// The header has `crit`: it demands extensions, and this verifier has none.
    CriticalHeader,
    /// The header brings a key, or says where to get one. Keys come from the key set only.
    EmbeddedKey,
    /// `kid` is missing, empty or too long.
    KeyId,
    /// No key of the key set has this `kid`.
    UnknownKey,
    /// The signature is not that of the key.
    Signature,
    /// The payload is not a JSON object with every member at most once.
    Payload,
    /// This required claim is missing or empty.
    ClaimMissing(&'static str),
    /// This claim has the wrong type, or a value out of range.
    ClaimMalformed(&'static str),
    /// `iss` is another issuer.
    Issuer,
    /// `aud` does not contain this audience.
    Audience,
    /// `exp` has come.
    Expired,
    /// `iat` or `nbf` lies in the future.
    NotYetValid,
    /// The token was made to live longer than this verifier allows, or to expire before its issue.
    Lifetime,
    /// Its session has ended: so the revocation feed says.
    Revoked,
    /// The revocation feed is silent, and this verifier accepts nothing then. It says nothing about the token.
    FeedSilent,
}

impl VerifyError {
    /// A stable word for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotCompact => "not_compact",
            Self::Encoding => "encoding",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::TokenType => "token_type",
            Self::CriticalHeader => "critical_header",
            Self::EmbeddedKey => "embedded_key",
            Self::KeyId => "key_id",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Payload => "payload",
            Self::ClaimMissing(_) => "claim_missing",
            Self::ClaimMalformed(_) => "claim_malformed",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Lifetime => "lifetime",
            Self::Revoked => "revoked",
            Self::FeedSilent => "feed_silent",
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the token is longer than 8192 bytes: give it fewer claims",
            Self::NotCompact => "not a token: send a JWS in compact form, header.payload.signature",
            Self::Encoding => "a part of the token is not unpadded base64url: send the token as it was issued",
            Self::Header => "the token's header is not a JSON object with each member once: send the token as it was issued",
            Self::Algorithm => "the token's algorithm is not that of its key: have it signed with the key set's algorithm",
            Self::TokenType => "the token is of another kind: send a session token, not an ID, access or refresh token",
            Self::CriticalHeader => "the token demands header extensions: issue it without `crit`",
            Self::EmbeddedKey => "the token brings its own key: issue it without `jwk`, `jku`, `x5c` and `x5u`",
            Self::KeyId => "the token's header has no usable `kid`: issue it with the key id of the key set",
            Self::UnknownKey => "the token's key is not in the key set: check that issuer and verifier use the same one",
            Self::Signature => "the token's signature is wrong: send the token as it was issued",
            Self::Payload => "the token's payload is not a JSON object with each member once: have the issuer corrected",
            Self::ClaimMissing(claim) => {
                return write!(f, "the token has no `{claim}`: have the issuer set it");
            }
            Self::ClaimMalformed(claim) => {
                return write!(f, "the token's `{claim}` has the wrong type or range: have the issuer corrected");
            }
            Self::Issuer => "the token is from another issuer: check the issuer that this verifier expects",
            Self::Audience => "the token is for another audience: check the audience that this verifier expects",
            Self::Expired => "the token has expired: refresh it and send the request again",
            Self::NotYetValid => "the token is not valid yet: set this machine's clock, or the issuer's",
            Self::Lifetime => "the token lives longer than allowed here: shorten it, or allow more with `max_lifetime`",
            Self::Revoked => "the token's session has ended: sign in again",
            Self::FeedSilent => "it is not known whether the token's session has ended: try again, and see why the revocation feed is silent",
        })
    }
}

impl std::error::Error for VerifyError {}

/// Why a JWKS was refused. Contains nothing of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySetError {
    /// It is longer than [`MAX_JWKS_BYTES`](crate::MAX_JWKS_BYTES).
    TooLarge,
    /// It is not a JSON object with an array `keys` of objects, every member at most once.
    Malformed,
    /// It has more than [`MAX_KEYS`](crate::MAX_KEYS) usable keys.
    TooManyKeys,
    /// None of its keys can verify a token.
    NoUsableKey,
    /// The key at this place, counted from 0, has a private or symmetric part.
    PrivateKey(usize),
    /// The key at this place, counted from 0, is not a point of its curve, is weak, or has an
    /// unusable `kid`.
    MalformedKey(usize),
    /// The key at this place, counted from 0, has the `kid` of an earlier one.
    DuplicateKeyId(usize),
}

impl KeySetError {
    /// A stable word for logs and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "jwks_too_large",
            Self::Malformed => "jwks_malformed",
            Self::TooManyKeys => "jwks_too_many_keys",
            Self::NoUsableKey => "jwks_no_usable_key",
            Self::PrivateKey(_) => "jwks_private_key",
            Self::MalformedKey(_) => "jwks_malformed_key",
            Self::DuplicateKeyId(_) => "jwks_duplicate_key_id",
        }
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the JWKS is longer than 65536 bytes: check that this is the issuer's key set",
            Self::Malformed => {
                "not a JWKS: give a JSON object with an array `keys` (RFC 7517), each member once"
            }
            Self::TooManyKeys => "the JWKS has more than 32 usable keys: remove those that no longer sign",
            Self::NoUsableKey => {
                "the JWKS has no Ed25519 or P-256 signature key: check that this is the issuer's key set"
            }
            Self::PrivateKey(place) => {
                return write!(
                    f,
                    "key {place} of the JWKS is private: replace that key now, and publish public keys only"
                );
            }
            Self::MalformedKey(place) => {
                return write!(f, "key {place} of the JWKS is malformed or weak: have the issuer replace it");
            }
            Self::DuplicateKeyId(place) => {
                return write!(f, "key {place} of the JWKS has the `kid` of another: give every key its own");
            }
        })
    }
}

impl std::error::Error for KeySetError {}
