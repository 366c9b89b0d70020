/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happened to a ring in this boot: noted in the initramfs, read by the system. */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "ring.h"

#define NOTE_MAX 8192
#define NOTE_HEAD "sealring boot note 1"
#define BOOT_ID 37 /* 36 characters and a NUL */
#define FILE_NAME (SR_NAME_MAX + 8)

/* Changes with every boot; not with a soft reboot, which the latch survives as well. */
static int boot_id(char ret[BOOT_ID], struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	int r =
	    sr_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &content, err);

	if (r == 0 && content.size < BOOT_ID - 1)
		r = sr_fail(err, -EIO, "this kernel has no boot id");
	if (r == 0)
		(void)snprintf(ret, BOOT_ID, "%.36s", (const char *)content.data);
	return r < 0 ? -EIO : 0;
}

static int open_notes(const char *runtime_dir, bool make, struct sr_err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int dir = -1;
	int r = 0;

	if (asprintf(&path, "%s/boot", runtime_dir) < 0)
		return sr_fail_memory(err);
	if (make)
		r = sr_create_dir(path, 0700, err);
	if (r < 0)
		return r;
	dir = sr_open_dir(AT_FDCWD, runtime_dir, err);
	return dir < 0 ? dir : sr_open_dir(dir, "boot", err);
}

static int write_note(const char *runtime_dir, const struct sr_ring *ring,
		      const char *kind, const char *rest, struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	_cleanup_buf_ struct sr_buf content = { 0 };
	char id[BOOT_ID], when[SR_TIME_TEXT], file[FILE_NAME], *text = NULL;
	int size, r = boot_id(id, err);

	if (r < 0)
		return r;
	sr_time_format(time(NULL), when);
	size = asprintf(&text, NOTE_HEAD "\nboot %s\nring %s\ntime %s\n%s\n", id,
			ring->id, when, rest);
	if (size < 0)
		return sr_fail_memory(err);
	content = (struct sr_buf){ (uint8_t *)text, (size_t)size };
	dir = open_notes(runtime_dir, true, err);
	if (dir < 0)
		return dir;
	(void)snprintf(file, sizeof(file), "%.*s.%s", SR_NAME_MAX, ring->name, kind);
	return sr_replace_file(dir, file, &content, 0600, NULL, err);
}

static void put_line(FILE *out, const char *key, const char *text)
{
	fprintf(out, "%s ", key);
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
}

static void put_pcrs(FILE *out, const struct sr_pcrs *pcrs)
{
	fputs("pcrs ", out);
	sr_pcrs_print(out, pcrs);
}

/* The text of a note that was begun, once all is in it. */
static int finish(FILE *out, char **text, struct sr_err *err)
{
	if (fclose(out) == 0)
		return 0;
	free(take(*text));
	return sr_fail_memory(err);
}

static int format_opened(const struct sr_ring *ring, char **ret, struct sr_err *err)
{
	const struct sr_pcrs *pcrs = ring->seen.given ? &ring->seen : &ring->opened;
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return sr_fail_memory(err);
	put_line(out, "approval", ring->approval);
	if (pcrs->given) {
		fputc('\n', out);
		put_pcrs(out, pcrs);
	}
	return finish(out, ret, err);
}

int sr_boot_note_opened(const char *runtime_dir, const struct sr_ring *ring,
			struct sr_err *err)
{
	_cleanup_free_ char *rest = NULL;
	int r;

	if (!ring->approval[0])
		return 0;
	r = format_opened(ring, &rest, err);
	return r < 0 ? -EIO : write_note(runtime_dir, ring, "opened", rest, err);
}

