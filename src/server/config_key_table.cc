// The table itself: data only. What is done with it stands in config_keys.cc and config_explain.cc.
#include "server/config_keys.h"

namespace synod::server {
namespace {

constexpr std::string_view kTls = "TLS for clients";
constexpr std::string_view kSasl = "SASL and Kerberos for clients";
constexpr std::string_view kAdmin = "the admin server";
constexpr std::string_view kMetrics = "metrics over HTTP";
constexpr std::string_view kAudit = "the audit log";

constexpr std::string_view kThreads = "Synod has its own threads; see synod.connectionThreads";
constexpr std::string_view kNoThrottleQueue =
    "requests wait in the connection's own order, not in a queue of throttled ones";
constexpr std::string_view kGroupCommit =
    "a flush takes what came while the last one ran, and paces itself";
constexpr std::string_view kOneSessionWeight = "a new session costs the same, local or not";
constexpr std::string_view kPeerThreads = "peers share one thread and wait for each other nowhere";
constexpr std::string_view kPipeline = "requests pass through no such pipeline";
constexpr std::string_view kBoundedByLink =
    "what an observer does not take is bounded by its link, as a follower's is";
constexpr std::string_view kSnapsInSlices =
    "snapshots go to learners in slices, at the pace of each";
constexpr std::string_view kTriedInTurn = "addresses are tried in turn until one answers";
constexpr std::string_view kNoJvm = "there is no JVM";
constexpr std::string_view kNoReplyCache = "reads come straight from the tree, without a cache";
constexpr std::string_view kWatchTable = "Synod has one kind of watch table";
constexpr std::string_view kLogging = "it configures Java's logger";

constexpr std::string_view kDigestAlgorithms[] = {
    "SHA1",        "SHA-1",    "SHA-224",  "SHA-256",  "SHA-384",  "SHA-512", "SHA-512/224",
    "SHA-512/256", "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512", "MD5"};
constexpr std::string_view kCompressions[] = {"", "gz", "snappy"};
constexpr std::string_view kReads[] = {"local", "linearizable"};
constexpr std::string_view kPeerTypes[] = {"participant", "observer"};
constexpr std::string_view kStoreTypes[] = {"PEM", "PKCS12"};
constexpr std::string_view kClientAuth[] = {"need", "want", "none"};
constexpr std::string_view kOnlyFalse[] = {"false"};
constexpr std::string_view kEngines[] = {"zab", "raft", "omnipaxos"};

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
    unused(Status::kLater, Origin::kBare, "readonlymode.enabled", boolean(), "false",
           "read-only mode", "Read-only service while there is no quorum."),
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
            kOneSessionWeight, "Cost of a local session."),
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
    later("ssl.*", text(), {}, kTls, "Keys, trust and protocols of the TLS listener."),
    later("client.portUnification", boolean(), "false", kTls, "TLS and plain on one port."),
    later("client.certReload", boolean(), "false", kTls, "Read changed key stores again."),
    later("fips-mode", boolean(), "true", kTls, "Host name verification as FIPS has it."),
    later("netty.server.outstandingHandshake.limit", whole(-1, kIntMax, "handshakes"), "-1", kTls,
          "TLS handshakes at a time."),
    later("netty.server.earlyDropSecureConnectionHandshakes", boolean(), "false", kTls,
          "Drop connections before the handshake while the server is not ready."),
};

constexpr KeyRow kMembers[] = {
    {.name = "server.*",
     .origin = Origin::kFile,
     .accepts = text("host:quorumPort:electionPort[:participant|observer]"
                     "[;[clientHost:]clientPort]"),
     .description = "A member, by its number. One participant alone is standalone, more are an "
                    "ensemble; the client part names the listener. Several addresses are joined "
                    "by '|', where multiAddress.enabled allows it.",
     .default_text = "none"},
    {.name = "group.*",
     .origin = Origin::kFile,
     .accepts = text("numbers of servers, joined by colons"),
     .description = "A group of voters: with groups, a quorum is a majority, by weight, in a "
                    "majority of the groups.",
     .default_text = "none: a majority of the voters"},
    {.name = "weight.*",
     .origin = Origin::kFile,
     .accepts = text("a whole number from 0"),
     .description = "What a voter counts in its group; with 0 it never leads.",
     .default_text = "1"},
    file("dynamicConfigFile", path(), &Config::dynamic_config_file,
         "The file with the server.N, group.N and weight.N lines, where they do not stand in this "
         "one. The version is what its name ends with, in hexadecimal. With reconfigEnabled the "
         "server writes it, and this line, when the membership changes.")
        .with_default("none"),
    file("standaloneEnabled", boolean(), &Config::standalone_enabled,
         "A single participant runs alone; `false` makes it an ensemble of one, which a reconfig "
         "may then leave."),
    file("reconfigEnabled", boolean(), &Config::reconfig_enabled,
         "Allow the operation `reconfig`: the membership changes while servers run (see "
         "docs/ensembles.md)."),
    file("peerType", word(kPeerTypes), &Config::peer_type,
         "The role, as a hint: the server.N line has the say.")
        .with_default("as server.N says"),
    file("multiAddress.enabled", boolean(), &Config::multi_address_enabled,
         "Several addresses per server."),
    ignored_file("multiAddress.reachabilityCheckEnabled", boolean(), "true", kTriedInTurn,
                 "Ping them."),
    ignored_file("multiAddress.reachabilityCheckTimeoutMs", whole(0, kIntMax, "milliseconds"),
                 "1000", kTriedInTurn, "For how long."),
    ignored_file("oraclePath", path(), {}, "two voters need each other; no file replaces one",
                 "Tie-break file of two servers."),
};

