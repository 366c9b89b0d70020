/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where keys live: keys/NAME.pem, and what belongs to it. */
#ifndef SR_KEYSTORE_H
#define SR_KEYSTORE_H

#include "ground/io.h"
#include "ring/store.h"
#include "sealring.h"

#define SR_SSHCERT_SUFFIX "-cert.pub" /* where OpenSSH looks for a certificate */
#define SR_KEY_VERSIONS 9999	      /* of one name, at most */
#define SR_KEY_NAME (SR_NAME_MAX + 5) /* "NAME@9999": an older version */
#define SR_KEY_FILE (SR_KEY_NAME + sizeof(SR_SSHCERT_SUFFIX)) /* the longest name */
#define SR_CERTIFICATES_MAX 65536 /* bytes in a file of certificates, at most */

/** sr_keystore_dir() - open keys/, or -ENOENT */
int sr_keystore_dir(const struct sr_store *store, struct sr_err *err);

/**
 * sr_keystore_lock() - become the only writer
 * @store:	the store; its directories are made if missing
 * @ret:	an open descriptor of keys/ that holds the lock until it is closed
 * @err:	says why, on failure
 */
int sr_keystore_lock(const struct sr_store *store, int *ret, struct sr_err *err);

/** sr_keystore_lock_key() - the same, if a key is still there; otherwise -ENOKEY */
int sr_keystore_lock_key(const struct sr_store *store, const char *name, int *ret,
			 struct sr_err *err);

/** sr_keystore_file() - "NAME.pem" and the like */
void sr_keystore_file(const char *name, const char *suffix, char ret[SR_KEY_FILE]);

/** sr_keystore_read() - a key's file, as sr_key_read() takes it; as sr_read_file() fails */
int sr_keystore_read(int dir, const char *name, struct sr_buf *ret, struct sr_err *err);

/** sr_keystore_mode() - permissions of a key: those who may list the keys may read it */
mode_t sr_keystore_mode(int dir);

/**
 * sr_keystore_begin() - make room for a new key
 * @dir:	keys/, locked
 * @name:	its name
 * @err:	says why, on failure
 *
 * What a killed delete left of an older key of that name goes.
 *
 * Returns 0, -EEXIST or -EIO.
 */
int sr_keystore_begin(int dir, const char *name, struct sr_err *err);

/** sr_keystore_check() - 0 if @name may be one of a key or of an older version, or -EINVAL */
int sr_keystore_check(const char *name, struct sr_err *err);

/** sr_keystore_list() - names of all keys, and of their older versions, in order */
int sr_keystore_list(int dir, struct sr_names *ret, struct sr_err *err);

/** sr_keystore_plain() - NAME of "NAME@VERSION"; returns whether there was a version */
bool sr_keystore_plain(const char *name, char ret[SR_NAME_MAX + 1]);

/** sr_keystore_older() - "NAME@VERSION" */
void sr_keystore_older(const char *name, unsigned int version, char ret[SR_KEY_NAME + 1]);

/**
 * sr_keystore_keep() - give a key a second name, as an older version
 * @dir:	keys/, locked
 * @name:	its name
 * @version:	the number that tells it from those after it
 * @err:	says why, on failure
 *
 * What had that name before goes.
 */
int sr_keystore_keep(int dir, const char *name, unsigned int version, struct sr_err *err);

/** sr_keystore_renewed() - remove what is for the key that had this name before */
int sr_keystore_renewed(int dir, const char *name, struct sr_err *err);

/**
 * sr_keystore_remove() - remove a key, and all older versions of it
 *
 * Its private part goes last, so that it stays whole.
 */
int sr_keystore_remove(int dir, const char *name, struct sr_err *err);

#endif
