//! The rules on whether a request wakes a sleeping VM, and the response if it does not. Pure.

mod pattern;
#[cfg(test)]
mod tests;
mod user_agents;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::secret::{equal, is_bearer};
use crate::vm::{AsleepResponse, WakePolicy};

/// The properties of a request. Each is read only if a rule needs it.
pub(crate) trait RequestInfo {
    fn method(&self) -> String;
    /// Returns the path as the client sent it, without the query.
    fn path(&self) -> &str;
    fn header(&self, name: &str) -> Option<String>;
    /// Returns the client's country code (ISO 3166-1), in uppercase.
    fn country(&self) -> Option<String>;
    /// Returns whether Cloudflare has verified that the client is a known bot.
    fn is_of_verified_bot(&self) -> bool;
}

/// Returns the key of the rule by which a request does not wake its VM. `None` means that it wakes
/// the VM. `secret` is the value of the secret that [`WakePolicy::secret`] names.
pub(crate) fn blocked_by(
    rules: &WakePolicy,
    secret: Option<&str>,
    request: &impl RequestInfo,
) -> Option<&'static str> {
    let method = request.method();
    // The safe methods (RFC 9110, section 9.2.1). A request with another method is intentional.
    let is_safe = matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let is_one_of =
        |patterns: &[String]| patterns.iter().any(|path| pattern::matches_all(request.path(), path));
    if !rules.methods.is_empty() && !rules.methods.contains(&method) {
        return Some("methods");
    }
    if is_one_of(&rules.ignore_paths) {
        return Some("ignore_paths");
    }
    let agent = agent(request);
    if rules.ignore_user_agents.iter().any(|ignored| has_agent(&agent, ignored)) {
        return Some("ignore_user_agents");
    }
    if is_safe && !rules.crawlers && user_agents::is_known(&agent) {
        return Some("crawlers");
    }
    if is_safe && !rules.verified_bots && request.is_of_verified_bot() {
        return Some("verified_bots");
    }
    if is_prefetch(request) {
        return Some("prefetch");
    }
    blocked_by_location(rules, request).or_else(|| blocked_by_header(rules, secret, request))
}

/// Returns whether a browser prefetches, before its user has requested the page. If the prefetch
/// fails, the browser sends the request again when the user opens the page
/// (<https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header>; older browsers send
/// `Purpose`).
fn is_prefetch(request: &impl RequestInfo) -> bool {
    let headers = ["sec-purpose", "purpose"];
    headers.iter().any(|name| request.header(name).is_some_and(|purpose| purpose.contains("prefetch")))
}

/// Applies the rules for countries and networks. A client without a known country or address is in
/// none of them.
fn blocked_by_location(rules: &WakePolicy, request: &impl RequestInfo) -> Option<&'static str> {
    if !(rules.countries.is_empty() && rules.ignore_countries.is_empty()) {
        let country = request.country().unwrap_or_default();
        if !rules.countries.is_empty() && !rules.countries.contains(&country) {
            return Some("countries");
        }
        if rules.ignore_countries.contains(&country) {
            return Some("ignore_countries");
        }
    }
    if !(rules.networks.is_empty() && rules.ignore_networks.is_empty()) {
        let address = address(request);
        let is_in = |networks: &[IpNet]| {
            networks.iter().any(|own| network(address, own.prefix_len()) == Some(own.trunc()))
        };
        if !rules.networks.is_empty() && !is_in(&rules.networks) {
            return Some("networks");
        }
        if is_in(&rules.ignore_networks) {
            return Some("ignore_networks");
        }
    }
    None
}

fn blocked_by_header(
    rules: &WakePolicy,
    secret: Option<&str>,
    request: &impl RequestInfo,
) -> Option<&'static str> {
    let (name, is_right): (_, fn(&str, &str) -> bool) = match &rules.header {
        Some(name) => (name.as_str(), equal),
        None if rules.secret.is_some() => ("authorization", is_bearer),
        None => return None,
    };
    let given = request.header(name).unwrap_or_default();
    let holds = match (&rules.secret, secret) {
        (None, _) => !given.is_empty(),
        (Some(_), Some(secret)) => is_right(&given, secret),
        (Some(_), None) => false,
    };
    (!holds).then_some(if rules.secret.is_some() { "secret" } else { "header" })
}

/// Returns the configured response to a request that does not wake its VM. `None` means the default
/// response.
pub(crate) fn asleep_response<'v>(
    rules: &'v WakePolicy,
    request: &impl RequestInfo,
) -> Option<&'v AsleepResponse> {
    let agent = agent(request);
    rules.asleep_response.iter().find(|response| {
        response.path.as_ref().is_none_or(|path| pattern::matches_all(request.path(), path))
            && response.user_agent.as_ref().is_none_or(|ignored| has_agent(&agent, ignored))
    })
}

/// Returns the network that identifies a client for the wake rate limit. A client with an IPv6
/// address usually has all of its network of 64 bits (RFC 6177).
pub(crate) fn client(request: &impl RequestInfo) -> Option<String> {
    let address = address(request)?;
    let bits = if address.is_ipv4() { 32 } else { 64 };
    Some(network(Some(address), bits)?.to_string())
}

/// Returns the network with a prefix of `bits` that contains the address. `None` means that the
/// prefix is too long for the kind of address.
fn network(address: Option<IpAddr>, bits: u8) -> Option<IpNet> {
    Some(IpNet::new(address?, bits).ok()?.trunc())
}

/// Returns the client's address, which Cloudflare sets.
fn address(request: &impl RequestInfo) -> Option<IpAddr> {
    let address: IpAddr = request.header("cf-connecting-ip")?.trim().parse().ok()?;
    Some(address.to_canonical())
}

fn agent(request: &impl RequestInfo) -> String {
    request.header("user-agent").unwrap_or_default().to_ascii_lowercase()
}

fn has_agent(agent: &str, pattern: &str) -> bool {
    pattern::contains_match(agent, &pattern.to_ascii_lowercase())
}
