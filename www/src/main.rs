//! The refresh server's command line.

use std::process::ExitCode;

use clap::Parser;

mod command;

fn main() -> ExitCode {
    match command::run(command::Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("fiftyten-server: {line}");
            ExitCode::FAILURE
        }
    }
}
