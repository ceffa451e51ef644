use super::*;

#[test]
fn calls_are_counted_in_each_span() {
    let limit = serde_json::from_value(serde_json::json!({ "calls": 2, "per_ms": 1000 })).unwrap();
    let mut rate = RateLimit::default();
    let begin = Instant::now();
    assert!(rate.count("p", begin).is_ok(), "there is no limit yet");
    rate.set(Some(limit)).unwrap();
    let at = |ms| begin + Duration::from_millis(ms);
    let taken = [0, 1, 2, 999, 1000, 1001, 1002].map(|ms| rate.count("p", at(ms)).is_ok());
    assert_eq!(taken, [true, true, false, false, true, true, false]);
}
