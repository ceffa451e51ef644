//! Which VM a request is for, and under which path the VM sees it. Pure.

use std::rc::Rc;

use crate::text::split_at_byte;
use crate::vm::Vm;

/// A request's URL, taken apart without changing a byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestUrl<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host, with its port if it has one.
    pub authority: &'a str,
    /// The path, as it came.
    pub path: &'a str,
    /// Path and query, as they came.
    pub target: &'a str,
}

impl<'a> RequestUrl<'a> {
    /// Takes an absolute URL apart, as the runtime gives it; its fragment is left out.
    pub fn parse(url: &'a str) -> Self {
        let (url, _) = split_at_byte(url, b'#');
        let (scheme, rest) = split_at_byte(url, b':');
        let (scheme, rest) = rest.strip_prefix("://").map_or(("http", url), |rest| (scheme, rest));
        let (authority, target) = split_at_byte(rest, b'/');
        let target = if target.is_empty() { "/" } else { target };
        let (path, _) = split_at_byte(target, b'?');
        Self { scheme, authority, path, target }
    }

    /// The host without its port.
    pub fn host(&self) -> &'a str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => self.authority,
        }
    }
}

/// The VM that serves this URL: of those whose host fits, the one with the longest path; at equal paths, the one
/// that names its host.
pub(crate) fn route<'v>(vms: &'v [Rc<Vm>], url: &RequestUrl<'_>) -> Option<&'v Rc<Vm>> {
    let fits = |vm: &&Rc<Vm>| {
        vm.host.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(url.host()))
            && below(&vm.path, url.path).is_some()
    };
    vms.iter().filter(fits).max_by_key(|vm| (vm.path.trim_end_matches('/').len(), vm.host.is_some()))
}

/// The path and query that the VM is asked for.
pub(crate) fn target(vm: &Vm, url: &RequestUrl<'_>) -> String {
    if !vm.strip_prefix {
        return url.target.to_owned();
    }
    let rest = below(&vm.path, url.path).unwrap_or(url.path);
    let query = url.target.strip_prefix(url.path).unwrap_or_default();
    let slash = if rest.starts_with('/') { "" } else { "/" };
    [slash, rest, query].concat()
}

/// What is left of `path` below `prefix`; `/app` holds `/app` and `/app/x`, not `/apple`.
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
            let found = route(&vms, &RequestUrl::parse(url)).map(|vm| vm.instance.name.as_str());
            assert_eq!(found, expected, "{url}");
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

    #[test]
    fn urls_are_taken_apart() {
        let url = RequestUrl::parse("http://[::1]:8787/a?b");
        assert_eq!((url.scheme, url.authority, url.path, url.target), ("http", "[::1]:8787", "/a", "/a?b"));
        assert_eq!(url.host(), "[::1]");
        assert_eq!(RequestUrl::parse("http://[::1]/").host(), "[::1]");
    }
}
