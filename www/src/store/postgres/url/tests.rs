use super::*;

fn parse(text: &str) -> PostgresUrl {
    PostgresUrl::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn it_is_shown_without_the_password() {
    for (text, shown) in [
        ("postgres://ada:pw-canary@db/auth?sslmode=disable", "postgres://ada@db:5432/auth"),
        ("postgresql://ada:pw-canary@db.example:6543/auth", "postgres://ada@db.example:6543/auth"),
        ("postgres://ada:pw-canary@[::1]:1/auth", "postgres://ada@[::1]:1/auth"),
        ("postgres://ada:pw-canary@a,b:2/auth", "postgres://ada@a:5432,b:2/auth"),
        ("postgres://ada:p@w-canary@db/auth", "postgres://ada@db:5432/auth"),
        ("postgres:///auth?host=/run/postgresql", "postgres:///run/postgresql:5432/auth"),
        ("postgres://localhost", "postgres://localhost:5432/"),
    ] {
        let url = parse(text);
        assert_eq!(url.to_string(), shown);
        assert_eq!(format!("{url:?}"), shown);
        assert!(!format!("{:?}", url.hosts()).contains("canary"));
    }
}

#[test]
fn every_part_reaches_the_client_library() {
    let url = parse("postgres://a%40b:p%2Fw%3F%25@h1:1,h2/d%20b?options=-c%20search_path%3Dx");
    let hosts = url.hosts();
    let ports: Vec<_> = hosts.iter().map(|(shown, config)| (shown.as_str(), config.get_ports())).collect();
    assert_eq!(ports, [("h1:1", &[1][..]), ("h2:5432", &[5432])]);
    let config = &hosts[1].1;
    assert_eq!(config.get_user(), Some("a@b"));
    assert_eq!(config.get_password(), Some(&b"p/w?%"[..]));
    assert_eq!(config.get_dbname(), Some("d b"));
    assert_eq!(config.get_options(), Some("-c search_path=x"));
    assert_eq!(config.get_application_name(), Some("fiftyten-server"));
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
}

#[test]
fn what_leaves_this_machine_is_encrypted_unless_it_is_said_otherwise() {
    for (text, expected) in [
        ("postgres://db/auth", Tls::On(None)),
        ("postgres://127.0.0.1,db/auth", Tls::On(None)),
        ("postgres://db/auth?sslmode=require", Tls::On(None)),
        ("postgres://db/auth?sslmode=verify-full&sslrootcert=/ca.pem", Tls::On(Some("/ca.pem".into()))),
        ("postgres://db/auth?sslrootcert=system", Tls::On(None)),
        ("postgres://localhost/auth?sslrootcert=/ca.pem", Tls::On(Some("/ca.pem".into()))),
        ("postgres://db/auth?sslmode=disable", Tls::Off),
        ("postgres://localhost/auth", Tls::Off),
        ("postgres://127.0.0.1:5433/auth", Tls::Off),
        ("postgres://[::1]/auth", Tls::Off),
        ("postgres:///auth?host=/run/postgresql", Tls::Off),
        ("postgres://localhost/auth?target_session_attrs=read-write", Tls::Off),
    ] {
        assert_eq!(*parse(text).tls(), expected, "{text}");
    }
    assert_eq!(parse("postgres://db/auth").hosts()[0].1.get_ssl_mode(), SslMode::Require);
    assert_eq!(parse("postgres://localhost/auth").hosts()[0].1.get_ssl_mode(), SslMode::Disable);
}

#[test]
fn what_is_refused_says_what_to_write_and_repeats_nothing() {
    for (text, expected) in [
        ("postgres:///auth", "names no host"),
        ("postgres://ada:can/ary@db/auth", "%2F"),
        ("postgres://ada:1/canary@db/auth", "%2F"),
        ("postgres://ada:can?ary@db/auth", "%3F"),
        ("postgres://ada:1?canary@db/auth", "%3F"),
        ("postgres://ada:1?canary=x@db/auth", "%3F"),
        ("postgres://db:canary/auth", "port"),
        ("postgres://db/auth?sslmode=prefer", "verify-full"),
        ("postgres://db/auth?sslmode=canary", "disable or verify-full"),
        ("postgres://db/auth?canary=1", "not known"),
        ("postgres://a,b/auth?target_session_attrs=any", "may be behind"),
        ("postgres://ada:%ff@db/auth", "UTF-8"),
        ("postgres://ada:%00@db/auth", "zero byte"),
        ("postgres:///auth?host=/run&sslmode=verify-full", "over a socket"),
    ] {
        let why = PostgresUrl::parse(text).unwrap_err();
        assert!(why.contains(expected), "{text}: {why}");
        assert!(!why.contains("canary") && !why.contains("ary@") && !why.contains('\n'), "{why}");
    }
}
