//! The Query protocols as bytes: parameters in, XML out.

pub(crate) mod error;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod xml;
