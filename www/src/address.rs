//! Whose address a request comes from, for limits and nothing else.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's, unless the peer is a trusted proxy. Then it is the last address of
/// `X-Forwarded-For` that no trusted proxy has; what stands before it, the client may have made up.
pub(crate) fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let hops: Vec<&str> = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .flat_map(|header| header.to_str().unwrap_or("?").split(','))
        .collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(&client) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

/// Whether somebody forwards requests who was not named as a trusted proxy: everybody behind them
/// then counts as one address.
pub(crate) fn is_unknown_proxy(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    headers.contains_key(X_FORWARDED_FOR) && !trusted.iter().any(|network| network.contains(&peer))
}

/// The part of an address that one subscriber holds: all of IPv4, the first 64 bits of IPv6.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(forwarded: &[&str], peer: &str) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        client(&headers, peer.parse().unwrap(), &trusted).to_string()
    }

    #[test]
    fn a_forwarded_header_counts_only_from_a_trusted_proxy() {
        assert_eq!(from(&["1.2.3.4"], "9.9.9.9"), "9.9.9.9");
        assert_eq!(from(&["1.2.3.4"], "10.0.0.1"), "1.2.3.4");
        assert_eq!(from(&["1.2.3.4"], "::ffff:10.0.0.1"), "1.2.3.4");
        assert_eq!(from(&[], "10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn what_the_client_wrote_before_the_proxies_is_ignored() {
        assert_eq!(from(&["6.6.6.6, 1.2.3.4, 10.1.1.1"], "10.0.0.1"), "1.2.3.4");
        assert_eq!(from(&["6.6.6.6", "1.2.3.4"], "10.0.0.1"), "1.2.3.4");
        assert_eq!(from(&["10.5.5.5, 10.6.6.6"], "fd00::1"), "10.5.5.5");
    }

    #[test]
    fn garbage_ends_the_search() {
        assert_eq!(from(&["1.2.3.4, what"], "10.0.0.1"), "10.0.0.1");
        assert_eq!(from(&["1.2.3.4, , 10.1.1.1"], "10.0.0.1"), "10.1.1.1");
    }

    #[test]
    fn a_subscriber_of_ipv6_has_64_bits_to_play_with() {
        let of = |text: &str| subscriber(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("1.2.3.4"), of("1.2.3.5"));
    }
}
