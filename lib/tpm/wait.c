/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The TPM's device: which one, whether firmware announces it, and waiting for it. */
#define _GNU_SOURCE 1 /* FTW_ACTIONRETVAL */

#include "wait.h"

#include <dirent.h>
#include <ftw.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#include "ground/parse.h"

#define TREE_DEPTH 8	  /* of a device tree; the TPM is a few buses down */
#define LOOK_AGAIN_MS 250 /* should an event get lost */

static inline void close_dirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* 1 and the number if @name is "tpmrmN". */
static bool device_number(const char *name, uint64_t *ret)
{
	return strncmp(name, "tpmrm", 5) == 0 &&
	       sr_number_parse(name + 5, INT32_MAX, ret, NULL) == 0;
}

bool sr_tpm_device(const char *dev, char ret[SR_TPM_DEVICE_MAX])
{
	_cleanup_(close_dirp) DIR *dir = opendir(dev);
	uint64_t number, first = UINT64_MAX;
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (device_number(entry->d_name, &number) && number < first)
			first = number;
	if (first == UINT64_MAX)
		return false;
	(void)snprintf(ret, SR_TPM_DEVICE_MAX, "%s/tpmrm%u", dev, (unsigned int)first);
	return true;
}

static bool is_there(const char *sys, const char *path)
{
	char full[SR_TPM_DEVICE_MAX];

	(void)snprintf(full, sizeof(full), "%s/%s", sys, path);
	return access(full, F_OK) == 0;
}

/* A TPM 2.0 on the ACPI bus; the table alone is enough, too. */
static bool acpi_announces(const char *sys)
{
	_cleanup_(close_dirp) DIR *dir = NULL;
	char path[SR_TPM_DEVICE_MAX];
	struct dirent *entry;

	if (is_there(sys, "firmware/acpi/tables/TPM2"))
		return true;
	(void)snprintf(path, sizeof(path), "%s/bus/acpi/devices", sys);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "MSFT0101:", 9) == 0)
			return true;
	return false;
}

/* "tpm", "tpm@0", "ftpm" and "vtpm@...": what the bindings call a TPM's node. */
static int see_node(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	const char *name = path + ftw->base;

	(void)st;
	if (kind != FTW_D)
		return FTW_CONTINUE;
	if (*name == 'f' || *name == 'v')
		name++;
	if (strncmp(name, "tpm", 3) == 0 && (name[3] == '\0' || name[3] == '@'))
		return FTW_STOP;
	return ftw->level < TREE_DEPTH ? FTW_CONTINUE : FTW_SKIP_SUBTREE;
}

static bool device_tree_announces(const char *sys)
{
	char path[SR_TPM_DEVICE_MAX];

	(void)snprintf(path, sizeof(path), "%s/firmware/devicetree/base", sys);
	return nftw(path, see_node, 16, FTW_PHYS | FTW_ACTIONRETVAL) == FTW_STOP;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until a name appears in the directory, or @ms have passed. */
static void wait_for_change(int watch, int ms)
{
	struct pollfd pollfd = { .fd = watch, .events = POLLIN };
	char events[4096];

	if (poll(&pollfd, 1, ms) > 0)
		(void)!read(watch, events, sizeof(events));
}

/* The watch is set before the first look, so that nothing falls in between. */
static bool wait_for_device(const char *dev, unsigned int seconds)
{
	_cleanup_close_ int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int64_t end = now_ms() + (int64_t)seconds * 1000, left;
	char found[SR_TPM_DEVICE_MAX];

	if (watch >= 0)
		(void)inotify_add_watch(watch, dev, IN_CREATE | IN_MOVED_TO);
	while (!sr_tpm_device(dev, found)) {
		left = end - now_ms();
		if (left <= 0)
			return false;
		wait_for_change(watch, left < LOOK_AGAIN_MS ? (int)left : LOOK_AGAIN_MS);
	}
	return true;
}

int sr_tpm_wait(const struct sr_tpm_wait *wait, struct sr_err *err)
{
	const char *dev = wait->dev ? wait->dev : "/dev",
		   *sys = wait->sys ? wait->sys : "/sys";
	char found[SR_TPM_DEVICE_MAX];

	if (sr_tpm_device(dev, found))
		return 0;
	if (!acpi_announces(sys) && !device_tree_announces(sys))
		return sr_fail(
		    err, -ENODEV,
		    "no TPM: firmware announces none: enable it in the firmware "
		    "setup");
	if (wait_for_device(dev, wait->seconds))
		return 0;
	return sr_fail(
	    err, -ENODEV,
	    "no TPM: firmware announces one, but it did not appear within %u s: "
	    "its driver is missing, or it failed",
	    wait->seconds);
}
