//! `DeregisterImage`, alone or with the image's snapshots.

use crate::action::{Read, act};
use crate::ec2::asks::may_delete;
use crate::ec2::{done, snapshots};
use crate::model::Here;
use crate::model::ids::Kind;
use crate::model::image::Image;
use crate::record::Deregistration;
use crate::wire::request::Params;
use crate::wire::xml::Nodes;
use std::collections::BTreeSet;

pub(super) fn deregister(params: &Params) -> Read {
    let id = Kind::Image.check(params.required("ImageId")?)?;
    let with_snapshots = params.flag("DeleteAssociatedSnapshots")?.unwrap_or_default();
    Ok(act(move |here| {
        let image = here.region().image(&id)?.clone();
        here.region().images.remove(&id);
        let answer = if with_snapshots { done().and(deleted(here, &image)) } else { done() };
        let Here { world, place, caller, now, .. } = here;
        world.deregistrations.push(Deregistration {
            at: *now,
            caller: String::from(*caller),
            account: place.account.clone(),
            region: place.region.clone(),
            image,
        });
        Ok(answer)
    }))
}

/// Deletes the snapshots of an image that is gone, and tells of each what became of it. None keeps another from going.
fn deleted(here: &mut Here<'_>, image: &Image) -> Nodes {
    // two devices may have the same one
    let ids: BTreeSet<&String> = image.devices.iter().filter_map(|device| device.snapshot_id.as_ref()).collect();
    let results: Vec<Nodes> = ids
        .into_iter()
        .map(|id| Nodes::new().text("snapshotId", id).text("returnCode", delete_snapshot(here, id)))
        .collect();
    Nodes::new().items("deleteSnapshotResultSet", results)
}

/// Deletes a snapshot, and tells AWS's code for what came of it. That a locked one, or someone else's, is a
/// `client-error`, is unconfirmed.
fn delete_snapshot(here: &mut Here<'_>, id: &str) -> &'static str {
    if here.region().images.values().any(|image| image.uses(id)) {
        return "skipped";
    }
    if !may_delete(here, id) {
        return "missing-permissions";
    }
    match snapshots::remove(here, id) {
        Ok(()) => "success",
        Err(_) => "client-error",
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{ACCOUNT, Look as _, Reply, call, image_of, simulator, snapshot};
    use crate::{Policy, Simulator};

    const REGION: &str = "us-east-1";

    fn deregister(sim: &Simulator, image: &str) -> Reply {
        call(sim, REGION, "DeregisterImage", &[("ImageId", image), ("DeleteAssociatedSnapshots", "true")])
    }

    /// Checks what became of the one snapshot of an image that was deregistered.
    #[track_caller]
    fn check(answer: &Reply, sim: &Simulator, code: &str) {
        assert_eq!((answer.status, answer.first("returnCode").as_str()), (200, code));
        assert_eq!(sim.snapshots(ACCOUNT, REGION).is_empty(), code == "success");
    }

    #[tokio::test(start_paused = true)]
    async fn snapshots_go_with_their_image_where_that_is_asked_for() {
        let sim = simulator();
        let id = snapshot(&sim, REGION);
        let image = image_of(&sim, REGION, "web", &id);
        let answer = call(&sim, REGION, "DeregisterImage", &[("ImageId", &image)]).ok();
        assert!(answer.texts("returnCode").is_empty() && sim.snapshots(ACCOUNT, REGION).len() == 1);
        let image = image_of(&sim, REGION, "web", &id);
        let answer = deregister(&sim, &image);
        check(&answer, &sim, "success");
        assert_eq!((answer.first("return"), answer.first("snapshotId")), ("true".to_owned(), id.clone()));
        let deleted: Vec<String> = sim.deletions().into_iter().map(|one| one.snapshot.id).collect();
        assert_eq!(deleted, [id]);
        let gone = sim.deregistrations();
        assert_eq!((gone.len(), gone[1].image.id.as_str(), gone[1].caller.as_str()), (2, image.as_str(), "AKID"));
        assert_eq!(deregister(&sim, &image).code(), "InvalidAMIID.NotFound");
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_of_another_image_stays() {
        let sim = simulator();
        let id = snapshot(&sim, REGION);
        let (one, other) = (image_of(&sim, REGION, "one", &id), image_of(&sim, REGION, "other", &id));
        call(&sim, REGION, "DisableImage", &[("ImageId", &other)]).ok();
        check(&deregister(&sim, &one), &sim, "skipped");
        check(&deregister(&sim, &other), &sim, "success");
    }

    #[tokio::test(start_paused = true)]
    async fn a_locked_snapshot_stays() {
        let sim = simulator();
        let id = snapshot(&sim, REGION);
        let image = image_of(&sim, REGION, "web", &id);
        let lock = [("SnapshotId", id.as_str()), ("LockMode", "governance"), ("LockDuration", "1")];
        call(&sim, REGION, "LockSnapshot", &lock).ok();
        check(&deregister(&sim, &image), &sim, "client-error");
        assert!(sim.images(ACCOUNT, REGION).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_policy_may_keep_the_snapshots_or_the_image() {
        let sim = simulator();
        let id = snapshot(&sim, REGION);
        let image = image_of(&sim, REGION, "web", &id);
        let attach = |statements: &str| {
            let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
            sim.attach_policy("AKID", Policy::parse(&document).unwrap());
        };
        let tagged = r#"{"Effect": "Allow", "Action": "ec2:DeregisterImage", "Resource": "arn:aws:ec2:*::image/*",
            "Condition": {"StringEquals": {"aws:ResourceTag/Mine": "Yes", "ec2:Owner": "123456789012"}}}"#;
        attach(tagged);
        assert_eq!(deregister(&sim, &image).code(), "UnauthorizedOperation");
        sim.call(
            "ec2",
            REGION,
            "CreateTags",
            &[("ResourceId.1", &image), ("Tag.1.Key", "Mine"), ("Tag.1.Value", "Yes")],
        )
        .unwrap();
        check(&deregister(&sim, &image), &sim, "missing-permissions");
        let image = {
            let params = [
                ("Name", "web"),
                ("RootDeviceName", "/dev/xvda"),
                ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
                ("BlockDeviceMapping.1.Ebs.SnapshotId", id.as_str()),
                ("TagSpecification.1.ResourceType", "image"),
                ("TagSpecification.1.Tag.1.Key", "Mine"),
                ("TagSpecification.1.Tag.1.Value", "Yes"),
            ];
            sim.call("ec2", REGION, "RegisterImage", &params).unwrap().first("imageId")
        };
        let snapshots = r#"{"Effect": "Allow", "Action": "ec2:DeleteSnapshot", "Resource": "*"}"#;
        attach(&format!("{tagged}, {snapshots}"));
        check(&deregister(&sim, &image), &sim, "success");
    }
}
