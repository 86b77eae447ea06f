use super::events::{Event, Malformed, Parser};
use super::*;

fn feed() -> Feed {
    let settings = RevocationFeed::new("http://localhost/", "");
    Feed::new(&settings, &Expect::new("i", "a"))
}

fn ids(range: std::ops::Range<u32>) -> Vec<Arc<str>> {
    range.map(|number| number.to_string().into()).collect()
}

#[test]
fn what_ended_is_remembered_as_long_as_a_token_may_live_and_no_longer() {
    let feed = feed();
    let (start, life) = (Instant::now(), Duration::from_secs(60));
    feed.add(ids(0..1), life, start);
    feed.heartbeat(start + life);
    assert_eq!(feed.check("0"), Err(VerifyError::Revoked), "in the second in which it expires");
    feed.add(ids(0..1), life, start + life);
    feed.heartbeat(start + life + MARGIN);
    assert_eq!(feed.check("0"), Ok(()), "that it was told again does not keep it");
    let absurd = Duration::from_secs(u64::MAX);
    feed.add(ids(1..2), absurd, start);
    feed.heartbeat(start + feed.longest + MARGIN);
    assert_eq!(feed.status().sessions, 0, "no token that is accepted lives longer");
}

#[test]
fn memory_is_bounded_by_what_ended_in_a_tokens_life() {
    let feed = feed();
    let (start, life) = (Instant::now(), Duration::from_secs(60));
    let mut most = 0;
    // Fifty a second, for an hour.
    for second in 0..3_600 {
        let now = start + Duration::from_secs(second.into());
        feed.add(ids(second * 50..(second + 1) * 50), life, now);
        feed.heartbeat(now);
        most = most.max(feed.status().sessions);
    }
    assert!((3_000..=3_300).contains(&most), "{most}: 60 s of them, and 5 s more");
    let ended = feed.ended.read().unwrap();
    assert_eq!(ended.sessions.len(), ended.order.len());
}

#[test]
fn events_are_put_together_from_any_pieces() {
    let text = "event: start\ndata: {\"token_lifetime_ms\":60000}\n\n: comment\n\nevent:ended\r\ndata: {\"sessions\":\r\n\
        data: [\"a\",\"b\"]}\r\n\r\nevent: of a later version\ndata: x\n\nretry: 5\nevent: heartbeat\ndata: {}\n\n";
    let expected =
        [Event::Start(Duration::from_secs(60)), Event::Ended(vec!["a".into(), "b".into()]), Event::Heartbeat];
    for size in 1..=text.len() {
        let mut parser = Parser::default();
        let pieces = text.as_bytes().chunks(size).map(|piece| parser.push(piece).unwrap());
        assert_eq!(pieces.flatten().collect::<Vec<_>>(), expected, "{size}");
    }
}

#[test]
fn what_is_not_the_feed_is_refused_and_takes_no_memory() {
    for text in [
        "event: start\n\n".to_owned(),
        "event: start\ndata: {}\n\n".to_owned(),
        "event: ended\ndata: {\"sessions\":[1]}\n\n".to_owned(),
        format!("event: ended\ndata: {{\"sessions\":[\"{}\"]}}\n\n", "x".repeat(300)),
        "x".repeat(70_000),
        "data: x\n".repeat(40_000),
    ] {
        assert_eq!(Parser::default().push(text.as_bytes()), Err(Malformed), "{:.40}", text);
    }
}

#[test]
fn a_feed_does_not_print_its_credential() {
    let shown = format!("{:?}", RevocationFeed::new("http://localhost/x", "canary"));
    assert!(shown.contains("localhost/x") && !shown.contains("canary"), "{shown}");
}
