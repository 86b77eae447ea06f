//! The JOSE header (RFC 7515 section 4), read strictly.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;

use crate::error::VerifyError;
use crate::json::{self, Present, Text};
use crate::jwks::MAX_KEY_ID_BYTES;
use crate::key::Algorithm;

/// `typ` of a session token's header (RFC 8725 section 3.11: explicit typing).
pub const TOKEN_TYPE: &str = "session+jwt";

/// The longest header, in bytes before base64url. Ours have about 100.
pub(crate) const MAX_HEADER_BYTES: usize = 1024;

/// What of a header survives its checks: how to find the key, and what it must be for.
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: String,
}

impl Header {
    pub(crate) fn decode(segment: &str, token_type: &str) -> Result<Self, VerifyError> {
        let mut buffer = [0; MAX_HEADER_BYTES];
        if segment.len() * 3 / 4 > MAX_HEADER_BYTES {
            return Err(VerifyError::Header);
        }
        let bytes = Base64UrlUnpadded::decode(segment, &mut buffer).map_err(|_| VerifyError::Encoding)?;
        if !json::is_strict_object(bytes) {
            return Err(VerifyError::Header);
        }
        let members: Members<'_> = serde_json::from_slice(bytes).map_err(|_| VerifyError::Header)?;
        if members.crit.0 {
            return Err(VerifyError::CriticalHeader);
        }
        if members.jwk.0 || members.jku.0 || members.x5c.0 || members.x5u.0 {
            return Err(VerifyError::EmbeddedKey);
        }
        if !members.typ.is_some_and(|Text(typ)| is_type(&typ, token_type)) {
            return Err(VerifyError::TokenType);
        }
        let algorithm =
            members.alg.and_then(|Text(alg)| Algorithm::from_name(&alg)).ok_or(VerifyError::Algorithm)?;
        let key_id = match members.kid {
            Some(Text(kid)) if !kid.is_empty() && kid.len() <= MAX_KEY_ID_BYTES => kid.into_owned(),
            _ => return Err(VerifyError::KeyId),
        };
        Ok(Self { algorithm, key_id })
    }
}

/// Case does not matter in a media type. An empty one is none.
fn is_type(typ: &str, expected: &str) -> bool {
    let name = bare_type(typ);
    !name.is_empty() && name.eq_ignore_ascii_case(expected)
}

/// A media type without the `application/` that may stand before it (RFC 7515 section 4.1.9).
pub(crate) fn bare_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &typ[PREFIX.len()..],
        _ => typ,
    }
}

/// The members that decide. Others are allowed and ignored, as RFC 7515 section 4 requires.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    alg: Option<Text<'a>>,
    #[serde(borrow)]
    typ: Option<Text<'a>>,
    #[serde(borrow)]
    kid: Option<Text<'a>>,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    jwk: Present,
    #[serde(default)]
    jku: Present,
    #[serde(default)]
    x5c: Present,
    #[serde(default)]
    x5u: Present,
}
