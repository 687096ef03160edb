//! The protocols as bytes: parameters in, XML out; of JSON, members in and an object out.

pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod xml;
