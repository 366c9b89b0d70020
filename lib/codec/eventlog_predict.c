/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PCR 7 after updates of Secure Boot variables, by replaying a log with the new ones. */
#include <openssl/sha.h>
#include <string.h>

#include "bytes.h"
#include "eventlog.h"
#include "text.h"

#define PCR_POLICY 7
#define HEADER 28 /* bytes before the entries of an EFI_SIGNATURE_LIST */
#define GUID 16

/* A Secure Boot variable, and the event that measured it. */
struct variable {
	const char *name;
	size_t event;
	const uint8_t *guid;
	struct sr_buf content;
	uint8_t digest[SR_EVENTLOG_BANKS][SR_DIGEST_MAX];
	bool changed;
};

/* The variables in which there is something to predict; one set for each kind of firmware. */
struct work {
	const struct sr_eventlog *log;
	bool owner; /* entries with another owner are others */
	struct variable variable[3];
};

static void work_done(struct work *work)
{
	for (size_t i = 0; i < SR_COUNT(work->variable); i++)
		sr_buf_done(&work->variable[i].content);
}

static const char *const names[] = { "KEK", "db", "dbx" };

/* UEFI_VARIABLE_DATA, built anew. */
static int build_event(const struct variable *variable, struct sr_buf *ret,
		       struct sr_err *err)
{
	size_t length = strlen(variable->name), size = variable->content.size;
	uint8_t *at = calloc(1, GUID + 16 + 2 * length + size + 1);

	if (!at)
		return sr_fail_memory(err);
	ret->data = at;
	ret->size = GUID + 16 + 2 * length + size;
	memcpy(at, variable->guid, GUID);
	at += GUID;
	for (size_t i = 0; i < 8; i++) {
		at[i] = (uint8_t)((uint64_t)length >> 8 * i);
		at[8 + i] = (uint8_t)((uint64_t)size >> 8 * i);
	}
	at += 16;
	for (size_t i = 0; i < length; i++, at += 2)
		at[0] = (uint8_t)variable->name[i];
	if (size > 0)
		memcpy(at, variable->content.data, size);
	return 0;
}

static int hash_variable(const struct sr_eventlog *log, struct variable *variable,
			 struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf event = { 0 };
	int r = build_event(variable, &event, err);

	for (size_t i = 0; r == 0 && i < log->banks; i++)
		if (sr_bank_name(log->bank[i]) &&
		    !sr_bank_hash(log->bank[i], event.data, event.size,
				  variable->digest[i]))
			r = sr_fail(err, -EINVAL, "%s is no hash that OpenSSL has here",
				    sr_bank_name(log->bank[i]));
	return r;
}

static int fail_log(struct sr_err *err, const char *fmt, const char *name)
{
	char why[128];

	(void)snprintf(why, sizeof(why), fmt, name);
	return sr_fail(err, -EKEYREJECTED, "PCR 7 can't be predicted from this log: %s",
		       why);
}

/* What we would have predicted for the present variable has to be what was measured. */
static int check_variable(const struct sr_eventlog *log, struct variable *variable,
			  struct sr_err *err)
{
	const struct sr_event *event = &log->event[variable->event];
	int r = hash_variable(log, variable, err);

	for (size_t i = 0; r == 0 && i < log->banks; i++)
		if (event->digest[i] && sr_bank_name(log->bank[i]) &&
		    memcmp(event->digest[i], variable->digest[i], log->digest_size[i]) !=
			0)
			r = fail_log(err, "its digest of %s is not that of its data",
				     variable->name);
	return r;
}

static int take_variable(struct work *work, size_t index, const struct sr_variable *from,
			 struct sr_err *err)
{
	struct variable *variable = NULL;

	for (size_t i = 0; i < SR_COUNT(names); i++)
		if (sr_variable_is(from, names[i])) {
			variable = &work->variable[i];
			variable->name = names[i];
		}
	if (!variable)
		return 0;
	if (variable->guid)
		return fail_log(err, "%s was measured twice", variable->name);
	variable->event = index;
	variable->guid = from->guid;
	variable->content.data = malloc(from->size + 1);
	if (!variable->content.data)
		return sr_fail_memory(err);
	memcpy(variable->content.data, from->data, from->size);
	variable->content.size = from->size;
	return check_variable(work->log, variable, err);
}

static int find_variables(struct work *work, struct sr_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < work->log->count; i++) {
		const struct sr_event *event = &work->log->event[i];
		struct sr_variable variable;

		if (event->pcr == PCR_POLICY &&
		    event->type == SR_EV_EFI_VARIABLE_DRIVER_CONFIG &&
		    sr_variable_read(event, &variable))
			r = take_variable(work, i, &variable, err);
	}
	return r;
}