constexpr KeyRow kElection[] = {
    file("consensus", word(kEngines), &Config::consensus,
         "How an ensemble agrees: `zab` as ZooKeeper does, and with it; `raft` and `omnipaxos` "
         "among Synod's own servers. The same for all of them, and changed by `synod convert` "
         "only: see docs/ensembles.md."),
    file("electionTimeout", whole(10, kIntMax, "milliseconds"), &Config::election_timeout_ms,
         "With `raft` and `omnipaxos`: without a word from the leader for so long (in Raft up to "
         "twice that) another one is sought."),
    file("initLimit", whole(0, kIntMax, "ticks"), &Config::init_limit_ticks,
         "Time to agree on an epoch, and to connect and catch up. Required in an ensemble.")
        .with_default("none"),
    file("syncLimit", whole(0, kIntMax, "ticks"), &Config::sync_limit_ticks,
         "Time without a word after which leader and learner give each other up. Required in an "
         "ensemble.")
        .with_default("none"),
    file("connectToLearnerMasterLimit", whole(0, kIntMax, "ticks", "0 = as initLimit"),
         &Config::connect_to_learner_master_limit_ticks, "Time to connect to the leader."),
    unused(Status::kSupported, Origin::kFile, "electionAlg", whole(3, 3), "3", {},
           "The election algorithm; there is one."),
    file("quorumListenOnAllIPs", boolean(), &Config::quorum_listen_on_all_ips,
         "Listen for peers on all interfaces, not on the addresses of the server.N line."),
    property("electionPortBindRetry", whole(0, kIntMax, "tries", "0 = for ever"),
             &Config::election_port_bind_retry,
             "Tries, a second apart, to listen on the ports for peers."),
    property("cnxTimeout", whole(1, kIntMax, "milliseconds"), &Config::cnx_timeout_ms,
             "Time to connect to a peer for elections."),
    property("quorumCnxnTimeoutMs", whole(-1, kIntMax, "milliseconds", "-1 = syncLimit ticks"),
             &Config::quorum_cnxn_timeout_ms,
             "How long a new connection of a peer may take to say who it is."),
    property("tcpKeepAlive", boolean(), &Config::tcp_keep_alive,
             "TCP keep-alive on connections for elections, which have no heartbeat; ZooKeeper's "
             "default is `false`."),
    property("fastleader.minNotificationInterval", whole(1, kIntMax, "milliseconds"),
             &Config::fast_leader_min_notification_interval_ms,
             "First wait for votes before they are asked for again."),
    property("fastleader.maxNotificationInterval", whole(1, kIntMax, "milliseconds"),
             &Config::fast_leader_max_notification_interval_ms, "Longest such wait; it doubles."),
    property("leaderServes", yes_no(), &Config::leader_serves, "The leader serves clients, too."),
};

