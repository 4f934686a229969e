#include "replica/reads.h"

#include <optional>
#include <string>

#include "jute/codec.h"
#include "jute/records.h"
#include "primary/primary.h"
#include "replica/authentication.h"
#include "replica/frames.h"

namespace synod::replica {
namespace {

using jute::ErrorCode;
using jute::OpCode;
using state::Node;
using state::WatchMode;

// A megabyte of request could ask for gigabytes of reply; no client takes more than this.
constexpr std::size_t kMultiReadReplyMax = std::size_t{16} << 20;

void append_children(Bytes& out, const Node& node) {
  jute::Writer writer(out);
  writer.i32(static_cast<std::int32_t>(node.child_count()));
  if (!node.children) return;
  const std::size_t prefix = node.path_length + 1;
  for (const Node* child : *node.children) writer.view(child->path().substr(prefix));
}

ErrorCode exists(const Reader& reader, const jute::PathWatchRequest& request, Bytes& out) {
  if (request.path->find('\0') != std::string_view::npos) return ErrorCode::kBadArguments;
  const Node* node = reader.lane.state.tree().find(*request.path);
  if (node != nullptr && !reader.may(node->acl, jute::perms::kRead)) return ErrorCode::kNoAuth;
  if (request.watch) reader.lane.watches.add(*request.path, reader.watcher, WatchMode::kData);
  if (node == nullptr) return ErrorCode::kNoNode;
  jute::append(out, reader.lane.state.tree().client_stat(*node));
  return ErrorCode::kOk;
}

ErrorCode get_data(const Reader& reader, const jute::PathWatchRequest& request, Bytes& out) {
  const Node* node = reader.lane.state.tree().find(*request.path);
  if (node == nullptr) return ErrorCode::kNoNode;
  if (!reader.may(node->acl, jute::perms::kRead)) return ErrorCode::kNoAuth;
  if (request.watch) reader.lane.watches.add(*request.path, reader.watcher, WatchMode::kData);
  jute::append(out, node->data.view());
  jute::append(out, reader.lane.state.tree().client_stat(*node));
  return ErrorCode::kOk;
}

ErrorCode get_children(const Reader& reader, const jute::PathWatchRequest& request, bool with_stat,
                       Bytes& out) {
  const Node* node = reader.lane.state.tree().find(*request.path);
  if (node == nullptr) return ErrorCode::kNoNode;
  if (!reader.may(node->acl, jute::perms::kRead)) return ErrorCode::kNoAuth;
  if (request.watch) reader.lane.watches.add(*request.path, reader.watcher, WatchMode::kChildren);
  append_children(out, *node);
  if (with_stat) jute::append(out, reader.lane.state.tree().client_stat(*node));
  return ErrorCode::kOk;
}

// Who may not administer the node sees that a digest is there, and whose, but not the digest.
ErrorCode get_acl(const Reader& reader, std::string_view path, Bytes& out) {
  const Node* node = reader.lane.state.tree().find(path);
  if (node == nullptr) return ErrorCode::kNoNode;
  if (!reader.may(node->acl, jute::perms::kRead | jute::perms::kAdmin)) return ErrorCode::kNoAuth;
  jute::AclList list = reader.lane.state.tree().acls().list(node->acl);
  if (!reader.may(node->acl, jute::perms::kAdmin)) {
    for (jute::Acl& entry : list) {
      if (entry.scheme == "digest") entry.id = entry.id.substr(0, entry.id.find(':')) + ":x";
    }
  }
  jute::append(out, list);
  jute::append(out, reader.lane.state.tree().client_stat(*node));
  return ErrorCode::kOk;
}

ErrorCode get_all_children_number(const Reader& reader, std::string_view path, Bytes& out) {
  const state::Tree& tree = reader.lane.state.tree();
  const Node* node = tree.find(path);
  if (node == nullptr) return ErrorCode::kNoNode;
  if (!reader.may(node->acl, jute::perms::kRead)) return ErrorCode::kNoAuth;
  // Java counts the keys of its node table that begin with path + "/"; the root is there as "/"
  // too.
  const std::size_t count = tree.descendant_count(*node) + (path.empty() ? 1 : 0);
  jute::append(out, static_cast<std::int32_t>(count));
  return ErrorCode::kOk;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

ErrorCode get_ephemerals(const Reader& reader, NullableView prefix, Bytes& out) {
  const bool wants_all = !prefix || is_blank(*prefix) || *prefix == "/";
  std::vector<std::string> paths = reader.lane.state.tree().ephemerals_of(reader.session);
  if (!wants_all)
    std::erase_if(paths, [&](const std::string& path) { return !path.starts_with(*prefix); });
  jute::append(out, paths);
  return ErrorCode::kOk;
}

ErrorCode add_watch(const Reader& reader, const jute::PathNumberRequest& request, Bytes& out) {
  switch (static_cast<jute::AddWatchMode>(request.number)) {
    case jute::AddWatchMode::kPersistent:
      reader.lane.watches.add(*request.path, reader.watcher, WatchMode::kPersistent);
      break;
    case jute::AddWatchMode::kPersistentRecursive:
      reader.lane.watches.add(*request.path, reader.watcher, WatchMode::kRecursive);
      break;
    default:
      return ErrorCode::kMarshallingError;
  }
  jute::append(out, std::int32_t{0});
  return ErrorCode::kOk;
}

ErrorCode find_watch(const Reader& reader, const jute::PathNumberRequest& request, bool removes) {
  if (request.number < 1 || request.number > 5) return ErrorCode::kMarshallingError;
  const auto type = static_cast<jute::WatcherType>(request.number);
  state::WatchTable& watches = reader.lane.watches;
  const bool is_there = removes ? watches.remove(*request.path, reader.watcher, type)
                                : watches.contains(*request.path, reader.watcher, type);
  return is_there ? ErrorCode::kOk : ErrorCode::kNoWatcher;
}

// A client that reconnected lists what it watches; what it missed since its last zxid is told at
// once, the rest is registered (reference, protocol section 12.4).
class WatchRestorer {
 public:
  WatchRestorer(const Reader& reader, Zxid since, Bytes& out)
      : reader_(reader), since_(since), out_(out) {}

  void data(std::string_view path) {
    const Node* node = find(path);
    if (node == nullptr)
      tell(jute::EventType::kNodeDeleted, path);
    else if (node->stat.mzxid > since_)
      tell(jute::EventType::kNodeDataChanged, path);
    else
      add(path, WatchMode::kData);
  }
  void existence(std::string_view path) {
    if (find(path) != nullptr)
      tell(jute::EventType::kNodeCreated, path);
    else
      add(path, WatchMode::kData);
  }
  void children(std::string_view path) {
    const Node* node = find(path);
    if (node == nullptr)
      tell(jute::EventType::kNodeDeleted, path);
    else if (node->stat.pzxid > since_)
      tell(jute::EventType::kNodeChildrenChanged, path);
    else
      add(path, WatchMode::kChildren);
  }
  void add(std::string_view path, WatchMode mode) {
    reader_.lane.watches.add(path, reader_.watcher, mode);
  }

 private:
  [[nodiscard]] const Node* find(std::string_view path) const {
    return reader_.lane.state.tree().find(path);
  }
  void tell(jute::EventType type, std::string_view path) {
    append_notification(out_, type, path, Zxid{-1});
    ++reader_.lane.counters.packets_sent;
  }

  const Reader& reader_;
  Zxid since_;
  Bytes& out_;
};

ErrorCode set_watches(const Reader& reader, const jute::SetWatches2Request& request, Bytes& out) {
  WatchRestorer restorer(reader, request.relative_zxid, out);
  for (const auto& path : *request.data_watches) restorer.data(path.value_or(""));
  for (const auto& path : *request.exist_watches) restorer.existence(path.value_or(""));
  for (const auto& path : *request.child_watches) restorer.children(path.value_or(""));
  for (const auto& path : *request.persistent_watches)
    restorer.add(path.value_or(""), WatchMode::kPersistent);
  for (const auto& path : *request.persistent_recursive_watches)
    restorer.add(path.value_or(""), WatchMode::kRecursive);
  return ErrorCode::kOk;
}

ErrorCode set_watches(const Reader& reader, OpCode type, BytesView record, Bytes& out) {
  jute::SetWatches2Request request;
  if (type == OpCode::kSetWatches2) {
    auto given = jute::decode<jute::SetWatches2Request>(record);
    if (!given) return ErrorCode::kMarshallingError;
    request = std::move(*given);
  } else {
    auto given = jute::decode<jute::SetWatchesRequest>(record);
    if (!given) return ErrorCode::kMarshallingError;
    request = {given->relative_zxid,
               std::move(given->data_watches),
               std::move(given->exist_watches),
               std::move(given->child_watches),
               std::vector<NullableView>{},
               std::vector<NullableView>{}};
  }
  if (!request.data_watches || !request.exist_watches || !request.child_watches ||
      !request.persistent_watches || !request.persistent_recursive_watches)
    return ErrorCode::kMarshallingError;
  return set_watches(reader, request, out);
}

ErrorCode who_am_i(const Reader& reader, Bytes& out) {
  jute::Writer writer(out);
  writer.i32(static_cast<std::int32_t>(reader.ids.size()));
  for (const state::AuthId& id : reader.ids) {
    writer.view(id.scheme);
    writer.view(user_name(id));
  }
  return ErrorCode::kOk;
}

// Each part is answered by itself; watch flags inside mean nothing. A body full of writes is
// refused with an empty result, anything else that is no multiRead without one.
ErrorCode multi_read(const Reader& reader, BytesView record, Bytes& out) {
  const std::size_t start = out.size();
  const auto spoiled = [&] {
    out.resize(start);
    const auto types = primary::multi_types(record);
    if (types && !types->empty()) jute::append(out, jute::kMultiEnd);
    return ErrorCode::kMarshallingError;
  };
  jute::Reader in(record);
  while (true) {
    const auto header = jute::decode<jute::MultiHeader>(in);
    if (!header || out.size() - start > kMultiReadReplyMax) return spoiled();
    if (header->done) break;
    const auto type = static_cast<OpCode>(header->type);
    if (type != OpCode::kGetData && type != OpCode::kGetChildren) return spoiled();
    auto request = jute::decode<jute::PathWatchRequest>(in);
    if (!request || !request->path) return spoiled();
    request->watch = false;
    const std::size_t part = out.size();
    jute::append(out, jute::MultiHeader{header->type, false, 0});
    const ErrorCode error = type == OpCode::kGetData ? get_data(reader, *request, out)
                                                     : get_children(reader, *request, false, out);
    if (error == ErrorCode::kOk) continue;
    out.resize(part);
    const auto code = static_cast<std::int32_t>(error);
    jute::append(out, jute::MultiHeader{static_cast<std::int32_t>(OpCode::kError), false, code});
    jute::append(out, code);
  }
  jute::append(out, jute::kMultiEnd);
  return ErrorCode::kOk;
}

template <class Request, class Next>
ErrorCode with(BytesView record, Next&& next) {
  const auto request = jute::decode<Request>(record);
  if (!request || !request->path) return ErrorCode::kMarshallingError;
  return next(*request);
}

}  // namespace

bool is_read(OpCode type) {
  switch (type) {
    case OpCode::kExists:
    case OpCode::kGetData:
    case OpCode::kGetAcl:
    case OpCode::kGetChildren:
    case OpCode::kGetChildren2:
    case OpCode::kPing:
    case OpCode::kCheckWatches:
    case OpCode::kRemoveWatches:
    case OpCode::kMultiRead:
    case OpCode::kSetWatches:
    case OpCode::kSetWatches2:
    case OpCode::kGetEphemerals:
    case OpCode::kGetAllChildrenNumber:
    case OpCode::kAddWatch:
    case OpCode::kWhoAmI:
      return true;
    default:
      return false;
  }
}

bool shows_tree(OpCode type) {
  switch (type) {
    case OpCode::kExists:
    case OpCode::kGetData:
    case OpCode::kGetAcl:
    case OpCode::kGetChildren:
    case OpCode::kGetChildren2:
    case OpCode::kMultiRead:
    case OpCode::kGetEphemerals:
    case OpCode::kGetAllChildrenNumber:
      return true;
    default:
      return false;
  }
}

ErrorCode read(const Reader& reader, OpCode type, BytesView record, Bytes& out) {
  using Watch = jute::PathWatchRequest;
  using Number = jute::PathNumberRequest;
  using Path = jute::PathRecord;
  switch (type) {
    case OpCode::kExists:
      return with<Watch>(record, [&](const Watch& r) { return exists(reader, r, out); });
    case OpCode::kGetData:
      return with<Watch>(record, [&](const Watch& r) { return get_data(reader, r, out); });
    case OpCode::kGetChildren:
      return with<Watch>(record,
                         [&](const Watch& r) { return get_children(reader, r, false, out); });
    case OpCode::kGetChildren2:
      return with<Watch>(record,
                         [&](const Watch& r) { return get_children(reader, r, true, out); });
    case OpCode::kGetAcl:
      return with<Path>(record, [&](const Path& r) { return get_acl(reader, *r.path, out); });
    case OpCode::kGetAllChildrenNumber:
      return with<Path>(
          record, [&](const Path& r) { return get_all_children_number(reader, *r.path, out); });
    case OpCode::kGetEphemerals: {
      const auto request = jute::decode<Path>(record);
      return request ? get_ephemerals(reader, request->path, out) : ErrorCode::kMarshallingError;
    }
    case OpCode::kAddWatch:
      return with<Number>(record, [&](const Number& r) { return add_watch(reader, r, out); });
    case OpCode::kCheckWatches:
      return with<Number>(record, [&](const Number& r) { return find_watch(reader, r, false); });
    case OpCode::kRemoveWatches:
      return with<Number>(record, [&](const Number& r) { return find_watch(reader, r, true); });
    case OpCode::kMultiRead:
      return multi_read(reader, record, out);
    case OpCode::kSetWatches:
    case OpCode::kSetWatches2:
      return set_watches(reader, type, record, out);
    case OpCode::kWhoAmI:
      return who_am_i(reader, out);
    case OpCode::kPing:
      return ErrorCode::kOk;
    default:  // a sync that does not parse
      return ErrorCode::kMarshallingError;
  }
}

}  // namespace synod::replica
