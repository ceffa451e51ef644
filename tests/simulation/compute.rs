//! A model of Compute Engine: the instances of one name, of which a zone has at most one, the
//! operations on them, and the changes that each status allows.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vmproxy::compute::{
    ApiError, BringUp, Call, Change, InstanceStatus, InstanceView, OperationName, OperationView, Response,
    TakeDown, Update,
};

use super::event_queue::About;
use super::operation::{failing, phases, Pace, Phase};

use super::random::Random;
use super::ready::{Token, Word};
use super::server::Server;

/// The originator of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The lifecycle under test.
    Engine,
    /// A person at the console.
    Human,
    /// Compute Engine itself.
    Platform,
    /// The lifecycle, before its record was lost.
    Forgotten,
}

/// The effect of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Change(Change),
    /// Updates this setting to the configuration of the time of the call.
    Adapt(Setting, Settings),
    Repair,
}

impl Task {
    pub fn goes_up(self) -> bool {
        matches!(self, Task::Change(Change::Up(_)))
    }

    pub fn goes_down(self) -> bool {
        matches!(self, Task::Change(Change::Down(_)))
    }

    pub fn inserts(self) -> bool {
        matches!(self, Task::Change(change) if inserts(change))
    }
}

/// Returns the name of the change itself.
pub fn name(change: Change) -> String {
    match change {
        Change::Up(bring_up) => format!("{bring_up:?}"),
        Change::Down(take_down) => format!("{take_down:?}"),
    }
}

pub fn inserts(change: Change) -> bool {
    matches!(change, Change::Up(bring_up) if bring_up.is_insert())
}

/// A setting of an instance that can be updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    MachineType,
    Tags,
    Ready(Option<Token>),
}

/// The settings of an instance, as numbers from the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub machine_type: u64,
    pub tags: u64,
}

impl Settings {
    /// Configures the instance with these settings.
    pub fn configure(self, instance: &mut vmproxy::Instance) {
        instance.machine_type = format!("machine-{}", self.machine_type);
        instance.tags = vec![format!("tag-{}", self.tags)];
    }

    fn set(&mut self, setting: Setting, wanted: Settings) {
        match setting {
            Setting::MachineType => self.machine_type = wanted.machine_type,
            Setting::Tags => self.tags = wanted.tags,
            Setting::Ready(_) => {}
        }
    }
}

/// A zone, as its index.
pub type Zone = usize;

pub struct Operation {
    pub zone: Zone,
    pub by: Actor,
    pub task: Task,
    pub request_id: Option<String>,
    pub outcome: Option<Result<(), ApiError>>,
    /// `true` if the instance has reached its new status. The operation is DONE a little later.
    pub effected: bool,
}

pub struct Instance {
    pub status: InstanceStatus,
    pub address: Option<IpAddr>,
    /// The operation in progress on it.
    pub operation: Option<usize>,
    pub server: Server,
    /// The number of the run: each run is another machine.
    pub run: u64,
    /// The originator of this run.
    pub up_by: Actor,
    /// `true` if the lifecycle has probed this run.
    pub probed: bool,
    pub settings: Settings,
    pub word: Word,
}

#[derive(Default)]
pub struct Compute {
    pub instances: BTreeMap<Zone, Instance>,
    pub operations: Vec<Operation>,
    runs: u64,
    addresses: u32,
}

impl Compute {
    /// Returns the response to `instances.get`.
    pub fn look(&self, zone: Zone, configured: Settings) -> Result<Response, ApiError> {
        let instance = self.instances.get(&zone).ok_or_else(|| api_error(404, "notFound"))?;
        let (status, ip) = (instance.status.clone(), instance.address);
        let drift = if instance.settings == configured { Vec::new() } else { instance.drift(configured) };
        let ready = Some(Update::Ready { fingerprint: "f".into(), others: BTreeMap::new() });
        Ok(Response::Instance(InstanceView { status, ip, drift, ready }))
    }

