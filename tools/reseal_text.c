/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How event logs are shown: in 80 columns, and as JSON. */
#include <string.h>

#include "json.h"
#include "reseal.h"

#define COLUMNS 80
#define TEXT_COLUMN 31

/* How much of a text goes on one line: up to the last space, or all that fits. */
static size_t fitting(const char *text, size_t room)
{
	size_t length = strlen(text), at = room;

	if (length <= room)
		return length;
	while (at > 0 && text[at] != ' ')
		at--;
	return at > 0 ? at : room;
}

void reseal_wrap(int indent, const char *text)
{
	size_t room = (size_t)(COLUMNS - indent);

	do {
		size_t length = fitting(text, room);

		printf("%.*s\n", (int)length, text);
		text += length;
		while (*text == ' ')
			text++;
		if (*text)
			printf("%*s", indent, "");
	} while (*text);
}

void reseal_pair(char sign, const char *name, const char *text)
{
	int column = 6 + (int)strlen(name);

	printf("    %c ", sign);
	if (!*text) {
		reseal_wrap(6, name);
	} else if (column < TEXT_COLUMN) {
		printf("%s%*s", name, TEXT_COLUMN - column, "");
		reseal_wrap(TEXT_COLUMN, text);
	} else {
		reseal_wrap(6, name);
		printf("%*s", TEXT_COLUMN, "");
		reseal_wrap(TEXT_COLUMN, text);
	}
}

void reseal_pcr_list(uint32_t mask, char ret[RESEAL_LIST])
{
	size_t used = (size_t)snprintf(ret, RESEAL_LIST, "PCR ");
	bool first = true;

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		if (!(mask & 1U << pcr))
			continue;
		used += (size_t)snprintf(ret + used, RESEAL_LIST - used, "%s%u",
					 first		    ? ""
					 : mask >> pcr == 1 ? " and "
							    : ", ",
					 pcr);
		first = false;
	}
}

const char *reseal_pcr_name(unsigned int pcr)
{
	static const char *const names[SR_PCR_COUNT] = {
		"firmware code",
		"firmware configuration",
		"drivers",
		"driver configuration",
		"boot loader",
		"boot loader configuration",
		"vendor's",
		"Secure Boot policy",
		"boot loader's commands",
		"boot loader's files",
		"files (IMA)",
		"unified kernel image",
		"kernel command line",
		"system extensions",
		"machine owner keys",
		"latch",
		"debug",
	};

	return names[pcr] ? names[pcr] : "dynamic launch";
}

const char *reseal_bank(uint16_t bank, char ret[8])
{
	const char *name = sr_bank_name(bank);

	if (name)
		return name;
	(void)snprintf(ret, 8, "0x%04x", bank);
	return ret;
}

struct json_object *reseal_json_pcrs(const struct sr_pcrs *pcrs)
{
	struct json_object *object = json_object_new_object();

	for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++) {
		char hex[2 * SR_DIGEST_MAX + 1], number[4];

		if (!(pcrs->given & 1U << pcr))
			continue;
		(void)snprintf(number, sizeof(number), "%u", pcr);
		sr_hex_format(pcrs->value[pcr], sr_bank_size(pcrs->bank), hex);
		json_add_text(object, number, hex);
	}
	return object;
}

static struct json_object *json_entries(const struct sr_siglist *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < list->count; i++) {
		struct json_object *entry = json_object_new_object();
		struct sr_siglist_text text;
		char owner[SR_GUID_TEXT];

		sr_siglist_describe(&list->entry[i], &text);
		sr_guid_format(list->entry[i].owner, owner);
		json_add_text(entry, "type", text.type);
		json_add_text(entry, "owner", owner);
		if (*text.subject)
			json_add_text(entry, "subject", text.subject);
		json_add_text(entry, "hash", text.hash);
		json_object_array_add(array, entry);
	}
	return array;
}

static struct json_object *json_digests(const struct sr_eventlog *log,
					const struct sr_event *event)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < log->banks; i++) {
		char hex[2 * SR_DIGEST_MAX + 1], name[8];

		if (!event->digest[i])
			continue;
		sr_hex_format(event->digest[i], log->digest_size[i], hex);
		json_add_text(object, reseal_bank(log->bank[i], name), hex);
	}
	return object;
}

struct json_object *reseal_json_event(const struct sr_eventlog *log,
				      const struct sr_event *event)
{
	struct json_object *object = json_object_new_object();
	const char *name = sr_event_type_name(event->type);
	struct sr_siglist list = { 0 };
	struct sr_event_text text;
	char number[16];

	(void)snprintf(number, sizeof(number), "0x%08x", event->type);
	sr_event_describe(log, event, &text);
	json_object_object_add(object, "offset",
			       json_object_new_int64((int64_t)event->offset));
	json_object_object_add(object, "pcr", json_object_new_int64(event->pcr));
	json_add_text(object, "type", name ? name : number);
	json_object_object_add(object, "digests", json_digests(log, event));
	json_object_object_add(object, "size",
			       json_object_new_int64((int64_t)event->size));
	json_object_object_add(object, "digest_of_data",
			       json_object_new_boolean(sr_event_hashed(log, event)));
	json_add_text(object, "subject", text.subject);
	json_add_text(object, "value", text.value);
	if (sr_event_siglist(event, &list, NULL) == 0 && list.count > 0)
		json_object_object_add(object, "entries", json_entries(&list));
	sr_siglist_done(&list);
	return object;
}
