#include "server/checksum.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "base/assert.h"

namespace synod::server {

Checksum::Checksum() : context_(EVP_MD_CTX_new()) {
  SYNOD_ASSERT(context_ != nullptr && EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1);
}

Checksum::~Checksum() { EVP_MD_CTX_free(context_); }

void Checksum::add(BytesView bytes) {
  SYNOD_ASSERT(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
}

std::string Checksum::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  SYNOD_ASSERT(EVP_DigestFinal_ex(context_, digest.data(), &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest.at(i));
  return text;
}

std::string checksum_of(BytesView bytes) {
  Checksum sum;
  sum.add(bytes);
  return sum.finish();
}

}  // namespace synod::server
