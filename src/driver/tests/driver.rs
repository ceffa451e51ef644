//! The outputs of the driver, and their order.

use std::rc::Rc;
use std::time::Duration;

use crate::compute::{Call, TakeDown};
use crate::driver::{
    Command, Driver, Hold, Host, Input, Message, Output, Record, Reply, Stored, TakeDownRequest, Ticket, Wake,
};
use crate::lifecycle::{Event, Outcome, ReadyToken};
use crate::schedule::Offset;
use crate::time::Timestamp;
use crate::vm::{Instance, Seed, Vm, VmState};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

struct Machine;

impl Host for Machine {
    fn identity(&mut self) -> u64 {
        7
    }

    fn seed(&mut self) -> Seed {
        [7; 32]
    }

    fn offset(&self, _: &str, _: Timestamp) -> Option<Offset> {
        Some(Offset::from_secs(0))
    }
}

fn vm() -> Vm {
    let instance = Instance { name: "backend".into(), zone: "zone-1".into(), ..Instance::default() };
    Vm { instance, ready_push: Some("https://app.example.com".into()), ..Vm::default() }
}

fn send(driver: &mut Driver, vm: Vm, command: Command) -> Vec<Output> {
    let message = Box::new(Message { vm: Rc::new(vm), command });
    driver.handle(Input::Message { ticket: Ticket(1), message }, NOW, &mut Machine)
}

fn wake(hold: Hold) -> Command {
    Command::Wake(Wake { unreachable: None, hold, force: false, client: None })
}

/// A driver whose VM is starting, and waits for the result of its first look.
fn starting(configured: Option<Vec<Rc<Vm>>>) -> Driver {
    let mut driver = Driver::new(Stored::Nothing, configured);
    send(&mut driver, vm(), wake(Hold::UntilDone));
    driver
}

fn names(outputs: &[Output]) -> Vec<&'static str> {
    let name = |output: &Output| match output {
        Output::Log(..) => "log",
        Output::Store => "store",
        Output::Call { .. } => "call",
        Output::Probe { .. } => "probe",
        Output::CheckBusy { .. } => "check",
        Output::Reply { .. } => "reply",
        Output::Show(..) => "show",
        Output::Publish => "publish",
        Output::SetTimer(_) => "timer",
        Output::SetAlarm(_) => "alarm",
    };
    outputs.iter().map(name).collect()
}

fn state(driver: &Driver) -> VmState {
    driver.record().unwrap().lifecycle.vm_state()
}

#[test]
fn nothing_leaves_the_object_before_the_record_is_stored() {
    let mut driver = Driver::new(Stored::Nothing, None);
    let outputs = send(&mut driver, vm(), wake(Hold::No));
    assert_eq!(names(&outputs), ["log", "store", "call", "publish", "timer", "alarm", "reply"]);
    let outputs = send(&mut driver, vm(), Command::Touch);
    assert_eq!(names(&outputs), ["store", "publish", "timer", "reply"]);
}

#[test]
fn a_wrong_ready_token_changes_nothing_and_stores_nothing() {
    let mut driver = starting(None);
    let other = Vm { idle_timeout: Duration::from_secs(1), ..vm() };
    let before = driver.record().cloned();
    let outputs = send(&mut driver, other, Command::Ready(ReadyToken::from("guess")));
    assert!(matches!(&outputs[..], [Output::Reply { reply: Reply::Forbidden, .. }]), "{outputs:?}");
    assert_eq!(driver.record().cloned(), before);
}

#[test]
fn a_hold_that_ends_gets_one_reply() {
    let mut driver = starting(None);
    let end = |driver: &mut Driver| driver.handle(Input::HoldEnded(Ticket(1)), NOW, &mut Machine);
    let outputs = end(&mut driver);
    assert!(matches!(&outputs[..], [Output::Reply { reply: Reply::Pending(_), .. }]), "{outputs:?}");
    assert!(end(&mut driver).is_empty());
    assert!(driver.waiting_for_up.is_empty());
}

