//! One bounded HTTPS exchange for sans-IO protocol code, blocking
