/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event logs: what was measured, what changed, what an update will change. */
#ifndef SEALRING_EVENTLOG_H
#define SEALRING_EVENTLOG_H

#include <sealring/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- event logs: what was measured ---- */

#define SR_EVENTLOG_MAX 8388608 /* bytes in a log */
#define SR_EVENT_TEXT 256	/* room for a text about an event */

/**
 * struct sr_event - one record of a log
 * @offset:	where it begins
 * @pcr:	the PCR it was extended into; 0xffffffff is none
 * @type:	TCG's EV_ number
 * @digest:	by the log's banks; NULL where the record has none
 * @data:	what the log says about it: nothing but a claim unless its hash is the digest
 * @size:	bytes in @data
 */
struct sr_event {
	size_t offset;
	uint32_t pcr;
	uint32_t type;
	const uint8_t *digest[SR_EVENTLOG_BANKS];
	const uint8_t *data;
	size_t size;
};

/**
 * struct sr_eventlog - a log of the TCG PC Client Platform Firmware Profile
 * @agile:	the crypto-agile format, else that of SHA-1
 * @confidential:	of a confidential virtual machine: its registers are no PCRs
 * @locality:	what PCR 0 began with, by a StartupLocality event; -1 without one
 * @hcrtm:	PCR 0 began before the firmware, with an H-CRTM
 * @bank:	TPM_ALG_ID of each bank
 * @digest_size:	bytes in a digest of each
 * @banks:	how many
 * @event:	the records, in their order
 * @count:	how many
 * @padding:	bytes behind the last record that only fill
 * @damaged:	why reading ended before the end; empty if it did not
 * @damaged_at:	offset of the record that could not be read
 * @content:	the bytes, to which the others point
 * @size:	how many
 */
struct sr_eventlog {
	bool agile;
	bool confidential;
	int locality;
	bool hcrtm;
	uint16_t bank[SR_EVENTLOG_BANKS];
	uint16_t digest_size[SR_EVENTLOG_BANKS];
	size_t banks;
	struct sr_event *event;
	size_t count;
	size_t padding;
	char damaged[128];
	size_t damaged_at;
	uint8_t *content;
	size_t size;
};

/**
 * sr_eventlog_read() - read a log from memory
 * @data:	its bytes, which are copied
 * @size:	how many
 * @ret:	the log; release with sr_eventlog_free()
 * @err:	says why, on failure
 *
 * A damaged log is no failure: what was read before the damage is there, and @damaged
 * of the log is set.
 *
 * Returns 0, -EBADMSG (larger than SR_EVENTLOG_MAX) or -ENOMEM.
 */
int sr_eventlog_read(const void *data, size_t size, struct sr_eventlog **ret,
		     struct sr_err *err);

/**
 * sr_eventlog_load() - read a log from a file
 * @file:	the file; NULL for that of the kernel, of this boot
 * @ret:	as above
 * @err:	says why, on failure
 *
 * Returns as above, -ENODEV (the kernel has none) or others.
 */
int sr_eventlog_load(const char *file, struct sr_eventlog **ret, struct sr_err *err);

/** sr_eventlog_check() - 0, or -EBADMSG with offset and reason if the log is damaged */
int sr_eventlog_check(const struct sr_eventlog *log, const char *name,
		      struct sr_err *err);

/** sr_eventlog_free() - release; NULL is fine */
void sr_eventlog_free(struct sr_eventlog *log);

/**
 * sr_eventlog_replay() - the PCR values a log leads to
 * @log:	a log; of a confidential machine the registers are computed, as if PCRs
 * @bank:	one of its banks
 * @ret:	@mask: PCRs with an event; @given: those where each event has a digest
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (no such bank in the log, or a hash that OpenSSL does not have).
 */
int sr_eventlog_replay(const struct sr_eventlog *log, uint16_t bank, struct sr_pcrs *ret,
		       struct sr_err *err);

/** sr_eventlog_bank() - the best bank of a log: sha256, else the first one known; or 0 */
uint16_t sr_eventlog_bank(const struct sr_eventlog *log);

/** sr_eventlog_mask() - PCRs that a log has events of */
uint32_t sr_eventlog_mask(const struct sr_eventlog *log);

/** sr_event_type_name() - "EV_SEPARATOR"; NULL for a type we don't know */
const char *sr_event_type_name(uint32_t type);

/**
 * sr_event_hashed() - whether the digests of an event are those of its data
 *
 * By the Firmware Profile that depends on the type: those of a firmware volume are of the
 * volume, and the data only says where it was.
 */
bool sr_event_hashed(const struct sr_eventlog *log, const struct sr_event *event);

/**
 * struct sr_event_text - an event in words, safe to print: strings in it are escaped
 * @subject:	what was measured: "dbx", "firmware volume at 0x9c00000"
 * @value:	what it was: "83 hashes, 4040 bytes", "1 MiB"; may be empty
 */
struct sr_event_text {
	char subject[SR_EVENT_TEXT];
	char value[SR_EVENT_TEXT];
};

