//! pool_workqueues of an unbound queue on two nodes that the machine need not have. The test is
//! the only worker of their pools.

use super::Workqueue;
use super::nodes::{Limits, Node};
use super::pwq::{Gate, Parts, PoolWorkqueue};
use super::slots::Kind;
use super::ticket::Ticket;
use crate::pool::{PoolKind, WorkerPool};
use crate::runtime::{Builder, Runtime};
use crate::sys::affinity::CpuSet;
use crate::task::mock::Mock;
use crate::task::{Id, Notified};
use crate::topology::Topology;
use proptest::prelude::*;
use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Weak};

/// CPUs 0 to 5 on node 0, 6 and 7 on node 1.
fn topology() -> Topology {
    let root = tempfile::tempdir().unwrap();
    let system = root.path().join("sys/devices/system");
    let files = [
        ("cpu/online", "0-7"),
        ("node/online", "0-1"),
        ("node/node0/cpulist", "0-5"),
        ("node/node1/cpulist", "6-7"),
    ];
    for (path, content) in files {
        let path = system.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
    }
    let topology = Topology::read(root.path());
    assert_eq!([0, 1].map(|node| topology.node_cpus(node).len()), [6, 2]);
    topology
}

/// Two pool_workqueues on each of two nodes.
struct Machine {
    topology: Topology,
    nodes: Vec<Arc<Node>>,
    pwqs: Vec<Arc<PoolWorkqueue>>,
    pools: Vec<Arc<WorkerPool>>,
    mock: Mock,
    /// Of the tasks in flight: its pool_workqueue, its number there, and its ticket.
    tickets: HashMap<Id, (usize, usize, Box<Ticket>)>,
    admitted: [usize; 4],
    running: [Vec<Notified>; 4],
    /// What began, in order: pool_workqueue and number.
    begun: Vec<(usize, usize)>,
    _queue: Workqueue,
    _runtime: Runtime,
}

impl Machine {
    fn new(max: usize, min: usize) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let queue = Workqueue::builder().unbound().build_on(runtime.handle()).unwrap();
        let nodes: Vec<_> = (0..2).map(|id| Arc::new(Node::new(id))).collect();
        let pools: Vec<_> =
            (0..4).map(|number| Arc::new(WorkerPool::bound(PoolKind::Normal, number, 0))).collect();
        let pwqs = pools.iter().enumerate().map(|(number, pool)| {
            PoolWorkqueue::new(Parts {
                common: queue.queue.common.clone(),
                queue: Weak::new(),
                pool: Box::new(pool.clone()),
                gate: Gate::Node(nodes[number / 2].clone()),
                max_active: None,
                is_plugged: false,
                is_frozen: false,
                drains: 0,
            })
        });
        let machine = Self {
            topology: topology(),
            pwqs: pwqs.collect(),
            nodes,
            pools,
            mock: Mock::new(),
            tickets: HashMap::new(),
            admitted: [0; 4],
            running: Default::default(),
            begun: Vec::new(),
            _queue: queue,
            _runtime: runtime,
        };
        machine.share_out(max, min);
        machine
    }

    fn share_out(&self, max: usize, min: usize) {
        let cpus: CpuSet = (0..8).collect();
        let limits = Limits { max: Some(max), min: Some(min) };
        limits.share_out(&self.nodes, &self.topology, &cpus);
        self.nodes.iter().for_each(|node| PoolWorkqueue::share_slots(node));
    }

    fn admit(&mut self, pwq: usize) {
        let (task, _detached) = self.mock.task(async {});
        let (id, ticket) = (task.id(), Box::new(Ticket::default()));
        let admitted = self.pwqs[pwq].admit(task, &ticket, Kind::Future);
        assert!(admitted.is_ok(), "the queue neither drains nor is destroyed");
        self.tickets.insert(id, (pwq, self.admitted[pwq], ticket));
        self.admitted[pwq] += 1;
    }

    /// Takes what is in the pools.
    fn work(&mut self) {
        for (number, pool) in self.pools.iter().enumerate() {
            while let Some(task) = pool.worklist.pop() {
                let (pwq, place, _) = &self.tickets[&task.id()];
                assert_eq!(*pwq, number, "on its own pool");
                self.begun.push((number, *place));
                self.running[number].push(task);
            }
        }
    }

    fn finish(&mut self, pwq: usize) -> bool {
        let Some(task) = self.running[pwq].pop() else { return false };
        let (_, _, ticket) = self.tickets.remove(&task.id()).expect("it is in flight");
        task.run();
        self.pwqs[pwq].finish(&ticket);
        true
    }

    fn running_on(&self, node: usize) -> usize {
        self.running[2 * node].len() + self.running[2 * node + 1].len()
    }

    fn waiting_on(&self, node: usize) -> usize {
        let in_flight: usize = [0, 1].map(|i| self.pwqs[2 * node + i].in_flight()).iter().sum();
        in_flight - self.running_on(node)
    }
}

