/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a ring: who can recover it, and what it does not protect from. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "choices.h"
#include "print_key.h"
#include "prompt.h"
#include "reseal.h"
#include "tool.h"

static int announce(void *arg, struct sr_err *err)
{
	struct chosen *chosen = arg;

	if (chosen->print)
		return print_recovery_key(&chosen->recovery_key, chosen->ring, err);
	if (chosen->write)
		return write_recovery_key(&chosen->recovery_key,
					  choices.recovery_key_file, err);
	return 0;
}

/* Whoever could have put the file there, or can read it, could recover the ring. */
static int check_owner(const char *file, struct sr_err *err)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return sr_fail_sys(err, errno, "cannot examine %s", file);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & 077)
		return sr_fail(
		    err, -EEXIST,
		    "%s exists, and is not yours alone (owner, mode 0600): name a new "
		    "file",
		    file);
	return 0;
}

/* A key that is there already may serve several rings; another file is not overwritten.
 */
static int key_from_file(struct chosen *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret typed = { 0 };
	int r;

	if (strcmp(choices.recovery_key_file, "-") == 0)
		return sr_fail(
		    err, -EINVAL,
		    "--recovery-key-file: a new ring's key goes to a file, not to -");
	if (access(choices.recovery_key_file, F_OK) < 0 && errno == ENOENT) {
		ret->write = true;
		return sr_recovery_key_generate(&ret->recovery_key, err);
	}
	r = check_owner(choices.recovery_key_file, err);
	if (r == 0)
		r = choices_read_file(choices.recovery_key_file, 256, &typed, err);
	if (r == 0)
		r = sr_recovery_key_parse(&typed, &ret->recovery_key, err);
	if (r == -EACCES || r == -EINVAL)
		return sr_fail(err, -EEXIST,
			       "%s exists and holds no recovery key: name a new file",
			       choices.recovery_key_file);
	if (r == 0)
		tool_say("the recovery key is the one in %s", choices.recovery_key_file);
	return r;
}

int choices_certificates(const char *const names[], size_t count, struct chosen *ret,
			 struct sr_err *err)
{
	ret->certificates = calloc(count, sizeof(*ret->certificates));
	ret->escrow.pem = calloc(count, sizeof(*ret->escrow.pem));
	ret->escrow.size = calloc(count, sizeof(*ret->escrow.size));
	if (!ret->certificates || !ret->escrow.pem || !ret->escrow.size)
		return sr_fail(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		struct sr_secret *certificate = &ret->certificates[i];
		int r = choices_read_file(names[i], CHOICES_PEM_MAX, certificate, err);

		if (r < 0)
			return r;
		ret->escrow.pem[i] = (char *)certificate->data;
		ret->escrow.size[i] = certificate->size;
		ret->escrow.count = i + 1;
	}
	ret->options.recovery.escrow = &ret->escrow;
	return 0;
}

static int take_escrow(const struct sr_store *store, struct chosen *ret,
		       struct sr_err *err)
{
	const struct sr_config *config = sr_store_config(store);

	if (choices.escrow.count)
		return choices_certificates(choices.escrow.item, choices.escrow.count,
					    ret, err);
	if (config->escrow_count)
		return choices_certificates((const char *const *)config->escrow,
					    config->escrow_count, ret, err);
	return 0;
}

int choices_recovery(const struct sr_store *store, const char *ring, struct chosen *ret,
		     struct sr_err *err)
{
	struct sr_recovery *recovery = &ret->options.recovery;
	bool chosen = choices.recovery_key_file || choices.escrow.count;
	int r;

	if (choices.no_recovery)
		return chosen ? sr_fail(err, -EINVAL,
					"--no-recovery excludes the other ways")
			      : 0;
	r = take_escrow(store, ret, err);
	if (r < 0)
		return r;
	if (!ret->escrow.count && !choices.recovery_key_file && !prompt_possible())
		return sr_fail(
		    err, -EINVAL,
		    "choose who can recover ring %s: --recovery-key-file FILE, "
		    "--escrow CERT, [Recovery] Escrow= in sealring.conf, or "
		    "--no-recovery",
		    ring);
	ret->ring = ring;
	if (choices.recovery_key_file) {
		r = key_from_file(ret, err);
	} else if (!chosen && prompt_possible()) {
		ret->print = true;
		r = sr_recovery_key_generate(&ret->recovery_key, err);
	}
	recovery->key = ret->recovery_key.size ? &ret->recovery_key : NULL;
	recovery->announce = announce;
	recovery->arg = ret;
	return r;
}

