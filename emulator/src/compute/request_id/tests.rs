use super::*;

#[test]
fn takes_uuids_only() {
    let good = "0f8fad5b-d9cb-469f-a165-70867728950e";
    assert_eq!(RequestId::parse(good).unwrap(), RequestId::parse(&good.to_uppercase()).unwrap());
    for bad in [
        "",
        "x",
        "00000000-0000-0000-0000-000000000000",
        "0f8fad5bd9cb469fa16570867728950e",
        "0f8fad5b-d9cb-469f-a165-70867728950g",
    ] {
        assert_eq!(RequestId::parse(bad).unwrap_err().reason, "invalid", "{bad}");
    }
}
