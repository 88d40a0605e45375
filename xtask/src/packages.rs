//! Packages of Python and Node.js, installed below the target directory.

use std::path::{Path, PathBuf};

use crate::process::Line;

/// The Python interpreter of a virtual environment in this folder that has the packages of these
/// pins: one `name==version` in each line.
pub(crate) fn python(folder: &Path, pins: &str) -> Result<PathBuf, String> {
    let environment = folder.join("venv");
    let python = environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    // Where all versions are installed, pip asks no package index.
    let install = || {
        Line::program(&python)
            .args("-m pip install --quiet --disable-pip-version-check --cache-dir")
            .arg(folder.join("pip"))
            .args("--requirement")
            .arg(pins)
            .run()
    };
    if python.exists() && install().is_ok() {
        return Ok(python);
    }
    println!("    installing the packages of {pins} below the target directory");
    let make = |maker| {
        let line = Line::program(maker).args("-m venv --clear");
        line.arg(&environment).succeeds()
    };
    if !["python3", "python"].into_iter().any(make) {
        let remedy = "install python3 and python3-venv";
        return Err(format!(
            "no Python can make a virtual environment: {remedy}"
        ));
    }
    let installed = install();
    installed.map_err(|error| format!("the packages of {pins} could not be installed: {error}"))?;
    Ok(python)
}

/// Copies the scripts of a folder, and installs there what their `package-lock.json` pins.
pub(crate) fn node(scripts: &Path, folder: &Path) -> Result<(), String> {
    let lock = scripts.join("package-lock.json");
    let marker = folder.join("installed.json");
    let is_installed = std::fs::read(&marker).ok() == std::fs::read(&lock).ok();
    copy_files(scripts, folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if is_installed {
        return Ok(());
    }
    let shown = lock.display();
    println!("    installing the packages of {shown} below the target directory");
    // `npm ci` refuses the lock if an optional package for another system cannot be had.
    Line::program("npm")
        .args("install --loglevel=error --no-audit --no-fund --cache")
        .arg(folder.with_file_name("npm-cache"))
        .dir(folder)
        .run()
        .map_err(|error| format!("missing: Node.js with npm, or its packages: {error}"))?;
    let marked = std::fs::copy(lock, marker);
    marked.map(drop).map_err(|error| error.to_string())
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
