# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A virtual machine with real firmware and a TPM, driven over its serial console.
#
#   . tests/vm/vm.bash
#   vm_new alpha "$(tests/vm/image)"    a machine: fresh disk, firmware variables and TPM
#   vm_start                            switch it on
#   vm_prompt 180                       wait for "Please enter passphrase"
#   vm_type "$VM_PASSPHRASE"            type a line
#   vm_login 120                        wait for the shell of root, and make it quiet
#   vm_run 'tpm2_pcrread sha256:0'      $vm_output, $vm_status
#   vm_wait 'PCR 0 changed' 30          read the console until something matches
#   vm_stop                             power off in good order; vm_kill: power cut
#
# Everything of a machine is in $VM_WORK/NAME: console.log (all boots), disk.qcow2 (what
# differs from the image), vars.fd, tpm/ (its state), tpm.log (each command). A wait that
# ends without its pattern shows the end of the console and returns 1. Limits are three
# times what a step usually takes; VM_SLOW=2 doubles them all.
#
# What was started is killed by process id: on EXIT, in bats by vm_kill in teardown. In bats
# a machine does not outlive its test: one scenario is one @test.

vm_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/vm/names.bash
. "$vm_here/names.bash"
vm_root_size=$(($(numfmt --from=iec "$VM_ROOT_SIZE") >> 20))
vm_root_at=$((1 + ($(numfmt --from=iec "$VM_ESP_SIZE") >> 20)))
vm_firmware_dir=${VM_FIRMWARE_DIR:-/usr/share/OVMF}

# -- a machine ----------------------------------------------------------------------------

# vm_new NAME IMAGE_DIRECTORY: make it; switched off
vm_new() {
    vm_dir=${VM_WORK:?}/$1
    vm_image=$2
    mkdir -p "$vm_dir/tpm"
    qemu-img create -q -f qcow2 -F raw -b "$vm_image/disk.raw" "$vm_dir/disk.qcow2"
    cp "$vm_firmware_dir/OVMF_VARS_4M.ms.fd" "$vm_dir/vars.fd"
    : >"$vm_dir/console.log"
    : >"$vm_dir/tpm.log"
    mkfifo "$vm_dir/serial.in" "$vm_dir/serial.out"
    vm_pids=()
    vm_disks=()
    vm_seen=0
    vm_disk=$vm_dir/disk.qcow2
    vm_disk_format=qcow2
    vm_use_firmware 1
    [ -n "${BATS_VERSION-}" ] || trap vm_kill EXIT
}

# vm_use_firmware 1|2: two builds of the same firmware, both with Secure Boot. From one to
# the other PCR 0 changes, and PCR 7 does not.
vm_use_firmware() {
    case $1 in
    1) vm_firmware=$vm_firmware_dir/OVMF_CODE_4M.fd ;;
    2) vm_firmware=$vm_firmware_dir/OVMF_CODE_4M.secboot.fd ;;
    esac
}

# vm_update_dbx [TEXT]: another revocation list: PCR 7 changes, and PCR 0 does not
vm_update_dbx() {
    [ -x "$VM_WORK/vars" ] || ${CC:-cc} -O2 -o "$VM_WORK/vars" "$vm_here/vars.c"
    "$VM_WORK/vars" "$vm_dir/vars.fd" "${1:-revoked}"
}

# vm_add_disk FILE NAME: in the machine it is /dev/disk/by-id/virtio-NAME
vm_add_disk() {
    vm_disks+=(-drive "if=none,id=$2,file=$1,format=${3:-raw},cache=unsafe"
        -device "virtio-blk-pci,drive=$2,serial=$2")
}

# vm_flatten: the disk of a machine that is off becomes a raw file, $vm_disk. Then mtools
# reads and writes its ESP (-i "$vm_disk@@1M"), and the functions below its root partition.
vm_flatten() {
    [ "$vm_disk_format" != raw ] || return 0
    qemu-img convert -O raw "$vm_disk" "$vm_dir/disk.raw"
    rm "$vm_disk"
    vm_disk=$vm_dir/disk.raw
    vm_disk_format=raw
}

# vm_read_root FILE [MEBIBYTES [DISK]]: copy the encrypted root partition, or its beginning
# (the header: 16), to FILE; from this machine's raw disk or an image's disk.raw
vm_read_root() {
    dd if="${3:-$vm_disk}" of="$1" bs=1M skip="$vm_root_at" count="${2:-$vm_root_size}" \
        conv=sparse status=none
}

# vm_write_root FILE: the reverse
vm_write_root() {
    vm_flatten
    dd if="$1" of="$vm_disk" bs=1M seek="$vm_root_at" conv=notrunc status=none
}

