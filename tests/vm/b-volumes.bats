#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Scenario b: more volumes and swap in the initramfs, by one conversation with the TPM; a
# later volume by a key file.

# shellcheck disable=SC2016,SC2154 # for the shell in the machine; from vm.bash
load scenario

@test "two more volumes and swap: one conversation; a later volume by a key file" {
    local disk codes
    for disk in more swap late; do
        truncate -s 48M "$vm_dir/$disk.raw"
        vm_add_disk "$vm_dir/$disk.raw" "$disk"
    done
    vm_add_disk "$vm_dir/data.raw" data
    vm_unattended 'before'
    vm_do 'echo KEYFILE | tr -d "\n" >/run/passphrase
disks=/dev/disk/by-id/virtio
for disk in more swap late; do
    cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        --key-file /run/passphrase $disks-$disk || exit
done
tpm-luks enroll --passphrase-file /run/passphrase $disks-more &&
tpm-luks enroll --passphrase-file /run/passphrase $disks-swap' 240
    vm_do 'tpm-seal --quiet --generate=64 late &&
tpm-unseal --output /run/late.key late &&
cryptsetup luksAddKey --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
    --key-file /run/passphrase $disks-late /run/late.key &&
printf "[Credential]\nName=late\n" >/etc/sealring/secrets.d/late.conf' 120
    # What the manual says of a later volume.
    vm_do 'uuid() { cryptsetup luksUUID $disks-$1; }
echo "late UUID=$(uuid late) /run/credstore/late luks,nofail" >>/etc/crypttab
drop_in=/etc/systemd/system/systemd-cryptsetup@late.service.d
mkdir -p $drop_in
printf "%s\n" "[Unit]" Requires=tpm-unseal@late.service After=tpm-unseal@late.service \
    >$drop_in/sealring.conf
names="rd.luks.name=$(uuid more)=more rd.luks.name=$(uuid swap)=swap rd.luks.name=$(uuid data)=data"
sed -i "s/ ro / ro $names /" /boot/EFI/debian/grub.cfg
sync' 120
    vm_stop

    vm_unattended 'root, two more volumes, swap'
    codes=$(vm_tpm_codes_of_programs)
    vm_say "TPM commands: $codes"
    vm_do 'ls /dev/mapper'
    [[ $vm_output == *data*more*root*swap* ]]
    vm_do 'mkswap /dev/mapper/swap && swapon /dev/mapper/swap && [ -b /dev/mapper/more ]'
    vm_do 'systemctl start systemd-cryptsetup@late.service && [ -b /dev/mapper/late ]' 120
    vm_do 'journalctl -b --no-pager -o cat | grep -c "ordering cycle" || :'
    [ "$vm_output" = 0 ]
    vm_stop
    # The services' ring is another conversation, after the latch.
    [ "$(conversations)" -eq 1 ]
}

# conversations: how many sessions there were in the last boot before the latch (PCR_Event of
# PCR 15). A PCR that changes meanwhile (IMA extends 10) costs an Unseal more in the same one.
conversations() {
    tail -c +$((vm_tpm_from + 1)) "$vm_dir/tpm.log" |
        awk '/SWTPM_IO_Read: length/ { getline; code = $9 $10
            if (code == "013C" && $14 == "0F") exit
            if (code == "0176") count++ } END { print count + 0 }'
}