    /// Returns the instance with this address.
    pub fn at(&self, address: IpAddr) -> Option<&Instance> {
        self.instances.values().find(|instance| instance.address == Some(address))
    }

    /// Returns the instance of this run, and its zone.
    pub fn of_run(&mut self, run: u64) -> Option<(Zone, &mut Instance)> {
        let mut all = self.instances.iter_mut().map(|(zone, instance)| (*zone, instance));
        all.find(|(_, instance)| instance.run == run)
    }

    pub fn view(&self, operation: usize) -> Response {
        let name = OperationName(format!("operation-{operation}"));
        Response::Operation(OperationView { name, outcome: self.operations[operation].outcome.clone() })
    }

    pub fn named(&self, name: &OperationName) -> Option<usize> {
        let number = name.0.strip_prefix("operation-")?.parse().ok()?;
        (number < self.operations.len()).then_some(number)
    }

    pub fn of_request(&self, request_id: &str) -> Option<usize> {
        self.operations.iter().position(|operation| operation.request_id.as_deref() == Some(request_id))
    }

    /// Returns the operation of this actor that is changing the instance.
    pub fn under_way(&self, by: Actor) -> Option<&Operation> {
        self.operations.iter().rev().find(|operation| operation.by == by && !operation.effected)
    }

    /// Begins an operation. Returns its phases and their times.
    ///
    /// # Errors
    /// The API's error if the instance's status does not allow the operation.
    pub fn begin(
        &mut self,
        by: Actor,
        About { zone, settings, token }: About,
        task: Task,
        request_id: Option<String>,
        pace: Pace,
        random: &mut Random,
    ) -> Result<(usize, Vec<(Duration, Phase)>), ApiError> {
        let nothing_to_do = self.check(zone, task)?;
        let number = self.operations.len();
        let outcome = nothing_to_do.then_some(Ok(()));
        self.operations.push(Operation { zone, by, task, request_id, outcome, effected: nothing_to_do });
        if nothing_to_do {
            return Ok((number, Vec::new()));
        }
        let before = self.instances.get(&zone).map(|instance| instance.status.clone());
        if task.inserts() {
            let new = Instance {
                status: InstanceStatus::Provisioning,
                address: None,
                operation: None,
                server: Server::Off,
                run: 0,
                up_by: by,
                probed: false,
                settings,
                word: Word { in_metadata: token, ..Word::default() },
            };
            self.instances.insert(zone, new);
        }
        if let Some(instance) = self.instances.get_mut(&zone) {
            instance.operation = Some(number);
            if task.goes_up() {
                (instance.up_by, instance.probed) = (by, false);
            }
        }
        let phases = match pace.failure {
            Some(how) if task != Task::Repair => failing(task, how, before, pace, random),
            _ => phases(task, pace, random),
        };
        Ok((number, phases))
    }

    /// Returns whether the operation has nothing to change, or the API's error.
    fn check(&self, zone: Zone, task: Task) -> Result<bool, ApiError> {
        let Some(instance) = self.instances.get(&zone) else {
            return if task.inserts() { Ok(false) } else { Err(api_error(404, "notFound")) };
        };
        if task.inserts() {
            return Err(api_error(409, "alreadyExists"));
        }
        if instance.operation.is_some() {
            return Err(api_error(400, "resourceNotReady"));
        }
        let down = matches!(instance.status, InstanceStatus::Terminated | InstanceStatus::Stopped);
        let change = match task {
            Task::Change(change) => change,
            Task::Adapt(Setting::MachineType, _) if !down => return Err(api_error(400, "invalid")),
            Task::Adapt(..) | Task::Repair => return Ok(false),
        };
        let suspended = instance.status == InstanceStatus::Suspended;
        let allowed = match change {
            Change::Up(BringUp::Insert | BringUp::InsertStandard) | Change::Down(TakeDown::Delete) => true,
            Change::Up(BringUp::Start) | Change::Down(TakeDown::Stop) => !suspended,
            Change::Down(TakeDown::Suspend) => instance.status == InstanceStatus::Running,
            Change::Up(BringUp::Resume) => suspended,
        };
        if !allowed {
            return Err(api_error(400, "invalid"));
        }
        Ok((change == Change::Up(BringUp::Start) && !down)
            || (change == Change::Down(TakeDown::Stop) && down))
    }

