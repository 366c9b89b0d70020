/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the checks of tpm-doctor share: what is known, and where findings go. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "tool.h"

/**
 * enum doctor_level - how bad a finding is
 */
enum doctor_level {
	DOCTOR_OK,   /* as it should be */
	DOCTOR_NOTE, /* good to know, or could not be seen */
	DOCTOR_WARN, /* it works, and protects less or may surprise */
	DOCTOR_FAIL, /* something does not work, or would not */
	DOCTOR_LEVELS,
};

#define DOCTOR_REMEDY 320

/**
 * struct doctor_finding - one line
 * @level:	how bad
 * @subject:	what it is about
 * @finding:	what is so
 * @remedy:	what to do, or ""
 */
struct doctor_finding {
	enum doctor_level level;
	char subject[SR_NAME_MAX + 32];
	char finding[768];
	char remedy[DOCTOR_REMEDY];
};

/**
 * struct doctor - the patient
 * @store:	the store; NULL if its configuration is refused
 * @why_no_store:	then why
 * @config_dir:	where its configuration is
 * @state_dir:	where the store is
 * @runtime_dir:	where the state of this boot is; NULL if nowhere
 * @rings:	names of its rings, up to NULL; NULL if they can't be seen
 * @hidden:	they can't be seen for want of permission
 * @tpm:	the TPM; NULL if it can't be reached
 * @facts:	what it says about itself
 * @used:	banks that rings are sealed to, or one would be
 * @used_count:	how many
 * @log:	the event log of this boot; NULL if there is none that can be read
 * @any_pin:	a ring has a PIN
 * @sees_units:	secrets.d has a secret for a unit
 * @keys:	names of keys, up to NULL; NULL if there are none or they can't be seen
 * @good_keys:	how many of them can be used
 * @any_rules:	keys.d has something
 * @finding:	what was found
 * @count:	how many
 * @no_memory:	there was none for another one
 */
struct doctor {
	struct sr_store *store;
	struct sr_err why_no_store;
	char *config_dir;
	char *state_dir;
	char *runtime_dir;
	char **rings;
	bool hidden;
	struct sr_tpm *tpm;
	struct sr_tpm_facts facts;
	uint16_t used[SR_EVENTLOG_BANKS];
	size_t used_count;
	struct sr_eventlog *log;
	bool any_pin;
	bool sees_units;
	char **keys;
	size_t good_keys;
	bool any_rules;
	struct doctor_finding *finding;
	size_t count;
	bool no_memory;
};

/* Each looks at one subject; a row of the table in tpm-doctor.c. */
void doctor_config(struct doctor *doctor);
void doctor_rights(struct doctor *doctor);
void doctor_memory(struct doctor *doctor);
void doctor_tpm(struct doctor *doctor);
void doctor_srk(struct doctor *doctor);
void doctor_lockout(struct doctor *doctor);
void doctor_handles(struct doctor *doctor);
void doctor_banks(struct doctor *doctor);
void doctor_log(struct doctor *doctor);
void doctor_secure_boot(struct doctor *doctor);
void doctor_rings(struct doctor *doctor);
void doctor_coverage(struct doctor *doctor);
void doctor_latch(struct doctor *doctor);
void doctor_resume(struct doctor *doctor);
void doctor_secrets(struct doctor *doctor);
void doctor_units(struct doctor *doctor);
void doctor_keys(struct doctor *doctor);
void doctor_rules(struct doctor *doctor);
void doctor_agent(struct doctor *doctor);

/** doctor_each_conf() - look at each file of a directory of the configuration; false if none */
bool doctor_each_conf(struct doctor *doctor, const char *dir,
		      void (*check)(struct doctor *doctor, const char *file));

/**
 * struct doctor_socket - one by which systemd starts a daemon
 * @unit:	its unit
 * @file:	in the runtime directory
 * @missed:	what somebody misses without it
 * @unused:	what is so without it, should nobody
 */
struct doctor_socket {
	const char *unit;
	const char *file;
	const char *missed;
	const char *unused;
};

/** doctor_check_socket() - whether it is enabled, and listens; false if it is not enabled */
bool doctor_check_socket(struct doctor *doctor, const struct doctor_socket *socket,
			 bool missed);

/**
 * doctor_find() - add a finding
 * @doctor:	whose
 * @level:	how bad
 * @subject:	what it is about
 * @remedy:	what to do; "" if nothing, or if the text says it
 * @fmt:	what is so
 */
void doctor_find(struct doctor *doctor, enum doctor_level level, const char *subject,
		 const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/** doctor_fail() - add what a failed call says of itself, remedy and all */
void doctor_fail(struct doctor *doctor, const char *subject, const struct sr_err *err);

/** doctor_info() - load a ring and its description; false if there is nothing to see */
bool doctor_info(struct doctor *doctor, const char *name, struct sr_ring **ring,
		 struct sr_ring_info *ret);

/** doctor_print() - all findings as lines; without those that are good if @quiet */
void doctor_print(const struct doctor *doctor, bool quiet);

/** doctor_print_json() - all findings as JSON */
void doctor_print_json(const struct doctor *doctor);

/** doctor_worst() - the worst of them */
enum doctor_level doctor_worst(const struct doctor *doctor);

SR_DEFINE_CLEANUP(sr_key_freep, struct sr_key *, sr_key_free)
SR_DEFINE_CLEANUP(doctor_log_freep, struct sr_eventlog *, sr_eventlog_free)

#endif
