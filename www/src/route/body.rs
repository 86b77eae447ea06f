//! Reading the body of a request, within limits.

use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use fiftyten::protocol::Code;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use zeroize::Zeroizing;

use crate::problem::Failure;

/// The body has to arrive within this time.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request that says it is JSON, of at most `largest` bytes.
pub(crate) async fn json(request: Request, largest: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if !is_json(request.headers()) {
        let detail = "send the body as application/json";
        return Err(Failure::new(Code::UnsupportedMediaType).detail(detail));
    }
    let body = Limited::new(request.into_body(), largest).collect();
    match tokio::time::timeout(TIMEOUT, body).await {
        Ok(Ok(body)) => Ok(Zeroizing::new(body.to_bytes().to_vec())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {largest} bytes");
            Err(Failure::new(Code::PayloadTooLarge).detail(detail))
        }
        Ok(Err(_)) => Err(Failure::new(Code::BadRequest).detail("the body broke off")),
        Err(_) => Err(Failure::new(Code::BadRequest).detail("the body did not arrive in time")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
