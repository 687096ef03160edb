//! What is known of one snapshot: what it truly is, what its tags say, and since when.

use super::Who;
use super::history::{History, Moment, Window};
use super::place::Origin;
use super::tags::{self, Due};
use crate::truth::{self, State, Tags};
use chrono::{DateTime, NaiveDate, Utc};

/// A snapshot.
#[derive(Debug)]
pub(super) struct Snap {
    /// The volume whose data it holds.
    pub(super) of: Origin,
    /// The snapshot of which it is a copy.
    pub(super) copy_of: Option<Origin>,
    pub(super) begun: DateTime<Utc>,
    /// Who made it.
    pub(super) who: Who,
    /// The last run that asked for its deletion.
    pub(super) asked: Option<u32>,
    pub(super) gone: Option<Moment>,
    pub(super) state: History<State>,
    pub(super) tags: History<Tags>,
    pub(super) locked: History<bool>,
    /// Whether an image uses it.
    pub(super) imaged: History<bool>,
    /// What its tags say now.
    pub(super) read: Read,
}

/// What the tags of a snapshot say.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) automated: bool,
    /// Whether they tell of the volume of which it truly is, and of a copy that it is one.
    pub(super) sound: bool,
    /// Whether they tell of the primary of which it truly is a copy.
    pub(super) names_primary: bool,
    /// Of which volume they tell.
    pub(super) claimed: Option<Origin>,
    /// The origin region and `Backup_Run`.
    pub(super) key: Option<(String, String)>,
    /// The instant of the backup.
    pub(super) taken: DateTime<Utc>,
    /// The volumes that belong together with it, where `Source_Devices` tells.
    pub(super) set: Option<Vec<String>>,
    pub(super) instance: Option<String>,
}

impl Snap {
    pub(super) fn new(it: &truth::Snapshot, place: &str, who: Who, at: Moment) -> Self {
        Self {
            of: it.of.clone(),
            copy_of: it.copy_of.clone(),
            begun: it.begun,
            who,
            asked: None,
            gone: None,
            state: History::new(at, it.state),
            tags: History::new(at, it.tags.clone()),
            locked: History::new(at, it.locked),
            imaged: History::new(at, !it.images.is_empty()),
            read: read(it, place),
        }
    }

    pub(super) fn is_still(&self, it: &truth::Snapshot) -> bool {
        *self.state.now() == it.state
            && *self.locked.now() == it.locked
            && *self.imaged.now() != it.images.is_empty()
            && *self.tags.now() == it.tags
    }

    pub(super) fn change(&mut self, it: &truth::Snapshot, place: &str, at: Moment) {
        self.state.set(at, it.state);
        self.locked.set(at, it.locked);
        self.imaged.set(at, !it.images.is_empty());
        if *self.tags.now() != it.tags {
            self.tags.set(at, it.tags.clone());
            self.read = read(it, place);
        }
    }

    /// Whether it is a primary that was not made by hand.
    pub(super) fn is_primary_of_a_run(&self) -> bool {
        self.copy_of.is_none() && self.who != Who::Operator
    }

    /// Whether it counts as a backup at all: automated, and its tags do not lie.
    pub(super) fn counts(&self) -> bool {
        self.read.automated && self.read.sound
    }

    /// Whether it counts as the copy that its primary asks for.
    pub(super) fn is_counterpart(&self) -> bool {
        self.counts() && self.read.names_primary
    }

    pub(super) fn is_completed(&self) -> bool {
        *self.state.now() == State::Completed
    }

    /// Whether it was there at some time in the window.
    pub(super) fn was_there(&self, window: Window) -> bool {
        self.gone.is_none_or(|gone| !window.covers(gone))
    }

    pub(super) fn due(&self) -> Due {
        tags::due(self.tags.now())
    }

    /// Whether it was automated, and its day had come, throughout.
    pub(super) fn was_due(&self, window: Window, day: NaiveDate) -> bool {
        self.tags.always(window, |it| tags::is_automated(it) && tags::due(it).has_come(day))
    }

    /// Whether it was automated and in `error` throughout, and begun before this.
    pub(super) fn has_failed(&self, window: Window, before: DateTime<Utc>) -> bool {
        self.tags.always(window, tags::is_automated)
            && self.state.always(window, |it| *it == State::Error)
            && self.begun < before
    }

    /// Whether nothing held it throughout.
    pub(super) fn was_free(&self, window: Window) -> bool {
        self.tags.always(window, |it| !tags::is_held(it))
            && self.locked.always(window, |locked| !locked)
            && self.imaged.always(window, |imaged| !imaged)
    }

    /// Whether it was an automated primary throughout, and its tags did not say otherwise.
    pub(super) fn was_primary(&self, window: Window) -> bool {
        self.copy_of.is_none()
            && self.read.sound
            && self.tags.always(window, |it| tags::is_automated(it) && !it.contains_key(tags::SNAPSHOT))
    }
}

fn read(it: &truth::Snapshot, place: &str) -> Read {
    let get = |key: &str| tags::get(&it.tags, key);
    let claimed = match (get(tags::SNAPSHOT), &it.copy_of) {
        (Some(_), _) => get(tags::REGION).zip(get(tags::VOLUME)).map(|(region, id)| (region.to_owned(), id.to_owned())),
        (None, None) => Some((place.to_owned(), it.of.1.clone())),
        (None, Some(_)) => None,
    };
    let primary = it.copy_of.as_ref().map(|(_, id)| id.as_str());
    Read {
        automated: tags::is_automated(&it.tags),
        sound: claimed.as_ref() == Some(&it.of) && get(tags::SNAPSHOT).is_some() == primary.is_some(),
        names_primary: get(tags::SNAPSHOT) == primary,
        claimed,
        key: get(tags::BACKUP_RUN).map(|run| (it.of.0.clone(), run.to_owned())),
        taken: tags::run_instant(&it.tags).unwrap_or(it.begun),
        set: tags::layout(&it.tags)
            .map(|devices| devices.into_iter().filter(|it| !it.excluded).map(|it| it.volume).collect()),
        instance: get(tags::INSTANCE).map(str::to_owned),
    }
}
