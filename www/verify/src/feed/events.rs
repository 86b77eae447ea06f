//! Server-sent events (WHATWG HTML section 9.2), as far as the feed uses them.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

/// The longest line and the longest event, in bytes: the server tells 200 sessions at a time, in 7 KB.
const LONGEST: usize = 64 * 1024;

/// The longest id of a session that is kept, in bytes. The server's own have 32.
const LONGEST_ID: usize = 256;

/// One event of the feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The first of a stream: how long tokens live.
    Start(Duration),
    /// Sessions that have ended.
    Ended(Vec<Arc<str>>),
    /// All that had ended has been told.
    Heartbeat,
}

/// What came is not the feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

#[derive(Deserialize)]
struct Start {
    token_lifetime_ms: u64,
}

#[derive(Deserialize)]
struct Ended {
    sessions: Vec<String>,
}

/// Puts events together from the pieces in which they arrive.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
}

impl Parser {
    /// The events that are complete with these bytes. Those with other names are for later versions.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, Malformed> {
        let mut events = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.extend(&bytes[..end])?;
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            events.extend(self.take(line.strip_suffix(b"\r").unwrap_or(&line))?);
        }
        self.extend(bytes)?;
        Ok(events)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if self.line.len() + self.data.len() + bytes.len() > LONGEST {
            return Err(Malformed);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<Event>, Malformed> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return event(&name, &data);
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = value.to_vec(),
            b"data" => {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            _ => {} // a comment, or a field that the feed has no use for
        }
        Ok(None)
    }
}

fn event(name: &[u8], data: &[u8]) -> Result<Option<Event>, Malformed> {
    Ok(match name {
        b"start" => {
            let Start { token_lifetime_ms } = serde_json::from_slice(data).map_err(|_| Malformed)?;
            Some(Event::Start(Duration::from_millis(token_lifetime_ms)))
        }
        b"ended" => {
            let Ended { sessions } = serde_json::from_slice(data).map_err(|_| Malformed)?;
            if sessions.iter().any(|session| session.len() > LONGEST_ID) {
                return Err(Malformed);
            }
            Some(Event::Ended(sessions.into_iter().map(Arc::from).collect()))
        }
        b"heartbeat" => Some(Event::Heartbeat),
        _ => None,
    })
}
