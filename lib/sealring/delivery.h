/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a secret goes: kernel keyrings and credentials. */
#ifndef SEALRING_DELIVERY_H
#define SEALRING_DELIVERY_H

#include <sealring/ring.h>

#ifdef __cplusplus
extern "C" {
#endif

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
