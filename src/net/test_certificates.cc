#include "net/test_certificates.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace synod::net {

namespace {

constexpr const char* kMake = R"(
set -e
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem \
    -days 30 -subj "/CN=$1"
}
signed() {  # name, authority, alternative names, further options
  local name=$1 ca=$2 names=$3; shift 3
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -out $name.csr \
    -subj "/CN=$name"
  echo "subjectAltName=$names" >$name.ext
  openssl x509 -req -in $name.csr -CA $ca.pem -CAkey $ca.key -CAcreateserial -out $name.crt \
    -extfile $name.ext "$@"
  cat $name.key $name.crt $ca.pem >$name.pem
}
authority ca
authority foreign
signed server ca IP:127.0.0.1,DNS:localhost -days 30
signed elsewhere ca DNS:zk-9.example -days 30
signed foreign-server foreign IP:127.0.0.1 -days 30
signed expired ca IP:127.0.0.1 -days -1
signed revoked ca IP:127.0.0.1 -days 30
openssl pkcs12 -export -in server.crt -inkey server.key -certfile ca.pem -out server.p12 \
  -passout pass:secret
openssl pkcs12 -export -nokeys -in ca.pem -out trust.p12 -passout pass:secret
openssl pkcs8 -topk8 -in server.key -out locked.key -passout pass:secret
cat server.crt locked.key >locked.pem
echo secret >password
touch index.txt; echo 01 >crlnumber
printf "%s\n" "[ca]" default_ca=x "[x]" database=index.txt crlnumber=crlnumber default_md=sha256 >ca.cnf
openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke revoked.crt
openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -crldays 30 -out list.pem
cat ca.pem list.pem >ca-crl.pem
)";

}  // namespace

TestCertificates::TestCertificates() {
  std::string pattern = (std::filesystem::temp_directory_path() / "synod-tls-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  directory_ = pattern;
  const std::string command =
      "cd " + directory_ + " && bash -c '" + kMake + "' >log 2>&1 </dev/null";
  if (std::system(command.c_str()) != 0) {
    ADD_FAILURE() << "no certificates; see " << directory_ << "/log";
    std::abort();
  }
}

TestCertificates::~TestCertificates() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

const TestCertificates& TestCertificates::get() {
  static const TestCertificates kMade;
  return kMade;
}

}  // namespace synod::net
