//! The order of the code, read from its `use` lines: which layer may import which, that no files
//! import each other in a circle, and that only the edges name the crates of the Workers runtime;
//! and of its functions' names, that what is called `is_` or `has_` changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The layers of `src/`, from the ground up, by the beginnings of their modules' paths; the longest
/// that fits counts. A module imports from its own layer and from those below.
const LAYERS: [(&str, &[&str]); 4] = [
    ("model", &["collections", "json", "secret", "text", "time", "vm"]),
    (
        "policy",
        &["auth", "compute", "config", "driver", "error", "http", "lifecycle", "problem", "schedule", "wake"],
    ),
    ("platform", &["platform"]),
    ("edges", &["", "admin", "durable_object", "pages", "proxy", "upstream", "vm_api", "worker_entry"]),
];

/// The crates of the Workers runtime. Only the platform and the edges may name them.
const RUNTIME: [&str; 4] = ["js_sys", "wasm_bindgen", "web_sys", "worker"];

#[test]
fn imports_go_from_a_layer_to_its_own_or_one_below() {
    let code = Code::read("src");
    let upwards = code.imports().filter(|(from, to)| layer(from) < layer(to));
    let upwards = upwards.map(|(from, to)| format!("{from} ({}) imports {to} ({})", name(&from), name(&to)));
    expect_none(upwards.collect());
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = ["src", "emulator/src"].into_iter().flat_map(|root| {
        let circles = Code::read(root).circles().into_iter();
        circles.map(move |circle| format!("{root}: {}", circle.join(", ")))
    });
    expect_none(circles.collect());
}

#[test]
fn only_the_edges_name_the_runtime() {
    let code = Code::read("src");
    let is_below = |file: &&File| layer(&file.module) < layer("platform");
    let named = code.files.values().filter(is_below).flat_map(|file| {
        let crates = RUNTIME.iter().filter(|name| file.crates.contains(**name));
        crates.map(|name| format!("{} ({}) names {name}", file.module, self::name(&file.module)))
    });
    expect_none(named.collect());
}

#[test]
fn predicates_change_nothing_and_return_whether() {
    let code = ["src", "emulator/src"].map(Code::read);
    let wrong = code.iter().flat_map(|code| code.files.values()).flat_map(|file| {
        let functions = file.source.split("fn ").skip(1);
        let predicates =
            functions.filter(|function| ["is_", "has_"].iter().any(|name| function.starts_with(name)));
        predicates.filter_map(|function| {
            let signature = function.split(['{', ';']).next().unwrap_or_default().trim();
            let is_right = !signature.contains("&mut") && signature.contains("bool");
            (!is_right).then(|| {
                format!("{}: fn {}", file.module, signature.split_whitespace().collect::<Vec<_>>().join(" "))
            })
        })
    });
    expect_none(wrong.collect());
}

#[track_caller]
fn expect_none(found: BTreeSet<String>) {
    assert!(found.is_empty(), "{found:#?}");
}

/// The place of a module's layer, counted from the ground.
fn layer(module: &str) -> usize {
    let is_below = |prefix: &str| {
        module
            .strip_prefix(prefix)
            .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
    };
    let prefixes = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(place, (_, prefixes))| prefixes.iter().map(move |prefix| (place, *prefix)));
    let best = prefixes.filter(|(_, prefix)| is_below(prefix)).max_by_key(|(_, prefix)| prefix.len());
    best.expect("every module has a layer").0
}

fn name(module: &str) -> &'static str {
    LAYERS[layer(module)].0
}

/// The modules below one folder, without their tests.
struct Code {
    files: BTreeMap<String, File>,
}

#[derive(Default)]
struct File {
    /// The path of the module, as `http/http1`; the crate's own is empty.
    module: String,
    source: String,
    /// What its `use` lines bring into scope: the name, and the path from the crate on.
    names: Vec<(String, Vec<String>)>,
    /// The paths of the crate that its code needs. What it only re-exports is not among them.
    paths: Vec<Vec<String>>,
    /// The first segments of the paths that are not the crate's.
    crates: BTreeSet<String>,
}

impl Code {
    fn read(root: &str) -> Self {
        let mut sources = BTreeMap::new();
        read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(root), "", &mut sources);
        let modules: BTreeSet<String> = sources.keys().cloned().collect();
        let files =
            sources.iter().map(|(module, source)| (module.clone(), File::of(module, source, &modules)));
        let files: BTreeMap<String, File> = files.collect();
        assert!(files.len() > 20, "hardly any code in {root}");
        Self { files }
    }

    /// Which module imports from which other.
    fn imports(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.files.values().flat_map(|file| {
            let all: BTreeSet<String> = file.paths.iter().map(|path| self.home(path)).collect();
            all.into_iter().filter(|to| *to != file.module).map(|to| (file.module.clone(), to))
        })
    }

    /// The module in which the thing at this path is defined, however often it is re-exported.
    fn home(&self, path: &[String]) -> String {
        let depth = (0..=path.len()).rev().find(|depth| self.files.contains_key(&path[..*depth].join("/")));
        let depth = depth.expect("the crate is a module");
        let file = &self.files[&path[..depth].join("/")];
        let item = path.get(depth);
        let imported = file.names.iter().find(|(name, to)| Some(name) == item && to != path);
        match imported {
            Some((_, to)) => self.home(&[to, &path[depth + 1..]].concat()),
            None => file.module.clone(),
        }
    }

    /// The groups of modules that import each other, directly or through others.
    fn circles(&self) -> Vec<Vec<String>> {
        let mut reached: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in self.imports() {
            reached.entry(from).or_default().insert(to);
        }
        loop {
            let further = |set: &BTreeSet<String>| -> BTreeSet<String> {
                set.iter().filter_map(|to| reached.get(to)).flatten().chain(set).cloned().collect()
            };
            let next: BTreeMap<_, _> = reached.iter().map(|(from, to)| (from.clone(), further(to))).collect();
            if next == reached {
                break;
            }
            reached = next;
        }
        let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
        let on_a_circle = reached.keys().filter(|module| reaches(module, module));
        let circles = on_a_circle.map(|module| {
            let others = reached.keys().filter(|other| reaches(module, other) && reaches(other, module));
            others.map(|module| if module.is_empty() { "lib".to_owned() } else { module.clone() }).collect()
        });
        circles.collect::<BTreeSet<Vec<String>>>().into_iter().collect()
    }
}

