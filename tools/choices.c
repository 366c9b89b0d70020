/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a ring is made and opened: the options that several programs share. */
#include "choices.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "ground/secret.h"
#include "prompt.h"
#include "tool.h"

#define PIN_FILE_MAX 1024 /* bytes of a file that is looked at */
#define PIN_SHORT 12	  /* characters a PIN needs where nothing slows down guessing */

struct choices choices;

const struct option_row ring_options[] = {
	{ 0, "pcrs", OPTION_TEXT, &choices.pcrs, "LIST", "seal to these PCRs (0+7)",
	  NULL },
	{ 0, "pin", OPTION_FLAG, &choices.pin, NULL, "ask for a new PIN", NULL },
	{ 0, "pin-file", OPTION_TEXT, &choices.pin_file, "FILE", "read the PIN from FILE",
	  NULL },
	{ 0, "accept-unmeasured", OPTION_FLAG, &choices.accept_unmeasured, NULL,
	  "take PCRs that firmware left alone", NULL },
	{ 0, "recovery-key-file", OPTION_TEXT, &choices.recovery_key_file, "FILE",
	  "recovery key: use FILE's, or write it", NULL },
	{ 0, "escrow", OPTION_LIST, &choices.escrow, "CERT",
	  "let this certificate's owner recover", NULL },
	{ 0, "no-recovery", OPTION_FLAG, &choices.no_recovery, NULL,
	  "nobody can recover: TPM or nothing", NULL },
	{ 0, "manage", OPTION_TEXT, &choices.manage, "YES|NO",
	  "keep ring boot's key in ring system", NULL },
	{ 0 },
};

int choices_standard_input(struct sr_err *err)
{
	static bool taken;

	if (taken)
		return sr_fail(err, -EINVAL,
			       "two things cannot both be read from standard input: name "
			       "a file for one");
	taken = true;
	return STDIN_FILENO;
}

int choices_read_file(const char *name, size_t max, struct sr_secret *ret,
		      struct sr_err *err)
{
	_cleanup_close_ int fd = -1;

	if (strcmp(name, "-") == 0) {
		int in = choices_standard_input(err);

		return in < 0 ? in : sr_secret_read(in, "standard input", max, ret, err);
	}
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot open %s", name);
	return sr_secret_read(fd, name, max, ret, err);
}

/* The same answer whether it was typed or read. */
static int fail_long(const char *from, struct sr_err *err)
{
	return sr_fail(err, -EACCES, "%s: a PIN is 1 to %d bytes without NUL", from,
		       SR_PIN_MAX);
}

static int ask_pin(const char *question, struct sr_secret *ret, struct sr_err *err)
{
	int r = prompt_secret(question, SR_PIN_MAX, ret, err);

	return r == -EINVAL ? fail_long(question, err) : r;
}

/* One newline at the end is the editor's, not the secret's. */
int choices_read_typed(const char *name, size_t max, struct sr_secret *ret,
		       struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret text = { 0 };
	int r = choices_read_file(name, max, &text, err);
	bool newline = text.size > 0 && text.data[text.size - 1] == '\n';

	return r < 0 ? r : sr_secret_copy(text.data, text.size - newline, ret, err);
}

static int read_pin_file(const char *file, struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret text = { 0 };
	int r = choices_read_typed(file, PIN_FILE_MAX, &text, err);

	if (r < 0)
		return r;
	if (text.size == 0 || text.size > SR_PIN_MAX ||
	    memchr(text.data, '\0', text.size))
		return fail_long(file, err);
	sr_secret_take(&text, ret);
	return 0;
}

static int give_pin(void *arg, const char *name, struct sr_secret *ret,
		    struct sr_err *err)
{
	char question[SR_NAME_MAX + 32];
	int r;

	(void)arg;
	if (choices.pin_file)
		return read_pin_file(choices.pin_file, ret, err);
	(void)snprintf(question, sizeof(question), "PIN of %.*s", SR_NAME_MAX, name);
	r = ask_pin(question, ret, err);
	if (r == 0 && ret->size == 0)
		return sr_fail(err, -EACCES, "%s needs a PIN, and none was given", name);
	return r;
}

const struct sr_ask *choices_ask(void)
{
	static const struct sr_ask ask = { .pin = give_pin };

	return &ask;
}

