//! Lists come in pages.

use crate::error::{Error, Kind};

/// Reads page after page until there is no token. A token that comes again would go round for ever: an error.
pub(crate) async fn pages<T>(
    action: &'static str,
    mut page: impl AsyncFnMut(Option<String>) -> Result<(Vec<T>, Option<String>), Error>,
) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let (items, next) = page(token.clone()).await?;
        all.extend(items);
        let next = next.filter(|next| !next.is_empty());
        if next.is_none() {
            return Ok(all);
        }
        if next == token {
            let message = "the same page token came twice".to_owned();
            return Err(Error { action, kind: Kind::Refused, message });
        }
        token = next;
    }
}
