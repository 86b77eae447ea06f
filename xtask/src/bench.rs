//! `bench`: what a session costs, measured apart from the tests.

use std::process::ExitCode;
use std::time::Duration;

use crate::arguments::{Area, Bench};
use crate::failure::Result;
use crate::need;
use crate::process::{self, Stdout};
use crate::stage::Stage;

/// Runs the benchmarks that were asked for, one after the other: they must not disturb each other.
pub(crate) fn run(options: &Bench) -> Result<ExitCode> {
    let stage = Stage::set()?;
    let areas = Area::ALL.into_iter().filter(|area| options.area.is_none_or(|only| only == *area));
    let mut success = true;
    for area in areas {
        println!("\n=== {} ===", area.name());
        let mut node = need::script(&stage.folder.join(format!("{}.bench.mjs", area.name())))?;
        stage.tell(&mut node).current_dir(&stage.folder).args(options.quick.then_some("--quick"));
        success &= process::run(&mut node, Stdout::Shown, Duration::from_secs(1800))?.success;
    }
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
