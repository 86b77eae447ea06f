//! `demo`: everything built, and the server started with a demo account.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::arguments::Demo;
use crate::failure::{Failure, Result};
use crate::process::{self, Stdout};
use crate::{need, place, wasm};

/// Runs until it is stopped.
pub(crate) fn run(options: &Demo) -> Result<ExitCode> {
    // What can be known at once is said before the long build.
    check_port(options.port)?;
    let data = check_data(&options.data)?;
    wasm::ensure()?;
    let program = build_server()?;

    let mut server = Command::new(program);
    server
        .current_dir(place::root())
        .arg("--listen")
        .arg(format!("127.0.0.1:{}", options.port))
        .arg("--data")
        .arg(data)
        .arg("--page")
        .arg(place::root().join("www").join("demo"))
        .arg("--sdk")
        .arg(place::js())
        .args(&options.rest);
    process::stopping_is_success();
    let ended = process::run(&mut server, Stdout::Shown, Duration::MAX)?;
    match ended.code {
        Some(0) => Ok(ExitCode::SUCCESS),
        // It has said why.
        Some(_) => Ok(ExitCode::FAILURE),
        None => Err(Failure::new(format!("the server was stopped ({})", ended.status))),
    }
}

/// Builds the server with its demo page; returns the program.
pub(crate) fn build_server() -> Result<PathBuf> {
    println!("building the server");
    let mut cargo = need::cargo();
    cargo.args(["build", "--package", "fiftyten-server", "--example", "demo"]);
    process::must(&mut cargo, "building the server", Duration::from_secs(1800))?;
    Ok(place::target().join("debug").join("examples").join(place::executable("demo")))
}

/// Builds one of the server's programs; returns it.
pub(crate) fn build_program(name: &str) -> Result<PathBuf> {
    println!("building {name}");
    let mut cargo = need::cargo();
    cargo.args(["build", "--package", "fiftyten-server", "--bin", name]);
    process::must(&mut cargo, &format!("building {name}"), Duration::from_secs(1800))?;
    Ok(place::target().join("debug").join(place::executable(name)))
}

fn check_port(port: u16) -> Result {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(cause) if cause.kind() == ErrorKind::AddrInUse => {
            Err(Failure::new(format!("port {port} is in use: choose another with `--port`")))
        }
        Err(cause) => Err(Failure::new(format!("cannot listen on port {port}: {cause}"))),
    }
}

/// The folder for the data, made and found writable, as an absolute path.
fn check_data(folder: &Path) -> Result<PathBuf> {
    let fail = |cause: &std::io::Error| Failure::file("write to the data folder", folder, cause);
    fs::create_dir_all(folder).map_err(|cause| fail(&cause))?;
    let probe = folder.join(".writable");
    fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).map_err(|cause| fail(&cause))?;
    folder.canonicalize().map_err(|cause| fail(&cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_said_in_one_line() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = check_port(port).unwrap_err().to_string();
        assert_eq!(failure, format!("port {port} is in use: choose another with `--port`"));
    }

    #[test]
    fn a_data_folder_that_cannot_be_is_said_in_one_line() {
        let failure = check_data(Path::new("/dev/null/data")).unwrap_err().to_string();
        assert!(failure.starts_with("cannot write to the data folder /dev/null/data: "), "{failure}");
    }
}
