//! Atomics that count the exchanges that fail.

use super::FAILED_EXCHANGES;
use std::ops::Deref;
use std::sync::atomic as native;

pub(crate) use native::{AtomicBool, AtomicU16, Ordering, compiler_fence, fence};

macro_rules! exchanges {
    ($Value:ty: $($exchange:ident),+) => {$(
        pub(crate) fn $exchange(
            &self,
            current: $Value,
            new: $Value,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$Value, $Value> {
            self.0.$exchange(current, new, success, failure).inspect_err(note)
        }
    )+};
}

macro_rules! counted {
    ($name:ident $(<$T:ident>)?, $Value:ty) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name $(<$T>)? (native::$name $(<$T>)?);

        #[allow(dead_code, reason = "not every width needs both exchanges")]
        impl $(<$T>)? $name $(<$T>)? {
            pub(crate) const fn new(value: $Value) -> Self {
                Self(native::$name::new(value))
            }

            exchanges!($Value: compare_exchange, compare_exchange_weak);
        }

        impl $(<$T>)? Deref for $name $(<$T>)? {
            type Target = native::$name $(<$T>)?;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    };
}

counted!(AtomicPtr<T>, *mut T);
counted!(AtomicU32, u32);
counted!(AtomicU64, u64);
counted!(AtomicUsize, usize);

fn note<T>(_found: &T) {
    FAILED_EXCHANGES.fetch_add(1, Ordering::Relaxed);
}
