//! Whether a request may wake a sleeping VM, and what it gets if not. Pure.

mod agents;
mod pattern;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::secret::{equal, is_bearer};
use crate::vm::{AsleepResponse, WakePolicy};

/// What is told of a request; each is asked for only if a rule needs it.
pub(crate) trait Facts {
    fn method(&self) -> String;
    /// As it came, without its query.
    fn path(&self) -> &str;
    fn header(&self, name: &str) -> Option<String>;
    /// As ISO 3166-1 has it, in capital letters.
    fn country(&self) -> Option<String>;
    /// Whether Cloudflare knows it for a bot's.
    fn is_of_verified_bot(&self) -> bool;
}

/// The rule by which a request does not wake its VM, by the name of its key; `None`: it does. `secret` is what
/// [`Wake::secret`] names.
pub(crate) fn refused_by(
    rules: &WakePolicy,
    secret: Option<&str>,
    facts: &impl Facts,
) -> Option<&'static str> {
    let method = facts.method();
    // What has no effect (RFC 9110, section 9.2.1). Whatever else somebody does, they mean it.
    let only_looks = matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let is_one_of = |patterns: &[String]| patterns.iter().any(|path| pattern::is_like(facts.path(), path));
    if !rules.methods.is_empty() && !rules.methods.contains(&method) {
        return Some("methods");
    }
    if is_one_of(&rules.ignore_paths) {
        return Some("ignore_paths");
    }
    let agent = agent(facts);
    if rules.ignore_user_agents.iter().any(|ignored| has_agent(&agent, ignored)) {
        return Some("ignore_user_agents");
    }
    if only_looks && !rules.crawlers && agents::is_known(&agent) {
        return Some("crawlers");
    }
    if only_looks && !rules.verified_bots && facts.is_of_verified_bot() {
        return Some("verified_bots");
    }
    if is_ahead_of_its_user(facts) {
        return Some("prefetch");
    }
    refused_by_origin(rules, facts).or_else(|| refused_by_secret(rules, secret, facts))
}

/// Nobody has asked yet, and a browser that gets an error asks again when somebody does
/// (<https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header>; `Purpose` is what older ones send).
fn is_ahead_of_its_user(facts: &impl Facts) -> bool {
    let headers = ["sec-purpose", "purpose"];
    headers.iter().any(|name| facts.header(name).is_some_and(|purpose| purpose.contains("prefetch")))
}

/// Whoever does not say where they are, is nowhere.
fn refused_by_origin(rules: &WakePolicy, facts: &impl Facts) -> Option<&'static str> {
    if !(rules.countries.is_empty() && rules.ignore_countries.is_empty()) {
        let country = facts.country().unwrap_or_default();
        if !rules.countries.is_empty() && !rules.countries.contains(&country) {
            return Some("countries");
        }
        if rules.ignore_countries.contains(&country) {
            return Some("ignore_countries");
        }
    }
    if !(rules.networks.is_empty() && rules.ignore_networks.is_empty()) {
        let address = address(facts);
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

fn refused_by_secret(rules: &WakePolicy, secret: Option<&str>, facts: &impl Facts) -> Option<&'static str> {
    let (name, is_right): (_, fn(&str, &str) -> bool) = match &rules.header {
        Some(name) => (name.as_str(), equal),
        None if rules.secret.is_some() => ("authorization", is_bearer),
        None => return None,
    };
    let given = facts.header(name).unwrap_or_default();
    let holds = match (&rules.secret, secret) {
        (None, _) => !given.is_empty(),
        (Some(_), Some(secret)) => is_right(&given, secret),
        (Some(_), None) => false,
    };
    (!holds).then_some(if rules.secret.is_some() { "secret" } else { "header" })
}

/// What a request gets that does not wake its VM, if the rules say so.
pub(crate) fn asleep_response<'v>(rules: &'v WakePolicy, facts: &impl Facts) -> Option<&'v AsleepResponse> {
    let agent = agent(facts);
    rules.asleep_response.iter().find(|response| {
        response.path.as_ref().is_none_or(|path| pattern::is_like(facts.path(), path))
            && response.user_agent.as_ref().is_none_or(|ignored| has_agent(&agent, ignored))
    })
}

/// Who a client is, for the limit of wakes: whoever has an IPv6 address has all of its network of 64 bits
/// (RFC 6177).
pub(crate) fn client(facts: &impl Facts) -> Option<String> {
    let address = address(facts)?;
    let bits = if address.is_ipv4() { 32 } else { 64 };
    Some(network(Some(address), bits)?.to_string())
}

/// The network of so many bits that an address is in, if it can have so many.
fn network(address: Option<IpAddr>, bits: u8) -> Option<IpNet> {
    Some(IpNet::new(address?, bits).ok()?.trunc())
}

/// Cloudflare vouches for it.
fn address(facts: &impl Facts) -> Option<IpAddr> {
    let address: IpAddr = facts.header("cf-connecting-ip")?.trim().parse().ok()?;
    Some(address.to_canonical())
}

fn agent(facts: &impl Facts) -> String {
    facts.header("user-agent").unwrap_or_default().to_ascii_lowercase()
}

fn has_agent(agent: &str, pattern: &str) -> bool {
    pattern::has(agent, &pattern.to_ascii_lowercase())
}
