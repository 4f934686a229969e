import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.zookeeper.CreateMode;

/** One kill -9 and restart under clients that hold and wait: what is held stays, what is awaited comes. */
final class Restart {
    static Map<String, Driver.Case> cases() {
        Map<String, Driver.Case> cases = new LinkedHashMap<>();
        cases.put("recipes_live_through_a_restart", Restart::liveThrough);
        return cases;
    }

    private static Thread start(Site.Work work, List<Throwable> failures) {
        Thread thread = new Thread(() -> {
            try {
                work.run(0);
            } catch (Throwable failure) {
                failures.add(failure);
            }
        });
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static void join(Thread thread, String what) throws Exception {
        thread.join(15000);
        Site.check(!thread.isAlive(), what);
    }

    private static String liveThrough(Site site) throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        for (int i = 0; i < 3; ++i) {
            clients.add(site.client(30000, site.address));
        }
        CuratorFramework one = clients.get(0);
        CuratorFramework two = clients.get(1);
        CuratorFramework three = clients.get(2);
        List<Long> sessions = sessions(clients);
        List<Throwable> failures = new ArrayList<>();

        InterProcessMutex held = new InterProcessMutex(one, site.root + "/lock");
        held.acquire();
        InterProcessMutex wanted = new InterProcessMutex(two, site.root + "/lock");
        AtomicInteger acquired = new AtomicInteger();
        Thread waiter = start(i -> {
            wanted.acquire();
            acquired.incrementAndGet();
        }, failures);

        List<GroupMember> members = new ArrayList<>();
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 3; ++i) {
            members.add(site.keep(new GroupMember(clients.get(i), site.root + "/group", "member-" + i)));
            members.get(i).start();
            latches.add(new LeaderLatch(clients.get(i), site.root + "/latch", "candidate-" + i));
            latches.get(i).start();
        }
        PersistentNode node =
                site.keep(new PersistentNode(one, CreateMode.EPHEMERAL, false, site.root + "/node", new byte[0]));
        node.start();
        CuratorCache cache = site.keep(CuratorCache.build(three, site.root + "/cached"));
        cache.start();
        SharedCount count = site.keep(new SharedCount(two, site.root + "/count", 1));
        count.start();
        ServiceDiscovery<String> discovery = site.keep(ServiceDiscoveryBuilder.builder(String.class).client(one)
                .basePath(site.root + "/discovery").thisInstance(Calm.instance(1)).build());
        discovery.start();
        ServiceDiscovery<String> looking = site.keep(ServiceDiscoveryBuilder.builder(String.class).client(two)
                .basePath(site.root + "/discovery").build());
        looking.start();
        ServiceCache<String> services = site.keep(looking.serviceCacheBuilder().name("service").build());
        services.start();

        new DistributedBarrier(one, site.root + "/barrier").setBarrier();
        Thread atBarrier = start(i -> new DistributedBarrier(two, site.root + "/barrier").waitOnBarrier(), failures);
        List<DistributedDoubleBarrier> doubles = new ArrayList<>();
        for (CuratorFramework client : clients) {
            doubles.add(new DistributedDoubleBarrier(client, site.root + "/double", 3));
        }
        // Curator's double barrier gives up an enter() whose connection is lost, so the restart comes between.
        Site.inThreads(3, i -> Site.check(doubles.get(i).enter(15, TimeUnit.SECONDS), "entered"));
        SimpleDistributedQueue queue = new SimpleDistributedQueue(three, site.root + "/queue");
        AtomicInteger taken = new AtomicInteger();
        Thread taker = start(i -> {
            queue.take();
            taken.incrementAndGet();
        }, failures);

        Site.eventually("everything is in place", () -> members.get(0).getCurrentMembers().size() == 3
                && held.getParticipantNodes().size() == 2 && services.getInstances().size() == 1
                && latches.get(0).getParticipants().size() == 3
                && latches.stream().filter(LeaderLatch::hasLeadership).count() == 1);

        Driver.restartServer();

        for (CuratorFramework client : clients) {
            Site.check(client.blockUntilConnected(Driver.RECONNECT_SECONDS, TimeUnit.SECONDS), "reconnected");
        }
        Site.equal(sessions(clients), sessions, "sessions");
        Site.equal(acquired.get(), 0, "the lock is still held");
        Site.check(atBarrier.isAlive() && taker.isAlive(), "the waiters still wait " + failures);
        Site.eventually("membership", () -> members.get(2).getCurrentMembers().size() == 3);
        Site.eventually("one leader", () -> latches.stream().filter(LeaderLatch::hasLeadership).count() == 1
                && latches.get(1).getParticipants().size() == 3);
        Site.check(two.checkExists().forPath(site.root + "/node") != null, "the ephemeral stays");
        Site.eventually("services", () -> services.getInstances().size() == 1);
        one.create().creatingParentsIfNeeded().forPath(site.root + "/cached/after");
        Site.eventually("the cache follows", () -> cache.get(site.root + "/cached/after").isPresent());
        SharedCount writer = site.keep(new SharedCount(three, site.root + "/count", 1));
        writer.start();
        writer.setCount(7);
        Site.eventually("the count follows", () -> count.getCount() == 7);
        new DistributedBarrier(one, site.root + "/barrier").removeBarrier();
        join(atBarrier, "the barrier releases");
        Site.inThreads(3, i -> Site.check(doubles.get(i).leave(15, TimeUnit.SECONDS), "left"));
        new SimpleDistributedQueue(one, site.root + "/queue").offer(Calm.bytes("item"));
        join(taker, "the taker takes");
        held.release();
        join(waiter, "the waiter gets the lock");
        Site.equal(failures, List.of(), "failures");
        Site.equal(acquired.get() + taken.get(), 2, "acquired and taken");
        for (LeaderLatch latch : latches) {
            latch.close();
        }
        return null;
    }

    private static List<Long> sessions(List<CuratorFramework> clients) throws Exception {
        List<Long> sessions = new ArrayList<>();
        for (CuratorFramework client : clients) {
            sessions.add(client.getZookeeperClient().getZooKeeper().getSessionId());
        }
        return sessions;
    }
}
