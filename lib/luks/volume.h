/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A LUKS2 volume: what it is encrypted with, its keyslots, its tokens of ours. */
#ifndef SR_LUKS_VOLUME_H
#define SR_LUKS_VOLUME_H

#include <libcryptsetup.h>

#include "ground/err.h"

#define SR_UUID_TEXT 37	   /* an UUID and its NUL */
#define SR_SPEC_TEXT 256   /* the longest description of an encryption and its NUL */
#define SR_VOLUME_SLOTS 32 /* keyslots and tokens of a LUKS2 header, at most each */

/**
 * sr_volume_spec() - what a volume is encrypted with: "aes-xts-plain64 512"
 * @cd:		a loaded LUKS2 device
 * @ret:	cipher, mode, bits of the volume key, and integrity where there is any
 * @err:	says why it is not to be unlocked unattended, on failure
 *
 * A header is not authenticated. Whoever makes it say "cipher_null" gets his own data
 * behind the victim's keyslot, and the victim's volume key into the kernel's table; so no
 * passphrase is given out for another encryption than the one that was enrolled.
 *
 * Returns 0, -EBADMSG (no encryption, or one that is just being changed) or -EIO.
 */
int sr_volume_spec(struct crypt_device *cd, char ret[SR_SPEC_TEXT], struct sr_err *err);

/** sr_volume_check_slot() - -EBADMSG unless a keyslot is in use, encrypted, and the volume's */
int sr_volume_check_slot(struct crypt_device *cd, int slot, struct sr_err *err);

/** sr_uuid_ok() - whether a text has the length and the letters of a UUID */
bool sr_uuid_ok(const char *text);

/** sr_volume_uuid() - the header's UUID in lower case; -EBADMSG if it is none */
int sr_volume_uuid(struct crypt_device *cd, char ret[SR_UUID_TEXT], struct sr_err *err);

/**
 * struct sr_volume - an opened device or image file
 * @cd:		its header, loaded
 * @path:	what the user called it
 * @uuid:	what the header calls it
 * @said:	the last error that libcryptsetup logged
 */
struct sr_volume {
	struct crypt_device *cd;
	char *path;
	char uuid[SR_UUID_TEXT];
	char said[256];
};

/**
 * sr_volume_open() - read the header of a device or image file
 * @path:	which
 * @ret:	release with sr_volume_close()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (not LUKS2, no such file), -ENOMEM or -EIO.
 */
int sr_volume_open(const char *path, struct sr_volume **ret, struct sr_err *err);

/** sr_volume_close() - release; NULL is fine */
void sr_volume_close(struct sr_volume *volume);

SR_DEFINE_CLEANUP(sr_volume_closep, struct sr_volume *, sr_volume_close)
#define _cleanup_volume_ _cleanup_(sr_volume_closep)

/** sr_volume_reload() - read the header from the disk again */
int sr_volume_reload(struct sr_volume *volume, struct sr_err *err);

/** sr_volume_fail() - describe a failure of libcryptsetup with what it said; -EIO mostly */
int sr_volume_fail(const struct sr_volume *volume, int r, const char *what,
		   struct sr_err *err);

/** sr_volume_check() - sr_volume_spec() for a volume that was opened by name */
int sr_volume_check(struct sr_volume *volume, char ret[SR_SPEC_TEXT], struct sr_err *err);

/** sr_volume_active() - whether a keyslot is in use */
bool sr_volume_active(const struct sr_volume *volume, int slot);

/**
 * sr_volume_opens() - which keyslot a passphrase opens
 * @volume:	the volume
 * @slot:	the only one to try, or CRYPT_ANY_SLOT
 * @passphrase:	the passphrase
 * @err:	says why, on failure
 *
 * Returns the keyslot, -EACCES (it opens none) or -EIO.
 */
int sr_volume_opens(struct sr_volume *volume, int slot,
		    const struct sr_secret *passphrase, struct sr_err *err);

/**
 * sr_volume_key() - the volume key, by a passphrase
 * @volume:	the volume
 * @passphrase:	opens any of its keyslots
 * @ret:	the key; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EACCES (it opens none), -ENOMEM or -EIO.
 */
int sr_volume_key(struct sr_volume *volume, const struct sr_secret *passphrase,
		  struct sr_secret *ret, struct sr_err *err);

/**
 * sr_volume_key_by_token() - the volume key, by any token of the header, other tools' too
 * @volume:	the volume
 * @ask:	where a PIN comes from, if one of them wants it
 * @ret:	the key; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns as sr_volume_key().
 */
int sr_volume_key_by_token(struct sr_volume *volume, const struct sr_ask *ask,
			   struct sr_secret *ret, struct sr_err *err);

/** sr_volume_backup() - copy header and keyslots into a new file, 0600; -EEXIST, -EIO */
int sr_volume_backup(struct sr_volume *volume, const char *file, struct sr_err *err);

#endif