# vm_bring DIRECTORY: its content will be on the payload disk, as a tar file
vm_bring() {
    tar -C "$1" -c -f "$vm_dir/payload.tar" --owner=0 --group=0 --numeric-owner .
    truncate -s %512 "$vm_dir/payload.tar"
    vm_add_disk "$vm_dir/payload.tar" "$VM_PAYLOAD_NAME"
}

# vm_install: unpack the payload over the root file system of the running machine
vm_install() {
    vm_do "tar -C / -x --keep-directory-symlink -f /dev/disk/by-id/virtio-$VM_PAYLOAD_NAME
ldconfig"
}

# -- on and off ---------------------------------------------------------------------------

vm_start_tpm() {
    local try
    rm -f "$vm_dir/tpm.sock"
    swtpm socket --tpm2 --tpmstate dir="$vm_dir/tpm" --ctrl type=unixio,path="$vm_dir/tpm.sock" \
        --log file="$vm_dir/tpm.log",level=2 >>"$vm_dir/qemu.log" 2>&1 </dev/null 3>&- &
    vm_pids+=($!)
    for ((try = 0; try < 200; try++)); do
        [ ! -S "$vm_dir/tpm.sock" ] || return 0
        sleep 0.05
    done
    echo "vm: the TPM does not start: see $vm_dir/qemu.log" >&2
    return 1
}

# vm_start [QEMU ARGUMENTS]: VM_TPM=no leaves the TPM out
vm_start() {
    local tpm=()
    vm_pids=()
    if [ "${VM_TPM-}" != no ]; then
        vm_start_tpm || return
        tpm=(-chardev "socket,id=tpm,path=$vm_dir/tpm.sock"
            -tpmdev 'emulator,id=tpm,chardev=tpm' -device 'tpm-crb,tpmdev=tpm')
    fi
    cat "$vm_dir/serial.out" >>"$vm_dir/console.log" 3>&- &
    vm_pids+=($!)
    # Its shape is measured: another number of processors would be another PCR 0. With more
    # modern processors ("max") QEMU 7.2 without KVM hangs after a reset.
    qemu-system-x86_64 -nodefaults -no-user-config -display none -vga none -nic none \
        -machine q35,smm=on,accel=tcg -cpu Westmere -smp 1 -m 1024 \
        -drive if=pflash,unit=0,format=raw,readonly=on,file="$vm_firmware" \
        -drive if=pflash,unit=1,format=raw,file="$vm_dir/vars.fd" \
        -drive "if=none,id=main,file=$vm_disk,format=$vm_disk_format,cache=unsafe" \
        -device virtio-blk-pci,drive=main,serial="$VM_DISK_NAME",bootindex=1 \
        -device virtio-rng-pci \
        -chardev pipe,id=serial,path="$vm_dir/serial" -serial chardev:serial \
        "${tpm[@]}" "${vm_disks[@]}" "$@" >>"$vm_dir/qemu.log" 2>&1 </dev/null 3>&- &
    vm_qemu=$!
    vm_pids+=("$vm_qemu")
    exec {vm_keys}>"$vm_dir/serial.in"
    vm_tpm_mark
    vm_seen=$(stat -c %s "$vm_dir/console.log")
    vm_console_from=$vm_seen
    vm_booted=$EPOCHREALTIME
}

vm_running() {
    [ -n "${vm_qemu-}" ] && kill -0 "$vm_qemu" 2>/dev/null
}

# vm_kill: pull the plug, of the TPM too: what vm_start started, and nothing else. What the
# machine had written and flushed is on its disk; what it had in memory is lost.
vm_kill() {
    local pid
    for pid in ${vm_pids[@]+"${vm_pids[@]}"}; do
        kill -KILL "$pid" 2>/dev/null || :
        wait "$pid" 2>/dev/null || :
    done
    vm_pids=()
    vm_qemu=
    [ -z "${vm_keys-}" ] || exec {vm_keys}>&-
    vm_keys=
}

# vm_stop: at the shell: power off in good order
vm_stop() {
    vm_type 'systemctl poweroff'
    vm_wait_off "${1:-90}"
}

# vm_reboot [SECONDS]: at the shell: the same machine again, by a reset
vm_reboot() {
    vm_type 'systemctl reboot'
    vm_wait 'reboot: Restarting system' "${1:-90}" || return
    vm_booted=$EPOCHREALTIME
}

# vm_wait_off SECONDS: until it has switched itself off; if it does not, it is killed
vm_wait_off() {
    local end=$((SECONDS + $1 * ${VM_SLOW:-1})) status=0
    while vm_running; do
        if ((SECONDS > end)); then
            vm_complain "still on after $1 s"
            status=1
            break
        fi
        sleep 0.1
    done
    vm_kill
    return $status
}

# -- the console --------------------------------------------------------------------------

vm_complain() {
    echo "vm: $*; the console:"
    tail -c 2000 "$vm_dir/console.log" | tr -d '\r' | tail -n 20 | sed 's/^/    /'
} >&2

