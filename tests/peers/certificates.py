"""Keys and certificates for a run, made by OpenSSL's program."""

import subprocess

MAKE = r"""
set -e
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem -days 30 -subj "/CN=$1"
}
signed() {  # name, authority
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj "/CN=$1"
  echo "subjectAltName=IP:127.0.0.1,DNS:localhost" >$1.ext
  openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial -out $1.crt -extfile $1.ext -days 30
  cat $1.key $1.crt $2.pem >$1-keys.pem
  openssl pkcs12 -export -in $1.crt -inkey $1.key -certfile $2.pem -out $1.p12 -passout pass:secret -name $1
}
authority ca
authority foreign
signed server ca
signed stranger foreign
# Java takes only those certificates of a PKCS12 for trusted that its own program has marked.
[ -z "$WITH_JAVA" ] || keytool -importcert -noprompt -alias ca -file ca.pem -keystore trust.p12 -storetype PKCS12 -storepass secret
"""


def make(folder, with_java=False):
    folder.mkdir(parents=True)
    done = subprocess.run(["bash", "-c", MAKE], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "WITH_JAVA": "yes" if with_java else ""})
    if done.returncode:
        raise RuntimeError(done.stderr)
    return folder
