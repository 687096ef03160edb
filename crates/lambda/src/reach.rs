//! Where a webhook may be: anywhere but in what a machine trusts only for being near.
//!
//! The address in the settings may lead elsewhere than it looks: a name is whatever its owner's DNS says at the moment. So
//! each address to which a name resolves is checked, and the connection goes to those very addresses. Private ones
//! (`10.0.0.0/8`, `fc00::/7`, …) are let through. A function is in no VPC unless somebody put it there, and then a
//! webhook of one's own in that VPC is what a heartbeat is for; and whoever listens there must have a certificate for the
//! name.

use std::{
    error::Error as StdError,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::{
    Certificate, Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Where a webhook may be. By default: not where this module says.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    loopback: bool,
    authority: Option<Certificate>,
}

impl Reach {
    /// On loopback as well, and where this authority, a PEM file, vouches for the server. That is for tests, which have
    /// no other place for a webhook: nothing that is deployed calls it.
    ///
    /// # Errors
    /// If the authority cannot be read.
    pub fn with_loopback(authority: Option<&[u8]>) -> Result<Self, reqwest::Error> {
        let authority = authority.map(Certificate::from_pem).transpose()?;
        Ok(Self { loopback: true, authority })
    }

    /// Who vouches for servers besides those whom the machine trusts.
    pub(crate) fn authority(&self) -> Option<Certificate> {
        self.authority.clone()
    }

    /// Checks an address that stands in the URL itself, where no name is looked up.
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), Refused> {
        // `Url` has brought `127.1`, `0x7f000001` and the like into the usual form
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host.parse::<IpAddr>().map_or(Ok(()), |address| self.check(address))
    }

    fn check(&self, address: IpAddr) -> Result<(), Refused> {
        match refused(address) {
            Some(_) if self.loopback && address.is_loopback() => Ok(()),
            Some(what) => Err(Refused(what)),
            None => Ok(()),
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(look_up(self.clone(), name.as_str().to_owned()))
    }
}

/// The addresses of a name. One that is refused refuses all: a name that leads both out and in is no webhook's.
async fn look_up(reach: Reach, name: String) -> Result<Addrs, Box<dyn StdError + Send + Sync>> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0_u16)).await?.collect();
    for address in &addresses {
        reach.check(address.ip())?;
    }
    Ok(Box::new(addresses.into_iter()))
}

/// An address at which no webhook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it leads to {0}, where no webhook may be")]
pub(crate) struct Refused(&'static str);

impl Refused {
    /// The refusal among what caused an error.
    pub(crate) fn among_causes_of(error: &(dyn StdError + 'static)) -> Option<Self> {
        std::iter::successors(Some(error), |&error| error.source())
            .find_map(|cause| cause.downcast_ref::<Self>())
            .copied()
    }
}

/// What is wrong with an address; `None` if nothing is.
fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

/// After the IANA registry of special addresses for IPv4.
fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [0, ..] => Some("an unspecified address"),
        [127, ..] => Some("a loopback address"),
        // instance metadata, the credentials of containers, Amazon's name and time servers
        [169, 254, ..] => Some("a link-local address"),
        [224..=239, ..] => Some("a multicast address"),
        // for protocols, measurements, and the future; but 198.19.0.0/16, also for measurements, may be a VPC's
        [192, 0, 0, _] | [198, 18, ..] | [240..=255, ..] => Some("a reserved address"),
        _ => None,
    }
}