/** sr_event_describe() - say an event in words */
void sr_event_describe(const struct sr_eventlog *log, const struct sr_event *event,
		       struct sr_event_text *ret);

/**
 * struct sr_siglist_entry - one entry of a Secure Boot variable
 * @type:	GUID that says what @data is
 * @owner:	GUID of whoever added it
 * @data:	a hash or a certificate
 * @size:	bytes in @data
 */
struct sr_siglist_entry {
	const uint8_t *type;
	const uint8_t *owner;
	const uint8_t *data;
	size_t size;
};

/**
 * struct sr_siglist - what the variable of an event holds
 * @entry:	the entries, in their order
 * @count:	how many
 */
struct sr_siglist {
	struct sr_siglist_entry *entry;
	size_t count;
};

/**
 * sr_event_siglist() - the entries of PK, KEK, db, dbx and the like
 * @event:	an event; that an image was authorized has one entry, what authorized it
 * @ret:	its entries, none if it is another kind of event; release with
 *		sr_siglist_done(); they point into the log
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (the variable is no signature list) or -ENOMEM.
 */
int sr_event_siglist(const struct sr_event *event, struct sr_siglist *ret,
		     struct sr_err *err);

/** sr_siglist_done() - release; all zero is fine */
void sr_siglist_done(struct sr_siglist *signatures);

#define SR_GUID_TEXT 37 /* "8be4df61-93ca-11d2-aa0d-00e098032b8c" and its NUL */

/** sr_guid_format() - write a GUID as UEFI stores it */
void sr_guid_format(const uint8_t guid[16], char ret[SR_GUID_TEXT]);

/**
 * struct sr_siglist_text - an entry in words, safe to print
 * @type:	"x509", "sha256" and the like, or a GUID
 * @subject:	of a certificate its common name; else empty
 * @hash:	of a certificate its SHA-256, else the data (or its beginning), in hex
 */
struct sr_siglist_text {
	char type[SR_GUID_TEXT];
	char subject[SR_EVENT_TEXT];
	char hash[2 * SR_DIGEST_MAX + 1];
};

/** sr_siglist_describe() - say an entry in words */
void sr_siglist_describe(const struct sr_siglist_entry *signature,
			 struct sr_siglist_text *ret);

/* ---- event logs: what changed between two boots ---- */

/**
 * enum sr_verdict - what can be said about one PCR
 * @SR_VERDICT_SAME:	it has the value it had
 * @SR_VERDICT_LOGGED:	the logs differ; there were no values of a TPM to compare with
 * @SR_VERDICT_EXPLAINED:	both logs lead to what the TPM held, so that the list of
 *				changes is complete
 * @SR_VERDICT_BEHIND:	the logs are the same, the PCR is not: something extended it
 *			later, or another boot's log is shown, as after hibernation
 * @SR_VERDICT_NEVER:	the log did not lead to the PCR at the baseline either
 * @SR_VERDICT_NOT_NOW:	the log of now does not lead to what the TPM holds
 * @SR_VERDICT_VALUES:	there is no log of before, or none of now, or none has an event of
 *			this PCR
 */
enum sr_verdict {
	SR_VERDICT_SAME,
	SR_VERDICT_LOGGED,
	SR_VERDICT_EXPLAINED,
	SR_VERDICT_BEHIND,
	SR_VERDICT_NEVER,
	SR_VERDICT_NOT_NOW,
	SR_VERDICT_VALUES,
};

/**
 * struct sr_change - one event that is not what it was
 * @pcr:	its PCR
 * @before:	the event in the first log, or NULL: it was added
 * @after:	the event in the second log, or NULL: it is gone
 * @subject:	what was measured, as in struct sr_event_text
 * @text:	how it changed, in words; safe to print
 * @claim:	a Secure Boot variable of which the log now shows something else than what its
 *		digest is of
 * @added:	entries that a Secure Boot variable gained
 * @removed:	entries that it lost
 */
struct sr_change {
	unsigned int pcr;
	const struct sr_event *before;
	const struct sr_event *after;
	char subject[SR_EVENT_TEXT];
	char text[2 * SR_EVENT_TEXT];
	bool claim;
	size_t added;
	size_t removed;
};

/**
 * struct sr_pcr_change - what happened to one PCR
 * @verdict:	in one word
 * @before:	the value it had
 * @after:	the value it has
 * @known:	both values are known
 * @first:	index of its first change
 * @count:	how many changes
 * @same:	events that are as they were
 * @unchanged:	which these are, in a few words
 */
struct sr_pcr_change {
	enum sr_verdict verdict;
	uint8_t before[SR_DIGEST_MAX];
	uint8_t after[SR_DIGEST_MAX];
	bool known;
	size_t first;
	size_t count;
	size_t same;
	char unchanged[SR_EVENT_TEXT];
};

#define SR_WARNINGS_MAX 8

