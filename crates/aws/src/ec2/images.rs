//! Images: found, copied into a region, and deregistered there.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::{
    operation::describe_images::builders::DescribeImagesFluentBuilder,
    types::{
        DeleteSnapshotReturnCode, Filter, InstanceState, InstanceStateName, LaunchTemplateVersion, Reservation,
        ResourceType, SnapshotReturnCodes,
    },
};
use snapkeeper_core::{
    ids::{ImageId, SnapshotId},
    sync::image::{CopyImage, Image},
    tags::{self, Tags},
};

use super::{
    Ec2, convert,
    describe::{MAX_VALUES, PAGE},
    filter, snapshot_tags, tags_of,
};
use crate::{
    call::Twice,
    error::{Error, Kind},
    pages::pages,
};

/// The largest page of launch templates, and of their versions.
const PAGE_OF_TEMPLATES: i32 = 200;

/// A snapshot that is still there after its image was deregistered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotLeft {
    /// The snapshot.
    pub id: SnapshotId,
    /// Why: [`Kind::InUse`] if another image uses it.
    pub error: Error,
}

impl Ec2 {
    /// The images of an owner, `None` for one's own, of which every filter holds: a name, and values of which one must.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn images(
        &self,
        owner: Option<&str>,
        filters: impl IntoIterator<Item = (String, Vec<String>)>,
    ) -> Result<Vec<Image>, Error> {
        let filters: Vec<Filter> = filters.into_iter().map(|(name, values)| filter(name, values)).collect();
        let call = self
            .client
            .describe_images()
            .owners(owner.unwrap_or("self"))
            .max_results(PAGE)
            .set_filters((!filters.is_empty()).then_some(filters));
        self.images_of(call).await
    }

    /// Every own image of the region, the disabled ones as well: their names are taken, too.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn own_images(&self) -> Result<Vec<Image>, Error> {
        // without IncludeDisabled, EC2 lists deprecated images but no disabled ones
        let call = self.client.describe_images().owners("self").include_disabled(true).max_results(PAGE);
        self.images_of(call).await
    }

    async fn images_of(&self, call: DescribeImagesFluentBuilder) -> Result<Vec<Image>, Error> {
        pages("DescribeImages", async |token| {
            let page = self
                .caller
                .call("DescribeImages", Twice::Harmless, || call.clone().set_next_token(token.clone()).send())
                .await?;
            Ok((page.images().iter().filter_map(convert::image).collect(), page.next_token))
        })
        .await
    }

    /// The own images that are the same from build to build by their tag `Sync-Identifier`, whatever it says.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn images_with_identifier(&self) -> Result<Vec<Image>, Error> {
        self.images(None, [("tag-key".to_owned(), vec![tags::SYNC_IDENTIFIER.to_owned()])]).await
    }

    /// The tags of own snapshots, as far as they are there.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn tags_of_snapshots(&self, ids: &BTreeSet<SnapshotId>) -> Result<BTreeMap<SnapshotId, Tags>, Error> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut all = BTreeMap::new();
        for ids in ids.chunks(MAX_VALUES) {
            let found = self.snapshots_where(vec![filter("snapshot-id".to_owned(), ids.to_vec())]).await?;
            all.extend(found.into_iter().map(|snapshot| (snapshot.id, snapshot.tags)));
        }
        Ok(all)
    }

    /// The images that an instance of the region was launched from, or a version of a launch template names.
    ///
    /// # Errors
    /// If it is not certain which they are.
    pub async fn used_images(&self) -> Result<BTreeSet<ImageId>, Error> {
        let mut used = self.images_of_instances().await?;
        let call = self.client.describe_launch_templates().max_results(PAGE_OF_TEMPLATES);
        let templates: Vec<String> = pages("DescribeLaunchTemplates", async |token| {
            let page = self
                .caller
                .call("DescribeLaunchTemplates", Twice::Harmless, || call.clone().set_next_token(token.clone()).send())
                .await?;
            let ids = page.launch_templates().iter().filter_map(|it| it.launch_template_id().map(str::to_owned));
            Ok((ids.collect(), page.next_token))
        })
        .await?;
        for template in templates {
            match self.images_of_template(&template).await {
                Ok(images) => used.extend(images),
                // deleted meanwhile
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(used)
    }

    async fn images_of_instances(&self) -> Result<BTreeSet<ImageId>, Error> {
        let call = self.client.describe_instances().max_results(PAGE);
        let images: Vec<ImageId> = pages("DescribeInstances", async |token| {
            let page = self
                .caller
                .call("DescribeInstances", Twice::Harmless, || call.clone().set_next_token(token.clone()).send())
                .await?;
            let there = page
                .reservations()
                .iter()
                .flat_map(Reservation::instances)
                .filter(|it| it.state().and_then(InstanceState::name) != Some(&InstanceStateName::Terminated));
            Ok((there.filter_map(|it| it.image_id().map(ImageId::from)).collect(), page.next_token))
        })
        .await?;
        Ok(images.into_iter().collect())
    }

    /// The images of all versions of a launch template. One may name its image by a parameter of Systems Manager, and EC2 is
    /// asked which that is now.
    async fn images_of_template(&self, template: &str) -> Result<Vec<ImageId>, Error> {
        const ACTION: &str = "DescribeLaunchTemplateVersions";
        let call = self
            .client
            .describe_launch_template_versions()
            .launch_template_id(template)
            .resolve_alias(true)
            .max_results(PAGE_OF_TEMPLATES);
        let images: Vec<ImageId> = pages(ACTION, async |token| {
            let page =
                self.caller.call(ACTION, Twice::Harmless, || call.clone().set_next_token(token.clone()).send()).await?;
            let data = page.launch_template_versions().iter().filter_map(LaunchTemplateVersion::launch_template_data);
            Ok((data.filter_map(|data| data.image_id().map(ImageId::from)).collect(), page.next_token))
        })
        .await?;
        match images.iter().find(|image| image.as_str().starts_with("resolve:")) {
            Some(image) => {
                let message = format!("EC2 does not tell which image a version of {template} means by {image}");
                Err(Error { action: ACTION, kind: Kind::Refused, message })
            }
            None => Ok(images),
        }
    }

    /// Copies an image into this region. By its token EC2 knows the call again, so that it may be repeated.
    ///
    /// # Errors
    /// [`Kind::Exists`] if the name is taken, or the token was used for such a copy before; [`Kind::Full`] if the region
    /// copies as many as it can; [`Kind::NotFound`] if the source is gone.
    pub async fn copy_image(&self, copy: &CopyImage) -> Result<ImageId, Error> {
        const ACTION: &str = "CopyImage";
        let call = self
            .client
            .copy_image()
            .source_region(copy.from.as_str())
            .source_image_id(copy.source.as_str())
            .name(&copy.name)
            .set_description((!copy.description.is_empty()).then(|| copy.description.clone()))
            .client_token(&copy.client_token)
            .set_encrypted(copy.kms_key.as_ref().map(|_| true))
            .set_kms_key_id(copy.kms_key.clone())
            .tag_specifications(tags_of(ResourceType::Image, &copy.tags))
            .tag_specifications(snapshot_tags(&copy.snapshot_tags));
        let made = self.caller.call(ACTION, Twice::Harmless, || call.clone().send()).await?;
        made.image_id.filter(|id| !id.is_empty()).map(ImageId::from).ok_or_else(|| {
            let message = "the answer names no image".to_owned();
            Error { action: ACTION, kind: Kind::Open, message }
        })
    }

    /// Deregisters an image and deletes its snapshots. One that is gone already counts as deregistered. Returns those of the
    /// snapshots that are still there.
    ///
    /// # Errors
    /// If the image is still registered, or may be.
    pub async fn deregister(&self, id: &ImageId, snapshots: &[SnapshotId]) -> Result<Vec<SnapshotLeft>, Error> {
        const ACTION: &str = "DeregisterImage";
        let call = self.client.deregister_image().image_id(id.as_str()).delete_associated_snapshots(true);
        let told = match self.caller.call(ACTION, Twice::Harmless, || call.clone().send()).await {
            Ok(answer) => fates(answer.delete_snapshot_results()),
            // perhaps by the same call, of which the answer was lost
            Err(error) if error.kind == Kind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let mut left = Vec::new();
        for id in snapshots {
            match told.get(id) {
                Some(SnapshotReturnCodes::Success) => {}
                Some(SnapshotReturnCodes::WarnSkipped) => {
                    let message = "another image uses the snapshot".to_owned();
                    let error = Error { action: ACTION, kind: Kind::InUse, message };
                    left.push(SnapshotLeft { id: id.clone(), error });
                }
                // not told of, or it did not work: asked for by itself, EC2 says why
                _ => left
                    .extend(self.delete_snapshot(id).await.err().map(|error| SnapshotLeft { id: id.clone(), error })),
            }
        }
        Ok(left)
    }
}

/// What became of the snapshots of an image that was deregistered.
fn fates(results: &[DeleteSnapshotReturnCode]) -> BTreeMap<SnapshotId, SnapshotReturnCodes> {
    results.iter().filter_map(|it| Some((it.snapshot_id()?.into(), it.return_code()?.clone()))).collect()
}
