/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a token to a volume's passphrase. */
#include "unlock.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "ground/base64.h"

SR_DEFINE_CLEANUP(free_ringp, struct sr_ring *, sr_ring_free)
#define _cleanup_secret_ _cleanup_(sr_secret_done)

#define WAIT_MS 10000 /* for others who unlock at the same time */

int sr_passphrase_new(struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret random = { 0 }, text = { 0 };
	int r = sr_secret_random(32, &random, err);

	if (r == 0)
		r = sr_secret_alloc(SR_PASSPHRASE + 1, &text, err);
	if (r < 0)
		return r;
	sr_base64_format(random.data, random.size, (char *)text.data);
	return sr_secret_copy(text.data, SR_PASSPHRASE, ret, err);
}

static int name_of(struct crypt_device *cd, int slot, char ret[SR_NAME_MAX + 1],
		   struct sr_err *err)
{
	char uuid[SR_UUID_TEXT];
	int r = sr_volume_uuid(cd, uuid, err);

	if (r == 0)
		(void)snprintf(ret, SR_NAME_MAX + 1, "luks-%s-%d", uuid, slot);
	return r;
}

int sr_passphrase_wrap(const struct sr_ring *ring, struct crypt_device *cd, int slot,
		       const struct sr_secret *passphrase, struct sr_buf *ret,
		       struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret both = { 0 };
	char spec[SR_SPEC_TEXT], name[SR_NAME_MAX + 1];
	int r = sr_volume_spec(cd, spec, err);

	if (r == 0)
		r = name_of(cd, slot, name, err);
	if (r == 0)
		r = sr_secret_alloc(passphrase->size + 1 + strlen(spec), &both, err);
	if (r < 0)
		return r;
	memcpy(both.data, passphrase->data, passphrase->size);
	both.data[passphrase->size] = '\n';
	memcpy(both.data + passphrase->size + 1, spec, strlen(spec));
	return sr_ring_wrap(ring, name, &both, &ret->data, &ret->size, err);
}

static int split(const struct sr_secret *both, const char *spec, struct sr_secret *ret,
		 struct sr_err *err)
{
	size_t size = strlen(spec);

	if (both->size <= SR_PASSPHRASE || both->data[SR_PASSPHRASE] != '\n')
		return sr_fail(err, -EBADMSG, "the token holds no passphrase");
	if (both->size != SR_PASSPHRASE + 1 + size ||
	    CRYPTO_memcmp(both->data + SR_PASSPHRASE + 1, spec, size) != 0)
		return sr_fail(err, -EBADMSG,
			       "the header says another encryption than the volume was "
			       "enrolled with: %s",
			       spec);
	return sr_secret_copy(both->data, SR_PASSPHRASE, ret, err);
}

int sr_passphrase_unwrap(const struct sr_ring *ring, struct crypt_device *cd,
			 const struct sr_token *token, struct sr_secret *ret,
			 struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret both = { 0 };
	char spec[SR_SPEC_TEXT], name[SR_NAME_MAX + 1];
	int r = sr_volume_spec(cd, spec, err);

	if (r == 0)
		r = name_of(cd, token->slot, name, err);
	if (r == 0)
		r = sr_ring_unwrap(ring, name, token->envelope.data, token->envelope.size,
				   &both, err);
	return r < 0 ? r : split(&both, spec, ret, err);
}

/* What another process left under the ring's id is given up if it opens nothing. */
static int open_and_unwrap(struct sr_ring *ring, struct crypt_device *cd,
			   const struct sr_token *token,
			   const struct sr_ring_opener *opener, struct sr_secret *ret,
			   struct sr_err *err)
{
	int kept = sr_ring_open_cached(ring, opener, err), r;

	if (kept < 0)
		return kept;
	r = sr_passphrase_unwrap(ring, cd, token, ret, err);
	if (r != -EBADMSG || kept == 0)
		return r;
	sr_ring_cache_drop(ring);
	r = sr_ring_open_cached(ring, opener, err);
	return r < 0 ? r : sr_passphrase_unwrap(ring, cd, token, ret, err);
}

/*
 * systemd unlocks all volumes at once: the first asks the TPM, the others find its key.
 * Who waits in vain goes on by itself.
 */
