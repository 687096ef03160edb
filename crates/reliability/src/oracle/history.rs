//! Since when something has been so, and what was so within a stretch of time.

use chrono::{DateTime, Utc};

/// A point in the order of all that happens: several things may happen at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// The true instant.
    pub(super) at: DateTime<Utc>,
    /// The place among all that happened.
    pub(super) order: u64,
}

/// From the oldest state that a run's readings may show until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    from: DateTime<Utc>,
    order: u64,
}

impl Window {
    /// From `from`, and not later than the moment at which the run began.
    pub(super) fn new(from: DateTime<Utc>, began: Moment) -> Self {
        Self { from, order: began.order }
    }

    /// Whether what came to be so then was so when the window opened.
    pub(super) fn covers(self, since: Moment) -> bool {
        since.at <= self.from && since.order <= self.order
    }
}

/// A value that changes, with all that it was before.
#[derive(Clone, Debug)]
pub(super) struct History<T> {
    past: Vec<(Moment, T)>,
    now: (Moment, T),
}

impl<T: PartialEq> History<T> {
    /// It begins.
    pub(super) fn new(at: Moment, value: T) -> Self {
        Self { past: Vec::new(), now: (at, value) }
    }

    /// It is this from now on.
    pub(super) fn set(&mut self, at: Moment, value: T) {
        if self.now.1 != value {
            let before = std::mem::replace(&mut self.now, (at, value));
            self.past.push(before);
        }
    }

    /// What it is.
    pub(super) fn now(&self) -> &T {
        &self.now.1
    }

    /// Since when it is that.
    pub(super) fn since(&self) -> Moment {
        self.now.0
    }

    /// All that it was at some time in the window, the latest first.
    pub(super) fn within(&self, window: Window) -> impl Iterator<Item = &T> {
        let mut over = false;
        std::iter::once(&self.now)
            .chain(self.past.iter().rev())
            .take_while(move |(since, _)| {
                let take = !over;
                over = window.covers(*since);
                take
            })
            .map(|(_, value)| value)
    }

    /// All that it ever was, the latest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.now).chain(self.past.iter().rev()).map(|(_, value)| value)
    }

    /// Whether it was there and such throughout the window.
    pub(super) fn always(&self, window: Window, such: impl FnMut(&T) -> bool) -> bool {
        self.existed(window) && self.within(window).all(such)
    }

    /// Whether it was such at some time in the window.
    pub(super) fn ever(&self, window: Window, such: impl FnMut(&T) -> bool) -> bool {
        self.within(window).any(such)
    }

    /// Whether it was there when the window opened.
    pub(super) fn existed(&self, window: Window) -> bool {
        window.covers(self.past.first().map_or(self.now.0, |(first, _)| *first))
    }

    /// Since when without a break it has been such; `None` if it is not.
    pub(super) fn such_since(&self, such: impl Fn(&T) -> bool) -> Option<Moment> {
        let backwards = std::iter::once(&self.now).chain(self.past.iter().rev());
        backwards.take_while(|(_, value)| such(value)).map(|(since, _)| *since).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64, order: u64) -> Moment {
        Moment { at: DateTime::from_timestamp(second, 0).unwrap(), order }
    }

    fn window(second: i64, order: u64) -> Window {
        Window::new(at(second, 0).at, at(second, order))
    }

    #[test]
    fn within_a_window_is_all_that_was_so_then() {
        let mut it = History::new(at(0, 0), 'a');
        it.set(at(10, 1), 'b');
        it.set(at(20, 2), 'b');
        it.set(at(20, 3), 'c');
        for (window, expected) in [
            (window(5, 0), "cba"),
            (window(10, 1), "cb"),
            (window(15, 1), "cb"),
            (window(20, 3), "c"),
            // at the same instant, but after the run had begun
            (window(20, 2), "cb"),
        ] {
            assert_eq!(it.within(window).collect::<String>(), expected, "{window:?}");
        }
        assert!(it.always(window(20, 3), |it| *it == 'c') && !it.always(window(15, 1), |it| *it == 'c'));
        assert!(it.ever(window(15, 1), |it| *it == 'b') && !it.ever(window(20, 3), |it| *it == 'b'));
        assert_eq!(it.such_since(|it| *it != 'a'), Some(at(10, 1)));
        assert_eq!(it.such_since(|it| *it == 'a'), None);
    }

    #[test]
    fn what_came_later_was_not_there_throughout() {
        let it = History::new(at(10, 1), 'a');
        assert!(!it.always(window(5, 1), |it| *it == 'a'));
        assert!(it.ever(window(5, 1), |it| *it == 'a'));
        assert!(it.existed(window(10, 1)) && !it.existed(window(10, 0)));
    }
}
