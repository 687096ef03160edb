//! What must hold for launch templates.

use crate::testing::{ACCOUNT, Look as _, Reply, call, simulator};
use crate::{Fault, FaultKind, Policy, Simulator};

const REGION: &str = "us-east-1";

fn ask(sim: &Simulator, action: &str, params: &[(&str, &str)]) -> Reply {
    call(sim, REGION, action, params)
}

/// A new template with one version, of an image.
#[track_caller]
fn template(sim: &Simulator, name: &str, image: &str) -> String {
    let params = [("LaunchTemplateName", name), ("LaunchTemplateData.ImageId", image)];
    ask(sim, "CreateLaunchTemplate", &params).ok().first("launchTemplateId")
}

#[track_caller]
fn version(sim: &Simulator, name: &str, image: &str) -> String {
    let params = [("LaunchTemplateName", name), ("LaunchTemplateData.ImageId", image)];
    ask(sim, "CreateLaunchTemplateVersion", &params).ok().first("versionNumber")
}

/// The images of the versions that a describe lists.
#[track_caller]
fn images(sim: &Simulator, params: &[(&str, &str)]) -> Vec<String> {
    ask(sim, "DescribeLaunchTemplateVersions", params).ok().texts("imageId")
}

/// Two templates, of which the first has three versions; and their ids.
#[track_caller]
fn two(sim: &Simulator) -> [String; 2] {
    let ids = [template(sim, "web", "ami-00000001"), template(sim, "batch", "ami-00000009")];
    assert_eq!([version(sim, "web", "ami-00000002"), version(sim, "web", "ami-00000003")], ["2", "3"]);
    ids
}

#[tokio::test(start_paused = true)]
async fn the_versions_of_one_template_are_listed_by_number_or_all() {
    let sim = simulator();
    let [web, _] = two(&sim);
    let (one, two, three) = ("ami-00000001", "ami-00000002", "ami-00000003");
    let by_id = ("LaunchTemplateId", web.as_str());
    assert_eq!(images(&sim, &[by_id]), [one, two, three]);
    assert_eq!(images(&sim, &[("LaunchTemplateName", "web")]), [one, two, three]);
    let v = |n: usize| ["LaunchTemplateVersion.1", "LaunchTemplateVersion.2"][n - 1];
    assert_eq!(images(&sim, &[by_id, (v(1), "2"), (v(2), "$Latest")]), [two, three]);
    assert_eq!(images(&sim, &[by_id, (v(1), "$Default"), (v(2), "1")]), [one], "each once");
    let filter = [by_id, ("Filter.1.Name", "image-id"), ("Filter.1.Value.1", two)];
    assert_eq!(images(&sim, &filter), [two]);
    let numbers = ask(&sim, "DescribeLaunchTemplateVersions", &[by_id]).ok();
    assert_eq!(numbers.texts("versionNumber"), ["1", "2", "3"]);
    assert_eq!(numbers.texts("defaultVersion"), ["true", "false", "false"]);
}

