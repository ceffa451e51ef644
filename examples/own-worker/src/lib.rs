//! A Worker of one's own that uses vmproxy as a library: a site with a page that needs no VM, a VM behind `/app`,
//! and a few buttons for it.

use vmproxy::{Address, Error, Instance, OnIdle, Vm};
use wasm_bindgen::JsValue;
use web_sys::{Request, Response, ResponseInit};
use worker::{event, Context, Env, Result};

// The Durable Object class that wrangler.toml binds must be among this Worker's exports.
pub use vmproxy::VmObject;

/// The VM behind `/app`. If the variable `NETWORK` names the binding of a VPC network, the VM needs no public address.
fn vm(env: &Env) -> Vm {
    let vpc = env.var("NETWORK").ok().map(|network| network.to_string());
    let address = if vpc.is_some() { Address::Internal } else { Address::default() };
    Vm {
        vpc,
        path: "/app".into(),
        strip_prefix: true,
        health_path: Some("/healthz".into()),
        port: 8780,
        on_idle: OnIdle::Delete,
        instance: Instance {
            name: "own-backend".into(),
            zone: "us-central1-a".into(),
            machine_type: "e2-small".into(),
            address,
            ..Instance::default()
        },
        ..Vm::default()
    }
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, ctx: Context) -> Result<Response> {
    let vm = vm(&env);
    let url = request.url();
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    match (request.method().as_str(), path) {
        ("GET", "") => text(200, "The VM is behind /app.\n"),
        ("GET", "vm") => match (vm.is_running(&env).await, vm.public_ip(&env).await) {
            (Ok(running), Ok(ip)) => text(200, &format!("running: {running}, address: {ip:?}\n")),
            (Err(error), _) | (_, Err(error)) => failed(&error),
        },
        // A Worker of your own decides who may do this.
        ("POST", "vm/start") => done(vm.start(&env).await.map(drop)),
        ("POST", "vm/stop") => done(vm.stop(&env).await),
        ("POST", "vm/delete") => done(vm.delete(&env).await),
        _ if path == "app" || path.starts_with("app/") => Ok(vm.serve(&request, &env, &ctx).await),
        _ => text(404, "There is nothing here.\n"),
    }
}

fn done(result: std::result::Result<(), Error>) -> Result<Response> {
    match result {
        Ok(()) => text(200, "done\n"),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Result<Response> {
    match error {
        Error::StartupTimeout { .. } => text(504, "The VM did not start in time.\n"),
        error => {
            worker::console_error!("{error}");
            text(502, "The VM is not to be had.\n")
        }
    }
}

fn text(status: u16, body: &str) -> Result<Response> {
    let init = ResponseInit::new();
    init.set_status(status);
    Response::new_with_opt_str_and_init(Some(body), &init).map_err(|error: JsValue| error.into())
}
