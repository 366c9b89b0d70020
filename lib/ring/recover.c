/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The recovery copy of a ring: written, proven, opened. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#include "codec/recovery.h"
#include "manage.h"

static const char recovery_file[] = "recovery.cms";

static int digest_text(const struct sr_buf *content, char ret[65], struct sr_err *err)
{
	uint8_t digest[32];

	if (EVP_Digest(content->data, content->size, digest, NULL, EVP_sha256(), NULL) !=
	    1)
		return sr_fail_libcrypto(err, "hashing recovery.cms");
	sr_hex_format(digest, sizeof(digest), ret);
	return 0;
}

static int read_copy(const struct sr_ring *ring, struct sr_buf *ret, struct sr_err *err)
{
	int r = sr_read_file(ring->dir, recovery_file, SR_RECOVERY_MAX, ret, err);

	if (r == -ENOENT)
		return sr_fail(err, -EACCES,
			       "it was made without recovery: only its TPM opens it");
	return r;
}

struct proof {
	const struct sr_ring *ring;
	const struct sr_recovery *recovery;
	bool announce;
};

/* Escrow keys are not here, so for them the shape is all that can be proven. */
static int prove(const struct proof *proof, const struct sr_buf *content,
		 struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret again = { 0 };
	int r = sr_recovery_check(content, NULL, NULL, err);

	if (r < 0 || !proof->recovery->key)
		return r;
	r = sr_recovery_open(content, proof->recovery->key, &again, err);
	if (r == 0 && !sr_secret_equal(&again, &proof->ring->key))
		return sr_fail(err, -EIO, "the recovery copy holds another key");
	return r;
}

/* The last thing before the copy counts, and before the one that is there goes. */
static int check_copy(const struct sr_buf *content, void *arg, struct sr_err *err)
{
	const struct proof *proof = arg;
	int r = prove(proof, content, err);

	if (r < 0 || !proof->announce || !proof->recovery->announce)
		return r;
	return proof->recovery->announce(proof->recovery->arg, err);
}

static bool has_recovery(const struct sr_recovery *recovery)
{
	return (recovery->key && recovery->key->size) ||
	       (recovery->escrow && recovery->escrow->count);
}

int sr_recovery_write(struct sr_ring *ring, const struct sr_recovery *recovery,
		      bool announce, struct sr_err *err)
{
	struct proof proof = { ring, recovery, announce };
	struct sr_check check = { check_copy, &proof };
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r;

	if (!has_recovery(recovery))
		return 0;
	r = sr_recovery_seal(&ring->key, recovery->key, recovery->escrow, &content, err);
	if (r == 0)
		r = sr_replace_file(ring->dir, recovery_file, &content, 0600, &check,
				    err);
	if (r == 0)
		r = digest_text(&content, ring->recovery_digest, err);
	if (r == 0)
		ring->proven = recovery->key ? time(NULL) : 0;
	return r;
}

/*
 * The key that made ring.conf's MAC is the ring's. Should somebody have edited that file,
 * what is here can still be got out; nothing is written to such a ring.
 * A copy of before a rotation opens as well, but not what is here now. One secret that
 * opens is enough: another may be damaged, and recovery is not the time to insist.
 */
static int check_ring_key(struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **names = NULL;
	int count;

	if (sr_ring_check_mac(ring, NULL) == 0)
		return 0;
	count = sr_secrets_list(ring, &names, err);
	for (int i = 0; i < count; i++) {
		_cleanup_secret_ struct sr_secret secret = { 0 };
		int r = sr_secret_load(ring, names[i], &secret, err);

		if (r != -EBADMSG)
			return r;
	}
	if (count < 0)
		return count;
	return sr_fail(
	    err, -EBADMSG,
	    "recovery.cms opens, but with another ring's key, or one of before a "
	    "rotation: restore the right copy from a backup");
}

static int take_key(struct sr_ring *ring, struct sr_secret *key, struct sr_err *err)
{
	int r;

	sr_secret_done(&ring->key);
	sr_secret_take(key, &ring->key);
	r = check_ring_key(ring, err);
	if (r < 0)
		sr_secret_done(&ring->key);
	return r;
}

int sr_ring_open_recovery(struct sr_ring *ring, const struct sr_secret *recovery_key,
			  struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret key = { 0 };
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = read_copy(ring, &content, err);

	if (r == 0)
		r = sr_recovery_open(&content, recovery_key, &key, err);
	if (r == 0)
		r = take_key(ring, &key, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : 0;
}

int sr_ring_open_escrow(struct sr_ring *ring, const struct sr_secret *private_key,
			struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret key = { 0 };
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = read_copy(ring, &content, err);

	if (r == 0)
		r = sr_recovery_open_escrow(&content, private_key, &key, err);
	if (r == 0)
		r = take_key(ring, &key, err);
	return r < 0 ? sr_fail_ring(ring, r, err) : 0;
}

int sr_recovery_note(struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r = read_copy(ring, &content, err);

	if (r == 0)
		r = digest_text(&content, ring->recovery_digest, err);
	if (r == 0)
		ring->proven = time(NULL);
	return r;
}

int sr_ring_recovery_proven(struct sr_ring *ring, struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	int r = sr_ring_need_key(ring, err);

	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r == 0)
		r = sr_recovery_note(ring, err);
	return r < 0 ? r : sr_ring_save(ring, err);
}

/* The new key is in its owner's hands before the old copy, which the old one opens, goes. */
int sr_ring_recovery_renew(struct sr_ring *ring, const struct sr_recovery *recovery,
			   struct sr_err *err)
{
	_cleanup_close_ int lock = -1;
	int r = sr_ring_need_key(ring, err);

	if (r == 0 && !has_recovery(recovery))
		return sr_fail(err, -EINVAL, "a recovery key or a certificate is needed");
	if (r == 0)
		r = sr_ring_lock(ring, &lock, err);
	if (r == 0)
		r = sr_recovery_write(ring, recovery, true, err);
	return r < 0 ? r : sr_ring_save(ring, err);
}

static void describe_recovery(struct sr_ring *ring, struct sr_ring_info *info)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	char digest[65];

	/* In doubt there is one. */
	info->recovery =
	    faccessat(ring->dir, recovery_file, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    errno != ENOENT;
	if (read_copy(ring, &content, NULL) < 0 ||
	    sr_recovery_check(&content, &info->recovery_key, &info->escrow, NULL) < 0)
		return;
	if (digest_text(&content, digest, NULL) < 0 ||
	    strcmp(digest, ring->recovery_digest) != 0)
		return;
	info->recovery_intact = true;
	info->recovery_proven = ring->proven;
}

static void describe_latch(const struct sr_ring *ring, struct sr_ring_info *info)
{
	info->managed = sr_manage_exists(ring, NULL) > 0;
	if (sr_ring_latch(ring))
		info->latch = (unsigned int)__builtin_ctz(sr_ring_latch(ring));
}

int sr_ring_info(struct sr_ring *ring, struct sr_ring_info *ret, struct sr_err *err)
{
	_cleanup_(sr_strv_freep) char **secrets = NULL;
	int count = sr_ring_secrets(ring, &secrets, err);

	if (count < 0)
		return count;
	*ret = (struct sr_ring_info){
		.name = ring->name,
		.id = ring->id,
		.pcrs = ring->pcrs_text,
		.pin = ring->pin,
		.created = ring->created,
		.secrets = (size_t)count,
	};
	describe_latch(ring, ret);
	describe_recovery(ring, ret);
	return 0;
}