#[tokio::test(start_paused = true)]
async fn of_all_templates_only_the_latest_and_default_versions_are_listed() {
    let sim = simulator();
    two(&sim);
    let mut both = images(&sim, &[("LaunchTemplateVersion.1", "$Latest"), ("LaunchTemplateVersion.2", "$Default")]);
    both.sort();
    assert_eq!(both, ["ami-00000001", "ami-00000003", "ami-00000009"]);
    let code = |params: &[(&str, &str)]| ask(&sim, "DescribeLaunchTemplateVersions", params).code();
    assert_eq!(code(&[]), "MissingParameter");
    assert_eq!(code(&[("LaunchTemplateVersion.1", "1")]), "InvalidParameterValue");
    assert_eq!(code(&[("LaunchTemplateVersion.1", "$First")]), "InvalidParameterValue");
    let [name, id] = [("LaunchTemplateName", "web"), ("LaunchTemplateId", "lt-00000001")];
    assert_eq!(code(&[name, id]), "InvalidParameterCombination");
    assert_eq!(code(&[id]), "InvalidLaunchTemplateId.NotFound");
    assert_eq!(code(&[("LaunchTemplateId", "web")]), "InvalidLaunchTemplateId.Malformed");
    assert_eq!(code(&[("LaunchTemplateName", "none")]), "InvalidLaunchTemplateName.NotFoundException");
    assert_eq!(code(&[name, ("LaunchTemplateVersion.1", "4")]), "InvalidLaunchTemplateId.VersionNotFound");
    assert_eq!(code(&[name, ("MaxResults", "201")]), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn versions_are_listed_by_pages() {
    let sim = simulator();
    two(&sim);
    let name = ("LaunchTemplateName", "web");
    let first = ask(&sim, "DescribeLaunchTemplateVersions", &[name, ("MaxResults", "2")]).ok();
    let token = first.first("nextToken");
    let second = ask(&sim, "DescribeLaunchTemplateVersions", &[name, ("MaxResults", "2"), ("NextToken", &token)]).ok();
    assert_eq!((first.texts("versionNumber").len(), second.texts("versionNumber")), (2, vec!["3".to_owned()]));
    assert_eq!(second.text("nextToken"), None);
}

#[tokio::test(start_paused = true)]
async fn templates_are_made_tagged_listed_and_deleted() {
    let sim = simulator();
    let [web, batch] = two(&sim);
    let taken = [("LaunchTemplateName", "web"), ("LaunchTemplateData.InstanceType", "t3.micro")];
    assert_eq!(ask(&sim, "CreateLaunchTemplate", &taken).code(), "InvalidLaunchTemplateName.AlreadyExistsException");
    let wrong = [("LaunchTemplateName", "a b c"), ("LaunchTemplateData.InstanceType", "t3.micro")];
    assert_eq!(ask(&sim, "CreateLaunchTemplate", &wrong).code(), "InvalidLaunchTemplateName.MalformedException");
    ask(&sim, "CreateTags", &[("ResourceId.1", &web), ("Tag.1.Key", "Team"), ("Tag.1.Value", "shop")]).ok();
    let list = |params: &[(&str, &str)]| ask(&sim, "DescribeLaunchTemplates", params).ok().texts("launchTemplateId");
    assert_eq!(list(&[]).len(), 2);
    assert_eq!(list(&[("Filter.1.Name", "tag:Team"), ("Filter.1.Value.1", "shop")]), std::slice::from_ref(&web));
    assert_eq!(list(&[("LaunchTemplateName.1", "batch")]), std::slice::from_ref(&batch));
    assert_eq!(list(&[("LaunchTemplateId.1", &batch), ("MaxResults", "1")]), std::slice::from_ref(&batch));
    let unknown = ask(&sim, "DescribeLaunchTemplates", &[("LaunchTemplateName.1", "none")]);
    assert_eq!(unknown.code(), "InvalidLaunchTemplateName.NotFoundException");
    let told = ask(&sim, "DescribeLaunchTemplates", &[("LaunchTemplateId.1", &web)]).ok();
    assert_eq!((told.first("latestVersionNumber"), told.first("defaultVersionNumber")), ("3".into(), "1".into()));
    ask(&sim, "DeleteLaunchTemplate", &[("LaunchTemplateName", "web")]).ok();
    assert_eq!(list(&[]), [batch]);
    assert_eq!(
        ask(&sim, "DeleteLaunchTemplate", &[("LaunchTemplateId", &web)]).code(),
        "InvalidLaunchTemplateId.NotFound"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_made_again_makes_nothing_more() {
    let sim = simulator();
    let params =
        [("LaunchTemplateName", "web"), ("LaunchTemplateData.ImageId", "ami-00000001"), ("ClientToken", "once")];
    for action in ["CreateLaunchTemplate", "CreateLaunchTemplateVersion"] {
        sim.inject(Fault::new(action, FaultKind::CutAfter));
        assert_eq!(ask(&sim, action, &params).status, 0);
        ask(&sim, action, &params).ok();
    }
    assert_eq!(images(&sim, &[("LaunchTemplateName", "web")]).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_stands_in_a_parameter_is_told_where_that_is_asked_for() {
    let sim = simulator();
    template(&sim, "web", "resolve:ssm:/images/web");
    let name = ("LaunchTemplateName", "web");
    let resolved = [name, ("ResolveAlias", "true")];
    assert_eq!(images(&sim, &[name]), ["resolve:ssm:/images/web"]);
    assert_eq!(ask(&sim, "DescribeLaunchTemplateVersions", &resolved).code(), "InvalidParameterValue");
    sim.put_parameter(ACCOUNT, REGION, "/images/web", "ami-00000001");
    assert_eq!(images(&sim, &resolved), ["ami-00000001"]);
    let attach = |more: &str| {
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": [
                {{"Effect": "Allow", "Action": "ec2:DescribeLaunchTemplateVersions", "Resource": "*"}}{more}]}}"#
        );
        sim.attach_policy("AKID", Policy::parse(&document).unwrap());
    };
    attach("");
    images(&sim, &[name]);
    assert_eq!(ask(&sim, "DescribeLaunchTemplateVersions", &resolved).code(), "UnauthorizedOperation");
    attach(
        r#", {"Effect": "Allow", "Action": "ssm:GetParameters",
            "Resource": "arn:aws:ssm:us-east-1:123456789012:parameter/images/web"}"#,
    );
    images(&sim, &resolved);
}
