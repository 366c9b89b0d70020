/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handing a recovery key to its owner: on the terminal, or in a file. */
#include "print_key.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <libgen.h>
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

static void print_qr(FILE *out, const struct sr_secret *key)
{
	QRcode *code = QRcode_encodeData((int)key->size, key->data, 0, QR_ECLEVEL_M);

	if (!code)
		return;
	print_modules(out, code);
	OPENSSL_cleanse(code->data, (size_t)code->width * (size_t)code->width);
	QRcode_free(code);
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

void print_recovery_key(const struct sr_secret *key, const char *ring)
{
	FILE *out = fopen("/dev/tty", "we");

	if (!out)
		return;
	(void)setvbuf(out, NULL, _IONBF, 0); /* no copy in a buffer that nobody wipes */
	fprintf(
	    out,
	    "\nThe recovery key of ring %s opens it when the TPM does not. It is shown "
	    "only now:\nwrite it down, and keep it away from this machine.\n\n    ",
	    ring);
	(void)fwrite(key->data, 1, key->size, out);
	fputs("\n\n", out);
	if (shows_blocks())
		print_qr(out, key);
	(void)fclose(out);
}

static int write_and_sync(int fd, const struct sr_secret *key, const char *file,
			  struct sr_err *err)
{
	int r = sr_secret_write(key, fd, file, err);

	if (r < 0)
		return r;
	if (write(fd, "\n", 1) != 1 || fsync(fd) < 0)
		return sr_fail_sys(err, errno, "cannot write to %s", file);
	return 0;
}

static int sync_parent(const char *file, struct sr_err *err)
{
	_cleanup_free_ char *copy = strdup(file);
	_cleanup_close_ int dir =
	    copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (dir < 0 || fsync(dir) < 0)
		return sr_fail_sys(err, errno, "cannot make %s permanent", file);
	return 0;
}

/* Whole or not at all, as another program may look for it at any time. */
int write_recovery_key(const struct sr_secret *key, const char *file, struct sr_err *err)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&temporary, "%s.XXXXXX", file) < 0)
		return sr_fail(err, -ENOMEM, "out of memory");
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot make %s", file);
	r = fchmod(fd, 0600) < 0 ? sr_fail_sys(err, errno, "cannot protect %s", file)
				 : write_and_sync(fd, key, file, err);
	if (r == 0 &&
	    renameat2(AT_FDCWD, temporary, AT_FDCWD, file, RENAME_NOREPLACE) < 0)
		r = errno == EEXIST ? sr_fail(err, -EEXIST, "%s exists already", file)
				    : sr_fail_sys(err, errno, "cannot make %s", file);
	if (r < 0) {
		(void)unlink(temporary);
		return r;
	}
	r = sync_parent(file, err);
	if (r < 0)
		(void)unlink(file);
	return r;
}
