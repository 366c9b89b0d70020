/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-latch: close what the TPM opens only in the initramfs; run by units and scripts. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "check.h"
#include "luks/close.h"
#include "tool.h"

#define PATIENCE 75 /* seconds until a TPM that does not answer counts as a failure */
#define LATCH_TEXT "sealring latch"

static bool wait_only, shell;
static const char *install_root, *check_root, *root_device;

static const struct option_row options[] = {
	{ 0, "root", OPTION_TEXT, &root_device, "DEVICE",
	  "first close volumes that a foreign root would find" },
	{ 0, "shell", OPTION_FLAG, &shell, NULL, "then close all volumes: a shell follows" },
	{ 0, "wait", OPTION_FLAG, &wait_only, NULL, "only wait for the TPM's device" },
	{ 0, "install", OPTION_TEXT, &install_root, "DIR",
	  "copy what an initramfs image needs into DIR" },
	{ 0, "check", OPTION_TEXT, &check_root, "DIR",
	  "prove that FILEs of the image in DIR can run" },
	{ 0 },
};

/* What is configured is the device of the kernel, or not ours to wait for. */
static int wait_for_tpm(const struct sr_store *store, struct sr_err *err)
{
	const char *tcti = tool_tcti(store);
	struct sr_tpm_wait wait = { .seconds = sr_store_config(store)->wait };

	if (tcti && strcmp(tcti, "device") != 0)
		return 0;
	return sr_tpm_wait(&wait, err);
}

static int extend(const struct sr_store *store, struct sr_err *err)
{
	_cleanup_tpm_ struct sr_tpm *tpm = NULL;
	unsigned int pcr = sr_store_config(store)->latch_pcr;
	int r = wait_for_tpm(store, err);

	if (r == 0)
		r = tool_tpm(store, &tpm, err);
	if (r == 0)
		r = sr_tpm_extend(tpm, pcr, LATCH_TEXT, err);
	if (r == 0)
		tool_say("PCR %u is extended: what needs it to be zero is closed until the "
			 "next boot",
			 pcr);
	return r;
}

/*
 * Nothing that was opened has to be closed: then a TPM that is not there is no reason to
 * stop. One that is there and can't be extended is: it may open a ring later.
 */
static int judge(const struct sr_store *store, int r, bool opened, struct sr_err *err)
{
	struct sr_err why = *err;

	if (r == -ENODEV && !opened) {
		tool_warn("%s; no ring was opened, so nothing has to be closed", why.text);
		return 0;
	}
	if (!sr_store_config(store)->latch_required) {
		tool_warn("%s; goes on, as Required=no: the TPM's boot secrets are open to "
			  "whatever runs from now on",
			  why.text);
		return 0;
	}
	return sr_fail(err, r,
		       "the TPM's boot secrets could not be closed, so the boot must not go "
		       "on: %s",
		       why.text);
}
