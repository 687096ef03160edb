//! STS: who is calling.

use crate::action::{Read, act};
use crate::wire::error::Error;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;

pub(crate) fn read(action: &str, _params: &Params) -> Read {
    match action {
        "GetCallerIdentity" => Ok(act(|here| {
            let account = &here.place.account;
            Ok(Nodes::new()
                .text("Arn", format!("arn:aws:iam::{account}:root"))
                .text("UserId", account)
                .text("Account", account))
        })),
        other => Err(Error::unknown_action(other)),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Look as _, call_service, simulator};

    #[tokio::test(start_paused = true)]
    async fn the_caller_is_told_its_account() {
        let answer = call_service(&simulator(), "sts", "us-east-1", "GetCallerIdentity", &[]);
        assert_eq!(answer.ok().first("Account"), "123456789012");
    }
}
