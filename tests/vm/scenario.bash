# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What the scenarios share: a machine whose root volume the TPM unlocks, made once for all of
# them, and ways to boot it.
#
#   vm_machine alpha            a copy of that machine, switched off; VM_FLAVOUR as for image
#   vm_unattended 'again'       boot: to a shell, and fail if a passphrase is asked for
#   vm_ask 'PCR 0 changed'      boot: to the prompt; what came before it is in $vm_output
#   vm_implant DIRECTORY        its content is added to the initramfs
#
# Needs VM_OVERLAY: where sealring was installed with DESTDIR.

load vm

vm_volume=/dev/disk/by-uuid/$VM_LUKS_UUID
vm_data_uuid=5ea10000-0000-4000-8000-000000000003
VM_CACHE=${VM_CACHE:-$vm_here/../../build-vm}
VM_FLAVOUR=${VM_FLAVOUR:-dracut}

setup() {
    VM_WORK=$BATS_TEST_TMPDIR
    vm_machine machine
}

teardown() {
    vm_kill
}

# -- the machine that all start from --------------------------------------------------------

# vm_snapshot: prints the directory with its disk, its firmware's variables and its TPM
vm_snapshot() (
    image=$("$vm_here/image") || exit
    VM_CACHE=$(dirname "$image")
    key=$({ echo "$image" && declare -f vm_enroll; } | sha256sum | cut -c 1-12)
    snapshot=$VM_CACHE/machine-$VM_FLAVOUR-$key
    exec 9>"$VM_CACHE/machine.lock"
    flock 9
    if [ ! -e "$snapshot/disk.qcow2" ]; then
        work=$(mktemp -d "$VM_CACHE/work-XXXXXX")
        trap 'vm_kill; rm -rf "$work"' EXIT
        VM_WORK=$work vm_enroll "$image" >&2 || exit
        find "$VM_CACHE" -maxdepth 1 -name 'machine-*' -mmin +1440 -exec rm -rf {} +
        mv "$work/new" "$snapshot"
    fi
    touch "$snapshot"
    echo "$snapshot"
)