/* EFI_VARIABLE_AUTHENTICATION_2: a time, and a WIN_CERTIFICATE that gives its size. */
static void skip_signature(struct sr_bytes *in)
{
	static const uint8_t pkcs7[GUID] = { 0x9d, 0xd2, 0xaf, 0x4a, 0xdf, 0x68,
					     0xee, 0x49, 0x8a, 0xa9, 0x34, 0x7d,
					     0x37, 0x56, 0x65, 0xa7 };
	struct sr_bytes at = *in;
	const uint8_t *skipped, *guid;
	uint16_t revision, type;
	uint32_t size;

	if (!sr_bytes_take(&at, 16, &skipped) || !sr_bytes_u32(&at, &size) ||
	    !sr_bytes_u16(&at, &revision) || !sr_bytes_u16(&at, &type) ||
	    !sr_bytes_take(&at, GUID, &guid))
		return;
	if (revision != 0x0200 || type != 0x0ef1 || memcmp(guid, pkcs7, GUID) != 0 ||
	    size < 8 + GUID || size - 8 - GUID > at.left)
		return;
	(void)sr_bytes_take(&at, size - 8 - GUID, &skipped);
	*in = at;
}

/* One EFI_SIGNATURE_LIST of an update: all of it, what stands before its entries, and how
 * many these are. */
struct list {
	const uint8_t *data;
	size_t head;
	size_t count;
};

/* They have been read once, so they are sound. */
static bool next_list(struct sr_bytes *in, struct list *ret)
{
	uint32_t size, header, entry;
	struct sr_bytes at = *in;
	const uint8_t *type;

	if (!sr_bytes_take(&at, GUID, &type) || !sr_bytes_u32(&at, &size) ||
	    !sr_bytes_u32(&at, &header) || !sr_bytes_u32(&at, &entry))
		return false;
	ret->head = HEADER + (size_t)header;
	ret->count = (size - ret->head) / entry;
	return sr_bytes_take(in, size, &ret->data);
}

struct merge {
	const struct sr_siglist *present;
	bool owner;
	uint8_t *to;
	size_t used;
	size_t added;
};

/* One list more, of those entries that are not there; none if all are. */
static void merge_list(struct merge *merge, const struct list *list,
		       const struct sr_siglist_entry *entry)
{
	uint8_t *start = merge->to + merge->used;
	size_t size = list->head, added = 0;

	memcpy(start, list->data, list->head);
	for (size_t i = 0; i < list->count; i++, entry++) {
		if (sr_siglist_has(merge->present, entry, merge->owner))
			continue;
		memcpy(start + size, entry->owner, GUID + entry->size);
		size += GUID + entry->size;
		added++;
	}
	if (added == 0)
		return;
	for (size_t i = 0; i < 4; i++)
		start[GUID + i] = (uint8_t)(size >> 8 * i);
	merge->used += size;
	merge->added += added;
}

/* An update with the attribute to append: what firmware does, who ever wrote it. */
static int append(struct work *work, struct variable *variable,
		  const struct sr_bytes *update, const struct sr_siglist *offered,
		  struct sr_variable_prediction *ret, struct sr_err *err)
{
	_cleanup_siglist_ struct sr_siglist present = { 0 };
	const struct sr_siglist_entry *entry = offered->entry;
	struct sr_bytes in = *update;
	struct list list;
	struct merge merge = { .present = &present, .owner = work->owner };
	size_t old = variable->content.size;
	int r = sr_siglist_read(variable->content.data, old, &present, NULL);

	if (r == -EBADMSG)
		return fail_log(err, "%s is no signature list", variable->name);
	if (r < 0)
		return sr_fail_memory(err);
	merge.to = realloc(variable->content.data, old + update->left + 1);
	if (!merge.to)
		return sr_fail_memory(err);
	variable->content.data = merge.to;
	merge.used = old;
	/* Those present point into what was moved. */
	sr_siglist_done(&present);
	r = sr_siglist_read(merge.to, old, &present, err);
	if (r < 0)
		return r;
	sr_siglist_sort(&present);
	while (next_list(&in, &list)) {
		merge_list(&merge, &list, entry);
		entry += list.count;
	}
	variable->content.size = merge.used;
	variable->changed = true;
	*ret = (struct sr_variable_prediction){ .offered = offered->count,
						.added = merge.added,
						.old_size = old,
						.new_size = merge.used };
	(void)SHA256(merge.to, merge.used, ret->hash);
	return hash_variable(work->log, variable, err);
}

static int apply(struct work *work, const struct sr_variable_update *update,
		 struct sr_variable_prediction *ret, struct sr_err *err)
{
	_cleanup_siglist_ struct sr_siglist offered = { 0 };
	struct sr_bytes in = { update->data, update->size };
	struct variable *variable = NULL;
	int r;

