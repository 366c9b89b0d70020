/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handing a recovery key to its owner: on the terminal, or in a file. */
#include "print_key.h"

#include <dlfcn.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

#include "ground/attr.h"

#ifdef HAVE_QRENCODE
#include <qrencode.h>

#define QUIET_ZONE                                                                       \
	2 /* modules around it; scanners manage with half of the standard's 4 */

static bool dark(const QRcode *code, int x, int y)
{
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return false;
	return code->data[y * code->width + x] & 1;
}

/* Two modules a character; light ones are printed, as most terminals are dark. */
static void print_modules(FILE *out, const QRcode *code)
{
	static const char *const blocks[] = { "█", "▄", "▀", " " };
	int end = code->width + QUIET_ZONE;

	for (int y = -QUIET_ZONE; y < end; y += 2) {
		fputs("  ", out);
		for (int x = -QUIET_ZONE; x < end; x++)
			fputs(blocks[dark(code, x, y) << 0 | dark(code, x, y + 1) << 1],
			      out);
		fputc('\n', out);
	}
}

static void print_code(FILE *out, const struct sr_secret *key,
		       __typeof__(QRcode_encodeData) *encode,
		       __typeof__(QRcode_free) *release)
{
	QRcode *code = encode((int)key->size, key->data, 0, QR_ECLEVEL_M);

	if (!code)
		return;
	print_modules(out, code);
	OPENSSL_cleanse(code->data, (size_t)code->width * (size_t)code->width);
	release(code);
}

/* Loaded only here, as a key is shown once in years; where it is missing there is no code. */
static void print_qr(FILE *out, const struct sr_secret *key)
{
	void *library = dlopen("libqrencode.so.4", RTLD_NOW | RTLD_LOCAL);
	void *encode = library ? dlsym(library, "QRcode_encodeData") : NULL;
	void *release = library ? dlsym(library, "QRcode_free") : NULL;

	if (encode && release)
		print_code(out, key, encode, release);
	if (library)
		(void)dlclose(library);
}
#else
static void print_qr(FILE *out, const struct sr_secret *key)
{
	(void)out;
	(void)key;
}
#endif

static bool shows_blocks(void)
{
	return setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static bool print_words(FILE *out, const struct sr_secret *key, const char *ring)
{
	fprintf(
	    out,
	    "\nThe recovery key of ring %s opens it when the TPM does not. It is shown "
	    "only now:\nwrite it down, and keep it away from this machine.\n\n    ",
	    ring);
	return fwrite(key->data, 1, key->size, out) == key->size &&
	       fputs("\n\n", out) >= 0;
}

int print_recovery_key(const struct sr_secret *key, const char *ring, struct sr_err *err)
{
	FILE *out = fopen("/dev/tty", "we");
	bool shown;

	if (!out)
		return sr_fail_sys(err, errno, "cannot show the recovery key: /dev/tty");
	(void)setvbuf(out, NULL, _IONBF, 0); /* no copy in a buffer that nobody wipes */
	shown = print_words(out, key, ring);
	if (shown && shows_blocks())
		print_qr(out, key);
	if (fclose(out) != 0 || !shown)
		return sr_fail_sys(err, errno, "cannot show the recovery key: /dev/tty");
	return 0;
}

int write_recovery_key(const struct sr_secret *key, const char *file, struct sr_err *err)
{
	__attribute__((cleanup(sr_secret_done))) struct sr_secret line = { 0 };
	int r = sr_secret_alloc(key->size + 1, &line, err);

	if (r < 0)
		return r;
	memcpy(line.data, key->data, key->size);
	line.data[key->size] = '\n';
	return sr_secret_write_file(&line, file, true, err);
}
