//! The built-in list of user agents that do not wake a VM.

use super::pattern::contains_match;

const LIST: &str = include_str!("user_agents.txt");

/// Returns whether a `User-Agent`, given in lower case, is in the list.
pub(super) fn is_known(agent: &str) -> bool {
    let mut agent = agent.to_owned();
    let entries = LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for entry in entries {
        match entry.strip_prefix('!') {
            Some(exception) => agent = agent.replace(exception, ""),
            None if contains_match(&agent, entry) => return true,
            None => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::fs;

    /// Reads a list from an npm package in the development dependencies.
    fn package(file: &str) -> Vec<Value> {
        let path = format!("{}/node_modules/{file}", env!("CARGO_MANIFEST_DIR"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; npm ci installs it"));
        serde_json::from_str(&text).unwrap()
    }

    fn is_listed(agent: &Value) -> bool {
        is_known(&agent.as_str().unwrap().to_ascii_lowercase())
    }

    /// That list also has tools and libraries, which wake VMs and are left out here.
    #[test]
    fn most_of_a_well_kept_list_of_crawlers_is_known() {
        let wakes = |entry: &Value| {
            let mut tags = entry["tags"].as_array().unwrap().iter();
            tags.all(|tag| ["http-library", "browser-automation"].contains(&tag.as_str().unwrap()))
        };
        let crawlers = package("crawler-user-agents/crawler-user-agents.json");
        let crawlers = crawlers.iter().filter(|entry| !wakes(entry));
        let agents: Vec<&Value> = crawlers.flat_map(|entry| entry["instances"].as_array().unwrap()).collect();
        let missing: Vec<&&Value> = agents.iter().filter(|agent| !is_listed(agent)).collect();
        let known = 100.0 * (agents.len() - missing.len()) as f64 / agents.len() as f64;
        println!("{known:.1} % of {} are listed; these are not: {missing:#?}", agents.len());
        assert!(agents.len() > 1900 && known >= 88.5, "{known:.1} % of {}", agents.len());
    }

    #[test]
    fn no_browser_is_known() {
        let browsers = package("top-user-agents/src/index.json");
        let known: Vec<&Value> = browsers.iter().filter(|agent| is_listed(agent)).collect();
        assert!(browsers.len() >= 100 && known.is_empty(), "{known:?} of {}", browsers.len());
    }

    #[test]
    fn every_entry_can_be_found() {
        for entry in LIST.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(entry, entry.trim().to_ascii_lowercase());
            assert_eq!(is_known(entry), !entry.starts_with('!'), "{entry}");
        }
    }
}
