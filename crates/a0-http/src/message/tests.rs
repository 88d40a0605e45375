use std::time::Duration;

use super::remaining_time;
use crate::TransportErrorKind;

#[test]
fn a_repeated_request_gets_the_remaining_time() {
    let seconds = Duration::from_secs;
    assert_eq!(remaining_time(seconds(10), seconds(0)), Ok(seconds(10)));
    assert_eq!(remaining_time(seconds(10), seconds(3)), Ok(seconds(7)));
    for elapsed in [10, 11] {
        let over = Err(TransportErrorKind::Timeout.into());
        assert_eq!(remaining_time(seconds(10), seconds(elapsed)), over);
    }
}
