/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users who locked their agent: each with a passphrase of their own. */
#include "locks.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define PAUSE_STEP 100000000L /* nanoseconds */
#define PAUSE_STEPS 100

SR_DEFINE_CLEANUP(md_ctx_freep, EVP_MD_CTX *, EVP_MD_CTX_free)

static struct sr_lock *find(struct sr_locks *locks, uid_t uid)
{
	for (size_t i = 0; i < SR_LOCKS_MAX; i++)
		if (locks->lock[i].digest.size > 0 && locks->lock[i].uid == uid)
			return &locks->lock[i];
	return NULL;
}

bool sr_locks_has(const struct sr_locks *locks, uid_t uid)
{
	return find((struct sr_locks *)locks, uid);
}

bool sr_locks_any(const struct sr_locks *locks)
{
	for (size_t i = 0; i < SR_LOCKS_MAX; i++)
		if (locks->lock[i].digest.size > 0)
			return true;
	return false;
}

static int digest(const uint8_t salt[SR_LOCK_SALT], const uint8_t *phrase, size_t size,
		  struct sr_secret *ret)
{
	_cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r = sr_secret_alloc(32, ret, NULL);

	if (r < 0)
		return r;
	return ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
		       EVP_DigestUpdate(ctx, salt, SR_LOCK_SALT) == 1 &&
		       EVP_DigestUpdate(ctx, phrase, size) == 1 &&
		       EVP_DigestFinal_ex(ctx, ret->data, NULL) == 1
		   ? 0
		   : sr_fail_libcrypto(NULL, "hashing");
}

bool sr_locks_add(struct sr_locks *locks, uid_t uid, const uint8_t *phrase, size_t size)
{
	_cleanup_secret_ struct sr_secret hashed = { 0 };
	struct sr_lock *place = NULL;

	if (find(locks, uid))
		return false;
	for (size_t i = 0; !place && i < SR_LOCKS_MAX; i++)
		if (locks->lock[i].digest.size == 0)
			place = &locks->lock[i];
	if (!place || RAND_bytes(place->salt, SR_LOCK_SALT) != 1 ||
	    digest(place->salt, phrase, size, &hashed) < 0)
		return false;
	place->uid = uid;
	place->failures = 0;
	place->not_before = (struct timespec){ 0 };
	sr_secret_take(&hashed, &place->digest);
	return true;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static void pause_after(struct sr_lock *lock, const struct timespec *now)
{
	long pause;

	if (lock->failures < PAUSE_STEPS)
		lock->failures++;
	pause = now->tv_nsec + (long)lock->failures * PAUSE_STEP;
	lock->not_before = (struct timespec){
		.tv_sec = now->tv_sec + pause / 1000000000L,
		.tv_nsec = pause % 1000000000L,
	};
}

bool sr_locks_open(struct sr_locks *locks, uid_t uid, const uint8_t *phrase, size_t size)
{
	_cleanup_secret_ struct sr_secret hashed = { 0 };
	struct sr_lock *lock = find(locks, uid);
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	if (!lock || is_before(&now, &lock->not_before))
		return false;
	if (digest(lock->salt, phrase, size, &hashed) < 0 ||
	    !sr_secret_equal(&hashed, &lock->digest)) {
		pause_after(lock, &now);
		return false;
	}
	sr_secret_done(&lock->digest);
	return true;
}

void sr_locks_clear(struct sr_locks *locks)
{
	for (size_t i = 0; i < SR_LOCKS_MAX; i++)
		sr_secret_done(&locks->lock[i].digest);
}
