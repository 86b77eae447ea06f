//! `bench`: what a session costs, measured apart from the tests.

use std::process::ExitCode;
use std::time::Duration;

use crate::arguments::{Area, Bench};
use crate::failure::Result;
use crate::process::{self, Stdout};
use crate::{demo, need, pack, place};

/// Runs the benchmarks that were asked for, one after the other: they must not disturb each other.
pub(crate) fn run(options: &Bench) -> Result<ExitCode> {
    need::programs(need::BROWSERS)?;
    let folder = place::browser_tests();
    need::node()?;
    need::npm_packages(&folder)?;
    let tarball = pack::pack()?;
    let server = demo::build_server()?;
    let areas = Area::ALL.into_iter().filter(|area| options.area.is_none_or(|only| only == *area));
    let mut success = true;
    for area in areas {
        println!("\n=== {} ===", area.name());
        let mut node = need::script(&folder.join(format!("{}.bench.mjs", area.name())))?;
        node.current_dir(&folder)
            .args(options.quick.then_some("--quick"))
            .env("FIFTYTEN_TARBALL", &tarball)
            .env("FIFTYTEN_DEMO_BIN", &server);
        success &= process::run(&mut node, Stdout::Shown, Duration::from_secs(1800))?.success;
    }
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
