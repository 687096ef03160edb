//! What copies are in a region.

use futures::TryStreamExt;
use snapkeeper_core::copy::Copies;

use super::Ec2;
use crate::error::Error;

impl Ec2 {
    /// The copies here, of each only what decisions need.
    ///
    /// # Errors
    /// If any page could not be read.
    pub async fn copies(&self) -> Result<Copies, Error> {
        let mut copies = Copies::default();
        let mut pages = self.copies_by_page();
        while let Some(page) = pages.try_next().await? {
            for snapshot in &page {
                copies.add(snapshot);
            }
        }
        Ok(copies)
    }
}