static int ask_new_pin(const char *ring, struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret again = { 0 };
	char question[SR_NAME_MAX + 32];
	int r;

	(void)snprintf(question, sizeof(question), "New PIN of %s", ring);
	r = ask_pin(question, ret, err);
	if (r == 0 && ret->size == 0)
		r = sr_fail(err, -EACCES, "an empty PIN is none");
	if (r == 0)
		r = ask_pin("The same PIN again", &again, err);
	if (r == 0 && !sr_secret_equal(ret, &again))
		r = sr_fail(err, -EACCES, "the two PINs differ: nothing was changed");
	return r;
}

/* Without lockoutAuth anybody at the TPM resets the counter and goes on guessing. */
static int check_pin(struct sr_tpm *tpm, const struct sr_secret *pin, struct sr_err *err)
{
	int r = sr_tpm_limits_guessing(tpm, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (pin->size < PIN_SHORT)
		return sr_fail(
		    err, -EACCES,
		    "the PIN is too short: this TPM's lockout authorization is not "
		    "set, so nothing slows down guessing: take %d characters, or set "
		    "it first: tpm2_changeauth -c lockout",
		    PIN_SHORT);
	tool_warn("this TPM's lockout authorization is not set: guessing the PIN is not "
		  "slowed down");
	return 0;
}

int choices_ring(struct sr_tpm *tpm, const char *ring, bool opened_by_pin,
		 struct chosen *ret, struct sr_err *err)
{
	const char *file = choices.new_pin_file;
	int r;

	ret->options.pcrs = choices.pcrs;
	ret->options.accept_unmeasured = choices.accept_unmeasured;
	if (!choices.pin && !file)
		return 0;
	if (!file && !opened_by_pin)
		file = choices.pin_file;
	r = file ? read_pin_file(file, &ret->pin, err)
		 : ask_new_pin(ring, &ret->pin, err);
	if (r == 0)
		r = check_pin(tpm, &ret->pin, err);
	ret->options.pin = &ret->pin;
	return r;
}

void choices_done(struct chosen *chosen)
{
	sr_secret_done(&chosen->pin);
	sr_secret_done(&chosen->recovery_key);
	for (size_t i = 0; chosen->certificates && i < chosen->escrow.count; i++)
		sr_secret_done(&chosen->certificates[i]);
	free(chosen->certificates);
	free(chosen->escrow.pem);
	free(chosen->escrow.size);
}

static int open_by_escrow(struct sr_ring *ring, const char *file, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret pem = { 0 };
	int r = choices_read_file(file, CHOICES_PEM_MAX, &pem, err);

	return r < 0 ? r : sr_ring_open_escrow(ring, &pem, err);
}

/* Nobody should type 40 letters in vain. */
static int check_way(struct sr_ring *ring, const char *escrow_key, struct sr_err *err)
{
	struct sr_ring_info info;
	int r = sr_ring_info(ring, &info, err);

	if (r == 0 && !info.recovery)
		return sr_fail(
		    err, -EACCES,
		    "ring %s was made without recovery: only its TPM opens it, "
		    "in the boot state that it is sealed to",
		    info.name);
	if (r < 0 || escrow_key || info.recovery_key || !info.recovery_intact)
		return r;
	return sr_fail(
	    err, -EACCES,
	    "ring %s has no recovery key, only escrow certificates: --escrow-key FILE",
	    info.name);
}

int choices_open_recovery(struct sr_ring *ring, const char *name, const char *escrow_key,
			  struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret typed = { 0 }, key = { 0 };
	char question[SR_NAME_MAX + 32];
	int r;

	r = check_way(ring, escrow_key, err);
	if (r < 0)
		return r;
	if (escrow_key)
		return open_by_escrow(ring, escrow_key, err);
	(void)snprintf(question, sizeof(question), "Recovery key of %s", name);
	r = choices.recovery_key_file
		? choices_read_file(choices.recovery_key_file, 256, &typed, err)
		: prompt_secret(question, 256, &typed, err);
	if (r == -EACCES && !choices.recovery_key_file)
		return sr_fail(err, r,
			       "ring %s: the recovery key is needed: "
			       "--recovery-key-file FILE",
			       name);
	if (r == 0)
		r = sr_recovery_key_parse(&typed, &key, err);
	return r < 0 ? r : sr_ring_open_recovery(ring, &key, err);
}
