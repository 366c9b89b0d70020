/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plugin by which libcryptsetup opens volumes: cryptsetup open, systemd-cryptsetup.
 *
 * It runs in other people's processes: it never exits, prints only through crypt_log() and
 * on the console of the initramfs, and leaves nothing open behind. What it returns decides
 * what libcryptsetup (2.6.1, lib/luks2/luks2_token.c) does next: -ENOENT and -EAGAIN try
 * the next token and then the passphrase; -ENOANO asks for a PIN and calls open_pin;
 * -EPERM and -EINVAL are turned into -ENOENT; anything else ends the search, so that
 * other tools' tokens are not even tried.
 */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "unlock.h"

#define COLUMNS 80
#define PIN_TRIES 3    /* wrong PINs before the passphrase is asked for */
#define FAILURES_MAX 8 /* conversations with the TPM that fail, then it is left alone */
#define REMEMBERED_SECS 30 /* how long that, and a failure, answers for other tokens */

SR_DEFINE_CLEANUP(close_storep, struct sr_store *, sr_store_close)

int cryptsetup_token_open(struct crypt_device *cd, int token, char **buffer, size_t *size,
			  void *usrptr);
int cryptsetup_token_open_pin(struct crypt_device *cd, int token, const char *pin,
			      size_t pin_size, char **buffer, size_t *size, void *usrptr);
void cryptsetup_token_buffer_free(void *buffer, size_t size);
int cryptsetup_token_validate(struct crypt_device *cd, const char *json);
void cryptsetup_token_dump(struct crypt_device *cd, const char *json);
const char *cryptsetup_token_version(void);

/* What failed in this process: copies of a token cost neither tries nor time. */
static struct {
	struct sr_secret pin;
	int wrong_pins;
	char *json;
	int result;
	int failures;
	time_t when;
} last;

/* One call of libcryptsetup's. */
struct call {
	struct crypt_device *cd;
	const struct sr_secret *pin;
	bool pin_wanted;
	bool again; /* whoever is there knows already */
};

/* libtss2 would write on stderr, and at its most talkative the keys, too. */
__attribute__((constructor)) static void silence(void)
{
	(void)setenv("TSS2_LOG", "all+NONE", 1);
}

__attribute__((destructor)) static void forget(void)
{
	sr_secret_done(&last.pin);
	free(take(last.json));
	last.wrong_pins = 0;
}

static time_t now(void)
{
	struct timespec when = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &when);
	return when.tv_sec;
}

/* Not where cryptsetup prints on it what it logs, as in initramfs-tools'. */
static void console(const char *text)
{
	_cleanup_close_ int fd =
	    open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	char line[SR_CAUSE_TEXT + 80];
	int n = snprintf(line, sizeof(line), "\rsealring: %s\r\n", text);

	if (fd >= 0 && n > 0 && !isatty(STDERR_FILENO) &&
	    write(fd, line, strnlen(line, sizeof(line))) < 0)
		return; /* nobody reads it there: the log has it, too */
}

static void say(struct crypt_device *cd, int level, const char *text)
{
	char line[sizeof(((struct sr_err *)0)->text) + 16];

	(void)snprintf(line, sizeof(line), "sealring: %s\n", text);
	crypt_log(cd, level, line);
}

/* Once for whoever has to type now, once for the log. */
static void say_both(const struct call *call, const char *text)
{
	if (!call->again)
		console(text);
	say(call->cd, CRYPT_LOG_ERROR, text);
}

/* As many lines of 80 columns as it takes; said once. */
static void say_cause(const struct call *call, const char *cause)
{
	char text[SR_CAUSE_MAX + 16];
	const char *at = text;

	(void)snprintf(text, sizeof(text), "likely cause: %s", cause);
	while (*cause && *at && !call->again) {
		char line[COLUMNS - sizeof("sealring: ") + 1];
		size_t length = strnlen(at, sizeof(line));

		if (length == sizeof(line))
			while (--length > 0 && at[length] != ' ')
				;
		if (length == 0)
			length = sizeof(line) - 1;
		(void)snprintf(line, length + 1, "%s", at);
		say_both(call, line);
		at += length + (at[length] == ' ');
	}
}

