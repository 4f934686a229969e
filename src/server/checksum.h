// SHA-256, for files that have to be what they were.
#pragma once

#include <string>

#include "base/bytes.h"

struct evp_md_ctx_st;

namespace synod::server {

class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(BytesView bytes);
  // Of all that was added, in hexadecimal. The last call.
  [[nodiscard]] std::string finish();

 private:
  evp_md_ctx_st* context_;
};

[[nodiscard]] std::string checksum_of(BytesView bytes);

}  // namespace synod::server
