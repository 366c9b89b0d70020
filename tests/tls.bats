#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# TLS with keys of the TPM: openssl, curl, Python and nginx, each as it is on every machine;
# and the guide to it. Client and server have a TPM of their own, as two machines have.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2046,SC2154 # in single quotes: for others; helper, status, output: from common.bash and bats

load common
load guide

guide=$BATS_TEST_DIRNAME/../doc/guide-tls.md

setup_file() {
    openssl_modules
    export SEALRING_CONFIG_DIR=/nonexistent DIR=$BATS_FILE_TMPDIR PATH=/usr/sbin:/sbin:$PATH
    cd "$DIR"
    authority p256
    tpm_start server
    tpm_start client
    as server
    tpm-sign keygen -q web
    tpm-sign csr web --subject /CN=server.example.org --alt-name DNS:server.example.org |
        certify p256 | tpm-sign cert install -q web
    tpm-sign openssl-conf server.cnf
    nginx_start
    as client
    client_key client
    client_key rsa -t rsa2048
    tpm-sign openssl-conf client.cnf
    # A key that is the TPM's, too, but what it is is known.
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out known
    tpm-sign import -q known known
    tpm-sign csr known --subject /CN=known | certify p256 | tpm-sign cert install -q known
}

setup() {
    cd "$DIR"
    as client
    export OPENSSL_CONF=$DIR/client.cnf
}

teardown() {
    local name
    as client
    no_handles_left
    for name in $(jobs -rp); do kill "$name"; done
}

teardown_file() {
    cd "$DIR"
    nginx_stop
    tpm_stop_all
}

# as NAME: with the TPM and the keys of this machine
as() {
    tpm_use "$1"
    export TPM2OPENSSL_TCTI=$SEALRING_TCTI
    export SEALRING_STATE_DIR=$DIR/state-$1
    KEYS=$SEALRING_STATE_DIR/keys
}

# authority TYPE: a CA with a key of this type, TYPE.ca, that also is a server's
authority() {
    openssl req -x509 $(newkey "$1") -nodes -subj "/CN=CA $1" -days 30 \
        -addext subjectAltName=DNS:server.example.org -keyout "$1.key" -out "$1.ca" 2>/dev/null
}

newkey() {
    case $1 in
    p*) echo "-newkey ec -pkeyopt ec_paramgen_curve:P-${1#p}" ;;
    rsa*) echo "-newkey rsa:${1#rsa}" ;;
    esac
}

# certify TYPE: what a CA does with a request
certify() {
    openssl x509 -req -CA "$1.ca" -CAkey "$1.key" -copy_extensions copy -days 7 2>/dev/null
}

client_key() {
    tpm-sign keygen -q "$@"
    tpm-sign csr "$1" --subject "/CN=$1" | certify p256 | tpm-sign cert install -q "$1"
}

# here: with the paths of this test
here() {
    sed "s|/var/lib/sealring|$DIR/state-server|; s|/etc/ssl/clients.crt|$DIR/p256.ca|; s|listen 443|listen unix:$DIR/socket|"
}

