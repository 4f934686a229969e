// The table itself: data only. What is done with it stands in config_keys.cc and config_explain.cc.
#include "server/config_keys.h"

namespace synod::server {
namespace {

constexpr std::string_view kTls = "TLS";
constexpr std::string_view kSasl = "SASL and Kerberos";
constexpr std::string_view kAdmin = "the admin server";
constexpr std::string_view kMetrics = "metrics over HTTP";
constexpr std::string_view kAudit = "the audit log";

constexpr std::string_view kThreads = "Synod has its own threads; see synod.connectionThreads";
constexpr std::string_view kNoThrottleQueue =
    "requests wait in the connection's own order, not in a queue of throttled ones";
constexpr std::string_view kGroupCommit =
    "a flush takes what came while the last one ran, and paces itself";
constexpr std::string_view kNoLocalSessions = "one server alone has no local sessions";
constexpr std::string_view kNoJvm = "there is no JVM";
constexpr std::string_view kNoReplyCache = "reads come straight from the tree, without a cache";
constexpr std::string_view kWatchTable = "Synod has one kind of watch table";
constexpr std::string_view kLogging = "it configures Java's logger";

constexpr std::string_view kDigestAlgorithms[] = {
    "SHA1",        "SHA-1",    "SHA-224",  "SHA-256",  "SHA-384",  "SHA-512", "SHA-512/224",
    "SHA-512/256", "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512", "MD5"};
constexpr std::string_view kCompressions[] = {"", "gz", "snappy"};
constexpr std::string_view kPeerTypes[] = {"participant", "observer"};

constexpr std::string_view kUnlimited = "0 or less = unlimited";
constexpr std::string_view kOff = "0 or less = off";
constexpr std::string_view kZeroOff = "0 = off";

constexpr KeyRow file(std::string_view name, Accepts accepts, Target target,
                      std::string_view description) {
  return {.name = name,
          .origin = Origin::kFile,
          .accepts = accepts,
          .target = target,
          .description = description};
}

constexpr KeyRow property(std::string_view name, Accepts accepts, Target target,
                          std::string_view description) {
  return {.name = name,
          .origin = Origin::kProperty,
          .accepts = accepts,
          .target = target,
          .description = description};
}

constexpr KeyRow bare(std::string_view name, Accepts accepts, Target target,
                      std::string_view description) {
  return {.name = name,
          .origin = Origin::kBare,
          .accepts = accepts,
          .target = target,
          .description = description};
}

constexpr KeyRow unused(Status status, Origin origin, std::string_view name, Accepts accepts,
                        std::string_view default_text, std::string_view remark,
                        std::string_view description) {
  return {.name = name,
          .origin = origin,
          .accepts = accepts,
          .target = {},
          .description = description,
          .status = status,
          .remark = remark,
          .default_text = default_text,
          .harmless = default_text};
}

constexpr KeyRow ensemble(Origin origin, std::string_view name, Accepts accepts,
                          std::string_view default_text, std::string_view description) {
  return unused(Status::kEnsemble, origin, name, accepts, default_text, {}, description);
}

constexpr KeyRow ignored(std::string_view name, Accepts accepts, std::string_view default_text,
                         std::string_view why, std::string_view description) {
  return unused(Status::kIgnored, Origin::kProperty, name, accepts, default_text, why, description);
}

constexpr KeyRow later(std::string_view name, Accepts accepts, std::string_view default_text,
                       std::string_view belongs_to, std::string_view description) {
  return unused(Status::kLater, Origin::kProperty, name, accepts, default_text, belongs_to,
                description);
}

constexpr KeyRow ignored_file(std::string_view name, Accepts accepts, std::string_view default_text,
                              std::string_view why, std::string_view description) {
  return unused(Status::kIgnored, Origin::kFile, name, accepts, default_text, why, description);
}

constexpr KeyRow refused(std::string_view name, Accepts accepts, std::string_view remark,
                         std::string_view description) {
  return unused(Status::kRefused, Origin::kFile, name, accepts, {}, remark, description);
}

constexpr KeyRow kPlaces[] = {
    file("dataDir", path(), &Config::data_dir,
         "Snapshots, epochs and `myid`, in `version-2`. Required in a file.")
        .with_default("none"),
    file("dataLogDir", path(), &Config::data_log_dir, "Transaction logs.")
        .with_default("the value of dataDir"),
    property("datadir.autocreate", boolean(), &Config::datadir_autocreate,
             "Create the data directories when they are missing."),
    property("db.autocreate", boolean(), &Config::db_autocreate,
             "Start with an empty tree where there is no data; `false` asks for a file "
             "`initialize` in dataDir first."),
    file("clientPort", port(), &Config::client_port, "The port for clients.").with_default("none"),
    file("clientPortAddress", text("a host name or an address"), &Config::client_port_address,
         "The interface for clients.")
        .with_default("all interfaces"),
    file("clientPortListenBacklog", whole(-1, kIntMax, "connections", "-1 = the system's default"),
         &Config::client_port_listen_backlog, "Connections waiting to be accepted."),
    property("clientTcpKeepAlive", boolean(), &Config::client_tcp_keep_alive,
             "TCP keep-alive on client connections."),
};

constexpr KeyRow kSessions[] = {
    file("tickTime", whole(1, kIntMax, "milliseconds"), &Config::tick_time_ms,
         "The unit in which timeouts are counted."),
    file("minSessionTimeout", whole(-1, kIntMax, "milliseconds", "-1 = 2 ticks"),
         &Config::min_session_timeout_ms, "The least session timeout a client can get.")
        .with_default("2 ticks"),
    file("maxSessionTimeout", whole(-1, kIntMax, "milliseconds", "-1 = 20 ticks"),
         &Config::max_session_timeout_ms, "The greatest session timeout a client can get.")
        .with_default("20 ticks"),
    property("nio.sessionlessCnxnTimeout", whole(1, kIntMax, "milliseconds"),
             &Config::sessionless_connection_timeout_ms,
             "How long a connection may live without a session."),
    ensemble(Origin::kBare, "readonlymode.enabled", boolean(), "false",
             "Read-only service while there is no quorum."),
};

constexpr KeyRow kLimits[] = {
    file("maxClientCnxns", whole(-1, kIntMax, "connections", kUnlimited), &Config::max_client_cnxns,
         "Connections from one client address."),
    property("maxCnxns", whole(-1, kIntMax, "connections", kUnlimited), &Config::max_cnxns,
             "Connections in all."),
    property("globalOutstandingLimit", whole(1, kIntMax, "requests"),
             &Config::global_outstanding_limit,
             "Requests in work above which reading from busy connections pauses."),
    bare("jute.maxbuffer", whole(1, kIntMax, "bytes"), &Config::jute_max_buffer_bytes,
         "The longest request."),
    property("jute.maxbuffer.extrasize", whole(0, kIntMax, "bytes"),
             &Config::jute_max_buffer_extra_bytes,
             "What a stored transaction may be longer than the longest request; at least 1024.")
        .with_default("the value of jute.maxbuffer"),
    property(
        "largeRequestMaxBytes", whole(1, kIntMax, "bytes"), &Config::large_request_max_bytes,
        "Bytes of all large requests that wait for their answers; the connection whose request "
        "would exceed it is closed."),
    property("largeRequestThreshold", whole(-1, kIntMax, "bytes", kOff),
             &Config::large_request_threshold_bytes, "A request that is longer is large."),
    property("request_throttle_max_requests", whole(0, kIntMax, "requests", kZeroOff),
             &Config::request_throttle_max_requests,
             "As globalOutstandingLimit, and the smaller of the two counts: ZooKeeper queues what "
             "is above it, Synod leaves it unread; a client sees a later answer either way."),
    ignored("request_throttle_stall_time", whole(1, kIntMax, "milliseconds"), "100",
            kNoThrottleQueue, "How long throttled requests wait before looking again."),
    ignored("request_throttle_drop_stale", boolean(), "true", kNoThrottleQueue,
            "Drop throttled requests whose connection is gone."),
    ignored("request_stale_connection_check", boolean(), "true", kNoThrottleQueue,
            "A throttled request is stale when its connection is closed."),
    ignored("request_stale_latency_check", boolean(), "false", kNoThrottleQueue,
            "A throttled request is stale when it has waited longer than its session timeout."),
    ignored("throttled_op_wait_time", whole(0, kIntMax, "milliseconds", kZeroOff), "0",
            kNoThrottleQueue, "A throttled request that waited longer is answered THROTTLEDOP."),
    property(
        "connection_throttle_tokens", whole(0, kIntMax, "tokens", kZeroOff),
        &Config::connection_throttle_tokens,
        "Size of the bucket that opening and resuming a session draws from; where it is empty, "
        "the connection is closed."),
    property("connection_throttle_fill_time", whole(1, kIntMax, "milliseconds"),
             &Config::connection_throttle_fill_time_ms, "How often the bucket is filled."),
    property("connection_throttle_fill_count", whole(1, kIntMax, "tokens"),
             &Config::connection_throttle_fill_count, "With how many tokens."),
    property("connection_throttle_freeze_time",
             whole(-1, kIntMax, "milliseconds", "-1 = no random drops"),
             &Config::connection_throttle_freeze_time_ms,
             "How often the probability of a random drop may change."),
    property("connection_throttle_drop_increase", real(0, 1),
             &Config::connection_throttle_drop_increase,
             "Step up of that probability when the bucket is empty."),
    property("connection_throttle_drop_decrease", real(0, 1),
             &Config::connection_throttle_drop_decrease,
             "Step down of that probability when the bucket is full."),
    property("connection_throttle_decrease_ratio", real(0, 1),
             &Config::connection_throttle_decrease_ratio,
             "The part of the bucket that may be empty for a step down."),
    property("connection_throttle_weight_enabled", boolean(),
             &Config::connection_throttle_weight_enabled,
             "Sessions cost as many tokens as the weights say, instead of one; bucket and filling "
             "grow by the weight of a new session."),
    property("connection_throttle_global_session_weight", whole(1, kIntMax, "tokens"),
             &Config::connection_throttle_global_session_weight, "Cost of a new session."),
    property("connection_throttle_renew_session_weight", whole(1, kIntMax, "tokens"),
             &Config::connection_throttle_renew_session_weight, "Cost of a resumed session."),
    ignored("connection_throttle_local_session_weight", whole(1, kIntMax, "tokens"), "1",
            kNoLocalSessions, "Cost of a local session."),
    ignored("request_throttler.shutdownTimeout", whole(0, kIntMax, "milliseconds"), "10000",
            "a stopping server does not wait for throttled requests",
            "Wait for throttled requests at the end."),
};

constexpr KeyRow kStorage[] = {
    property("preAllocSize", whole(0, kLongMax / 1024, "KiB"), &Config::pre_alloc_size_kib,
             "How far a log file is allocated ahead."),
    property("snapCount", whole(2, kIntMax, "transactions"), &Config::snap_count,
             "Transactions between snapshots; at least 2.")
        .raised_to_min(),
    property("snapSizeLimitInKb", whole(-1, kLongMax / 1024, "KiB", kOff),
             &Config::snap_size_limit_kib, "Bytes of log between snapshots."),
    property("txnLogSizeLimitInKb", whole(-1, kLongMax / 1024, "KiB", kOff),
             &Config::txn_log_size_limit_kib, "Size at which a log file is closed."),
    property("snapshot.compression.method", word(kCompressions), &Config::snapshot_compression,
             "Compression of snapshots."),
    property("snapshot.trust.empty", boolean(), &Config::snapshot_trust_empty,
             "Start from logs that have no snapshot."),
    property("forceSync", yes_no(), &Config::force_sync,
             "Flush the log before a write is acknowledged. `no` risks acknowledged writes."),
    {.name = "fsync.warningthresholdms",
     .origin = Origin::kPropertyToo,
     .accepts = whole(0, kLongMax, "milliseconds"),
     .target = &Config::fsync_warning_threshold_ms,
     .description = "Writing and flushing a batch of the log that takes longer is logged."},
    ignored("flushDelay", whole(0, kLongMax, "milliseconds", "0 = flush at once"), "0",
            kGroupCommit, "How long writes are gathered before a flush."),
    ignored("maxWriteQueuePollTime", whole(0, kLongMax, "milliseconds"), "a third of flushDelay",
            kGroupCommit, "With flushDelay, how long to wait for a further write."),
    ignored("maxBatchSize", whole(0, kIntMax, "transactions", "0 = no bound"), "1000", kGroupCommit,
            "Writes gathered before a flush."),
    property("digest.enabled", boolean(), &Config::digest_enabled,
             "Tree digests in log and snapshot."),
    property("serializeLastProcessedZxid.enabled", boolean(),
             &Config::serialize_last_processed_zxid_enabled,
             "The last zxid stands in the snapshot, as 3.9 writes it."),
    property("closeSessionTxn.enabled", boolean(), &Config::close_session_txn_enabled,
             "A closed session's log record lists the nodes that went with it."),
    file("autopurge.snapRetainCount", whole(3, kIntMax, "snapshots"),
         &Config::autopurge_snap_retain_count, "Snapshots that purging keeps; at least 3.")
        .raised_to_min(),
    file("autopurge.purgeInterval", whole(-1, kIntMax, "hours", kOff),
         &Config::autopurge_purge_interval_hours,
         "ZooKeeper purges so often, and only when this is set. Synod purges after each snapshot, "
         "unless this is set to 0 or less.")
        .with_default("after each snapshot"),
};

constexpr KeyRow kTree[] = {
    property("extendedTypesEnabled", boolean(), &Config::extended_types_enabled,
             "Allow TTL nodes."),
    property("emulate353TTLNodes", boolean(), &Config::emulate_353_ttl_nodes,
             "Read TTL nodes as 3.5.3 wrote them."),
    property("enforceQuota", boolean(), &Config::enforce_quota,
             "Refuse writes above a hard quota."),
    bare("znode.container.checkIntervalMs", whole(1, kIntMax, "milliseconds"),
         &Config::container_check_interval_ms,
         "Time between searches for empty containers and nodes past their TTL."),
    bare("znode.container.maxPerMinute", whole(1, kIntMax, "nodes"),
         &Config::container_max_per_minute, "Such nodes deleted in a minute."),
    bare("znode.container.maxNeverUsedIntervalMs", whole(0, kLongMax, "milliseconds", "0 = never"),
         &Config::container_max_never_used_interval_ms,
         "Age at which a container that never had a child is deleted."),
};

constexpr KeyRow kAccess[] = {
    property("skipACL", yes_no(), &Config::skip_acl, "Do not check ACLs."),
    property("DigestAuthenticationProvider.enabled", boolean(),
             &Config::digest_authentication_enabled, "The scheme `digest`."),
    property("DigestAuthenticationProvider.digestAlg", word(kDigestAlgorithms),
             &Config::digest_authentication_algorithm, "Its hash."),
    property("DigestAuthenticationProvider.superDigest", text("super:<base64 of the hash>"),
             &Config::digest_authentication_super_digest, "Who passes every ACL.")
        .with_default("none"),
    property("enforce.auth.enabled", boolean(), &Config::enforce_auth_enabled,
             "Refuse requests on connections without an id of one of enforce.auth.schemes."),
    property("enforce.auth.schemes", list("authentication schemes"), &Config::enforce_auth_schemes,
             "Those schemes.")
        .with_default("none"),
    property("sessionRequireClientSASLAuth", boolean(), &Config::session_require_client_sasl_auth,
             "The same with the one scheme `sasl`."),
    later("allowSaslFailedClients", boolean(), "false", kSasl,
          "A failed SASL exchange leaves the connection open, without an id."),
    later("ensembleAuthName", list("ensemble names"), {}, "the scheme `ensemble`",
          "Names a client of that scheme may expect."),
    later("authProvider.*", text("a Java class name"), {}, "further authentication providers",
          "Further authentication providers."),
    later("X509AuthenticationProvider.superUser", text("a distinguished name"), {}, kTls,
          "Whose certificate passes every ACL."),
    later("SASLAuthenticationProvider.superPassword", text(), {}, kSasl,
          "The password of `super` in DIGEST-MD5."),
    later("superUser", text(), {}, kSasl, "Who passes every ACL after SASL."),
    later("superUser.*", text(), {}, kSasl, "Further ones."),
    later("letAnySaslUserDoX", text(), {}, kSasl, "An ACL id that every SASL user matches."),
    later("sasl.serverconfig", text(), "Server", kSasl, "Section of the JAAS file."),
    later("requireKerberosConfig", boolean(), {}, kSasl, "Insist on a Kerberos configuration."),
    later("security.auth_to_local", text(), "DEFAULT", kSasl, "Rules from principals to names."),
    later("kerberos.removeHostFromPrincipal", boolean(), "false", kSasl, "Name without the host."),
    later("kerberos.removeRealmFromPrincipal", boolean(), "false", kSasl,
          "Name without the realm."),
    later("kerberos.canonicalizeHostNames", boolean(), "false", kSasl, "Canonical host names."),
    later("kerberos.minReLoginTimeMs", whole(0, kLongMax, "milliseconds"), "60000", kSasl,
          "Least time between logins."),
    later("kinit", path(), "/usr/bin/kinit", kSasl, "The program that renews tickets."),
    unused(Status::kLater, Origin::kBare, "java.security.auth.login.config", path(), {}, kSasl,
           "The JAAS file."),
    later("IPAuthenticationProvider.usexforwardedfor", boolean(), "false", kAdmin,
          "Take the address for the scheme `ip` from X-Forwarded-For."),
};

constexpr KeyRow kOperation[] = {
    property("4lw.commands.whitelist", list("four-letter words, or *"), &Config::four_letter_words,
             "Four-letter words that are answered; `srvr` always is."),
    {.name = "synod.connectionThreads",
     .origin = Origin::kSynod,
     .accepts = whole(0, 1024, "threads", "0 = chosen from the machine"),
     .target = &Config::connection_threads,
     .description = "Threads that serve connections. Synod's own key."},
    later("admin.enableServer", boolean(), "true", kAdmin, "The admin server.").silent_at("false"),
    later("admin.serverAddress", text("a host name or an address"), "0.0.0.0", kAdmin,
          "Its interface."),
    later("admin.serverPort", port(), "8080", kAdmin, "Its port."),
    later("admin.idleTimeout", whole(0, kIntMax, "milliseconds"), "30000", kAdmin,
          "Its idle timeout."),
    later("admin.commandURL", text(), "/commands", kAdmin, "Its path."),
    later("admin.httpVersion", whole(0, 1000), "11", kAdmin, "Its HTTP version."),
    later("admin.portUnification", boolean(), "false", kAdmin, "TLS and plain on one port."),
    later("admin.forceHttps", boolean(), "false", kAdmin, "TLS only."),
    later("admin.needClientAuth", boolean(), "false", kAdmin, "Client certificates."),
    later("admin.snapshot.enabled", boolean(), "true", kAdmin, "The command `snapshot`."),
    later("admin.restore.enabled", boolean(), "true", kAdmin, "The command `restore`."),
    later("admin.rateLimiterIntervalInMS", whole(0, kIntMax, "milliseconds"), "300000", kAdmin,
          "Least time between two of these."),
    later("audit.enable", boolean(), "false", kAudit, "The audit log."),
    later("audit.impl.class", text("a Java class name"), {}, kAudit, "Its writer."),
    unused(Status::kLater, Origin::kFile, "metricsProvider.className", text("a Java class name"),
           "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider", kMetrics,
           "Where metrics go; `mntr` has them always."),
    unused(Status::kLater, Origin::kFile, "metricsProvider.*", text(), {}, kMetrics,
           "Settings of that provider."),
};

constexpr KeyRow kTlsKeys[] = {
    refused("secureClientPort", port(), "this version has no TLS listener; leave the key out",
            "The port for clients with TLS."),
    refused("secureClientPortAddress", text("a host name or an address"),
            "this version has no TLS listener; leave the key out", "Its interface."),
    later("ssl.quorum.*", text(), {}, kTls, "TLS between servers."),
    later("ssl.*", text(), {}, kTls, "Keys, trust and protocols of the TLS listener."),
    later("client.portUnification", boolean(), "false", kTls, "TLS and plain on one port."),
    later("client.certReload", boolean(), "false", kTls, "Read changed key stores again."),
    later("fips-mode", boolean(), "true", kTls, "Host name verification as FIPS has it."),
    later("netty.server.outstandingHandshake.limit", whole(-1, kIntMax, "handshakes"), "-1", kTls,
          "TLS handshakes at a time."),
    later("netty.server.earlyDropSecureConnectionHandshakes", boolean(), "false", kTls,
          "Drop connections before the handshake while the server is not ready."),
};

constexpr KeyRow kEnsembleKeys[] = {
    file("standaloneEnabled", boolean(), &Config::standalone_enabled,
         "A single server runs standalone. This version knows nothing else: `false` is refused."),
    file("reconfigEnabled", boolean(), &Config::reconfig_enabled,
         "Allow the operation `reconfig`."),
    ensemble(Origin::kFile, "localSessionsEnabled", boolean(), "false", "Local sessions."),
    ensemble(Origin::kFile, "localSessionsUpgradingEnabled", boolean(), "false",
             "Turn a local session into a global one when it needs to be."),
    {.name = "server.*",
     .origin = Origin::kFile,
     .accepts = text("host:quorumPort:electionPort[:participant|observer]"
                     "[;[clientHost:]clientPort]"),
     .description = "A member. One is standalone; its client part is used where clientPort is not "
                    "set. More are refused by this version.",
     .default_text = "none"},
    refused("group.*", text(), "this version serves standalone only; leave the key out",
            "Hierarchical quorums."),
    refused("weight.*", text(), "this version serves standalone only; leave the key out",
            "Hierarchical quorums."),
    refused("dynamicConfigFile", path(),
            "this version serves standalone only and reads no membership file; leave the key out",
            "The file with the members."),
    ensemble(Origin::kFile, "initLimit", whole(0, kIntMax, "ticks"), "none",
             "Time to connect and catch up."),
    ensemble(Origin::kFile, "syncLimit", whole(0, kIntMax, "ticks"), "none",
             "Time a follower may lag."),
    ensemble(Origin::kFile, "connectToLearnerMasterLimit", whole(0, kIntMax, "ticks"), "initLimit",
             "Time to connect to the leader."),
    ensemble(Origin::kFile, "electionAlg", whole(3, 3), "3", "The election algorithm."),
    ensemble(Origin::kFile, "quorumListenOnAllIPs", boolean(), "false",
             "Listen for peers on all interfaces."),
    ensemble(Origin::kFile, "peerType", word(kPeerTypes), "participant", "The role."),
    ensemble(Origin::kFile, "oraclePath", path(), "none", "Tie-break file of two servers."),
    ensemble(Origin::kFile, "syncEnabled", boolean(), "true",
             "Observers write logs and snapshots."),
    ensemble(Origin::kFile, "observerMasterPort", whole(-1, 65535, {}, kOff), "0",
             "Followers accept observers here."),
    ensemble(Origin::kFile, "sslQuorum", boolean(), "false", "TLS between servers."),
    ensemble(Origin::kFile, "portUnification", boolean(), "false",
             "TLS and plain between servers."),
    ensemble(Origin::kFile, "sslQuorumReloadCertFiles", boolean(), "false",
             "Read changed key stores again."),
    ensemble(Origin::kFile, "multiAddress.enabled", boolean(), "false",
             "Several addresses per server."),
    ensemble(Origin::kFile, "multiAddress.reachabilityCheckEnabled", boolean(), "true",
             "Ping them."),
    ensemble(Origin::kFile, "multiAddress.reachabilityCheckTimeoutMs",
             whole(0, kIntMax, "milliseconds"), "1000", "For how long."),
    ensemble(Origin::kFile, "quorum.auth.enableSasl", boolean(), "false", "SASL between servers."),
    ensemble(Origin::kFile, "quorum.auth.learnerRequireSasl", boolean(), "false",
             "Required of the server a learner connects to."),
    ensemble(Origin::kFile, "quorum.auth.serverRequireSasl", boolean(), "false",
             "Required of learners."),
    ensemble(Origin::kFile, "quorum.auth.learner.saslLoginContext", text(), "QuorumLearner",
             "Section of the JAAS file."),
    ensemble(Origin::kFile, "quorum.auth.server.saslLoginContext", text(), "QuorumServer",
             "Section of the JAAS file."),
    ensemble(Origin::kFile, "quorum.auth.kerberos.servicePrincipal", text(), "zkquorum/localhost",
             "The principal."),
    ensemble(Origin::kFile, "quorum.cnxn.threads.size", whole(0, kIntMax, "threads"), "20",
             "Threads for it."),
    ensemble(Origin::kProperty, "leaderServes", yes_no(), "yes", "The leader serves clients."),
    ensemble(Origin::kProperty, "enableEagerACLCheck", boolean(), "false",
             "Check ACLs before a write is forwarded."),
    ensemble(Origin::kProperty, "commitLogCount", whole(500, kIntMax, "transactions"), "500",
             "Committed transactions kept for learners.")
        .raised_to_min(),
    ensemble(Origin::kProperty, "snapshotSizeFactor", real(-1, 1'000'000), "0.33",
             "When a learner gets a snapshot instead of log."),
    ensemble(Origin::kProperty, "cnxTimeout", whole(0, kIntMax, "milliseconds"), "5000",
             "Time to connect for elections."),
    ensemble(Origin::kProperty, "quorumCnxnTimeoutMs", whole(-1, kIntMax, "milliseconds"), "-1",
             "Read timeout for elections."),
    ensemble(Origin::kProperty, "tcpKeepAlive", boolean(), "false",
             "TCP keep-alive for elections."),
    ensemble(Origin::kProperty, "electionPortBindRetry", whole(0, kIntMax, "tries"), "3",
             "Tries to bind the election port."),
    ensemble(Origin::kProperty, "fastleader.minNotificationInterval",
             whole(0, kIntMax, "milliseconds"), "200", "Election notifications."),
    ensemble(Origin::kProperty, "fastleader.maxNotificationInterval",
             whole(0, kIntMax, "milliseconds"), "60000", "Election notifications."),
    ensemble(Origin::kProperty, "leader.*", text(), {}, "Settings of a leader."),
    ensemble(Origin::kProperty, "learner.*", text(), {}, "Settings of a learner."),
    ensemble(Origin::kProperty, "follower.*", text(), {}, "Settings of a follower."),
    ensemble(Origin::kProperty, "observer.*", text(), {}, "Settings of an observer."),
    ensemble(Origin::kProperty, "commitProcessor.*", text(), {}, "The pipeline of an ensemble."),
    ensemble(Origin::kBare, "leader.nodelay", boolean(), "true", "TCP_NODELAY between servers."),
    ensemble(Origin::kBare, "follower.nodelay", boolean(), "true", "TCP_NODELAY between servers."),
    ensemble(Origin::kProperty, "leaderConnectDelayDuringRetryMs",
             whole(0, kIntMax, "milliseconds"), "100", "Pause between tries."),
    ensemble(Origin::kProperty, "forceSnapshotSync", boolean(), "false",
             "A learner always asks for a snapshot."),
    ensemble(Origin::kProperty, "forward_learner_requests_to_commit_processor_disabled", boolean(),
             "false", "The pipeline of a leader."),
    ensemble(Origin::kProperty, "observerMaster.sizeLimit", whole(0, kIntMax, "bytes"), "33554432",
             "Buffer for observers."),
};

constexpr KeyRow kJavaOnly[] = {
    ignored("serverCnxnFactory", text("a Java class name"),
            "org.apache.zookeeper.server.NIOServerCnxnFactory", "Synod has one listener",
            "The listener's implementation."),
    ignored("nio.numSelectorThreads", whole(0, kIntMax, "threads"), {}, kThreads,
            "Threads that wait for sockets."),
    ignored("nio.numWorkerThreads", whole(0, kIntMax, "threads"), {}, kThreads,
            "Threads that read and write sockets."),
    ignored("nio.directBufferBytes", whole(0, kIntMax, "bytes"), "65536",
            "Synod has its own buffers", "Buffer per thread."),
    ignored("nio.shutdownTimeout", whole(0, kLongMax, "milliseconds"), "5000", kThreads,
            "Wait for these threads at the end."),
    ignored("netty.advancedFlowControl.enabled", boolean(), "false", "Synod has one listener",
            "Flow control of the Netty listener."),
    ignored("intBufferStartingSizeBytes", whole(32, kIntMax, "bytes"), "1024",
            "Synod has its own buffers", "First size of a buffer."),
    ignored("maxResponseCacheSize", whole(-1, kIntMax, "replies"), "400", kNoReplyCache,
            "Cached getData replies."),
    ignored("maxGetChildrenResponseCacheSize", whole(-1, kIntMax, "replies"), "400", kNoReplyCache,
            "Cached getChildren replies."),
    ignored("watchManagerName", text("a Java class name"),
            "org.apache.zookeeper.server.watch.WatchManager", kWatchTable, "The watch table."),
    ignored("watcherCleanThreadsNum", whole(0, kIntMax, "threads"), "2", kWatchTable,
            "Cleaning of dead watchers."),
    ignored("watcherCleanThreshold", whole(0, kIntMax, "watchers"), "1000", kWatchTable,
            "Cleaning of dead watchers."),
    ignored("watcherCleanIntervalInSeconds", whole(0, kIntMax, "seconds"), "600", kWatchTable,
            "Cleaning of dead watchers."),
    ignored("maxInProcessingDeadWatchers", whole(-1, kIntMax, "watchers"), "-1", kWatchTable,
            "Cleaning of dead watchers."),
    ignored("bitHashCacheSize", whole(0, kIntMax, "entries"), "10", kWatchTable,
            "Cache of the watch table."),
    ignored("messageTracker.Enabled", boolean(), "false", "it is a diagnosis of Java's server",
            "Record the last messages of learners."),
    ignored("messageTracker.BufferSize", whole(0, kIntMax, "messages"), "10",
            "it is a diagnosis of Java's server", "How many."),
    ignored("pathStats.*", text(), {}, "it is a diagnosis of Java's server",
            "Request paths in the log."),
    ignored_file("jvm.pause.monitor", boolean(), "false", kNoJvm, "Detect pauses of the JVM."),
    ignored_file("jvm.pause.sleep.time.ms", whole(0, kLongMax, "milliseconds"), "500", kNoJvm,
                 "Its interval."),
    ignored_file("jvm.pause.warn-threshold.ms", whole(0, kLongMax, "milliseconds"), "10000", kNoJvm,
                 "Pauses that are warned of."),
    ignored_file("jvm.pause.info-threshold.ms", whole(0, kLongMax, "milliseconds"), "1000", kNoJvm,
                 "Pauses that are noted."),
    ignored("jmx.log4j.disable", boolean(), {}, kNoJvm, "JMX beans of the logger."),
    ignored("log.*", text(), {}, kLogging, "Log files."),
    ignored("root.logger", text(), {}, kLogging, "Log level and appenders."),
    ignored("console.threshold", text(), {}, kLogging, "Log level of the console."),
    ignored("tracelog.*", text(), {}, kLogging, "Trace log files."),
    ignored("auditlog.*", text(), {}, kLogging, "Audit log files."),
};

constexpr KeySection kSections[] = {
    {"Places and listener", kPlaces},
    {"Time and sessions", kSessions},
    {"Limits", kLimits},
    {"Log, snapshots, purging", kStorage},
    {"The tree", kTree},
    {"Access", kAccess},
    {"Operation", kOperation},
    {"TLS", kTlsKeys},
    {"Ensemble", kEnsembleKeys},
    {"Only in Java's server", kJavaOnly},
};

}  // namespace

std::span<const KeySection> key_sections() { return kSections; }

}  // namespace synod::server
