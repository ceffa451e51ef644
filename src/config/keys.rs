//! The keys of `[[vars.VMS]]` and the tables in it: the fields of [`Vm`] and [`Instance`], under
//! their own names.

use serde_json::{Map, Value};

use super::value::{one_of, Key, Setting, Table};
use super::ConfigError;
use crate::vm::{Accelerator, Address, AsleepResponse, ColdStart, Instance, OnDrift, OnIdle, Vm, WakePolicy};

/// Defines the keys of a type: the names of all its fields, or the name that follows a field.
macro_rules! keys {
    ($table:ident { $($field:ident $($name:literal)?),* $(,)? }) => {
        const KEYS: &'static [Key<Self>] = {
            // Does not compile if a field is missing.
            const _: fn(&$table) = |$table { $($field: _),* }| ();
            &[$(Key {
                name: keys!(@name $field $($name)?),
                read: |table, value| Ok(table.$field = Setting::read(value)?),
                write: |table| table.$field.write(),
            }),*]
        };
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}

impl Table for Vm {
    keys!(Vm {
        path,
        host,
        strip_prefix,
        health_path,
        port,
        origin,
        vpc,
        host_header,
        trust_forwarded,
        connect_timeout,
        response_timeout,
        startup_timeout,
        idle_timeout,
        on_idle,
        busy_path,
        busy_limit,
        deep_sleep_after,
        max_starts_per_hour,
        max_hours_per_month,
        on_drift,
        cold_start,
        hold_timeout,
        waiting_page,
        waiting_page_url,
        wake,
        keep_awake,
        wake_at,
        ready_push,
        instance,
    });

    fn defaults(_: &Map<String, Value>) -> Self {
        // The path is required: the check reports an empty one as missing.
        Self { path: String::new(), ..Self::default() }
    }
}

impl Table for WakePolicy {
    keys!(WakePolicy {
        methods,
        ignore_paths,
        ignore_user_agents,
        crawlers,
        countries,
        ignore_countries,
        networks,
        ignore_networks,
        verified_bots,
        header,
        secret,
        wakes_per_hour,
        counts_as_activity,
        asleep_response,
    });

    fn defaults(_: &Map<String, Value>) -> Self {
        Self::default()
    }
}

impl Table for AsleepResponse {
    keys!(AsleepResponse { path, user_agent, status, body, content_type });

    fn defaults(_: &Map<String, Value>) -> Self {
        Self::default()
    }
}

impl Table for Instance {
    keys!(Instance {
        name,
        project,
        zone,
        zones,
        source_instance_template,
        image,
        machine_type,
        accelerators,
        boot_disk_size,
        boot_disk_type,
        address,
        static_address,
        network,
        subnetwork,
        tags,
        labels,
        metadata,
        startup_script,
        startup_script_url,
        shutdown_script,
        not_preemptible,
        spot_fallback,
        max_run_duration,
        service_account,
        scopes,
        resource,
    });

    fn defaults(given: &Map<String, Value>) -> Self {
        // A default must not replace a value of the template.
        match given.get("source_instance_template").and_then(Value::as_str) {
            Some(template) => Self::from_template(template),
            None => Self::default(),
        }
    }
}

impl Table for Accelerator {
    keys!(Accelerator { kind "type", count });

    fn defaults(_: &Map<String, Value>) -> Self {
        Self { kind: String::new(), count: 1 }
    }
}

/// Defines the name of each variant of an enum.
macro_rules! choices {
    ($enum:ident { $($name:literal $choice:ident),* }) => {
        impl Setting for $enum {
            fn read(value: &Value) -> Result<Self, ConfigError> {
                one_of(value, &[$(($name, $enum::$choice)),*])
            }

            fn write(&self) -> Value {
                match self { $($enum::$choice => $name),* }.into()
            }
        }
    };
}

choices!(Address { "external" External, "internal" Internal, "ipv6" Ipv6 });
choices!(OnIdle { "stop" Stop, "suspend" Suspend, "delete" Delete, "never" Never });
choices!(OnDrift { "report" Report, "apply" Apply });
choices!(ColdStart { "auto" Auto, "hold" Hold, "page" Page, "reject" Reject });
