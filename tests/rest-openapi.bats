#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# REST is as its OpenAPI file says: each path, method, status and body; and the file has all there is.
# shellcheck disable=SC2154 # helper, status, output: from common.bash and bats

load rest

setup() {
    root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
    tpm_boot
    tpm_tries 30
    store_new
}

calls() {
    local web=/api/v1/keys/web opens=/api/v1/keys/opens cipher signature rsa old shares peer
    cipher=$(printf secret | openssl pkeyutl -encrypt -pubin -inkey <(tpm-sign pubkey opens) | base64 -w0)
    signature=$(printf AAA | tpm-sign sign web | base64 -w0)
    rsa=/api/v1/keys/rsa shares=/api/v1/keys/shares
    old=$(printf AAA | tpm-sign sign rsa | base64 -w0)
    peer=$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 |
        openssl pkey -pubout -outform DER | base64 -w0)
    cat <<END
GET /health 200
GET /version 200
GET /metrics 200
GET /api/v1/keys 200
GET $web 200
GET $rsa 200
POST $rsa/rotate 200
POST $rsa/rotate 200 {}
POST $rsa/rotate 400 {"pin":1}
POST $rsa/rotate 400 {"other":true}
POST /api/v1/keys/guarded/rotate 403 {}
POST /api/v1/keys/guarded/rotate 200 {"pin":"correct horse battery"}
POST $rsa/verify 200 {"data":"QUFB","signature":"$old"}
GET /api/v1/keys/nix 404
GET /api/v1/keys/.nix 400
GET /api/v1/keys/bad 422
GET $web/public 200
GET $web/public?format=ssh 200
GET $web/public?format=der 400
POST $web/sign 200 {"data":"QUFB"}
POST $web/sign 200 {"data":["QUFB","QUJD"],"hash":"sha512","format":"plain"}
POST $web/sign 200 {"data":"QUFB","format":"ssh","namespace":"git"}
POST $rsa/sign 200 {"data":"QUFB","pss":true}
POST $web/sign 400 {"data":"QUFB","digest":"QUFB"}
POST $web/sign 400 {"data":3}
POST $web/sign 400 {"data":[]}
POST $web/sign 400 {"data":"?"}
POST $web/sign 400 {"data":"QUFB","other":1}
POST $web/sign 400 {"data":"QUFB","hash":"md5"}
POST $web/sign 400 {"data":"QUFB","format":"xml"}
POST $web/sign 400 {"data":"QUFB","namespace":"","format":"ssh"}
POST $web/sign 400 {"data":"QUFB"
POST $web/sign 400 {}
POST $web/sign 400 {"data":"QUFB","pss":true}
POST /api/v1/keys/nix/sign 404 {"data":"QUFB"}
POST /api/v1/keys/bad/sign 422 {"data":"QUFB"}
POST /api/v1/keys/guarded/sign 403 {"data":"QUFB"}
POST /api/v1/keys/guarded/sign 403 {"data":"QUFB","pin":"wrong"}
POST /api/v1/keys/guarded/sign 200 {"data":"QUFB","pin":"correct horse battery"}
POST /api/v1/keys/bound/sign 409 {"data":"QUFB"}
POST $rsa/rotate 200 {"accept_unmeasured":true}
POST $web/sign 413 {"data":"$(head -c 300000 /dev/zero | tr '\0' A)"}
POST $web/verify 200 {"data":"QUFB","signature":"$signature"}
POST $web/verify 200 {"data":"QUJD","signature":"$signature"}
POST $web/verify 400 {"data":"QUFB"}
POST $web/verify 400 {"data":["QUFB"]}
POST /api/v1/keys/nix/verify 404 {"data":"QUFB","signature":"$signature"}
POST $opens/decrypt 200 {"ciphertext":"$cipher","padding":"rsaes"}
POST $opens/decrypt 422 {"ciphertext":"$cipher"}
POST $opens/decrypt 400 {"ciphertext":"$cipher","padding":"none"}
POST $opens/decrypt 400 {"padding":"oaep"}
POST $opens/decrypt 200 {"ciphertext":"$cipher","padding":"rsaes","size":6}
POST $opens/decrypt 200 {"ciphertext":"$cipher","padding":"rsaes","size":32}
POST $opens/decrypt 400 {"ciphertext":"$cipher","padding":"rsaes","size":0}
POST $opens/decrypt 400 {"ciphertext":"$cipher","padding":"rsaes","size":246}
POST $opens/decrypt 400 {"ciphertext":"$cipher","padding":"rsaes","size":"6"}
POST $opens/decrypt 400 {"ciphertext":"$cipher","size":32}
POST $web/decrypt 400 {"ciphertext":"$cipher"}
GET $web/certificate 200
GET $opens/certificate 404
GET /api/v1/keys/bad/certificate 422
POST $shares/derive 200 {"peer":"$peer"}
POST $shares/derive 422 {"peer":"QUFB"}
POST $shares/derive 400 {"peer":"?"}
POST $shares/derive 400 {}
POST $web/derive 400 {"peer":"$peer"}
POST $opens/derive 400 {"peer":"$peer"}
POST /api/v1/keys/nix/derive 404 {"peer":"$peer"}
POST /api/v1/keys/nix/decrypt 404 {"ciphertext":"$cipher"}
DELETE $web 405
POST /health 405
GET / 404
GET /api/v1 404
END
}

