import java.io.Closeable;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryNTimes;

/** The clients of one case, closed at its end, its own corner of the tree, and the checks all cases share. */
final class Site implements AutoCloseable {
    interface Condition {
        boolean holds() throws Exception;
    }

    interface Work {
        void run(int i) throws Exception;
    }

    final String root;
    final String address;
    private final List<Closeable> open = new ArrayList<>();

    Site(String name, String address) {
        this.root = "/curator/" + name;
        this.address = address;
    }

    CuratorFramework client() throws Exception {
        return client(10000, address);
    }

    CuratorFramework client(int sessionMillis, String connect) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.builder().connectString(connect)
                .sessionTimeoutMs(sessionMillis).connectionTimeoutMs(15000).retryPolicy(new RetryNTimes(300, 100))
                .build();
        client.start();
        keep(client);
        check(client.blockUntilConnected(15, TimeUnit.SECONDS), "connected");
        return client;
    }

    synchronized <T extends Closeable> T keep(T closeable) {
        open.add(closeable);
        return closeable;
    }

    @Override
    public synchronized void close() {
        for (int i = open.size() - 1; i >= 0; --i) {
            try {
                open.get(i).close();
            } catch (Exception ignored) {
                // The case has been judged.
            }
        }
    }

    static void check(boolean condition, String text) {
        if (!condition) {
            throw new AssertionError(text);
        }
    }

    static void equal(Object actual, Object expected, String what) {
        check(expected.equals(actual), what + ": expected " + expected + ", got " + actual);
    }

    static void eventually(int seconds, String what, Condition condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (System.nanoTime() < deadline) {
            if (condition.holds()) {
                return;
            }
            Thread.sleep(20);
        }
        throw new AssertionError("not within " + seconds + " s: " + what);
    }

    static void eventually(String what, Condition condition) throws Exception {
        eventually(15, what, condition);
    }

    static void inThreads(int count, Work work) throws Exception {
        List<Thread> threads = new ArrayList<>();
        List<Throwable> failures = new ArrayList<>();
        for (int i = 0; i < count; ++i) {
            int number = i;
            Thread thread = new Thread(() -> {
                try {
                    work.run(number);
                } catch (Throwable failure) {
                    synchronized (failures) {
                        failures.add(failure);
                    }
                }
            });
            thread.setDaemon(true);
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join(30000);
            check(!thread.isAlive(), "a worker did not end");
        }
        if (!failures.isEmpty()) {
            throw new AssertionError(failures.get(0).toString(), failures.get(0));
        }
    }
}