nginx_start() {
    {
        # Workers of another user could not come in here.
        [ "$(id -u)" -ne 0 ] || echo "user root;"
        cat <<END
pid $DIR/nginx.pid;
events {}
http {
    access_log off;
    $(printf '%s_temp_path nginx;\n' client_body proxy fastcgi uwsgi scgi)
END
        guide_commands "$guide" 'A server: nginx' nginx | sed '/^worker/d' | here
        echo "}"
        guide_commands "$guide" 'A server: nginx' nginx | grep '^worker'
    } | sed 's|ssl_verify_client on;|&\n location / { return 200 "$ssl_client_s_dn $ssl_protocol"; }|' >nginx.conf
    TCTI_PCAP_FILE=$DIR/server.pcap TPM2OPENSSL_TCTI=pcap:$SEALRING_TCTI \
        OPENSSL_CONF=$DIR/server.cnf nginx -p "$DIR" -c nginx.conf -e nginx.log 3>&-
}

nginx_stop() {
    [ -e nginx.pid ] || return 0
    kill "$(<nginx.pid)"
    while [ -e nginx.pid ]; do sleep 0.01; done
}

# https: the way to the server of this test; the rest are curl's options
https() {
    curl -sS --cacert p256.ca --unix-socket socket "$@" https://server.example.org/
}

# signed NAME: how often the TPM did, as its bus shows
signed() {
    "$helper/bus" "$DIR/$1.pcap" | grep -c '^Sign$' || true
}

# counted COMMAND...: the client's TPM signs while it runs; how often is in "client.pcap"
counted() {
    rm -f "$DIR/client.pcap"
    TCTI_PCAP_FILE=$DIR/client.pcap TPM2OPENSSL_TCTI=pcap:$SEALRING_TCTI "$@"
}

@test "curl: the TPM of each side signs once; without certificate, or another CA's, refused" {
    local before key
    for key in client rsa; do
        before=$(signed server)
        [ "$(counted https --cert "$KEYS/$key.crt" --key "$KEYS/$key.pem")" = "CN=$key TLSv1.3" ]
        [ "$(signed client)" -eq 1 ]
        [ "$(signed server)" -eq $((before + 1)) ]
    done
    https | grep -q 'No required SSL certificate was sent'
    authority p384
    openssl req $(newkey p256) -nodes -subj /CN=client -keyout strange.key 2>/dev/null |
        certify p384 >strange.crt
    https --cert strange.crt --key strange.key | grep -q 'The SSL certificate error'
    # The file of another key; and of another TPM.
    run https --cert "$KEYS/client.crt" --key "$KEYS/rsa.pem"
    [ "$status" -eq 58 ]
    run https --cert "$KEYS/client.crt" --key "$DIR/state-server/keys/web.pem"
    [ "$status" -eq 58 ]
    # Nor without the configuration.
    unset OPENSSL_CONF
    run https --cert "$KEYS/client.crt" --key "$KEYS/client.pem"
    [ "$status" -eq 58 ]
}

@test "openssl s_client, to a server that ends the handshake without a certificate" {
    local key version
    serve p256
    for version in 1_2 1_3; do
        for key in client rsa; do
            counted connect "-tls$version" -cert "$KEYS/$key.crt" -key "$KEYS/$key.pem"
            [ "$(signed client)" -eq 1 ]
        done
        run connect "-tls$version"
        [ "$status" -ne 0 ]
        [[ $output == *'alert'* ]]
    done
}

# serve TYPE: a server with a key of this type in a file
serve() {
    [ -e "$1.ca" ] || authority "$1"
    rm -f soft.socket
    OPENSSL_CONF='' openssl s_server -unix soft.socket -cert "$1.ca" -key "$1.key" -CAfile p256.ca \
        -Verify 1 -verify_return_error -www -quiet >soft.log 2>&1 3>&- &
    until [ -S soft.socket ]; do sleep 0.01; done
    trust=$1.ca
}

# connect OPTIONS: until the server has answered a request
connect() {
    printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -unix soft.socket -CAfile "$trust" -verify_return_error \
        -verify_hostname server.example.org -ign_eof "$@" | grep 'HTTP/1.0 200 ok'
}

@test "servers of all kinds: what they have signed is not for the TPM to verify" {
    local type version count=0
    for type in p256 p384 rsa2048 rsa4096; do
        serve "$type"
        for version in 1_2 1_3; do
            counted connect "-tls$version" -cert "$KEYS/client.crt" -key "$KEYS/client.pem"
            [ "$(signed client)" -eq 1 ]
            run grep -c 'LoadExternal\|VerifySignature' <("$helper/bus" client.pcap)
            [ "$output" = 0 ]
            count=$((count + 1))
        done
        # The provider as it is does not get there: it verifies in the TPM, or signs nowhere.
        alone_with '?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes,tpm2.rand!=yes'
        "$helper/bus" client.pcap | grep -q '^LoadExternal$'
        alone_with '?provider=default'
        [ "$(signed client)" -eq 0 ]
        kill %1
        wait %1 || true
    done
    [ "$count" -eq 8 ]
    "$helper/handles" "$SEALRING_TCTI" flush || true
}

# alone_with PROPERTIES: without ours, OpenSSL uses the providers in this order, and fails
alone_with() {
    sed "s/^default_properties.*/default_properties = $1/" client.cnf >plain.cnf
    OPENSSL_CONF=plain.cnf run counted connect -tls1_3 -cert "$KEYS/client.crt" -key "$KEYS/client.pem"
    [ "$status" -ne 0 ]
}

# python COMMAND...: the system's, whatever else is on this machine
python() {
    command -p python3 "$@"
}

@test "Python: the key is not in the process; one from a file is found there" {
    cat >client.py <<'END'
import http.client, socket, ssl, sys

certificate, key, first, second = sys.argv[1:5]
context = ssl.create_default_context(cafile="p256.ca")
context.load_cert_chain(certificate, key)
path = socket.socket(socket.AF_UNIX)
path.connect("socket")
connection = http.client.HTTPSConnection("server.example.org", context=context)
connection.sock = context.wrap_socket(path, server_hostname="server.example.org")
connection.request("GET", "/")
answer = connection.getresponse().read().decode()

# The number is looked for in two halves, so that the search does not find itself.
first, second = bytes.fromhex(first), bytes.fromhex(second)
orders = (first, second), (second[::-1], first[::-1])
found = 0
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
    for line in list(maps):
        start, end = (int(n, 16) for n in line.split()[0].split("-"))
        if "r" not in line.split()[1] or line.split()[-1] in ("[vvar]", "[vsyscall]"):
            continue
        memory.seek(start)
        try:
            content = memory.read(end - start)
        except OSError:
            continue
        for one, other in orders:
            at = content.find(one)
            while at >= 0:
                found += content[at + len(one):].startswith(other)
                at = content.find(one, at + 1)
print(answer, "found" if found else "not found")
END
    number=$(openssl pkey -in known -text -noout | sed -n '/^priv:/,/^pub:/p' | grep '^ ' | tr -d ' :\n' | sed 's/^00//')
    [ "${#number}" -eq 64 ]
    run counted python client.py "$KEYS/known.crt" "$KEYS/known.pem" "${number:0:32}" "${number:32}"
    echo "$output"
    [ "$output" = "CN=known TLSv1.3 not found" ]
    [ "$(signed client)" -eq 1 ]
    run crossed client.pcap "$number"
    [ "$status" -ne 0 ]
    run python client.py "$KEYS/known.crt" known "${number:0:32}" "${number:32}"
    [ "$output" = "CN=known TLSv1.3 found" ]
    # Nor is it in any file that the process opens.
    opened_with "$number" "$KEYS/known.pem"
    [ "$count" -eq 0 ]
    opened_with "$number" known
    [ "$count" -eq 1 ]
}

# opened_with HEX KEY: counts the files that a client with this key opens and that have these bytes
opened_with() {
    local file
    count=0
    strace -qq -f -e trace=openat -o opened curl -sS --cacert p256.ca --unix-socket socket \
        --cert "$KEYS/known.crt" --key "$2" https://server.example.org/ | grep -q CN=known
    sed -nE 's/.*openat\(AT_FDCWD, "([^"]+)".* = [0-9]+$/\1/p' opened | sort -u >files
    grep -qxF -- "$2" files
    while read -r file; do
        [[ -f $file && $file != /lib/* && $file != /usr/* && $file != /proc/* && $file != /sys/* ]] || continue
        # As it is, and what a PEM block holds.
        { cat "$file"; sed -n '/^-----BEGIN/,/^-----END/{/^-----/d;p}' "$file" | base64 -d 2>/dev/null; } |
            xxd -p | tr -d '\n' >content
        ! grep -q "$1" content || count=$((count + 1))
    done <files
}

# bats test_tags=minimal
@test "nginx: many connections, several at once, and after it has read its configuration again" {
    local before n
    unset OPENSSL_CONF
    openssl req $(newkey p256) -nodes -subj /CN=soft -keyout many.key 2>/dev/null | certify p256 >many.crt
    for n in 1 2 3; do
        before=$(signed server)
        seq 20 | xargs -P 4 -I N curl -sS --cacert p256.ca --cert many.crt --key many.key --unix-socket socket \
            https://server.example.org/ >answers
        [ "$(grep -o 'CN=soft TLSv1.3' answers | wc -l)" -eq 20 ]
        [ "$(signed server)" -eq $((before + 20)) ]
        reload
    done
    # Without its TPM there is no server.
    as server
    run env OPENSSL_CONF="$DIR/server.cnf" TPM2OPENSSL_TCTI="swtpm:path=$DIR/nowhere" nginx -t -p "$DIR" -c nginx.conf -e no.log
    [ "$status" -ne 0 ]
    as client
}

# reload: waits until the workers are others
reload() {
    local main worker
    main=$(<nginx.pid)
    worker=$(<"/proc/$main/task/$main/children")
    kill -HUP "$main"
    while [ -e "/proc/${worker% }" ] && ! grep -q '^State:.Z' "/proc/${worker% }/status"; do sleep 0.01; done
}

# -- the guide ------------------------------------------------------------------------------------

# follow HEADING NAME: runs these commands as a machine of its own would
follow() {
    local text
    text=$(guide_commands "$guide" "$1" "$2")
    [ -n "$text" ]
    used+=("$1|$2")
    bash -e -o pipefail -c 'python3() { command -p python3 "$@"; }
        '"$(at_home <<<"$text" | sed "s|-connect server.example.org:443|-unix $DIR/socket -servername server.example.org|")"
}

# at_home: with the paths of this test
at_home() {
    sed "s|/etc/sealring|$SEALRING_CONFIG_DIR|g; s|/var/lib/sealring|$SEALRING_STATE_DIR|g"
}

# guide_setup: a new machine, on which server.example.org is the one of this test
guide_setup() {
    local kind
    used=()
    unset OPENSSL_CONF
    store_new
    export HOME=$PWD SSL_CERT_FILE=$DIR/p256.ca PYTHONPATH=$PWD
    printf 'unix-socket = "%s"\ncacert = "%s"\nsilent\n' "$DIR/socket" "$SSL_CERT_FILE" >.curlrc
    for kind in ca.crt:ca ca.key:key; do ln -s "$DIR/p256.${kind#*:}" "${kind%:*}"; done
    cat >sitecustomize.py <<END
import socket

class Local(socket.socket):
    def setsockopt(self, *_):
        pass

def connect(*_, **__):
    to = Local(socket.AF_UNIX)
    to.connect("$DIR/socket")
    return to

socket.create_connection = connect
END
}

@test "doc/guide-tls.md: its commands run as they stand" {
    local chapter='The key and its certificate' before
    guide_setup
    follow "$chapter" request
    follow "$chapter" certify
    follow "$chapter" install
    all_used "$chapter"
    chapter='openssl, curl, Python'
    follow "$chapter" configure
    follow "$chapter" environment
    before=$(signed server)
    # Without the configuration there is no key.
    run follow "$chapter" curl
    [ "$status" -ne 0 ]
    [ "$(signed server)" -eq "$before" ]
    eval "$(guide_commands "$guide" "$chapter" environment | at_home)"
    follow "$chapter" s_client 2>said || { cat said; false; }
    grep -q '^Verification: OK' said
    used+=("$chapter|curl")
    [ "$(follow "$chapter" curl)" = 'CN=client.example.org TLSv1.3' ]
    used+=("$chapter|python")
    [ "$(follow "$chapter" python)" = 'CN=client.example.org TLSv1.3' ]
    [ "$(signed server)" -eq $((before + 3)) ]
    all_used "$chapter"
    # nginx has run with the lines of its chapter all the time.
    chapter='A server: nginx'
    used+=("$chapter|nginx" "$chapter|server")
    follow "$chapter" request
    openssl req -in web.csr -noout -text | grep -q DNS:server.example.org
    all_used "$chapter"
}

@test "doc/guide-tls.md: the lines for units" {
    local chapter
    mkdir -p "$BATS_TEST_TMPDIR/units"
    cd "$BATS_TEST_TMPDIR/units"
    for name in client nginx; do printf '[Service]\nExecStart=/bin/true\n' >"$name.service"; done
    for chapter in 'client.service|A service|unit' 'nginx.service|A server: nginx|server'; do
        IFS='|' read -r unit heading name <<<"$chapter"
        mkdir -p "$unit.d"
        guide_commands "$guide" "$heading" "$name" >"$unit.d/override.conf"
        [ -s "$unit.d/override.conf" ]
        run env SYSTEMD_UNIT_PATH="$PWD:" systemd-analyze verify --man=no "./$unit"
        run grep "$PWD\|$unit" <<<"$output"
        [ "$output" = "" ]
    done
    # systemd has nothing against what a program would miss.
    [ "$(grep -c '^DeviceAllow=/dev/tpmrm0 rw$' client.service.d/override.conf)" -eq 1 ]
    # A mistake would be found.
    sed -i 's/^DeviceAllow/DevicesAllow/' client.service.d/override.conf
    SYSTEMD_UNIT_PATH="$PWD:" run systemd-analyze verify --man=no ./client.service
    says "DevicesAllow"
}

# bats test_tags=minimal
@test "doc/guide-tls.md: the key in a PKCS#11 token" {
    local chapter=PKCS#11 module
    guide_setup
    follow 'The key and its certificate' request
    export SOPIN='one PIN' USERPIN='another PIN' TPM2_PKCS11_STORE=$PWD/token
    mkdir token
    # These programs count on a resource manager; the module opens the TPM twice.
    TPM2TOOLS_TCTI="cmd:$helper/proxy $TPM_DIR/srv manage" TPM2_PKCS11_TCTI="cmd:$helper/proxy $TPM_DIR/srv manage" \
        follow "$chapter" pkcs11
    export TPM2_PKCS11_TCTI="cmd:$helper/proxy $TPM_DIR/srv share"
    module=$(find /usr/lib /usr/lib64 -path '*pkcs11/libtpm2_pkcs11.so' 2>/dev/null | head -n 1)
    guide_commands "$guide" "$chapter" sign | grep -qF ' /usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so '
    echo "a message" >notes.txt
    guide=<(sed "s|/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so|$module|" "$guide") follow "$chapter" sign
    tpm-sign verify -q client -s notes.sig notes.txt
    echo "another" >other.txt
    fails 8 tpm-sign verify client -s notes.sig other.txt
    rm notes.sig
    USERPIN=wrong run follow "$chapter" sign
    [ "$status" -ne 0 ]
    all_used "$chapter"
}