# bats test_tags=minimal
@test "each path and method of the file is answered as it says" {
    keygen web
    tpm-sign cert self-sign web --subject /CN=web | tpm-sign cert install -q web
    keygen rsa -t rsa2048
    keygen shares --usage decrypt
    keygen opens -t rsa2048 --usage decrypt
    printf 'correct horse battery\n' >pin
    keygen guarded --pin-file pin
    extend 16 state
    keygen bound --pcrs 0+16 --accept-unmeasured
    tpm2_pcrreset 16
    echo nonsense >"$SEALRING_STATE_DIR/keys/bad.pem"
    calls >asked
    rest_start
    output=$(python3 "$root/tests/openapi.py" "$root/doc/openapi.json" "$REST" asked)
    echo "# $output answers" >&3
    [ "$output" -eq "$(wc -l <asked)" ]
    # It would notice: a member that is not described, and a status.
    jq '.components.schemas.Health.properties = {}' "$root/doc/openapi.json" >other.json
    run python3 "$root/tests/openapi.py" other.json "$REST" asked
    [ "$status" -ne 0 ]
    says "'status' was unexpected"
    jq 'del(.paths["/api/v1/keys/{key}"].get.responses["404"])' "$root/doc/openapi.json" >other.json
    run python3 "$root/tests/openapi.py" other.json "$REST" asked
    says '404 is not described'
    grep -v /metrics asked >fewer
    run python3 "$root/tests/openapi.py" "$root/doc/openapi.json" "$REST" fewer
    says 'never seen to succeed'
}

@test "the file has each path and method that the server knows, and each code" {
    # The table in the source, as the file would name them.
    sed -nE 's#^\t\{ false, (KEYS|"[^"]*"), "([A-Z]*)".*#\1 \2#p; s#^\t\{ true, "([^"]*)", "([A-Z]*)".*#KEYS/{key}\1 \2#p' \
        "$root/tools/serve_api.c" | sed 's|^KEYS|/api/v1/keys|; s|"||g' | sort >served
    jq -r '.paths | to_entries[] | .key as $path | .value | keys[] | select(. != "parameters") |
        "\($path) \(ascii_upcase)"' "$root/doc/openapi.json" | sort | diff - served
    [ "$(wc -l <served)" -ge 11 ]
    {
        sed -n 's/^\t{ E[A-Z]*, [0-9]*, "\([a-z_]*\)" },$/\1/p' "$root/tools/rest_code.c"
        tr -d '\n\t' <"$root/tools/serve_api.c" | grep -oE 'api_refuse\([0-9]+, "[a-z_]+"' | grep -oE '[a-z_]+"' | tr -d '"'
        tr -d '\n\t' <"$root/tools/serve_rest.c" | grep -oE 'api_refuse\([0-9]+, "[a-z_]+"' | grep -oE '[a-z_]+"' | tr -d '"'
    } | sort -u >codes
    jq -r '.components.schemas.Error.properties.code.enum[]' "$root/doc/openapi.json" | sort | diff - codes
    [ "$(wc -l <codes)" -ge 15 ]
}
