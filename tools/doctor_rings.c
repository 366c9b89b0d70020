/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: rings, their recovery and volumes, and what their PCRs leave out. */
#include <errno.h>
#include <string.h>

#include "doctor.h"
#include "follow.h"
#include "luks_list.h"

#define COVERS_IMAGE (1U << 9 | 1U << 11)
#define COVERS_COMMAND_LINE (1U << 12)

static void ring_subject(const char *name, const char *what, char ret[SR_NAME_MAX + 32])
{
	(void)snprintf(ret, SR_NAME_MAX + 32, "ring %s%s%s", name, *what ? ", " : "",
		       what);
}

/* One that is damaged is said to be so by its state, where there is a TPM. */
bool doctor_info(struct doctor *doctor, const char *name, struct sr_ring **ring,
		 struct sr_ring_info *ret)
{
	char subject[SR_NAME_MAX + 32];
	struct sr_err err = { 0 };
	int r = sr_ring_load(doctor->store, name, ring, &err);

	if (r == 0)
		r = sr_ring_info(*ring, ret, &err);
	ring_subject(name, "", subject);
	if (r < 0 && (r != -EBADMSG || !doctor->tpm))
		doctor_fail(doctor, subject, &err);
	return r == 0;
}

static enum doctor_level level_of(enum sr_state state)
{
	switch (state) {
	case SR_STATE_READY:
		return DOCTOR_OK;
	case SR_STATE_PENDING:
	case SR_STATE_BRIDGED:
		return DOCTOR_NOTE;
	case SR_STATE_EXPOSED:
		return DOCTOR_WARN;
	default:
		return DOCTOR_FAIL;
	}
}

static void check_state(struct doctor *doctor, const char *name)
{
	char subject[SR_NAME_MAX + 32];
	struct sr_status status;
	struct sr_err err = { 0 };

	ring_subject(name, "", subject);
	if (sr_ring_status(doctor->store, name, doctor->tpm, &status, &err) < 0) {
		doctor_fail(doctor, subject, &err);
		return;
	}
	follow_status(doctor->store, name, &status);
	doctor_find(doctor, level_of(status.state), subject, "", "%s: %s",
		    sr_state_name(status.state), status.text);
}

static void check_recovery(struct doctor *doctor, const struct sr_ring_info *info)
{
	bool any = info->recovery;
	char subject[SR_NAME_MAX + 32], remedy[DOCTOR_REMEDY], when[SR_TIME_TEXT];

	ring_subject(info->name, "recovery", subject);
	(void)snprintf(remedy, sizeof(remedy), "tpm-ring recovery %s %s%s",
		       any && info->recovery_intact ? "test" : "renew", info->name,
		       any && info->recovery_intact && !info->recovery_key
			   ? " --escrow-key FILE"
			   : "");
	sr_time_format(info->recovery_proven, when);
	if (!any)
		doctor_find(doctor, DOCTOR_WARN, subject, remedy,
			    "there is none: when the TPM does not open it, nobody does");
	else if (!info->recovery_intact)
		doctor_find(doctor, DOCTOR_FAIL, subject, remedy,
			    "the copy is not the one that was written");
	else if (!info->recovery_proven)
		doctor_find(doctor, DOCTOR_WARN, subject, remedy, "was never tested");
	else
		doctor_find(doctor, DOCTOR_OK, subject, "", "tested %.10s", when);
}

/* What explain compares with; of use only where there is an event log. */
static void check_baseline(struct doctor *doctor, struct sr_ring *ring,
			   const struct sr_ring_info *info)
{
	struct sr_baseline *baseline = NULL;
	char subject[SR_NAME_MAX + 32], remedy[DOCTOR_REMEDY] = "", when[SR_TIME_TEXT];
	struct sr_err err = { 0 };
	int r = sr_baseline_load(ring, &baseline, &err);

	ring_subject(info->name, "baseline", subject);
	if (!info->latch)
		(void)snprintf(remedy, sizeof(remedy), "tpm-reseal now %s takes one",
			       info->name);
	if (r == -ENOKEY) {
		doctor_find(doctor, DOCTOR_NOTE, subject, remedy,
			    "there is none: tpm-reseal explain can compare values only");
	} else if (r < 0) {
		doctor_find(doctor, DOCTOR_WARN, subject, remedy, "%s", err.text);
	} else {
		sr_time_format(baseline->taken, when);
		doctor_find(doctor, DOCTOR_OK, subject, "", "of %.10s", when);
	}
	sr_baseline_free(baseline);
}

