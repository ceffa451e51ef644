use super::*;

#[test]
fn sizes_are_googles() {
    let cases = [
        ("e2-micro", 2, 1024),
        ("f1-micro", 1, 614),
        ("g1-small", 1, 1740),
        ("n1-standard-1", 1, 3840),
        ("n1-highcpu-8", 8, 7373),
        ("n2-highmem-128", 128, 884_736),
        ("c3d-highcpu-360", 360, 724_992),
        ("c4-standard-2", 2, 7168),
        ("c4d-highmem-384", 384, 3_096_576),
        ("m1-megamem-96", 96, 1_468_006),
        ("a2-highgpu-1g", 12, 87_040),
        ("custom-2-4096", 2, 4096),
        ("e2-custom-2-4096", 2, 4096),
        ("n2-custom-4-40960-ext", 4, 40_960),
    ];
    for (name, cpus, memory_mb) in cases {
        let expected = MachineType { name: name.to_owned(), cpus, memory_mb };
        assert_eq!(find(name), Some(expected), "{name}");
    }
    for name in ["", "n1-standard-3", "n1-standrd-1", "e2-standard-", "e2-standard-{}", "e2-custom-3-4096"] {
        assert_eq!(find(name), None, "{name}");
    }
    for name in ["c2-custom-2-4096", "e2-custom-2-100", "e2-custom-2-", "e2-custom-+2-4096", "custom-0-256"] {
        assert_eq!(find(name), None, "{name}");
    }
}

#[test]
fn each_name_is_there_once() {
    let names: Vec<_> = all().into_iter().map(|known| known.name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
}