# vm_wait PATTERN SECONDS: until a line after the last match has the extended regular
# expression; $vm_match is what matched, $vm_time the seconds since power-on
vm_wait() {
    local end=$((SECONDS + $2 * ${VM_SLOW:-1})) found
    while :; do
        # Looked at first: what a machine said before it ended still counts.
        local running=yes
        vm_running || running=
        found=$(tail -c +$((vm_seen + 1)) "$vm_dir/console.log" |
            LC_ALL=C grep -aobE -m 1 -- "$1" | head -n 1) || :
        if [ -n "$found" ]; then
            vm_match=${found#*:}
            vm_seen=$((vm_seen + ${found%%:*} + $(printf %s "$vm_match" | wc -c)))
            vm_time=$(awk -v a="$vm_booted" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
            return 0
        fi
        if [ -z "$running" ]; then
            vm_complain "ended while waiting for \"$1\""
            return 1
        fi
        if ((SECONDS > end)); then
            vm_complain "no \"$1\" in $2 s"
            return 1
        fi
        sleep 0.1
    done
}

# vm_type TEXT: and Enter
vm_type() {
    printf '%s\n' "$1" >&"$vm_keys"
}

# vm_shell: a shell waits at the console, and is made quiet: neither echo nor prompt nor
# messages of the kernel
vm_shell() {
    vm_type "stty -echo; PS1=; dmesg -n 1; echo quiet''now"
    vm_wait 'quietnow' 60
}

# vm_prompt SECONDS: until the passphrase of the root volume is asked for
vm_prompt() {
    vm_wait 'Please (enter passphrase for|unlock) disk' "$1"
}

# vm_login SECONDS: root is logged in by itself
vm_login() {
    vm_wait '^vm# ' "$1" && vm_shell
}

# vm_run COMMAND [SECONDS]: at a quiet shell; sets $vm_output (both streams; not a terminal)
# and $vm_status. COMMAND may have many lines, each of at most 4000 bytes; it reads nothing
# from the console; a "cd" in it stays
vm_run() {
    local number=$RANDOM$RANDOM from
    vm_status=
    vm_type "{ $1
} >/run/vm-output 2>&1 </dev/null
set -- \$?; echo begin''-$number; cat /run/vm-output; echo; echo end''-$number:\$1:"
    vm_wait "begin-$number" "${2:-60}" || return
    from=$vm_seen
    vm_wait "end-$number:[0-9]+:" 60 || return
    vm_output=$(tail -c +$((from + 1)) "$vm_dir/console.log" | head -c $((vm_seen - from)) |
        tr -d '\r' | sed -e 1d -e '$d')
    vm_status=${vm_match#*:}
    vm_status=${vm_status%:}
}

# vm_do COMMAND [SECONDS]: the same, and it must succeed; shows what it said if not
vm_do() {
    vm_run "$@" || return
    [ "$vm_status" -ne 0 ] || return 0
    echo "vm: exit status $vm_status: $1"
    echo "$vm_output"
    return 1
}

# vm_seconds UNIT...: how long they took to start; the slowest one's is in $vm_took
vm_seconds() {
    vm_do "systemctl show -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic $*" ||
        return
    vm_took=$(awk -F = '/^InactiveExit/ { from = $2 }
        /^ActiveEnter/ && $2 - from > most { most = $2 - from }
        END { printf "%.2f", most / 1e6 }' <<<"$vm_output")
}

# -- the TPM ------------------------------------------------------------------------------

# vm_tpm_mark: count from here
vm_tpm_mark() {
    vm_tpm_from=$(stat -c %s "$vm_dir/tpm.log")
}

# vm_tpm_commands: how many commands the TPM has got since
vm_tpm_commands() {
    tail -c +$((${vm_tpm_from:-0} + 1)) "$vm_dir/tpm.log" | grep -c 'SWTPM_IO_Read: length' || :
}

# vm_tpm_codes: their command codes, in hexadecimal, in order, in one line
vm_tpm_codes() {
    tail -c +$((${vm_tpm_from:-0} + 1)) "$vm_dir/tpm.log" |
        awk '/SWTPM_IO_Read: length/ { getline; printf "%s%s ", $9, $10 }'
}

# vm_tpm_codes_of_programs: the codes of those that programs sent since the last power-on: what
# comes after IMA's first measurement, without its others (PCR_Extend of PCR 10)
vm_tpm_codes_of_programs() {
    tail -c +$((${vm_tpm_from:-0} + 1)) "$vm_dir/tpm.log" |
        awk '/SWTPM_IO_Read: length/ { getline; code = $9 $10
            if (code == "0182" && $14 == "0A") kernel = 1
            else if (kernel) printf "%s ", code }'
}

# vm_say TEXT: shown at once, in bats too
vm_say() {
    if [ -n "${BATS_VERSION-}" ]; then
        echo "# $*" >&3
    else
        echo "$*"
    fi
}