static int format_failure(const struct sr_ring *ring, const struct sr_err *why,
			  const char *cause, char **ret, struct sr_err *err)
{
	size_t size;
	FILE *out = open_memstream(ret, &size);

	if (!out)
		return sr_fail_memory(err);
	fprintf(out, "error %d\n", -why->code);
	if (ring->seen.given) {
		put_pcrs(out, &ring->seen);
		fputc('\n', out);
	}
	if (*cause) {
		put_line(out, "cause", cause);
		fputc('\n', out);
	}
	put_line(out, "text", why->text);
	return finish(out, ret, err);
}

int sr_boot_note_failed(const char *runtime_dir, const struct sr_ring *ring,
			const struct sr_err *why, const char *cause, struct sr_err *err)
{
	_cleanup_free_ char *rest = NULL;
	int r = format_failure(ring, why, cause, &rest, err);

	return r < 0 ? r : write_note(runtime_dir, ring, "failed", rest, err);
}

/* The next line, which must begin with @key; NULL if it does not. */
static const char *next_line(char **at, const char *key)
{
	char *line = strsep(at, "\n");

	return line && *at && strncmp(line, key, strlen(key)) == 0 ? line + strlen(key)
								   : NULL;
}

/* The same, into @ret of @room bytes. */
static bool take_line(char **at, const char *key, char *ret, size_t room)
{
	const char *line = next_line(at, key);

	if (!line || strlen(line) >= room)
		return false;
	(void)snprintf(ret, room, "%s", line);
	return true;
}

static bool is_hex(const char *text, size_t bytes)
{
	uint8_t value[64];

	return text && bytes <= sizeof(value) &&
	       sr_hex_parse(text, value, bytes, NULL) == 0;
}

/* What all notes begin with; false also for one of another boot. */
static bool read_head(char **at, const char *boot, struct sr_boot_note *note,
		      time_t *when)
{
	const char *head = next_line(at, NOTE_HEAD), *line;

	if (!head || *head)
		return false;
	line = next_line(at, "boot ");
	if (!line || strcmp(line, boot) != 0)
		return false;
	line = next_line(at, "ring ");
	if (!is_hex(line, 16))
		return false;
	(void)snprintf(note->id, sizeof(note->id), "%s", line);
	line = next_line(at, "time ");
	return line && sr_time_parse(line, when, NULL) == 0;
}

/* Where there is such a line. */
static bool read_pcrs(char **at, struct sr_boot_note *note)
{
	const char *line;

	if (strncmp(*at, "pcrs ", 5) != 0)
		return true;
	line = next_line(at, "pcrs ");
	return line && sr_pcrs_parse(line, &note->pcrs, NULL) == 0 && note->pcrs.bank &&
	       note->pcrs.given == note->pcrs.mask;
}

static bool read_opened(char *at, const char *boot, struct sr_boot_note *note)
{
	const char *line;

	if (!read_head(&at, boot, note, &note->opened))
		return false;
	line = next_line(&at, "approval ");
	if (!is_hex(line, 32) || !read_pcrs(&at, note) || *at)
		return false;
	(void)snprintf(note->approval, sizeof(note->approval), "%s", line);
	return true;
}

static bool read_failed(char *at, const char *boot, struct sr_boot_note *note)
{
	const char *line;
	uint64_t number;

	if (!read_head(&at, boot, note, &note->failed))
		return false;
	line = next_line(&at, "error ");
	if (!line || sr_number_parse(line, 4095, &number, NULL) < 0)
		return false;
	if (!read_pcrs(&at, note))
		return false;
	if (strncmp(at, "cause ", 6) == 0 &&
	    !take_line(&at, "cause ", note->cause, sizeof(note->cause)))
		return false;
	note->code = -(int)number;
	return take_line(&at, "text ", note->text, sizeof(note->text)) && !*at;
}

/* What is there but is no file of ours is as good as nothing. */
static bool is_none(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EBADMSG;
}

