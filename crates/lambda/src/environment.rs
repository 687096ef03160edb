//! The environment's variables, whatever bytes they hold.

/// Every variable, what is not UTF-8 replaced: a foreign variable must not stop a run, and one of ours is refused for its
/// value.
pub fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}
