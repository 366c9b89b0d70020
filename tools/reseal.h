/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the commands of tpm-reseal share that have files of their own. */
#ifndef RESEAL_H
#define RESEAL_H

#include "ground/attr.h"
#include "tool.h"
#include "vendor.h"

struct json_object;

/**
 * struct reseal_options - what their options were given
 */
struct reseal_options {
	bool json;
	const char *baseline;
	const char *log;
	struct option_list dbx;
	struct option_list db;
	struct option_list kek;
	const char *next_boot;
	const char *cab;
	bool undo;
};

extern struct reseal_options reseal_options;

SR_DEFINE_CLEANUP(reseal_log_freep, struct sr_eventlog *, sr_eventlog_free)
SR_DEFINE_CLEANUP(reseal_explanation_freep, struct sr_explanation *, sr_explanation_free)
SR_DEFINE_CLEANUP(reseal_baseline_freep, struct sr_baseline *, sr_baseline_free)
#define _cleanup_log_ _cleanup_(reseal_log_freep)
#define _cleanup_baseline_ _cleanup_(reseal_baseline_freep)

/* Each is a command; a row of the table in tpm-reseal.c. */
int reseal_events(int argc, char **argv, struct sr_err *err);
int reseal_explain(int argc, char **argv, struct sr_err *err);
int reseal_predict(int argc, char **argv, struct sr_err *err);
int reseal_prepare(int argc, char **argv, struct sr_err *err);
int reseal_confirm(int argc, char **argv, struct sr_err *err);

/* -- rings -- */

/**
 * struct reseal_work - what is done to rings
 * @store:	the store
 * @tpm:	the TPM; may be closed early
 * @array:	what --json prints
 * @worst:	the first failure that is an answer
 */
struct reseal_work {
	struct sr_store *store;
	struct sr_tpm *tpm;
	struct json_object *array;
	int worst;
};

#define _cleanup_reseal_work_ _cleanup_(reseal_work_done)

/** reseal_work_start() - open store and TPM; release with reseal_work_done() */
int reseal_work_start(struct reseal_work *work, struct sr_err *err);

void reseal_work_done(struct reseal_work *work);

/** reseal_each() - for the ring that @argv names, or for all: then one that fails does not
 * keep the others waiting */
int reseal_each(struct reseal_work *work, int argc, char **argv,
		int (*run)(struct reseal_work *work, const char *name,
			   struct sr_err *err),
		struct sr_err *err);

/* -- logs -- */

/** reseal_read() - bytes of a file, "-" for standard input; free() @ret */
int reseal_read(const char *file, size_t max, uint8_t **ret, size_t *size,
		struct sr_err *err);

/** reseal_log() - the log in a file */
int reseal_log(const char *file, struct sr_eventlog **ret, struct sr_err *err);

/**
 * struct reseal_boot - this boot: the kernel's log, and the TPM
 * @log:	the log; the caller releases it
 * @held:	by the log's banks: the values of those PCRs that it has events of
 * @active:	whether the TPM has that bank
 */
struct reseal_boot {
	struct sr_eventlog *log;
	struct sr_pcrs held[SR_EVENTLOG_BANKS];
	bool active[SR_EVENTLOG_BANKS];
};

/** reseal_boot() - find out about it */
int reseal_boot(const struct sr_store *store, struct sr_tpm *tpm, struct reseal_boot *ret,
		struct sr_err *err);

/** reseal_this_boot() - the same, for who has neither store nor TPM */
int reseal_this_boot(struct reseal_boot *ret, struct sr_err *err);

/**
 * struct reseal_updates - the files of --kek, --db and --dbx
 * @update:	in the order in which they have to be made
 * @data:	their bytes
 * @count:	how many
 */
struct reseal_updates {
	struct sr_variable_update update[SR_UPDATES_MAX];
	uint8_t *data[SR_UPDATES_MAX];
	size_t count;
};

/** reseal_updates() - read them; release with reseal_updates_done(), also on failure */
int reseal_updates(struct reseal_updates *ret, struct sr_err *err);

