import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.VersionedValue;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.data.Stat;

/**
 * Workers of every recipe on a few shared clients while the server is killed and restarted at random moments.
 * Each verdict says what the recipe promises and no more: a reply lost with the connection may repeat or lose
 * one step of a recipe without protection, so those bounds count the connection losses.
 */
final class Storm {
    private interface Body {
        void run() throws Exception;
    }

    private interface Verdict {
        String judge(List<String> problems) throws Exception;
    }

    private record Recipe(String name, List<String> problems, Verdict verdict) {
    }

    private final Site site;
    private final Random random;
    private final List<CuratorFramework> clients = new ArrayList<>();
    private final List<Thread> threads = new ArrayList<>();
    private final List<Recipe> recipes = new ArrayList<>();
    private final AtomicInteger losses = new AtomicInteger();
    private final AtomicInteger lostSessions = new AtomicInteger();
    private volatile boolean over;

    Storm(Site site, long seed) throws Exception {
        this.site = site;
        this.random = new Random(seed);
        for (int i = 0; i < 4; ++i) {
            clients.add(newClient());
        }
    }

    private CuratorFramework newClient() throws Exception {
        CuratorFramework client = site.client(30000, site.address);
        client.getConnectionStateListenable().addListener((c, state) -> {
            if (state == ConnectionState.SUSPENDED) {
                losses.incrementAndGet();
            } else if (state == ConnectionState.LOST) {
                lostSessions.incrementAndGet();
            }
        });
        return client;
    }

    void run(int rounds) throws Exception {
        mutex();
        exclusive("semaphore_mutex", i -> new InterProcessSemaphoreMutex(clients.get(i), site.root + "/semmutex"));
        exclusive("multi_lock", i -> new InterProcessMultiLock(clients.get(i),
                List.of(site.root + "/multi-a", site.root + "/multi-b")));
        readWriteLock();
        semaphore();
        leaderLatch();
        leaderSelector();
        barrier();
        simpleQueue();
        distributedQueue();
        counters();
        membership();
        caches();

        long began = System.nanoTime();
        Driver.ask("@storm " + rounds);
        String calm = Driver.ask("@calm");
        List<String> problems = new ArrayList<>();
        for (CuratorFramework client : clients) {
            if (!client.blockUntilConnected(Driver.RECONNECT_SECONDS, TimeUnit.SECONDS)) {
                problems.add("a client did not reconnect");
            }
        }
        Thread.sleep(500);
        over = true;
        for (Thread thread : threads) {
            thread.join(20000);
            if (thread.isAlive()) {
                problems.add(thread.getName() + " is stuck");
                for (StackTraceElement frame : thread.getStackTrace()) {
                    System.err.println(thread.getName() + " " + frame);
                }
            }
        }
        if (lostSessions.get() > 0 && !Driver.ON_JAVA) {
            problems.add(lostSessions + " sessions were lost");
        }
        report("sessions", began, problems, calm + " rounds, " + losses + " connection losses");
        for (Recipe recipe : recipes) {
            began = System.nanoTime();
            String note = "";
            try {
                note = recipe.verdict().judge(recipe.problems());
            } catch (Exception | AssertionError failure) {
                recipe.problems().add(failure.toString());
            }
            report(recipe.name(), began, recipe.problems(), note);
        }
    }

    private void report(String name, long began, List<String> problems, String note) {
        if (!problems.isEmpty() && lostSessions.get() > 0 && Driver.ON_JAVA) {
            Driver.say("@skip storm." + name + " a session was lost to Java's start (see README): " + problems.get(0));
            return;
        }
        Driver.report("storm." + name, began,
                problems.isEmpty() ? null : new AssertionError(String.join("; ", problems)), note);
    }

    private List<String> recipe(String name, Verdict verdict) {
        List<String> problems = Collections.synchronizedList(new ArrayList<>());
        recipes.add(new Recipe(name, problems, verdict));
        return problems;
    }

