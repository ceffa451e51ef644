use super::*;
use crate::discovery::COMPUTE;

/// A pattern that does not compile would refuse everything.
#[test]
fn every_pattern_of_the_document_compiles() {
    fn visit(schema: &Schema) {
        if let Some(pattern) = &schema.pattern {
            Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        }
        let parts = [&schema.items, &schema.additional_properties];
        parts.into_iter().flatten().map(AsRef::as_ref).chain(schema.properties.values()).for_each(visit);
    }
    COMPUTE.schemas.values().for_each(visit);
    COMPUTE.methods().flat_map(|method| method.parameters.values()).for_each(visit);
}

/// No method of the reduced document has a required query parameter, but others do.
#[test]
fn what_must_be_given_is_missed() {
    let method = COMPUTE.method("zones.get").unwrap();
    let refused = check_parameters(&COMPUTE, method, &PathParameters::new(), &Query::new()).unwrap_err();
    assert_eq!(refused.reason, "required");
}

#[test]
fn every_field_is_read_even_those_that_are_ignored() {
    let refused = |body: Value| accept_body(&COMPUTE, "Instance", &body).unwrap_err().message;
    let json = |text: &str| serde_json::from_str(text).unwrap();
    let cases = [
        (r#"{ "status": "BOGUS" }"#, "'resource.status'"),
        (r#"{ "id": "x" }"#, "(TYPE_UINT64)"),
        (r#"{ "fingerprint": "not base64" }"#, "Base64 decoding failed"),
        (r#"{ "metadata": { "items": [{ "key": "a b" }] } }"#, "'resource.metadata.items[0].key'"),
        (r#"{ "scheduling": { "maxRunDuration": { "nanos": 2147483648 } } }"#, "(TYPE_INT32)"),
    ];
    for (body, text) in cases {
        let message = refused(json(body));
        assert!(message.contains(text), "{body}: {message}");
    }
    let body = json(r#"{ "status": "RUNNING", "fingerprint": "AAAA_-==" }"#);
    assert_eq!(accept_body(&COMPUTE, "Instance", &body).unwrap(), json(r#"{ "fingerprint": "AAAA_-==" }"#));
}

#[test]
fn integers_of_64_bits_become_strings_and_nulls_go() {
    let body = serde_json::json!({ "seconds": 60, "nanos": null });
    let accepted = accept_body(&COMPUTE, "Duration", &body).unwrap();
    assert_eq!(accepted, serde_json::json!({ "seconds": "60" }));
    let body = serde_json::json!({ "maxRunDuration": null });
    assert_eq!(accept_body(&COMPUTE, "Scheduling", &body).unwrap(), body);
}
