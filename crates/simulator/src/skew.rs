//! Requests that are dated by a wrong clock, and what AWS says to them.

use crate::wire::error::Error;
use crate::wire::request::Request;
use crate::wire::response::Service;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

/// How far a request's date may be off: 5 minutes. EC2's reference says 15, other services' say 5.
const TOLERATED: TimeDelta = TimeDelta::minutes(5);

/// How the header `X-Amz-Date` is written.
const FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// The error for a request whose date is too far off. One without a date, such as an operator's, has none.
///
/// EC2 calls an old one expired ("Error codes", `RequestExpired`) and, unconfirmed, does not know the credentials of one
/// from the future. The others say that the signature does not match, and those that speak JSON that it is invalid.
pub(crate) fn refusal(service: Service, now: DateTime<Utc>, request: &Request) -> Option<Error> {
    let date = NaiveDateTime::parse_from_str(request.date.as_deref()?, FORMAT).ok()?.and_utc();
    if (now - date).abs() <= TOLERATED {
        return None;
    }
    let (told, clock) = (date.format(FORMAT), now.format(FORMAT));
    let of_signature = |code: &str| {
        let why = if date < now {
            format!("Signature expired: {told} is now earlier than {clock} - 5 min.")
        } else {
            format!("Signature not yet current: {told} is still later than {clock} + 5 min.")
        };
        Error::new(code, why)
    };
    Some(match service {
        Service::Ec2 if date < now => Error::new(
            "RequestExpired",
            format!("Request has expired. Timestamp date is {told}. Current date is {clock}"),
        ),
        Service::Ec2 => Error::new("AuthFailure", "AWS was not able to validate the provided access credentials"),
        Service::Kms | Service::Ssm => of_signature("InvalidSignatureException"),
        Service::Rds | Service::Sns | Service::Sts => of_signature("SignatureDoesNotMatch"),
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, authorization, simulator};
    use crate::wire::request::Request;
    use crate::{Fault, FaultKind, Simulator};
    use chrono::TimeDelta;

    const CREATE: &str = "Action=CreateVolume&Version=2016-11-15&AvailabilityZone=us-east-1a&Size=8";

    /// The status and the body of the answer to a request that is dated so many seconds ahead.
    fn ask(sim: &Simulator, service: &str, seconds: i64, body: &str) -> (u16, String) {
        let date = (sim.now() + TimeDelta::seconds(seconds)).format(super::FORMAT).to_string();
        let header = authorization("AKID", "us-east-1", service);
        let request = Request::parse(Some(&header), None, body.as_bytes()).dated(Some(&date));
        let answer = sim.handle(&request).answer.unwrap();
        (answer.status, answer.body)
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_is_refused_where_that_is_asked_for() {
        let sim = simulator();
        assert_eq!(ask(&sim, "ec2", -172_800, CREATE).0, 200);
        sim.refuse_skewed(true);
        for (seconds, status, code) in [
            (-172_800, 400, "RequestExpired"),
            (-301, 400, "RequestExpired"),
            (-300, 200, ""),
            (0, 200, ""),
            (300, 200, ""),
            (301, 403, "AuthFailure"),
        ] {
            let (got, body) = ask(&sim, "ec2", seconds, CREATE);
            assert_eq!(got, status, "{seconds}: {body}");
            assert!(code.is_empty() || body.contains(&format!("<Code>{code}</Code>")), "{seconds}: {body}");
        }
        assert_eq!(sim.volumes(ACCOUNT, "us-east-1").len(), 4);
        let topic = "Action=CreateTopic&Version=2010-03-31&Name=alerts";
        for seconds in [-301, 301] {
            let (status, body) = ask(&sim, "sns", seconds, topic);
            assert!(status == 403 && body.contains("SignatureDoesNotMatch"), "{body}");
        }
        sim.refuse_skewed(false);
        assert_eq!(ask(&sim, "ec2", 301, CREATE).0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn kms_has_a_code_of_its_own_for_it() {
        let sim = simulator();
        sim.refuse_skewed(true);
        for (seconds, status) in [(-301, 400), (0, 200), (301, 400)] {
            let date = (sim.now() + TimeDelta::seconds(seconds)).format(super::FORMAT).to_string();
            let header = authorization("AKID", "us-east-1", "kms");
            let body = br#"{"KeyId": "alias/aws/rds"}"#;
            let request = Request::parse_json(Some(&header), "TrentService.DescribeKey", body).dated(Some(&date));
            let answer = sim.handle(&request).answer.unwrap();
            assert_eq!(answer.status, status, "{}", answer.body);
            assert_eq!(answer.body.contains("InvalidSignatureException"), status == 400, "{}", answer.body);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_tells_no_date_and_whom_a_fault_strikes_first_are_not_asked() {
        let sim = simulator();
        sim.refuse_skewed(true);
        let volume = [("AvailabilityZone", "us-east-1a"), ("Size", "8")];
        assert!(sim.call("ec2", "us-east-1", "CreateVolume", &volume).is_ok());
        sim.inject(Fault::any(FaultKind::Throttle));
        assert_eq!(ask(&sim, "ec2", 900, CREATE).0, 503);
        assert_eq!(sim.volumes(ACCOUNT, "us-east-1").len(), 1);
    }
}
