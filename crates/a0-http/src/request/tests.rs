use std::time::Duration;

use super::time_left;
use crate::TransportErrorKind;

#[test]
fn the_repeated_request_has_the_time_that_is_left() {
    let seconds = Duration::from_secs;
    assert_eq!(time_left(seconds(10), seconds(0)), Ok(seconds(10)));
    assert_eq!(time_left(seconds(10), seconds(3)), Ok(seconds(7)));
    for elapsed in [10, 11] {
        let over = Err(TransportErrorKind::Timeout.into());
        assert_eq!(time_left(seconds(10), seconds(elapsed)), over);
    }
}
