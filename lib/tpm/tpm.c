/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a TPM, and handles that flush themselves. */
#include "tpm.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_tcti_device.h>
#include <tss2/tss2_tctildr.h>

#include "meter.h"
#include "stop.h"
#include "wait.h"

static const char usual_device[] = "/dev/tpmrm0";

/* Says why a device node cannot be used: libtss2 only knows that it could not open it. */
static int check_device(const char *path, struct sr_err *err)
{
	struct group *group;
	struct stat st;

	if (stat(path, &st) < 0)
		return sr_fail(
		    err, -ENODEV,
		    "no TPM: %s does not exist: enable the TPM in the firmware "
		    "setup, or name another with --tcti",
		    path);
	if (access(path, R_OK | W_OK) == 0)
		return 0;
	group = getgrgid(st.st_gid);
	return sr_fail(
	    err, -ENODEV,
	    "no permission to use the TPM: %s belongs to group %s: run as root, or "
	    "join that group",
	    path, group ? group->gr_name : "(unknown)");
}

/* The library leaves it open for programs that we start. */
static void keep_to_ourselves(TSS2_TCTI_CONTEXT *tcti)
{
	TSS2_TCTI_POLL_HANDLE handle[1];
	size_t count = 1;

	if (Tss2_Tcti_GetPollHandles(tcti, handle, &count) == TSS2_RC_SUCCESS &&
	    count == 1)
		(void)fcntl(handle[0].fd, F_SETFD, FD_CLOEXEC);
}

static int open_device(const char *path, struct sr_tpm *tpm, struct sr_err *err)
{
	size_t size = 0;
	TSS2_RC rc;
	int r;

	r = check_device(path, err);
	if (r < 0)
		return r;
	rc = Tss2_Tcti_Device_Init(NULL, &size, path);
	if (rc == TSS2_RC_SUCCESS) {
		tpm->tcti = calloc(1, size);
		if (!tpm->tcti)
			return sr_fail_memory(err);
		rc = Tss2_Tcti_Device_Init(tpm->tcti, &size, path);
	}
	if (rc == TSS2_RC_SUCCESS) {
		keep_to_ourselves(tpm->tcti);
		return 0;
	}
	free(take(tpm->tcti));
	return sr_fail(
	    err, -ENODEV,
	    "%s cannot be opened: another program uses it: end that, or use %s", path,
	    usual_device);
}

/* A TPM that came back after it was gone has another number. */
static int open_first_device(struct sr_tpm *tpm, struct sr_err *err)
{
	char found[SR_TPM_DEVICE_MAX];

	return open_device(sr_tpm_device("/dev", found) ? found : usual_device, tpm, err);
}

/* Nobody should start what runs, as another user. */
static int fail_connection(const char *name, struct sr_err *err)
{
	const char *path = strstr(name, "path=");
	struct stat st;

	if (path && stat(path + strlen("path="), &st) == 0 && S_ISSOCK(st.st_mode) &&
	    access(path + strlen("path="), R_OK | W_OK) < 0)
		return sr_fail(
		    err, -ENODEV,
		    "no permission to use the TPM at \"%s\": run as user %u, or "
		    "name another with --tcti",
		    name, st.st_uid);
	return sr_fail(err, -ENODEV,
		       "no TPM answers at \"%s\": start it, or name another with --tcti",
		       name);
}

static int open_tcti(const char *name, struct sr_tpm *tpm, struct sr_err *err)
{
	TSS2_RC rc;

	if (!name || strcmp(name, "device") == 0)
		return open_first_device(tpm, err);
	if (strncmp(name, "device:", 7) == 0)
		return open_device(name + 7, tpm, err);
	if (name[0] == '/')
		return open_device(name, tpm, err);
	rc = Tss2_TctiLdr_Initialize(name, &tpm->tcti);
	if (rc != TSS2_RC_SUCCESS)
		return fail_connection(name, err);
	tpm->loaded = true;
	return 0;
}

bool sr_tcti_is_managed(const char *tcti)
{
	return !tcti || strcmp(tcti, "device") == 0 || strstr(tcti, "tpmrm") ||
	       strncmp(tcti, "tabrmd", 6) == 0;
}

void sr_tpm_close(struct sr_tpm *tpm)
{
	if (!tpm)
		return;
	if (tpm->esys)
		Esys_Finalize(&tpm->esys);
	free(tpm->outer);
	if (tpm->loaded)
		Tss2_TctiLdr_Finalize(&tpm->tcti);
	else if (tpm->tcti)
		Tss2_Tcti_Finalize(tpm->tcti);
	if (!tpm->loaded)
		free(tpm->tcti);
	free(tpm);
}

