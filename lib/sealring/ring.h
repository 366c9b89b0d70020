/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store, its rings, their secrets and recovery. */
#ifndef SEALRING_RING_H
#define SEALRING_RING_H

#include <sealring/base.h>

#ifdef __cplusplus
extern "C" {
#endif

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
 * @auto_lock:	[Sign] AutoLock=, seconds until a PIN that is not used is forgotten; 300
 * @encrypt_sessions:	[Sign] EncryptSessions=: all that goes to the TPM; true
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
	unsigned int auto_lock;
	bool encrypt_sessions;
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
 * @recovery:	there is a recovery copy, whatever it is
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
	bool recovery;
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

/* ---- secrets of a ring ---- */

/*
 * A secret whose name ends in ".manage" is the key of a ring, in ".approver" one that signs
 * what keys of the TPM are bound to, in ".softkey" a key of tpm-sign. They are neither
 * listed nor given out, made, renamed or removed by these functions: -EINVAL.
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
	SR_STATE_PENDING, /* sealed to this boot state: the next boot has to prove it; or
			     to one to come as well */
	SR_STATE_BRIDGED, /* boots to come open it whatever some of its PCRs are */
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
 * @failed:	when the initramfs of this boot failed to open it, and it was not opened
 *		since; else 0
 * @prepared:	for an update; approving the present state would take that back
 * @text:	one line: why, and what to do
 */
struct sr_status {
	enum sr_state state;
	uint32_t changed;
	time_t approved;
	time_t failed;
	bool prepared;
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

#ifdef __cplusplus
}
#endif
#endif
