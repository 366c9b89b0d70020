/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: the TPM itself, reachable, and what it says about itself. */
#include <string.h>

#include "doctor.h"

static void check_manager(struct doctor *doctor)
{
	const char *tcti = tool_tcti(doctor->store);

	if (sr_tcti_is_managed(tcti))
		doctor_find(doctor, DOCTOR_OK, "resource manager", "", "%s",
			    tcti ? tcti : "the kernel's");
	else if (strstr(tcti, "/dev/tpm"))
		doctor_find(doctor, DOCTOR_WARN, "resource manager",
			    "use /dev/tpmrm0: TCTI= of sealring.conf, or --tcti",
			    "%s has none: programs get into each other's way", tcti);
	else
		doctor_find(doctor, DOCTOR_NOTE, "resource manager", "",
			    "%s has none of the kernel's", tcti);
}

void doctor_tpm(struct doctor *doctor)
{
	struct sr_err err = { 0 };

	if (tool_tpm(doctor->store, &doctor->tpm, &err) < 0) {
		doctor_fail(doctor, "TPM", &err);
		return;
	}
	if (sr_tpm_facts(doctor->tpm, &doctor->facts, &err) < 0) {
		sr_tpm_close(take(doctor->tpm));
		doctor_fail(doctor, "TPM", &err);
		return;
	}
	doctor_find(doctor, DOCTOR_OK, "TPM", "", "%s answers", doctor->facts.text);
	check_manager(doctor);
}

void doctor_srk(struct doctor *doctor)
{
	static const char subject[] = "storage key";

	if (!doctor->tpm)
		return;
	switch (doctor->facts.srk) {
	case SR_SRK_USABLE:
		doctor_find(doctor, DOCTOR_OK, subject, "", "is at 0x81000001");
		break;
	case SR_SRK_ABSENT:
		if (doctor->rings && doctor->rings[0])
			doctor_find(doctor, DOCTOR_WARN, subject, "tpm-reseal now",
				    "0x81000001 is empty: opening makes the key again "
				    "each time, if it can");
		else
			doctor_find(doctor, DOCTOR_NOTE, subject, "",
				    "0x81000001 is empty: it is made with the first "
				    "ring");
		break;
	case SR_SRK_OTHER:
		doctor_find(doctor, DOCTOR_FAIL, subject,
			    "find out whose it is; tpm2_evictcontrol removes it",
			    "what is at 0x81000001 is no storage key");
		break;
	}
}

/* It is refused what has a PIN, or any authorization that counts; nothing else. */
void doctor_lockout(struct doctor *doctor)
{
	const struct sr_tpm_facts *facts = &doctor->facts;
	enum doctor_level bad = doctor->any_pin ? DOCTOR_FAIL : DOCTOR_WARN;
	char text[96];

	if (!doctor->tpm)
		return;
	(void)snprintf(text, sizeof(text), "%u of %u failed tries count", facts->tries,
		       facts->max_tries);
	if (facts->in_lockout || facts->tries >= facts->max_tries)
		doctor_find(doctor, bad, "lockout",
			    "wait, or tpm2_dictionarylockout -c with its lockout "
			    "authorization",
			    "the TPM refuses PINs: %s; one is forgotten every %u s", text,
			    facts->interval);
	else
		doctor_find(doctor, facts->tries ? DOCTOR_NOTE : DOCTOR_OK, "lockout", "",
			    "%s; one is forgotten every %u s", text, facts->interval);
	if (facts->lockout_auth)
		doctor_find(doctor, DOCTOR_OK, "lockout authorization", "", "is set");
	else
		doctor_find(doctor, doctor->any_pin ? DOCTOR_WARN : DOCTOR_NOTE,
			    "lockout authorization",
			    "tpm2_changeauth -c lockout sets one",
			    "is not set: whoever talks to the TPM may try PINs without "
			    "end");
}

/* Behind a resource manager only our own would be seen, and there are none. */
void doctor_handles(struct doctor *doctor)
{
	const struct sr_tpm_facts *facts = &doctor->facts;

	if (!doctor->tpm)
		return;
	if (!facts->objects && !facts->sessions) {
		doctor_find(doctor, DOCTOR_OK, "handles", "", "none is left behind");
		return;
	}
	if (sr_tcti_is_managed(tool_tcti(doctor->store)))
		doctor_find(doctor, DOCTOR_NOTE, "handles", "",
			    "%zu objects and %zu sessions are in use by others",
			    facts->objects, facts->sessions);
	else
		doctor_find(
		    doctor, DOCTOR_WARN, "handles",
		    "end who uses them, or tpm2_flushcontext -t, -l and -s",
		    "%zu objects and %zu sessions are on a TPM without resource manager",
		    facts->objects, facts->sessions);
}
