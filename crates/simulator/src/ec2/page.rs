//! Pages: how many results at most, and where to go on.

use crate::wire::error::Error;
use crate::wire::request::Params;
use std::ops::RangeInclusive;

/// Source: the API model; one rule for all describes here that have none of their own, the strictest of theirs.
pub(super) const PAGE_SIZES: RangeInclusive<usize> = 5..=1000;

/// The page that a request asks for.
pub(super) struct Page {
    most: Option<usize>,
    /// The last id of the page before. Going on by id, a page neither repeats nor loses what did not change.
    after: Option<String>,
    fingerprint: u64,
}

impl Page {
    pub(super) fn read(params: &Params, sizes: &RangeInclusive<usize>) -> Result<Page, Error> {
        let most = params.parsed::<usize>("MaxResults")?;
        if let Some(most) = most.filter(|most| !sizes.contains(most)) {
            return Err(Error::invalid(format!(
                "Value ( {most} ) for parameter maxResults is invalid. Expecting a value in {sizes:?}."
            )));
        }
        let fingerprint = params.fingerprint();
        let after = params
            .text("NextToken")
            .map(|token| last_id(token, fingerprint).ok_or_else(|| Error::invalid("Unable to parse pagination token")))
            .transpose()?;
        Ok(Page { most, after, fingerprint })
    }

    pub(super) fn is_limited(&self) -> bool {
        self.most.is_some()
    }

    /// The last id of the page before.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Cuts this page, of this size at most, out of everything, which must come in the order of the ids; and the token
    /// for the next, if any. It takes no more than one result beyond the page.
    pub(super) fn cut<'a, T>(
        &self,
        page_size: usize,
        all: impl IntoIterator<Item = &'a T>,
        id: impl Fn(&T) -> &str,
    ) -> (Vec<&'a T>, Option<String>) {
        // whoever asks for no pages gets none
        let is_paged = self.most.is_some() || self.after.is_some();
        let most = if is_paged { self.most.unwrap_or(usize::MAX).min(page_size.max(1)) } else { usize::MAX };
        let mut rest = all.into_iter().filter(|one| self.after.as_deref().is_none_or(|after| id(one) > after));
        let page: Vec<&T> = rest.by_ref().take(most).collect();
        let more = rest.next().is_some();
        let token = page.last().filter(|_| more).map(|last| token(self.fingerprint, id(last)));
        (page, token)
    }
}

/// The token for what comes after an id in the answer to a query.
pub(crate) fn token(fingerprint: u64, last: &str) -> String {
    let digits = last.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex: String = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect();
    format!("{fingerprint:016x}{hex}")
}

/// What a token says, if it was made for the same query.
pub(crate) fn last_id(token: &str, fingerprint: u64) -> Option<String> {
    let hex = token.strip_prefix(&format!("{fingerprint:016x}"))?;
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let bytes = digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit)).collect();
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use crate::Simulator;
    use crate::testing::{Look as _, Reply, call, simulator_with};

    fn with_volumes(count: usize) -> Simulator {
        with_volumes_on_pages_of(1000, count)
    }

    fn with_volumes_on_pages_of(page_size: usize, count: usize) -> Simulator {
        let sim = simulator_with(|config| config.page_size = page_size);
        for _ in 0..count {
            call(&sim, "us-east-1", "CreateVolume", &[("AvailabilityZone", "us-east-1a"), ("Size", "8")]).ok();
        }
        sim
    }

    fn ask(sim: &Simulator, region: &str, params: &[(&str, &str)]) -> Reply {
        call(sim, region, "DescribeVolumes", params)
    }

    /// Goes through all pages, and checks how many results each has.
    #[track_caller]
    fn check(sim: &Simulator, most: &str, sizes: &[usize]) {
        let mut seen = Vec::new();
        let mut seen_sizes = Vec::new();
        let mut token = None;
        loop {
            let mut params = vec![("MaxResults", most.to_owned())];
            params.extend(token.map(|token| ("NextToken", token)));
            let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let page = ask(sim, "us-east-1", &params).ok();
            seen_sizes.push(page.texts("volumeId").len());
            seen.extend(page.texts("volumeId"));
            token = page.texts("nextToken").pop();
            if token.is_none() {
                break;
            }
        }
        let all: Vec<String> = sim.volumes("123456789012", "us-east-1").into_iter().map(|volume| volume.id).collect();
        assert_eq!(seen, all);
        assert_eq!(seen_sizes, sizes);
    }

    #[tokio::test(start_paused = true)]
    async fn pages_cover_everything_once() {
        check(&with_volumes(12), "5", &[5, 5, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_may_hold_less_than_was_asked_for() {
        let sim = with_volumes_on_pages_of(2, 5);
        check(&sim, "1000", &[2, 2, 1]);
        check(&sim, "5", &[2, 2, 1]);
        assert_eq!(ask(&sim, "us-east-1", &[]).ok().texts("volumeId").len(), 5, "no pages were asked for");
        check(&with_volumes_on_pages_of(0, 2), "5", &[1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_belongs_to_its_query() {
        let sim = with_volumes(6);
        let token = ask(&sim, "us-east-1", &[("MaxResults", "5")]).ok().texts("nextToken").remove(0);
        let again = [("MaxResults", "5"), ("NextToken", token.as_str())];
        assert_eq!(ask(&sim, "us-east-1", &again).ok().texts("volumeId").len(), 1);
        assert_eq!(ask(&sim, "us-west-2", &again).code(), "InvalidParameterValue");
        let filtered = [("NextToken", token.as_str()), ("Filter.1.Name", "status"), ("Filter.1.Value.1", "available")];
        assert_eq!(ask(&sim, "us-east-1", &filtered).code(), "InvalidParameterValue");
        assert_eq!(ask(&sim, "us-east-1", &[("NextToken", "garbage")]).code(), "InvalidParameterValue");
    }

    #[tokio::test(start_paused = true)]
    async fn page_sizes_are_bounded() {
        let sim = with_volumes(0);
        for (most, status) in [("4", 400), ("5", 200), ("1000", 200), ("1001", 400), ("-1", 400)] {
            assert_eq!(ask(&sim, "us-east-1", &[("MaxResults", most)]).status, status, "{most}");
        }
    }
}
