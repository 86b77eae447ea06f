//! What real browsers are driven with: the package as it would be published, and the server.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::Result;
use crate::{demo, need, pack, place};

/// Everything in place for the scripts of `tests/browser`.
pub(crate) struct Stage {
    /// Where they are.
    pub(crate) folder: PathBuf,
    tarball: PathBuf,
    server: PathBuf,
}

impl Stage {
    /// Installs and builds what is missing.
    pub(crate) fn set() -> Result<Self> {
        need::programs(need::BROWSERS)?;
        let folder = place::browser_tests();
        need::node()?;
        need::npm_packages(&folder)?;
        Ok(Self { folder, tarball: pack::pack()?, server: demo::build_server()? })
    }

    /// Tells a script where it finds them.
    pub(crate) fn tell<'a>(&self, script: &'a mut Command) -> &'a mut Command {
        script.env("FIFTYTEN_TARBALL", &self.tarball).env("FIFTYTEN_DEMO_BIN", &self.server)
    }
}
