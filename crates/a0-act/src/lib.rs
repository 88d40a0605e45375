//! The act claim of RFC 8693: current actor and delegation chain
