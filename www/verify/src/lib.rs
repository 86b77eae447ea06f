//! Checks Fiftyten session tokens without a database.
//!
//! A token is good for 60 seconds and carries what an API has to know: who the user is, in which
//! session, with which roles and permissions. This crate checks its signature against the public
//! keys of the refresh server, in microseconds and without asking anyone.
//!
//! It does not sign in users or renew tokens. A session that is ended stays usable until its last token
//! expires, at most 60 seconds later, because the server makes no tokens for it from then on. Where that is too
//! long, the verifier follows the server's revocation feed, and it is one second: `Verifier::with_feed`.
//!
//! # An axum app
//!
//! [`RequireToken`] lets requests with a good token pass and answers the others; [`Claims`] is what the
//! handler gets; [`require_role`] and [`require_permission`] guard what not every user may do.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::{get, post}};
//! use fiftyten_verify::{Claims, Expect, RequireToken, Verifier, require_permission, require_role};
//!
//! async fn me(claims: Claims) -> String {
//!     format!("user {}, session {}", claims.subject(), claims.session())
//! }
//!
//! fn app(verifier: Verifier) -> Router {
//!     Router::new()
//!         .route("/api/orders", get(|| async { "all orders" }).layer(require_role("admin")))
//!         .route("/api/refunds", post(|| async { "done" }).layer(require_permission("orders:refund")))
//!         .route("/api/me", get(me))
//!         .layer(RequireToken::new(verifier)) // over the routes above
//!         .route("/health", get(|| async { "ok" })) // and not over this one
//! }
//!
//! # use base64ct::Encoding;
//! # fn base64url(bytes: &[u8]) -> String { base64ct::Base64UrlUnpadded::encode_string(bytes) }
//! # let signing = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
//! # let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{}"}}]}}"#,
//! #     base64url(signing.verifying_key().as_bytes()));
//! // In production the keys come from the server: `Verifier::from_jwks_url`, feature `fetch`.
//! let expect = Expect::new("https://app.example/auth", "https://app.example");
//! let verifier = Verifier::from_jwks(&jwks, expect)?;
//! let app = app(verifier);
//! # let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
//! # let payload = format!(r#"{{"iss":"https://app.example/auth","aud":"https://app.example",
//! #     "sub":"ada","sid":"s1","iat":{now},"exp":{},"roles":["admin"]}}"#, now + 60);
//! # let signed = format!("{}.{}", base64url(br#"{"alg":"EdDSA","typ":"session+jwt","kid":"k"}"#),
//! #     base64url(payload.as_bytes()));
//! # let token = format!("{signed}.{}", base64url(
//! #     &ed25519_dalek::Signer::sign(&signing, signed.as_bytes()).to_bytes()));
//!
//! // And what it does, with the token of a user `ada` who is an admin:
//! # use tower::ServiceExt;
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let get = |path: &str| axum::http::Request::get(path);
//! let bearer = format!("Bearer {token}");
//! let answer = app.clone().oneshot(get("/api/me").header("authorization", &bearer).body(String::new())?).await?;
//! assert_eq!(answer.status(), 200);
//! let answer = app.clone().oneshot(get("/api/orders").header("authorization", &bearer).body(String::new())?).await?;
//! assert_eq!(answer.status(), 200);
//! let answer = app.clone().oneshot(get("/api/me").body(String::new())?).await?;
//! assert_eq!(answer.status(), 401);
//! let answer = app.clone().oneshot(get("/health").body(String::new())?).await?;
//! assert_eq!(answer.status(), 200);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Outside a framework, [`Verifier::verify`] takes a token and gives its [`Claims`], or a
//! [`VerifyError`] that says what is wrong.
//!
//! A backend that meets the same token in many requests can keep the good ones:
//! [`Verifier::with_cache`].
//!
//! For other languages there are tested recipes in `RECIPES.md`.
//!
//! A connection that stays open, such as a WebSocket or a stream of events, outlives the token it was
//! opened with: close it after [`Claims::expires_in`], or ask for a newer token on it.
//!
//! # What is checked
//!
//! | of | rule | source |
//! |---|---|---|
//! | the token | at most 8192 bytes; three parts in canonical base64url without padding | RFC 7515 section 7.1, RFC 4648 section 3.5 |
//! | header and payload | one JSON object each, no member twice at any depth, at most 16 levels | RFC 7515 section 4, RFC 7519 section 4 |
//! | `alg` | the algorithm that the key is pinned to: Ed25519, or ES256 for a P-256 key | RFC 8725 section 3.1 |
//! | `kid` | required; names one of at most 32 keys of the key set | |
//! | `typ` | `session+jwt` ([`Expect::token_type`]), in any case, `application/` allowed before it | RFC 8725 section 3.11, RFC 7515 section 4.1.9 |
//! | `crit`, `jwk`, `jku`, `x5c`, `x5u` | refused, whatever their value | RFC 8725 section 3.10 |
//! | the signature | of Ed25519 exactly one encoding; nothing of the payload is read before it was found good | RFC 8032 section 5.1.7 |
//! | the key | a point of the curve in its one encoding, and with Ed25519 of the full order | RFC 8032 section 5.1.3 |
//! | `iss`, `aud` | exactly the issuer; the audience, or an array with it | RFC 8725 sections 3.8, 3.9 |
//! | `exp` | required; no leeway: refused from the very millisecond on | RFC 7519 section 4.1.4 |
//! | `iat`, `nbf` | `iat` required; at most 5 s in the future ([`Expect::max_clock_skew`]) | |
//! | `exp` − `iat` | more than 0, at most 10 min ([`Expect::max_lifetime`]) | |
//! | `sub`, `sid` | required, not empty | |
//! | `roles`, `permissions` | arrays of strings where present | |
//!
//! There is no leeway on `exp` because there is one already: tokens are renewed 10 seconds before they
//! end. A minute of leeway, which is what many libraries allow by default, would make a token of 60
//! seconds live 120.
//!
//! # Libraries
//!
//! Signatures are checked by AWS-LC (`aws-lc-rs`) natively, and by curve25519-dalek and p256 in
//! WebAssembly. Building AWS-LC takes a C compiler, and on the common platforms neither CMake nor
//! anything else. Both accept the same, and are tested with the same vectors (those of Wycheproof among
//! them): the equation of Ed25519 is checked without the cofactor, `s` must be reduced, and points of
//! small or mixed order and points in another encoding are refused before a library sees them. Where the
//! two could still differ is in how much their time tells about a token or a public key, neither of which
//! is a secret of the verifier.
//!
//! A token that is signed with ES256 has a second spelling, because (r, n − s) is a signature where
//! (r, s) is one, and signers of JWS make either. A token of Ed25519 has one spelling. Don't take the
//! token's text for an identity; its `sid`, `sub` and `iat` are.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `axum` | yes | [`Claims`] as an extractor; includes `tower` |
//! | `tower` | yes | [`RequireToken`], [`require_role`], [`require_permission`] |
//! | `fetch` | no | `Verifier::from_jwks_url`: tokio, hyper and rustls |
//! | `feed` | no | `Verifier::with_feed`: revocation within a second; includes `fetch` |
//!
//! Without features the crate is pure: it does no I/O, and compiles for `wasm32-unknown-unknown`, where
//! the time has to be given ([`Verifier::verify_at`]) because the standard library has no clock there.