#[test]
fn a_refused_wake_is_replied_to_without_a_hold() {
    let mut driver = Driver::new(Stored::Nothing, None);
    let limited = Vm { max_starts_per_hour: Some(0), ..vm() };
    let outputs = send(&mut driver, limited, wake(Hold::No));
    let reply = outputs.into_iter().find_map(|output| match output {
        Output::Reply { reply, .. } => Some(reply),
        _ => None,
    });
    assert!(matches!(reply, Some(Reply::Outcome(Outcome::Failed(_)))), "{reply:?}");
}

#[test]
fn who_waits_for_down_hears_at_the_end_and_who_does_not_at_once() {
    let mut driver = Driver::new(Stored::Nothing, None);
    let down = |wait| Command::TakeDown(TakeDownRequest { take_down: TakeDown::Stop, wait });
    let outputs = send(&mut driver, vm(), down(false));
    assert!(outputs.iter().any(|output| matches!(output, Output::Reply { reply: Reply::Status(_), .. })));
    let outputs = send(&mut driver, vm(), down(true));
    assert!(!names(&outputs).contains(&"reply"), "{outputs:?}");
    assert_eq!(driver.waiting_for_down(), [Ticket(1)]);
}

#[test]
fn the_objects_own_configuration_takes_precedence() {
    let own = Rc::new(Vm { port: 8080, ..vm() });
    let mut driver = Driver::new(Stored::Nothing, Some(vec![Rc::clone(&own)]));
    send(&mut driver, Vm { port: 81, ..vm() }, Command::Status);
    assert_eq!(driver.record().unwrap().vm, own);
}

#[test]
fn a_vm_that_is_no_longer_configured_is_stopped_when_the_alarm_rings() {
    let vm = Vm { keep_awake: vec!["daily 00:00-23:59 UTC".into()], ..vm() };
    let mut driver = Driver::new(Stored::Nothing, None);
    send(&mut driver, vm, wake(Hold::UntilDone));
    let record = driver.record().cloned().unwrap();
    let mut driver = Driver::new(Stored::Record(Box::new(record)), Some(Vec::new()));
    driver.handle(Input::Alarm { name: None }, NOW, &mut Machine);
    let Record { vm, lifecycle } = driver.record().unwrap();
    assert!(vm.keep_awake.is_empty());
    assert!(!lifecycle.may_run(), "{:?}", lifecycle.vm_state());
}

#[test]
fn a_vm_whose_record_cannot_be_read_is_found_by_the_objects_name() {
    let mut driver = Driver::new(Stored::Unreadable, Some(vec![Rc::new(vm())]));
    let outputs = driver.handle(Input::Alarm { name: Some("backend".into()) }, NOW, &mut Machine);
    assert_eq!(state(&driver), VmState::Failed);
    assert!(names(&outputs).contains(&"alarm"), "{outputs:?}");
    // Without a record there is nothing to find, and none to be made.
    let mut driver = Driver::new(Stored::Nothing, Some(vec![Rc::new(vm())]));
    let outputs = driver.handle(Input::Alarm { name: Some("backend".into()) }, NOW, &mut Machine);
    assert!(outputs.is_empty() && driver.record().is_none(), "{outputs:?}");
}

#[test]
fn an_alarm_that_could_not_be_set_is_set_by_the_next_event() {
    let mut driver = Driver::new(Stored::Nothing, None);
    let outputs = send(&mut driver, vm(), wake(Hold::No));
    let at = outputs.iter().find_map(|output| match output {
        Output::SetAlarm(at) => Some(*at),
        _ => None,
    });
    let tick = |driver: &mut Driver| names(&driver.handle(Input::Event(Event::Timer), NOW, &mut Machine));
    assert!(!tick(&mut driver).contains(&"alarm"));
    driver.handle(Input::AlarmNotSet(at.unwrap()), NOW, &mut Machine);
    assert!(tick(&mut driver).contains(&"alarm"));
}

#[test]
fn a_new_object_takes_up_what_was_under_way_with_one_write() {
    let record = starting(None).record().cloned().unwrap();
    let mut driver = Driver::new(Stored::Record(Box::new(record)), None);
    let outputs = driver.handle(Input::Alarm { name: None }, NOW, &mut Machine);
    let stores = outputs.iter().filter(|output| matches!(output, Output::Store)).count();
    let calls =
        outputs.iter().filter(|output| matches!(output, Output::Call { call: Call::Get, .. })).count();
    assert_eq!((stores, calls), (1, 1), "{outputs:?}");
}
