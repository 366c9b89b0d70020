/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only holder of key material: locked, out of core dumps, wiped when done. */
#include "secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/mman.h>

#include "io.h"

static bool unlocked;

int sr_secret_alloc(size_t size, struct sr_secret *ret, struct sr_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t mapped = (size + page - 1) / page * page;
	void *data;

	if (size == 0) {
		*ret = (struct sr_secret){ 0 };
		return 0;
	}
	if (mapped < size)
		return sr_fail_memory(err);
	data = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (data == MAP_FAILED)
		return sr_fail_memory(err);
	if (mlock(data, mapped) < 0)
		unlocked = true;
	(void)madvise(data, mapped, MADV_DONTDUMP);
	*ret = (struct sr_secret){ .data = data, .size = size, .mapped = mapped };
	return 0;
}

int sr_secret_copy(const void *data, size_t size, struct sr_secret *ret,
		   struct sr_err *err)
{
	int r = sr_secret_alloc(size, ret, err);

	if (r == 0 && size > 0)
		memcpy(ret->data, data, size);
	return r;
}

int sr_secret_random(size_t size, struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	int r = sr_secret_alloc(size, &secret, err);

	if (r < 0)
		return r;
	if (RAND_priv_bytes(secret.data, (int)size) != 1)
		return sr_fail_libcrypto(err, "making a random key");
	sr_secret_take(&secret, ret);
	return 0;
}

/* One byte more than allowed is read, so that "exactly max" and "too large" differ. */
int sr_secret_read(int fd, const char *name, size_t max, struct sr_secret *ret,
		   struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret secret = { 0 };
	size_t used = 0;
	int r;

	do {
		_cleanup_secret_ struct sr_secret larger = { 0 };
		size_t room = secret.size == 0 ? 4096 : secret.size * 4;
		ssize_t n;

		r = sr_secret_alloc(room > max ? max + 1 : room, &larger, err);
		if (r < 0)
			return r;
		if (used > 0)
			memcpy(larger.data, secret.data, used);
		sr_secret_done(&secret);
		sr_secret_take(&larger, &secret);
		n = sr_read_full(fd, secret.data + used, secret.size - used);
		if (n < 0)
			return sr_fail_sys(err, errno, "cannot read %s", name);
		used += (size_t)n;
	} while (used == secret.size && used <= max);

	if (used > max)
		return sr_fail(err, -EINVAL, "%s is larger than %zu bytes", name, max);
	sr_secret_shrink(&secret, used);
	sr_secret_take(&secret, ret);
	return 0;
}

int sr_secret_write(const struct sr_secret *secret, int fd, const char *name,
		    struct sr_err *err)
{
	if (sr_write_full(fd, secret->data, secret->size) < 0)
		return sr_fail_sys(err, errno, "cannot write to %s", name);
	return 0;
}

bool sr_secret_equal(const struct sr_secret *a, const struct sr_secret *b)
{
	return a->size == b->size &&
	       (a->size == 0 || CRYPTO_memcmp(a->data, b->data, a->size) == 0);
}

void sr_secret_shrink(struct sr_secret *secret, size_t size)
{
	if (size >= secret->size)
		return;
	OPENSSL_cleanse(secret->data + size, secret->size - size);
	secret->size = size;
	if (size == 0)
		sr_secret_done(secret);
}

void sr_secret_done(struct sr_secret *secret)
{
	if (secret->data) {
		OPENSSL_cleanse(secret->data, secret->mapped);
		(void)munmap(secret->data, secret->mapped);
	}
	*secret = (struct sr_secret){ 0 };
}

bool sr_secret_unlocked(void)
{
	return unlocked;
}