static int wait_for_others(const char *notes)
{
	static const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	_cleanup_close_ int fd = -1;

	if (!notes)
		return -1;
	if (mkdir(notes, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = open(notes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int waited = 0; fd >= 0 && waited < WAIT_MS; waited += 20) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return take_fd(&fd);
		(void)nanosleep(&pause, NULL);
	}
	return -1;
}

static bool noted_before(const char *notes, const struct sr_token *token,
			 const struct sr_err *err)
{
	struct sr_boot_note note;

	return sr_boot_note_read(notes, token->parts.name, &note, NULL) == 0 &&
	       note.failed && strcmp(note.id, token->parts.id) == 0 &&
	       strcmp(note.text, err->text) == 0;
}

/* An open ring of which the latch does not know could be forgotten: it is closed again. */
static int note_opened(const struct sr_unlocking *how, struct sr_ring *ring,
		       struct sr_err *err)
{
	int r = how->notes ? sr_boot_note_opened(how->notes, ring, err) : 0;

	if (r < 0)
		sr_ring_cache_drop(ring);
	return r;
}

static void note_failed(struct sr_unlocking *how, const struct sr_token *token,
			const struct sr_ring *ring, const struct sr_err *err)
{
	if (!how->notes)
		return;
	how->again = noted_before(how->notes, token, err);
	if (err->code == -EACCES)
		return; /* a PIN that is still to be typed, or mistyped */
	if (how->store && err->code == -EKEYREJECTED)
		(void)sr_ring_cause(ring, how->store, how->cause);
	(void)sr_boot_note_failed(how->notes, ring, err, how->cause, NULL);
}

int sr_unlock(struct crypt_device *cd, const struct sr_token *token,
	      struct sr_unlocking *how, struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(free_ringp) struct sr_ring *ring = NULL;
	_cleanup_secret_ struct sr_secret passphrase = { 0 };
	_cleanup_close_ int lock = -1;
	char spec[SR_SPEC_TEXT];
	struct sr_err why = { 0 };
	int r = sr_volume_spec(cd, spec, err), noted;

	if (r == 0)
		r = sr_volume_check_slot(cd, token->slot, err);
	if (r == 0)
		r = sr_ring_from_parts(&token->parts, &ring, err);
	if (r < 0)
		return r;
	lock = wait_for_others(how->notes);
	r = open_and_unwrap(ring, cd, token, &how->opener, &passphrase, err);
	/* Also when the token is a forged one: the ring is open, and its key is kept. */
	noted = note_opened(how, ring, &why);
	if (noted < 0)
		r = sr_fail(err, noted, "%s", why.text);
	if (r < 0) {
		note_failed(how, token, ring, err);
		return r;
	}
	*ret = passphrase;
	passphrase = (struct sr_secret){ 0 };
	return 0;
}

/* "ring boot: policy does not hold: PCR 0 changed since 2026-11-21: if you know why ..." */
static bool from_policy(const char *text, char ret[SR_CAUSE_TEXT])
{
	static const char before[] = "policy does not hold: ";
	const char *at = strstr(text, before);

	if (!at)
		return false;
	at += strlen(before);
	(void)snprintf(ret, SR_CAUSE_TEXT, "%.*s", (int)strcspn(at, ":"), at);
	return true;
}

void sr_unlock_cause(const struct sr_err *err, char ret[SR_CAUSE_TEXT])
{
	switch (-err->code) {
	case EKEYREJECTED:
		if (from_policy(err->text, ret))
			return;
		break;
	case EACCES:
		(void)snprintf(ret, SR_CAUSE_TEXT, "the PIN is wrong or missing");
		return;
	case EBUSY:
		(void)snprintf(ret, SR_CAUSE_TEXT, "the TPM is locked after wrong PINs");
		return;
	case ENODEV:
		(void)snprintf(ret, SR_CAUSE_TEXT, "no TPM");
		return;
	case EREMOTE:
		(void)snprintf(ret, SR_CAUSE_TEXT, "another TPM, or the TPM was cleared");
		return;
	default:
		break;
	}
	(void)snprintf(ret, SR_CAUSE_TEXT, "%s", err->text);
}
