#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Keys that follow a ring: their PINs, what is refused, and why.
# shellcheck disable=SC2094,SC2154 # list is a command too; helper, status, output: from bats

load sign-ring

# -- PINs -----------------------------------------------------------------------------------

@test "the PIN is asked for once the policy holds, and tried once" {
    keygen guarded --pin-file pin
    signs guarded --pin-file pin
    tries=$(failed_tries)
    # A file that is not there is not missed in the wrong state; in the right one it is.
    extend 7 "another key"
    fails 3 tpm-sign sign guarded --pin-file absent message
    fails 3 tpm-sign sign guarded --pin-file wrong message
    says "PCR 7 changed"
    [ "$(failed_tries)" -eq "$tries" ]
    tpm_boot
    tries=$(failed_tries)
    fails 1 tpm-sign sign guarded --pin-file absent message
    says absent
    # Two that hold: a wrong PIN is not tried with the other one.
    tpm-reseal prepare -q --next-boot
    update "firmware 1.0"
    [ "$(approvals guarded)" -eq 2 ]
    tries=$(failed_tries)
    fails 4 tpm-sign sign guarded --pin-file wrong message
    [ "$(failed_tries)" -eq $((tries + 1)) ]
    signs guarded --pin-file pin
}

@test "passwd needs the PIN, and not the boot state; what is approved stays" {
    keygen guarded --pin-file pin
    printf 'another long PIN' >new
    extend 7 "another key"
    tpm-sign passwd -q guarded --pin-file pin --new-pin-file new 2>/dev/null
    fails 3 tpm-sign sign guarded --pin-file new message
    tpm-reseal recover -q system --recovery-key-file "$RK" 2>/dev/null
    signs guarded --pin-file new
    fails 4 tpm-sign sign guarded --pin-file pin message
}

@test "a ring with a PIN has its own, and its keys theirs or none" {
    printf 'the PIN of the ring' >ring-pin
    tpm-ring create -q careful --pin --pin-file ring-pin --no-recovery 2>/dev/null
    tpm-sign keygen -q --ring careful web --pin-file ring-pin
    signs web
    tpm-sign keygen -q --ring careful guarded --pin-file ring-pin --new-pin-file pin 2>/dev/null
    signs guarded --pin-file pin
    fails 4 tpm-sign sign guarded --pin-file ring-pin message
    fails 4 tpm-sign keygen --ring careful other --pin-file wrong
    tpm-reseal now -q careful --pin-file ring-pin --pcrs 0+7+8
    signs web
    extend 8 "another command line"
    fails 3 tpm-sign sign web message
}

# -- what is refused ------------------------------------------------------------------------

@test "approvals that are forged are refused, before the TPM is asked" {
    keygen web
    keygen other
    forged() {
        "$helper/forge" "$1" "$KEYS/web.pem" "$KEYS/other.pem" >"$1.pem"
    }
    # What the same hand writes again is taken, so that it is not the writing.
    forged same
    signs ./same.pem
    without=(env SEALRING_TCTI=swtpm:path=/nowhere tpm-sign sign)
    fails 6 "${without[@]}" ./same.pem message
    count=0
    while IFS='|' read -r how text; do
        forged "$how"
        fails 8 "${without[@]}" "./$how.pem" message
        one_line
        says "$text"
        fails 8 tpm-sign info "./$how.pem"
        count=$((count + 1))
    done <<'END'
signature|the signature of an approval in it is not valid
approver|an approval in it was signed by another than may
others|an approval in it is for another key
wide|an approval in it is not one of PCR values
END
    [ "$count" -eq 4 ]
    # Whoever has the approver can approve any state of PCRs: the manual says so.
    forged narrow
    signs ./narrow.pem
    extend 7 "another key"
    signs ./narrow.pem
    fails 3 tpm-sign sign web message
}

@test "an approval that somebody else put beside the ring's is not signed" {
    keygen web
    # Sealed by this TPM, to PCR 7 all zero, but it is another ring's.
    zero=$(printf '%064d' 0)
    tpm-ring create -q evil --no-recovery
    tpm-reseal now -q evil --pcrs "0+7=$zero"
    cp "$RINGS/evil/approvals/next.pem" "$RINGS/system/approvals/planned.pem"
    tpm-reseal prepare -q system --next-boot
    [ "$(approvals web)" -eq 2 ]
    tpm_reboot
    extend 0 "firmware 1.0"
    fails 3 tpm-sign sign web message
    # The ring's own to the same state is.
    tpm_boot
    rm "$RINGS/system/approvals/planned.pem"
    tpm-reseal now -q system --pcrs "0+7=$zero"
    tpm_reboot
    extend 0 "firmware 1.0"
    signs web
}

@test "a key file that only says it is a ring's is not signed" {
    keygen web
    sed '/^Key-Id: 0/ { s/: 0/: 1/; b; }; s/^Key-Id: ./Key-Id: 0/' "$KEYS/web.pem" >"$KEYS/forged.pem"
    tpm-sign keygen -q --pcrs 0+7 free
    sed -i 's/^Made /Ring: system\nKey-Id: 00112233445566778899aabbccddeeff\n&/' "$KEYS/free.pem"
    for key in forged free; do cp "$KEYS/$key.pem" .; done
    tpm-reseal prepare --next-boot >/dev/null 2>said
    grep -q "key forged stays as it is: it is bound to another ring system, or forged" said
    grep -q "key free stays as it is: it is not bound to any ring" said
    for key in forged free; do cmp "$key.pem" "$KEYS/$key.pem"; done
    [ "$(approvals web)" -eq 2 ]
}

@test "a key is not bound to PCRs and a ring, nor to a ring that the latch closes" {
    fails 2 tpm-sign keygen --ring system --pcrs 0+7 web
    says "--ring and --pcrs"
    tpm-ring create -q boot --manage no --no-recovery
    fails 2 tpm-sign keygen --ring boot web
    says "ring boot is closed when the initramfs is left"
    [ ! -e "$KEYS/web.pem" ]
    extend 7 "another key"
    fails 3 tpm-sign keygen --ring system web
    [ ! -e "$KEYS/web.pem" ]
}
