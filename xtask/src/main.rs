//! The tasks of this repository: `cargo xtask build|size|pack|demo|test|sim|bench`.
//!
//! It is started by `cargo run`, so all it may take for granted is Cargo. Everything else is looked
//! for, installed with the ordinary clients where that is possible, and named in one line where it
//! is not.

#![allow(clippy::print_stdout, reason = "a command-line program talks to its terminal")]

mod arguments;
mod bench;
mod demo;
mod engines;
mod failure;
mod lock;
mod need;
mod pack;
mod place;
mod process;
mod sim;
mod size;
mod snip;
mod stage;
mod stamp;
mod steps;
mod summary;
mod test;
mod totals;
mod wasm;
mod weigh;

use std::process::ExitCode;

use arguments::{Arguments, Task};
use failure::Result;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let Arguments { task } = Arguments::parse(std::env::args().skip(1))?;
    process::stop_children_on_signal()?;
    match task {
        Task::Help(text) => print!("{text}"),
        Task::Build { force } => wasm::build(force)?,
        Task::Size => {
            size::report()?;
            weigh::report()?;
        }
        Task::Pack => drop(pack::pack()?),
        Task::Demo(options) => return demo::run(&options),
        Task::Test(options) => return Ok(test::run(&options)),
        Task::Bench(options) => return bench::run(&options),
        Task::Sim(plan) => return sim::run(&plan),
    }
    Ok(ExitCode::SUCCESS)
}
