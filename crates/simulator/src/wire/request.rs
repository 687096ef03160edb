//! A request: where it is going, and its parameters, which remember whether they were read.

use crate::model::ids::hash;
use crate::wire::error::Error;
use crate::wire::{json, xml};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) authorization: Option<String>,
    /// The header `X-Amz-Date`.
    pub(crate) date: Option<String>,
    /// Every parameter, from the address and from the body.
    pub(crate) pairs: Vec<(String, String)>,
    /// Whether the body should have been JSON and is not.
    is_broken: bool,
}

impl Request {
    pub(crate) fn parse(authorization: Option<&str>, query: Option<&str>, body: &[u8]) -> Request {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .chain(form_urlencoded::parse(body))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Request { authorization: authorization.map(str::to_owned), date: None, pairs, is_broken: false }
    }

    /// A request of a service that speaks JSON. Its header `X-Amz-Target` says which action it asks for, of which
    /// interface: `TrentService.DescribeKey`. Here they are the parameters `Action` and `Version`.
    pub(crate) fn parse_json(authorization: Option<&str>, target: &str, body: &[u8]) -> Request {
        let (interface, action) = target.rsplit_once('.').unwrap_or(("", target));
        let members = json::pairs(body);
        let is_broken = members.is_none();
        let pairs =
            [("Action", action), ("Version", interface)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let pairs = pairs.into_iter().chain(members.unwrap_or_default()).collect();
        Request { authorization: authorization.map(str::to_owned), date: None, pairs, is_broken }
    }

    /// The same with the header `X-Amz-Date`, if there is one.
    pub(crate) fn dated(self, date: Option<&str>) -> Request {
        Request { date: date.map(str::to_owned), ..self }
    }

    /// Refuses what no action can make sense of: a parameter given twice, or one that no answer could name or repeat.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_broken {
            return Err(Error::new("SerializationException", "The body is no object in JSON."));
        }
        let mut names = BTreeSet::new();
        for (name, value) in &self.pairs {
            if !(xml::is_writable(name) && xml::is_writable(value)) {
                // unconfirmed: AWS does not document the code. The name as Rust writes it can be sent back
                return Err(Error::invalid(format!("Invalid character in parameter {name:?}.")));
            }
            if !names.insert(name.as_str()) {
                // unconfirmed: "The AWS query string is malformed or does not adhere to AWS standards."
                return Err(Error::new("InvalidQueryParameter", format!("The parameter {name} is given twice.")));
            }
        }
        Ok(())
    }

    /// Which action it asks for; empty if it does not say.
    pub(crate) fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Whom a signature speaks for, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Scope {
    /// Reads an `Authorization` header. The signature itself is not verified.
    pub(crate) fn of_header(authorization: &str) -> Option<Scope> {
        let (_, rest) = authorization.split_once("Credential=")?;
        Scope::of_credential(rest.split([',', ' ']).next()?)
    }

    /// Reads `AKID/20261121/us-east-1/ec2/aws4_request`.
    pub(crate) fn of_credential(credential: &str) -> Option<Scope> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key, _day, region, service, "aws4_request"] = parts.as_slice() else {
            return None;
        };
        Some(Scope {
            access_key: (*access_key).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
        })
    }
}

/// The parameters of one request. Each remembers whether it was read, so that none is ignored in silence.
#[derive(Debug)]
pub(crate) struct Params {
    /// Account and region: part of what a pagination token is tied to.
    scope: String,
    values: BTreeMap<String, String>,
    read: RefCell<BTreeSet<String>>,
}

impl Params {
    pub(crate) fn new(scope: String, pairs: &[(String, String)]) -> Params {
        let params = Params { scope, values: pairs.iter().cloned().collect(), read: RefCell::default() };
        // these say which action is meant, so whoever calls an action has read them
        params.text("Action");
        params.text("Version");
        params
    }

