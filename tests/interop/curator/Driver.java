import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * Curator 5.4's recipes against one server: each in the calm, then through a restart, then all at once while
 * the server dies. Arguments: HOST:PORT SEED STORM_ROUNDS ONLY. `run` reads the lines starting with @.
 */
public final class Driver {
    interface Case {
        String run(Site site) throws Exception;
    }

    /** Java's server may swallow a connection made while it starts, and its client waits for the whole timeout. */
    static final boolean ON_JAVA = "java".equals(System.getenv("INTEROP_SERVER"));
    static final int RECONNECT_SECONDS = ON_JAVA ? 60 : 15;
    static final int CASE_LIMIT_SECONDS = 90;
    private static final BufferedReader answers = new BufferedReader(new InputStreamReader(System.in));
    private static String address;
    private static Pattern only;

    static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static String ask(String line) throws Exception {
        say(line);
        return answers.readLine();
    }

    static void restartServer() throws Exception {
        Site.equal(ask("@kill"), "ok", "kill");
        Site.equal(ask("@start"), "ok", "start");
    }

    static void report(String name, long beganNanos, Throwable failure, String note) {
        double seconds = (System.nanoTime() - beganNanos) / 1e9;
        if (failure == null) {
            say(String.format("@pass %s %.2f %s", name, seconds, note == null ? "" : note));
        } else {
            failure.printStackTrace();
            say(String.format("@fail %s %.2f %s", name, seconds, failure.toString().replace('\n', ' ')));
        }
    }

    static boolean chosen(String name) {
        return only.matcher(name).find();
    }

    static void runCase(String name, Case body) {
        if (!chosen(name)) {
            return;
        }
        long began = System.nanoTime();
        Throwable[] failure = new Throwable[1];
        String[] note = new String[1];
        try (Site site = new Site(name, address)) {
            Thread thread = new Thread(() -> {
                try {
                    note[0] = body.run(site);
                } catch (Throwable thrown) {
                    failure[0] = thrown;
                }
            });
            thread.setDaemon(true);
            thread.start();
            thread.join(TimeUnit.SECONDS.toMillis(CASE_LIMIT_SECONDS));
            if (thread.isAlive()) {
                failure[0] = new AssertionError("did not end within " + CASE_LIMIT_SECONDS + " s");
                failure[0].setStackTrace(thread.getStackTrace());
            }
            report(name, began, failure[0], note[0]);
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    public static void main(String[] arguments) throws Exception {
        address = arguments[0];
        int rounds = Integer.parseInt(arguments[2]);
        only = Pattern.compile(arguments.length > 3 ? arguments[3] : "");

        ExecutorService pool = Executors.newFixedThreadPool(6);
        List<Future<?>> running = new ArrayList<>();
        Calm.cases().forEach((name, body) -> running.add(pool.submit(() -> runCase(name, body))));
        for (Future<?> future : running) {
            future.get();
        }
        Restart.cases().forEach(Driver::runCase);
        if (rounds > 0 && chosen("storm")) {
            try (Site site = new Site("storm", address)) {
                new Storm(site, Long.parseLong(arguments[1])).run(rounds);
            }
        }
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
