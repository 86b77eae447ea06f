//! What tokens say of a user beyond who they are.

use std::fmt;

use serde_json::{Map, Value};

use crate::store::User;
use crate::token::RESERVED_CLAIMS;

/// Most bytes of JSON that an app's own claims may take, and that roles and permissions may take together:
/// the token travels with every request.
pub const LARGEST_CLAIMS: usize = 1024;

/// The claims of a user, or of one session of theirs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// The token's `roles`.
    pub roles: Vec<String>,
    /// The token's `permissions`.
    pub permissions: Vec<String>,
    /// The app's own.
    pub own: Map<String, Value>,
}

/// Claims that replace those of a session: `None` leaves what there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimsPatch {
    /// The token's `roles`.
    pub roles: Option<Vec<String>>,
    /// The token's `permissions`.
    pub permissions: Option<Vec<String>>,
    /// The app's own, all of them.
    pub own: Option<Map<String, Value>>,
}

/// Why claims cannot go into a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimsError {
    /// A claim has a name that the server uses itself: one of [`RESERVED_CLAIMS`].
    Reserved(String),
    /// The claims, or the roles and permissions, take more than [`LARGEST_CLAIMS`] bytes.
    TooLarge(&'static str),
}

impl fmt::Display for ClaimsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved(name) => write!(f, "the claim {name:?} is set by the server: use another name"),
            Self::TooLarge(what) => write!(f, "the {what} take more than {LARGEST_CLAIMS} bytes of JSON"),
        }
    }
}

impl std::error::Error for ClaimsError {}

impl Claims {
    /// Whether they can go into a token.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with them.
    pub fn check(&self) -> Result<(), ClaimsError> {
        check(&self.roles, &self.permissions, &self.own)
    }
}

impl ClaimsPatch {
    /// Whether they can go into a token. What is left as it is does not count.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with them.
    pub fn check(&self) -> Result<(), ClaimsError> {
        let (roles, permissions) = (self.roles.as_deref(), self.permissions.as_deref());
        let none = Map::new();
        check(roles.unwrap_or_default(), permissions.unwrap_or_default(), self.own.as_ref().unwrap_or(&none))
    }
}

impl From<User> for Claims {
    fn from(user: User) -> Self {
        Self { roles: user.roles, permissions: user.permissions, own: user.claims }
    }
}

fn check(roles: &[String], permissions: &[String], own: &Map<String, Value>) -> Result<(), ClaimsError> {
    if let Some(name) = RESERVED_CLAIMS.iter().find(|name| own.contains_key(**name)) {
        return Err(ClaimsError::Reserved((*name).to_owned()));
    }
    if size(own) > LARGEST_CLAIMS {
        return Err(ClaimsError::TooLarge("claims"));
    }
    if size(&(roles, permissions)) > LARGEST_CLAIMS {
        return Err(ClaimsError::TooLarge("roles and permissions"));
    }
    Ok(())
}

fn size(value: &impl serde::Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| json.len())
}
