import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;

/** ZooKeeper's own client under a rolling replacement: Client HOSTS NAME. What it does and says stands in README.md. */
public final class Client {
    private static final int SESSION_MS = 30_000;
    private static final int LAST_EVENT_MS = 60_000;
    private static final int PAUSE_MS = 20;
    private static final int FOLDER = 1000;

    private static volatile boolean stopping;
    private static volatile long seen;
    private static String root;

    interface Call {
        void run() throws KeeperException, InterruptedException;
    }

    static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static ZooKeeper connected(String hosts) throws Exception {
        CountDownLatch isConnected = new CountDownLatch(1);
        ZooKeeper client = new ZooKeeper(hosts, SESSION_MS, event -> {
            if (event.getState() == KeeperState.SyncConnected) {
                isConnected.countDown();
            } else if (event.getState() == KeeperState.Expired && !stopping) {
                say("lost the session of the Java client has expired");
            }
        });
        if (!isConnected.await(SESSION_MS, TimeUnit.MILLISECONDS)) {
            throw new IllegalStateException("no connection");
        }
        return client;
    }

    /** Again until there is an answer; of one whose first answer was lost, that it is done. */
    static void persist(Call call) throws KeeperException, InterruptedException {
        while (true) {
            try {
                call.run();
                return;
            } catch (KeeperException.ConnectionLossException loss) {
                Thread.sleep(50);
            } catch (KeeperException.NodeExistsException done) {
                return;
            }
        }
    }

    /** Reads the node again whenever its watch fires; of connections it is not to know: the watch stays. */
    static void watch(ZooKeeper client) {
        Semaphore fired = new Semaphore(0);
        while (true) {
            try {
                byte[] data = client.getData(root, event -> {
                    if (event.getType() == EventType.NodeDataChanged) {
                        fired.release();
                    }
                }, null);
                seen = Long.parseLong(new String(data, StandardCharsets.UTF_8));
                fired.acquire();
                fired.drainPermits();
            } catch (KeeperException.ConnectionLossException loss) {
                pause(50);
            } catch (KeeperException | InterruptedException ended) {
                return;
            }
        }
    }

    static void pause(int ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    static long write(ZooKeeper client) throws KeeperException, InterruptedException {
        long number = 0;
        byte[] data = new byte[50];
        while (!stopping) {
            ++number;
            String folder = String.format("%s/%05d", root, number / FOLDER);
            try {
                client.create(String.format("%s/%08d", folder, number), data, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
                say("ack " + number + " " + System.nanoTime() / 1_000_000);
                if (number % 10 == 0) {
                    client.setData(root, bytes(number), -1);
                }
            } catch (KeeperException.NoNodeException missing) {
                persist(() -> client.create(folder, null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
            } catch (KeeperException.ConnectionLossException loss) {
                // In doubt: nobody counts it.
            }
            pause(PAUSE_MS);
        }
        long last = number;
        persist(() -> client.setData(root, bytes(last), -1));
        return last;
    }

    static byte[] bytes(long number) {
        return Long.toString(number).getBytes(StandardCharsets.UTF_8);
    }

    public static void main(String[] arguments) throws Exception {
        root = "/load-" + arguments[1];
        ZooKeeper writer = connected(arguments[0]);
        ZooKeeper watcher = connected(arguments[0]);
        persist(() -> writer.create(root, bytes(0), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT));
        persist(() -> writer.create(root + "/alive", "Java".getBytes(StandardCharsets.UTF_8), Ids.OPEN_ACL_UNSAFE,
                CreateMode.EPHEMERAL));
        say("session " + writer.getSessionId());
        Thread watching = new Thread(() -> watch(watcher));
        watching.setDaemon(true);
        watching.start();
        BufferedReader words = new BufferedReader(new InputStreamReader(System.in));
        Thread listening = new Thread(() -> {
            try {
                if (words.readLine() == null) {
                    Runtime.getRuntime().halt(0); // nobody waits for us any more
                }
            } catch (java.io.IOException closed) {
                Runtime.getRuntime().halt(0);
            }
            stopping = true;
        });
        listening.setDaemon(true);
        listening.start();
        long last = write(writer);
        long until = System.nanoTime() / 1_000_000 + LAST_EVENT_MS;
        while (seen != last && System.nanoTime() / 1_000_000 < until) {
            pause(50);
        }
        say((seen == last ? "done " : "stale ") + seen + " " + last);
        words.readLine(); // the ephemeral node is looked at meanwhile
        Runtime.getRuntime().halt(0);
    }
}