SR_DEFINE_CLEANUP(sr_tpm_closep, struct sr_tpm *, sr_tpm_close)

/* At most one of @meter and @stop is not NULL. */
static int open_tpm(const char *tcti, struct sr_meter *meter,
		    const volatile sig_atomic_t *stop, struct sr_tpm **ret,
		    struct sr_err *err)
{
	_cleanup_(sr_tpm_closep) struct sr_tpm *tpm = calloc(1, sizeof(*tpm));
	TSS2_RC rc;
	int r;

	if (!tpm)
		return sr_fail_memory(err);
	r = open_tcti(tcti, tpm, err);
	if (r < 0)
		return r;
	if (meter)
		tpm->outer = sr_meter_tcti(tpm->tcti, meter);
	else if (stop)
		tpm->outer = sr_stop_tcti(tpm->tcti, stop);
	if ((meter || stop) && !tpm->outer)
		return sr_fail_memory(err);
	rc = Esys_Initialize(&tpm->esys, tpm->outer ?: tpm->tcti, NULL);
	if (rc == TSS2_RC_SUCCESS)
		rc = Esys_SetTimeout(tpm->esys, TSS2_TCTI_TIMEOUT_BLOCK);
	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "Esys_Initialize");
	*ret = take(tpm);
	return 0;
}

int sr_tpm_open(const char *tcti, struct sr_tpm **ret, struct sr_err *err)
{
	return open_tpm(tcti, NULL, NULL, ret, err);
}

int sr_tpm_open_metered(const char *tcti, struct sr_meter *meter, struct sr_tpm **ret,
			struct sr_err *err)
{
	return open_tpm(tcti, meter, NULL, ret, err);
}

int sr_tpm_open_until(const char *tcti, const volatile sig_atomic_t *stop,
		      struct sr_tpm **ret, struct sr_err *err)
{
	return open_tpm(tcti, NULL, stop, ret, err);
}

void sr_handle_came(const struct sr_handle *handle)
{
	if (handle->tpm->comes)
		handle->tpm->comes(handle->tpm->arg, handle);
}

static void went(const struct sr_handle *handle)
{
	if (handle->tpm->goes)
		handle->tpm->goes(handle->tpm->arg, handle);
}

/* The handle in ESYS is freed either way. */
void sr_handle_flush(struct sr_handle *handle)
{
	struct sr_tpm *tpm = handle->tpm;
	TSS2_RC rc;

	if (handle->tr == ESYS_TR_NONE)
		return;
	rc = handle->kept ? TSS2_RC_SUCCESS
			  : SR_TSS(Esys_FlushContext(tpm->esys, handle->tr));
	if (rc != TSS2_RC_SUCCESS && sr_tss_code(rc) == 0 && tpm->stays)
		tpm->stays(tpm->arg, handle);
	went(handle);
	if (rc != TSS2_RC_SUCCESS || handle->kept)
		(void)Esys_TR_Close(tpm->esys, &handle->tr);
	handle->tr = ESYS_TR_NONE;
}

void sr_handle_forget(struct sr_handle *handle)
{
	if (handle->tr == ESYS_TR_NONE)
		return;
	went(handle);
	(void)Esys_TR_Close(handle->tpm->esys, &handle->tr);
	handle->tr = ESYS_TR_NONE;
}

int sr_tpm_limits_guessing(struct sr_tpm *tpm, struct sr_err *err)
{
	_cleanup_esys_ TPMS_CAPABILITY_DATA *data = NULL;
	const TPML_TAGGED_TPM_PROPERTY *list;
	TPMI_YES_NO more;
	TSS2_RC rc = SR_TSS(Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE,
					       ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
					       TPM2_PT_PERMANENT, 1, &more, &data));

	if (rc != TSS2_RC_SUCCESS)
		return sr_fail_tss(err, rc, "TPM2_GetCapability");
	list = &data->data.tpmProperties;
	if (list->count < 1 || list->tpmProperty[0].property != TPM2_PT_PERMANENT)
		return sr_fail(err, -EIO,
			       "the TPM does not say whether its lockout "
			       "authorization is set");
	return !!(list->tpmProperty[0].value & TPMA_PERMANENT_LOCKOUTAUTHSET);
}
