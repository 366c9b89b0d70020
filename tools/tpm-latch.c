/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-latch: close what the TPM opens only in the initramfs; run by units and scripts. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "check.h"
#include "luks/close.h"
#include "luks/guard.h"
#include "tool.h"
#include "withdraw.h"

#define PATIENCE 75   /* seconds; then the kernel ends us, which is a failure */
#define SHELL_WAIT 10 /* seconds, at most: a shell may come before tpm-wait.service */
#define LATCH_TEXT "sealring latch"

static bool wait_only, shell;
static const char *install_root, *check_root, *root;

static const struct option_row options[] = {
	{ 0, "root", OPTION_TEXT, &root, "DEVICE",
	  "first close volumes that are not this root's", NULL },
	{ 0, "shell", OPTION_FLAG, &shell, NULL, "a shell follows: close volumes, too",
	  NULL },
	{ 0, "wait", OPTION_FLAG, &wait_only, NULL, "only wait for the TPM's device",
	  NULL },
	{ 0, "install", OPTION_TEXT, &install_root, "DIR",
	  "copy what an initramfs needs into DIR", NULL },
	{ 0, "check", OPTION_TEXT, &check_root, "DIR",
	  "prove that FILEs of the image in DIR run", NULL },
	{ 0 },
};

/* Where something else than the kernel's device is configured, there is no device. */
static int wait_for_tpm(const struct sr_store *store, unsigned int limit,
			struct sr_err *err)
{
	const char *tcti = tool_tcti(store);
	unsigned int seconds = sr_store_config(store)->wait;
	struct sr_tpm_wait wait = { .seconds = seconds < limit ? seconds : limit };

	if (tcti && strcmp(tcti, "device") != 0)
		return 0;
	return sr_tpm_wait(&wait, err);
}

static int extend(const struct sr_store *store, struct sr_err *err)
{
	_cleanup_tpm_ struct sr_tpm *tpm = NULL;
	unsigned int pcr = sr_store_config(store)->latch_pcr;
	int r = shell ? wait_for_tpm(store, SHELL_WAIT, err) : 0;

	if (r == 0)
		r = tool_tpm(store, &tpm, err);
	if (r == 0)
		r = sr_tpm_extend(tpm, pcr, LATCH_TEXT, err);
	if (r == 0)
		tool_say(
		    "PCR %u is extended: rings that need it to be zero are closed until "
		    "the next boot",
		    pcr);
	return r;
}

/* In doubt one was: else an open ring could be forgotten. */
static bool any_ring_opened(void)
{
	_cleanup_free_ char *runtime = tool_runtime_dir();

	return !runtime || sr_boot_note_any(runtime, NULL) != 0;
}

/* Where nothing was opened, a TPM that is broken or not there is no reason to stop. */
static int judge(const struct sr_store *store, int r, bool opened, struct sr_err *err)
{
	const struct sr_err why = *err;

	/* --wait has said why there is none. */
	if (!opened && r == -ENODEV)
		tool_say("%s; no ring was opened in this boot, so it goes on", why.text);
	else if (!opened)
		tool_warn("%s; no ring was opened in this boot, so it goes on", why.text);
	if (!opened)
		return 0;
	if (!sr_store_config(store)->latch_required) {
		tool_warn(
		    "%s; Required=no, so the boot goes on: whatever runs from now on can "
		    "have the TPM's boot secrets",
		    why.text);
		return 0;
	}
	return sr_fail(err, r,
		       "the TPM's boot secrets cannot be closed, the boot stops: %s",
		       why.text);
}

static void say_closed(void *arg, const char *name)
{
	tool_warn("volume %s is closed %s; to go on with it: cryptsetup open DEVICE %s",
		  name, (const char *)arg, name);
}

static int connect_tpm(void *arg, struct sr_tpm **ret, struct sr_err *err)
{
	return tool_tpm(arg, ret, err);
}

/* Before the latch: whose a volume is only its ring tells. */
static int guard_volumes(struct sr_store *store, struct sr_err *err)
{
	const struct sr_guard guard = {
		.root = root,
		.opener = { .tpm = connect_tpm, .arg = store },
		.closed = say_closed,
		.arg =
		    (void
			 *)"as the root file system was not shown to be of the same ring",
	};

	return sr_volumes_guard(&guard, err);
}

static int close_volumes(struct sr_err *err)
{
	return sr_volumes_close(say_closed, (void *)"before the shell starts", err);
}

/* Each step is tried, whatever became of the one before; the first failure counts. */
static int latch(struct sr_store *store, struct sr_err *err)
{
	struct sr_err why[6] = { 0 };
	bool opened = any_ring_opened();
	int step[6] = { 0 };

	if (root && opened)
		step[0] = guard_volumes(store, &why[0]);
	step[1] = sr_ring_cache_revoke_all(&why[1]);
	step[2] = withdraw_initramfs(store, &why[2]);
	step[3] = extend(store, &why[3]);
	/* Whoever waited for a PIN may have kept one meanwhile; from now on nobody can. */
	step[4] = sr_ring_cache_revoke_all(&why[4]);
	if (shell && opened)
		step[5] = close_volumes(&why[5]);
	for (size_t i = 0; i < SR_COUNT(step); i++) {
		int r = step[i] < 0 ? judge(store, step[i], opened, &why[i]) : 0;

		if (r < 0) {
			*err = why[i];
			return r;
		}
	}
	return 0;
}

static int check_image(struct sr_store *store, int argc, char **argv, struct sr_err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < argc; i++)
		r = check_file(check_root, argv[i], err);
	if (r == 0 && strcmp(check_root, "/") != 0)
		r = sr_image_done(store, check_root, err);
	return r;
}

static int install(struct sr_store *store, struct sr_err *err)
{
	int r = sr_image_fill(store, install_root, err);

	if (r > 0)
		tool_say("the image gets %d secret%s", r, r == 1 ? "" : "s");
	return r < 0 ? r : 0;
}

static int check_options(int argc, struct sr_err *err)
{
	if (wait_only + shell + !!root + !!install_root + !!check_root > 1)
		return sr_fail(
		    err, -EINVAL,
		    "--shell, --wait, --install and --check exclude each other");
	if (!check_root != !argc)
		return sr_fail(err, -EINVAL, "--check DIR goes with FILEs: see --help");
	return 0;
}

static int run(int argc, char **argv, struct sr_err *err)
{
	_cleanup_store_ struct sr_store *store = NULL;
	int r = check_options(argc, err);

	if (r == 0)
		r = tool_store(&store, err);
	if (r < 0)
		return r;
	if (install_root)
		return install(store, err);
	if (check_root)
		return check_image(store, argc, argv, err);
	if (wait_only)
		return wait_for_tpm(store, UINT_MAX, err);
	(void)alarm(PATIENCE);
	return latch(store, err);
}

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-latch",
		.usage = "[OPTIONS] [FILE...]",
		.summary = "Close what the TPM opens only in the initramfs, until the "
			   "next boot.",
		.options = options,
		.min = 0,
		.max = 64,
		.run = run,
		.section = 8,
	};

	return tool_main(&tool, argc, argv);
}
