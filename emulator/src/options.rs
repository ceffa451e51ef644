//! The command-line flags.

use std::path::PathBuf;

use clap::Parser;

use crate::timing::Timing;

/// Emulates Compute Engine's REST API and Google's token server on this machine, for development
/// and tests.
///
/// Give the key file at /emulator/service-account.json to your program, and
/// http://127.0.0.1:8700/compute/v1 as the address of Compute Engine.
#[derive(Debug, Clone, Parser)]
#[command(name = "gce-emulator", version)]
pub struct Options {
    /// Port of the API and the token server; 0 takes any free port
    #[arg(long, default_value_t = 8700)]
    pub port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port on which the instances' servers listen, each at its own address
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..))]
    pub instance_port: u16,
    /// Shell command to run in each instance instead of the demo server, once per boot, with IP,
    /// PORT, INSTANCE and GCE_METADATA_HOST set
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// Project that the service account may use
    #[arg(long, default_value = "emulator-project")]
    pub project: String,
    /// Duration of each phase of an instance's life
    #[command(flatten)]
    pub timing: Timing,
    /// File that keeps the emulator's state across restarts; created if it does not exist
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Write no log
    #[arg(long)]
    pub quiet: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::parse_from(["gce-emulator"])
    }
}
