//! The measuring process's side of a server process.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{
    Result,
    protocol::{LISTENING, START, STARTED, STOP, ServerReport},
    variant::Variant,
};

/// A running server; dropping it ends the process.
pub struct Server {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(
        variant: Variant,
        workers: usize,
        data: &Path,
        upstream: SocketAddr,
    ) -> Result<Server> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", "--variant", variant.flag()])
            .args(["--workers", &workers.to_string()])
            .args(["--upstream", &upstream.to_string()])
            .arg("--data")
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start the server process of {variant} ({error})"))?;
        let commands = process.stdin.take().expect("stdin is a pipe");
        let answers = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        // From here on an early return ends the process.
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Server { process, commands, answers, address: nowhere };
        let line = server.answer()?;
        server.address = line
            .strip_prefix(LISTENING)
            .and_then(|address| address.parse().ok())
            .ok_or_else(|| format!("the server of {variant} said `{line}`, not its address"))?;
        Ok(server)
    }

    pub fn start_measuring(&mut self) -> Result<()> {
        writeln!(self.commands, "{START}")?;
        match self.answer()?.as_str() {
            STARTED => Ok(()),
            other => Err(format!("the server answered `{other}` to start").into()),
        }
    }

    pub fn stop_measuring(&mut self) -> Result<ServerReport> {
        writeln!(self.commands, "{STOP}")?;
        ServerReport::from_line(&self.answer()?)
    }

    /// Threads now; None where /proc does not tell.
    pub fn threads(&self) -> Option<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            let status = self.process.wait()?;
            return Err(format!("a server process ended too early ({status}), see above").into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only for a process that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
