//! The session cookie: 256 random bits that only the browser knows.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

use crate::config::Config;
use crate::opaque::OpaqueSecret;

/// Name under https: the prefix makes browsers insist on `Secure`, `HttpOnly`, `Path=/` and no `Domain`
/// (RFC 6265bis section 4.1.3), so neither a sibling host nor a script can plant one.
pub const SECURE_NAME: &str = "__Host-Http-fiftyten";

/// Name under plain http, where a browser refuses `Secure` and therefore the prefix.
pub const PLAIN_NAME: &str = "fiftyten";

/// What the `Cookie` header of a request holds under the session cookie's name.
#[derive(Debug)]
pub(crate) enum Presented {
    /// Nothing, or nothing that this server could have made: there is no need to ask the store.
    Nothing,
    /// A well-formed secret.
    Secret(OpaqueSecret),
    /// The name more than once. Which one the browser means cannot be known, and one of them may have been
    /// planted.
    Duplicate,
}

/// How the cookie is called and set.
#[derive(Debug)]
pub(crate) struct CookieJar {
    name: &'static str,
    attributes: &'static str,
    max_age_s: u64,
}

impl CookieJar {
    pub(crate) fn new(config: &Config) -> Self {
        let (name, attributes) = if config.public_url.is_https() {
            (SECURE_NAME, "Path=/; Secure; HttpOnly; SameSite=Strict")
        } else {
            (PLAIN_NAME, "Path=/; HttpOnly; SameSite=Strict")
        };
        Self { name, attributes, max_age_s: config.absolute_lifetime.as_secs() }
    }

    /// `Set-Cookie` for a session that was opened.
    pub(crate) fn set(&self, secret: &OpaqueSecret) -> String {
        format!("{}={}; {}; Max-Age={}", self.name, *secret.text(), self.attributes, self.max_age_s)
    }

    /// `Set-Cookie` for a session that was ended.
    pub(crate) fn clear(&self) -> String {
        format!("{}=; {}; Max-Age=0", self.name, self.attributes)
    }

    /// Reads every `Cookie` header. The bytes are the client's and may be anything.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Presented {
        let mut values = headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|header| header.as_bytes().split(|&byte| byte == b';'))
            .filter_map(|pair| {
                let (name, value) = pair.split_at(pair.iter().position(|&byte| byte == b'=')?);
                (name.trim_ascii() == self.name.as_bytes()).then(|| value[1..].trim_ascii())
            });
        match (values.next(), values.next()) {
            (_, Some(_)) => Presented::Duplicate,
            (Some(value), None) => OpaqueSecret::parse(value).map_or(Presented::Nothing, Presented::Secret),
            (None, None) => Presented::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::opaque::TEXT_LENGTH;

    fn jar() -> CookieJar {
        CookieJar::new(&Config::default())
    }

    fn read(cookies: &[&[u8]]) -> Presented {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_bytes(cookie).unwrap());
        }
        jar().read(&headers)
    }

    fn value(set_cookie: &str) -> String {
        set_cookie.split(['=', ';']).nth(1).unwrap().to_owned()
    }

    #[test]
    fn what_was_set_reads_back_wherever_it_stands() {
        let secret = OpaqueSecret::random();
        let value = value(&jar().set(&secret));
        assert_eq!(value.len(), TEXT_LENGTH);
        for cookie in [
            format!("fiftyten={value}"),
            format!("a=b; fiftyten={value}; c"),
            format!("fiftyten={value};"),
            format!(" fiftyten = {value} ;=;fiftyten2=x;xfiftyten=y"),
        ] {
            let Presented::Secret(read) = read(&[cookie.as_bytes()]) else { panic!("{cookie}") };
            assert_eq!(read.hash(), secret.hash());
        }
    }

    #[test]
    fn the_name_twice_is_a_duplicate_in_one_header_or_two_even_if_the_values_agree() {
        let value = value(&jar().set(&OpaqueSecret::random()));
        let one = format!("fiftyten={value}");
        let two = format!("fiftyten={value}; fiftyten={value}");
        assert!(matches!(read(&[two.as_bytes()]), Presented::Duplicate));
        assert!(matches!(read(&[one.as_bytes(), one.as_bytes()]), Presented::Duplicate));
        assert!(matches!(read(&[b"fiftyten=; fiftyten=x"]), Presented::Duplicate));
    }

    #[test]
    fn one_secret_has_one_text() {
        // The last of 43 characters carries four bits of the secret: its other two have to be zero.
        let value = value(&jar().set(&OpaqueSecret::random()));
        let accepted = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            .chars()
            .filter(|last| {
                let cookie = format!("fiftyten={}{last}", &value[..TEXT_LENGTH - 1]);
                matches!(read(&[cookie.as_bytes()]), Presented::Secret(_))
            })
            .count();
        assert_eq!(accepted, 16);
    }

    #[test]
    fn what_this_server_cannot_have_made_is_nothing() {
        let value = value(&jar().set(&OpaqueSecret::random()));
        for wrong in [
            String::new(),
            "fiftyten".to_owned(),
            "fiftyten=".to_owned(),
            format!("fiftyten={value}="),
            format!("fiftyten=\"{value}\""),
            format!("fiftyten={}", &value[1..]),
            format!("FIFTYTEN={value}"),
            format!("__Host-Http-fiftyten={value}"),
            format!("fiftyten={}", "A".repeat(1 << 20)),
            format!("fiftyten={}", "+/".repeat(22)),
        ] {
            assert!(matches!(read(&[wrong.as_bytes()]), Presented::Nothing), "{}", wrong.len());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(cookies in prop::collection::vec(
            prop::collection::vec(prop_oneof![Just(b'='), Just(b';'), Just(b' '), 0x21u8..=0xff], 0..200), 0..4
        )) {
            let mut headers = HeaderMap::new();
            for cookie in cookies {
                if let Ok(cookie) = HeaderValue::from_bytes(&cookie) {
                    headers.append(COOKIE, cookie);
                }
            }
            jar().read(&headers);
        }

        #[test]
        fn only_43_characters_of_the_alphabet_are_a_secret(value in "[ -~]{0,60}") {
            let alphabet = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let cookie = format!("fiftyten={value}");
            if let Presented::Secret(_) = read(&[cookie.as_bytes()]) {
                prop_assert_eq!(value.trim().len(), TEXT_LENGTH);
                prop_assert!(value.trim().chars().all(alphabet));
            }
        }
    }
}
