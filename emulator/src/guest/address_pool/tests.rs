use super::*;

fn loopback(network: [u8; 3], last: u8) -> AddressPool {
    AddressPool { port: 18_081, pool: Pool::Loopback { network, last } }
}

#[test]
fn no_address_comes_twice_in_a_row() {
    let mut pool = loopback([127, 99, 98], 253);
    let seen: Vec<_> = (0..3).map(|_| pool.next(&HashSet::new()).unwrap().ip().to_string()).collect();
    assert_eq!(seen, ["127.99.98.254", "127.99.98.1", "127.99.98.2"]);
}

#[test]
fn an_address_that_is_taken_is_passed_over_though_nobody_listens() {
    let taken = HashSet::from([SocketAddr::from(([127, 99, 96, 1], 18_081))]);
    assert_eq!(loopback([127, 99, 96], 0).next(&taken).unwrap().ip().to_string(), "127.99.96.2");
}

#[test]
fn an_address_in_use_is_passed_over() {
    let _taken = TcpListener::bind(("127.99.97.1", 18_081)).unwrap();
    let mut pool = loopback([127, 99, 97], 0);
    assert_eq!(pool.next(&HashSet::new()).unwrap().ip().to_string(), "127.99.97.2");
}
