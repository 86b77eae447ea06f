//! The compact form of a JWS (RFC 7515 section 7.1).

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::error::VerifyError;
use crate::key::SIGNATURE_BYTES;

/// Length of a signature in base64url without padding.
const SIGNATURE_CHARS: usize = (SIGNATURE_BYTES * 8).div_ceil(6);

/// A token's parts, still encoded.
pub(crate) struct Parts<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    /// `header.payload`: what is signed.
    pub(crate) signed: &'a str,
    pub(crate) signature: &'a str,
}

impl<'a> Parts<'a> {
    /// `None` unless there are exactly three parts and none is empty.
    pub(crate) fn split(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let three =
            !header.is_empty() && !payload.is_empty() && !signature.is_empty() && !payload.contains('.');
        three.then_some(Self { header, payload, signed, signature })
    }
}

/// The bytes of a signature, of which there is one length and one spelling.
pub(crate) fn signature(segment: &str) -> Result<[u8; SIGNATURE_BYTES], VerifyError> {
    let mut bytes = [0; SIGNATURE_BYTES];
    if segment.len() != SIGNATURE_CHARS {
        return Err(VerifyError::Signature);
    }
    Base64UrlUnpadded::decode(segment, &mut bytes).map_err(|_| VerifyError::Encoding)?;
    Ok(bytes)
}