fn read_folder(folder: &Path, module: &str, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("the name is text");
        let below = if module.is_empty() { stem.to_owned() } else { format!("{module}/{stem}") };
        if path.is_dir() && stem != "tests" {
            read_folder(&path, &below, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") && stem != "tests" {
            let is_own = matches!(stem, "lib" | "mod");
            let source = fs::read_to_string(&path).expect("the file can be read");
            sources.insert(if is_own { module.to_owned() } else { below }, without_tests(&source));
        }
    }
}

/// The code without comments and without the tests at its end.
fn without_tests(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    // A visibility is no import.
    let code = code.replace("pub(in crate::", "pub(in ");
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

impl File {
    fn of(module: &str, source: &str, modules: &BTreeSet<String>) -> Self {
        let mut file = Self { module: module.to_owned(), source: source.to_owned(), ..Self::default() };
        let (mut rest, mut exported) = (String::new(), BTreeSet::new());
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            let Some(begun) = used(line) else {
                // A module's declaration uses nothing, although a function may have its name.
                if !line.ends_with(';') || !line.contains("mod ") {
                    rest.extend([line, "\n"]);
                }
                continue;
            };
            let mut tree = begun.to_owned();
            while !tree.contains(';') {
                tree.push_str(lines.next().expect("a use ends"));
            }
            let tree: String = tree.chars().filter(|c| *c != ';').collect();
            for (path, name) in expanded(&tree.replace(" as ", "@").replace(char::is_whitespace, "")) {
                match from_the_crate(&path, module, modules) {
                    Some(path) => {
                        if line.starts_with("pub") {
                            exported.insert(name.clone());
                        }
                        file.names.push((name, path));
                    }
                    None => {
                        file.crates.insert(path[0].clone());
                    }
                }
            }
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let words: BTreeSet<&str> = rest.split(|c: char| !is_part(c)).collect();
        let is_named = |name: &str| words.iter().any(|word| word.split("::").next() == Some(name));
        let imported = file.names.iter().filter(|(name, _)| !exported.contains(name) || is_named(name));
        file.paths = imported.map(|(_, path)| path.clone()).collect();
        for word in words.iter().filter(|word| word.contains("::")) {
            let path: Vec<String> = word.split("::").map(str::to_owned).collect();
            match from_the_crate(&path, module, modules) {
                Some(path) => file.paths.push(path),
                None => {
                    file.crates.insert(path[0].clone());
                }
            }
        }
        file
    }
}

/// What a `use` line uses. Those within functions and texts are indented.
fn used(line: &str) -> Option<&str> {
    ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
        .iter()
        .find_map(|start| line.strip_prefix(start))
}

/// The paths of a tree of imports, each with the name that it brings into scope.
fn expanded(tree: &str) -> Vec<(Vec<String>, String)> {
    let Some((start, rest)) = tree.split_once('{') else {
        let (path, name) = tree.split_once('@').unwrap_or((tree, tree.rsplit("::").next().unwrap_or(tree)));
        let mut path: Vec<String> = path.split("::").map(str::to_owned).collect();
        // `self` in braces is the module before them.
        let own = path.len() > 1 && path.last().is_some_and(|last| last == "self" || last == "*");
        path.truncate(path.len() - usize::from(own));
        let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name.to_owned() };
        return vec![(path, name)];
    };
    let inside = rest.strip_suffix('}').expect("braces end");
    let mut depth = 0;
    let branches = inside.split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let branches = branches.filter(|branch| !branch.is_empty());
    branches.flat_map(|branch| expanded(&format!("{start}{branch}"))).collect()
}

/// A path as it is from the crate on; `None` if it is another crate's.
fn from_the_crate(path: &[String], module: &str, modules: &BTreeSet<String>) -> Option<Vec<String>> {
    let mut at: Vec<String> = module.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (at, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                at.pop();
                rest = &rest[1..];
            }
        }
        child => {
            let below = if module.is_empty() { child.to_owned() } else { format!("{module}/{child}") };
            modules.get(&below)?;
        }
    }
    at.extend(rest.iter().cloned());
    Some(at)
}
