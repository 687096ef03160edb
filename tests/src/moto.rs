//! moto: an EC2 that we did not write. Ends with the test that started it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

/// A moto server of its own.
pub struct Moto {
    process: Child,
    endpoint: String,
}

impl Moto {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Self {
        let mut command = crate::python::program("serve_moto.py");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("moto starts");
        let mut line = String::new();
        let output = process.stdout.as_mut().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("its address");
        let endpoint = line.trim().strip_prefix("listening on ").expect("its address").to_owned();
        Self { process, endpoint }
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // it ends when its input does; this is for certain
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
