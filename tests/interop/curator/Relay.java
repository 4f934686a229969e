import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;

/** A loopback relay before the server that can go silent or cut its connections: a bad network for one client. */
final class Relay implements AutoCloseable {
    private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final int target;
    private final List<Socket> sockets = new ArrayList<>();
    private volatile boolean silent;

    Relay(String address) throws IOException {
        target = Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
        start(this::accept);
    }

    String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    /** While silent, bytes are swallowed in both directions and the connections stay open. */
    void silence(boolean on) {
        silent = on;
        if (!on) {
            cut();
        }
    }

    synchronized void cut() {
        for (Socket socket : sockets) {
            try {
                socket.close();
            } catch (IOException ignored) {
                // It is gone already.
            }
        }
        sockets.clear();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        cut();
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() {
        while (!listener.isClosed()) {
            try {
                Socket client = listener.accept();
                synchronized (this) {
                    sockets.add(client);
                }
                Socket server = new Socket(InetAddress.getLoopbackAddress(), target);
                synchronized (this) {
                    sockets.add(server);
                }
                start(() -> pump(client, server));
                start(() -> pump(server, client));
            } catch (IOException closedOrRefused) {
                cut();
            }
        }
    }

    private void pump(Socket from, Socket to) {
        byte[] buffer = new byte[65536];
        try (from; to) {
            for (int count; (count = from.getInputStream().read(buffer)) > 0;) {
                if (!silent) {
                    to.getOutputStream().write(buffer, 0, count);
                }
            }
        } catch (IOException ended) {
            // One side is gone, so the other goes too.
        }
    }
}