constexpr KeyRow kLearning[] = {
    property("commitLogCount", whole(500, kIntMax, "transactions"), &Config::commit_log_count,
             "Committed transactions kept in memory for learners; at least 500.")
        .raised_to_min(),
    property("snapshotSizeFactor", real(-1, 1'000'000), &Config::snapshot_size_factor,
             "A learner further behind gets the log on disk, up to this part of a snapshot's size, "
             "and beyond it the snapshot; 0: the log as far as it reaches; below 0: always the "
             "snapshot."),
    property("forceSnapshotSync", boolean(), &Config::force_snapshot_sync,
             "The leader always sends a snapshot: a way out of a damaged follower."),
    property("leaderConnectDelayDuringRetryMs", whole(0, kIntMax, "milliseconds"),
             &Config::leader_connect_delay_during_retry_ms,
             "Pause between tries to connect to the leader."),
    property("observer.reconnectDelayMs", whole(0, kIntMax, "milliseconds"),
             &Config::observer_reconnect_delay_ms,
             "An observer waits up to so long before it connects to a leader again."),
    property("observer.election.DelayMs", whole(0, kIntMax, "milliseconds"),
             &Config::observer_election_delay_ms,
             "An observer that lost its leader waits up to so long before it looks for one."),
    file("observerMasterPort", whole(-1, 65535, {}, kOff), &Config::observer_master_port,
         "Observers learn from followers, which accept them on this port of their quorum address, "
         "and not from the leader. On all servers, or on none; of zab."),
    file("reads", word(kReads), &Config::reads,
         "What a read shows: local, what this server has applied; linearizable, all that was "
         "committed anywhere when it arrived, for one round trip to a quorum. A session may choose "
         "for itself: an auth packet of scheme synod with reads=local or reads=linearizable."),
    file("localSessionsEnabled", boolean(), &Config::local_sessions_enabled,
         "Sessions live on the server that made them, unknown to the others, and make no "
         "ephemeral nodes."),
    file("localSessionsUpgradingEnabled", boolean(), &Config::local_sessions_upgrading_enabled,
         "A local session that makes an ephemeral node becomes a global one."),
    {.name = "testingonly.initialZxid",
     .origin = Origin::kProperty,
     .accepts = whole(-1, 0xfffffffeLL, "transactions", "-1 = off"),
     .target = &Config::testing_initial_zxid,
     .description = "For tests: a new leader starts counting here, to show what happens when the "
                    "counter of an epoch overflows."},
    ignored_file("syncEnabled", boolean(), "true", "an observer keeps log and snapshots always",
                 "Observers write logs and snapshots."),
    ignored("observerMaster.sizeLimit", whole(0, kIntMax, "bytes"), "33554432", kBoundedByLink,
            "Buffer for observers."),
    ignored("enableEagerACLCheck", boolean(), "false", "the leader checks, and answers the same",
            "Check ACLs before a write is forwarded."),
    ignored("leader.maxConcurrentSnapSyncs", whole(0, kIntMax, "learners"), "10", kSnapsInSlices,
            "Learners that get a snapshot at a time."),
    ignored("leader.maxConcurrentDiffSyncs", whole(0, kIntMax, "learners"), "100", kSnapsInSlices,
            "Learners that get log at a time."),
    ignored("leader.maxTimeToWaitForEpoch", whole(-1, kIntMax, "milliseconds"), "-1",
            "initLimit bounds that wait", "Time for a quorum to agree on an epoch."),
    ignored("leader.ackLoggingFrequency", whole(0, kIntMax, "acknowledgements"), "1000",
            "it is a diagnosis of Java's server", "Acknowledgements in the log."),
    ignored("leader.closeSocketAsync", boolean(), "false", kPeerThreads, "Close in a thread."),
    ignored("learner.closeSocketAsync", boolean(), "false", kPeerThreads, "Close in a thread."),
    ignored("learner.asyncSending", boolean(), "false", kPeerThreads, "Send in a thread."),
    ignored("follower.skipLearnerRequestToNextProcessor", boolean(), "false", kPipeline,
            "The pipeline of a follower."),
    ignored("forward_learner_requests_to_commit_processor_disabled", boolean(), "false", kPipeline,
            "The pipeline of a leader."),
    ignored("commitProcessor.*", text(), {}, kPipeline, "The pipeline of a member."),
    unused(Status::kIgnored, Origin::kBare, "leader.nodelay", boolean(), "true", "it is always on",
           "TCP_NODELAY between servers."),
    unused(Status::kIgnored, Origin::kBare, "follower.nodelay", boolean(), "true",
           "it is always on", "TCP_NODELAY between servers."),
};