static void say_why(const struct call *call, const struct sr_err *err)
{
	char cause[SR_CAUSE_TEXT], text[SR_CAUSE_TEXT + 80];

	if (!sr_in_initramfs()) {
		say(call->cd, CRYPT_LOG_ERROR, err->text);
		return;
	}
	sr_unlock_cause(err, cause);
	(void)snprintf(text, sizeof(text), "%s: %s", cause,
		       err->code == -EACCES
			   ? "without a PIN the passphrase is asked for"
			   : "enter the passphrase, then: tpm-reseal status");
	say_both(call, text);
}

static const char *path_of(const char *name, const char *usual)
{
	const char *path = secure_getenv(name);

	return path && *path ? path : usual;
}

/* NULL where it can't be read. */
static struct sr_store *open_store(void)
{
	const struct sr_store_options options = {
		.config_dir = path_of("SEALRING_CONFIG_DIR", SYSCONFDIR "/sealring"),
		.state_dir = path_of("SEALRING_STATE_DIR", LOCALSTATEDIR "/lib/sealring"),
	};
	struct sr_store *store = NULL;

	return sr_store_open(&options, &store, NULL) == 0 ? store : NULL;
}

/* What is configured; where that is not known, the kernel's device. */
static int connect_tpm(void *arg, struct sr_tpm **ret, struct sr_err *err)
{
	const struct sr_store *store = arg;
	const char *tcti = path_of("SEALRING_TCTI", NULL);

	if (!tcti && store)
		tcti = sr_store_config(store)->tcti;
	return sr_tpm_open(tcti, ret, err);
}

/* Called when all else holds: only now is it known that a PIN is what is missing. */
static int give_pin(void *arg, const char *name, struct sr_secret *ret,
		    struct sr_err *err)
{
	struct call *call = arg;

	if (call->pin)
		return sr_secret_copy(call->pin->data, call->pin->size, ret, err);
	call->pin_wanted = true;
	return sr_fail(err, -EACCES, "ring %s needs a PIN", name);
}

/* Whether this token failed a moment ago, whatever its number; or too many others did. */
static bool failed_before(const char *json)
{
	if (now() - last.when >= REMEMBERED_SECS) {
		last.failures = 0;
		return false;
	}
	return last.failures >= FAILURES_MAX ||
	       (last.json && strcmp(last.json, json) == 0);
}

static void remember(const char *json, int result)
{
	free(last.json);
	last.json = strdup(json);
	last.result = result;
	last.when = now();
	last.failures++;
}

/* Hands the passphrase over in memory that buffer_free() can wipe and unmap. */
static int hand_over(const struct sr_secret *passphrase, char **buffer, size_t *size)
{
	struct sr_secret holder = { 0 };

	if (sr_secret_alloc(sizeof(holder) + passphrase->size, &holder, NULL) < 0)
		return -ENOENT;
	memcpy(holder.data, &holder, sizeof(holder));
	memcpy(holder.data + sizeof(holder), passphrase->data, passphrase->size);
	*buffer = (char *)holder.data + sizeof(holder);
	*size = passphrase->size;
	return 0;
}

/* Each prompt is one try, also of the TPM's counter; then the passphrase's turn comes. */
static int wrong_pin(const struct call *call)
{
	sr_secret_done(&last.pin);
	(void)sr_secret_copy(call->pin->data, call->pin->size, &last.pin, NULL);
	last.when = now();
	return ++last.wrong_pins < PIN_TRIES ? -ENOANO : -ENOENT;
}

static int result_of(struct call *call, int r, const struct sr_err *err)
{
	say_why(call, err);
	if (call->pin_wanted)
		return -ENOANO;
	if (r == -EACCES && call->pin)
		return wrong_pin(call);
	return r == -ENODEV ? -EAGAIN : -ENOENT;
}

