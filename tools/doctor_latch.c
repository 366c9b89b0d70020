/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: the latch, and whether the initramfs has it. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "doctor.h"

static time_t booted(void)
{
	struct timespec since = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &since);
	return time(NULL) - since.tv_sec;
}

static bool is_zero(const struct sr_pcrs *pcrs, unsigned int pcr)
{
	for (size_t i = 0; i < sr_bank_size(pcrs->bank); i++)
		if (pcrs->value[pcr][i])
			return false;
	return true;
}

/* The ring opened in the initramfs, or is older than this boot: it should be closed. */
static void find_open(struct doctor *doctor, const struct sr_ring_info *info, bool opened)
{
	static const char remedy[] = "build the initramfs anew: update-initramfs -u, or "
				     "dracut --force, and reboot";

	if (opened)
		doctor_find(doctor, DOCTOR_FAIL, "latch", remedy,
			    "PCR %u is zero though the initramfs opened ring %s: all "
			    "that runs can open it",
			    info->latch, info->name);
	else if (info->created < booted())
		doctor_find(doctor, DOCTOR_WARN, "latch", remedy,
			    "PCR %u is zero: the initramfs of this boot has no "
			    "tpm-latch, and ring %s is not closed",
			    info->latch, info->name);
	else
		doctor_find(doctor, DOCTOR_NOTE, "latch", remedy,
			    "PCR %u is zero; ring %s was made in this boot, and the "
			    "next one has to show that the latch closes it",
			    info->latch, info->name);
}

static void check_pcr(struct doctor *doctor, const struct sr_ring_info *info, bool opened)
{
	struct sr_err err = { 0 };
	struct sr_pcrs pcrs;

	if (sr_pcrs_parse(info->pcrs, &pcrs, &err) < 0)
		return;
	pcrs.mask = 1U << info->latch;
	pcrs.given = 0;
	if (sr_pcr_read(doctor->tpm, &pcrs, &err) < 0)
		doctor_fail(doctor, "latch", &err);
	else if (!is_zero(&pcrs, info->latch))
		doctor_find(doctor, DOCTOR_OK, "latch", "",
			    "PCR %u closes ring %s until the next boot", info->latch,
			    info->name);
	else if (sr_in_initramfs())
		doctor_find(doctor, DOCTOR_OK, "latch", "",
			    "ring %s is open until the initramfs is left", info->name);
	else
		find_open(doctor, info, opened);
}

/* What it noted is the cheapest proof that the initramfs is one of ours. */
static bool check_note(struct doctor *doctor, const struct sr_ring_info *info)
{
	struct sr_boot_note note = { 0 };

	if (!doctor->runtime_dir ||
	    sr_boot_note_read(doctor->runtime_dir, info->name, &note, NULL) < 0 ||
	    strcmp(note.id, info->id) != 0)
		doctor_find(doctor, DOCTOR_NOTE, "initramfs", "",
			    "noted nothing about ring %s in this boot", info->name);
	else if (note.opened)
		doctor_find(doctor, DOCTOR_OK, "initramfs", "", "opened ring %s",
			    info->name);
	else
		doctor_find(doctor, DOCTOR_WARN, "initramfs",
			    "tpm-reseal status says how it stands now",
			    "did not open ring %s: %s", info->name, note.text);
	return note.opened != 0;
}

static void check_latch(struct doctor *doctor, const struct sr_ring_info *info)
{
	unsigned int configured = sr_store_config(doctor->store)->latch_pcr;
	char remedy[DOCTOR_REMEDY];
	bool opened = check_note(doctor, info);

	if (info->latch != configured) {
		(void)snprintf(remedy, sizeof(remedy),
			       "[Latch] PCR=%u, or: tpm-reseal now %s --pcrs LIST",
			       info->latch, info->name);
		doctor_find(doctor, DOCTOR_FAIL, "latch", remedy,
			    "PCR %u closes ring %s, but PCR %u is what is extended",
			    info->latch, info->name, configured);
		return;
	}
	if (doctor->tpm)
		check_pcr(doctor, info, opened);
}

void doctor_latch(struct doctor *doctor)
{
	bool any = false;

	for (char **name = doctor->rings; name && *name; name++) {
		_cleanup_ring_ struct sr_ring *ring = NULL;
		struct sr_ring_info info;

		if (!doctor_info(doctor, *name, &ring, &info) || !info.latch)
			continue;
		check_latch(doctor, &info);
		any = true;
	}
	if (any && !sr_store_config(doctor->store)->latch_required)
		doctor_find(doctor, DOCTOR_WARN, "latch",
			    "take Required=no out of sealring.conf",
			    "the boot goes on where the latch fails");
	if (doctor->rings && !any)
		doctor_find(doctor, DOCTOR_NOTE, "latch", "",
			    "no ring is closed by it, PCR %u is configured",
			    sr_store_config(doctor->store)->latch_pcr);
}
