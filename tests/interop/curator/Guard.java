import java.util.ArrayList;
import java.util.List;

/** Notices when more than `limit` are inside, and when a fencing token does not grow. */
final class Guard {
    private final int limit;
    private int inside;
    private long lastToken = -1;
    int entries;
    final List<String> violations = new ArrayList<>();

    Guard(int limit) {
        this.limit = limit;
    }

    synchronized void enter() {
        ++entries;
        if (++inside > limit) {
            violations.add(inside + " inside where " + limit + " may be");
        }
    }

    synchronized void enter(long token) {
        enter();
        if (token <= lastToken) {
            violations.add("fencing token " + token + " after " + lastToken);
        }
        lastToken = token;
    }

    synchronized void leave() {
        --inside;
    }
}
