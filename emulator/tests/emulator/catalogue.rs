//! Machine types, images, and the filters of lists.

use reqwest::Method;
use serde_json::{json, Value};

use crate::harness::{instance, Google, QUICK, ZONE};

#[tokio::test]
async fn machine_types_by_name_and_in_pages() {
    let google = Google::start(QUICK).await;
    let path = format!("zones/{ZONE}/machineTypes");
    let (status, small) = google.get(&format!("{path}/e2-small")).await;
    let expected = [
        ("kind", json!("compute#machineType")),
        ("guestCpus", json!(2)),
        ("memoryMb", json!(2048)),
        ("isSharedCpu", json!(true)),
        ("zone", json!(ZONE)),
        (
            "selfLink",
            json!(format!("{}/compute/v1/projects/emulator-project/{path}/e2-small", google.endpoint)),
        ),
    ];
    assert_eq!(status, 200);
    for (name, value) in expected {
        assert_eq!(small[name], value, "{name}");
    }
    assert_eq!(google.get(&format!("{path}/n2-custom-2-4096")).await.1["memoryMb"], 4096);
    assert_eq!(google.get(&format!("{path}/e2-tiny")).await.0, 404);

    let (_, list) = google.get(&format!("{path}?filter=(guestCpus%3D1)+AND+(architecture%3DARM64)")).await;
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(list["kind"], "compute#machineTypeList");
    assert!(
        names.contains(&&json!("t2a-standard-1")) && !names.contains(&&json!("n1-standard-1")),
        "{names:?}"
    );

    let (_, page) =
        google.get(&format!("{path}?maxResults=1&pageToken=e2-standard-8&fields=items/name")).await;
    assert_eq!(page, json!({ "items": [{ "name": "f1-micro" }] }));
}

#[tokio::test]
async fn images_of_public_projects_and_others() {
    let google = Google::start(QUICK).await;
    let (status, image) = google.get("../debian-cloud/global/images/family/debian-12").await;
    assert_eq!((status, &image["family"], &image["status"]), (200, &json!("debian-12"), &json!("READY")));
    let link = image["selfLink"].as_str().unwrap();
    let (root, path) = link.split_once("/compute/v1/projects/").unwrap();
    assert_eq!(root, google.endpoint);
    assert_eq!(google.get(&format!("../{path}")).await, (200, image));

    let (status, refused) = google.get("../debian-cloud/global/images/family/debain-12").await;
    let message = "The resource 'projects/debian-cloud/global/images/family/debain-12' was not found";
    assert_eq!((status, &refused["error"]["message"]), (404, &json!(message)));

    let (status, own) = google.get("global/images/family/my-family").await;
    assert_eq!((status, &own["family"]), (200, &json!("my-family")));
    assert_eq!(google.get("../other-project/global/images/my-image-1").await.1["family"], Value::Null);
}

#[tokio::test]
async fn the_instances_of_all_zones() {
    let google = Google::start(QUICK).await;
    google.create("a").await;
    google.create("b").await;
    let elsewhere = "europe-west1-b";
    let body = instance("c").to_string().replace(ZONE, elsewhere);
    let path = format!("zones/{elsewhere}/instances");
    google.done(Method::POST, &path, Some(serde_json::from_str(&body).unwrap())).await;

    let path = "aggregated/instances?fields=kind,nextPageToken,items";
    let names = |list: &Value, zone: &str| -> Vec<String> {
        let instances = list["items"][format!("zones/{zone}")]["instances"].as_array().cloned();
        instances.iter().flatten().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let (_, list) = google.get(path).await;
    assert_eq!(list["kind"], "compute#instanceAggregatedList");
    assert_eq!(
        (names(&list, ZONE), names(&list, elsewhere)),
        (vec!["a".into(), "b".into()], vec!["c".into()])
    );
    let (_, first) = google.get(&format!("{path}&maxResults=2")).await;
    let (_, second) =
        google.get(&format!("{path}&pageToken={}", first["nextPageToken"].as_str().unwrap())).await;
    assert_eq!((names(&first, elsewhere), names(&first, ZONE)), (vec!["c".into()], vec!["a".into()]));
    assert_eq!((names(&second, elsewhere), names(&second, ZONE)), (vec![], vec!["b".into()]));
}

#[tokio::test]
async fn instances_are_filtered_before_they_are_paged() {
    let google = Google::start(QUICK).await;
    for name in ["a", "b", "c"] {
        google.create(name).await;
    }
    google.change("b", "stop").await;
    let names = |list: Value| -> Vec<String> {
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let cases: [(&str, &[&str]); 4] = [
        ("name%3Db", &["b"]),
        ("status%3DRUNNING", &["a", "c"]),
        ("(status%3DRUNNING)+AND+(name%3Db)", &[]),
        ("labels.k%3Dv", &[]),
    ];
    for (filter, expected) in cases {
        let (status, list) = google.get(&format!("zones/{ZONE}/instances?filter={filter}")).await;
        assert_eq!(
            (status, names(list)),
            (200, expected.iter().map(|n| (*n).to_owned()).collect()),
            "{filter}"
        );
    }
    let path = format!("zones/{ZONE}/instances?filter=status%3DRUNNING&maxResults=1");
    let (_, first) = google.get(&path).await;
    assert_eq!(first["nextPageToken"], "a");
    let (_, second) = google.get(&format!("{path}&pageToken=a")).await;
    assert_eq!((&second["nextPageToken"], names(second.clone())), (&Value::Null, vec!["c".to_owned()]));
}