	skip_signature(&in);
	r = in.left ? sr_siglist_read(in.data, in.left, &offered, err)
		    : sr_fail(err, -EBADMSG, "there is nothing in it");
	if (r == -EBADMSG)
		r = sr_fail(err, -EINVAL,
			    "%s is no update of Secure Boot variables: neither a "
			    "signature list nor a signed one",
			    update->file);
	if (r < 0)
		return r;
	for (size_t i = 0; i < SR_COUNT(names); i++)
		if (strcmp(update->variable, names[i]) == 0)
			variable = &work->variable[i];
	if (!variable || !variable->guid)
		return fail_log(err, "the firmware did not measure %s", update->variable);
	return append(work, variable, &in, &offered, ret, err);
}

/* Which digest an event would have had. */
struct choice {
	const struct work *work;
	size_t bank;
};

static const uint8_t *changed_digest(void *arg, size_t event)
{
	const struct choice *choice = arg;

	for (size_t i = 0; i < SR_COUNT(choice->work->variable); i++) {
		const struct variable *variable = &choice->work->variable[i];

		if (variable->changed && variable->event == event)
			return variable->digest[choice->bank];
	}
	return NULL;
}

static int replay(const struct work *work, struct sr_pcrs ret[SR_EVENTLOG_BANKS],
		  struct sr_err *err)
{
	const struct sr_eventlog *log = work->log;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < log->banks; i++) {
		struct choice choice = { work, i };

		ret[i] =
		    (struct sr_pcrs){ .bank = log->bank[i], .mask = 1U << PCR_POLICY };
		if (!sr_bank_name(log->bank[i]))
			continue;
		r = sr_eventlog_replay_with(log, i, PCR_POLICY, changed_digest, &choice,
					    ret[i].value[PCR_POLICY], err);
		if (r > 0)
			ret[i].given = 1U << PCR_POLICY;
	}
	return r < 0 ? r : 0;
}

/* The variable as one kind of firmware would leave it; steps are those of that firmware. */
static int predict(const struct work *start, bool owner,
		   const struct sr_variable_update *updates, size_t count,
		   struct sr_prediction *out, struct sr_err *err)
{
	_cleanup_(work_done) struct work work = { .log = start->log, .owner = owner };
	int r = find_variables(&work, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		r = apply(&work, &updates[i], &out->variable[i], err);
		if (r == 0)
			r = replay(&work, out->step[i], err);
	}
	if (r == 0)
		r = replay(&work, owner ? out->after : out->other, err);
	return r;
}

static int check_measured(const struct sr_eventlog *log, const struct sr_pcrs *measured,
			  const struct sr_prediction *out, struct sr_err *err)
{
	int bank;

	if (!measured || !(measured->given & 1U << PCR_POLICY))
		return 0;
	bank = sr_eventlog_find_bank(log, measured->bank);
	if (bank < 0)
		return fail_log(err, "it has no %s bank", sr_bank_name(measured->bank));
	if (out->before[bank].given &&
	    memcmp(out->before[bank].value[PCR_POLICY], measured->value[PCR_POLICY],
		   sr_bank_size(measured->bank)) == 0)
		return 0;
	return fail_log(err,
			"it does not lead to the %s value of PCR 7 that was measured",
			sr_bank_name(measured->bank));
}

static size_t count_authorities(const struct sr_eventlog *log)
{
	size_t count = 0;

	for (size_t i = 0; i < log->count; i++)
		count += log->event[i].pcr == PCR_POLICY &&
			 log->event[i].type == SR_EV_EFI_VARIABLE_AUTHORITY;
	return count;
}

static bool differ(const struct sr_pcrs *a, const struct sr_pcrs *b)
{
	return a->given && b->given &&
	       memcmp(a->value[PCR_POLICY], b->value[PCR_POLICY],
		      sr_bank_size(a->bank)) != 0;
}

int sr_predict(const struct sr_eventlog *log, const struct sr_pcrs *measured,
	       const struct sr_variable_update *updates, size_t count,
	       struct sr_prediction **ret, struct sr_err *err)
{
	_cleanup_(work_done) struct work work = { .log = log };
	_cleanup_free_ struct sr_prediction *out = NULL;
	int r = sr_eventlog_usable(log, "the log", err);

	if (r == 0 && count > SR_UPDATES_MAX)
		r = sr_fail(err, -EINVAL, "more than %d updates", SR_UPDATES_MAX);
	if (r < 0)
		return r;
	out = calloc(1, sizeof(*out));
	if (!out)
		return sr_fail_memory(err);
	out->banks = log->banks;
	out->count = count;
	out->authorities = count_authorities(log);
	r = replay(&work, out->before, err);
	if (r == 0)
		r = check_measured(log, measured, out, err);
	if (r == 0)
		r = predict(&work, false, updates, count, out, err);
	if (r == 0)
		r = predict(&work, true, updates, count, out, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < log->banks; i++)
		out->ambiguous |= differ(&out->after[i], &out->other[i]);
	*ret = take(out);
	return 0;
}
