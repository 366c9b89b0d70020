/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A ring inside the library. */
#ifndef SR_RING_H
#define SR_RING_H

#include <tss2/tss2_tpm2_types.h>

#include "codec/envelope.h"
#include "ground/conf.h"
#include "store.h"

#define SR_RING_FORMAT 1

/**
 * struct sr_ring - a ring's description, and its key once it is open
 * @store:	where it belongs; not owned
 * @name:	its name
 * @dir:	its directory; holds a shared lock, so that it stays while it is read
 * @id:		32 hex digits
 * @pcrs:	what it is sealed to; values only where the list gives them ("15=0")
 * @pin:	opening it takes a PIN
 * @srk:	public area of the storage key its approvals are under
 * @created:	when
 * @mac:		what the ring key makes of name, id, PCRs and PIN, in hex: whoever edits
 *		them without the key is found out when the ring is written to
 * @recovery_digest:	SHA-256 of recovery.cms as it was written and read back, in hex
 * @proven:	when a key was last seen to open that copy; 0 never
 * @volumes:	UUIDs of LUKS volumes that carry its approvals; NULL-terminated, or NULL
 * @volume_count:	how many
 * @parts:	a ring outside the store: what it was made from; else NULL
 * @key:	the ring key; empty while it is closed
 * @opened:	the PCRs of the approval that opened it, which the TPM confirmed; empty
 *		when recovery opened it
 * @bounded:	that approval holds in a few boots only, and may want fewer PCRs
 * @approval:	names the approval that opened it, as sr_approval_id(); "" when none did
 * @moved:	its storage key is another than before: no older approval opens any more
 * @seen:	what the TPM held when that was not what any approval wants, or in the
 *		initramfs what that which opened it wants; else empty
 * @wanted:	and what the approval wants that is closest to that, where it is known
 * @latched:	opening it failed, and but for the latch it would not have
 * @manager:	ring "system", open, if the key was found in it; else NULL
 * @half_rotated:	and another key with it, of a rotation that was cut off
 * @pin_value:	the PIN it was opened with
 */
struct sr_ring {
	struct sr_store *store;
	char name[SR_NAME_MAX + 1];
	int dir;
	char id[33];
	struct sr_pcrs pcrs;
	char pcrs_text[SR_CONF_LINE + 1];
	bool pin;
	TPM2B_PUBLIC srk;
	time_t created;
	char mac[65];
	char recovery_digest[65];
	time_t proven;
	char **volumes;
	size_t volume_count;
	struct sr_ring_parts *parts;
	struct sr_secret key;
	struct sr_pcrs opened;
	bool bounded;
	char approval[65];
	bool moved;
	struct sr_pcrs seen;
	struct sr_pcrs wanted;
	bool latched;
	struct sr_ring *manager;
	bool half_rotated;
	struct sr_secret pin_value;
};

SR_DEFINE_CLEANUP(sr_ring_freep, struct sr_ring *, sr_ring_free)

/** sr_ring_new() - an empty description without a directory */
struct sr_ring *sr_ring_new(struct sr_store *store, const char *name);

/** sr_ring_load_from() - read the description in an open directory, which is taken over
 */
int sr_ring_load_from(struct sr_store *store, const char *name, int *dir,
		      struct sr_ring **ret, struct sr_err *err);

/** sr_ring_save() - write ring.conf into the ring's directory */
int sr_ring_save(const struct sr_ring *ring, struct sr_err *err);

/** sr_ring_choose_pcrs() - the same for a list that was chosen: "boot" gets the latch too */
int sr_ring_choose_pcrs(struct sr_ring *ring, const char *text, struct sr_err *err);

/** sr_ring_set_pcrs_default() - choose the configuration's list, or 0+7 */
int sr_ring_set_pcrs_default(struct sr_ring *ring, struct sr_err *err);

/** sr_ring_check_selection() - -EBADMSG if ring.conf and what opened the ring disagree */
int sr_ring_check_selection(const struct sr_ring *ring, struct sr_err *err);

/** sr_ring_latch() - the PCRs that its list wants to be zero, whatever they are now */
uint32_t sr_ring_latch(const struct sr_ring *ring);

/** sr_ring_set_pcrs() - take a PCR list; the bank defaults to sha256 */
int sr_ring_set_pcrs(struct sr_ring *ring, const char *text, struct sr_err *err);

#define SR_VOLUMES_MAX 64
#define SR_UUID_TEXT 37 /* 36 characters and a NUL */

/** sr_volume_parse() - a volume's UUID in lower case; 0 or -EINVAL */
int sr_volume_parse(const char *text, char ret[SR_UUID_TEXT], struct sr_err *err);

