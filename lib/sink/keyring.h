/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel's keyrings hold; the functions are in sealring.h. */
#ifndef SR_KEYRING_H
#define SR_KEYRING_H

#include "ground/secret.h"

#define SR_KEYRING_USER_MAX 32767	/* bytes in a key of type user or logon */
#define SR_KEYRING_BIG_MAX 1048575	/* bytes in a key of type big_key */
#define SR_KEYRING_DESCRIPTION_MAX 4095 /* bytes in a description */

/*
 * Beside what sealring.h says about struct sr_keyring:
 *
 * @keyring is "@u", "@us", "@s", "@p", a serial number (decimal or 0x hex), or "%:NAME"
 * or "NAME" of a keyring that belongs to the user. @description must be there, and be
 * "prefix:rest" for logon. Without @permissions the kernel decides (possessor everything,
 * owner view), and a key that is there already keeps those it has.
 *
 * The kernel has no call by which root adds a key to another user's @u: "@u" always means
 * that of the calling process. So for a @user (name or uid) other than the caller a
 * forked child becomes that user (groups, gid, uid), does the work and reports through a
 * pipe; that needs root. The key then belongs to that user and counts in that user's
 * quota (200 keys and 20,000 bytes unless raised). "@s" and "@p" would be the caller's:
 * refused.
 *
 * A process has a possessor's rights only to keys below its own thread, process or
 * session keyring. The session keyring of a systemd service (KeyringMode=private, the
 * default) has no link to @u: the service links it first (keyctl link @u @s), or
 * @permissions gives the owner KEY_USR_READ, and KEY_USR_SEARCH to find it.
 *
 * sr_keyring_put() updates a key of that type and description, which keeps its serial, if
 * it belongs to us, may be written and has the permissions asked for. Otherwise a new key
 * gets timeout and permissions out of sight and then takes the place of the old one at
 * once. So no step shows the secret with wider rights than asked for; the exception is
 * that a possessor of the keyring may for a moment search, link and change a new key's
 * attributes. A failure leaves the old key, or none.
 *
 * Errors: -EINVAL as sr_keyring_check() or not a keyring, -ENOKEY no such keyring (or no
 * such key to remove), -EPERM the kernel does not permit it, -EDQUOT the user's quota is
 * exhausted, -EKEYREVOKED and -EKEYEXPIRED the keyring is of no use any more, -EOPNOTSUPP
 * this kernel has no keys of that type, -ETIMEDOUT the child was held up; and others.
 */

#endif
