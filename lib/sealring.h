/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The public API of libsealring: secrets sealed by the TPM 2.0 to the boot state. */
#ifndef SEALRING_H
#define SEALRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Every fallible function returns 0 or one of these, negative:
 *
 *   EINVAL		the caller's mistake, or a text the user mistyped
 *   EKEYREJECTED	the policy does not hold now (PCRs, time window, locality)
 *   EACCES		wrong or missing PIN or recovery key
 *   EBUSY		the TPM is in dictionary-attack lockout
 *   ENODEV		no TPM, or it cannot be reached
 *   EREMOTE		sealed by another TPM, or the TPM was cleared since
 *   EBADMSG		a file is damaged or refused
 *   ENOKEY		no such secret, ring or key
 *   EEXIST		it is there already
 *   EPERM		not permitted: by the configuration, or the kernel
 *   ENOMEM, EIO and others: something failed; the text says what
 *
 * An error of the operating system whose number is in this list is returned as EIO, so
 * that each number above has the one meaning given here.
 */

#define SR_EVENTLOG_BANKS 8 /* banks of a TPM, or in an event log */

#define SR_NAME_MAX 64 /* characters in the name of a ring, secret or key */

/**
 * struct sr_err - why a call failed
 * @code:	the negative errno that was returned
 * @tss:	the TSS2_RC behind it, or 0
 * @pcrs:	bit N: PCR N is not as approved
 * @ring:	the ring it is about, or ""
 * @secret:	the secret it is about, or ""
 * @text:	one line: object, cause, remedy; no newline
 *
 * Zero-initialise it. Functions fill it on failure only; a NULL pointer is allowed
 * wherever one is taken.
 */
struct sr_err {
	int code;
	uint32_t tss;
	uint32_t pcrs;
	char ring[SR_NAME_MAX + 1];
	char secret[SR_NAME_MAX + 1];
	char text[512];
};

/**
 * sr_fail() - describe a failure; for callbacks, and programs that do as the library does
 * @err:	filled unless NULL
 * @r:		the negative errno to return
 * @fmt:	one line: object, cause, remedy
 *
 * Returns @r.
 */
