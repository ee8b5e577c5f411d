//! Does a queue have more than it may work on?

use super::handle::Workqueue;
use super::queue::Place;

impl Workqueue {
    /// Are there items that the limit holds back, on the pool near the caller? The kernel's
    /// `workqueue_congested`.
    ///
    /// A hint, for those who would rather do less than queue more: the answer may be old when it
    /// arrives, and other pools of the queue may be free.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::Workqueue;
    ///
    /// # #[cmwq::main]
    /// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
    /// let queue = Workqueue::builder().ordered().build()?;
    /// let first = queue.spawn(std::future::pending::<()>());
    /// assert!(!queue.is_congested());
    /// let second = queue.spawn(async {});
    /// assert!(queue.is_congested());
    /// first.abort();
    /// second.await.unwrap();
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_congested(&self) -> bool {
        self.queue.with_pwq(Place::Local, |pwq| pwq.is_congested())
    }

    /// As [`is_congested`](Self::is_congested), of the pool that serves a CPU; `false` if the queue
    /// has no such CPU.
    pub fn is_congested_on(&self, cpu: usize) -> bool {
        let place = Place::Cpu(cpu);
        self.queue.knows(place) && self.queue.with_pwq(place, |pwq| pwq.is_congested())
    }
}
