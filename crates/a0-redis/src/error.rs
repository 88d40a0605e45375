//! The errors of this crate. None holds an address, a credential, a key or a value.

/// An option of [`RedisBuilder`](crate::RedisBuilder) has an invalid value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOption {
    /// A URL is not valid, or turns the checks of TLS off. The schemes with a host are `redis` and
    /// `valkey`, and with TLS `rediss` and `valkeys`. Those with a path are `redis+unix`,
    /// `valkey+unix` and `unix`.
    #[error("the URL is not a valid Redis URL")]
    Url,
    /// The list of nodes or Sentinels is empty, or its URLs differ in their scheme or credentials,
    /// or one names a database, which a cluster does not have.
    #[error("the URLs of the nodes must agree in scheme and credentials, and name no database")]
    Nodes,
    /// The prefix holds `{`, which would put all keys on one node of a cluster.
    #[error("the key prefix must not contain `{{`")]
    Prefix,
    /// The time limit is zero.
    #[error("the time limit must not be zero")]
    TimeLimit,
    /// The root certificates, or the certificate of the client and its private key, are not valid
    /// PEM text, or are given for URLs without TLS.
    #[error("the certificates cannot be used")]
    Certificates,
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
    /// The server refused the command: it is out of memory, read-only, loading, a part of a cluster
    /// that is down, or the user may not run the command.
    #[error("Redis refused the command")]
    Refused,
    /// The server belongs to a cluster. Build with [`cluster`](crate::RedisBuilder::cluster).
    #[error("the Redis server belongs to a cluster")]
    Cluster,
    /// The answer is none that the command can have.
    #[error("Redis gave an unexpected answer")]
    UnexpectedAnswer,
    /// An async call was made outside of a tokio runtime.
    #[error("the call needs a tokio runtime")]
    NoRuntime,
}

impl RedisError {
    /// The failure to open a connection, whatever it failed at.
    pub(crate) fn of_connecting(self) -> RedisError {
        match self {
            RedisError::Authentication | RedisError::Refused | RedisError::UnexpectedAnswer => self,
            _ => RedisError::NotConnected,
        }
    }
}

/// How a command failed, for [`Call`](crate::call::Call) to decide what to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// The slot belongs to the primary at this `host:port`.
    Moved(String),
    /// This command alone is for the primary at this `host:port`.
    Ask(String),
    /// The server is a replica.
    ReadOnly,
    /// A signal ended the wait for the answer. The command may have been carried out.
    Interrupted,
    Error(RedisError),
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Failure::Error(error)
    }
}

impl From<&redis::RedisError> for Failure {
    fn from(error: &redis::RedisError) -> Self {
        use redis::{ErrorKind, ServerErrorKind};
        let place = || error.redirect_node().map(|(place, _)| place.to_owned());
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => match place() {
                Some(place) => Failure::Moved(place),
                None => Failure::Error(RedisError::UnexpectedAnswer),
            },
            ErrorKind::Server(ServerErrorKind::Ask) => match place() {
                Some(place) => Failure::Ask(place),
                None => Failure::Error(RedisError::UnexpectedAnswer),
            },
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Failure::ReadOnly,
            _ if is_interrupted(error) => Failure::Interrupted,
            _ => Failure::Error(RedisError::of(error)),
        }
    }
}

impl Failure {
    /// Whether the connection must not be used again: its state is unknown, or its server is no
    /// primary any more.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Failure::Moved(_) | Failure::Ask(_) | Failure::Error(RedisError::Refused) => false,
            Failure::ReadOnly | Failure::Interrupted | Failure::Error(_) => true,
        }
    }

    /// The error of a call that follows no redirection.
    pub(crate) fn into_error(self) -> RedisError {
        match self {
            Failure::Error(error) => error,
            Failure::Interrupted => RedisError::Closed,
            Failure::Moved(_) | Failure::Ask(_) | Failure::ReadOnly => RedisError::Refused,
        }
    }
}

/// Linux reports a signal to a socket with a timeout, also if the handler asks for a restart.
fn is_interrupted(error: &redis::RedisError) -> bool {
    type Source = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<Source>());
    let error = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::Interrupted)
}

impl RedisError {
    pub(crate) fn of(error: &redis::RedisError) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    #[test]
    fn a_connection_outlives_redirections_and_refusals_alone() {
        for (failure, expected) in [
            (Failure::Moved("a:1".to_owned()), false),
            (Failure::Ask("a:1".to_owned()), false),
            (Failure::Error(RedisError::Refused), false),
            (Failure::ReadOnly, true),
            (Failure::Interrupted, true),
            (Failure::Error(RedisError::Closed), true),
            (Failure::Error(RedisError::NotInTime), true),
            (Failure::Error(RedisError::UnexpectedAnswer), true),
            (Failure::Error(RedisError::Authentication), true),
        ] {
            assert_eq!(failure.ends_connection(), expected, "{failure:?}");
        }
    }

    #[test]
    fn every_failure_of_input_and_output_ends_the_connection() {
        for (kind, expected) in [
            (ErrorKind::Interrupted, Failure::Interrupted),
            (ErrorKind::TimedOut, RedisError::NotInTime.into()),
            (ErrorKind::WouldBlock, RedisError::NotInTime.into()),
            (ErrorKind::BrokenPipe, RedisError::Closed.into()),
            (ErrorKind::InvalidData, RedisError::Closed.into()),
            (ErrorKind::PermissionDenied, RedisError::Closed.into()),
            (ErrorKind::Other, RedisError::Closed.into()),
        ] {
            let failure = Failure::from(&redis::RedisError::from(Error::from(kind)));
            assert_eq!(failure, expected, "{kind}");
            assert!(failure.ends_connection(), "{kind}");
        }
    }
}
