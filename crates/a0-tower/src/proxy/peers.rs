//! Which peers of a server are its proxy.

use std::net::IpAddr;

use super::network::Network;

/// The addresses whose requests come from the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peers {
    Networks(Vec<Network>),
    All,
}

/// Why there are no [`Peers`].
pub(crate) enum InvalidPeers {
    TrustsNobody,
    TrustsTwice,
    Network(String),
}

impl Peers {
    /// Parses the options of a builder.
    pub(crate) fn new(networks: Vec<String>, trusts_all: bool) -> Result<Self, InvalidPeers> {
        let networks = networks
            .into_iter()
            .map(|text| Network::parse(&text).ok_or(InvalidPeers::Network(text)))
            .collect::<Result<Vec<_>, _>>()?;
        match (networks.is_empty(), trusts_all) {
            (false, false) => Ok(Peers::Networks(networks)),
            (true, true) => Ok(Peers::All),
            (true, false) => Err(InvalidPeers::TrustsNobody),
            (false, true) => Err(InvalidPeers::TrustsTwice),
        }
    }

    pub(crate) fn trust(&self, peer: Option<IpAddr>) -> bool {
        match (self, peer) {
            (Peers::All, _) => true,
            (Peers::Networks(_), None) => false,
            (Peers::Networks(networks), Some(peer)) => {
                // A socket for both families shows 10.0.0.1 as ::ffff:10.0.0.1.
                let peer = peer.to_canonical();
                networks.iter().any(|network| network.contains(peer))
            }
        }
    }
}
