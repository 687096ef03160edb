//! Bugs of the kind that live in what calls AWS, planted between the SDK and the simulator. None is in what ships.

mod script;

use aws_smithy_runtime_api::{
    client::{
        http::SharedHttpConnector,
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use snapkeeper_reliability::{oracle::Promise, script::Script};

use super::{
    call::Call,
    line::{Answer, By, Line, is_success},
};

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WireBug {
    /// Snapshots are created bare, and tagged by another call.
    TagsAfterCreation,
    /// A call that creates is made again without a look.
    BlindRetryOfCreates,
    /// The look after an open outcome finds nothing.
    StaleLook,
    /// Only the first page is read.
    FirstPageOnly,
    /// A later page that cannot be read counts as the end.
    ShortPageIsWhole,
    /// Another region that does not answer counts as empty.
    AbsenceAsEvidence,
    /// A deletion that was throttled counts as done.
    ThrottledMeansDone,
    /// Tags without a value are not read.
    EmptyValuesLost,
}

impl WireBug {
    /// Every bug.
    pub const ALL: [WireBug; 8] = [
        Self::TagsAfterCreation,
        Self::BlindRetryOfCreates,
        Self::StaleLook,
        Self::FirstPageOnly,
        Self::ShortPageIsWhole,
        Self::AbsenceAsEvidence,
        Self::ThrottledMeansDone,
        Self::EmptyValuesLost,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TagsAfterCreation => "tags-after-creation",
            Self::BlindRetryOfCreates => "blind-retry-of-creates",
            Self::StaleLook => "stale-look",
            Self::FirstPageOnly => "first-page-only",
            Self::ShortPageIsWhole => "short-page-is-whole",
            Self::AbsenceAsEvidence => "absence-as-evidence",
            Self::ThrottledMeansDone => "throttled-means-done",
            Self::EmptyValuesLost => "empty-values-lost",
        }
    }

    /// What it does, in a line.
    pub fn what(self) -> &'static str {
        match self {
            Self::TagsAfterCreation => "creates snapshots without tags, and tags them by a second call",
            Self::BlindRetryOfCreates => "makes a call that creates again at once when the answer is lost or a 5xx",
            Self::StaleLook => "looks after an open outcome, and never finds what was made",
            Self::FirstPageOnly => "reads the first page of a listing, and takes it for all",
            Self::ShortPageIsWhole => "takes a later page that fails for an empty last one",
            Self::AbsenceAsEvidence => "takes another region that does not answer for an empty one",
            Self::ThrottledMeansDone => "takes a deletion that is throttled for done",
            Self::EmptyValuesLost => "does not read tags that have no value, KeepForever among them",
        }
    }

    /// The promises that it is meant to break. Only by one of these does it count as found.
    pub fn meant(self) -> &'static [Promise] {
        match self {
            Self::TagsAfterCreation => &[Promise::TaggedFromTheStart],
            Self::BlindRetryOfCreates | Self::StaleLook => &[Promise::OneEach],
            Self::FirstPageOnly => &[Promise::NothingInSilence, Promise::Heals],
            Self::ShortPageIsWhole | Self::AbsenceAsEvidence => &[Promise::AbsenceIsNoEvidence],
            Self::ThrottledMeansDone => &[Promise::NumbersAreTrue],
            Self::EmptyValuesLost => &[Promise::DeletesOnlyWhatMayGo],
        }
    }

    /// A short script in which it surely breaks a promise that it is meant to break, and in which nothing is broken
    /// without it. Scripts by chance seldom find the rarer bugs.
    pub fn script(self) -> Script {
        script::script(self)
    }
}

/// Makes a call of the SDK as an adapter with this bug would make it.
pub(super) async fn carry_out(
    bug: WireBug,
    line: &Line,
    through: &SharedHttpConnector,
    request: HttpRequest,
) -> Answer {
    let call = Call::of(&request);
    match bug {
        WireBug::TagsAfterCreation if call.creates() => tag_after(&call, line, through, request).await,
        WireBug::BlindRetryOfCreates if call.creates() => retry_blindly(line, through, request).await,
        WireBug::TagsAfterCreation
        | WireBug::BlindRetryOfCreates
        | WireBug::StaleLook
        | WireBug::FirstPageOnly
        | WireBug::ShortPageIsWhole
        | WireBug::AbsenceAsEvidence
        | WireBug::ThrottledMeansDone
        | WireBug::EmptyValuesLost => {
            let answer = line.forward(through, request, By::Sdk).await;
            bent(bug, &call, line.home(), answer)
        }
    }
}

/// What the bug makes of an answer.
fn bent(bug: WireBug, call: &Call, home: &str, answer: Answer) -> Answer {
    match bug {
        WireBug::StaleLook if is_look(call) => Ok(nothing(&call.action)),
        WireBug::FirstPageOnly if call.reads() => answer.map(|answer| rewritten(answer, without_token)),
        WireBug::EmptyValuesLost if call.reads() => answer.map(|answer| rewritten(answer, without_empty_values)),
        WireBug::ShortPageIsWhole if call.is_for_a_later_page() && !is_success(&answer) => Ok(nothing(&call.action)),
        WireBug::AbsenceAsEvidence if call.reads() && call.region != home && !is_success(&answer) => {
            Ok(nothing(&call.action))
        }
        WireBug::ThrottledMeansDone if call.action == "DeleteSnapshot" && is_throttled(&answer) => {
            Ok(nothing(&call.action))
        }
        WireBug::TagsAfterCreation
        | WireBug::BlindRetryOfCreates
        | WireBug::StaleLook
        | WireBug::FirstPageOnly
        | WireBug::ShortPageIsWhole
        | WireBug::AbsenceAsEvidence
        | WireBug::ThrottledMeansDone
        | WireBug::EmptyValuesLost => answer,
    }
}

