//! Models of what the workers of a core share: the inject list, the word that the holder sleeps
//! by, and the way from a verdict to a standby.

mod inject;
mod park;
mod standby;
