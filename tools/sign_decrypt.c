/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: decrypting what was encrypted to a key, or a message to its certificate. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ground/harmless.h"
#include "sign_daemon.h"

#define CIPHER_MAX 1024 /* bytes that an RSA key decrypts */

/*
 * Who has the private key: the daemon, or the TPM, which is opened when it is needed. @pin: of a
 * message several keys may be tried, and a person is asked once, and a pipe read once.
 */
struct hand {
	struct key_hand of;
	struct sr_ask ask;
	struct sr_secret pin;
};

static void hand_done(struct hand *hand)
{
	key_hand_done(&hand->of);
	sr_secret_done(&hand->pin);
}

static int give_pin(void *arg, const char *name, struct sr_secret *ret,
		    struct sr_err *err)
{
	const struct sr_ask *from = choices_ask();
	struct hand *hand = arg;
	int r = hand->pin.size > 0 ? 0 : from->pin(from->arg, name, &hand->pin, err);

	return r < 0 ? r : sr_secret_copy(hand->pin.data, hand->pin.size, ret, err);
}

static int hand_find(const char *name, struct hand *ret, struct sr_err *err)
{
	int r = daemon_find(name, &ret->of.daemon, err);

	ret->ask = (struct sr_ask){ .pin = give_pin, .arg = ret };
	ret->of.daemon.ask = &ret->ask;
	ret->of.served = r == 1;
	return r == 0 ? key_work_load(&ret->of.work, name, false, err) : r < 0 ? r : 0;
}

static int need_tpm(struct hand *hand, struct sr_err *err)
{
	return hand->of.work.tpm ? 0
				 : tool_tpm(hand->of.work.store, &hand->of.work.tpm, err);
}

static int decrypt(void *arg, const struct sr_padding *padding,
		   const struct sr_secret *cipher, struct sr_secret *ret,
		   struct sr_err *err)
{
	struct hand *hand = arg;
	int r;

	if (hand->of.served)
		return daemon_decrypt(&hand->of.daemon, padding, cipher, ret, err);
	r = need_tpm(hand, err);
	return r < 0 ? r
		     : sr_key_decrypt(hand->of.work.key, hand->of.work.tpm, &hand->ask,
				      padding, cipher, ret, err);
}

static int derive(void *arg, const uint8_t *peer, size_t size, struct sr_secret *ret,
		  struct sr_err *err)
{
	struct hand *hand = arg;
	int r;

	if (hand->of.served)
		return daemon_derive(&hand->of.daemon, peer, size, ret, err);
	r = need_tpm(hand, err);
	return r < 0 ? r
		     : sr_key_derive(hand->of.work.key, hand->of.work.tpm, &hand->ask,
				     peer, size, ret, err);
}

/* ---- messages ---- */

/* NULL where there is none, as for a key file. */
static int find_certificates(const struct hand *hand, const struct sr_key_info *info,
			     char **ret, struct sr_err *err)
{
	int r;

	if (hand->of.served)
		return daemon_certificates(&hand->of.daemon, ret, err);
	if (strchr(info->name, '/'))
		return 0;
	r = sr_key_certificate(hand->of.work.store, hand->of.work.key, ret, err);
	return r == -ENOKEY ? 0 : r;
}

static int check_kind(const char *name, bool in_tpm, struct sr_err *err)
{
	return in_tpm
		   ? 0
		   : sr_fail(err, -EINVAL, "key %s is in software, and only signs", name);
}

static int describe(const struct hand *hand, struct sr_key_info *ret, struct sr_err *err)
{
	const struct daemon *daemon = &hand->of.daemon;
	int r;

	if (hand->of.served) {
		*ret = (struct sr_key_info){ .name = daemon->key, .type = daemon->type };
		return check_kind(daemon->key, !daemon->ring[0], err);
	}
	r = sr_key_info(hand->of.work.key, ret, err);
	return r < 0 ? r : check_kind(ret->name, ret->in_tpm, err);
}

static int open_message(struct hand *hand, const char *file, struct sr_secret *ret,
			struct sr_err *err)
{
	struct sr_cms_hand cms = { .decrypt = decrypt, .derive = derive, .arg = hand };
	_cleanup_free_ char *certificates = NULL;
	_cleanup_secret_ struct sr_secret message = { 0 };
	struct sr_key_info info = { 0 };
	int r = describe(hand, &info, err);

	if (r == 0)
		r = find_certificates(hand, &info, &certificates, err);
	if (r == 0)
		r = choices_read_file(file, SR_CMS_MAX, &message, err);
	if (r < 0)
		return r;
	cms.type = info.type;
	cms.certificates = certificates;
	return sr_cms_open(message.data, message.size, &cms, ret, err);
}

static int open_cipher(struct hand *hand, const char *file, struct sr_secret *ret,
		       struct sr_err *err)
{
	struct sr_padding padding = {
		.oaep = sign_choices.rsaes ? NULL : sign_choices.hash ?: "sha256",
	};
	_cleanup_secret_ struct sr_secret cipher = { 0 };
	int r = choices_read_file(file, CIPHER_MAX, &cipher, err);

	return r < 0 ? r : decrypt(hand, &padding, &cipher, ret, err);
}

static int check_choices(struct sr_err *err)
{
	if (sign_choices.cms && (sign_choices.rsaes || sign_choices.hash))
		return sr_fail(
		    err, -EINVAL,
		    "--cms: the message itself says how it is encrypted: leave "
		    "out --rsaes and --hash");
	if (sign_choices.rsaes && sign_choices.hash)
		return sr_fail(err, -EINVAL, "--rsaes has no hash: leave out --hash");
	return 0;
}

/* Who encrypts may be anybody: lines that a terminal only shows, also those of mail. */
static bool is_shown(const struct sr_secret *plain)
{
	const uint8_t *at = plain->data;
	size_t left = plain->size;

	for (size_t used; left > 0; at += used, left -= used) {
		bool ends = *at == '\n' || (*at == '\r' && left > 1 && at[1] == '\n');

		used = ends || *at == '\t' ? 1 : sr_letter_size(at, left);
		if (used == 0)
			return false;
	}
	return true;
}

int cmd_decrypt(int argc, char **argv, struct sr_err *err)
{
	const char *file = argc > 1 ? argv[1] : "-", *to = sign_choices.output;
	_cleanup_(hand_done) struct hand hand = { 0 };
	_cleanup_secret_ struct sr_secret plain = { 0 };
	int r = check_choices(err);

	if (r == 0)
		r = hand_find(argv[0], &hand, err);
	if (r == 0)
		r = sign_choices.cms ? open_message(&hand, file, &plain, err)
				     : open_cipher(&hand, file, &plain, err);
	if (r < 0)
		return r;
	if (to && strcmp(to, "-") != 0)
		return tool_save(to, &plain, true, err);
	if (!to && isatty(STDOUT_FILENO) && !is_shown(&plain))
		return sr_fail(err, -EINVAL,
			       "a terminal would do more than show that: write it to a "
			       "file with --output");
	return sr_secret_write(&plain, STDOUT_FILENO, "standard output", err);
}
