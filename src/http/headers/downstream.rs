//! The headers of a response for the client.

use super::{named_by_connection, HOP_BY_HOP};

/// Returns the response headers for the client: all but those of the VM's connection.
pub(crate) fn downstream_headers(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let connection = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
    let named: Vec<String> =
        connection.flat_map(|(_, value)| named_by_connection(Some(value))).map(str::to_owned).collect();
    let handed_on = |name: &str| {
        let is_name = |other: &str| other.eq_ignore_ascii_case(name);
        !HOP_BY_HOP.iter().any(|other| is_name(other)) && !named.iter().any(|other| is_name(other))
    };
    headers.into_iter().filter(|(name, _)| handed_on(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn cookies_stay_apart_on_the_way_back() {
        let given = pairs(&[
            ("Set-Cookie", "a=1"),
            ("Connection", "X-Hop"),
            ("X-Hop", "1"),
            ("Set-Cookie", "b=2"),
            ("Transfer-Encoding", "chunked"),
        ]);
        assert_eq!(downstream_headers(given), pairs(&[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]));
    }
}
