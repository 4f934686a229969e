import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.CachedAtomicLong;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.PromotedToLock;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
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
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.DistributedDelayQueue;
import org.apache.curator.framework.recipes.queue.DistributedIdQueue;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryNTimes;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/** Every recipe while the server is well, and what sessions owe it: expiry, silence, cut connections. */
final class Calm {
    static Map<String, Driver.Case> cases() {
        Map<String, Driver.Case> cases = new LinkedHashMap<>();
        cases.put("session_expires_in_silence", Calm::sessionExpiresInSilence);
        cases.put("ttl_node_is_kept_then_goes", Calm::ttlNode);
        cases.put("closing_elsewhere_expires_the_session", Calm::closingElsewhereExpires);
        cases.put("reconnects_after_a_cut", Calm::reconnectsAfterACut);
        cases.put("mutex", Calm::mutex);
        cases.put("semaphore_mutex", Calm::semaphoreMutex);
        cases.put("mutex_revoke_and_timeout", Calm::mutexRevokeAndTimeout);
        cases.put("read_write_lock", Calm::readWriteLock);
        cases.put("semaphore_v2", Calm::semaphoreV2);
        cases.put("multi_lock", Calm::multiLock);
        cases.put("leader_latch", Calm::leaderLatch);
        cases.put("leader_selector", Calm::leaderSelector);
        cases.put("barrier", Calm::barrier);
        cases.put("double_barrier", Calm::doubleBarrier);
        cases.put("distributed_queue", Calm::distributedQueue);
        cases.put("simple_queue", Calm::simpleQueue);
        cases.put("priority_queue", Calm::priorityQueue);
        cases.put("delay_queue", Calm::delayQueue);
        cases.put("id_queue", Calm::idQueue);
        cases.put("curator_cache", Calm::curatorCache);
        cases.put("path_children_cache", Calm::pathChildrenCache);
        cases.put("node_cache", Calm::nodeCache);
        cases.put("tree_cache", Calm::treeCache);
        cases.put("group_member", Calm::groupMember);
        cases.put("persistent_node", Calm::persistentNode);
        cases.put("shared_count_and_value", Calm::sharedCountAndValue);
        cases.put("atomic_long", Calm::atomicLong);
        cases.put("persistent_watcher", Calm::persistentWatcher);
        cases.put("transactions", Calm::transactions);
        cases.put("service_discovery", Calm::serviceDiscovery);
        cases.put("create_modes_protection_and_namespace", Calm::createModes);
        cases.put("authentication", Calm::authentication);
        return cases;
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] data) {
        return new String(data, StandardCharsets.UTF_8);
    }

    static String text(ChildData data) {
        return data == null ? null : text(data.getData());
    }

    // ---- locks

    private static String exclusive(Site site, java.util.function.Function<CuratorFramework, InterProcessLock> make)
            throws Exception {
        Guard guard = new Guard(1);
        Site.inThreads(4, i -> {
            InterProcessLock lock = make.apply(site.client());
            for (int round = 0; round < 5; ++round) {
                lock.acquire();
                guard.enter();
                Thread.sleep(10);
                guard.leave();
                lock.release();
            }
        });
        Site.equal(guard.violations, List.of(), "violations");
        Site.equal(guard.entries, 20, "entries");
        return null;
    }

    private static String mutex(Site site) throws Exception {
        exclusive(site, client -> new InterProcessMutex(client, site.root + "/lock"));
        InterProcessMutex again = new InterProcessMutex(site.client(), site.root + "/again");
        again.acquire();
        again.acquire();
        again.release();
        Site.check(again.isOwnedByCurrentThread(), "re-entrant");
        again.release();
        Site.check(!again.isOwnedByCurrentThread(), "released");
        return null;
    }

    private static String semaphoreMutex(Site site) throws Exception {
        return exclusive(site, client -> new InterProcessSemaphoreMutex(client, site.root));
    }

    private static String mutexRevokeAndTimeout(Site site) throws Exception {
        InterProcessMutex one = new InterProcessMutex(site.client(), site.root);
        CuratorFramework client = site.client();
        InterProcessMutex two = new InterProcessMutex(client, site.root);
        CountDownLatch revoked = new CountDownLatch(1);
        one.makeRevocable(lock -> revoked.countDown());
        one.acquire();
        Site.check(!two.acquire(300, TimeUnit.MILLISECONDS), "a held lock times out");
        Revoker.attemptRevoke(client, one.getParticipantNodes().iterator().next());
        Site.check(revoked.await(10, TimeUnit.SECONDS), "revoked");
        one.release();
        Site.check(two.acquire(10, TimeUnit.SECONDS), "acquired");
        return null;
    }

    private static String readWriteLock(Site site) throws Exception {
        InterProcessReadWriteLock one = new InterProcessReadWriteLock(site.client(), site.root);
        InterProcessReadWriteLock two = new InterProcessReadWriteLock(site.client(), site.root);
        one.readLock().acquire();
        Site.check(two.readLock().acquire(5, TimeUnit.SECONDS), "two readers");
        Site.check(!two.writeLock().acquire(300, TimeUnit.MILLISECONDS), "no writer beside readers");
        one.readLock().release();
        two.readLock().release();
        Site.check(two.writeLock().acquire(5, TimeUnit.SECONDS), "writer");
        Site.check(!one.readLock().acquire(300, TimeUnit.MILLISECONDS), "no reader beside a writer");
        Site.check(two.readLock().acquire(5, TimeUnit.SECONDS), "downgrade");
        two.writeLock().release();
        Site.check(one.readLock().acquire(5, TimeUnit.SECONDS), "reader after the downgrade");
        return null;
    }

    private static String semaphoreV2(Site site) throws Exception {
        Guard guard = new Guard(2);
        Site.inThreads(4, i -> {
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(site.client(), site.root, 2);
            for (int round = 0; round < 4; ++round) {
                Lease lease = semaphore.acquire();
                guard.enter();
                Thread.sleep(20);
                guard.leave();
                semaphore.returnLease(lease);
            }
        });
        Site.equal(guard.violations, List.of(), "violations");
        Site.equal(guard.entries, 16, "entries");
        return null;
    }

    private static String multiLock(Site site) throws Exception {
        List<String> paths = List.of(site.root + "/a", site.root + "/b");
        InterProcessMultiLock both = new InterProcessMultiLock(site.client(), paths);
        CuratorFramework client = site.client();
        both.acquire();
        Site.check(!new InterProcessMutex(client, paths.get(1)).acquire(200, TimeUnit.MILLISECONDS), "b is held");
        both.release();
        InterProcessMutex second = new InterProcessMutex(client, paths.get(1));
        second.acquire();
        Site.check(!both.acquire(300, TimeUnit.MILLISECONDS), "not without b");
        Site.check(new InterProcessMutex(client, paths.get(0)).acquire(5, TimeUnit.SECONDS), "a was given back");
        return null;
    }

    // ---- elections

    private static String leaderLatch(Site site) throws Exception {
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 3; ++i) {
            LeaderLatch latch = new LeaderLatch(site.client(), site.root, "candidate-" + i);
            latch.start();
            latches.add(latch);
        }
        while (!latches.isEmpty()) {
            int remaining = latches.size();
            Site.eventually("one leader of " + remaining, () ->
                    latches.stream().filter(LeaderLatch::hasLeadership).count() == 1
                            && latches.get(0).getParticipants().size() == remaining);
            LeaderLatch leader = latches.stream().filter(LeaderLatch::hasLeadership).findFirst().get();
            Site.equal(latches.get(0).getLeader().getId(), leader.getId(), "everyone sees the leader");
            latches.remove(leader);
            leader.close();
        }
        return null;
    }

    private static String leaderSelector(Site site) throws Exception {
        Guard guard = new Guard(1);
        Set<String> led = ConcurrentHashMap.newKeySet();
        for (int i = 0; i < 3; ++i) {
            String name = "candidate-" + i;
            LeaderSelector selector = site.keep(new LeaderSelector(site.client(), site.root,
                    new LeaderSelectorListenerAdapter() {
                        @Override
                        public void takeLeadership(CuratorFramework client) throws Exception {
                            guard.enter();
                            led.add(name);
                            Thread.sleep(30);
                            guard.leave();
                        }
                    }));
            selector.setId(name);
            selector.autoRequeue();
            selector.start();
        }
        Site.eventually("everyone led", () -> led.size() == 3);
        Site.equal(guard.violations, List.of(), "violations");
        return null;
    }

    // ---- barriers

    private static String barrier(Site site) throws Exception {
        DistributedBarrier setter = new DistributedBarrier(site.client(), site.root + "/barrier");
        DistributedBarrier waiter = new DistributedBarrier(site.client(), site.root + "/barrier");
        Site.check(waiter.waitOnBarrier(1, TimeUnit.SECONDS), "no barrier, no wait");
        setter.setBarrier();
        Site.check(!waiter.waitOnBarrier(300, TimeUnit.MILLISECONDS), "the barrier holds");
        Thread remover = new Thread(() -> {
            try {
                Thread.sleep(200);
                setter.removeBarrier();
            } catch (Exception ignored) {
                // The waiter notices.
            }
        });
        remover.start();
        Site.check(waiter.waitOnBarrier(10, TimeUnit.SECONDS), "the barrier releases");
        return null;
    }

    private static String doubleBarrier(Site site) throws Exception {
        AtomicInteger inside = new AtomicInteger();
        Site.inThreads(3, i -> {
            DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(site.client(), site.root, 3);
            Thread.sleep(100 * i);
            inside.incrementAndGet();
            Site.check(barrier.enter(15, TimeUnit.SECONDS), "entered");
            Site.equal(inside.get(), 3, "all are inside");
            Site.check(barrier.leave(15, TimeUnit.SECONDS), "left");
        });
        return null;
    }

    // ---- queues

    static final QueueSerializer<String> STRINGS = new QueueSerializer<>() {
        @Override
        public byte[] serialize(String item) {
            return bytes(item);
        }

        @Override
        public String deserialize(byte[] data) {
            return text(data);
        }
    };

    static QueueConsumer<String> into(List<String> taken) {
        return new QueueConsumer<>() {
            @Override
            public void consumeMessage(String message) {
                taken.add(message);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {
                // The recipe copes by itself.
            }
        };
    }

    private static List<String> list() {
        return Collections.synchronizedList(new ArrayList<>());
    }

    private static String distributedQueue(Site site) throws Exception {
        for (boolean locked : new boolean[] {false, true}) {
            String path = site.root + "/" + locked;
            List<String> taken = list();
            for (int i = 0; i < 2; ++i) {
                QueueBuilder<String> builder = QueueBuilder.builder(site.client(), into(taken), STRINGS, path);
                DistributedQueue<String> consumer =
                        site.keep((locked ? builder.lockPath(path + "-locks") : builder).buildQueue());
                consumer.start();
            }
            DistributedQueue<String> producer =
                    site.keep(QueueBuilder.builder(site.client(), null, STRINGS, path).buildQueue());
            producer.start();
            Set<String> put = new TreeSet<>();
            for (int i = 0; i < 40; ++i) {
                producer.put("item-" + i);
                put.add("item-" + i);
            }
            Site.check(producer.flushPuts(10, TimeUnit.SECONDS), "flushed");
            Site.eventually("all items", () -> taken.size() >= 40);
            Site.equal(new TreeSet<>(taken), put, "items");
            Site.equal(taken.size(), 40, "each once");
        }
        return null;
    }

    private static String simpleQueue(Site site) throws Exception {
        SimpleDistributedQueue one = new SimpleDistributedQueue(site.client(), site.root);
        SimpleDistributedQueue two = new SimpleDistributedQueue(site.client(), site.root);
        Site.check(two.poll() == null, "empty");
        for (int i = 0; i < 10; ++i) {
            Site.check(one.offer(bytes("" + i)), "offered");
        }
        Site.equal(text(two.peek()), "0", "peek");
        for (int i = 0; i < 10; ++i) {
            Site.equal(text(i % 2 == 0 ? two.remove() : one.poll(5, TimeUnit.SECONDS)), "" + i, "order");
        }
        Thread late = new Thread(() -> {
            try {
                Thread.sleep(200);
                one.offer(bytes("late"));
            } catch (Exception ignored) {
                // The taker notices.
            }
        });
        late.start();
        Site.equal(text(two.take()), "late", "take waits");
        return null;
    }

    private static String priorityQueue(Site site) throws Exception {
        DistributedPriorityQueue<String> producer =
                site.keep(QueueBuilder.builder(site.client(), null, STRINGS, site.root).buildPriorityQueue(1));
        producer.start();
        for (int priority : new int[] {5, -1, 9, 0, 7}) {
            producer.put("p" + priority, priority);
        }
        Site.check(producer.flushPuts(10, TimeUnit.SECONDS), "flushed");
        List<String> taken = list();
        site.keep(QueueBuilder.builder(site.client(), into(taken), STRINGS, site.root).buildPriorityQueue(1)).start();
        Site.eventually("all items", () -> taken.size() == 5);
        Site.equal(new ArrayList<>(taken), List.of("p-1", "p0", "p5", "p7", "p9"), "order");
        return null;
    }

    private static String delayQueue(Site site) throws Exception {
        List<String> taken = list();
        DistributedDelayQueue<String> queue =
                site.keep(QueueBuilder.builder(site.client(), into(taken), STRINGS, site.root).buildDelayQueue());
        queue.start();
        long now = System.currentTimeMillis();
        queue.put("later", now + 700);
        queue.put("sooner", now + 200);
        Site.check(taken.isEmpty(), "nothing at once");
        Site.eventually("both", () -> taken.size() == 2);
        Site.equal(new ArrayList<>(taken), List.of("sooner", "later"), "order");
        Site.check(System.currentTimeMillis() >= now + 700, "not early");
        return null;
    }

    private static String idQueue(Site site) throws Exception {
        DistributedIdQueue<String> producer =
                site.keep(QueueBuilder.builder(site.client(), null, STRINGS, site.root).buildIdQueue());
        producer.start();
        for (String id : List.of("a", "b", "a", "c")) {
            producer.put("of-" + id, id);
        }
        Site.check(producer.flushPuts(10, TimeUnit.SECONDS), "flushed");
        Site.equal(producer.remove("a"), 2, "removed by id");
        List<String> taken = list();
        site.keep(QueueBuilder.builder(site.client(), into(taken), STRINGS, site.root).buildIdQueue()).start();
        Site.eventually("the rest", () -> taken.size() == 2);
        Site.equal(new TreeSet<>(taken), new TreeSet<>(List.of("of-b", "of-c")), "items");
        return null;
    }

    // ---- caches and watches

    private static String curatorCache(Site site) throws Exception {
        CuratorFramework writer = site.client();
        writer.create().creatingParentsIfNeeded().forPath(site.root + "/a", bytes("1"));
        CuratorCache cache = site.keep(CuratorCache.build(site.client(), site.root));
        List<String> events = list();
        CountDownLatch initialized = new CountDownLatch(1);
        cache.listenable().addListener(CuratorCacheListener.builder()
                .forCreates(data -> events.add("created " + data.getPath().substring(site.root.length())))
                .forChanges((old, data) -> events.add("changed " + text(old) + " " + text(data)))
                .forDeletes(data -> events.add("deleted " + data.getPath().substring(site.root.length())))
                .forInitialized(initialized::countDown).build());
        cache.start();
        Site.check(initialized.await(10, TimeUnit.SECONDS), "initialised");
        writer.setData().forPath(site.root + "/a", bytes("2"));
        Site.eventually("changed", () -> events.contains("changed 1 2"));
        writer.create().creatingParentsIfNeeded().forPath(site.root + "/b/c", bytes("deep"));
        Site.eventually("created", () -> "deep".equals(cache.get(site.root + "/b/c").map(Calm::text).orElse("")));
        writer.delete().deletingChildrenIfNeeded().forPath(site.root + "/b");
        Site.eventually("deleted", () -> events.contains("deleted /b") && events.contains("deleted /b/c"));
        Site.equal(cache.size(), 2, "size");
        return null;
    }

    private static String pathChildrenCache(Site site) throws Exception {
        CuratorFramework writer = site.client();
        writer.create().creatingParentsIfNeeded().forPath(site.root + "/a", bytes("1"));
        PathChildrenCache cache = site.keep(new PathChildrenCache(site.client(), site.root, true));
        cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        Site.equal(text(cache.getCurrentData(site.root + "/a")), "1", "initial");
        writer.setData().forPath(site.root + "/a", bytes("2"));
        writer.create().forPath(site.root + "/b", bytes("b"));
        Site.eventually("changed", () -> "2".equals(text(cache.getCurrentData(site.root + "/a")))
                && "b".equals(text(cache.getCurrentData(site.root + "/b"))));
        writer.delete().forPath(site.root + "/a");
        Site.eventually("deleted", () -> cache.getCurrentData().size() == 1);
        return null;
    }

    private static String nodeCache(Site site) throws Exception {
        CuratorFramework writer = site.client();
        NodeCache cache = site.keep(new NodeCache(site.client(), site.root + "/n"));
        cache.start(true);
        Site.check(cache.getCurrentData() == null, "missing");
        writer.create().creatingParentsIfNeeded().forPath(site.root + "/n", bytes("1"));
        Site.eventually("created", () -> "1".equals(text(cache.getCurrentData())));
        writer.setData().forPath(site.root + "/n", bytes("2"));
        Site.eventually("changed", () -> "2".equals(text(cache.getCurrentData())));
        writer.delete().forPath(site.root + "/n");
        Site.eventually("deleted", () -> cache.getCurrentData() == null);
        return null;
    }

    private static String treeCache(Site site) throws Exception {
        CuratorFramework writer = site.client();
        TreeCache cache = site.keep(TreeCache.newBuilder(site.client(), site.root).build());
        cache.start();
        writer.create().creatingParentsIfNeeded().forPath(site.root + "/a/b", bytes("1"));
        Site.eventually("created", () -> "1".equals(text(cache.getCurrentData(site.root + "/a/b"))));
        writer.setData().forPath(site.root + "/a/b", bytes("2"));
        Site.eventually("changed", () -> "2".equals(text(cache.getCurrentData(site.root + "/a/b"))));
        writer.delete().deletingChildrenIfNeeded().forPath(site.root + "/a");
        Site.eventually("deleted", () -> cache.getCurrentData(site.root + "/a") == null);
        return null;
    }

    private static String persistentWatcher(Site site) throws Exception {
        CuratorFramework writer = site.client();
        writer.create().creatingParentsIfNeeded().forPath(site.root + "/a");
        List<String> recursive = list();
        List<String> plain = list();
        for (boolean deep : new boolean[] {true, false}) {
            PersistentWatcher watcher = site.keep(new PersistentWatcher(site.client(), site.root, deep));
            watcher.getListenable().addListener(event -> {
                if (event.getPath() != null) {
                    (deep ? recursive : plain).add(event.getType() + event.getPath().substring(site.root.length()));
                }
            });
            CountDownLatch set = new CountDownLatch(1);
            watcher.getResetListenable().addListener(set::countDown);
            watcher.start();
            Site.check(set.await(10, TimeUnit.SECONDS), "watching");
        }
        for (int i = 0; i < 2; ++i) {
            writer.setData().forPath(site.root + "/a", bytes("" + i));
        }
        writer.create().forPath(site.root + "/a/b");
        writer.delete().forPath(site.root + "/a/b");
        writer.setData().forPath(site.root, bytes("x"));
        Site.eventually("events", () -> recursive.size() >= 5 && plain.size() >= 1);
        Thread.sleep(100);
        Site.equal(new ArrayList<>(recursive), List.of("NodeDataChanged/a", "NodeDataChanged/a", "NodeCreated/a/b",
                "NodeDeleted/a/b", "NodeDataChanged"), "recursive");
        Site.equal(new ArrayList<>(plain), List.of("NodeDataChanged"), "plain");
        return null;
    }

    // ---- membership, nodes, values

    private static String groupMember(Site site) throws Exception {
        List<GroupMember> members = new ArrayList<>();
        for (int i = 0; i < 3; ++i) {
            GroupMember member = new GroupMember(site.client(), site.root, "member-" + i, bytes("" + i));
            member.start();
            members.add(member);
        }
        Site.eventually("three members", () -> members.get(0).getCurrentMembers().size() == 3);
        members.get(2).setThisData(bytes("new"));
        Site.eventually("new data", () -> "new".equals(text(members.get(0).getCurrentMembers().get("member-2"))));
        members.get(2).close();
        Site.eventually("two members", () -> members.get(0).getCurrentMembers().size() == 2);
        members.get(1).close();
        members.get(0).close();
        return null;
    }

    private static String persistentNode(Site site) throws Exception {
        CuratorFramework other = site.client();
        for (CreateMode mode : List.of(CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL)) {
            PersistentNode node =
                    site.keep(new PersistentNode(site.client(), mode, true, site.root + "/" + mode, bytes("mine")));
            node.start();
            Site.check(node.waitForInitialCreate(10, TimeUnit.SECONDS), "created");
            String path = node.getActualPath();
            long before = other.checkExists().forPath(path).getCzxid();
            other.delete().forPath(path);
            Site.eventually("back again", () -> {
                Stat stat = node.getActualPath() == null ? null : other.checkExists().forPath(node.getActualPath());
                return stat != null && stat.getCzxid() != before;
            });
            node.setData(bytes("new"));
            Site.eventually("data", () -> "new".equals(text(other.getData().forPath(node.getActualPath()))));
        }
        return null;
    }

    private static String ttlNode(Site site) throws Exception {
        CuratorFramework other = site.client();
        PersistentTtlNode node = new PersistentTtlNode(site.client(), site.root + "/ttl", 2000, bytes("x"));
        node.start();
        Site.check(node.waitForInitialCreate(10, TimeUnit.SECONDS), "created");
        Thread.sleep(3500);
        Site.check(other.checkExists().forPath(site.root + "/ttl") != null, "kept by its owner");
        Site.equal(text(other.getData().forPath(site.root + "/ttl")), "x", "data");
        node.close();
        Stat stat = new Stat();
        String created = other.create().withTtl(1500).storingStatIn(stat)
                .withMode(CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL).forPath(site.root + "/s-", bytes("y"));
        Site.check(created.matches(".*/s-\\d{10}"), "sequential with TTL: " + created);
        Site.check(stat.getEphemeralOwner() == 0 || stat.getEphemeralOwner() >>> 56 == 0xff, "owner of a TTL node");
        Site.eventually("removed", () -> other.checkExists().forPath(created) == null);
        return null;
    }

    private static String sharedCountAndValue(Site site) throws Exception {
        SharedCount one = site.keep(new SharedCount(site.client(), site.root + "/count", 5));
        SharedCount two = site.keep(new SharedCount(site.client(), site.root + "/count", 5));
        one.start();
        two.start();
        Site.equal(two.getCount(), 5, "seed");
        one.setCount(9);
        Site.eventually("seen", () -> two.getCount() == 9);
        Site.check(two.trySetCount(two.getVersionedValue(), 10), "versioned");
        Site.check(!one.trySetCount(one.getVersionedValue(), 11) || one.getCount() == 11, "stale or fresh");
        SharedValue value = site.keep(new SharedValue(site.client(), site.root + "/value", bytes("seed")));
        SharedValue same = site.keep(new SharedValue(site.client(), site.root + "/value", bytes("seed")));
        value.start();
        same.start();
        value.setValue(bytes("next"));
        Site.eventually("seen", () -> "next".equals(text(same.getValue())));
        return null;
    }

    private static String atomicLong(Site site) throws Exception {
        Site.inThreads(3, i -> {
            CuratorFramework client = site.client();
            PromotedToLock lock = PromotedToLock.builder().lockPath(site.root + "/lock")
                    .retryPolicy(new RetryNTimes(10, 10)).timeout(20, TimeUnit.SECONDS).build();
            DistributedAtomicLong atomic =
                    new DistributedAtomicLong(client, site.root + "/long", new RetryNTimes(3, 5), lock);
            DistributedAtomicInteger small =
                    new DistributedAtomicInteger(client, site.root + "/int", new RetryNTimes(1000, 5));
            for (int round = 0; round < 10; ++round) {
                Site.check(atomic.increment().succeeded(), "incremented");
                Site.check(small.subtract(2).succeeded(), "subtracted");
            }
        });
        CuratorFramework client = site.client();
        DistributedAtomicLong atomic = new DistributedAtomicLong(client, site.root + "/long", new RetryNTimes(9, 9));
        Site.equal(atomic.get().postValue(), 30L, "value");
        Site.check(!atomic.compareAndSet(29L, 1L).succeeded(), "compareAndSet with another value");
        AtomicValue<Long> set = atomic.compareAndSet(30L, 100L);
        Site.check(set.succeeded() && set.preValue() == 30 && set.postValue() == 100, "compareAndSet");
        Site.equal(new CachedAtomicLong(atomic, 10).next().postValue(), 101L, "cached");
        Site.equal(new DistributedAtomicInteger(client, site.root + "/int", new RetryNTimes(9, 9)).get().postValue(),
                -60, "int");
        return null;
    }

    // ---- transactions, discovery, modes, authentication

    private static String transactions(Site site) throws Exception {
        CuratorFramework client = site.client();
        client.create().creatingParentsIfNeeded().forPath(site.root);
        List<CuratorTransactionResult> results = client.transaction().forOperations(
                client.transactionOp().create().forPath(site.root + "/a", bytes("1")),
                client.transactionOp().setData().withVersion(0).forPath(site.root + "/a", bytes("2")),
                client.transactionOp().check().withVersion(1).forPath(site.root + "/a"),
                client.transactionOp().create().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(site.root + "/s-"),
                client.transactionOp().delete().forPath(site.root + "/a"));
        Site.equal(results.get(0).getResultPath(), site.root + "/a", "created");
        Site.equal(results.get(1).getResultStat().getVersion(), 1, "version");
        Site.equal(results.get(3).getResultPath(), site.root + "/s-0000000001", "sequential");
        try {
            client.transaction().forOperations(client.transactionOp().create().forPath(site.root + "/b"),
                    client.transactionOp().check().withVersion(3).forPath(site.root));
            throw new AssertionError("a failing check");
        } catch (KeeperException.BadVersionException expected) {
            Site.equal(expected.getResults().get(0).getType(), -1, "error result");
        }
        Site.check(client.checkExists().forPath(site.root + "/b") == null, "rolled back");
        return null;
    }

    static ServiceInstance<String> instance(int port) throws Exception {
        return ServiceInstance.<String>builder().name("service").address("127.0.0.1").port(port).id("id-" + port)
                .payload("payload").build();
    }

    private static String serviceDiscovery(Site site) throws Exception {
        List<ServiceDiscovery<String>> discoveries = new ArrayList<>();
        for (int i = 0; i < 2; ++i) {
            ServiceDiscovery<String> discovery = ServiceDiscoveryBuilder.builder(String.class).client(site.client())
                    .basePath(site.root).thisInstance(instance(1000 + i)).watchInstances(true).build();
            discovery.start();
            discoveries.add(site.keep(discovery));
        }
        ServiceCache<String> cache = site.keep(discoveries.get(0).serviceCacheBuilder().name("service").build());
        cache.start();
        ServiceProvider<String> provider =
                site.keep(discoveries.get(1).serviceProviderBuilder().serviceName("service").build());
        provider.start();
        Site.eventually("two instances", () -> cache.getInstances().size() == 2);
        Site.eventually("provided", () -> provider.getAllInstances().size() == 2);
        Site.equal(discoveries.get(0).queryForNames(), List.of("service"), "names");
        Site.equal(provider.getInstance().getPayload(), "payload", "payload");
        discoveries.get(1).unregisterService(instance(1001));
        Site.eventually("one instance", () -> cache.getInstances().size() == 1);
        return null;
    }

    private static String createModes(Site site) throws Exception {
        CuratorFramework client = site.client();
        CuratorFramework jail = client.usingNamespace(site.root.substring(1) + "/jail");
        Site.equal(jail.create().creatingParentContainersIfNeeded().forPath("/a/b"), "/a/b", "namespace");
        String protectedPath = client.create().creatingParentContainersIfNeeded().withProtection()
                .withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(site.root + "/p-");
        Site.check(protectedPath.matches(".*/_c_[0-9a-f-]{36}-p-\\d{10}"), "protection: " + protectedPath);
        client.create().withMode(CreateMode.CONTAINER).forPath(site.root + "/container");
        client.create().forPath(site.root + "/container/child");
        client.delete().forPath(site.root + "/container/child");
        byte[] data = new byte[20000];
        Arrays.fill(data, (byte) 'x');
        client.create().compressed().forPath(site.root + "/gzip", data);
        Site.check(Arrays.equals(client.getData().decompressed().forPath(site.root + "/gzip"), data), "compressed");
        client.create().orSetData().forPath(site.root + "/gzip", bytes("set"));
        client.create().idempotent().forPath(site.root + "/same", bytes("1"));
        client.create().idempotent().forPath(site.root + "/same", bytes("1"));
        client.delete().quietly().forPath(site.root + "/missing");
        client.sync().forPath("/");
        CountDownLatch background = new CountDownLatch(1);
        client.getChildren().inBackground((c, event) -> background.countDown()).forPath(site.root);
        Site.check(background.await(10, TimeUnit.SECONDS), "background");
        Site.equal(client.checkExists().forPath(site.root + "/same").getDataLength(), 1, "length");
        Site.eventually("an emptied container goes",
                () -> client.checkExists().forPath(site.root + "/container") == null);
        return null;
    }

    private static String authentication(Site site) throws Exception {
        CuratorFramework owner = CuratorFrameworkFactory.builder().connectString(site.address)
                .authorization("digest", bytes("owner:secret")).retryPolicy(new RetryNTimes(9, 100)).build();
        owner.start();
        site.keep(owner);
        owner.create().creatingParentsIfNeeded().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath(site.root + "/mine");
        try {
            site.client().getData().forPath(site.root + "/mine");
            throw new AssertionError("read without the right");
        } catch (KeeperException.NoAuthException expected) {
            // As it must be.
        }
        Site.equal(owner.getACL().forPath(site.root + "/mine").get(0).getId().getScheme(), "digest", "scheme");
        return null;
    }

    // ---- sessions

    /** Ends the client's session the way an expiry does: another connection takes it and closes it. */
    static void killSession(CuratorFramework client, String address) throws Exception {
        ZooKeeper own = client.getZookeeperClient().getZooKeeper();
        CountDownLatch connected = new CountDownLatch(1);
        Watcher watcher = (WatchedEvent event) -> {
            if (event.getState() == Watcher.Event.KeeperState.SyncConnected) {
                connected.countDown();
            }
        };
        ZooKeeper thief = new ZooKeeper(address, 10000, watcher, own.getSessionId(), own.getSessionPasswd());
        Site.check(connected.await(10, TimeUnit.SECONDS), "session taken");
        thief.close();
    }

    private static String closingElsewhereExpires(Site site) throws Exception {
        CuratorFramework victim = site.client();
        CuratorFramework other = site.client();
        List<ConnectionState> states = Collections.synchronizedList(new ArrayList<>());
        victim.getConnectionStateListenable().addListener((client, state) -> states.add(state));
        PersistentNode node =
                site.keep(new PersistentNode(victim, CreateMode.EPHEMERAL, false, site.root + "/node", bytes("x")));
        node.start();
        GroupMember member = site.keep(new GroupMember(victim, site.root + "/group", "victim"));
        member.start();
        LeaderLatch latch = new LeaderLatch(victim, site.root + "/latch", "victim");
        latch.start();
        CuratorCache cache = site.keep(CuratorCache.build(victim, site.root + "/cached"));
        cache.start();
        Site.check(latch.await(10, TimeUnit.SECONDS), "leads");
        Site.check(node.waitForInitialCreate(10, TimeUnit.SECONDS), "created");
        LeaderLatch rival = new LeaderLatch(other, site.root + "/latch", "rival");
        rival.start();
        Site.eventually("two candidates", () -> rival.getParticipants().size() == 2);
        long before = victim.getZookeeperClient().getZooKeeper().getSessionId();

        killSession(victim, site.address);

        Site.check(rival.await(10, TimeUnit.SECONDS), "the rival leads");
        Site.eventually("lost and back", () -> states.contains(ConnectionState.LOST)
                && states.get(states.size() - 1) == ConnectionState.RECONNECTED);
        long after = victim.getZookeeperClient().getZooKeeper().getSessionId();
        Site.check(before != after, "a new session");
        Site.eventually("the node is back", () -> {
            Stat stat = other.checkExists().forPath(site.root + "/node");
            return stat != null && stat.getEphemeralOwner() == after;
        });
        Site.eventually("the member is back", () -> {
            Stat group = other.checkExists().forPath(site.root + "/group");  // a container, gone while it was empty
            return group != null && group.getNumChildren() == 1;
        });
        Site.check(!latch.hasLeadership(), "the victim follows");
        other.create().creatingParentsIfNeeded().forPath(site.root + "/cached/new", bytes("1"));
        Site.eventually("the cache follows", () -> cache.get(site.root + "/cached/new").isPresent());
        return null;
    }

    private static String sessionExpiresInSilence(Site site) throws Exception {
        try (Relay relay = new Relay(site.address)) {
            CuratorFramework victim = site.client(2000, relay.address());
            CuratorFramework other = site.client();
            InterProcessMutex held = new InterProcessMutex(victim, site.root + "/lock");
            held.acquire();
            relay.silence(true);
            long began = System.nanoTime();
            Site.check(new InterProcessMutex(other, site.root + "/lock").acquire(15, TimeUnit.SECONDS), "passed on");
            double waited = (System.nanoTime() - began) / 1e9;
            Site.check(waited > 0.6 && waited < 6, "passed on after " + waited + " s, the session timeout is 2 s");
            long before = victim.getZookeeperClient().getZooKeeper().getSessionId();
            relay.silence(false);
            Site.eventually(20, "a new session", () -> {
                try {
                    return victim.checkExists().forPath("/") != null
                            && victim.getZookeeperClient().getZooKeeper().getSessionId() != before;
                } catch (KeeperException notYet) {
                    return false;
                }
            });
        }
        return null;
    }

    private static String reconnectsAfterACut(Site site) throws Exception {
        try (Relay relay = new Relay(site.address)) {
            CuratorFramework client = site.client(10000, relay.address());
            CuratorFramework other = site.client();
            client.create().creatingParentsIfNeeded().withMode(CreateMode.EPHEMERAL).forPath(site.root + "/e");
            other.create().forPath(site.root + "/n");
            List<String> events = list();
            client.getData().usingWatcher((Watcher) event -> events.add(event.getType().name()))
                    .forPath(site.root + "/n");
            TreeCache cache = site.keep(new TreeCache(client, site.root));
            cache.start();
            long session = client.getZookeeperClient().getZooKeeper().getSessionId();
            for (int i = 0; i < 5; ++i) {
                relay.cut();
                other.setData().forPath(site.root + "/n", bytes("" + i));
                Site.equal(text(client.getData().forPath(site.root + "/n")), "" + i, "read after a cut");
            }
            Site.equal(client.getZookeeperClient().getZooKeeper().getSessionId(), session, "session");
            Site.equal(other.checkExists().forPath(site.root + "/e").getEphemeralOwner(), session, "ephemeral");
            Site.eventually("the watch fired once", () -> events.contains("NodeDataChanged"));
            Site.equal(Collections.frequency(events, "NodeDataChanged"), 1, "once");
            Site.eventually("the cache follows", () -> "4".equals(text(cache.getCurrentData(site.root + "/n"))));
        }
        return null;
    }
}