/// After the IANA registry of special addresses for IPv6.
fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        // mapped, compatible, translated, local NAT64, Teredo, 6to4: what they lead to is not for everyone to see
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 1, ..]
        | [0x2001, 0, ..]
        | [0x2002, ..] => Some("an IPv4 address in disguise"),
        // NAT64, by which a network without IPv4 reaches every IPv4 address
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            refused_v4(Ipv4Addr::new(a, b, c, d))
        }
        // fd00:ec2::254 is instance metadata, its neighbours are like 169.254.0.0/16
        [0xfd00, 0x0ec2, ..] => Some("an address of AWS's metadata"),
        [0xfe80..=0xfeff, ..] => Some("a link-local address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK_LOCAL: Option<&str> = Some("a link-local address");
    const LOOPBACK: Option<&str> = Some("a loopback address");
    const DISGUISED: Option<&str> = Some("an IPv4 address in disguise");
    const MULTICAST: Option<&str> = Some("a multicast address");
    const UNSPECIFIED: Option<&str> = Some("an unspecified address");
    const RESERVED: Option<&str> = Some("a reserved address");
    const METADATA: Option<&str> = Some("an address of AWS's metadata");

    #[test]
    fn no_webhook_is_where_a_machine_trusts_what_is_near() {
        for (address, expected) in [
            ("93.184.215.14", None),
            ("1.1.1.1", None),
            ("223.255.255.255", None),
            ("128.0.0.1", None),
            ("169.253.255.255", None),
            ("169.255.0.0", None),
            // private: a VPC's own
            ("10.0.0.1", None),
            ("172.31.255.255", None),
            ("192.168.1.1", None),
            ("100.64.0.1", None),
            ("198.19.0.1", None),
            ("192.0.1.0", None),
            ("198.17.255.255", None),
            ("198.20.0.0", None),
            ("127.0.0.1", LOOPBACK),
            ("127.255.255.255", LOOPBACK),
            ("0.0.0.0", UNSPECIFIED),
            ("0.1.2.3", UNSPECIFIED),
            ("169.254.169.254", LINK_LOCAL),
            ("169.254.170.2", LINK_LOCAL),
            ("169.254.0.0", LINK_LOCAL),
            ("169.254.255.255", LINK_LOCAL),
            ("224.0.0.1", MULTICAST),
            ("239.255.255.255", MULTICAST),
            ("192.0.0.0", RESERVED),
            ("192.0.0.255", RESERVED),
            ("198.18.0.0", RESERVED),
            ("198.18.255.255", RESERVED),
            ("240.0.0.1", RESERVED),
            ("255.255.255.255", RESERVED),
            ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", None),
            ("2001:1::1", None),
            ("fd00:ec1::254", None),
            ("fc00::1", None),
            ("64:ff9b::93.184.215.14", None),
            ("::1", LOOPBACK),
            ("::", UNSPECIFIED),
            ("::2", DISGUISED),
            ("::127.0.0.1", DISGUISED),
            ("::ffff:127.0.0.1", DISGUISED),
            ("::ffff:93.184.215.14", DISGUISED),
            ("::ffff:a9fe:a9fe", DISGUISED),
            ("::ffff:0:127.0.0.1", DISGUISED),
            ("::ffff:0:a9fe:a9fe", DISGUISED),
            ("2002:7f00:1::", DISGUISED),
            ("2001::1", DISGUISED),
            ("64:ff9b:1::a9fe:a9fe", DISGUISED),
            ("64:ff9b::169.254.169.254", LINK_LOCAL),
            ("64:ff9b::127.0.0.1", LOOPBACK),
            ("64:ff9b::198.18.0.1", RESERVED),
            ("fd00:ec2::254", METADATA),
            ("fd00:ec2::23", METADATA),
            ("fe80::1", LINK_LOCAL),
            ("febf:ffff::1", LINK_LOCAL),
            ("fec0::1", LINK_LOCAL),
            ("ff02::1", MULTICAST),
        ] {
            assert_eq!(refused(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn an_address_in_the_url_is_checked_however_it_is_written() {
        for (url, expected) in [
            ("https://hc.example/uuid", None),
            ("https://93.184.215.14/uuid", None),
            ("https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/uuid", None),
            ("https://127.0.0.1:8443/uuid", LOOPBACK),
            ("https://127.1/uuid", LOOPBACK),
            ("https://0x7f000001/uuid", LOOPBACK),
            ("https://2130706433/uuid", LOOPBACK),
            ("https://0177.0.0.1/uuid", LOOPBACK),
            ("https://１２７.0.0.1/uuid", LOOPBACK),
            ("https://[::1]/uuid", LOOPBACK),
            ("https://169.254.169.254/latest/meta-data", LINK_LOCAL),
            ("https://[::ffff:169.254.169.254]/uuid", DISGUISED),
            ("https://user:word@[fd00:ec2::254]/uuid", METADATA),
        ] {
            let url: Url = url.parse().unwrap();
            assert_eq!(Reach::default().check_url(&url).err().map(|it| it.0), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_is_checked_by_what_it_resolves_to() {
        let name = || "localhost".to_owned();
        let error = look_up(Reach::default(), name()).await.map(Iterator::collect::<Vec<_>>).unwrap_err();
        assert_eq!(Refused::among_causes_of(&*error).map(|it| it.0), LOOPBACK);
        let reach = Reach::with_loopback(None).unwrap();
        let addresses: Vec<SocketAddr> = look_up(reach, name()).await.unwrap().collect();
        assert!(!addresses.is_empty() && addresses.iter().all(|it| it.ip().is_loopback()), "{addresses:?}");
    }

    #[test]
    fn a_test_may_reach_loopback_and_nothing_else() {
        let reach = Reach::with_loopback(None).unwrap();
        for (address, is_reached) in [("127.0.0.1", true), ("::1", true), ("169.254.169.254", false), ("::", false)] {
            assert_eq!(reach.check(address.parse().unwrap()).is_ok(), is_reached, "{address}");
        }
    }
}
