// The jute encoding (reference: ZooKeeper's BinaryInputArchive and BinaryOutputArchive).
//
//   bool 1 byte | int 4, long 8 bytes, big-endian | string, buffer: int length (-1 = null), bytes
//   vector: int count (-1 = null), elements | record: its fields in order, nothing between them
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace synod::jute {

template <class T>
[[nodiscard]] inline T load_big_endian(const char* from) {
  T raw;
  std::memcpy(&raw, from, sizeof raw);
  if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(raw)));
  else
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(raw)));
}

template <class T>
inline void store_big_endian(char* to, T number) {
  if constexpr (sizeof(T) == 4)
    number = static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(number)));
  else
    number = static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(number)));
  std::memcpy(to, &number, sizeof number);
}

// Reads from a view. Running out of bytes, or a length below -1, makes it fail for good: ok() turns
// false and every further read yields zero or null. Trailing bytes are the caller's business.
class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t remaining() const { return rest_.size(); }
  [[nodiscard]] BytesView rest() const { return rest_; }
  void fail() {
    ok_ = false;
    rest_ = {};
  }

  std::int32_t i32() { return number<std::int32_t>(); }
  std::int64_t i64() { return number<std::int64_t>(); }
  bool boolean() {
    const BytesView byte = take(1);
    return !byte.empty() && byte[0] != 0;
  }
  NullableView view() {
    const std::int32_t length = i32();
    if (length == -1 || !ok_) return std::nullopt;
    if (length < 0) {
      fail();
      return std::nullopt;
    }
    const BytesView bytes = take(static_cast<std::size_t>(length));
    if (!ok_) return std::nullopt;
    return bytes;
  }
  BytesView take(std::size_t count) {
    if (count > rest_.size()) {
      fail();
      return {};
    }
    const BytesView taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

 private:
  template <class T>
  T number() {
    const BytesView bytes = take(sizeof(T));
    return ok_ ? load_big_endian<T>(bytes.data()) : T{};
  }

  BytesView rest_;
  bool ok_ = true;
};

// Appends to a byte string that the caller owns.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(out) {}

  void i32(std::int32_t number) { put(number); }
  void i64(std::int64_t number) { put(number); }
  void boolean(bool flag) { out_.push_back(flag ? '\1' : '\0'); }
  void view(NullableView bytes) {
    if (!bytes) return i32(-1);
    i32(static_cast<std::int32_t>(bytes->size()));
    out_.append(*bytes);
  }
  [[nodiscard]] Bytes& out() { return out_; }

 private:
  template <class T>
  void put(T number) {
    char bytes[sizeof(T)];
    store_big_endian(bytes, number);
    out_.append(bytes, sizeof bytes);
  }

  Bytes& out_;
};

// A record lists its fields once: `static void fields(auto& self, auto&& visit) { visit(self.a,
// self.b); }`.
template <class T>
concept Record = requires(T& record) { T::fields(record, [](auto&...) {}); };

template <class T>
void read(Reader& in, T& field);
template <class T>
void write(Writer& out, const T& field);

inline void read(Reader& in, std::int32_t& field) { field = in.i32(); }
inline void read(Reader& in, std::int64_t& field) { field = in.i64(); }
inline void read(Reader& in, bool& field) { field = in.boolean(); }
inline void read(Reader& in, NullableView& field) { field = in.view(); }
inline void read(Reader& in, BytesView& field) { field = in.view().value_or(""); }
inline void read(Reader& in, std::string& field) { field = std::string(in.view().value_or("")); }
inline void read(Reader& in, Zxid& field) { field.value = in.i64(); }
inline void read(Reader& in, SessionId& field) { field.value = in.i64(); }

inline void write(Writer& out, std::int32_t field) { out.i32(field); }
inline void write(Writer& out, std::int64_t field) { out.i64(field); }
inline void write(Writer& out, bool field) { out.boolean(field); }
inline void write(Writer& out, NullableView field) { out.view(field); }
inline void write(Writer& out, const std::string& field) { out.view(BytesView(field)); }
inline void write(Writer& out, BytesView field) { out.view(field); }
inline void write(Writer& out, Zxid field) { out.i64(field.value); }
inline void write(Writer& out, SessionId field) { out.i64(field.value); }

// The count is only a claim: memory grows with the elements that are really there. A count below
// -1 acts as an empty vector, as in Java.
template <class T>
void read(Reader& in, std::optional<std::vector<T>>& field) {
  const std::int32_t count = in.i32();
  if (count == -1 || !in.ok()) return field.reset();
  field.emplace();
  for (std::int32_t i = 0; i < count && in.ok(); ++i) read(in, field->emplace_back());
  if (!in.ok()) field->clear();
}
template <class T>
void read(Reader& in, std::vector<T>& field) {
  std::optional<std::vector<T>> nullable;
  read(in, nullable);
  field = std::move(nullable).value_or(std::vector<T>{});
}
template <class T>
void write(Writer& out, const std::vector<T>& field) {
  out.i32(static_cast<std::int32_t>(field.size()));
  for (const T& element : field) write(out, element);
}
template <class T>
void write(Writer& out, const std::optional<std::vector<T>>& field) {
  if (field)
    write(out, *field);
  else
    out.i32(-1);
}

template <class T>
void read(Reader& in, T& record) {
  static_assert(Record<T>);
  T::fields(record, [&](auto&... field) { (read(in, field), ...); });
}
template <class T>
void write(Writer& out, const T& record) {
  static_assert(Record<const T>);
  T::fields(record, [&](const auto&... field) { (write(out, field), ...); });
}

// The whole record, or nothing when the bytes do not hold one.
template <class T>
[[nodiscard]] std::optional<T> decode(Reader& in) {
  T record{};
  read(in, record);
  if (!in.ok()) return std::nullopt;
  return record;
}
template <class T>
[[nodiscard]] std::optional<T> decode(BytesView bytes) {
  Reader in(bytes);
  return decode<T>(in);
}
template <class T>
void append(Bytes& out, const T& record) {
  Writer writer(out);
  write(writer, record);
}
template <class T>
[[nodiscard]] Bytes encode(const T& record) {
  Bytes out;
  out.reserve(256);  // most records fit
  append(out, record);
  return out;
}

}  // namespace synod::jute
