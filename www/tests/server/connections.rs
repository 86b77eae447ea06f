//! Clients that are slow, many, or do not speak HTTP.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fiftyten_server::connection::{self, Limits};

use crate::process::{Client, PATIENCE, Process};
use crate::world::World;

/// A server in this process, on a socket, that runs until the tests end.
fn serve(limits: Limits) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let world = World::new().await;
            let listener = connection::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            connection::serve(listener, world.router(), limits, std::future::pending()).await.unwrap();
        });
    });
    told.recv_timeout(PATIENCE).unwrap()
}

/// Slow clients are given half a second in these tests, and idle ones two.
fn impatient() -> Limits {
    Limits { head: Duration::from_millis(500), idle: Duration::from_secs(2), ..Limits::default() }
}

/// A call that needs no session, and whose answer is known: this server's origin is another.
fn is_served(client: &mut Client) -> bool {
    client.call("GET", "/livez", "", "").is_ok_and(|reply| reply.status == 204)
}

#[test]
fn a_client_that_dribbles_its_head_is_cut_off_and_keeps_nobody_waiting() {
    let address = serve(impatient());
    let connect = || Client::connect(address).unwrap();
    let mut others = connect();
    assert!(is_served(&mut others));
    let began = Instant::now();
    let mut silent = connect();
    let mut slow: Vec<_> = (0..20).map(|_| connect()).collect();
    for client in &mut slow {
        client.send("POST /auth/v1/refresh?reason=timer HTTP/1.1\r\nhost: x\r\n").unwrap();
    }
    let mut dribbler = slow.pop().unwrap();
    while dribbler.send("x-more: y\r\n").is_ok() {
        assert!(began.elapsed() < PATIENCE, "a byte now and then keeps the connection open");
        assert!(is_served(&mut others), "others are served meanwhile");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(began.elapsed() > Duration::from_millis(490));
    for client in slow.iter_mut().chain([&mut silent]) {
        assert!(client.rest().is_empty());
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(is_served(&mut others), "the connection that was in use is kept");
}

#[test]
fn the_second_head_on_a_connection_may_take_no_longer_than_the_first() {
    let mut client = Client::connect(serve(impatient())).unwrap();
    assert!(is_served(&mut client));
    thread::sleep(Duration::from_millis(700));
    let began = Instant::now();
    client.send("GET /livez HTTP/1.1\r\n").unwrap();
    assert!(client.rest().is_empty());
    let took = began.elapsed();
    assert!((Duration::from_millis(490)..Duration::from_millis(1_900)).contains(&took), "{took:?}");
}

#[test]
fn a_connection_is_kept_between_two_requests_longer_than_a_head_may_take_but_not_for_ever() {
    let mut client = Client::connect(serve(impatient())).unwrap();
    assert!(is_served(&mut client));
    thread::sleep(Duration::from_millis(1_200));
    assert!(is_served(&mut client));
    let began = Instant::now();
    assert!(client.rest().is_empty());
    let took = began.elapsed();
    assert!((Duration::from_millis(1_900)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

#[test]
fn a_client_that_asks_and_asks_and_never_reads_is_cut_off() {
    let mut client = Client::connect(serve(impatient())).unwrap();
    let request = client.request("GET", "/auth/v1/nothing", "", "").repeat(1_000);
    let began = Instant::now();
    // Fails with a reset. Were the server patient for ever, so would this be: it gives up after 20 s.
    while client.send(&request).is_ok() {}
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
}

#[test]
fn a_client_that_dribbles_its_body_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = server(&folder, &[]);
    let mut client = server.client();
    let request = client.request("POST", "/auth/v1/sessions", "", &" ".repeat(4000));
    let began = Instant::now();
    client.send(&request[..request.len() - 3900]).unwrap();
    let reply = client.reply().unwrap();
    assert_eq!(reply.json()["code"], "bad_request");
    assert!((9..14).contains(&began.elapsed().as_secs()));
}

fn server(folder: &tempfile::TempDir, flags: &[&str]) -> Process {
    Process::start(&folder.path().join("test.db"), flags)
}

#[test]
fn more_connections_than_allowed_wait_and_are_served_when_there_is_room() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = server(&folder, &["--max-connections", "2"]);
    let mut first = server.client();
    let mut second = server.client();
    assert_eq!(first.refresh("").unwrap().status, 401);
    assert_eq!(second.refresh("").unwrap().status, 401);
    let mut third = server.client();
    let request = third.request("POST", "/auth/v1/refresh?reason=start", "", "");
    third.send(&request).unwrap();
    let waits = thread::spawn(move || (third.reply().unwrap().status, Instant::now()));
    thread::sleep(Duration::from_millis(300));
    assert!(!waits.is_finished());
    let room = Instant::now();
    drop(first);
    let (status, served) = waits.join().unwrap();
    assert_eq!(status, 401);
    assert!(served > room);
}

#[test]
fn what_is_not_http_is_turned_away() {
    let folder = tempfile::TempDir::new().unwrap();
    let server = server(&folder, &[]);
    let long = "a".repeat(1 << 20);
    for garbage in [
        "\u{16}\u{3}\u{1}".to_owned() + &"\0".repeat(500),
        "\r\n\r\n\r\n\r\nhello\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"),
        "GET / HTTP/1.1\r\n".to_owned() + &"a: b\r\n".repeat(10_000) + "\r\n",
        "POST /auth/v1/sessions HTTP/1.1\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "POST /auth/v1/sessions HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n".to_owned(),
        "POST /x HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd".to_owned(),
    ] {
        let mut client = Client::connect(server.address).unwrap();
        // The server may hang up before all of it has been sent.
        let _ = client.send(&garbage);
        let _ = client.send("");
        let rest = String::from_utf8_lossy(&client.rest()).into_owned();
        let refused = rest.is_empty() || rest.starts_with("HTTP/1.1 4");
        assert!(refused, "{garbage:.40}: {rest}");
    }
    assert_eq!(server.client().refresh("").unwrap().status, 401, "and the server is well");
}