#[cfg(all(target_family = "wasm", target_os = "unknown", any(feature = "tower", feature = "fetch")))]
compile_error!(
    "fiftyten-verify's features need a clock: use `default-features = false` and `verify_at` here"
);

mod backend;
mod cache;
#[cfg(any(feature = "tower", feature = "fetch"))]
mod check;
mod claims;
mod compact;
mod error;
mod expect;
#[cfg(feature = "axum")]
mod extractor;
#[cfg(feature = "feed")]
mod feed;
mod header;
mod json;
mod jwks;
mod key;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "tower")]
mod problem;
#[cfg(feature = "fetch")]
mod remote;
#[cfg(feature = "tower")]
mod requirement;
#[cfg(feature = "tower")]
mod response;
mod verifier;

pub use cache::CacheLimits;
pub use claims::Claims;
pub use error::{KeySetError, VerifyError};
pub use expect::Expect;
#[cfg(feature = "feed")]
pub use feed::{FeedError, FeedStatus, OnSilence, RevocationFeed};
pub use header::TOKEN_TYPE;
pub use jwks::{KeySet, MAX_JWKS_BYTES, MAX_KEYS};
#[cfg(feature = "tower")]
pub use layer::{RequireToken, RequireTokenFuture, RequireTokenService};
#[cfg(feature = "tower")]
pub use problem::Refusal;
#[cfg(feature = "fetch")]
pub use remote::{FetchError, JwksUrl};
#[cfg(feature = "tower")]
pub use requirement::{Require, RequireService, require_permission, require_role};
#[cfg(feature = "tower")]
pub use response::ResponseFuture;
pub use verifier::{MAX_TOKEN_BYTES, Verifier};
