//! Changing a queue at run time.

use super::attrs::Attrs;
use super::builder::{check_attrs, check_limits};
use super::error::BuildError;
use super::handle::Workqueue;
use std::io;

impl Workqueue {
    /// Changes `max_active`. A higher limit activates inactive items at once; with a lower one those
    /// in progress go on, and no other begins before enough of them are done. Order is kept: new items
    /// queue behind inactive ones.
    ///
    /// # Errors
    ///
    /// The queue is ordered, the limit is 0, or it is less than `min_active`. Nothing has changed
    /// then.
    pub fn set_max_active(&self, max: usize) -> Result<(), BuildError> {
        self.refuse_ordered(&format!("set_max_active({max})"))?;
        let mut admin = self.queue.admin();
        check_limits(Some(max), admin.limits.min)?;
        admin.limits.max = Some(max);
        self.queue.apply_limits(&admin);
        Ok(())
    }

    /// Changes the least part of `max_active` that a NUMA node gets.
    ///
    /// # Errors
    ///
    /// The queue is ordered or bound, the part is 0, or it is more than `max_active`. Nothing has
    /// changed then.
    pub fn set_min_active(&self, min: usize) -> Result<(), BuildError> {
        let setting = format!("set_min_active({min})");
        self.refuse_ordered(&setting)?;
        self.refuse_bound(&setting)?;
        let mut admin = self.queue.admin();
        check_limits(admin.limits.max, Some(min))?;
        admin.limits.min = Some(min);
        self.queue.apply_limits(&admin);
        Ok(())
    }

    /// Changes which workers serve an unbound queue. What is queued goes on where it is; new items go
    /// to the new workers, on an ordered queue after all older items are done. Nothing is lost or
    /// overtakes another.
    ///
    /// # Errors
    ///
    /// The queue is bound, the attributes are impossible, the runtime shuts down, or the operating
    /// system refuses the workers. Nothing has changed then. The scope of an ordered queue is always
    /// [`Scope::System`](super::Scope::System).
    pub fn set_attrs(&self, attrs: Attrs) -> Result<(), BuildError> {
        self.refuse_bound("set_attrs(..)")?;
        check_attrs(&attrs)?;
        let mut admin = self.queue.admin();
        self.queue
            .apply_attrs(&mut admin, attrs)
            .map_err(|error| self.failed("make its new pools", error))
    }

    /// The attributes of an unbound queue; `None` of a bound one.
    pub fn attrs(&self) -> Option<Attrs> {
        let attrs = self.queue.admin().attrs.clone();
        self.queue.common.flags.unbound.then_some(attrs)
    }

    fn failed(&self, what: &str, error: io::Error) -> BuildError {
        BuildError::failed(&self.queue.common.shared, self.name(), what, error)
    }

    fn refuse_ordered(&self, setting: &str) -> Result<(), BuildError> {
        if self.queue.common.flags.ordered {
            return Err(BuildError::config(format!(
                "{setting} contradicts ordered(): an ordered queue has one item in progress"
            )));
        }
        Ok(())
    }

    fn refuse_bound(&self, setting: &str) -> Result<(), BuildError> {
        if !self.queue.common.flags.unbound {
            return Err(BuildError::config(format!(
                "{setting} contradicts bound(): it is a setting of unbound queues"
            )));
        }
        Ok(())
    }
}
