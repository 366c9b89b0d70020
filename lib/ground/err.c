/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went wrong, in one line. */
#include "err.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <string.h>

#include "harmless.h"

int sr_fail(struct sr_err *err, int r, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return r;
	err->code = r;
	err->tss = err->pcrs = 0;
	err->ring[0] = err->secret[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	sr_text_make_harmless(err->text);
	return r;
}

static bool has_meaning(int number)
{
	switch (number) {
	case EINVAL:
	case EKEYREJECTED:
	case EACCES:
	case EBUSY:
	case ENODEV:
	case EREMOTE:
	case EBADMSG:
	case ENOKEY:
	case EEXIST:
	case EUCLEAN:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

int sr_fail_sys(struct sr_err *err, int number, const char *fmt, ...)
{
	int r = has_meaning(number) || number == 0 ? -EIO : -number;
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return sr_fail(err, r, "%s: %s", what, strerror(number));
}

int sr_fail_memory(struct sr_err *err)
{
	return sr_fail(err, -ENOMEM, "out of memory");
}

/* A program may have started OpenSSL without its messages. */
int sr_fail_libcrypto(struct sr_err *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : "no reason given";
	char number[32];
	int r;

	(void)snprintf(number, sizeof(number), "error %lX", code);
	r = sr_fail(err, -EIO, "%s failed in OpenSSL: %s", what, reason ?: number);
	ERR_clear_error();
	return r;
}

int sr_prefix(struct sr_err *err, int r, const char *prefix)
{
	char text[sizeof(err->text)];

	if (!err)
		return r;
	err->code = r;
	memcpy(text, err->text, sizeof(text));
	(void)snprintf(err->text, sizeof(err->text), "%s: %.*s", prefix,
		       (int)sizeof(text) - 1, text);
	sr_text_make_harmless(err->text);
	return r;
}

int sr_about(struct sr_err *err, int r, const char *ring, const char *secret)
{
	if (!err || r >= 0)
		return r;
	if (ring)
		(void)snprintf(err->ring, sizeof(err->ring), "%s", ring);
	if (secret)
		(void)snprintf(err->secret, sizeof(err->secret), "%s", secret);
	return r;
}