/**
 * struct sr_explanation - what changed between two boots
 * @bank:	in which values are compared
 * @mask:	PCRs that were compared
 * @changed:	PCRs that differ
 * @pcr:	each of them
 * @change:	the events that differ, by PCR, in the order of the logs
 * @count:	how many
 * @cause:	the one likely cause, in words; empty where nothing differs or none is known
 * @warning:	what a person must know first, such as Secure Boot being off now
 * @warnings:	how many
 */
struct sr_explanation {
	uint16_t bank;
	uint32_t mask;
	uint32_t changed;
	struct sr_pcr_change pcr[SR_PCR_COUNT];
	struct sr_change *change;
	size_t count;
	char cause[2 * SR_EVENT_TEXT];
	char warning[SR_WARNINGS_MAX][SR_EVENT_TEXT];
	size_t warnings;
};

/**
 * struct sr_boots - two boots
 * @before:	log of the good one, or NULL if there is none
 * @after:	log of the other, or NULL
 * @required:	values of the good one, by its TPM; NULL: believe the log
 * @present:	values of the other, by its TPM; NULL: believe the log
 * @bank:	bank to compare; 0 for the best one that both logs have
 * @mask:	PCRs to compare; 0 for all that a log has events of
 */
struct sr_boots {
	const struct sr_eventlog *before;
	const struct sr_eventlog *after;
	const struct sr_pcrs *required;
	const struct sr_pcrs *present;
	uint16_t bank;
	uint32_t mask;
};

/**
 * sr_explain() - say what changed between two boots
 * @boots:	both; their logs have to outlive the result
 * @ret:	the explanation; release with sr_explanation_free()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (no bank in common), -EBADMSG (a log is damaged or has no PCRs) or
 * -ENOMEM.
 */
int sr_explain(const struct sr_boots *boots, struct sr_explanation **ret,
	       struct sr_err *err);

/** sr_explanation_free() - release; NULL is fine */
void sr_explanation_free(struct sr_explanation *explanation);

/** sr_verdict_name() - "explained", for programs */
const char *sr_verdict_name(enum sr_verdict verdict);

/* ---- event logs: PCR 7 after an update ---- */

/**
 * struct sr_variable_update - what will be added to a Secure Boot variable
 * @variable:	"dbx", "db" or "KEK"
 * @file:	what to call it in an error
 * @data:	EFI_SIGNATURE_LISTs; alone, or behind an EFI_VARIABLE_AUTHENTICATION_2, as
 *		updates are distributed
 * @size:	bytes in @data
 */
struct sr_variable_update {
	const char *variable;
	const char *file;
	const void *data;
	size_t size;
};

/**
 * struct sr_variable_prediction - what an update will do to its variable
 * @offered:	entries in the update
 * @added:	those that were not there already
 * @old_size:	bytes in the variable before
 * @new_size:	and afterwards
 * @hash:	SHA-256 of the variable afterwards
 */
struct sr_variable_prediction {
	size_t offered;
	size_t added;
	size_t old_size;
	size_t new_size;
	uint8_t hash[32];
};

#define SR_UPDATES_MAX 8

/**
 * struct sr_prediction - PCR 7 after updates
 * @banks:	how many banks the log has
 * @before:	PCR 7 as it is
 * @after:	after all updates, for firmware that takes an entry with another owner for
 *		another entry, as EDK II does
 * @other:	the same, for firmware that compares the data alone
 * @ambiguous:	these two differ
 * @step:	after each update; the last is @after
 * @variable:	what each update does
 * @count:	how many updates
 * @authorities:	events that say which entry authorized an image; a change of db may
 *			change them as well
 */
struct sr_prediction {
	size_t banks;
	struct sr_pcrs before[SR_EVENTLOG_BANKS];
	struct sr_pcrs after[SR_EVENTLOG_BANKS];
	struct sr_pcrs other[SR_EVENTLOG_BANKS];
	bool ambiguous;
	struct sr_pcrs step[SR_UPDATES_MAX][SR_EVENTLOG_BANKS];
	struct sr_variable_prediction variable[SR_UPDATES_MAX];
	size_t count;
	size_t authorities;
};

/**
 * sr_predict() - PCR 7 after updates of Secure Boot variables
 * @log:	log of a boot, on the machine that will get the updates
 * @measured:	PCR 7 as a TPM held it in that boot, or NULL
 * @updates:	in the order in which they will be made
 * @count:	how many, at most SR_UPDATES_MAX
 * @ret:	the prediction; release with free()
 * @err:	says why, on failure
 *
 * Nothing is predicted unless the same code, from what it read out of the log, arrives at
 * the digests in the log, and at @measured.
 *
 * Returns 0, -EINVAL (an update is no list of signatures), -EKEYREJECTED (this log can't be
 * predicted from), -EBADMSG (the log is damaged or has no PCRs) or -ENOMEM.
 */
int sr_predict(const struct sr_eventlog *log, const struct sr_pcrs *measured,
	       const struct sr_variable_update *updates, size_t count,
	       struct sr_prediction **ret, struct sr_err *err);

#ifdef __cplusplus
}
#endif
#endif
