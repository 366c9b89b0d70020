/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event logs that commands were given, and that of this boot. */
#include <errno.h>
#include <string.h>

#include "choices.h"
#include "reseal.h"
#include "tool.h"

struct reseal_options reseal_options;

SR_DEFINE_CLEANUP(close_file, FILE *, (void)fclose)

static int read_stream(FILE *stream, const char *name, size_t max, uint8_t **ret,
		       size_t *size, struct sr_err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t room = 65536, used = 0;

	for (;;) {
		uint8_t *larger = realloc(data, room);

		if (!larger)
			return sr_fail(err, -ENOMEM, "out of memory");
		data = larger;
		used += fread(data + used, 1, room - used, stream);
		if (ferror(stream))
			return sr_fail_sys(err, errno, "cannot read %s", name);
		if (used > max)
			return sr_fail(err, -EBADMSG, "%s is larger than %zu bytes", name,
				       max);
		if (used < room)
			break;
		room *= 2;
	}
	*ret = take(data);
	*size = used;
	return 0;
}

int reseal_read(const char *file, size_t max, uint8_t **ret, size_t *size,
		struct sr_err *err)
{
	_cleanup_(close_file) FILE *stream = NULL;

	if (strcmp(file, "-") == 0) {
		int in = choices_standard_input(err);

		return in < 0 ? in
			      : read_stream(stdin, "standard input", max, ret, size, err);
	}
	stream = fopen(file, "re");
	if (!stream)
		return sr_fail_sys(err, errno, "cannot open %s", file);
	return read_stream(stream, file, max, ret, size, err);
}

int reseal_log(const char *file, struct sr_eventlog **ret, struct sr_err *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;
	int r = reseal_read(file, SR_EVENTLOG_MAX, &data, &size, err);

	return r < 0 ? r : sr_eventlog_read(data, size, ret, err);
}

/* A bank that the TPM does not have is an answer, too. */
static int read_bank(struct sr_tpm *tpm, struct reseal_boot *boot, size_t index,
		     struct sr_err *err)
{
	struct sr_pcrs *held = &boot->held[index];
	int r;

	*held = (struct sr_pcrs){ .bank = boot->log->bank[index],
				  .mask = sr_eventlog_mask(boot->log) };
	if (!sr_bank_name(held->bank) || !held->mask)
		return 0;
	r = sr_pcr_read(tpm, held, err);
	boot->active[index] = r == 0;
	return r == -EINVAL ? 0 : r;
}

int reseal_boot(const struct sr_store *store, struct sr_tpm *tpm, struct reseal_boot *ret,
		struct sr_err *err)
{
	_cleanup_log_ struct sr_eventlog *log = NULL;
	int r = sr_eventlog_load(sr_store_config(store)->event_log, &log, err);

	if (r < 0)
		return r;
	ret->log = log;
	for (size_t i = 0; r == 0 && i < log->banks; i++)
		r = read_bank(tpm, ret, i, err);
	if (r < 0)
		ret->log = NULL;
	else
		log = NULL;
	return r;
}

int reseal_this_boot(struct reseal_boot *ret, struct sr_err *err)
{
	_cleanup_reseal_work_ struct reseal_work work = { 0 };
	int r = reseal_work_start(&work, err);

	return r < 0 ? r : reseal_boot(work.store, work.tpm, ret, err);
}
