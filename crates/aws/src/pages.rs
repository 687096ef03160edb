//! Lists come in pages.

use std::future::Future;

use futures::{
    StreamExt,
    stream::{self, LocalBoxStream},
};

use crate::error::{Error, Kind};

/// Reads page after page until there is no token.
pub(crate) async fn pages<T>(
    action: &'static str,
    mut page: impl AsyncFnMut(Option<String>) -> Result<(Vec<T>, Option<String>), Error>,
) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let (items, next) = page(token.clone()).await?;
        all.extend(items);
        token = after(action, token, next)?;
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// The same one by one, so that nobody needs to hold them all.
pub(crate) fn by_page<'a, T: 'a, F>(
    action: &'static str,
    mut page: impl FnMut(Option<String>) -> F + 'a,
) -> LocalBoxStream<'a, Result<Vec<T>, Error>>
where
    F: Future<Output = Result<(Vec<T>, Option<String>), Error>> + 'a,
{
    // the token of the page to read, where there is one to read
    let first = Some(None::<String>);
    stream::try_unfold(first, move |token| {
        let reading = token.map(|token| (page(token.clone()), token));
        async move {
            let Some((page, token)) = reading else { return Ok::<_, Error>(None) };
            let (items, next) = page.await?;
            Ok(Some((items, after(action, token, next)?.map(Some))))
        }
    })
    .boxed_local()
}

/// The token of the next page, where there is one. A token that comes again would go round for ever: an error.
fn after(action: &'static str, token: Option<String>, next: Option<String>) -> Result<Option<String>, Error> {
    let next = next.filter(|next| !next.is_empty());
    if next.is_some() && next == token {
        let message = "the same page token came twice".to_owned();
        return Err(Error { action, kind: Kind::Refused, message });
    }
    Ok(next)
}
