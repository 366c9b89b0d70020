/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: what was measured: banks, the event log, Secure Boot. */
#include <fcntl.h>
#include <string.h>

#include "doctor.h"

#define SECURE_BOOT                                                                      \
	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static bool is_active(const struct doctor *doctor, uint16_t bank)
{
	for (size_t i = 0; i < doctor->facts.banks; i++)
		if (doctor->facts.bank[i] == bank)
			return true;
	return false;
}

static void list_active(const struct doctor *doctor, char *ret, size_t room)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < doctor->facts.banks && used < room; i++) {
		const char *name = sr_bank_name(doctor->facts.bank[i]);

		used += (size_t)snprintf(ret + used, room - used, "%s%s",
					 used ? ", " : "", name ? name : "unknown");
	}
}

static bool unmeasured(const struct sr_pcrs *pcrs, unsigned int pcr)
{
	size_t zeros = 0, ones = 0, size = sr_bank_size(pcrs->bank);

	for (size_t i = 0; i < size; i++) {
		zeros += pcrs->value[pcr][i] == 0x00;
		ones += pcrs->value[pcr][i] == 0xff;
	}
	return zeros == size || ones == size;
}

/* What is extended later is not the log's: of the kernel, of the latch. */
static uint32_t differing(const struct sr_pcrs *replayed, const struct sr_pcrs *held)
{
	uint32_t mask = 0;

	for (unsigned int pcr = 0; pcr < 8; pcr++)
		if (replayed->given & held->given & 1U << pcr &&
		    memcmp(replayed->value[pcr], held->value[pcr],
			   sr_bank_size(held->bank)) != 0)
			mask |= 1U << pcr;
	return mask;
}

/* A bank that the firmware left out is extended by nobody, or by whoever boots. */
static void check_evidence(struct doctor *doctor, const struct sr_pcrs *held,
			   const char *subject)
{
	const char *name = sr_bank_name(held->bank);
	struct sr_pcrs replayed = { 0 };
	char text[SR_CHANGED_TEXT];
	uint32_t mask;

	if (sr_eventlog_replay(doctor->log, held->bank, &replayed, NULL) < 0 ||
	    !(replayed.given & 1U)) {
		doctor_find(doctor, DOCTOR_FAIL, subject,
			    "enable it in the firmware setup, or seal to another bank",
			    "%s is not in the event log: nothing says that the firmware "
			    "measures into it",
			    name);
		return;
	}
	mask = differing(&replayed, held);
	sr_changed_text(mask, text);
	if (mask)
		doctor_find(doctor, DOCTOR_WARN, "event log",
			    "tpm-reseal events shows both",
			    "does not lead to what the TPM holds in %s: %s", name, text);
	else
		doctor_find(doctor, DOCTOR_OK, "event log", "",
			    "leads to what the TPM holds (%s)", name);
}

static void check_bank(struct doctor *doctor, uint16_t bank)
{
	struct sr_pcrs held = { .bank = bank, .mask = 0xff };
	const char *name = sr_bank_name(bank), *subject = "bank in use";
	struct sr_err err = { 0 };

	if (!is_active(doctor, bank)) {
		doctor_find(doctor, DOCTOR_FAIL, subject,
			    "activate it in the firmware setup, or seal to another bank",
			    "the TPM has no active %s bank", name);
		return;
	}
	if (sr_pcr_read(doctor->tpm, &held, &err) < 0) {
		doctor_fail(doctor, subject, &err);
		return;
	}
	if (unmeasured(&held, 0))
		doctor_find(doctor, DOCTOR_FAIL, subject,
			    "choose another bank, or update the firmware",
			    "PCR 0 of the %s bank was never measured into: whatever "
			    "boots looks the same",
			    name);
	else
		doctor_find(doctor, DOCTOR_OK, subject, "",
			    "%s is active, and measured into", name);
	if (doctor->log)
		check_evidence(doctor, &held, subject);
}

/* The kernel's log is that of the TPM it has a device of. */
static bool is_device(const char *tcti)
{
	return !tcti || tcti[0] == '/' || strncmp(tcti, "device", 6) == 0;
}

static void load_log(struct doctor *doctor)
{
	const char *file =
	    doctor->store ? sr_store_config(doctor->store)->event_log : NULL;
	struct sr_err err = { 0 };

	if (!file && !is_device(tool_tcti(doctor->store))) {
		doctor_find(doctor, DOCTOR_NOTE, "event log", "",
			    "the kernel's is not of this TPM, and none is configured");
		return;
	}
	if (sr_eventlog_load(file, &doctor->log, &err) < 0) {
		doctor_find(doctor, DOCTOR_NOTE, "event log",
			    geteuid() == 0 ? "" : "root may see more", "%s", err.text);
		return;
	}
	if (sr_eventlog_check(doctor->log, file ? file : "the kernel's event log",
			      &err) == 0 &&
	    !doctor->log->confidential)
		return;
	if (doctor->log->confidential)
		doctor_find(doctor, DOCTOR_NOTE, "event log", "",
			    "is that of a confidential virtual machine, and not of a "
			    "TPM");
	else
		doctor_find(doctor, DOCTOR_WARN, "event log",
			    "tpm-reseal events shows what is before that", "%s",
			    err.text);
	sr_eventlog_free(take(doctor->log));
}

void doctor_log(struct doctor *doctor)
{
	load_log(doctor);
	if (doctor->tpm)
		for (size_t i = 0; i < doctor->used_count; i++)
			check_bank(doctor, doctor->used[i]);
}

void doctor_banks(struct doctor *doctor)
{
	char text[128];

	if (!doctor->tpm)
		return;
	list_active(doctor, text, sizeof(text));
	if (doctor->facts.banks > 0)
		doctor_find(doctor, DOCTOR_OK, "banks", "", "active: %s", text);
	else
		doctor_find(doctor, DOCTOR_FAIL, "banks",
			    "activate sha256 in the firmware setup",
			    "the TPM has no active bank");
}

/* 1 on, 0 off, -1 if the log does not say; its words count only if they were measured. */
static int from_log(const struct sr_eventlog *log)
{
	for (size_t i = 0; log && i < log->count; i++) {
		const struct sr_event *event = &log->event[i];
		struct sr_event_text text;

		if (event->pcr != 7)
			continue;
		sr_event_describe(log, event, &text);
		if (strcmp(text.subject, "SecureBoot") == 0)
			return sr_event_hashed(log, event) ? strcmp(text.value, "on") == 0
							   : -1;
	}
	return -1;
}

/* Four bytes of attributes, then 1 or 0. */
static int from_variable(void)
{
	_cleanup_close_ int fd = open(SECURE_BOOT, O_RDONLY | O_CLOEXEC);
	uint8_t data[5];

	if (fd < 0 || read(fd, data, sizeof(data)) != sizeof(data))
		return -1;
	return data[4] == 1;
}

void doctor_secure_boot(struct doctor *doctor)
{
	static const char subject[] = "Secure Boot";
	int logged = from_log(doctor->log), on = logged < 0 ? from_variable() : logged;
	const char *source =
	    logged < 0 ? "by the firmware's variable" : "by the event log";

	if (on < 0)
		doctor_find(doctor, DOCTOR_NOTE, subject, "",
			    "neither the event log nor the firmware says whether it is "
			    "on");
	else if (on)
		doctor_find(doctor, DOCTOR_OK, subject, "", "is on, %s", source);
	else
		doctor_find(doctor, DOCTOR_WARN, subject,
			    "switch it on in the firmware setup, then: tpm-reseal now",
			    "is off, %s: PCR 7 protects nothing", source);
}
