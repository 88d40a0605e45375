//! The errors of this crate. None holds an address, a credential, a key or a value.

/// An option of [`RedisBuilder`](crate::RedisBuilder) has an invalid value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOption {
    /// The URL is not of the form `redis://` or `rediss://` with a host.
    #[error("the URL is not a valid Redis URL")]
    Url,
    /// The prefix holds `{`, which would put all keys on one node of a cluster.
    #[error("the key prefix must not contain `{{`")]
    Prefix,
    /// The time limit is zero.
    #[error("the time limit must not be zero")]
    TimeLimit,
}

/// Why a call could not be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// No connection could be opened: the server is away, its certificate is not valid for its
    /// name, or it does not speak the protocol.
    #[error("no connection to Redis")]
    NotConnected,
    /// The server refused the credentials, or demands some.
    #[error("Redis refused the credentials")]
    Authentication,
    /// The time limit of the call passed.
    #[error("Redis did not answer in time")]
    NotInTime,
    /// The connection was closed before the answer came.
    #[error("the connection to Redis was closed")]
    Closed,
    /// The server refused the command: it is out of memory, read-only, loading, or a user may not
    /// run the command.
    #[error("Redis refused the command")]
    Refused,
    /// The answer is none that the command can have.
    #[error("Redis gave an unexpected answer")]
    UnexpectedAnswer,
}

impl From<&redis::RedisError> for RedisError {
    fn from(error: &redis::RedisError) -> Self {
        use redis::ErrorKind;
        // The texts of the server and the client are dropped: they may name a user or a key.
        if error.is_timeout() {
            return RedisError::NotInTime;
        }
        if error.kind() == ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
        {
            return RedisError::Authentication;
        }
        if error.is_connection_refusal() {
            return RedisError::NotConnected;
        }
        if error.is_io_error() {
            return RedisError::Closed;
        }
        match error.kind() {
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => RedisError::UnexpectedAnswer,
            _ => RedisError::Refused,
        }
    }
}
