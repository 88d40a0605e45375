use super::{ConnectionPools, MAX_POOLS};

fn get(pools: &ConnectionPools<usize, usize>, key: usize) -> (usize, bool) {
    let mut is_new = false;
    let pool = pools.get(key, || {
        is_new = true;
        key
    });
    (pool, is_new)
}

#[test]
fn the_least_recently_used_pool_is_dropped() {
    let pools = ConnectionPools::new();
    for key in 0..MAX_POOLS {
        assert_eq!(get(&pools, key), (key, true));
    }
    assert_eq!(get(&pools, 0), (0, false));
    assert_eq!(get(&pools, MAX_POOLS), (MAX_POOLS, true));
    assert_eq!(get(&pools, 0), (0, false));
    assert_eq!(get(&pools, 2), (2, false));
    assert_eq!(get(&pools, 1), (1, true));
}
