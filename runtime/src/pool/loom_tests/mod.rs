//! Models of what the workers of a core share: the inject list, the word that the holder sleeps
//! by, the way from a verdict to a standby, the watcher's role; of the cores that sleep; and of guests and
//! CPUs that come and go.

mod access;
mod idle;
mod inject;
mod mayday;
mod park;
mod sleepers;
mod standby;
mod usable;
mod watch;
