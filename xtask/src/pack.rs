//! `pack`: the tarball that would be published.

use std::path::PathBuf;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::process::{self, Stdout};
use crate::{need, place, wasm};

/// Builds and packs; returns where the tarball is.
pub(crate) fn pack() -> Result<PathBuf> {
    wasm::ensure()?;
    let folder = place::target();
    let mut npm = need::npm(&place::js());
    npm.args(["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination"]).arg(&folder);
    let ended = process::run(&mut npm, Stdout::Kept, Duration::from_secs(120))?;
    let name = ended.stdout.lines().next_back().unwrap_or_default().trim();
    if !ended.success || name.is_empty() {
        return Err(Failure::new(format!("`npm pack` in js failed ({})", ended.status)));
    }
    let tarball = folder.join(name);
    println!("packed {}", tarball.strip_prefix(place::root()).unwrap_or(&tarball).display());
    Ok(tarball)
}
