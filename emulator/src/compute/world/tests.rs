use std::time::Duration;

use serde_json::json;

use super::super::request_id::RETENTION;
use super::*;

const ZONE: &str = "us-central1-a";

fn definition() -> Definition {
    let instance = serde_json::Map::from_iter([("name".to_owned(), json!("vm"))]);
    Definition { instance, disks: Vec::new() }
}

fn context(id: Option<&str>) -> RequestContext {
    RequestContext { request_id: id.and_then(|id| RequestId::parse(id).ok()), failure: None }
}

#[test]
fn a_request_id_is_known_for_an_hour() {
    let begin = SystemTime::UNIX_EPOCH;
    let id = || context(Some("0f8fad5b-d9cb-469f-a165-70867728950e"));
    let mut world = World::new("p", begin);
    let (first, work) = world.insert(ZONE, definition(), None, id(), begin).unwrap();
    assert!(work.is_some());

    let late = begin + RETENTION - Duration::from_secs(1);
    let (again, work) = world.insert(ZONE, definition(), None, id(), late).unwrap();
    assert_eq!((again.name, work.is_none()), (first.name, true));

    let too_late = begin + RETENTION;
    assert_eq!(world.insert(ZONE, definition(), None, id(), too_late).unwrap_err().reason, "alreadyExists");
}

#[test]
fn a_static_address_is_taken_though_nobody_has_it_yet() {
    let now = SystemTime::UNIX_EPOCH;
    let mut world = World::new("p", now);
    let body = serde_json::Map::from_iter([("address".to_owned(), json!("127.0.0.9"))]);
    world.add_resource(Resource { id: 1, path: "regions/r/addresses/a".into(), created: now, body });
    assert!(world.taken_addresses(8080).contains(&([127, 0, 0, 9], 8080).into()));
}

#[test]
fn an_instance_is_also_known_by_its_id() {
    let now = SystemTime::UNIX_EPOCH;
    let mut world = World::new("p", now);
    let (operation, _) = world.insert(ZONE, definition(), None, context(None), now).unwrap();
    let id = operation.target.id.to_string();
    assert_eq!(world.instance(ZONE, &id).unwrap().name, "vm");
    assert_eq!(world.instance("us-east1-b", &id).unwrap_err().reason, "notFound");
}