async fn tag_after(call: &Call, line: &Line, through: &SharedHttpConnector, request: HttpRequest) -> Answer {
    const TAGS: &str = "TagSpecification.1.";
    let bare = call.params.iter().filter(|(name, _)| !name.starts_with("TagSpecification."));
    let tag = |(name, value): &(String, String)| {
        let name = name.strip_prefix(TAGS).filter(|name| name.starts_with("Tag."))?;
        Some((name.to_owned(), value.clone()))
    };
    let tags: Vec<(String, String)> = call.params.iter().filter_map(tag).collect();
    let Some(mut creation) = request.try_clone() else { return line.forward(through, request, By::Sdk).await };
    *creation.body_mut() = body(&call.action, bare.cloned());
    let answer = line.forward(through, creation, By::Sdk).await;
    let ids = text_of(&answer).map(|text| texts(text, "snapshotId")).unwrap_or_default();
    if !ids.is_empty() {
        let resources = (1..).zip(ids).map(|(number, id)| (format!("ResourceId.{number}"), id));
        let mut tagging = request;
        *tagging.body_mut() = body("CreateTags", resources.chain(tags));
        // whatever comes of it
        let _ = line.forward(through, tagging, By::Bug).await;
    }
    answer
}

async fn retry_blindly(line: &Line, through: &SharedHttpConnector, request: HttpRequest) -> Answer {
    let again = request.try_clone();
    let answer = line.forward(through, request, By::Sdk).await;
    match again {
        Some(again) if is_open(&answer) => line.forward(through, again, By::Bug).await,
        Some(_) | None => answer,
    }
}

/// Whether an answer leaves open what happened.
pub(super) fn is_open(answer: &Answer) -> bool {
    match answer {
        Err(_) => true,
        Ok(response) => response.status().is_server_error() && !is_throttled(answer),
    }
}

fn is_throttled(answer: &Answer) -> bool {
    text_of(answer).is_some_and(|text| text.contains("<Code>RequestLimitExceeded</Code>"))
}

/// Whether it is the look after an open outcome: by the tags that the call carried.
fn is_look(call: &Call) -> bool {
    let by_tag = |(_, value): &(String, String)| value == "tag:Backup_Run" || value == "tag:Source_SnapshotId";
    call.action == "DescribeSnapshots" && call.params.iter().any(by_tag)
}

/// A success that says nothing more.
fn nothing(action: &str) -> HttpResponse {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>bug</requestId>\
         <return>true</return></{action}Response>"
    );
    let mut answer = HttpResponse::new(StatusCode::try_from(200).expect("a status"), SdkBody::from(text));
    answer.headers_mut().insert("content-type", "text/xml;charset=UTF-8");
    answer
}

fn rewritten(mut answer: HttpResponse, rewrite: impl Fn(&str) -> String) -> HttpResponse {
    let text = answer.body().bytes().and_then(|bytes| std::str::from_utf8(bytes).ok()).map(rewrite);
    if let Some(text) = text {
        *answer.body_mut() = SdkBody::from(text);
    }
    answer
}

fn without_token(text: &str) -> String {
    let cut = text.split_once("<nextToken>").and_then(|(before, rest)| {
        let (_, after) = rest.split_once("</nextToken>")?;
        Some(format!("{before}{after}"))
    });
    cut.unwrap_or_else(|| text.to_owned())
}

fn without_empty_values(text: &str) -> String {
    const TAG: &str = "<item><key>";
    let mut parts = text.split(TAG);
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("</key><value></value></item>") {
            Some((key, rest)) if !key.contains('<') => kept.push_str(rest),
            Some(_) | None => {
                kept.push_str(TAG);
                kept.push_str(part);
            }
        }
    }
    kept
}

fn text_of(answer: &Answer) -> Option<&str> {
    std::str::from_utf8(answer.as_ref().ok()?.body().bytes()?).ok()
}

/// The texts of the elements of this name.
fn texts(text: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let found = text.split(open.as_str()).skip(1);
    found.filter_map(|rest| rest.split_once(close.as_str())).map(|(text, _)| text.to_owned()).collect()
}

/// The body of a call.
fn body(action: &str, params: impl Iterator<Item = (String, String)>) -> SdkBody {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", "2016-11-15").extend_pairs(params);
    SdkBody::from(form.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_without_a_value_is_cut_out_and_no_other() {
        let text = "<t><item><key>A</key><value>1</value></item><item><key>B</key><value></value></item>\
                    <item><key>C</key><value>3</value></item></t>";
        let cut = "<t><item><key>A</key><value>1</value></item><item><key>C</key><value>3</value></item></t>";
        assert_eq!(without_empty_values(text), cut);
        assert_eq!(without_empty_values(cut), cut);
    }

    #[test]
    fn a_token_is_cut_out() {
        assert_eq!(without_token("<a/><nextToken>0123</nextToken><b/>"), "<a/><b/>");
        assert_eq!(without_token("<a/>"), "<a/>");
    }

    #[test]
    fn texts_are_found_wherever_they_are() {
        let text = "<a><snapshotId>snap-1</snapshotId></a><snapshotId>snap-2</snapshotId>";
        assert_eq!(texts(text, "snapshotId"), ["snap-1", "snap-2"]);
    }
}
