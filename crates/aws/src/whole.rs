//! Refuses an answer that is not whole.
//!
//! The SDK reads XML leniently: an answer that was cut, or spoiled in the middle, is to it a short list without a page
//! token (`aws-smithy-xml`, `decode.rs`: an error of the parser ends an element like its end does). A short list of
//! instances would mean that volumes are not enrolled. HTTP notices a connection that ends too early, but not what a proxy
//! makes of it. So every answer that says success is read to its end as XML first.
//! KMS answers in JSON, of which the SDK's parser refuses what does not end as it should: its client has no need of this.

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::AfterDeserializationInterceptorContextRef},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use quick_xml::{Reader, events::Event};

/// Turns an answer that is not whole into no answer.
#[derive(Debug)]
pub(crate) struct Whole;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Whole {
    fn name(&self) -> &'static str {
        "Whole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        if !response.status().is_success() {
            return Ok(());
        }
        let body = response.body().bytes().ok_or("a streaming body")?;
        check(body).map_err(|cause| format!("the answer is not whole: {cause}").into())
    }
}

/// Whether this is one XML document from its first element's start to that element's end.
fn check(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let mut reader = Reader::from_str(text);
    let (mut depth, mut roots) = (0_usize, 0_usize);
    loop {
        // the reader itself refuses an end that is not that of the last start
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(_) => {
                roots += usize::from(depth == 0);
                depth += 1;
            }
            Event::End(_) => depth = depth.checked_sub(1).ok_or("an end without a start")?,
            Event::Empty(_) => roots += usize::from(depth == 0),
            Event::Text(text) if depth == 0 && !text.trim_ascii().is_empty() => {
                return Err("text outside of any element".to_owned());
            }
            Event::Eof if depth > 0 => return Err("it ends too early".to_owned()),
            Event::Eof if roots != 1 => return Err(format!("{roots} documents")),
            Event::Eof => return Ok(()),
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_it_is_none() {
        let whole = "<?xml version=\"1.0\"?>\n<a xmlns=\"urn:x\"><set><item>1 &amp; 2</item><item/></set></a>\n";
        assert_eq!(check(whole.as_bytes()), Ok(()));
        let end = whole.trim_end().len();
        for cut in 0..end {
            assert!(check(&whole.as_bytes()[..cut]).is_err(), "cut at {cut}");
        }
        for spoiled in ["", "{}", "<a></b>", "<a><b></a></b>", "<a/><a/>", "<a>1</a>2", "<a>\u{0}<</a>"] {
            assert!(check(spoiled.as_bytes()).is_err(), "{spoiled}");
        }
        assert!(check(b"<a>\xff</a>").is_err());
    }
}