static int unlock(struct call *call, const char *json, char **buffer, size_t *size)
{
	_cleanup_(sr_secret_done) struct sr_secret passphrase = { 0 };
	_cleanup_token_ struct sr_token token = { 0 };
	_cleanup_(close_storep) struct sr_store *store = open_store();
	struct sr_ask ask = { give_pin, call };
	struct sr_err err = { 0 };
	struct sr_unlocking how = {
		.opener = { .tpm = connect_tpm, .arg = store, .ask = &ask },
		.store = store,
	};
	int r = sr_token_read(json, &token, &err);

	if (sr_in_initramfs())
		how.notes = path_of("SEALRING_RUNTIME_DIR", RUNSTATEDIR "/sealring");
	if (r == 0)
		r = sr_unlock(call->cd, &token, &how, &passphrase, &err);
	call->again = how.again;
	if (r == 0) {
		last.wrong_pins = 0;
		return hand_over(&passphrase, buffer, size);
	}
	r = result_of(call, r, &err);
	say_cause(call, how.cause);
	return r;
}

int cryptsetup_token_open(struct crypt_device *cd, int token, char **buffer, size_t *size,
			  void *usrptr)
{
	struct call call = { .cd = cd };
	const char *json;
	int r;

	(void)usrptr;
	if (crypt_token_json_get(cd, token, &json) < 0)
		return -ENOENT;
	if (failed_before(json))
		return last.result;
	r = unlock(&call, json, buffer, size);
	if (r < 0 && r != -ENOANO)
		remember(json, r);
	return r;
}

int cryptsetup_token_open_pin(struct crypt_device *cd, int token, const char *pin,
			      size_t pin_size, char **buffer, size_t *size, void *usrptr)
{
	_cleanup_(sr_secret_done) struct sr_secret copy = { 0 };
	struct call call = { .cd = cd, .pin = &copy };
	const char *json;

	/* Nothing typed: for whoever wants the passphrase's prompt instead. */
	if (pin_size == 0 || pin_size > SR_PIN_MAX)
		return -ENOENT;
	(void)usrptr;
	if (crypt_token_json_get(cd, token, &json) < 0 || failed_before(json) ||
	    sr_secret_copy(pin, pin_size, &copy, NULL) < 0)
		return -ENOENT;
	if (last.pin.size && sr_secret_equal(&last.pin, &copy) &&
	    now() - last.when < REMEMBERED_SECS)
		return last.wrong_pins < PIN_TRIES ? -ENOANO : -ENOENT;
	return unlock(&call, json, buffer, size);
}

void cryptsetup_token_buffer_free(void *buffer, size_t size)
{
	struct sr_secret holder;

	(void)size;
	if (!buffer)
		return;
	memcpy(&holder, (uint8_t *)buffer - sizeof(holder), sizeof(holder));
	sr_secret_done(&holder);
}

int cryptsetup_token_validate(struct crypt_device *cd, const char *json)
{
	_cleanup_token_ struct sr_token token = { 0 };
	struct sr_err err = { 0 };
	int r = sr_token_read(json, &token, &err);

	if (r < 0)
		say(cd, CRYPT_LOG_DEBUG, err.text);
	return r < 0 ? -EINVAL : 0;
}

static void dump_line(struct crypt_device *cd, const char *name, const char *value)
{
	char line[SR_TOKEN_TEXT_MAX + 32];

	(void)snprintf(line, sizeof(line), "\t%-12s%s\n", name, value);
	for (char *at = line + 1; *at; at++)
		if ((unsigned char)*at < ' ' && at[1])
			*at = '?';
	crypt_log(cd, CRYPT_LOG_NORMAL, line);
}

void cryptsetup_token_dump(struct crypt_device *cd, const char *json)
{
	_cleanup_token_ struct sr_token token = { 0 };

	if (sr_token_read(json, &token, NULL) < 0)
		return;
	dump_line(cd, "Ring:", token.parts.name);
	dump_line(cd, "Ring id:", token.parts.id);
	dump_line(cd, "PCRs:", token.parts.pcrs);
	dump_line(cd, "PIN:", token.parts.pin ? "yes" : "no");
	for (size_t i = 0; i < token.parts.count; i++)
		dump_line(cd, "Approval:", token.parts.values[i]);
}

const char *cryptsetup_token_version(void)
{
	return VERSION;
}
