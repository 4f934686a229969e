// Certificates for the tests, made anew by OpenSSL's own program.
#pragma once

#include <string>

namespace synod::net {

// A directory of its own with
//   ca.pem                     an authority; foreign.pem is another, that signed foreign-server.pem
//   server.pem, .p12           for 127.0.0.1 and localhost, key and certificate; password: secret
//   elsewhere.pem              for zk-9.example
//   expired.pem                for 127.0.0.1, until yesterday
//   revoked.pem, ca-crl.pem    the latter: the authority with its list that has the former
//   locked.pem                 server.pem with the key under the password
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

  static const TestCertificates& get();

 private:
  std::string directory_;
};

}  // namespace synod::net