    /// Enters a phase of an operation.
    pub fn enter(&mut self, operation: usize, phase: Phase) {
        self.operations[operation].effected |= phase.is_the_last();
        let Operation { zone, task, .. } = self.operations[operation];
        if let Phase::Done(outcome) = phase {
            self.operations[operation].effected = true;
            self.operations[operation].outcome = Some(outcome);
            if let Some(instance) = self.instances.get_mut(&zone).filter(|i| i.operation == Some(operation)) {
                instance.operation = None;
            }
            return;
        }
        if phase == Phase::Gone {
            self.instances.remove(&zone);
            return;
        }
        let fresh_address = self.next_address();
        let Some(instance) = self.instances.get_mut(&zone) else { return };
        match phase {
            Phase::Enter(status) => {
                if status != InstanceStatus::Running {
                    instance.server = Server::Off;
                }
                let down = [InstanceStatus::Terminated, InstanceStatus::Stopped, InstanceStatus::Suspended];
                if down.contains(&status) {
                    instance.address = None;
                }
                instance.status = status;
            }
            Phase::Stage => {
                (instance.status, instance.address) = (InstanceStatus::Staging, Some(fresh_address));
            }
            Phase::Run => {
                self.runs += 1;
                (instance.status, instance.run) = (InstanceStatus::Running, self.runs);
                instance.server = Server::Booting;
                instance.word.is_resumed = task == Task::Change(BringUp::Resume.into());
                if !instance.word.is_resumed {
                    instance.word.read = instance.word.in_metadata;
                }
            }
            Phase::Adapted => {
                if let Task::Adapt(setting, wanted) = task {
                    instance.settings.set(setting, wanted);
                    if let Setting::Ready(token) = setting {
                        instance.word.in_metadata = token;
                    }
                }
            }
            Phase::Gone | Phase::Done(_) => {}
        }
    }

    fn next_address(&mut self) -> IpAddr {
        self.addresses += 1;
        IpAddr::V4(Ipv4Addr::from(0xcb00_7100 + self.addresses))
    }
}

impl Instance {
    /// Returns whether the instance is up or on its way up, and no operation takes it down.
    pub fn is_up(&self, operations: &[Operation]) -> bool {
        let up = matches!(
            self.status,
            InstanceStatus::Pending
                | InstanceStatus::Provisioning
                | InstanceStatus::Staging
                | InstanceStatus::Running
                | InstanceStatus::Repairing
        );
        let goes_down = self.operation.is_some_and(|operation| operations[operation].task.goes_down());
        up && !goes_down
    }

    /// Returns the differences between the instance and the configuration, read from the API's
    /// JSON.
    fn drift(&self, configured: Settings) -> Vec<vmproxy::compute::Difference> {
        let Settings { machine_type, tags } = self.settings;
        let body = format!(
            r#"{{"status": "RUNNING", "machineType": "zones/z/machineTypes/machine-{machine_type}",
                "tags": {{"items": ["tag-{tags}"], "fingerprint": "f"}}}}"#
        );
        let mut wanted = vmproxy::Instance::default();
        configured.configure(&mut wanted);
        match Response::read(&Call::Get, &wanted, 200, &body) {
            Ok(Response::Instance(view)) => view.drift,
            other => panic!("not read: {other:?}"),
        }
    }
}

pub fn api_error(status: u16, reason: &str) -> ApiError {
    ApiError { status, reason: reason.into(), message: "in the simulation".into() }
}
