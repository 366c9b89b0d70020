/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rings and a boot: LUKS2 headers, the initramfs, what happened, what was good. */
#ifndef SEALRING_BOOT_H
#define SEALRING_BOOT_H

#include <sealring/eventlog.h>
#include <sealring/ring.h>

#ifdef __cplusplus
extern "C" {
#endif

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

/* PCR 8 to 14: the system that runs goes on to extend some of them, such as 11. */
#define SR_PCRS_LATER 0x7f00U

#define SR_CAUSE_MAX 256 /* room for what sr_ring_cause() says */

/**
 * struct sr_boot_note - what the initramfs noted about a ring
 * @id:		the ring's
 * @opened:	when it was opened; 0 if it was not
 * @approval:	by which approval: 64 hex digits that name the sealed object; "" if unknown
 * @failed:	when it last failed to open; 0 if it did not
 * @code:	the negative errno of that
 * @text:	and why
 * @cause:	what the event logs said to that; mostly empty
 * @pcrs:	what the TPM held when it was opened; or then, if a PCR was why
 */
struct sr_boot_note {
	char id[33];
	time_t opened;
	char approval[65];
	time_t failed;
	int code;
	char text[512];
	char cause[SR_CAUSE_MAX];
	struct sr_pcrs pcrs;
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
 * @cause:	what sr_ring_cause() said, or ""
 * @err:	says why, on failure
 *
 * Returns 0 or -EIO.
 */
int sr_boot_note_failed(const char *runtime_dir, const struct sr_ring *ring,
			const struct sr_err *why, const char *cause, struct sr_err *err);

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

/**
 * sr_boot_note_of() - what was noted in this boot about a loaded ring, and no other of its
 * name
 *
 * Returns 1, 0 (nothing) and otherwise as above.
 */
int sr_boot_note_of(const struct sr_ring *ring, struct sr_boot_note *ret,
		    struct sr_err *err);

/** sr_boot_note_any() - whether any ring was opened in this boot: 1, 0 or -EIO */
int sr_boot_note_any(const char *runtime_dir, struct sr_err *err);

/* ---- the initramfs ---- */

/** sr_in_initramfs() - whether this is systemd's initramfs, or initramfs-tools', by their files */
bool sr_in_initramfs(void);

/**
 * sr_image_fill() - put into an initramfs what it needs of a store
 * @store:	whose
 * @root:	root directory of the image that is being made
 * @err:	says why, on failure
 *
 * The configuration; of rings that the initramfs may open what the last baseline's event
 * log has of PCR 0 and 7, for sr_ring_cause(); and of secrets with Initramfs=yes the
 * envelope, secrets.d/NAME.conf and the approvals of the ring. Never recovery copies or
 * other secrets. Such a secret of
 * a ring that stays open after the initramfs is refused: who takes the image from /boot
 * and boots another system would get it. So is a ring that another PCR closes than the
 * one that is configured, and extended.
 *
 * Returns how many secrets, -EINVAL, -EBADMSG or -EIO.
 */
int sr_image_fill(struct sr_store *store, const char *root, struct sr_err *err);

/**
 * sr_ring_cause() - why a ring stayed closed, in words, where the logs of two boots tell
 * @ring:	a ring that opening said -EKEYREJECTED of
 * @store:	that of the image: its baseline of the ring, and whose [TPM] EventLog= counts
 * @ret:	the likely cause: "firmware update 1.21 -> 1.24"; safe to print; else ""
 *
 * Only where the baseline leads to what the ring wants of PCR 0 and 7, and the log of this
 * boot to what the TPM holds; or is the same, and does not. Asks the TPM nothing.
 *
 * Returns whether there is something to say.
 */
bool sr_ring_cause(const struct sr_ring *ring, const struct sr_store *store,
		   char ret[SR_CAUSE_MAX]);

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
 * sr_ring_required() - what a ring wants, by the approval that fits this boot best
 * @ring:	a loaded ring
 * @tpm:	the TPM, whose PCRs are read
 * @ret:	bank, PCRs, and those values that are known; without those that the latch is
 *		about
 * @made:	when that approval was made; 0 if that is not known
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG, -EKEYREJECTED (no approval) and others.
 */
int sr_ring_required(const struct sr_ring *ring, struct sr_tpm *tpm, struct sr_pcrs *ret,
		     time_t *made, struct sr_err *err);

/* ---- before an update, and after it ---- */

#define SR_STATES_MAX 6 /* boot states that an update may lead to */
#define SR_BOOTS_MAX 10 /* boots that a bounded approval may hold for */

/**
 * struct sr_plan - what an update will change
 * @state:	the PCRs that will be other, with their values: a boot state each
 * @states:	how many
 * @open:	bit N: what PCR N will be nobody knows
 * @boots:	in how many boots the ring shall open whatever those are; 0: in none
 */
struct sr_plan {
	struct sr_pcrs state[SR_STATES_MAX];
	size_t states;
	uint32_t open;
	unsigned int boots;
};

/**
 * struct sr_prepared - what was prepared for an update
 * @added:	the approvals, by the digests in their objects' Names, in hex
 * @count:	how many; none for a ring that does not depend on what will change
 * @earlier:	those of the same kinds that were prepared before, and are needed no longer
 * @earlier_count:	how many
 * @states:	how many of @added are each for one boot state
 * @open:	bit N: the others hold whatever PCR N is
 * @boots:	in so many boots after this one
 */
struct sr_prepared {
	char added[SR_PARTS_APPROVALS][65];
	size_t count;
	char earlier[SR_PARTS_APPROVALS][65];
	size_t earlier_count;
	size_t states;
	uint32_t open;
	unsigned int boots;
};

/**
 * sr_ring_prepare() - seal a ring to what an update will lead to, beside what it is sealed
 * to
 * @ring:	a loaded ring; open afterwards
 * @tpm:	the TPM
 * @ask:	where a PIN comes from; may be NULL
 * @plan:	the update
 * @options:	@pin, of a ring whose PIN ring "system" does not know, and @follow
 * @ret:	what was made
 * @err:	says why, on failure
 *
 * An approval for each state; where @plan says so also bounded ones, which do not look at
 * the PCRs in @open, but at the TPM's resetCount and restartCount: they hold in the boots
 * after this one, as many as @plan says, unless the TPM slept. Those prepared in this boot
 * before count: what is open, and how long, is never less than it was. Only from a boot
 * state that is approved itself, and without bounds. A failure leaves the ring as it was.
 *
 * Returns 0, -EINVAL (another bank; nothing would be left that the ring depends on) and as
 * sr_ring_reseal().
 */
int sr_ring_prepare(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		    const struct sr_plan *plan, const struct sr_ring_options *options,
		    struct sr_prepared *ret, struct sr_err *err);

/**
 * sr_ring_prepared() - the update was made, or it was not
 * @ring:	an open ring
 * @prepared:	what was prepared for it
 * @made:	what was prepared before goes; else what was added
 * @follow:	as in struct sr_ring_options
 * @err:	says why, on failure
 *
 * Needs no TPM. Returns 0, -EIO and others.
 */
int sr_ring_prepared(struct sr_ring *ring, const struct sr_prepared *prepared, bool made,
		     const struct sr_follow *follow, struct sr_err *err);

/**
 * sr_ring_unprepare() - remove all that was prepared
 * @ring:	a loaded ring
 * @tpm:	the TPM; it opens the ring if volumes have to follow
 * @ask:	where a PIN comes from; may be NULL
 * @follow:	as above
 * @err:	says why, on failure
 *
 * Returns how many approvals, -EKEYREJECTED (nothing else opens this boot) and as
 * sr_ring_open_for_admin().
 */
int sr_ring_unprepare(struct sr_ring *ring, struct sr_tpm *tpm, const struct sr_ask *ask,
		      const struct sr_follow *follow, struct sr_err *err);

/**
 * enum sr_confirmed - what a good boot changed
 * @SR_CONFIRMED_NOTHING:	all was as it should be, or nothing can be said yet
 * @SR_CONFIRMED_DROPPED:	approvals that are needed no longer are gone
 * @SR_CONFIRMED_STATE:		the ring is sealed to just this boot state
 * @SR_CONFIRMED_LATER:		so it is; the next boot has to prove it
 */
enum sr_confirmed {
	SR_CONFIRMED_NOTHING,
	SR_CONFIRMED_DROPPED,
	SR_CONFIRMED_STATE,
	SR_CONFIRMED_LATER,
};

/**
 * struct sr_confirmation - what sr_ring_confirm_boot() did
 * @what:	in one word
 * @text:	why, in one line; may be empty
 * @warning:	why there is no baseline; mostly empty
 */
struct sr_confirmation {
	enum sr_confirmed what;
	char text[256];
	char warning[512];
};

/**
 * sr_ring_confirm_boot() - this boot is good: leave only what is needed from now on
 * @ring:	a loaded ring
 * @tpm:	the TPM
 * @ask:	where a PIN comes from; may be NULL
 * @options:	@pin and @follow, as sr_ring_prepare()
 * @ret:	what was done
 * @err:	says why, on failure
 *
 * If a bounded approval opened this boot, the ring is sealed to just this boot state. If
 * one without bounds did, it becomes "current", and the bounded ones of earlier boots
 * go. Where approvals change, a baseline is taken. What opened this boot in the initramfs
 * stays until another one has opened one. Nothing is approved where PCR 0 to 7 are not what
 * this boot's event log leads to, as after hibernation.
 *
 * With nothing to do one or two TPM commands. Returns 0, -EKEYREJECTED (this boot does not
 * open the ring) and as sr_ring_reseal().
 */
int sr_ring_confirm_boot(struct sr_ring *ring, struct sr_tpm *tpm,
			 const struct sr_ask *ask, const struct sr_ring_options *options,
			 struct sr_confirmation *ret, struct sr_err *err);

#ifdef __cplusplus
}
#endif
#endif
