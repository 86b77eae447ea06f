use super::*;

fn flags(flags: &[(&str, &str)]) -> Flags {
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }

    let arguments = flags.iter().map(|(name, value)| format!("--{name}={value}"));
    Command::parse_from(std::iter::once("server".to_owned()).chain(arguments)).flags
}

fn variables(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn load(given: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings, String> {
    Settings::load(&flags(given), variables(environment)).map_err(|error| error.to_string())
}

fn file(text: &str) -> Result<Settings, String> {
    file::parse(text, "f.toml")
        .and_then(|layer| Settings::from_layer(layer, Vec::new()))
        .map_err(|error| error.to_string())
}

#[test]
fn nothing_has_to_be_set() {
    let settings = load(&[], &[("PATH", "/bin")]).unwrap();
    assert_eq!(settings.config.public_url.as_str(), "http://localhost:8080");
    assert_eq!(settings.config.issuer(), "http://localhost:8080/auth");
    assert_eq!(settings.config.token_lifetime, Duration::from_secs(60));
    assert_eq!(settings.config.refresh_in, Duration::from_secs(50));
    assert!(settings.made.is_empty());
}

#[test]
fn the_environment_beats_the_file_and_a_flag_beats_both() {
    let mut layer =
        file::parse("token_lifetime = '30s'\nrefresh_in = '2s'\nlisten = '0.0.0.0:1'", "f").unwrap();
    let (environment, _, _) =
        read_environment(variables(&[("FIFTYTEN_TOKEN_LIFETIME", "20s"), ("FIFTYTEN_REFRESH_IN", "3s")]))
            .unwrap();
    layer.extend(environment);
    layer.extend(flags(&[("token-lifetime", "10s")]).layer());
    let config = Settings::from_layer(layer, Vec::new()).unwrap().config;
    assert_eq!(config.token_lifetime, Duration::from_secs(10));
    assert_eq!(config.refresh_in, Duration::from_secs(3));
    assert_eq!(config.public_url.as_str(), "http://localhost:1");
}

#[test]
fn a_list_is_an_array_or_separated_by_commas_or_a_flag_given_twice() {
    let origins = ["https://a.example", "https://b.example"];
    let url = ("public-url", "https://x.example");
    let by_flag = load(&[url, ("allowed-origin", origins[0]), ("allowed-origin", origins[1])], &[]);
    let by_variable = load(&[url], &[("FIFTYTEN_ALLOWED_ORIGIN", "https://a.example, https://b.example/")]);
    let by_file =
        file("public_url = 'https://x.example'\nallowed_origin = ['https://a.example', 'https://b.example']");
    for settings in [by_flag, by_variable, by_file] {
        let allowed = settings.unwrap().config.allowed_origins;
        assert_eq!(allowed.iter().map(Origin::as_str).collect::<Vec<_>>(), origins);
    }
}

#[test]
fn an_error_names_the_flag_or_the_variable_or_the_file_and_its_line() {
    let starts = |error: Result<Settings, String>, with: &str| {
        let error = error.unwrap_err();
        assert!(error.starts_with(with), "{error}");
        assert!(!error.contains('\n'), "{error}");
    };
    starts(load(&[("token-lifetime", "soon")], &[]), "--token-lifetime: \"soon\" is not a duration");
    starts(load(&[], &[("FIFTYTEN_LISTEN", "here")]), "FIFTYTEN_LISTEN: \"here\" is not an address");
    starts(file("# a comment\n\nrefresh_in = 'x'"), "f.toml:3: refresh_in: \"x\" is not a duration");
    starts(file("token_lifetime = '60s'\ntoken_live = '60s'"), "f.toml:2: token_live: there is no such");
    starts(file("listen = '0.0.0.0:1'\nbase_path = "), "f.toml:2");
    starts(file("listen = 1.5"), "f.toml:1: listen: takes a text");
    starts(file("[server]\nlisten = '0.0.0.0:1'"), "f.toml:1: server: there is no such");
    starts(load(&[("config", "/nowhere/f.toml")], &[]), "/nowhere/f.toml: cannot be read");
    starts(load(&[], &[("FIFTYTEN_CONFIG", "/nowhere/f.toml")]), "/nowhere/f.toml: cannot be read");
}

#[test]
fn values_that_cannot_be_used_are_refused() {
    for (name, value) in [
        ("listen", "localhost"),
        ("listen", "127.0.0.1:70000"),
        ("public-url", "app.example"),
        ("public-url", "http://app.example"),
        ("public-url", "https://app.example/path"),
        ("base-path", "auth"),
        ("base-path", "/a//b"),
        ("base-path", "/a/../b"),
        ("base-path", "/a{b}"),
        ("token-lifetime", "-60s"),
        ("token-lifetime", "60"),
        ("token-lifetime", "2s"),
        ("token-lifetime", "60500ms"),
        ("token-lifetime", "61m"),
        ("token-lifetime", "99999999999999999999s"),
        ("refresh-in", "0s"),
        ("refresh-in", "59s"),
        ("refresh-in", "60s"),
        ("idle-lifetime", "0s"),
        ("absolute-lifetime", "401days"),
        ("allowed-origin", "*"),
        ("allowed-origin", "https://other.example"),
        ("trusted-proxy", "everyone"),
        ("trusted-proxy", "10.0.0.0/33"),
        ("max-connections", "0"),
        ("max-connections", "-1"),
        ("sign-in-concurrency", "0"),
        ("key-algorithm", "RS256"),
        ("key-algorithm", "none"),
        ("key-rotation", "59m"),
        ("key-rotation", "monthly"),
        ("master-key-file", "/nowhere/master.key"),
        ("log", "a=b=c"),
        ("log-format", "xml"),
    ] {
        let error = load(&[(name, value)], &[]).unwrap_err();
        assert!(error.starts_with(&format!("--{name}: ")), "{name} {value}: {error}");
    }
}

#[test]
fn a_token_that_would_expire_before_its_renewal_is_refused_even_where_only_one_of_the_two_is_set() {
    let error = load(&[("token-lifetime", "12s")], &[]).unwrap_err();
    assert!(error.starts_with("refresh_in (by default): 50s is not below"), "{error}");
    let config = load(&[("token-lifetime", "12s"), ("refresh-in", "8s")], &[]).unwrap().config;
    assert_eq!((config.token_lifetime.as_secs(), config.refresh_in.as_secs()), (12, 8));
    load(&[("token-lifetime", "3s"), ("refresh-in", "1500ms")], &[]).unwrap();
}

#[test]
fn plain_http_needs_localhost_or_a_flag_that_says_that_it_is_dangerous() {
    for url in ["http://localhost:1", "http://127.0.0.1", "http://[::1]:1", "https://app.example"] {
        load(&[("public-url", url)], &[]).unwrap();
    }
    for url in ["http://app.example", "http://localhost.example", "http://127.0.0.2", "http://10.0.0.1"] {
        let error = load(&[("public-url", url)], &[]).unwrap_err();
        assert!(error.contains("plain http"), "{error}");
        load(&[("public-url", url)], &[("FIFTYTEN_DANGEROUSLY_ALLOW_INSECURE_HTTP", "true")]).unwrap();
    }
}

#[test]
fn a_misspelt_variable_is_reported() {
    let settings = load(&[], &[("FIFTYTEN_TOKEN_LIFTIME", "60s"), ("FIFTYTENTH", "x")]).unwrap();
    assert_eq!(settings.unknown_variables, ["FIFTYTEN_TOKEN_LIFTIME"]);
}

#[test]
fn a_database_is_a_file_or_postgresql_and_its_password_is_shown_nowhere() {
    use crate::database::Database;

    let text = "postgres://ada:canary@db.example/auth";
    let by_flag = load(&[("database", text)], &[]);
    let by_variable = load(&[], &[("FIFTYTEN_DATABASE", text)]);
    for settings in [by_flag, by_variable, file(&format!("database = '{text}'"))] {
        let settings = settings.unwrap();
        assert!(matches!(settings.config.database, Database::Postgres(_)));
        let (_, shown, _) = &settings.made[0];
        assert_eq!(shown, "postgres://ada@db.example:5432/auth");
        assert!(!format!("{settings:?}").contains("canary"));
    }
    assert!(!format!("{:?}", flags(&[("database", text)])).contains("canary"));
    for wrong in [
        "postgres://ada:canary@db:canary/auth",
        "postgres://ada:can/canary@db/auth",
        "postgress://ada:canary@db/auth",
        "mysql://ada:canary@db/auth",
    ] {
        let error = load(&[("database", wrong)], &[]).unwrap_err();
        assert!(error.starts_with("--database: ") && !error.contains("canary"), "{error}");
    }
    for path in ["fiftyten.db", "/var/lib/postgres:/x", "postgres", "file:x"] {
        let config = load(&[("database", path)], &[]).unwrap().config;
        assert!(matches!(config.database, Database::File(file) if file.to_str() == Some(path)));
    }
}

#[test]
fn a_master_key_comes_from_a_file_or_the_environment_and_is_shown_nowhere() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("master.key");
    let (text, path) = ("0f".repeat(32), path.to_str().unwrap());
    std::fs::write(path, format!("{text}\n{text}\n")).unwrap();
    assert!(load(&[], &[]).unwrap().config.master_keys.is_empty());
    let by_variable = load(&[], &[("FIFTYTEN_MASTER_KEY", &text)]).unwrap();
    let by_flag = load(&[("master-key-file", path)], &[]).unwrap();
    let by_file = file(&format!("master_key_file = '{path}'")).unwrap();
    for (settings, shown, count) in [(by_variable, "[secret]", 1), (by_flag, path, 2), (by_file, path, 2)] {
        assert_eq!(format!("{:?}", settings.config.master_keys), format!("[{count} master keys]"));
        assert_eq!(settings.made[0].1, shown);
        assert!(!format!("{settings:?}").contains("0f0f"));
    }

    for (mode, is_exposed) in [(0o600, false), (0o400, false), (0o640, true), (0o644, true)] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let settings = load(&[("master-key-file", path)], &[]).unwrap();
        assert_eq!(settings.master_key_is_exposed, is_exposed, "{mode:o}");
    }

    let refused = |settings: Result<Settings, String>, expected: &str| {
        let error = settings.unwrap_err();
        assert!(error.contains(expected) && !error.contains("0f0f") && !error.contains('\n'), "{error}");
    };
    let both = load(&[("master-key-file", path)], &[("FIFTYTEN_MASTER_KEY", &text)]);
    refused(both, "--master-key-file: is set, and FIFTYTEN_MASTER_KEY too");
    refused(load(&[], &[("FIFTYTEN_MASTER_KEY", &text[1..])]), "FIFTYTEN_MASTER_KEY: is not a master key");
    refused(load(&[], &[("FIFTYTEN_MASTER_KEY", "")]), "FIFTYTEN_MASTER_KEY: is empty");
    refused(file(&format!("master_key = '{text}'")), "f.toml:1: master_key: belongs into the environment");
    std::fs::write(path, &text[2..]).unwrap();
    refused(load(&[("master-key-file", path)], &[]), "--master-key-file: is not a master key");
    std::fs::write(path, [0xff; 32]).unwrap();
    refused(load(&[("master-key-file", path)], &[]), "--master-key-file: cannot be read");
}

#[test]
fn keys_are_for_ed25519_and_sign_for_thirty_days_unless_it_is_said_otherwise() {
    let config = load(&[], &[]).unwrap().config;
    assert_eq!(config.key_algorithm, SigningAlgorithm::EdDsa);
    assert_eq!(config.key_rotation, Duration::from_secs(30 * 24 * 60 * 60));
    for text in ["ES256", "es256"] {
        let config = load(&[("key-algorithm", text), ("key-rotation", "1h")], &[]).unwrap().config;
        assert_eq!((config.key_algorithm, config.key_rotation.as_secs()), (SigningAlgorithm::Es256, 3600));
    }
}
