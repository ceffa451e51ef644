//! The program: its line of output, its end, and `--exec`.

use std::process::Stdio;

use gce_emulator::{Emulator, Options};
use rustix::process::{kill_process, Pid, Signal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::{accepts, eventually, options, Google};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gce-emulator");

pub struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    pub endpoint: String,
}

impl Program {
    pub async fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["--port=0", "--instance-port=18080", "--quiet"])
            .args(flags)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).await.unwrap();
        let endpoint = line.strip_prefix("gce-emulator listening on ").expect(&line).trim_end().to_owned();
        Self { child, output, endpoint }
    }

    /// Kills the program, which cannot end in order.
    pub async fn kill(mut self, signal: Signal) {
        self.signal(signal);
        assert!(!self.child.wait().await.unwrap().success());
    }

    pub async fn end(mut self, signal: Signal) {
        self.signal(signal);
        assert!(self.child.wait().await.unwrap().success());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "", "one line is all");
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        kill_process(id, signal).unwrap();
    }
}

#[tokio::test]
async fn it_says_when_it_listens_and_ends_when_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let program = Program::start(&[]).await;
        assert!(accepts(&program.endpoint).await);
        program.end(signal).await;
    }
}

/// The server is a second emulator, in a child process of the shell, and must end with its
/// instance.
#[tokio::test]
async fn a_command_serves_and_dies_with_its_instance() {
    let exec = format!(
        "--exec='{PROGRAM}' --host $IP --port $PORT --instance-port 18081 --project $INSTANCE & wait"
    );
    let quick = ["--provision-ms=0", "--stage-ms=0", "--boot-ms=0", "--stop-ms=0"];
    let program = Program::start(&[&[exec.as_str()], &quick[..]].concat()).await;
    let google = Google::connect(program.endpoint.clone(), None).await;

    let root = google.create("vm").await;
    let key = google.http.get(format!("{root}/emulator/service-account.json")).send().await.unwrap();
    assert!(key.text().await.unwrap().contains("emulator@vm.iam"), "INSTANCE is set");
    google.change("vm", "stop").await;
    eventually("it ends with the instance", || async { (!accepts(&root).await).then_some(()) }).await;

    google.change("vm", "start").await;
    let root = google.listening("vm").await;
    program.end(Signal::TERM).await;
    eventually("it ends with the emulator", || async { (!accepts(&root).await).then_some(()) }).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = Emulator::start(Options { port, ..options() }).await.err().expect("the port is taken");
    assert!(refused.to_string().starts_with(&format!("cannot listen on 127.0.0.1:{port}:")), "{refused}");

    let everywhere = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let instance_port = everywhere.local_addr().unwrap().port();
    let refused =
        Emulator::start(Options { instance_port, ..options() }).await.err().expect("the port is taken");
    assert!(refused.to_string().contains("--instance-port"), "{refused}");
}