# The data volume is not in the machine unless a scenario adds it.
vm_enroll() {
    local started=$SECONDS
    vm_new new "$1" || return
    truncate -s 48M "$vm_dir/data.raw"
    vm_add_disk "$vm_dir/data.raw" data
    vm_start && vm_prompt 180 && vm_type "$VM_PASSPHRASE" && vm_login 120 || return
    vm_do "printf %s '$VM_PASSPHRASE' >/run/passphrase && vm-enroll" 180 || return
    echo "$vm_output"
    vm_do "cryptsetup luksFormat --batch-mode --type luks2 --uuid $vm_data_uuid --pbkdf pbkdf2 \
--pbkdf-force-iterations 1000 --key-file /run/passphrase /dev/disk/by-id/virtio-data &&
tpm-luks enroll --passphrase-file /run/passphrase /dev/disk/by-id/virtio-data" 180 || return
    vm_stop || return
    rm "$vm_dir"/serial.* "$vm_dir"/*.log
    echo "enrolled in $((SECONDS - started)) s"
}

# vm_machine NAME: a copy of it, switched off
vm_machine() {
    local snapshot
    snapshot=$(vm_snapshot) || return
    vm_new "$1" "${VM_IMAGE:-$("$vm_here/image")}" || return
    qemu-img create -q -f qcow2 -F qcow2 -b "$snapshot/disk.qcow2" "$vm_dir/disk.qcow2"
    cp "$snapshot/vars.fd" "$vm_dir/vars.fd"
    cp -r "$snapshot/tpm/." "$vm_dir/tpm/"
    cp --sparse=always "$snapshot/data.raw" "$vm_dir/data.raw"
}

# -- booting it -------------------------------------------------------------------------------

vm_asks='Please (enter passphrase for|unlock) disk'

# vm_unattended [WHAT]: to a quiet shell, with nobody typing a passphrase
vm_unattended() {
    vm_start
    vm_wait "^vm# |$vm_asks" 300 || return
    [[ $vm_match == 'vm# ' ]] || {
        vm_complain 'a passphrase is asked for'
        return 1
    }
    vm_say "${1:-unattended}: shell after $vm_time s, $(vm_tpm_codes_of_programs | wc -w)" \
        "TPM commands of programs"
    vm_shell
}

# vm_ask [WHAT]: to the prompt; $vm_output is what the console had until then
vm_ask() {
    vm_start
    vm_prompt 240 || return
    vm_output=$(vm_console)
    vm_say "${1:-asked}: prompt after $vm_time s"
}

# vm_console: what it shows since power-on, without colours
vm_console() {
    tail -c +$((vm_console_from + 1)) "$vm_dir/console.log" | tr -d '\r' |
        sed 's/\x1b\[[0-9;?]*[A-Za-z]//g'
}

# vm_answer TEXT: at the prompt; to a quiet shell
vm_answer() {
    vm_type "$1"
    vm_login 180
}

# vm_latched: in the running machine no ring but "system" opens
vm_latched() {
    vm_do 'grep -q "[1-9A-F]" /sys/class/tpm/tpm0/pcr-sha256/15' || return
    vm_run "cryptsetup open --test-passphrase --token-only $vm_volume"
    [ "$vm_status" -ne 0 ]
}

# -- changing what it boots -------------------------------------------------------------------

# vm_menu SED-SCRIPT: edit GRUB's menu, while the machine is off
vm_menu() {
    local menu=$VM_WORK/grub.cfg
    vm_flatten
    mcopy -n -i "$vm_disk@@1M" ::/EFI/debian/grub.cfg "$menu" &&
        sed -i "$1" "$menu" &&
        mcopy -o -i "$vm_disk@@1M" "$menu" ::/EFI/debian/grub.cfg
    rm -f "$menu"
}

# vm_implant DIRECTORY: its content is added to the initramfs, as whoever has the disk can do;
# vm_explant: and taken away
vm_implant() {
    vm_flatten
    (cd "$1" && find . | cpio --quiet -o -H newc -R 0:0) >"$VM_WORK/implant.img" &&
        mcopy -o -i "$vm_disk@@1M" "$VM_WORK/implant.img" ::/implant.img &&
        vm_menu 's|^initrd .*|initrd /initrd.img /implant.img|'
}

vm_explant() {
    vm_menu 's|^initrd .*|initrd /initrd.img|'
}

# vm_implant_without_latch: for the control of every test that finds nothing: nothing closes
# the TPM's boot secrets
vm_implant_without_latch() {
    local units=$VM_WORK/off/etc/systemd/system unit
    for unit in emergency rescue dracut-emergency debug-shell; do
        mkdir -p "$units/$unit.service.d"
        : >"$units/$unit.service.d/10-sealring.conf"
    done
    mkdir -p "$units/tpm-latch.service.d"
    printf '%s\n' '[Service]' ExecStart= ExecStart=/bin/true >"$units/tpm-latch.service.d/off.conf"
    vm_implant "$VM_WORK/off"
}

# -- what several scenarios are about ---------------------------------------------------------

# vm_changed PCR OTHER: boots a machine that is off and whose PCR has changed, and OTHER has
# not; re-seals all of its rings by the recovery key; on the way looks at what is said
vm_changed() {
    local line
    vm_ask "PCR $1 changed"
    line=$(grep "PCR $1 changed" <<<"$vm_output")
    vm_say "on the console: $line"
    [[ -n $line && $vm_output != *"PCR $2 changed"* ]]
    vm_answer "$VM_PASSPHRASE"
    vm_latched
    vm_run 'tpm-reseal status'
    vm_say "status: exit status $vm_status: ${vm_output//$'\n'/; }"
    [ "$vm_status" -eq 3 ]
    [[ $vm_output == *drifted*"PCR $1"* ]]
    vm_run 'tpm-reseal explain system'
    vm_say "explain: $(tr -s ' \n' ' ' <<<"$vm_output")"
    [[ $vm_output == *"PCR $1"* && $vm_output != *"no baseline"* ]]
    # A service that needs a secret does not start without.
    vm_run 'systemctl is-active vm-socket.service vm-eager.service'
    [ "$vm_output" = $'failed\ninactive' ]
    vm_do 'tpm-reseal recover --recovery-key-file /root/recovery.key' 120
    vm_say "recover: ${vm_output//$'\n'/; }"
    vm_do 'systemctl start vm-socket.service && cat /run/vm-socket.out'
    [ "$vm_output" = 'from the socket' ]
}

# vm_without_root: there is no root volume any more, and its header is a disk of its own
vm_without_root() {
    vm_flatten
    vm_read_root "$vm_dir/header" 16
    truncate -s 64M "$vm_dir/header"
    vm_add_disk "$vm_dir/header" header
    dd if=/dev/zero of="$vm_dir/zeros" bs=1M count=16 status=none
    vm_write_root "$vm_dir/zeros"
    # It has the same UUID, so another is looked for.
    vm_menu "s/$VM_LUKS_UUID/${VM_LUKS_UUID%?}f/"
}

# vm_maintenance WHAT PATTERN: boot into the shell that the initramfs gives, whose first sign is
# PATTERN; $vm_output is PCR 15 and what the victim's header gives there, to what that
# initramfs opens volumes with
vm_maintenance() {
    local header=/dev/disk/by-id/virtio-header
    local open="/lib/systemd/systemd-cryptsetup attach header $header - headless=true"
    [ "$VM_FLAVOUR" = dracut ] || open="cryptsetup open --test-passphrase --token-only $header"
    vm_start
    vm_wait "$2" 400
    vm_say "$1: shell after $vm_time s"
    vm_type ''
    sleep 5
    vm_type 'cat /sys/class/tpm/tpm0/pcr-sha256/15'
    vm_type "$open </dev/null"
    vm_type "echo header: exit status \$?, e''nd"
    vm_wait 'exit status [0-9]+, end' 120
    vm_output=$(vm_console | sed -nE "/$2/,\$p")
    vm_say "${vm_output//$'\n'/; }"
}
