/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-doctor: what works, what would not, and what to do about it. Changes nothing. */
#include <errno.h>

#include "doctor.h"

static bool json;

static const struct option_row options[] = {
	{ 'j', "json", OPTION_FLAG, &json, NULL, "print JSON", NULL },
	{ 0 },
};

/* In this order: what a check finds out the later ones use. */
static void (*const checks[])(struct doctor *doctor) = {
	doctor_config,	    doctor_rights,  doctor_tpm,	    doctor_banks,   doctor_log,
	doctor_secure_boot, doctor_lockout, doctor_handles, doctor_srk,	    doctor_rings,
	doctor_coverage,    doctor_latch,   doctor_resume,  doctor_secrets, doctor_units,
	doctor_keys,	    doctor_rules,   doctor_agent,   doctor_memory,
};

static void doctor_done(struct doctor *doctor)
{
	sr_eventlog_free(doctor->log);
	sr_tpm_close(doctor->tpm);
	sr_strv_free(doctor->rings);
	sr_strv_free(doctor->keys);
	sr_store_close(doctor->store);
	free(doctor->config_dir);
	free(doctor->state_dir);
	free(doctor->runtime_dir);
	free(doctor->finding);
}

static void use_bank(struct doctor *doctor, const char *pcrs)
{
	struct sr_pcrs list;

	if (sr_pcrs_parse(pcrs, &list, NULL) < 0 ||
	    doctor->used_count == SR_COUNT(doctor->used))
		return;
	if (!list.bank && sr_pcrs_parse("sha256:0", &list, NULL) < 0)
		return;
	for (size_t i = 0; i < doctor->used_count; i++)
		if (doctor->used[i] == list.bank)
			return;
	doctor->used[doctor->used_count++] = list.bank;
}

/* What several checks ask: whether any ring has a PIN, and the banks. */
static void know_rings(struct doctor *doctor)
{
	const char *policy = sr_store_config(doctor->store)->pcrs;

	for (char **name = doctor->rings; name && *name; name++) {
		_cleanup_ring_ struct sr_ring *ring = NULL;
		struct sr_ring_info info;

		if (sr_ring_load(doctor->store, *name, &ring, NULL) < 0 ||
		    sr_ring_info(ring, &info, NULL) < 0)
			continue;
		doctor->any_pin |= info.pin;
		use_bank(doctor, info.pcrs);
	}
	if (!doctor->used_count)
		use_bank(doctor, policy ? policy : "0+7");
}

/* A configuration that is refused is a finding; two that exclude each other, a mistake. */
static int prepare(struct doctor *doctor, struct sr_err *err)
{
	int r = tool_store(&doctor->store, &doctor->why_no_store);

	if (r == -EINVAL || r == -ENOMEM)
		return sr_fail(err, r, "%s", doctor->why_no_store.text);
	doctor->config_dir = tool_config_dir();
	doctor->state_dir = tool_state_dir();
	doctor->runtime_dir = tool_runtime_dir();
	if (!doctor->config_dir || !doctor->state_dir ||
	    (!doctor->runtime_dir && tool_has_runtime_dir()))
		return sr_fail(err, -ENOMEM, "out of memory");
	if (!doctor->store) {
		use_bank(doctor, "0+7");
		return 0;
	}
	doctor->hidden =
	    access(sr_store_path(doctor->store), R_OK | X_OK) < 0 && errno == EACCES;
	if (!doctor->hidden &&
	    sr_store_rings(doctor->store, &doctor->rings, &doctor->why_no_store) < 0)
		doctor_fail(doctor, "rings", &doctor->why_no_store);
	know_rings(doctor);
	return 0;
}

static int run(int argc, char **argv, struct sr_err *err)
{
	_cleanup_(doctor_done) struct doctor doctor = { 0 };
	int r = prepare(&doctor, err);

	(void)argc;
	(void)argv;
	if (r < 0)
		return r;
	for (size_t i = 0; i < SR_COUNT(checks); i++)
		checks[i](&doctor);
	if (doctor.no_memory)
		return sr_fail(err, -ENOMEM, "out of memory");
	if (json)
		doctor_print_json(&doctor);
	else
		doctor_print(&doctor, tool_is_quiet());
	if (doctor_worst(&doctor) == DOCTOR_FAIL)
		tool_fail_silently(-EIO);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-doctor",
		.usage = "[OPTIONS]",
		.summary = "Say what works, what would not, and what to do about it.",
		.options = options,
		.run = run,
		.epilog = "It changes nothing, and needs no root; what it can't see it "
			  "says.",
	};

	return tool_main(&tool, argc, argv);
}
