//! The VM that serves a URL, and the path that the VM sees.

use std::rc::Rc;

use crate::http::url::RequestUrl;
use crate::vm::Vm;

/// Returns the VM that serves a URL: among the VMs whose host matches, the one with the longest
/// path; among equal paths, the one that names its host.
pub(super) fn route<'v>(vms: &'v [Rc<Vm>], url: &RequestUrl<'_>) -> Option<&'v Rc<Vm>> {
    let matches = |vm: &&Rc<Vm>| {
        vm.host.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(url.host()))
            && below(&vm.path, url.path).is_some()
    };
    vms.iter().filter(matches).max_by_key(|vm| (vm.path.trim_end_matches('/').len(), vm.host.is_some()))
}

/// Returns the path and query of the request to the VM.
pub(super) fn target(vm: &Vm, url: &RequestUrl<'_>) -> String {
    if !vm.strip_prefix {
        return url.target.to_owned();
    }
    let rest = below(&vm.path, url.path).unwrap_or(url.path);
    let query = url.target.strip_prefix(url.path).unwrap_or_default();
    let slash = if rest.starts_with('/') { "" } else { "/" };
    [slash, rest, query].concat()
}

/// Returns the rest of `path` below `prefix`; `/app` contains `/app` and `/app/x`, not `/apple`.
fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
    (rest.is_empty() && !prefix.ends_with('/') || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Instance;

    fn vm(name: &str, path: &str, host: Option<&str>) -> Vm {
        let instance = Instance { name: name.into(), ..Instance::default() };
        Vm { path: path.into(), host: host.map(Into::into), instance, ..Vm::default() }
    }

    #[test]
    fn the_longest_path_and_then_the_host_decide() {
        let vms = [
            vm("root", "/", None),
            vm("app", "/app", None),
            vm("slash", "/slash/", None),
            vm("deep", "/app/deep/", None),
            vm("named", "/app", Some("app.example.com")),
        ]
        .map(Rc::new);
        for (url, expected) in [
            ("https://example.com/", Some("root")),
            ("https://example.com", Some("root")),
            ("https://example.com/apple", Some("root")),
            ("https://example.com/app", Some("app")),
            ("https://example.com/app?x=/app/deep/", Some("app")),
            ("https://example.com/app/x", Some("app")),
            ("https://example.com/app/deep", Some("app")),
            ("https://example.com/app/deep/x", Some("deep")),
            ("https://example.com/slash", Some("root")),
            ("https://example.com/slash/x", Some("slash")),
            ("https://APP.example.com:8443/app/x", Some("named")),
            ("https://app.example.com/app/deep/x", Some("deep")),
        ] {
            let vm = route(&vms, &RequestUrl::parse(url)).map(|vm| vm.instance.name.as_str());
            assert_eq!(vm, expected, "{url}");
        }
        assert_eq!(route(&vms[1..2], &RequestUrl::parse("https://example.com/")), None);
        assert_eq!(route(&vms[4..], &RequestUrl::parse("https://example.com/app")), None);
    }

    #[test]
    fn paths_are_forwarded_as_they_came() {
        let url = "https://h/app/a%2Fb//c/..;x?q=%20&r=/../#fragment";
        let parsed = RequestUrl::parse(url);
        assert_eq!(target(&vm("a", "/app", None), &parsed), "/app/a%2Fb//c/..;x?q=%20&r=/../");
    }

    #[test]
    fn a_prefix_is_stripped_once_and_only_if_wanted() {
        let stripping = |path: &str| Vm { strip_prefix: true, ..vm("a", path, None) };
        for (path, url, expected) in [
            ("/app", "https://h/app/app/x?y", "/app/x?y"),
            ("/app", "https://h/app", "/"),
            ("/app", "https://h/app?y", "/?y"),
            ("/app/", "https://h/app/x", "/x"),
            ("/", "https://h/x", "/x"),
        ] {
            assert_eq!(target(&stripping(path), &RequestUrl::parse(url)), expected, "{url}");
        }
    }
}
