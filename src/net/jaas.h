// The file that Java names with java.security.auth.login.config: sections of login modules with
// options.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace synod::net {

struct JaasModule {
  std::string name;  // org.apache.zookeeper.server.auth.DigestLoginModule
  std::string flag;  // required, requisite, sufficient, optional
  std::map<std::string, std::string> options;
};
using JaasSections = std::map<std::string, std::vector<JaasModule>>;

[[nodiscard]] Result<JaasSections> parse_jaas(std::string_view text);

}  // namespace synod::net
