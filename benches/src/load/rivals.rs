//! The servers that run one thread per core: a program of its own (`rivals/`), since its
//! dependencies are heavy and one of them wants git and configure to be built.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use crate::{
    Result,
    case::Settings,
    child::served::Running,
    contender::Contender::{self, *},
};

/// Those of them that this build compares with.
pub fn available() -> &'static [Contender] {
    if cfg!(feature = "rivals") { &[Monoio, Glommio, Compio] } else { &[] }
}

/// An echo server; it says its port.
pub fn echo(contender: Contender, settings: &Settings) -> Result<Running> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| build().map_err(|error| error.to_string())).clone()?;
    let mut command = Command::new(program);
    command.args([contender.name(), &settings.cores.to_string()]);
    Running::spawn(format!("echo of {contender}"), command)
}

fn build() -> Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rivals");
    let status = Command::new("cargo")
        .args(["build", "--release", "--quiet"])
        .current_dir(&folder)
        .status()
        .map_err(|error| format!("cannot build benches/rivals: cargo does not start ({error})"))?;
    match status.success() {
        true => Ok(folder.join("target/release/rivals")),
        false => {
            Err("cannot build benches/rivals, see above; glommio wants git and configure".into())
        }
    }
}