    /** Repeats the body until the storm is over. Connection loss is the storm; anything else is a finding. */
    private void loop(String name, List<String> problems, Body body) {
        Thread thread = new Thread(() -> {
            while (!over) {
                try {
                    body.run();
                    Thread.sleep(20);
                } catch (KeeperException.ConnectionLossException loss) {
                    losses.incrementAndGet();
                } catch (IllegalArgumentException lossInDisguise) {
                    // Curator's nested retry loops hide a loss behind a null path (seen against Java's server too).
                    if (!"Path cannot be null".equals(lossInDisguise.getMessage())) {
                        problems.add(lossInDisguise.toString());
                        return;
                    }
                    losses.incrementAndGet();
                } catch (Throwable failure) {
                    failure.printStackTrace();
                    problems.add(failure.toString());
                    return;
                }
            }
        }, "storm." + name);
        thread.setDaemon(true);
        threads.add(thread);
        thread.start();
    }

    // ---- locks

    private void mutex() throws Exception {
        Guard guard = new Guard(1);
        AtomicInteger sections = new AtomicInteger();
        String counter = site.root + "/mutex-counter";
        clients.get(0).create().creatingParentsIfNeeded().forPath(counter, Calm.bytes("0 start"));
        List<String> problems = recipe("mutex", found -> {
            found.addAll(guard.violations);
            String value = Calm.text(clients.get(0).getData().forPath(counter)).split(" ")[0];
            Site.equal(Integer.parseInt(value), sections.get(), "the counter in the tree");
            return sections + " sections";
        });
        for (int i = 0; i < 3; ++i) {
            CuratorFramework client = clients.get(i);
            String me = "holder-" + i;
            loop("mutex", problems, () -> {
                InterProcessMutex lock = new InterProcessMutex(client, site.root + "/mutex");
                lock.acquire();
                try {
                    String first = Collections.min(lock.getParticipantNodes(),
                            java.util.Comparator.comparing((String path) -> path.substring(path.length() - 10)));
                    // The parent is a container and its sequence starts again, so the zxid is the token.
                    guard.enter(client.checkExists().forPath(first).getCzxid());
                    Stat stat = new Stat();
                    String[] value = Calm.text(client.getData().storingStatIn(stat).forPath(counter)).split(" ");
                    String next = (Integer.parseInt(value[0]) + 1) + " " + me + "-" + System.nanoTime();
                    try {
                        client.setData().withVersion(stat.getVersion()).forPath(counter, Calm.bytes(next));
                    } catch (KeeperException.BadVersionException conflict) {
                        if (!Calm.text(client.getData().forPath(counter)).equals(next)) {  // else: a lost reply
                            problems.add("someone else wrote while the lock was held");
                        }
                    }
                    sections.incrementAndGet();
                } finally {
                    guard.leave();
                    lock.release();
                }
            });
        }
    }

    private interface MakeLock {
        InterProcessLock of(int i);
    }

    private void exclusive(String name, MakeLock make) {
        Guard guard = new Guard(1);
        List<String> problems = recipe(name, found -> {
            found.addAll(guard.violations);
            return guard.entries + " sections";
        });
        for (int i = 0; i < 3; ++i) {
            int number = i;
            loop(name, problems, () -> {
                InterProcessLock lock = make.of(number);
                lock.acquire();
                guard.enter();
                Thread.sleep(10);
                guard.leave();
                lock.release();
            });
        }
    }

