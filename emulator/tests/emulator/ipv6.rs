//! Instances with IPv6 addresses. All emulators of a machine share one loopback address, so their
//! ports vary.

use gce_emulator::Options;
use serde_json::{json, Value};

use crate::harness::{eventually, instance, options, Google, QUICK};

#[tokio::test]
async fn instances_with_ipv6_addresses() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        refused_without_ipv6().await;
        return;
    }
    let google = Google::start(QUICK).await;
    let interface = |parts: Value| {
        let mut interface = json!({ "subnetwork": "regions/us-central1/subnetworks/dual" });
        interface.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        interface
    };
    let insert = async |name: &str, parts: Value| {
        let mut body = instance(name);
        body["networkInterfaces"] = json!([interface(parts)]);
        let (status, operation) = google.insert(body).await;
        assert_eq!(status, 200, "{operation}");
        google.wait(&operation).await;
        let root = google.listening(name).await;
        (
            google.instance(name).await["networkInterfaces"][0].clone(),
            google.report(name).await.unwrap(),
            root,
        )
    };
    let direct = json!([{ "type": "DIRECT_IPV6", "networkTier": "PREMIUM" }]);

    let (only, report, root) =
        insert("only", json!({ "stackType": "IPV6_ONLY", "ipv6AccessConfigs": direct })).await;
    assert_eq!(only["ipv6AccessConfigs"][0]["externalIpv6"], "::1");
    assert_eq!(only["ipv6AccessConfigs"][0]["externalIpv6PrefixLength"], 96);
    assert_eq!((&only["networkIP"], &only["accessConfigs"]), (&Value::Null, &Value::Null));
    assert_eq!((&report["public_ip"], &report["internal_ip"]), (&json!("::1"), &Value::Null));
    assert_eq!(root, format!("http://[::1]:{}", report["port"]));
    assert!(google.http.get(&root).send().await.unwrap().status().is_success());

    let (dual, report, root) = insert(
        "dual",
        json!({ "stackType": "IPV4_IPV6", "accessConfigs": [{}], "ipv6AccessConfigs": direct }),
    )
    .await;
    assert_eq!(dual["accessConfigs"][0]["natIP"], report["public_ip"]);
    assert_eq!(dual["ipv6AccessConfigs"][0]["externalIpv6"], report["ipv6"]);
    let second = format!("http://[::1]:{}", report["ipv6_port"]);
    for root in [root, second] {
        assert!(google.http.get(&root).send().await.unwrap().status().is_success(), "{root}");
    }

    let (internal, report, _) = insert("internal", json!({ "stackType": "IPV4_IPV6" })).await;
    assert_eq!((&internal["ipv6Address"], &report["public_ip"]), (&json!("::1"), &Value::Null));
    let (_, report, root) =
        insert("half", json!({ "stackType": "IPV4_IPV6", "ipv6AccessConfigs": direct })).await;
    assert_eq!((&report["public_ip"], report["port"] == report["ipv6_port"]), (&json!("::1"), true));
    assert!(google.http.get(&root).send().await.unwrap().status().is_success(), "{root}");
    let stopped = google.change("only", "stop").await;
    assert_eq!(stopped["error"], Value::Null);
    let stopped = google.instance("only").await;
    assert_eq!(
        stopped.pointer("/networkInterfaces/0/ipv6AccessConfigs/0/externalIpv6"),
        None,
        "ephemeral like the other"
    );
}

#[tokio::test]
async fn a_command_is_told_its_ipv6_address() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let output =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ipv6-{}", std::process::id()));
    let _ = std::fs::remove_file(&output);
    let command = format!("echo \"$IP $IPV6 $PORT $IPV6_PORT\" > '{}'; sleep 3600", output.display());
    let google = Google::start_with(Options { exec: Some(command), ..options() }).await;
    let mut body = instance("vm");
    body["networkInterfaces"] = json!([{
        "subnetwork": "regions/us-central1/subnetworks/dual",
        "stackType": "IPV4_IPV6",
        "accessConfigs": [{}],
        "ipv6AccessConfigs": [{}],
    }]);
    let (_, operation) = google.insert(body).await;
    google.wait(&operation).await;
    let report = google.report("vm").await.unwrap();
    let (ip, port) = (report["public_ip"].as_str().unwrap(), &report["port"]);
    let expected = format!("{ip} ::1 {port} {}\n", report["ipv6_port"]);
    eventually("the command has its addresses", || async {
        (std::fs::read_to_string(&output).unwrap_or_default() == expected).then_some(())
    })
    .await;
}

async fn refused_without_ipv6() {
    let google = Google::start(QUICK).await;
    let mut body = instance("vm");
    body["networkInterfaces"] =
        json!([{ "stackType": "IPV6_ONLY", "subnetwork": "regions/us-central1/subnetworks/dual" }]);
    let (status, refused) = google.insert(body).await;
    assert_eq!(status, 501, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("::1"));
}
