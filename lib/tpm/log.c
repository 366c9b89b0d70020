/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event log of this boot, from the kernel; or one in a file. */
#include <errno.h>
#include <fcntl.h>

#include "codec/eventlog.h"

#define KERNEL_LOG "/sys/kernel/security/tpm0/binary_bios_measurements"

int sr_eventlog_load(const char *file, struct sr_eventlog **ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r;

	if (!file && faccessat(AT_FDCWD, KERNEL_LOG, R_OK, 0) < 0 && errno == EACCES)
		return sr_fail(err, -ENODEV, "only root may read %s", KERNEL_LOG);
	r = sr_read_file(AT_FDCWD, file ? file : KERNEL_LOG, SR_EVENTLOG_MAX, &content,
			 err);

	if (r == -ENOENT && !file)
		return sr_fail(err, -ENODEV,
			       "no event log of this boot in %s: the firmware gave none, "
			       "or securityfs is not mounted",
			       KERNEL_LOG);
	return r < 0 ? r : sr_eventlog_read(content.data, content.size, ret, err);
}
