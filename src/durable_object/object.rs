//! The Durable Object class, as the runtime sees it.

// The macro writes methods for the runtime, without docs.
#![allow(missing_docs)]

use std::rc::Rc;

use worker::{durable_object, DurableObject, Env, Request, Response, Result, State};

use super::effects::Effects;

/// The Durable Object class. A Worker that uses this crate binds it as `VM` in its `wrangler.toml`:
///
/// ```toml
/// [[durable_objects.bindings]]
/// name = "VM"
/// class_name = "VmObject"
///
/// [[migrations]]
/// tag = "v1"
/// new_sqlite_classes = ["VmObject"]
/// ```
#[durable_object(alarm)]
pub struct VmObject {
    effects: Rc<Effects>,
}

impl DurableObject for VmObject {
    fn new(state: State, env: Env) -> Self {
        Self { effects: Rc::new(Effects::new(state, env)) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let message = crate::json::from_str(&request.text().await?)?;
        Ok(self.effects.receive(message).await?.into())
    }

    async fn alarm(&self) -> Result<Response> {
        self.effects.alarm()?;
        Response::empty()
    }
}