void reseal_updates_done(struct reseal_updates *updates);

/** reseal_measured() - what the TPM held of the log's best bank that it has */
int reseal_measured(const struct reseal_boot *boot, struct sr_pcrs *ret,
		    struct sr_err *err);

/**
 * struct reseal_foreseen - what options say about an update
 * @boot:	this boot, where something is foreseen from it
 * @updates:	of Secure Boot variables
 * @seven:	what they lead to
 * @other:	the log of a machine that has made the update already
 * @vendor:	what its vendor says
 * @named:	PCRs that it changes, some with the value they will have
 * @boots:	in how many boots the others may be whatever they are
 */
struct reseal_foreseen {
	struct reseal_boot boot;
	struct reseal_updates updates;
	struct sr_prediction *seven;
	struct sr_eventlog *other;
	struct vendor vendor;
	struct sr_pcrs named;
	unsigned int boots;
};

/**
 * reseal_foresee() - find out what an update leads to
 * @work:	store and TPM, which is asked only where something is foreseen from this boot
 * @ret:	release with reseal_foreseen_done(), also on failure
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL, -EKEYREJECTED (this boot is not what its log leads to) and others.
 */
int reseal_foresee(const struct reseal_work *work, struct reseal_foreseen *ret,
		   struct sr_err *err);

void reseal_foreseen_done(struct reseal_foreseen *foreseen);

/** reseal_plan() - that for rings of a bank; as reseal_foresee() */
int reseal_plan(const struct reseal_foreseen *foreseen, uint16_t bank,
		struct sr_plan *ret, struct sr_err *err);

/** reseal_run() - run a command and wait; its exit status as a shell has it, or an errno */
int reseal_run(char **argv, struct sr_err *err);

/** reseal_take_baseline() - remember this boot as good, where there is an event log; what
 * goes wrong is only warned of */
void reseal_take_baseline(struct sr_ring *ring, struct sr_tpm *tpm);

/* -- what changed -- */

/**
 * struct reseal_found - what explain found out about two boots
 * @boots:	both
 * @asked:	about the PCRs that were asked for
 * @all:	about all
 */
struct reseal_found {
	struct sr_boots boots;
	struct sr_explanation *asked;
	struct sr_explanation *all;
};

/** reseal_find() - compare; release with reseal_found_done() */
int reseal_find(struct reseal_found *found, struct sr_err *err);

void reseal_found_done(struct reseal_found *found);

/** reseal_found_print() - in words; @about, "" or "ring disk: ", goes before the answer,
 * and @since behind it */
void reseal_found_print(const struct reseal_found *found, const char *about,
			const char *since);

/** reseal_found_json() - add the same to an object */
void reseal_found_json(const struct reseal_found *found, struct json_object *root);

/** reseal_explain_rings() - explain for one ring, or for all */
int reseal_explain_rings(int argc, char **argv, struct sr_err *err);

/* -- text -- */

/** reseal_wrap() - print @text from column @indent on, where the cursor is, in 80 columns
 */
void reseal_wrap(int indent, const char *text);

/** reseal_pair() - print a name at column 4 behind @sign, and @text at column 31 */
void reseal_pair(char sign, const char *name, const char *text);

#define RESEAL_LIST 128 /* room for "PCR 0, 1 and 7" */

/** reseal_pcr_list() - write "PCR 0, 1 and 7" */
void reseal_pcr_list(uint32_t mask, char ret[RESEAL_LIST]);

/** reseal_pcr_name() - what a PCR stands for, in two or three words */
const char *reseal_pcr_name(unsigned int pcr);

/* -- JSON -- */

/** reseal_json_pcrs() - {"0": "HEX", ...} of the values that are known */
struct json_object *reseal_json_pcrs(const struct sr_pcrs *pcrs);

/** reseal_json_event() - an event with what is known about it */
struct json_object *reseal_json_event(const struct sr_eventlog *log,
				      const struct sr_event *event);

/** reseal_bank() - name of a bank of a log, "0x0013" where it has none */
const char *reseal_bank(uint16_t bank, char ret[8]);

#endif
