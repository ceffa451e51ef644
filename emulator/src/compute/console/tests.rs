use super::*;

#[test]
fn output_is_read_from_anywhere() {
    let mut console = Console::default();
    console.write("hello world");
    let read = |console: &Console, start| {
        let output = console.output(start);
        let part = |name: &str| output[name].as_str().unwrap_or_default().to_owned();
        (part("contents"), part("start"), part("next"))
    };
    let expected = |contents: &str, start: &str, next: &str| (contents.into(), start.into(), next.into());
    assert_eq!(read(&console, 0), expected("hello world", "0", "11"));
    assert_eq!(read(&console, 6), expected("world", "6", "11"));
    assert_eq!(read(&console, 11), expected("", "11", "11"));
    assert_eq!(read(&console, 20), expected("", "20", "20"));
    assert_eq!(read(&console, -5), expected("world", "6", "11"));
    assert_eq!(read(&console, i64::MIN), expected("hello world", "0", "11"));

    console.write(&"x".repeat(KEPT));
    let (contents, start, next) = read(&console, 3);
    assert_eq!((contents.len(), start, next), (KEPT, "11".into(), (KEPT + 11).to_string()));
}
