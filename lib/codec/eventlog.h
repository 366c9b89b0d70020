/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event logs inside the library; the log itself is public. */
#ifndef SR_EVENTLOG_H
#define SR_EVENTLOG_H

#include "ground/parse.h"

/* TCG PC Client Platform Firmware Profile: types that mean something to us. */
enum {
	SR_EV_POST_CODE = 0x1,
	SR_EV_NO_ACTION = 0x3,
	SR_EV_SEPARATOR = 0x4,
	SR_EV_ACTION = 0x5,
	SR_EV_EVENT_TAG = 0x6,
	SR_EV_S_CRTM_CONTENTS = 0x7,
	SR_EV_S_CRTM_VERSION = 0x8,
	SR_EV_IPL = 0xd,
	SR_EV_POST_CODE2 = 0x13,
	SR_EV_EFI_VARIABLE_DRIVER_CONFIG = 0x80000001,
	SR_EV_EFI_VARIABLE_BOOT = 0x80000002,
	SR_EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003,
	SR_EV_EFI_BOOT_SERVICES_DRIVER = 0x80000004,
	SR_EV_EFI_RUNTIME_SERVICES_DRIVER = 0x80000005,
	SR_EV_EFI_GPT_EVENT = 0x80000006,
	SR_EV_EFI_ACTION = 0x80000007,
	SR_EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008,
	SR_EV_EFI_HANDOFF_TABLES = 0x80000009,
	SR_EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000a,
	SR_EV_EFI_VARIABLE_BOOT2 = 0x8000000c,
	SR_EV_EFI_HCRTM_EVENT = 0x80000010,
	SR_EV_EFI_VARIABLE_AUTHORITY = 0x800000e0,
};

SR_DEFINE_CLEANUP(sr_eventlog_freep, struct sr_eventlog *, sr_eventlog_free)
#define _cleanup_eventlog_ _cleanup_(sr_eventlog_freep)

/** sr_eventlog_usable() - 0, or -EBADMSG if no PCRs can be concluded from the log */
int sr_eventlog_usable(const struct sr_eventlog *log, const char *name,
		       struct sr_err *err);

/**
 * sr_eventlog_cut() - the log as it is, but for the records of other PCRs
 * @log:	a log that is not damaged
 * @mask:	PCRs whose records stay; those of PCR 0 say of which format the log is
 * @ret:	the shorter log; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Returns 0 or -ENOMEM.
 */
int sr_eventlog_cut(const struct sr_eventlog *log, uint32_t mask, struct sr_buf *ret,
		    struct sr_err *err);

/**
 * sr_event_locality() - the locality that a StartupLocality event names, or -1
 *
 * Firmware Profile, part "EV_NO_ACTION Event Types": such an event is one of PCR 0.
 */
int sr_event_locality(const struct sr_event *event);

/** sr_eventlog_find_bank() - the index of a bank of the log, or -1 */
int sr_eventlog_find_bank(const struct sr_eventlog *log, uint16_t bank);

/**
 * sr_eventlog_replay_with() - replay with other digests for some events
 * @log:	the log
 * @bank:	index of the bank
 * @pcr:	the PCR
 * @replaced:	gets the index of an event, and @arg; the digest to use instead, or NULL;
 *		may be NULL itself
 * @arg:	the caller's
 * @ret:	the value
 *
 * Returns 1, 0 if an event has no digest in this bank, or -EINVAL without such a hash.
 */
int sr_eventlog_replay_with(const struct sr_eventlog *log, size_t bank, unsigned int pcr,
			    const uint8_t *(*replaced)(void *arg, size_t event),
			    void *arg, uint8_t ret[SR_DIGEST_MAX], struct sr_err *err);

/** sr_bank_hash() - hash in a bank's algorithm; false if OpenSSL does not have it */
bool sr_bank_hash(uint16_t bank, const void *data, size_t size,
		  uint8_t ret[SR_DIGEST_MAX]);

/* -- UEFI variables, as they are measured -- */

/**
 * struct sr_variable - UEFI_VARIABLE_DATA
 * @guid:	the vendor's
 * @name:	UTF-16LE, without a NUL at its end
 * @name_size:	bytes in it
 * @data:	its content
 * @size:	bytes in it
 */
struct sr_variable {
	const uint8_t *guid;
	const uint8_t *name;
	size_t name_size;
	const uint8_t *data;
	size_t size;
};

/** sr_variable_read() - the variable of an event; false if its data is none */
bool sr_variable_read(const struct sr_event *event, struct sr_variable *ret);

/** sr_variable_is() - whether it has this name, in ASCII */
bool sr_variable_is(const struct sr_variable *variable, const char *name);

/** sr_variable_is_list() - whether signature lists are in it: PK, KEK, db and the like */
bool sr_variable_is_list(const struct sr_variable *variable);

/**
 * sr_siglist_read() - the entries of EFI_SIGNATURE_LISTs
 * @data:	one list behind the other, up to the end
 * @size:	bytes
 * @ret:	the entries; release with sr_siglist_done()
 * @err:	says what is wrong, on failure
 *
 * Returns 0, -EBADMSG or -ENOMEM.
 */
int sr_siglist_read(const uint8_t *data, size_t size, struct sr_siglist *ret,
		    struct sr_err *err);

/** sr_siglist_sort() - put the entries into an order in which they are found */
void sr_siglist_sort(struct sr_siglist *list);

/** sr_siglist_has() - whether an entry is in a list that was sorted; @owner: owners count */
bool sr_siglist_has(const struct sr_siglist *sorted, const struct sr_siglist_entry *entry,
		    bool owner);

/** sr_siglist_is_hash() - whether an entry forbids or allows one hash, not a signer */
bool sr_siglist_is_hash(const struct sr_siglist_entry *entry);

#define _cleanup_siglist_ _cleanup_(sr_siglist_done)

#endif
