// Errors as values at boundaries: bytes, files, sockets, configuration.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace synod {

enum class ErrorKind {
  kMalformed,  // bytes that do not parse
  kCorrupt,    // a stored record that was whole once and is not any more
  kNotFound,   // no such file
  kIo,         // the operating system refused
  kNoSpace,    // the disk is full
  kRefused,    // a rule of ours forbids it
};

struct Error {
  ErrorKind kind = ErrorKind::kMalformed;
  std::string text;  // for a person: what, where, and what to do where that is known
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string text) {
  return std::unexpected(Error{kind, std::move(text)});
}

}  // namespace synod
