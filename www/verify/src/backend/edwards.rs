//! What is let through to a library for Ed25519: points of the full order, in their one encoding.

use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;

/// The encodings of the eight points of small order.
static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> =
    LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().to_bytes()));

/// Whether this is a public key that an honest signer can have: a point of the curve (RFC 8032
/// section 5.1.3), in its canonical encoding, in the group that the base point makes, and not the
/// neutral element, for which signatures can be made that fit any message.
pub(crate) fn is_good_key(x: &[u8; 32]) -> bool {
    CompressedEdwardsY(*x).decompress().is_some_and(|point| {
        point.compress().as_bytes() == x && point.is_torsion_free() && !point.is_small_order()
    })
}

/// Whether the first half of a signature is the encoding of a point of small order, as no honest
/// signer makes one. (Encodings that are not canonical fit no message: `R` is computed from the key and
/// the message, encoded, and compared as bytes.)
pub(crate) fn is_weak_signature(signature: &[u8; 64]) -> bool {
    SMALL_ORDER.iter().any(|point| signature.starts_with(point))
}
