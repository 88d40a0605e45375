//! Strict compact JWS, JSON Web Keys and JWT claims for resource servers