#[test]
fn pool_workqueues_of_a_node_take_turns() {
    // Node 1 has a quarter of the CPUs.
    let mut machine = Machine::new(4, 1);
    // The first begins at once, and the others wait.
    (0..4).for_each(|_| machine.admit(2));
    (0..3).for_each(|_| machine.admit(3));
    machine.work();
    while machine.finish(2) || machine.finish(3) {
        machine.work();
    }
    assert_eq!(machine.begun, [(2, 0), (2, 1), (3, 0), (2, 2), (3, 1), (2, 3), (3, 2)]);
}

#[test]
fn a_changed_limit_is_shared_out_again() {
    let mut machine = Machine::new(4, 1);
    (0..4).for_each(|pwq| (0..10).for_each(|_| machine.admit(pwq)));
    machine.work();
    assert_eq!([0, 1].map(|node| machine.running_on(node)), [3, 1]);
    machine.share_out(16, 1);
    machine.work();
    assert_eq!([0, 1].map(|node| machine.running_on(node)), [12, 4]);
    machine.share_out(4, 1);
    assert!(machine.finish(2));
    machine.work();
    assert_eq!(machine.running_on(1), 3, "nothing begins before enough are done");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// On each node no more is in progress than its part, nothing waits beside a free slot, and
    /// each pool_workqueue begins its items in order.
    #[test]
    fn nodes_keep_to_their_parts(
        max in 1..12_usize,
        steps in prop::collection::vec((any::<bool>(), 0..4_usize), 0..120),
    ) {
        let min = max.div_ceil(3);
        let mut machine = Machine::new(max, min);
        let parts = [6, 2].map(|cpus| (max * cpus).div_ceil(8).clamp(min, max));
        for (admits, pwq) in steps {
            if admits {
                machine.admit(pwq);
            } else {
                machine.finish(pwq);
            }
            machine.work();
            for (node, part) in parts.into_iter().enumerate() {
                let running = machine.running_on(node);
                prop_assert!(running <= part, "{running} of {part}");
                prop_assert!(running == part || machine.waiting_on(node) == 0, "one waits for ever");
            }
        }
        for pwq in 0..4 {
            let own = machine.begun.iter().filter(|begun| begun.0 == pwq).map(|begun| begun.1);
            prop_assert!(own.clone().eq(0..own.count()), "in order");
        }
    }
}

/// A pool that tells, when it is given back, whether the lock of the node is held.
struct Tells {
    pool: Arc<WorkerPool>,
    node: Arc<Node>,
    seen: std::sync::mpsc::Sender<bool>,
}

impl std::ops::Deref for Tells {
    type Target = WorkerPool;

    fn deref(&self) -> &WorkerPool {
        &self.pool
    }
}

impl Drop for Tells {
    fn drop(&mut self) {
        self.seen.send(self.node.is_locked()).unwrap();
    }
}

/// The list of a node may have the last reference to a pool_workqueue that was replaced, if its items
/// were taken back.
#[test]
fn a_pool_is_not_given_back_under_the_lock_of_the_node() {
    let mut machine = Machine::new(1, 1);
    let (seen, was_locked) = std::sync::mpsc::channel();
    let (pool, node) = (machine.pools[1].clone(), machine.nodes[0].clone());
    let pwq = PoolWorkqueue::new(Parts {
        common: machine.pwqs[1].common.clone(),
        queue: Weak::new(),
        pool: Box::new(Tells { pool, node: node.clone(), seen }),
        gate: Gate::Node(node),
        max_active: None,
        is_plugged: false,
        is_frozen: false,
        drains: 0,
    });
    machine.admit(0);
    machine.work();
    let ((task, _handle), ticket) = (machine.mock.task(async {}), Ticket::default());
    assert!(pwq.admit(task, &ticket, Kind::Future).is_ok());
    let (task, aftermath) = pwq.withdraw(&ticket).expect("it is inactive");
    pwq.settle(aftermath);
    task.run();
    drop(pwq);
    assert!(was_locked.try_recv().is_err(), "the node still knows it");
    assert!(machine.finish(0));
    assert_eq!(was_locked.try_recv(), Ok(false));
}