/* Kernel, command line and initramfs are in PCR 9 (GRUB, systemd-boot) or 11 (UKI). */
static bool covers_kernel(const char *pcrs)
{
	for (const char *at = strchr(pcrs, ':'); at; at = strchr(at, '+')) {
		unsigned long pcr = strtoul(++at, NULL, 10);

		if (pcr == 9 || pcr == 11)
			return true;
	}
	return false;
}

static void say_limits(struct sr_ring *ring)
{
	struct sr_ring_info info;

	if (sr_ring_info(ring, &info, NULL) == 0 && !covers_kernel(info.pcrs))
		tool_say("%s does not cover kernel, command line and initramfs: see "
			 "sealring(7)",
			 info.pcrs);
}

/* Whoever reads the disk without booting this system must not find it. */
static int wants_manager(const struct sr_store *store, const char *name, bool *ret,
			 struct sr_err *err)
{
	*ret = false;
	if (strcmp(name, "boot") != 0)
		return choices.manage ? sr_fail(err, -EINVAL, "--manage is for ring boot")
				      : 0;
	if (choices.manage) {
		*ret = strcmp(choices.manage, "yes") == 0;
		return *ret || strcmp(choices.manage, "no") == 0
			   ? 0
			   : sr_fail(err, -EINVAL, "--manage: yes or no");
	}
	*ret = sr_store_encrypted(store);
	if (!*ret)
		tool_warn(
		    "%s is not on an encrypted volume, so ring boot's key is not "
		    "kept in ring system: changing ring boot takes its recovery key",
		    sr_store_path(store));
	return 0;
}

/* What was chosen is for the other ring; who recovers that recovers this one. */
static int make_manager(struct sr_store *store, struct sr_tpm *tpm, struct sr_ring **ret,
			struct sr_err *err)
{
	const struct choices chosen = choices;
	int r;

	choices.pcrs = choices.pin_file = choices.manage = NULL;
	choices.pin = false;
	r = choices_new_ring(store, tpm, "system", ret, err);
	choices = chosen;
	return r;
}

int choices_manager(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		    struct sr_ring **ret, struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *manager = NULL;
	bool wanted;
	int r = wants_manager(store, name, &wanted, err);

	*ret = NULL;
	if (r < 0 || !wanted)
		return r;
	r = sr_ring_load(store, "system", &manager, err);
	if (r == -ENOKEY)
		return make_manager(store, tpm, ret, err);
	if (r == 0)
		r = sr_ring_open(manager, tpm, choices_ask(), err);
	if (r == 0)
		*ret = take(manager);
	return r;
}

int choices_new_ring(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		     struct sr_ring **ret, struct sr_err *err)
{
	_cleanup_chosen_ struct chosen chosen = { 0 };
	_cleanup_ring_ struct sr_ring *manager = NULL;
	int r = choices_manager(store, tpm, name, &manager, err);

	chosen.options.manager = manager;
	if (r == 0)
		r = choices_recovery(store, name, &chosen, err);

	if (r == 0 && choices.pin_file && !choices.pin)
		r = sr_fail(err, -EINVAL,
			    "ring %s is new: add --pin, to give it the PIN in %s", name,
			    choices.pin_file);
	if (r == 0)
		r = choices_ring(tpm, name, false, &chosen, err);
	if (r == 0)
		r = sr_ring_create(store, tpm, name, &chosen.options, ret, err);
	if (r < 0)
		return r;
	tool_say("made ring %s in %s", name, sr_store_path(store));
	say_limits(*ret);
	reseal_take_baseline(*ret, tpm);
	if (manager)
		tool_say("its key is also kept in ring system, to change ring %s with",
			 name);
	return 0;
}