static int read_note(int dir, const char *name, const char *kind, const char *boot,
		     struct sr_boot_note *ret, struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf content = { 0 };
	char file[FILE_NAME], *text;
	bool good;
	int r;

	(void)snprintf(file, sizeof(file), "%s.%s", name, kind);
	r = sr_read_file(dir, file, NOTE_MAX, &content, err);
	if (r < 0)
		return is_none(r) ? 0 : r;
	text = (char *)content.data;
	good = strlen(text) == content.size &&
	       (strcmp(kind, "opened") == 0 ? read_opened(text, boot, ret)
					    : read_failed(text, boot, ret));
	if (!good)
		*ret = (struct sr_boot_note){ 0 };
	return 0;
}

/* Of two rings with the same name, one after the other, the later counts. */
static bool join(const struct sr_boot_note *opened, const struct sr_boot_note *failed,
		 struct sr_boot_note *ret)
{
	*ret = opened->opened >= failed->failed ? *opened : *failed;
	if (strcmp(opened->id, failed->id) == 0) {
		*ret = *opened;
		ret->failed = failed->failed;
		ret->code = failed->code;
		memcpy(ret->text, failed->text, sizeof(ret->text));
		memcpy(ret->cause, failed->cause, sizeof(ret->cause));
		if (!opened->pcrs.given)
			ret->pcrs = failed->pcrs;
	}
	return ret->opened || ret->failed;
}

int sr_boot_note_read(const char *runtime_dir, const char *name, struct sr_boot_note *ret,
		      struct sr_err *err)
{
	_cleanup_close_ int dir = -1;
	struct sr_boot_note opened = { 0 }, failed = { 0 };
	char boot[BOOT_ID];
	int r = sr_name_check(name, "ring", err);

	if (r < 0)
		return r;
	dir = open_notes(runtime_dir, false, err);
	if (dir < 0 && !is_none(dir))
		return dir;
	if (dir >= 0)
		r = boot_id(boot, err);
	if (dir >= 0 && r == 0)
		r = read_note(dir, name, "opened", boot, &opened, err);
	if (dir >= 0 && r == 0)
		r = read_note(dir, name, "failed", boot, &failed, err);
	if (r < 0 || join(&opened, &failed, ret))
		return r;
	return sr_fail(err, -ENOENT, "nothing was noted about ring %s in this boot",
		       name);
}

int sr_boot_note_of(const struct sr_ring *ring, struct sr_boot_note *ret,
		    struct sr_err *err)
{
	struct sr_boot_note note = { 0 };
	int r;

	if (!ring->store || !ring->store->runtime_dir)
		return 0;
	r = sr_boot_note_read(ring->store->runtime_dir, ring->name, &note, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (strcmp(note.id, ring->id) != 0)
		return 0;
	*ret = note;
	return 1;
}

/* Whichever ring had that name: what the TPM held is not of a ring. */
int sr_boot_note_recall(const struct sr_ring *ring, struct sr_pcrs *pcrs,
			struct sr_err *err)
{
	struct sr_boot_note note;
	uint32_t later = pcrs->mask & SR_PCRS_LATER & ~sr_ring_latch(ring);
	int r;

	if (!later || !sr_ring_latch(ring) || !ring->store || !ring->store->runtime_dir)
		return 0;
	r = sr_boot_note_read(ring->store->runtime_dir, ring->name, &note, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
		if (note.pcrs.bank == pcrs->bank && note.pcrs.given & later & 1U << pcr) {
			memcpy(pcrs->value[pcr], note.pcrs.value[pcr], SR_DIGEST_MAX);
			pcrs->given |= 1U << pcr;
		}
	return 0;
}

/* One that cannot be read counts: what is at stake is to forget an open ring. */
int sr_boot_note_any(const char *runtime_dir, struct sr_err *err)
{
	_cleanup_close_ int dir = open_notes(runtime_dir, false, err);
	_cleanup_names_ struct sr_names names = { 0 };
	int r = dir;

	if (dir == -ENOENT)
		return 0;
	if (r >= 0)
		r = sr_list_dir(dir, ".opened", &names, err);
	return r < 0 ? -EIO : names.count > 0;
}
