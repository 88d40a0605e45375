use super::{MAX_POOLS, Pools};

fn get(pools: &Pools<usize, usize>, key: usize) -> (usize, bool) {
    let mut is_new = false;
    let pool = pools.get(key, || {
        is_new = true;
        key
    });
    (pool, is_new)
}

#[test]
fn the_pool_that_was_used_longest_ago_is_dropped() {
    let pools = Pools::new();
    for key in 0..MAX_POOLS {
        assert_eq!(get(&pools, key), (key, true));
    }
    assert_eq!(get(&pools, 0), (0, false));
    assert_eq!(get(&pools, MAX_POOLS), (MAX_POOLS, true));
    assert_eq!(get(&pools, 0), (0, false));
    assert_eq!(get(&pools, 2), (2, false));
    assert_eq!(get(&pools, 1), (1, true));
}
