//! Issuers, OpenID metadata and JSON Web Key Sets: what to fetch, when, and what to keep