    private void readWriteLock() {
        int[] inside = new int[2];
        AtomicInteger sections = new AtomicInteger();
        List<String> problems = recipe("read_write_lock", found -> sections + " sections");
        for (int i = 0; i < 4; ++i) {
            int kind = i == 0 ? 1 : 0;
            CuratorFramework client = clients.get(i % 3);
            loop("read_write_lock", problems, () -> {
                InterProcessReadWriteLock both = new InterProcessReadWriteLock(client, site.root + "/rw");
                InterProcessMutex lock = kind == 1 ? both.writeLock() : both.readLock();
                lock.acquire();
                synchronized (inside) {
                    ++inside[kind];
                    if (inside[1] > 1 || (inside[1] == 1 && inside[0] > 0)) {
                        problems.add("readers " + inside[0] + ", writers " + inside[1]);
                    }
                }
                Thread.sleep(20);
                synchronized (inside) {
                    --inside[kind];
                }
                sections.incrementAndGet();
                lock.release();
            });
        }
    }

    private void semaphore() {
        Guard guard = new Guard(2);
        List<String> problems = recipe("semaphore_v2", found -> {
            found.addAll(guard.violations);
            return guard.entries + " sections";
        });
        for (CuratorFramework client : clients.subList(0, 3)) {
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, site.root + "/semaphore", 2);
            loop("semaphore_v2", problems, () -> {
                Lease lease = semaphore.acquire();
                guard.enter();
                Thread.sleep(20);
                guard.leave();
                semaphore.returnLease(lease);
            });
        }
    }

    // ---- elections

    private void leaderLatch() throws Exception {
        List<LeaderLatch> latches = new ArrayList<>();
        for (CuratorFramework client : clients.subList(0, 3)) {
            latches.add(site.keep(new LeaderLatch(client, site.root + "/latch")));
            latches.get(latches.size() - 1).start();
        }
        AtomicInteger led = new AtomicInteger();
        int[] together = new int[1];
        List<String> problems = recipe("leader_latch", found -> {
            Site.eventually("one leader", () -> latches.stream().filter(LeaderLatch::hasLeadership).count() == 1
                    && latches.get(0).getParticipants().size() == 3);
            return led + " samples with a leader";
        });
        // The latches are read one after another, so only what lasts counts.
        loop("leader_latch", problems, () -> {
            long leaders = latches.stream().filter(LeaderLatch::hasLeadership).count();
            led.addAndGet(leaders == 1 ? 1 : 0);
            together[0] = leaders > 1 ? together[0] + 1 : 0;
            if (together[0] == 3) {
                problems.add(leaders + " leaders at once");
            }
        });
    }

    private void leaderSelector() {
        Guard guard = new Guard(1);
        recipe("leader_selector", found -> {
            found.addAll(guard.violations);
            int before = guard.entries;
            Site.eventually("someone leads again", () -> guard.entries > before);
            return guard.entries + " terms";
        });
        for (CuratorFramework client : clients.subList(0, 3)) {
            LeaderSelector selector = site.keep(new LeaderSelector(client, site.root + "/selector",
                    new LeaderSelectorListenerAdapter() {
                        @Override
                        public void takeLeadership(CuratorFramework c) throws Exception {
                            guard.enter();
                            try {
                                Thread.sleep(50);
                            } finally {
                                guard.leave();
                            }
                        }
                    }));
            selector.autoRequeue();
            selector.start();
        }
    }

    // ---- barriers

    private void barrier() {
        AtomicInteger released = new AtomicInteger();
        List<String> problems = recipe("barrier", found -> released + " releases");
        String path = site.root + "/barrier";
        loop("barrier", problems, () -> {
            DistributedBarrier setter = new DistributedBarrier(clients.get(0), path);
            setter.setBarrier();
            List<Thread> waiters = new ArrayList<>();
            for (int i = 1; i < 3; ++i) {
                CuratorFramework client = clients.get(i);
                Thread waiter = new Thread(() -> {
                    while (true) {
                        try {
                            new DistributedBarrier(client, path).waitOnBarrier();
                            released.incrementAndGet();
                            return;
                        } catch (KeeperException.ConnectionLossException again) {
                            // Ask again, as its user would.
                        } catch (Exception failure) {
                            problems.add(failure.toString());
                            return;
                        }
                    }
                });
                waiter.setDaemon(true);
                waiter.start();
                waiters.add(waiter);
            }
            Thread.sleep(100);
            setter.removeBarrier();
            for (Thread waiter : waiters) {
                waiter.join(20000);
                Site.check(!waiter.isAlive(), "a waiter is still there 20 s after the barrier went");
            }
        });
    }

    // ---- queues

    private void simpleQueue() {
        Set<String> put = ConcurrentHashMap.newKeySet();
        Set<String> unsure = ConcurrentHashMap.newKeySet();
        List<String> taken = Collections.synchronizedList(new ArrayList<>());
        AtomicInteger number = new AtomicInteger();
        String path = site.root + "/simple";
        List<String> problems = recipe("simple_queue", found -> {
            SimpleDistributedQueue rest = new SimpleDistributedQueue(clients.get(0), path);
            for (byte[] item; (item = rest.poll()) != null;) {
                taken.add(Calm.text(item));
            }
            return judgeQueue(found, put, unsure, taken, losses.get(), losses.get());
        });
        loop("simple_queue", problems, () -> {
            String item = "item-" + number.incrementAndGet();
            unsure.add(item);
            new SimpleDistributedQueue(clients.get(0), path).offer(Calm.bytes(item));
            put.add(item);
        });
        for (int i = 1; i < 3; ++i) {
            SimpleDistributedQueue queue = new SimpleDistributedQueue(clients.get(i), path);
            loop("simple_queue", problems, () -> {
                byte[] item = queue.poll(300, TimeUnit.MILLISECONDS);
                if (item != null) {
                    taken.add(Calm.text(item));
                }
            });
        }
    }

    /** With a lock path an item is removed after it was consumed: none is lost, some may come again. */
    private void distributedQueue() throws Exception {
        Set<String> put = ConcurrentHashMap.newKeySet();
        Set<String> unsure = ConcurrentHashMap.newKeySet();
        List<String> taken = Collections.synchronizedList(new ArrayList<>());
        AtomicInteger number = new AtomicInteger();
        String path = site.root + "/queue";
        List<CuratorFramework> consumers = List.of(newClient(), newClient());
        for (CuratorFramework client : consumers) {
            consume(client, path, taken);
        }
        DistributedQueue<String> producer = site.keep(QueueBuilder.builder(clients.get(2), null, Calm.STRINGS, path)
                .putInBackground(false).buildQueue());
        producer.start();
        List<String> problems = recipe("distributed_queue", found -> {
            // A lock whose reply was lost stays with its session, so close the consumers before draining.
            for (CuratorFramework client : consumers) {
                client.close();
            }
            consume(newClient(), path, taken);
            Site.eventually(20, "the queue is drained", () -> new HashSet<>(taken).containsAll(put));
            return judgeQueue(found, put, unsure, taken, 0, 2 * losses.get());
        });
        loop("distributed_queue", problems, () -> {
            String item = "item-" + number.incrementAndGet();
            unsure.add(item);
            producer.put(item);
            put.add(item);
        });
    }

    private void consume(CuratorFramework client, String path, List<String> taken) throws Exception {
        site.keep(QueueBuilder.builder(client, Calm.into(taken), Calm.STRINGS, path)
                .lockPath(site.root + "/queue-locks").buildQueue()).start();
    }

    private static String judgeQueue(List<String> problems, Set<String> put, Set<String> unsure, List<String> taken,
            int mayLose, int mayRepeat) {
        Set<String> distinct = new HashSet<>(taken);
        int repeated = taken.size() - distinct.size();
        Set<String> lost = new HashSet<>(put);
        lost.removeAll(distinct);
        if (lost.size() > mayLose) {
            problems.add(lost.size() + " items lost, " + mayLose + " may be");
        }
        if (repeated > mayRepeat) {
            problems.add(repeated + " items came twice, " + mayRepeat + " may");
        }
        distinct.removeAll(put);
        distinct.removeAll(unsure);
        if (!distinct.isEmpty()) {
            problems.add("items nobody put: " + distinct);
        }
        return put.size() + " items, " + lost.size() + " lost, " + repeated + " repeated";
    }

    // ---- values

    private void counters() throws Exception {
        AtomicLong sure = new AtomicLong();
        AtomicLong attempts = new AtomicLong();
        List<String> problems = recipe("atomic_long", found -> {
            long value = atomicLong(0).get().postValue();
            if (value < sure.get() || value > sure.get() + losses.get()) {
                found.add("value " + value + " after " + sure + " increments");
            }
            return sure + " increments, value " + value;
        });
        for (int i = 0; i < 3; ++i) {
            DistributedAtomicLong atomic = atomicLong(i);
            loop("atomic_long", problems, () -> {
                AtomicValue<Long> value = atomic.increment();
                if (value.succeeded()) {
                    sure.incrementAndGet();
                }
            });
        }
        List<SharedCount> counts = new ArrayList<>();
        AtomicLong set = new AtomicLong();
        for (CuratorFramework client : clients.subList(0, 3)) {
            counts.add(site.keep(new SharedCount(client, site.root + "/shared", 0)));
            counts.get(counts.size() - 1).start();
        }
        List<String> shared = recipe("shared_count", found -> {
            int value = java.nio.ByteBuffer.wrap(clients.get(0).getData().forPath(site.root + "/shared")).getInt();
            if (value < set.get() || value > set.get() + losses.get()) {
                found.add("count " + value + " after " + set + " steps");
            }
            for (SharedCount count : counts) {
                Site.eventually("every reader sees " + value, () -> count.getCount() == value);
            }
            return set + " steps, count " + value;
        });
        for (SharedCount count : counts) {
            loop("shared_count", shared, () -> {
                VersionedValue<Integer> now = count.getVersionedValue();
                if (count.trySetCount(now, now.getValue() + 1)) {
                    set.incrementAndGet();
                }
            });
        }
    }

    private DistributedAtomicLong atomicLong(int i) {
        return new DistributedAtomicLong(clients.get(i), site.root + "/atomic", new RetryNTimes(1000, 5));
    }

    // ---- membership and caches: after the storm they show the tree

    private void membership() throws Exception {
        List<GroupMember> members = new ArrayList<>();
        List<PersistentNode> nodes = new ArrayList<>();
        List<PersistentTtlNode> ttls = new ArrayList<>();
        for (int i = 0; i < 3; ++i) {
            CuratorFramework client = clients.get(i);
            members.add(site.keep(new GroupMember(client, site.root + "/group", "member-" + i)));
            members.get(i).start();
            nodes.add(site.keep(new PersistentNode(client, CreateMode.EPHEMERAL, true, site.root + "/node-" + i,
                    Calm.bytes("data-" + i))));
            nodes.get(i).start();
            Site.check(nodes.get(i).waitForInitialCreate(10, TimeUnit.SECONDS), "created");
            ttls.add(site.keep(new PersistentTtlNode(client, site.root + "/ttl-" + i, 8000, Calm.bytes("t"))));
            ttls.get(i).start();
        }
        AtomicInteger changes = new AtomicInteger();
        List<String> problems = recipe("membership", found -> {
            for (GroupMember member : members) {
                Site.eventually("three members", () -> member.getCurrentMembers().size() == 3);
            }
            Site.equal(clients.get(0).getChildren().forPath(site.root + "/group").size(), 3, "members in the tree");
            for (int i = 0; i < 3; ++i) {
                String path = nodes.get(i).getActualPath();
                String data = Calm.text(nodes.get(i).getData());
                Site.eventually("the persistent node's data", () ->
                        Calm.text(clients.get(0).getData().forPath(path)).equals(data));
                Site.check(clients.get(0).checkExists().forPath(site.root + "/ttl-" + i) != null, "the TTL node");
            }
            return changes + " changes";
        });
        loop("membership", problems, () -> {
            int i = changes.incrementAndGet() % 3;
            nodes.get(i).setData(Calm.bytes("data-" + changes));
            Thread.sleep(100);
        });
    }

    private void caches() throws Exception {
        String base = site.root + "/cached";
        CuratorFramework writer = clients.get(0);
        writer.create().creatingParentsIfNeeded().forPath(base + "/n0", Calm.bytes("0"));
        List<CuratorCache> whole = new ArrayList<>();
        List<PathChildrenCache> children = new ArrayList<>();
        List<TreeCache> trees = new ArrayList<>();
        List<NodeCache> nodes = new ArrayList<>();
        for (CuratorFramework client : clients.subList(1, 3)) {
            children.add(site.keep(new PathChildrenCache(client, base, true)));
            children.get(children.size() - 1).start();
            trees.add(site.keep(new TreeCache(client, base)));
            trees.get(trees.size() - 1).start();
            nodes.add(site.keep(new NodeCache(client, base + "/n0")));
            nodes.get(nodes.size() - 1).start();
        }
        // One alone on its connection, and one beside the others' one-time watches on the same paths, which
        // ZooKeeper before 3.9 confuses with its persistent one (ZOOKEEPER-4466).
        for (int i = 3; i >= (Driver.ON_JAVA ? 3 : 2); --i) {
            whole.add(site.keep(CuratorCache.build(clients.get(i), base)));
            whole.get(whole.size() - 1).start();
        }
        AtomicInteger changes = new AtomicInteger();
        List<String> problems = recipe("caches", found -> {
            Map<String, String> tree = new TreeMap<>();
            for (String name : writer.getChildren().forPath(base)) {
                tree.put(base + "/" + name, Calm.text(writer.getData().forPath(base + "/" + name)));
            }
            for (CuratorCache cache : whole) {
                converges(found, "CuratorCache " + whole.indexOf(cache), tree, () -> asMap(cache.stream()
                        .filter(data -> !data.getPath().equals(base)).toList()));
            }
            for (int i = 0; i < 2; ++i) {
                int at = i;
                converges(found, "PathChildrenCache " + i, tree, () -> asMap(children.get(at).getCurrentData()));
                converges(found, "TreeCache " + i, tree, () -> trees.get(at).getCurrentChildren(base) == null
                        ? Map.of() : asMap(trees.get(at).getCurrentChildren(base).values()));
                converges(found, "NodeCache " + i, Map.of("n0", tree.get(base + "/n0")),
                        () -> Map.of("n0", Calm.text(nodes.get(at).getCurrentData())));
            }
            return changes + " changes";
        });
        loop("caches", problems, () -> {
            int step = changes.incrementAndGet();
            writer.setData().forPath(base + "/n0", Calm.bytes("" + step));
            String path = base + "/x" + random.nextInt(5);
            try {
                if (random.nextBoolean()) {
                    writer.create().orSetData().forPath(path, Calm.bytes("" + step));
                } else {
                    writer.delete().quietly().forPath(path);
                }
            } catch (KeeperException.NoNodeException gone) {
                // A retry after a lost reply found its own work.
            }
        });
    }

    private interface Shown {
        Map<String, String> now() throws Exception;
    }

    private static void converges(List<String> problems, String what, Map<String, String> tree, Shown cache)
            throws Exception {
        try {
            Site.eventually(10, what, () -> cache.now().equals(tree));
        } catch (AssertionError late) {
            problems.add(what + " shows " + cache.now() + " where the tree has " + tree);
        }
    }

    private static Map<String, String> asMap(Iterable<ChildData> all) {
        Map<String, String> map = new TreeMap<>();
        all.forEach(data -> map.put(data.getPath(), Calm.text(data.getData())));
        return map;
    }
}