    /// A parameter, if it was given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?;
        self.read.borrow_mut().insert(name.to_owned());
        Some(value)
    }

    /// A parameter that must have been given.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Error> {
        self.text(name).ok_or_else(|| Error::missing(name))
    }

    /// A parameter that is true or false.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Error::invalid_value(name, other)),
        }
    }

    /// A parameter that is a number, an instant or whatever else can be parsed.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        self.text(name).map(|text| text.parse::<T>().map_err(|_| Error::invalid_value(name, text))).transpose()
    }

    /// The values of `name.1`, `name.2`, …
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.members(name).iter().filter_map(|member| self.text(member)).collect()
    }

    /// The names `name.1`, `name.2`, … under which a list of structures has its members.
    pub(crate) fn members(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}.");
        let indices: BTreeSet<u32> = self
            .values
            .range(prefix.clone()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(&prefix))
            .filter_map(|key| key[prefix.len()..].split('.').next()?.parse().ok())
            .collect();
        indices.into_iter().map(|index| format!("{prefix}{index}")).collect()
    }

    /// The names of all parameters; does not count as reading them.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// A number that differs between queries, and does not between the pages of one.
    pub(crate) fn fingerprint(&self) -> u64 {
        let of_pages = ["NextToken", "MaxResults", "Marker", "MaxRecords"];
        let query = self.values.iter().filter(|(name, _)| !of_pages.contains(&name.as_str()));
        hash(&format!("{} {:?}", self.scope, query.collect::<Vec<_>>()))
    }

    /// Refuses a request with a parameter that nobody has read.
    pub(crate) fn all_read(&self) -> Result<(), Error> {
        let read = self.read.borrow();
        match self.values.keys().find(|name| !read.contains(*name)) {
            Some(unread) => Err(Error::unknown_parameter(unread)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::new("account/region".to_owned(), &Request::parse(None, Some(query), b"").pairs)
    }

    #[test]
    fn a_parameter_that_nobody_read_is_named() {
        let params = params("Action=A&VolumeId=vol-1&Location=local");
        assert_eq!(params.text("VolumeId"), Some("vol-1"));
        assert_eq!(params.all_read(), Err(Error::unknown_parameter("Location")));
    }

    #[test]
    fn lists_are_in_the_order_of_their_numbers() {
        let params = params("Id.2=b&Id.10=c&Id.1=a&Identity=x");
        assert_eq!(params.list("Id"), ["a", "b", "c"]);
        assert_eq!(params.all_read(), Err(Error::unknown_parameter("Identity")));
    }

    #[track_caller]
    fn check(query: &str, body: &str, code: &str, named: &str) {
        let error = Request::parse(None, Some(query), body.as_bytes()).check().unwrap_err();
        assert_eq!(error.code, code);
        assert!(error.message.contains(named) && xml::is_writable(&error.message), "{}", error.message);
    }

    #[test]
    fn a_parameter_given_twice_is_named() {
        for (query, body) in
            [("VolumeId=a&VolumeId=b", ""), ("", "VolumeId=a&VolumeId=a"), ("VolumeId=a", "VolumeId=b")]
        {
            check(query, body, "InvalidQueryParameter", "VolumeId");
        }
        assert_eq!(Request::parse(None, Some("A=a&B=a"), b"C=a").check(), Ok(()));
    }

    #[test]
    fn a_parameter_that_xml_cannot_hold_is_named() {
        check("Tag.1.Value=%00", "", "InvalidParameterValue", "Tag.1.Value");
        check("", "Tag.1.Value=%EF%BF%BE", "InvalidParameterValue", "Tag.1.Value");
        check("Bad%1BName=x", "", "InvalidParameterValue", "Name");
        assert_eq!(Request::parse(None, Some("Description=%09%0D%0A"), b"").check(), Ok(()));
    }

    #[test]
    fn a_target_says_which_action_of_which_interface() {
        let of = |target: &str, body: &str| Request::parse_json(None, target, body.as_bytes());
        let request = of("TrentService.DescribeKey", r#"{"KeyId": "alias/x"}"#);
        assert_eq!(
            (request.action(), request.get("Version"), request.get("KeyId")),
            ("DescribeKey", Some("TrentService"), Some("alias/x"))
        );
        assert_eq!(request.check(), Ok(()));
        assert_eq!(of("DescribeKey", "{}").get("Version"), Some(""));
        assert_eq!(of("TrentService.DescribeKey", "KeyId=x").check().unwrap_err().code, "SerializationException");
        let twice = of("TrentService.DescribeKey", r#"{"KeyId": "x", "KeyId": "x"}"#);
        assert_eq!(twice.check().unwrap_err().code, "InvalidQueryParameter");
        // a member cannot stand in for what the header says
        assert!(of("TrentService.DescribeKey", r#"{"Action": "DeleteKey"}"#).check().is_err());
    }

    #[test]
    fn the_scope_is_read_from_the_credential() {
        let header =
            "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
        let scope = Scope::of_header(header).unwrap();
        assert_eq!(
            (scope.access_key.as_str(), scope.region.as_str(), scope.service.as_str()),
            ("AKID", "us-east-1", "ec2")
        );
        assert_eq!(Scope::of_header("Bearer x"), None);
    }
}