int sr_fail(struct sr_err *err, int r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * sr_fail_sys() - describe a failure of the operating system
 * @err:	filled unless NULL
 * @number:	errno as the call left it
 * @fmt:	what was tried; ": strerror" is added
 *
 * Returns -@number, or -EIO where that number has a meaning of its own (above).
 */
int sr_fail_sys(struct sr_err *err, int number, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * struct sr_secret - the only holder of secret bytes
 * @data:	the bytes; NULL when empty
 * @size:	how many
 * @mapped:	bytes of locked memory behind them
 *
 * The memory is locked (where the limit allows), left out of core dumps, and wiped when
 * released. A zero-initialised one is empty and valid.
 */
struct sr_secret {
	uint8_t *data;
	size_t size;
	size_t mapped;
};

#define SR_SECRET_MAX 1048575 /* bytes in a sealed secret */
#define SR_PIN_MAX 32	      /* bytes in a PIN */
#define SR_UNIT_MAX 255	      /* characters in the name of a unit */

/**
 * sr_secret_alloc() - room for secret bytes
 * @size:	bytes; 0 makes an empty secret
 * @ret:	the secret, zero-filled; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0 or -ENOMEM.
 */
int sr_secret_alloc(size_t size, struct sr_secret *ret, struct sr_err *err);

/**
 * sr_secret_copy() - take a copy of secret bytes
 * @data:	what to copy; the caller still has to wipe it
 * @size:	bytes
 * @ret:	the copy; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0 or -ENOMEM.
 */
int sr_secret_copy(const void *data, size_t size, struct sr_secret *ret,
		   struct sr_err *err);

/**
 * sr_secret_random() - bytes from OpenSSL's private random generator
 * @size:	how many
 * @ret:	the secret; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOMEM or -EIO.
 */
int sr_secret_random(size_t size, struct sr_secret *ret, struct sr_err *err);

/**
 * sr_secret_read() - read a secret until end of file
 * @fd:		where from
 * @name:	what to call it in an error
 * @max:	bytes at most
 * @ret:	the secret; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (larger than @max), -ENOMEM or -EIO.
 */
int sr_secret_read(int fd, const char *name, size_t max, struct sr_secret *ret,
		   struct sr_err *err);

/**
 * sr_secret_write() - write a secret to a file descriptor
 * @secret:	what
 * @fd:		where to
 * @name:	what to call it in an error
 * @err:	says why, on failure
 *
 * Returns 0 or -EIO.
 */
int sr_secret_write(const struct sr_secret *secret, int fd, const char *name,
		    struct sr_err *err);

/**
 * sr_secret_write_file() - write a secret to a file, 0600, whole or not at all
 * @secret:	what
 * @file:	where; a file that is there is replaced in one step
 * @new_only:	refuse if it is there
 * @err:	says why, on failure
 *
 * Returns 0, -EEXIST or -EIO.
 */
int sr_secret_write_file(const struct sr_secret *secret, const char *file, bool new_only,
			 struct sr_err *err);

/**
 * sr_secret_equal() - compare two secrets in constant time
 *
 * Returns true if both have the same bytes; only the sizes may leak through time.
 */
bool sr_secret_equal(const struct sr_secret *a, const struct sr_secret *b);

/** sr_secret_done() - wipe and release; the secret is empty afterwards */
void sr_secret_done(struct sr_secret *secret);

/** sr_secret_unlocked() - whether any secret of this process could not be locked */
bool sr_secret_unlocked(void);

/* ---- text ---- */

/**
 * sr_number_parse() - a number with nothing around it
 * @text:	decimal, or hex behind "0x"
 * @max:	what it may be at most
 * @ret:	the number
 * @err:	says why, on failure
 *
 * Returns 0 or -EINVAL.
 */
int sr_number_parse(const char *text, uint64_t max, uint64_t *ret, struct sr_err *err);

#define SR_TIME_TEXT 21 /* "2026-11-21T23:40:00Z" and its NUL */

/** sr_time_format() - write a time as RFC 3339 has it, in UTC */
void sr_time_format(time_t when, char ret[SR_TIME_TEXT]);

/* ---- the TPM ---- */

/**
 * sr_tpm_open() - connect to a TPM
 * @tcti:	"device:/dev/tpmrm0", "/dev/tpmrm0", "swtpm:path=...", any other tctildr
 *		configuration; NULL for the first of /dev/tpmrm*
 * @ret:	the connection; release with sr_tpm_close()
 * @err:	says why, on failure
 *
 * Returns 0, -ENODEV (absent, no permission, in use) or -ENOMEM.
 */
struct sr_tpm;
int sr_tpm_open(const char *tcti, struct sr_tpm **ret, struct sr_err *err);

/** sr_tpm_close() - release; NULL is fine */
void sr_tpm_close(struct sr_tpm *tpm);

/**
 * sr_tpm_limits_guessing() - whether the TPM's lockout authorization is set
 * @tpm:	an open TPM
 * @err:	says why, on failure
 *
 * Without it anybody who talks to the TPM resets the counter of failed PINs.
 *
 * Returns 1, 0 or a negative errno.
 */
int sr_tpm_limits_guessing(struct sr_tpm *tpm, struct sr_err *err);

/**
 * enum sr_srk_state - what is at the handle of the storage key
 */
enum sr_srk_state {
	SR_SRK_ABSENT, /* nothing: it is made when the first ring is */
	SR_SRK_USABLE, /* a storage key */
	SR_SRK_OTHER,  /* something that can't be one */
};

/**
 * struct sr_tpm_facts - what a TPM says about itself
 * @text:	manufacturer and firmware version; safe to print
 * @bank:	TPM_ALG_ID of each bank that is active, that is, has a PCR
 * @banks:	how many
 * @srk:	the storage key
 * @lockout_auth:	its lockout authorization is set
 * @in_lockout:	it refuses what has a PIN
 * @tries:	wrong ones that count
 * @max_tries:	at so many it refuses
 * @interval:	seconds until one is forgotten
 * @objects:	objects that are loaded; behind a resource manager only our own
 * @sessions:	sessions, loaded or saved
 */
struct sr_tpm_facts {
	char text[64];
	uint16_t bank[SR_EVENTLOG_BANKS];
	size_t banks;
	enum sr_srk_state srk;
	bool lockout_auth;
	bool in_lockout;
	uint32_t tries;
	uint32_t max_tries;
	uint32_t interval;
	size_t objects;
	size_t sessions;
};

/**
 * sr_tpm_facts() - ask a TPM about itself; nothing is changed
 * @tpm:	an open TPM
 * @ret:	what it says
 * @err:	says why, on failure
 *
 * Nine commands, ten where there is a storage key.
 *
 * Returns 0, -EIO or -ENODEV.
 */
int sr_tpm_facts(struct sr_tpm *tpm, struct sr_tpm_facts *ret, struct sr_err *err);

/**
 * struct sr_tpm_wait - how to wait for the TPM's device
 * @seconds:	how long, if firmware announces a TPM
 * @dev:	NULL for /dev
 * @sys:	NULL for /sys
 */
struct sr_tpm_wait {
	unsigned int seconds;
	const char *dev;
	const char *sys;
};

/**
 * sr_tpm_wait() - wait until the kernel has made a device for the TPM
 * @wait:	how
 * @err:	says which of both it is, on failure
 *
 * At once if it is there, or if firmware (ACPI, device tree) announces none.
 *
 * Returns 0 or -ENODEV.
 */
int sr_tpm_wait(const struct sr_tpm_wait *wait, struct sr_err *err);

/**
 * sr_tpm_extend() - extend a PCR in all banks of the TPM, as the latch does
 * @tpm:	an open TPM
 * @pcr:	which; 0 to 23
 * @text:	what is measured: each bank is extended by its hash of these bytes
 * @err:	says why, on failure
 *
 * One TPM command. It never makes a PCR what it was before, so that once too often does no
 * harm.
 *
 * Returns 0, -EINVAL, -EIO or -ENODEV.
 */
int sr_tpm_extend(struct sr_tpm *tpm, unsigned int pcr, const char *text,
		  struct sr_err *err);

/**
 * struct sr_ask - where a PIN comes from, once it is needed
 * @pin:	gets @arg, the name of what it opens, and gives the PIN; called only after
 *		all other conditions hold, and once; 0 or a negative errno (-EACCES when
 *there is none)
 * @arg:	the caller's
 */
struct sr_ask {
	int (*pin)(void *arg, const char *name, struct sr_secret *ret,
		   struct sr_err *err);
	void *arg;
};

/* ---- PCRs ---- */

#define SR_PCR_COUNT 24
#define SR_DIGEST_MAX 64

/**
 * struct sr_pcrs - PCRs of one bank, some or all with a value
 * @bank:	TPM_ALG_ID of the hash; 0 when the text neither named nor implied one
 * @mask:	bit N is set when PCR N is in the list
 * @given:	bit N is set when value[N] is known
 * @value:	digests of the bank's size
 */
struct sr_pcrs {
	uint16_t bank;
	uint32_t mask;
	uint32_t given;
	uint8_t value[SR_PCR_COUNT][SR_DIGEST_MAX];
};

/** sr_bank_name() - "sha256" for a TPM_ALG_ID; NULL if it is no hash we know */
const char *sr_bank_name(uint16_t bank);

/** sr_bank_size() - bytes in a digest of the bank; 0 if it is no hash we know */
size_t sr_bank_size(uint16_t bank);

/**
 * sr_pcrs_parse() - read "0+7", "sha256:0+7", "0+7=HEX" or "15=0"
 * @text:	the list; "0" as a value stands for all zeros
 * @ret:	the list, on success
 * @err:	says why, on failure
 *
 * In a list without a bank, the length of the first HEX implies it: 40 digits sha1, 64
 * sha256, 96 sha384, 128 sha512.
 *
 * Returns 0 or -EINVAL (unknown bank, number over 23, number twice, wrong length).
 */
int sr_pcrs_parse(const char *text, struct sr_pcrs *ret, struct sr_err *err);

/** sr_hex_format() - write 2 * @size lower-case digits and a NUL */
void sr_hex_format(const uint8_t *data, size_t size, char *ret);

/**
 * sr_pcr_read() - the present values of PCRs
 * @tpm:	an open TPM
 * @pcrs:	bank and mask say which; values not yet given are filled in
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (the bank is not active or lacks a PCR), -EIO, -ENODEV.
 */
int sr_pcr_read(struct sr_tpm *tpm, struct sr_pcrs *pcrs, struct sr_err *err);

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
 * @added:	entries that a Secure Boot variable gained
 * @removed:	entries that it lost
 */
struct sr_change {
	unsigned int pcr;
	const struct sr_event *before;
	const struct sr_event *after;
	char subject[SR_EVENT_TEXT];
	char text[2 * SR_EVENT_TEXT];
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

/* ---- the store: where rings live, and how they are configured ---- */

/**
 * struct sr_store_options - where the trees are
 * @config_dir:	sealring.conf, sealring.conf.d/, secrets.d/
 * @state_dir:	rings/
 * @runtime_dir:	boot/: what the initramfs noted; NULL for none
 */
struct sr_store_options {
	const char *config_dir;
	const char *state_dir;
	const char *runtime_dir;
};

/**
 * struct sr_config - sealring.conf and its drop-ins (sealring.conf(5))
 * @tcti:	[TPM] TCTI=, or NULL
 * @wait:	[TPM] Wait=, seconds: for a TPM that firmware announces
 * @event_log:	[TPM] EventLog=, or NULL for that of the kernel
 * @pcrs:	[Policy] PCRs=, or NULL for "0+7"
 * @escrow:	[Recovery] Escrow=, files of certificates
 * @escrow_count:	how many
 * @latch_pcr:	[Latch] PCR=, 8 to 15: what is extended when the initramfs is left; 15
 * @latch_required:	[Latch] Required=: without it there is no way on; true
 */
struct sr_config {
	char *tcti;
	unsigned int wait;
	char *event_log;
	char *pcrs;
	char **escrow;
	size_t escrow_count;
	unsigned int latch_pcr;
	bool latch_required;
};

/**
 * sr_store_open() - read the configuration and remember where the trees are
 * @options:	both directories; neither has to exist
 * @ret:	the store; release with sr_store_close()
 * @err:	says why, with file and line, on failure
 *
 * Returns 0, -EBADMSG (a configuration file is refused), -ENOMEM or -EIO.
 */
struct sr_store;
int sr_store_open(const struct sr_store_options *options, struct sr_store **ret,
		  struct sr_err *err);

/** sr_store_close() - release; NULL is fine */
void sr_store_close(struct sr_store *store);

/** sr_store_config() - what was configured; valid as long as the store */
const struct sr_config *sr_store_config(const struct sr_store *store);

/**
 * sr_store_encrypted() - whether its state directory lies on an encrypted volume
 * @store:	the store; its directory need not be there yet
 *
 * That is, on dm-crypt, directly or below LVM and the like. Only there may the key of
 * ring "boot" be kept under "system" (struct sr_ring_options): elsewhere a system that
 * somebody put in place of this one would find both.
 */
bool sr_store_encrypted(const struct sr_store *store);

/** sr_store_path() - its state directory, for messages */
const char *sr_store_path(const struct sr_store *store);

/**
 * sr_store_rings() - names of the rings in it, sorted
 * @store:	the store
 * @ret:	NULL-terminated; release with sr_strv_free()
 * @err:	says why, on failure
 *
 * Returns how many, or -ENOMEM, -EIO.
 */
int sr_store_rings(const struct sr_store *store, char ***ret, struct sr_err *err);

/**
 * sr_store_find() - which ring holds a secret
 * @store:	the store
 * @name:	the secret
 * @ret:	name of its ring
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY (no ring has it), -EINVAL (not a name) or -EIO.
 */
int sr_store_find(const struct sr_store *store, const char *name,
		  char ret[SR_NAME_MAX + 1], struct sr_err *err);

/** sr_strv_free() - release a NULL-terminated array of strings; NULL is fine */
void sr_strv_free(char **strv);

/* ---- recovery ---- */

/**
 * struct sr_escrow - certificates that can recover
 * @pem:	one or more certificates each (PEM), RSA or EC
 * @size:	bytes in each @pem
 * @count:	how many
 */
struct sr_escrow {
	char **pem;
	size_t *size;
	size_t count;
};

/**
 * struct sr_recovery - who can get a ring key back without the TPM
 * @key:	recovery key in its one form; NULL for none
 * @escrow:	certificates; NULL for none
 * @announce:	called with @arg when all is written and proven, just before it counts:
 *hand the recovery key to its owner here; failing takes everything back; may be NULL
 * @arg:	the caller's
 */
struct sr_recovery {
	const struct sr_secret *key;
	const struct sr_escrow *escrow;
	int (*announce)(void *arg, struct sr_err *err);
	void *arg;
};

#define SR_RECOVERY_TEXT 47 /* characters in a recovery key */

/** sr_recovery_key_generate() - a new recovery key: 128 random bits as 47 characters */
int sr_recovery_key_generate(struct sr_secret *ret, struct sr_err *err);

/**
 * sr_recovery_key_parse() - bring a typed recovery key into its one form
 * @typed:	letters in any case; spaces, dashes and newlines anywhere
 * @ret:	the 47 characters
 * @err:	says which group is wrong, on failure
 *
 * Returns 0, -EACCES (mistyped) or -ENOMEM.
 */
int sr_recovery_key_parse(const struct sr_secret *typed, struct sr_secret *ret,
			  struct sr_err *err);

/* ---- rings ---- */

struct sr_ring;

/**
 * struct sr_ring_info - what is known of a ring without opening it
 * @name:	its name
 * @id:		32 hex digits, made at random when it was created
 * @pcrs:	what it is sealed to: "sha256:0+7"
 * @pin:	opening it takes a PIN
 * @created:	when
 * @secrets:	how many
 * @recovery_key:	a recovery key opens it
 * @escrow:	how many escrow certificates open it
 * @recovery_intact:	the recovery copy is the one that was written and read back
 * @recovery_proven:	when recovery was last proven to work with the present file; 0
 * never
 * @latch:	the PCR that closes it for the rest of the boot when it is extended; 0 if
 *		none
 * @managed:	ring "system" has its key, so that it can be changed while it is closed
 */
struct sr_ring_info {
	const char *name;
	const char *id;
	const char *pcrs;
	bool pin;
	time_t created;
	size_t secrets;
	bool recovery_key;
	unsigned int escrow;
	bool recovery_intact;
	time_t recovery_proven;
	unsigned int latch;
	bool managed;
};

/**
 * sr_ring_load() - read a ring's description
 * @store:	where
 * @name:	which
 * @ret:	the ring, closed; release with sr_ring_free()
 * @err:	says why, on failure
 *
 * Readers see a ring as it was when loaded, also while it is rotated.
 *
 * Returns 0, -ENOKEY, -EINVAL (not a name), -EBADMSG or -EIO.
 */
int sr_ring_load(struct sr_store *store, const char *name, struct sr_ring **ret,
		 struct sr_err *err);

/** sr_ring_free() - wipe its key and release; NULL is fine */
void sr_ring_free(struct sr_ring *ring);

/** sr_ring_info() - describe a ring; pointers are valid as long as the ring */
int sr_ring_info(struct sr_ring *ring, struct sr_ring_info *ret, struct sr_err *err);

/**
 * sr_ring_sealed_to() - whether a ring is sealed to just these PCRs
 * @ring:	a loaded ring
 * @pcrs:	a PCR list, in any order
 * @err:	says why, on failure
 *
 * Returns 1, 0 or -EINVAL (not a PCR list).
 */
int sr_ring_sealed_to(const struct sr_ring *ring, const char *pcrs, struct sr_err *err);

/** sr_ring_secrets() - names of its secrets, as sr_store_rings() */
int sr_ring_secrets(struct sr_ring *ring, char ***ret, struct sr_err *err);

/**
 * struct sr_follow - what carries a ring's approvals elsewhere: LUKS2 headers
 * @follow:	called each time the approvals on the disk have changed, and before any is
 *		removed that opened before: carry what sr_ring_parts_get() gives. Must work
 *		when called again. Failing ends the operation: what opened before is there
 *		still
 * @arg:	the caller's
 *
 * @follow gets @arg and
 *   @ring:	the ring, open
 *   @old:	while the ring gets a new key: the ring with the old one, open; what is
 *		wrapped under it has to be wrapped under @ring as well, and both be carried.
 *		NULL otherwise
 *   @settled:	this boot has proven @ring, so that what is wrapped under an older key of
 *		it, and carried beside, may go. Until then it stays
 */
struct sr_follow {
	int (*follow)(void *arg, struct sr_ring *ring, struct sr_ring *old, bool settled,
		      struct sr_err *err);
	void *arg;
};

/**
 * struct sr_ring_options - how a ring is made
 * @pcrs:	PCR list, "0+7" or "sha256:0+7+15=0"; NULL takes the configuration's. To
 *		the list of ring "boot" the latch PCR is added
 * @pin:	its PIN, 1 to SR_PIN_MAX bytes; NULL for none
 * @new_tpm:	sr_ring_approve(): the ring may move to another TPM than it was sealed by
 * @accept_unmeasured:	take a bank that firmware did not measure into
 * @recovery:	who can recover; all empty for nobody
 * @manager:	sr_ring_create(): ring "system", open, which keeps the new ring's key as
 *		secret "RING.manage"; NULL for none
 * @follow:	what else carries the ring's approvals; NULL for nothing
 */
struct sr_ring_options {
	const char *pcrs;
	const struct sr_secret *pin;
	bool new_tpm;
	bool accept_unmeasured;
	struct sr_recovery recovery;
	struct sr_ring *manager;
	const struct sr_follow *follow;
};

/**
 * sr_ring_create() - make a ring sealed to the present boot state, and open it
 * @store:	where
 * @tpm:	the TPM
 * @name:	a new name
 * @options:	how
 * @ret:	the ring, open
 * @err:	says why, on failure
 *
 * Both the sealed copy and the recovery copy are read back and opened before the ring
 * appears. Nine TPM commands; two more on a TPM without a storage key.
 *
 * Returns 0, -EEXIST, -EINVAL, -ENODEV, -EIO and others.
 */
int sr_ring_create(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		   const struct sr_ring_options *options, struct sr_ring **ret,
		   struct sr_err *err);

/**
 * sr_ring_open() - get the ring key from the TPM
 * @ring:	a loaded ring
 * @tpm:	the TPM
 * @ask:	where a PIN comes from; may be NULL
 * @err:	says why, naming the PCRs that differ, on failure
 *
 * Five TPM commands when the first approval holds.
 *
 * Returns 0, -EKEYREJECTED, -EACCES, -EBUSY, -ENODEV, -EREMOTE, -EBADMSG, -EIO.
 */
int sr_ring_open(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		 struct sr_err *err);

/**
 * sr_ring_open_for_admin() - get the ring key, to change the ring from a running system
 * @ring:	a loaded ring of a store
 * @tpm:	the TPM
 * @ask:	where a PIN comes from, of this ring or of "system"; may be NULL
 * @err:	says why, on failure
 *
 * A ring that is closed when the initramfs is left has its key also under ring "system",
 * as "RING.manage": then that is opened, and its key used if it is this ring's. Without
 * it, or when "system" does not open, the ring's own approvals are tried.
 *
 * Five TPM commands either way.
 *
 * Returns as sr_ring_open().
 */
int sr_ring_open_for_admin(struct sr_ring *ring, struct sr_tpm *tpm,
			   const struct sr_ask *ask, struct sr_err *err);

/**
 * sr_ring_manage() - keep the key of an open ring under "system", as "RING.manage"
 * @ring:	an open ring
 * @manager:	ring "system", open
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (one of them is closed, or the name is too long) or -EIO.
 */
int sr_ring_manage(struct sr_ring *ring, struct sr_ring *manager, struct sr_err *err);

/**
 * sr_ring_open_recovery() - get the ring key by the recovery key; needs no TPM
 * @ring:	a loaded ring
 * @recovery_key:	as sr_recovery_key_parse() gives it
 * @err:	says why, on failure
 *
 * Returns 0, -EACCES (wrong, or the ring has none), -EBADMSG, -EIO.
 */
int sr_ring_open_recovery(struct sr_ring *ring, const struct sr_secret *recovery_key,
			  struct sr_err *err);

/** sr_ring_open_escrow() - the same by the private key (PEM) of an escrow certificate */
int sr_ring_open_escrow(struct sr_ring *ring, const struct sr_secret *private_key,
			struct sr_err *err);

/** sr_ring_recovery_proven() - note that the way by which the ring was opened works */
int sr_ring_recovery_proven(struct sr_ring *ring, struct sr_err *err);

/**
 * sr_ring_recovery_renew() - replace the recovery copy of an open ring
 * @ring:	an open ring
 * @recovery:	who can recover from now on
 * @err:	says why, on failure
 */
int sr_ring_recovery_renew(struct sr_ring *ring, const struct sr_recovery *recovery,
			   struct sr_err *err);

/** sr_ring_remove() - remove a ring with all its secrets */
int sr_ring_remove(struct sr_store *store, const char *name, struct sr_err *err);

/**
 * struct sr_progress - told about each step of something long
 * @step:	gets @arg, how many are done, how many there are; may be NULL
 * @arg:	the caller's
 */
struct sr_progress {
	void (*step)(void *arg, size_t done, size_t total);
	void *arg;
};

/**
 * sr_ring_rotate() - give an open ring a new ring key, encrypt everything again
 * @ring:	an open ring; open with the new key afterwards
 * @tpm:	the TPM
 * @options:	as for a new ring; NULL @pcrs keeps the ring's, NULL @pin its PIN
 * @progress:	told about each secret
 * @err:	says why, on failure
 *
 * The new ring is complete and proven before it takes the old one's place, in one step.
 * Before that, what follows (@options) carries both, and ring "system" has both keys if
 * it had the old one.
 */
int sr_ring_rotate(struct sr_ring *ring, struct sr_tpm *tpm,
		   const struct sr_ring_options *options,
		   const struct sr_progress *progress, struct sr_err *err);

/**
 * sr_ring_export() - copy what another machine needs, but nothing bound to this TPM
 * @ring:	a loaded ring
 * @directory:	a new directory: ring.conf, recovery.cms, secrets/
 * @err:	says why, on failure
 *
 * Returns 0, -EEXIST, -EINVAL (no recovery: nobody could open it) or -EIO.
 */
int sr_ring_export(struct sr_ring *ring, const char *directory, struct sr_err *err);

/**
 * sr_ring_import() - take over an exported ring
 * @store:	where
 * @directory:	what sr_ring_export() made
 * @name:	its name there and here
 * @tpm:	the TPM to seal it to
 * @open:	opens the ring (sr_ring_open_recovery()); 0 or a negative errno
 * @arg:	handed to @open
 * @options:	@pcrs and @pin as for a new ring; @recovery is not used
 * @err:	says why, on failure
 */
int sr_ring_import(struct sr_store *store, const char *directory, const char *name,
		   struct sr_tpm *tpm,
		   int (*open)(struct sr_ring *ring, void *arg, struct sr_err *err),
		   void *arg, const struct sr_ring_options *options, struct sr_err *err);

/* ---- a ring outside the store: what a LUKS2 header carries ---- */

#define SR_PARTS_APPROVALS 8 /* approvals, at most */
#define SR_PARTS_MAX 4096 /* bytes in all texts and the storage key together, at most */

/**
 * struct sr_ring_parts - all that opening a ring takes, but the TPM
 * @name:	its name
 * @id:		32 hex digits
 * @pcrs:	what it is sealed to: "sha256:0+7+15=0"; for messages
 * @srk:	public area of its storage key: a marshalled TPM2B_PUBLIC
 * @srk_size:	bytes in @srk
 * @approvals:	one TPMKey each, DER in base64, in the order in which they are tried: for
 *		boots to come first, then "current", then others
 * @values:	as many: what each approval wants, and its day: "sha256:0=HEX+7=HEX+15=0
 *		2026-11-27"; "" when not known. For messages only, and believed only where
 *		the policy confirms it
 * @count:	how many
 * @pin:	opening it takes a PIN
 */
struct sr_ring_parts {
	char *name;
	char *id;
	char *pcrs;
	uint8_t *srk;
	size_t srk_size;
	char **approvals;
	char **values;
	size_t count;
	bool pin;
};

/**
 * sr_ring_parts_get() - the parts of a loaded ring, open or closed
 * @ring:	the ring
 * @ret:	release with sr_ring_parts_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (more than SR_PARTS_MAX), -ENOMEM and what reading approvals returns.
 */
int sr_ring_parts_get(const struct sr_ring *ring, struct sr_ring_parts *ret,
		      struct sr_err *err);

/** sr_ring_parts_done() - release; an all-zero one is fine */
void sr_ring_parts_done(struct sr_ring_parts *parts);

/**
 * sr_ring_from_parts() - a closed ring without a store, from parts that anybody may have
 * written
 * @parts:	copied
 * @ret:	the ring; sr_ring_open(), sr_ring_open_cached(), sr_ring_wrap() and
 *		sr_ring_unwrap() work on it; release with sr_ring_free()
 * @err:	says why, on failure
 *
 * Refused: more than SR_PARTS_APPROVALS or SR_PARTS_MAX; a text, key or approval that is
 * not in its one form; a parent other than the storage key; a policy of other statements
 * than PolicyPCR first, then PolicyCounterTimer and PolicyAuthValue; noDA set where there
 * is a PIN, or clear where there is none; @pin where no approval takes one, or the
 * reverse. A PIN is asked for once, after the PCRs hold, and tried once.
 *
 * Returns 0, -EBADMSG or -ENOMEM.
 */
int sr_ring_from_parts(const struct sr_ring_parts *parts, struct sr_ring **ret,
		       struct sr_err *err);

/**
 * sr_ring_wrap() - encrypt a secret under an open ring, without a file
 * @ring:	an open ring
 * @name:	what it is called; sr_ring_unwrap() must be given the same
 * @secret:	1 to SR_SECRET_MAX bytes
 * @ret:	the envelope; release with free()
 * @size:	bytes in it
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL, -ENOMEM or -EIO.
 */
int sr_ring_wrap(const struct sr_ring *ring, const char *name,
		 const struct sr_secret *secret, uint8_t **ret, size_t *size,
		 struct sr_err *err);

/**
 * sr_ring_unwrap() - the opposite; nothing is returned that does not authenticate
 *
 * Returns 0, -EBADMSG (not what was wrapped, or with another ring key), -EINVAL, -ENOMEM
 * or -EIO.
 */
int sr_ring_unwrap(const struct sr_ring *ring, const char *name, const uint8_t *envelope,
		   size_t size, struct sr_secret *ret, struct sr_err *err);

/**
 * sr_ring_volumes() - the LUKS volumes whose headers carry the ring's approvals
 * @ring:	a loaded ring
 * @ret:	their UUIDs in lower case; release with sr_strv_free()
 * @err:	says why, on failure
 *
 * Returns how many, or -ENOMEM.
 */
int sr_ring_volumes(const struct sr_ring *ring, char ***ret, struct sr_err *err);

/**
 * sr_ring_volume_add() - note such a volume in ring.conf; once is enough
 * @ring:	a loaded ring, open or closed
 * @uuid:	36 characters
 * @err:	says why, on failure
 *
 * The list says where re-sealing has to write, nothing about who opens what: so it is no
 * part of ring.conf's MAC, and a volume can be taken off it without the ring key.
 *
 * Returns 0, -EINVAL (not a UUID, or too many) and what writing ring.conf returns.
 */
int sr_ring_volume_add(struct sr_ring *ring, const char *uuid, struct sr_err *err);

/** sr_ring_volume_remove() - take it off the list; 0, -ENOKEY (not on it) and others */
int sr_ring_volume_remove(struct sr_ring *ring, const char *uuid, struct sr_err *err);

/**
 * struct sr_ring_opener - how to open a ring that may be open already
 * @tpm:	gets @arg, and connects to the TPM once it is needed; 0 or a negative errno.
 *		The connection is closed after use
 * @arg:	the caller's
 * @ask:	where a PIN comes from; may be NULL
 * @initramfs:	a file that is there inside the initramfs only; NULL for the usual ones
 */
struct sr_ring_opener {
	int (*tpm)(void *arg, struct sr_tpm **ret, struct sr_err *err);
	void *arg;
	const struct sr_ask *ask;
	const char *initramfs;
};

/**
 * sr_ring_open_cached() - open a ring; in the initramfs, with a key that is kept for 60 s
 * @ring:	a ring
 * @opener:	how
 * @err:	says why, on failure
 *
 * So that several volumes cost one TPM conversation. Kept is a "user" key in the caller's
 * @u, "sealring-ring:ID", whose name proves nothing: if what is wrapped under the ring
 * does not authenticate, call sr_ring_cache_drop() and open the ring once more. Outside
 * the initramfs nothing is kept or looked for.
 *
 * Returns 1 if the key was kept, 0 if the TPM gave it, or as sr_ring_open().
 */
int sr_ring_open_cached(struct sr_ring *ring, const struct sr_ring_opener *opener,
			struct sr_err *err);

/** sr_ring_cache_drop() - close the ring, and forget a key that is kept under its id */
void sr_ring_cache_drop(struct sr_ring *ring);

#define SR_RING_CACHE_PREFIX                                                             \
	"sealring-ring:" /* and the ring's id: what keys are called */

/**
 * sr_ring_cache_revoke_all() - revoke every key that was kept, of whichever ring
 *
 * Returns how many, or -EIO if one may still be there.
 */
int sr_ring_cache_revoke_all(struct sr_err *err);

/* ---- what happened in this boot ---- */

/**
 * struct sr_boot_note - what the initramfs noted about a ring
 * @id:		the ring's
 * @opened:	when it was opened; 0 if it was not
 * @approval:	by which approval: 64 hex digits that name the sealed object; "" if unknown
 * @failed:	when it last failed to open; 0 if it did not
 * @code:	the negative errno of that
 * @text:	and why
 */
struct sr_boot_note {
	char id[33];
	time_t opened;
	char approval[65];
	time_t failed;
	int code;
	char text[512];
};

/**
 * sr_boot_note_opened() - note that a ring was opened in this boot, and by what
 * @runtime_dir:	/run/sealring, which survives the change of root; boot/ is made in it
 * @ring:	an open ring; one opened by a kept key changes nothing
 * @err:	says why, on failure
 *
 * Returns 0 or -EIO.
 */
int sr_boot_note_opened(const char *runtime_dir, const struct sr_ring *ring,
			struct sr_err *err);

/**
 * sr_boot_note_failed() - note that a ring failed to open in this boot, and why
 * @runtime_dir:	as above
 * @ring:	the ring
 * @why:	what opening it said; never a secret
 * @err:	says why, on failure
 *
 * Returns 0 or -EIO.
 */
int sr_boot_note_failed(const char *runtime_dir, const struct sr_ring *ring,
			const struct sr_err *why, struct sr_err *err);

/**
 * sr_boot_note_read() - what was noted about a ring in this boot
 * @runtime_dir:	as above
 * @name:	the ring
 * @ret:	the note
 * @err:	says why, on failure
 *
 * Notes of another boot, and such as cannot be read, are none.
 *
 * Returns 0, -ENOENT (there is none), -EINVAL (not a name), -ENOMEM or -EIO.
 */
int sr_boot_note_read(const char *runtime_dir, const char *name, struct sr_boot_note *ret,
		      struct sr_err *err);

/** sr_boot_note_any() - whether any ring was opened in this boot: 1, 0 or -EIO */
int sr_boot_note_any(const char *runtime_dir, struct sr_err *err);

/* ---- secrets of a ring ---- */

/*
 * A secret whose name ends in ".manage" is the key of a ring. It is neither listed nor
 * given out, made, renamed or removed by these functions: -EINVAL.
 */

enum sr_seal_mode {
	SR_SEAL_NEW,	    /* refuse a name that is taken */
	SR_SEAL_REPLACE,    /* replace, whatever it is now */
	SR_SEAL_IF_CHANGED, /* write only if the bytes differ */
};

/**
 * sr_ring_seal() - put a secret under an open ring
 * @ring:	an open ring
 * @name:	its name, unique in the store
 * @secret:	1 to SR_SECRET_MAX bytes
 * @mode:	what to do when the ring has it already
 * @err:	says why, on failure
 *
 * The file is written beside the old one, read back and opened before it replaces it.
 *
 * Returns 1 if it was written, 0 if it is there already (SR_SEAL_IF_CHANGED), -EEXIST
 * (also when another ring has the name), -EINVAL or -EIO.
 */
int sr_ring_seal(struct sr_ring *ring, const char *name, const struct sr_secret *secret,
		 enum sr_seal_mode mode, struct sr_err *err);

/**
 * sr_ring_unseal() - get a secret of an open ring
 * @ring:	an open ring
 * @name:	which
 * @ret:	the secret; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY, -EBADMSG (not what was sealed) or -EIO.
 */
int sr_ring_unseal(struct sr_ring *ring, const char *name, struct sr_secret *ret,
		   struct sr_err *err);

/** sr_ring_delete() - remove a secret; needs no key; 0, -ENOKEY or -EIO */
int sr_ring_delete(struct sr_ring *ring, const char *name, struct sr_err *err);

/** sr_ring_rename() - give a secret of an open ring another name; as sr_ring_seal() */
int sr_ring_rename(struct sr_ring *ring, const char *from, const char *to,
		   struct sr_err *err);

/* ---- re-sealing ---- */

enum sr_state {
	SR_STATE_READY,	  /* this boot opens it */
	SR_STATE_PENDING, /* sealed to this boot state: the next boot has to prove it */
	SR_STATE_DRIFTED, /* the boot state is not the approved one */
	SR_STATE_EXPOSED, /* it has no intact recovery copy, or the latch does not close it */
	SR_STATE_FOREIGN, /* sealed by another TPM, or the TPM was cleared since */
	SR_STATE_DAMAGED, /* a file cannot be read */
};

/** sr_state_name() - "ready", "drifted" ... */
const char *sr_state_name(enum sr_state state);

/**
 * struct sr_status - how a ring stands
 * @state:	one word
 * @changed:	bit N: PCR N is not as approved
 * @approved:	when the approval was made; 0 if there is none
 * @text:	one line: why, and what to do
 */
struct sr_status {
	enum sr_state state;
	uint32_t changed;
	time_t approved;
	char text[256];
};

#define SR_CHANGED_TEXT 256 /* the longest such text and its NUL */

/** sr_changed_text() - "PCR 7", "PCR 0 and PCR 7" for a mask; "" for none */
void sr_changed_text(uint32_t changed, char ret[SR_CHANGED_TEXT]);

/**
 * sr_ring_status() - compare a ring with the present boot state, without opening it
 * @store:	where
 * @name:	which ring
 * @tpm:	the TPM
 * @ret:	how it stands
 * @err:	says why nothing can be said
 *
 * Returns 0, -ENOKEY, -ENODEV or -EIO; what is wrong with the ring is a state.
 */
int sr_ring_status(struct sr_store *store, const char *name, struct sr_tpm *tpm,
		   struct sr_status *ret, struct sr_err *err);

/**
 * sr_ring_reseal() - open a ring and seal its key to the present boot state anew
 * @ring:	a loaded ring; open afterwards
 * @tpm:	the TPM
 * @ask:	where a PIN comes from; may be NULL
 * @options:	as sr_ring_approve()
 * @err:	says why, on failure
 *
 * Opened as sr_ring_open_for_admin() does. Ten TPM commands, whatever the number of
 * secrets; as many for a ring that the latch closed.
 *
 * Returns as sr_ring_approve().
 */
int sr_ring_reseal(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_ring_options *options, struct sr_err *err);

/**
 * sr_ring_approve() - seal the key of an open ring to the present boot state
 * @ring:	an open ring
 * @tpm:	the TPM; a new one becomes the ring's
 * @options:	@pcrs: another list; NULL keeps the ring's. @pin: another PIN; NULL keeps
 *the one the ring was opened with. @recovery is not used
 * @err:	says why, on failure
 *
 * The new approval is unsealed before it replaces the old ones. One for a boot state to
 * come (@pcrs gives a value that is not the present one) stands beside them. Secrets are
 * not touched.
 *
 * Returns 0, 1 if it is for a boot state to come, -EBADMSG (ring.conf and the approval that
 * opened the ring disagree about the PCRs) and what sr_ring_open() returns.
 */
int sr_ring_approve(struct sr_ring *ring, struct sr_tpm *tpm,
		    const struct sr_ring_options *options, struct sr_err *err);

/* ---- the initramfs ---- */

/**
 * sr_image_fill() - put into an initramfs what it needs of a store
 * @store:	whose
 * @root:	root directory of the image that is being made
 * @err:	says why, on failure
 *
 * The configuration; and of secrets with Initramfs=yes the envelope, secrets.d/NAME.conf
 * and the approvals of the ring. Never recovery copies or other secrets. Such a secret of
 * a ring that stays open after the initramfs is refused: who takes the image from /boot
 * and boots another system would get it. So is a ring that another PCR closes than the
 * one that is configured, and extended.
 *
 * Returns how many secrets, -EINVAL, -EBADMSG or -EIO.
 */
int sr_image_fill(struct sr_store *store, const char *root, struct sr_err *err);

/**
 * sr_image_done() - note that the image is good, and what it holds
 * @store:	whose
 * @root:	as above
 * @err:	says why, on failure
 *
 * Returns 0 or -EIO.
 */
int sr_image_done(struct sr_store *store, const char *root, struct sr_err *err);

/**
 * sr_image_current() - whether the last image holds the present approvals and secrets
 * @store:	whose
 * @err:	says why, on failure
 *
 * Returns 1 (also if an image has to hold none), 0 or a negative errno.
 */
int sr_image_current(struct sr_store *store, struct sr_err *err);

/* ---- baselines: what a boot looked like when it was good ---- */

#define SR_BASELINE_TEXT 96 /* room for one line of what firmware says about itself */

/**
 * struct sr_baseline - a boot of which somebody said that it was good
 * @taken:	when
 * @boot:	the kernel's boot id, 36 characters
 * @vendor:	of the firmware, by SMBIOS; this and the rest may be empty; safe to print
 * @version:	its version
 * @date:	its date
 * @product:	the machine
 * @tpm:	manufacturer and version of the TPM
 * @reset_count:	the TPM's counters
 * @restart_count:	in that boot
 * @banks:	how many banks of the log the TPM had
 * @held:	what it held in them, of PCRs that the log has events of
 * @log:	the event log
 * @authentic:	a holder of the ring key wrote it; known only for an open ring
 */
struct sr_baseline {
	time_t taken;
	char boot[37];
	char vendor[SR_BASELINE_TEXT];
	char version[SR_BASELINE_TEXT];
	char date[SR_BASELINE_TEXT];
	char product[SR_BASELINE_TEXT];
	char tpm[SR_BASELINE_TEXT];
	uint32_t reset_count;
	uint32_t restart_count;
	size_t banks;
	struct sr_pcrs held[SR_EVENTLOG_BANKS];
	struct sr_eventlog *log;
	bool authentic;
};

/**
 * sr_baseline_now() - what this boot looks like
 * @store:	whose [TPM] EventLog= counts
 * @tpm:	an open TPM
 * @ret:	this boot; release with sr_baseline_free(); @taken and @authentic are not set
 * @err:	says why, on failure
 *
 * Returns 0, -ENODEV (no event log, or the TPM is not the one the kernel's log is of),
 * -EBADMSG (a log larger than any) and others.
 */
int sr_baseline_now(struct sr_store *store, struct sr_tpm *tpm, struct sr_baseline **ret,
		    struct sr_err *err);

/**
 * sr_baseline_take() - remember this boot as good
 * @ring:	an open ring
 * @tpm:	an open TPM
 * @err:	says why, on failure
 *
 * The last three are kept. Returns as sr_baseline_now(), -EINVAL (the ring is closed).
 */
int sr_baseline_take(struct sr_ring *ring, struct sr_tpm *tpm, struct sr_err *err);

/**
 * sr_baseline_load() - the last good boot of a ring
 * @ring:	a ring; if it is open, the baseline has to be authentic
 * @ret:	the baseline; release with sr_baseline_free()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY (there is none), -EBADMSG (damaged, of another ring, or forged) and
 * others.
 */
int sr_baseline_load(struct sr_ring *ring, struct sr_baseline **ret, struct sr_err *err);

/** sr_baseline_free() - release; NULL is fine */
void sr_baseline_free(struct sr_baseline *baseline);

/**
 * sr_ring_required() - what the approvals of a ring want
 * @ring:	a loaded ring
 * @ret:	bank, PCRs, and those values that are known, of the first approval that has
 *		any; without those that the latch is about
 * @made:	when that approval was made; 0 if that is not known
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG, -EKEYREJECTED (no approval) and others.
 */
int sr_ring_required(const struct sr_ring *ring, struct sr_pcrs *ret, time_t *made,
		     struct sr_err *err);

/* ---- one sealed file, also of other tools ---- */

/**
 * sr_file_unseal() - open any sealed-data TPMKey file
 * @name:	the file: PEM or DER, of openssl_tpm2_engine, pcr-oracle or ours
 * @tpm:	the TPM
 * @ask:	where a PIN comes from; may be NULL
 * @ret:	the bytes; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (damaged, or no sealed data) and what sr_ring_open() returns.
 */
int sr_file_unseal(const char *name, struct sr_tpm *tpm, const struct sr_ask *ask,
		   struct sr_secret *ret, struct sr_err *err);

/* ---- delivery ---- */

/**
 * struct sr_keyring - where in the kernel's keyrings a secret goes (keyrings(7))
 * @type:	"user", "logon" or "big_key"; NULL for user
 * @keyring:	"@s", "@u", "@us", "@p", a name, or an id; NULL for @u
 * @user:	for @u: whose; NULL for the caller's
 * @description:	of the key; NULL for "sealring:NAME"
 * @timeout:	seconds until the kernel forgets it; 0 never
 * @permissions:	key permission mask (keyctl_setperm(3)); 0 keeps the kernel's
 */
struct sr_keyring {
	char *type;
	char *keyring;
	char *user;
	char *description;
	unsigned int timeout;
	uint32_t permissions;
};

/**
 * struct sr_delivery - one file of secrets.d (secrets.d(5))
 * @ring:	ring of the secret, or NULL for whichever has it
 * @initramfs:	it is put into the initramfs, delivered there, and taken back at its end
 * @has_keyring:	there is a [Keyring] section
 * @keyring:	what it says
 * @credential:	[Credential] Name=, or NULL
 * @units:	[Credential] Units=, globs
 * @units_count:	how many
 */
struct sr_delivery {
	char *ring;
	bool initramfs;
	bool has_keyring;
	struct sr_keyring keyring;
	char *credential;
	char **units;
	size_t units_count;
};

/**
 * sr_delivery_read() - what secrets.d says about a secret
 * @store:	whose configuration
 * @name:	the secret
 * @ret:	release with sr_delivery_done()
 * @err:	says why, with file and line, on failure
 *
 * Returns 0, -ENOENT (nothing is said), -EBADMSG or -EIO.
 */
int sr_delivery_read(const struct sr_store *store, const char *name,
		     struct sr_delivery *ret, struct sr_err *err);

/**
 * struct sr_request - who asks for which credential
 * @unit:	a unit of systemd
 * @credential:	what it asks for
 */
struct sr_request {
	char unit[SR_UNIT_MAX + 1];
	char credential[SR_NAME_MAX + 1];
};

/**
 * sr_request_parse() - read the address that LoadCredential= connects from
 * @address:	NUL, 1 to 16 hex digits, "/unit/UNIT/CREDENTIAL": sun_path of the peer
 * @size:	bytes of it
 * @ret:	what it says; a claim, as anybody may bind any such address
 * @err:	says why, on failure
 *
 * Returns 0 or -EINVAL.
 */
int sr_request_parse(const void *address, size_t size, struct sr_request *ret,
		     struct sr_err *err);

/**
 * sr_delivery_find() - which secret a unit gets
 * @store:	whose configuration
 * @request:	who asks for what
 * @ring:	gets the ring that has it
 * @secret:	gets its name
 * @err:	says why it gets none, on failure
 *
 * It is the one secret whose [Credential] Name= is what is asked for, and one of whose
 * Units= matches the unit.
 *
 * Returns 0, -ENOKEY (nothing is delivered under that name), -EPERM (but not to this
 * unit), -EBADMSG (a file is refused, or several would match) or -EIO.
 */
int sr_delivery_find(const struct sr_store *store, const struct sr_request *request,
		     char ring[SR_NAME_MAX + 1], char secret[SR_NAME_MAX + 1],
		     struct sr_err *err);

/** sr_delivery_done() - release */
void sr_delivery_done(struct sr_delivery *delivery);

/**
 * sr_delivery_add_unit() - let a service have the secret as a credential
 * @delivery:	what was read, or empty
 * @ring:	ring of the secret
 * @name:	the secret; its credential's name unless there is one
 * @unit:	the service, or a glob; said once only
 * @err:	says why, on failure
 *
 * Returns 0 or -ENOMEM.
 */
int sr_delivery_add_unit(struct sr_delivery *delivery, const char *ring, const char *name,
			 const char *unit, struct sr_err *err);

/**
 * sr_delivery_write() - write secrets.d/NAME.conf, replacing what is there
 * @store:	whose configuration
 * @name:	the secret
 * @delivery:	what to say
 * @err:	says why, on failure
 *
 * Returns 0 or -EIO.
 */
int sr_delivery_write(const struct sr_store *store, const char *name,
		      const struct sr_delivery *delivery, struct sr_err *err);

/**
 * sr_keyring_put() - put a secret into a kernel keyring, replacing a key of that name
 * @target:	where
 * @secret:	what
 * @err:	says why, on failure
 *
 * Returns the key's serial number, or -EINVAL (the type can't hold it, or the text of
 * @target is wrong), -ENOKEY (no such keyring), -EIO and others.
 */
int32_t sr_keyring_put(const struct sr_keyring *target, const struct sr_secret *secret,
		       struct sr_err *err);

/** sr_keyring_check() - whether the type can hold @size bytes and the rest is well-formed
 */
int sr_keyring_check(const struct sr_keyring *target, size_t size, struct sr_err *err);

/**
 * sr_keyring_get() - read a key of the caller's own
 * @target:	where; only @type, @keyring and @description count
 * @ret:	what it holds; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY (none, or another user's) and others.
 */
int sr_keyring_get(const struct sr_keyring *target, struct sr_secret *ret,
		   struct sr_err *err);

/**
 * sr_keyring_revoke_all() - revoke and unlink every key whose description begins so
 * @keyring:	"@u", or as in struct sr_keyring
 * @prefix:	with what
 * @err:	says why, on failure
 *
 * Returns how many, or a negative errno if one of them may still be there.
 */
int sr_keyring_revoke_all(const char *keyring, const char *prefix, struct sr_err *err);

/** sr_keyring_remove() - unlink the key; 0, -ENOKEY or others */
int sr_keyring_remove(const struct sr_keyring *target, struct sr_err *err);

/**
 * sr_credential_put() - write a secret where LoadCredential= finds it
 * @directory:	made 0700 if missing; /run/credstore for systemd
 * @name:	the credential
 * @secret:	what
 * @err:	says why, on failure
 */
int sr_credential_put(const char *directory, const char *name,
		      const struct sr_secret *secret, struct sr_err *err);

/** sr_credential_remove() - remove it; 0, -ENOKEY or -EIO */
int sr_credential_remove(const char *directory, const char *name, struct sr_err *err);

#ifdef __cplusplus
}
#endif
#endif