static void check_volume(struct doctor *doctor, const struct sr_ring_info *info,
			 const char *uuid)
{
	char subject[SR_NAME_MAX + 32], remedy[DOCTOR_REMEDY];
	struct sr_err err = { 0 };
	const char *state = luks_list_state(doctor->store, uuid, info->id, &err);

	(void)snprintf(subject, sizeof(subject), "volume %s", uuid);
	if (!state) {
		doctor_find(doctor, DOCTOR_NOTE, subject, "", "can't be seen: %s",
			    err.text);
		return;
	}
	if (strcmp(state, "current") == 0) {
		doctor_find(doctor, DOCTOR_OK, subject, "", "ring %s unlocks it",
			    info->name);
		return;
	}
	if (strcmp(state, "absent") == 0) {
		(void)snprintf(remedy, sizeof(remedy),
			       "if it is gone: tpm-luks remove %s", uuid);
		doctor_find(doctor, DOCTOR_NOTE, subject, remedy, "is not here");
		return;
	}
	(void)snprintf(remedy, sizeof(remedy), "tpm-reseal confirm %s", info->name);
	if (strcmp(state, "outdated") == 0)
		doctor_find(doctor, DOCTOR_WARN, subject, remedy,
			    "has older approvals of ring %s", info->name);
	else
		doctor_find(doctor, DOCTOR_FAIL, subject, "tpm-luks enroll DEVICE",
			    "ring %s does not unlock it: %s", info->name, state);
}

/* What a killed keygen left nobody uses, and nobody sees. */
static void check_strays(struct doctor *doctor, struct sr_ring *ring,
			 const struct sr_ring_info *info)
{
	char subject[SR_NAME_MAX + 32], remedy[DOCTOR_REMEDY];
	_cleanup_strv_ char **strays = NULL;

	if (sr_ring_strays(ring, &strays, NULL) < 0)
		return;
	ring_subject(info->name, "software keys", subject);
	for (char **stray = strays; *stray; stray++) {
		(void)snprintf(remedy, sizeof(remedy), "tpm-sign delete %s", *stray);
		doctor_find(doctor, DOCTOR_NOTE, subject, remedy,
			    "%s is a private key that no key file names, as one that was "
			    "not made to the end, or whose file is elsewhere",
			    *stray);
	}
}

static void check_ring(struct doctor *doctor, const char *name)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	_cleanup_strv_ char **volumes = NULL;
	struct sr_ring_info info;
	struct sr_err err = { 0 };
	int count;

	if (doctor->tpm) {
		check_state(doctor, name);
	} else {
		char subject[SR_NAME_MAX + 32];

		ring_subject(name, "", subject);
		doctor_find(doctor, DOCTOR_NOTE, subject, "",
			    "without the TPM nothing can be said of its state");
	}
	if (!doctor_info(doctor, name, &ring, &info))
		return;
	check_recovery(doctor, &info);
	if (doctor->log)
		check_baseline(doctor, ring, &info);
	check_strays(doctor, ring, &info);
	count = sr_ring_volumes(ring, &volumes, &err);
	if (count < 0)
		doctor_fail(doctor, name, &err);
	for (int i = 0; i < count; i++)
		check_volume(doctor, &info, volumes[i]);
}

void doctor_rings(struct doctor *doctor)
{
	if (doctor->hidden)
		doctor_find(doctor, DOCTOR_NOTE, "rings", "run tpm-doctor as root",
			    "%s can't be seen", sr_store_path(doctor->store));
	if (!doctor->rings)
		return;
	if (!doctor->rings[0])
		doctor_find(doctor, DOCTOR_NOTE, "rings", "tpm-seal makes one",
			    "there is none in %s", sr_store_path(doctor->store));
	for (char **name = doctor->rings; *name; name++)
		check_ring(doctor, *name);
}

/* Said once for all that are sealed alike: it is the price of the default. */
static void check_coverage(struct doctor *doctor, const struct sr_ring_info *info)
{
	char subject[SR_NAME_MAX + 32], remedy[DOCTOR_REMEDY];
	struct sr_pcrs pcrs;

	if (sr_pcrs_parse(info->pcrs, &pcrs, NULL) < 0)
		return;
	ring_subject(info->name, "coverage", subject);
	(void)snprintf(remedy, sizeof(remedy),
		       "boot a signed unified kernel image only, or: tpm-reseal now %s "
		       "--pcrs LIST with PCR 9 or 11",
		       info->name);
	if (pcrs.mask & COVERS_IMAGE)
		doctor_find(doctor, DOCTOR_OK, subject, "",
			    "%s is about the initramfs, too", info->pcrs);
	else if (pcrs.mask & COVERS_COMMAND_LINE)
		doctor_find(doctor, DOCTOR_NOTE, subject, remedy,
			    "%s is not about the initramfs", info->pcrs);
	else
		doctor_find(doctor, DOCTOR_NOTE, subject, remedy,
			    "%s is not about kernel command line and initramfs",
			    info->pcrs);
	if (!(pcrs.mask & 1U << 7))
		doctor_find(doctor, DOCTOR_NOTE, subject, "",
			    "%s is not about Secure Boot (PCR 7)", info->pcrs);
}

void doctor_coverage(struct doctor *doctor)
{
	for (char **name = doctor->rings; name && *name; name++) {
		_cleanup_ring_ struct sr_ring *ring = NULL;
		struct sr_ring_info info;

		if (doctor_info(doctor, *name, &ring, &info))
			check_coverage(doctor, &info);
	}
}
