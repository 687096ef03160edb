//! How parameters of RDS are read: lists, identifiers, ARNs.

use crate::model::Place;
use crate::wire::error::Error;
use crate::wire::request::Params;

/// The names `list.item.1`, `list.item.2`, … under which a list has its members. An empty list is written as its bare
/// name, without a value.
pub(super) fn members(params: &Params, list: &str, item: &str) -> Result<Vec<String>, Error> {
    match params.text(list) {
        None | Some("") => Ok(params.members(&format!("{list}.{item}"))),
        Some(other) => Err(Error::invalid_value(list, other)),
    }
}

/// The members of a list of texts.
pub(super) fn texts(params: &Params, list: &str, item: &str) -> Result<Vec<String>, Error> {
    members(params, list, item)?.iter().map(|member| params.required(member).map(str::to_owned)).collect()
}

/// The longest identifier of a database.
pub(super) const LONGEST_DATABASE: usize = 63;
/// The longest identifier of a snapshot.
pub(super) const LONGEST_SNAPSHOT: usize = 255;

/// Reads an identifier for something new: letters, digits and hyphens, a letter first, no hyphen last and no two in a
/// row. It is kept in lower case. Source: API model.
pub(super) fn new_id(params: &Params, name: &str, longest: usize) -> Result<String, Error> {
    let id = params.required(name)?;
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_valid = id.len() <= longest
        && id.bytes().all(is_known)
        && id.starts_with(|first: char| first.is_ascii_alphabetic())
        && !id.ends_with('-')
        && !id.contains("--");
    if !is_valid {
        return Err(Error::invalid(format!(
            "The parameter {name} is not a valid identifier. Identifiers must begin with a letter; must contain only \
             ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
        )));
    }
    Ok(id.to_ascii_lowercase())
}

/// Reads the identifier of something that should be there.
pub(super) fn old_id(params: &Params, name: &str) -> Result<String, Error> {
    Ok(params.required(name)?.to_ascii_lowercase())
}

/// What an ARN of RDS names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) place: Place,
    /// What kind of thing it is: `db`, `cluster-snapshot`.
    pub(super) resource: String,
    pub(super) id: String,
}

impl Named {
    /// Reads an ARN. The identifier of an automated snapshot has a colon of its own.
    pub(super) fn of_arn(arn: &str) -> Option<Named> {
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        let ["arn", "aws", "rds", region, account, resource, id] = parts.as_slice() else { return None };
        let (resource, id) = ((*resource).to_owned(), id.to_ascii_lowercase());
        Some(Named { place: Place::new(account, region), resource, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::request::Request;

    #[test]
    fn an_identifier_is_held_to_what_rds_takes() {
        let long = "a".repeat(255);
        let too_long = "a".repeat(256);
        for (id, expected) in [
            ("Orders-2026", Some("orders-2026")),
            (long.as_str(), Some(long.as_str())),
            (too_long.as_str(), None),
            ("", None),
            ("1st", None),
            ("rds:orders", None),
            ("orders-", None),
            ("or--ders", None),
            ("örders", None),
        ] {
            let pairs = [("Id".to_owned(), id.to_owned())];
            let params = Params::new(String::new(), &pairs);
            assert_eq!(new_id(&params, "Id", LONGEST_SNAPSHOT).ok().as_deref(), expected, "{id}");
        }
    }

    #[test]
    fn an_automated_snapshot_is_found_in_its_arn() {
        let arn = "arn:aws:rds:us-east-1:123456789012:snapshot:rds:orders-2026-11-21-05-00";
        let named = Named::of_arn(arn).unwrap();
        assert_eq!((named.resource.as_str(), named.id.as_str()), ("snapshot", "rds:orders-2026-11-21-05-00"));
        assert_eq!(named.place, Place::new("123456789012", "us-east-1"));
        for bad in ["", "orders", "arn:aws:rds:us-east-1:123456789012:db", "arn:aws:kms:us-east-1:123456789012:key:1"] {
            assert_eq!(Named::of_arn(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_empty_list_is_a_bare_name() {
        let of = |query: &str| {
            let params = Params::new(String::new(), &Request::parse(None, Some(query), b"").pairs);
            (texts(&params, "TagKeys", "member").ok(), params.all_read().is_ok())
        };
        assert_eq!(of("TagKeys="), (Some(vec![]), true));
        assert_eq!(of("TagKeys=x"), (None, true));
        let two = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(of("TagKeys.member.1=a&TagKeys.member.2=b"), (Some(two), true));
        assert_eq!(of("TagKeys.1=a"), (Some(vec![]), false), "another name");
    }
}
