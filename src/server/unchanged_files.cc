#include "server/unchanged_files.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace synod::server {
namespace {

namespace op = storage::op;
using storage::DirectoryEntry;

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

void UnchangedFiles::submit(storage::IoLane /*lane*/, storage::IoToken /*token*/,
                            storage::FileBatch /*batch*/) {
  SYNOD_ASSERT(false && "nothing is served through this port");
}

Result<void> UnchangedFiles::perform(storage::FileBatch batch) {
  for (const storage::FileOp& operation : batch) apply(operation);
  return {};
}

void UnchangedFiles::apply(const storage::FileOp& operation) {
  if (const auto* create = std::get_if<op::Create>(&operation)) {
    remove(create->path);
    written_[create->path] = {};
    open_[create->handle] = create->path;
  } else if (const auto* write = std::get_if<op::Write>(&operation)) {
    const auto file = open_.find(write->handle);
    if (file == open_.end()) return;
    Bytes& content = written_[file->second];
    content.resize(std::max<std::size_t>(content.size(), write->offset + write->bytes->size()));
    content.replace(write->offset, write->bytes->size(), *write->bytes);
  } else if (const auto* close = std::get_if<op::Close>(&operation)) {
    open_.erase(close->handle);
  } else if (const auto* renamed = std::get_if<op::Rename>(&operation)) {
    rename(renamed->from, renamed->to);
  } else if (const auto* removed = std::get_if<op::Remove>(&operation)) {
    remove(removed->path);
  }
}

void UnchangedFiles::rename(const std::string& from, const std::string& to) {
  if (const auto written = written_.find(from); written != written_.end()) {
    Bytes content = std::move(written->second);
    remove(from);
    remove(to);
    written_[to] = std::move(content);
    return;
  }
  const auto before = renamed_.find(from);
  std::string below = before == renamed_.end() ? from : before->second;
  remove(from);
  remove(to);
  renamed_[to] = std::move(below);
}

void UnchangedFiles::remove(const std::string& path) {
  written_.erase(path);
  renamed_.erase(path);
  gone_.insert(path);
}

Result<std::vector<DirectoryEntry>> UnchangedFiles::list(const std::string& path) {
  auto entries = below_.list(path);
  if (!entries) return entries;
  const std::vector<DirectoryEntry> there = *entries;
  std::erase_if(*entries,
                [&](const auto& entry) { return gone_.contains(path + "/" + entry.name); });
  for (const auto& [file, content] : written_)
    if (parent_of(file) == path) entries->push_back({name_of(file), content.size()});
  for (const auto& [file, below] : renamed_) {
    if (parent_of(file) != path) continue;
    const auto known = std::ranges::find(there, name_of(below), &DirectoryEntry::name);
    entries->push_back({name_of(file), known == there.end() ? 0 : known->size});
  }
  std::ranges::sort(*entries, {}, &DirectoryEntry::name);
  return entries;
}

Result<Bytes> UnchangedFiles::read(const std::string& path, std::uint64_t offset,
                                   std::size_t count) {
  if (const auto written = written_.find(path); written != written_.end())
    return written->second.substr(std::min<std::size_t>(offset, written->second.size()), count);
  if (const auto renamed = renamed_.find(path); renamed != renamed_.end())
    return below_.read(renamed->second, offset, count);
  if (gone_.contains(path)) return fail(ErrorKind::kNotFound, path + " was removed");
  return below_.read(path, offset, count);
}

}  // namespace synod::server
