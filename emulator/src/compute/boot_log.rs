//! The made-up console output of a boot.

use super::instance::Instance;

/// Returns the text that the guest writes to its console while it boots.
pub fn boot_log(instance: &Instance) -> String {
    let name = &instance.name;
    let first_line = |script: &str| script.lines().next().unwrap_or_default().to_owned();
    let script = match (instance.metadata("startup-script"), instance.metadata("startup-script-url")) {
        (Some(script), _) => format!("startup-script: not run by gce-emulator: {}", first_line(script)),
        (None, Some(url)) => format!("startup-script-url: not run by gce-emulator: {url}"),
        (None, None) => "No startup scripts to run.".into(),
    };
    [
        "SeaBIOS (version 1.8.2-google)",
        "Booting from Hard Disk 0...",
        &format!("[    0.000000] Linux version 6.1.0-gce-emulator ({})", instance.machine_type()),
        &format!("[    0.412000] systemd[1]: Hostname set to <{name}>."),
        "[    1.337000] google_metadata_script_runner[512]: Starting startup scripts.",
        &format!("[    1.342000] google_metadata_script_runner[512]: {script}"),
        "[    1.360000] google_metadata_script_runner[512]: Finished running startup scripts.",
        &format!("{name} login:"),
        "",
    ]
    .join("\r\n")
}
