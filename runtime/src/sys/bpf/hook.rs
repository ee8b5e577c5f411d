//! The loaded program and its maps.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::bell::{Bell, Ring};
use super::btf::Btf;
use super::call;
use super::places::Places;
use super::program::{
    BELL_TABLE, BELLS, LISTINGS, Maps, Process, SLOT_SIZE, SLOT_TABLE, SLOTS, Site, assemble,
};
use super::refusal::{explain, explain_btf, explain_site};
use crate::unpoison::Unpoison;

/// The program of this process, attached for as long as somebody has it.
pub struct Hook {
    /// Open as long as the program is to run.
    _link: OwnedFd,
    site: Site,
    process: Process,
    listings: OwnedFd,
    table: NonNull<u8>,
    places: Places,
    bells: OwnedFd,
    rings: Mutex<Rings>,
}

// SAFETY: the table is not tied to a thread, lives as long as the hook, and its words are accessed as
// atomics only.
unsafe impl Send for Hook {}
// SAFETY: as above.
unsafe impl Sync for Hook {}

/// Bells that nobody has, and how many there are.
#[derive(Default)]
struct Rings {
    free: Vec<Ring>,
    made: u32,
}

const TABLE_SIZE: usize = (SLOTS * SLOT_SIZE) as usize;

impl Hook {
    /// The hook of this process; loads it if nobody has it.
    ///
    /// # Errors
    ///
    /// With a message that says which permission or which part of the kernel is missing.
    pub fn shared() -> io::Result<Arc<Hook>> {
        static SHARED: Mutex<Weak<Hook>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unpoison();
        // A forked child inherits that of its parent, which looks for other thread ids.
        let own = |hook: &Arc<Hook>| hook.process.id == std::process::id();
        if let Some(hook) = shared.upgrade().filter(own) {
            return Ok(hook);
        }
        let hook = Arc::new(Hook::load(&[Site::entry, Site::switch])?);
        *shared = Arc::downgrade(&hook);
        Ok(hook)
    }

    /// Loads a program for the first of the tracepoints that the kernel has.
    pub(super) fn load(sites: &[fn(&Btf) -> Option<Site>]) -> io::Result<Hook> {
        // First what says most about a process that may not do any of this.
        let listings = call::create_map(LISTINGS, None).map_err(|e| explain("make a map", e))?;
        let more = |error| explain("make its maps", error);
        let slots = call::create_map(SLOT_TABLE, None).map_err(more)?;
        let example = Ring::map().map_err(more)?;
        let bells = call::create_map(BELL_TABLE, Some(example.as_fd())).map_err(more)?;

        let process = Process::this()
            .map_err(|error| explain("look at /proc/self/ns/pid, which needs /proc", error))?;
        let btf = Btf::of_kernel().map_err(explain_btf)?;
        let site = sites.iter().find_map(|site| site(&btf)).ok_or_else(explain_site)?;
        let maps = Maps { listings: listings.as_fd(), slots: slots.as_fd(), bells: bells.as_fd() };
        let program = call::load_program(&assemble(site, process, maps), site.btf_id)
            .map_err(|error| explain("load its program", error))?;

        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let table = unsafe { mmap(null_mut(), TABLE_SIZE, prot, MapFlags::SHARED, &slots, 0) }
            .map_err(|error| explain("map its table", error.into()))?;
        let table = NonNull::new(table.cast()).expect("mmap does not return address 0");
        // The program keeps the maps, and the link keeps the program.
        let link = call::attach(program.as_fd()).map_err(|error| {
            unmap(table);
            explain("attach its program", error)
        })?;
        let (places, rings) = (Places::new(SLOTS), Mutex::default());
        Ok(Hook { _link: link, site, process, listings, table, places, bells, rings })
    }

    /// So many bells, one for each core. Some 10 ms if the hook has to make any.
    ///
    /// # Errors
    ///
    /// If there would be more than 1024 in the process, or what the kernel says.
    pub fn bells(self: &Arc<Self>, count: usize) -> io::Result<Vec<Bell>> {
        let mut rings = self.rings();
        let missing = count.saturating_sub(rings.free.len());
        if missing > (BELLS - rings.made) as usize {
            return Err(io::Error::other(format!(
                "the bpf program serves {BELLS} cores, of all runtimes of the process"
            )));
        }
        if missing > 0 {
            let numbers: Vec<u32> = (rings.made..).take(missing).collect();
            let new = numbers.iter().map(|&n| Ring::new(n)).collect::<io::Result<Vec<_>>>()?;
            let fds: Vec<u32> = new.iter().map(|ring| ring.map.as_raw_fd() as u32).collect();
            // SAFETY: the table of bells was made with keys and values of 4 bytes.
            unsafe { call::set_elements(self.bells.as_fd(), &numbers, &fds)? };
            rings.made += missing as u32;
            rings.free.extend(new);
        }
        let kept = rings.free.len() - count;
        let bell = |ring| Bell { hook: self.clone(), ring: Some(ring) };
        Ok(rings.free.drain(kept..).map(bell).collect())
    }

    pub(super) fn take_back(&self, ring: Ring) {
        self.rings().free.push(ring);
    }

    pub(super) fn listings(&self) -> &OwnedFd {
        &self.listings
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// The table of slots.
    #[inline]
    pub(super) fn table(&self) -> NonNull<u8> {
        self.table
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unpoison()
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        unmap(self.table);
    }
}

/// Gives back the table that `Hook::load` has mapped, and to which no reference is left.
fn unmap(table: NonNull<u8>) {
    // SAFETY: as the callers promise; it fails only for a range that is not page-aligned.
    let _ = unsafe { munmap(table.as_ptr().cast(), TABLE_SIZE) };
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("tracepoint", &self.site.name).finish_non_exhaustive()
    }
}