constexpr KeyRow kPeerSecurity[] = {
    file("sslQuorum", boolean(), &Config::ssl_quorum, "Servers speak TLS with each other."),
    file("portUnification", boolean(), &Config::port_unification,
         "Servers accept TLS and plain, whatever sslQuorum says of what they speak themselves: for "
         "the change from one to the other, server by server."),
    ignored_file("sslQuorumReloadCertFiles", boolean(), "false",
                 "stores are read at the start: restart the servers, one after the other",
                 "Read changed key and trust stores again."),
    property("ssl.quorum.keyStore.location", path(), &Config::ssl_quorum_key_store_location,
             "This server's key and certificates.")
        .with_default("none"),
    property("ssl.quorum.keyStore.password", text(), &Config::ssl_quorum_key_store_password,
             "Its password.")
        .with_default("none"),
    property("ssl.quorum.keyStore.passwordPath", path(),
             &Config::ssl_quorum_key_store_password_path, "The file that holds its password.")
        .with_default("none"),
    unused(Status::kSupported, Origin::kProperty, "ssl.quorum.keyStore.type", word(kStoreTypes),
           "by its content", {}, "Its format, which the file itself says."),
    property("ssl.quorum.trustStore.location", path(), &Config::ssl_quorum_trust_store_location,
             "The authorities whose certificates are believed.")
        .with_default("the system's"),
    property("ssl.quorum.trustStore.password", text(), &Config::ssl_quorum_trust_store_password,
             "Its password.")
        .with_default("none"),
    property("ssl.quorum.trustStore.passwordPath", path(),
             &Config::ssl_quorum_trust_store_password_path, "The file that holds its password.")
        .with_default("none"),
    unused(Status::kSupported, Origin::kProperty, "ssl.quorum.trustStore.type", word(kStoreTypes),
           "by its content", {}, "Its format, which the file itself says."),
    property("ssl.quorum.protocol", text("TLSv1.2 or TLSv1.3"), &Config::ssl_quorum_protocol,
             "The version of TLS, where enabledProtocols does not say.")
        .with_default("both"),
    property("ssl.quorum.enabledProtocols", list("versions of TLS"),
             &Config::ssl_quorum_enabled_protocols, "The versions of TLS.")
        .with_default("both"),
    property("ssl.quorum.ciphersuites", list("cipher suites, in Java's names"),
             &Config::ssl_quorum_cipher_suites, "The cipher suites.")
        .with_default("OpenSSL's choice"),
    property("ssl.quorum.clientAuth", word(kClientAuth), &Config::ssl_quorum_client_auth,
             "Whether a server that connects has to show a certificate."),
    property("ssl.quorum.hostnameVerification", boolean(),
             &Config::ssl_quorum_hostname_verification,
             "The certificate of a server has to name the host that was asked for."),
    property("ssl.quorum.clientHostnameVerification", boolean(),
             &Config::ssl_quorum_client_hostname_verification,
             "That of a server that connects has to name its address, or the host of a member."),
    property("ssl.quorum.crl", boolean(), &Config::ssl_quorum_crl,
             "Revocation lists, which the trust store has to hold (PEM), are heeded."),
    unused(Status::kSupported, Origin::kProperty, "ssl.quorum.ocsp", word(kOnlyFalse), "false", {},
           "Asking authorities over the network is not supported: `true` is not accepted."),
    property("ssl.quorum.handshakeDetectionTimeoutMillis", whole(1, kIntMax, "milliseconds"),
             &Config::ssl_quorum_handshake_detection_timeout_ms,
             "With portUnification: who says nothing for so long speaks plain."),
    ignored("ssl.quorum.allowReverseDnsLookup", boolean(), "true",
            "names are never looked up in "
            "reverse: the members' hosts are known",
            "Reverse lookup in verifying a host."),
    ignored("ssl.quorum.context.supplier.class", text("a Java class name"), {}, kNoJvm,
            "A maker of TLS contexts."),
    ignored("ssl.quorum.*", text(), {}, "Synod's TLS has no such setting",
            "Whatever else Java's TLS can be told."),
    file("quorum.auth.enableSasl", boolean(), &Config::quorum_auth_enable_sasl,
         "Servers can authenticate to each other with SASL (DIGEST-MD5). Whom, and with what "
         "password, is in the file that java.security.auth.login.config names."),
    file("quorum.auth.learnerRequireSasl", boolean(), &Config::quorum_auth_learner_require_sasl,
         "This server authenticates where it connects."),
    file("quorum.auth.serverRequireSasl", boolean(), &Config::quorum_auth_server_require_sasl,
         "Who connects to this server has to."),
    file("quorum.auth.learner.saslLoginContext", text(), &Config::quorum_auth_learner_context,
         "The section of that file with this server's user and password."),
    file("quorum.auth.server.saslLoginContext", text(), &Config::quorum_auth_server_context,
         "The section with everybody's."),
    unused(Status::kLater, Origin::kFile, "quorum.auth.kerberos.servicePrincipal", text(),
           "zkquorum/localhost", "Kerberos between servers", "The principal."),
    bare("java.security.auth.login.config", path(), &Config::jaas_file, "The JAAS file.")
        .with_default("none"),
    ignored_file("quorum.cnxn.threads.size", whole(0, kIntMax, "threads"), "20", kPeerThreads,
                 "Threads that connect and authenticate."),
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
    {"Members of an ensemble", kMembers},
    {"Election and limits", kElection},
    {"Following a leader", kLearning},
    {"TLS and SASL between servers", kPeerSecurity},
    {"Only in Java's server", kJavaOnly},
};

}  // namespace

std::span<const KeySection> key_sections() { return kSections; }

}  // namespace synod::server
