/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Software keys for who may not read rings: asked for at the socket of tpm-credential. */
#include "fetch.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ground/clock.h"
#include "ring/store.h"

#define SOCKET "softkey.sock"
#define UNIT "tpm-sign.service"
/*
 * It may have to be started, and to wait for the TPM. But who stops us waits no longer than 30 s
 * for what was begun, and 8 s of them are those of other clients.
 */
#define SECONDS 20
#define CONTENT_MAX 1024 /* bytes of PKCS#8, or of a refusal; that of a unit is more */

bool sr_fetch_needed(const struct sr_store *store)
{
	return store->runtime_dir && access(store->rings_path, R_OK | X_OK) < 0 &&
	       errno == EACCES;
}

/* What is wanted is the address that it is asked from, as for a credential of a unit. */
static int bind_to(int fd, const char *name, struct sr_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint64_t number;
	int size;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return sr_fail_sys(err, errno, "cannot make a random number");
	size = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
			"%" PRIx64 "/unit/" UNIT "/%s", number, name);
	if (bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
		     (socklen_t)size) < 0)
		return sr_fail_sys(err, errno, "cannot set up a socket");
	return 0;
}

static void set_patience(int fd, int option, time_t until)
{
	time_t left = until - sr_clock();
	struct timeval patience = { .tv_sec = left > 0 ? left : 1 };

	(void)setsockopt(fd, SOL_SOCKET, option, &patience, sizeof(patience));
}

static int connect_to(const struct sr_store *store, const char *name, int *ret,
		      struct sr_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	time_t until = sr_clock() + SECONDS;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int size, r;

	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot set up a socket");
	size = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET,
			store->runtime_dir);
	if ((size_t)size >= sizeof(address.sun_path))
		return sr_fail(err, -EINVAL, "%s is too long for a socket",
			       store->runtime_dir);
	r = bind_to(fd, name, err);
	if (r < 0)
		return r;
	set_patience(fd, SO_SNDTIMEO, until);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return sr_fail(err, -EIO,
			       "its ring is not for this user to read, and at %s nobody "
			       "answers: systemctl start tpm-sign-softkey.socket",
			       address.sun_path);
	set_patience(fd, SO_RCVTIMEO, until);
	*ret = take_fd(&fd);
	return 0;
}

/* A byte that no key begins with, an errno, and why in words. */
static bool is_denial(const struct sr_secret *content)
{
	return content->size > 2 && content->data[0] == 0 && content->data[1] != 0;
}

/* What it said would be done for a secret; a PIN can't be given to it. */
static int fail_denied(const struct sr_key *key, const struct sr_secret *content,
		       struct sr_err *err)
{
	int r = -content->data[1];

	if (r == -EACCES)
		return sr_fail(
		    err, -EPERM,
		    "its ring %s has a PIN, and is not for the daemon to read: "
		    "tpm-sign sign --direct %s, for who may read it",
		    key->ring, key->name);
	return sr_fail(err, r, "%.*s", (int)(content->size - 2),
		       (const char *)content->data + 2);
}

int sr_fetch(const struct sr_key *key, const struct sr_store *store,
	     struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret content = { 0 };
	_cleanup_close_ int fd = -1;
	char name[SR_NAME_MAX + 1];
	int r = sr_software_name(key, name, err);

	if (r == 0)
		r = connect_to(store, name, &fd, err);
	if (r < 0)
		return r;
	r = sr_secret_read(fd, SOCKET, CONTENT_MAX, &content, err);
	if (r == 0 && is_denial(&content))
		return fail_denied(key, &content, err);
	if (r == -EAGAIN)
		return sr_fail(err, -ETIMEDOUT,
			       "tpm-credential did not answer within %d s: its journal "
			       "says why, journalctl -u tpm-sign-softkey",
			       SECONDS);
	if (r == -EINVAL || (r == 0 && content.size == 0))
		return sr_fail(err, -EIO,
			       "tpm-credential refuses it: its journal says why, "
			       "journalctl -u tpm-sign-softkey");
	return r < 0 ? r : sr_softkey_read(&content, &key->file->pub, ret, err);
}