/**
 * sr_ring_lock() - become the only writer, and know that the ring was not replaced since
 * @ring:	a loaded ring
 * @ret:	the lock: an open descriptor of rings/
 * @err:	says why, on failure
 *
 * Returns 0, -EIO (it was rotated or removed meanwhile) and others.
 */
int sr_ring_lock(struct sr_ring *ring, int *ret, struct sr_err *err);

/** sr_ring_confirm() - the same where the caller has the lock, @rings */
int sr_ring_confirm(struct sr_ring *ring, int rings, struct sr_err *err);

/** sr_ring_check_mac() - -EBADMSG if ring.conf is not as a holder of the key wrote it */
int sr_ring_check_mac(const struct sr_ring *ring, struct sr_err *err);

/** sr_ring_need_key() - 0, or -EINVAL when the ring is closed */
int sr_ring_need_key(const struct sr_ring *ring, struct sr_err *err);

/**
 * sr_boot_note_recall() - take the PCRs that the system extends as the initramfs saw them
 * @ring:	a ring; nothing is recalled of one that the latch does not close
 * @pcrs:	gets values of those in @mask that were noted in this boot
 * @err:	says why, on failure
 *
 * Returns 0, -ENOMEM or -EIO.
 */
int sr_boot_note_recall(const struct sr_ring *ring, struct sr_pcrs *pcrs,
			struct sr_err *err);

/** sr_ring_open_subdir() - a directory inside the ring's */
int sr_ring_open_subdir(const struct sr_ring *ring, const char *name, struct sr_err *err);

/** sr_ring_apply() - take over PCR list and PIN of the options, where there are */
int sr_ring_apply(struct sr_ring *ring, const struct sr_ring_options *options,
		  struct sr_err *err);

/** sr_secrets_list() - as sr_ring_secrets(), with what is not given out */
int sr_secrets_list(struct sr_ring *ring, char ***ret, struct sr_err *err);

#define SR_SOFTKEY_SUFFIX ".softkey" /* of secrets that are keys of tpm-sign */

/** sr_secret_name_check() - -EINVAL if no secret of somebody may be called so */
int sr_secret_name_check(const char *name, struct sr_err *err);

/** sr_softkey_name_check() - -EINVAL if no key of tpm-sign may be called so */
int sr_softkey_name_check(const char *name, struct sr_err *err);

/** sr_secret_load() - read one secret of an open ring, whatever it is called */
int sr_secret_load(struct sr_ring *ring, const char *name, struct sr_secret *ret,
		   struct sr_err *err);

/** sr_secret_store() - write one secret into an open secrets/, proven, without the lock
 */
int sr_secret_store(struct sr_ring *ring, int dir, const char *name,
		    const struct sr_secret *secret, struct sr_err *err);

/** sr_secret_remove() - remove one, whatever it is called, without the lock */
int sr_secret_remove(struct sr_ring *ring, const char *name, struct sr_err *err);

/**
 * struct sr_building - a ring being built where no reader sees it
 * @rings:	the lock
 * @ring:	the ring, its directory hidden
 * @hidden:	the directory's name
 */
struct sr_building {
	int rings;
	struct sr_ring *ring;
	char hidden[SR_HIDDEN_MAX];
};

#define SR_BUILDING ((struct sr_building){ .rings = -1 })
#define _cleanup_building_ _cleanup_(sr_building_done)

/**
 * sr_building_start() - make the hidden directory of a ring
 * @store:	where
 * @name:	its name
 * @is_new:	-EEXIST if there is a ring of that name
 * @lock:	the store's lock; taken over
 * @ret:	release with sr_building_done()
 * @err:	says why, on failure
 */
int sr_building_start(struct sr_store *store, const char *name, bool is_new, int *lock,
		      struct sr_building *ret, struct sr_err *err);

/** sr_building_appear() - give a new ring its name; fsynced */
int sr_building_appear(struct sr_building *building, struct sr_err *err);

/** sr_building_done() - remove what did not appear, release the lock */
void sr_building_done(struct sr_building *building);

/**
 * sr_recovery_write() - recovery.cms of an open ring, proven; notes it in @ring
 * @ring:	an open ring
 * @recovery:	for whom
 * @announce:	hand the recovery key over when all but the last step is done
 * @err:	says why, on failure
 */
int sr_recovery_write(struct sr_ring *ring, const struct sr_recovery *recovery,
		      bool announce, struct sr_err *err);

/** sr_recovery_note() - note in @ring that its copy opens, and which copy that is */
int sr_recovery_note(struct sr_ring *ring, struct sr_err *err);

/** sr_fail_ring() - put "ring NAME: " before a failure, unless it begins so */
int sr_fail_ring(const struct sr_ring *ring, int r, struct sr_err *err);

#endif
