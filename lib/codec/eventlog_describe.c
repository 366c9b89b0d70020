/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An event in words. */
#include <inttypes.h>
#include <string.h>

#include "bytes.h"
#include "eventlog.h"
#include "text.h"

/* What a function below fills in. */
struct words {
	struct sr_text subject;
	struct sr_text value;
};

static void say_size(struct words *words, const struct sr_event *event)
{
	sr_text_size(&words->value, event->size);
}

/* Bytes of which nothing is known but that they may be text. */
static void say_data(struct sr_text *text, const uint8_t *data, size_t size)
{
	if (sr_text_is_utf16(data, size) && size > 2)
		sr_text_utf16(text, data, size);
	else if (sr_text_is_ascii(data, size))
		sr_text_ascii(text, data, size);
	else
		sr_text_size(text, size);
}

static void say_name(struct words *words, const struct sr_event *event)
{
	const char *name = sr_event_type_name(event->type);

	if (name)
		sr_text_add(&words->subject, "%s", name);
	else
		sr_text_add(&words->subject, "type 0x%08x", event->type);
	say_data(&words->value, event->data, event->size);
}

static void say_banks(const struct sr_eventlog *log, struct sr_text *text)
{
	for (size_t i = 0; i < log->banks; i++) {
		const char *name = sr_bank_name(log->bank[i]);

		if (name)
			sr_text_add(text, "%s%s", i ? " " : "", name);
		else
			sr_text_add(text, "%s0x%04x", i ? " " : "", log->bank[i]);
	}
}

static void say_no_action(const struct sr_eventlog *log, const struct sr_event *event,
			  struct words *words)
{
	size_t length = event->size < 16 ? event->size : 16;

	if (length == 16 && memcmp(event->data, "Spec ID Event03", 16) == 0) {
		sr_text_add(&words->subject, "header of the log");
		say_banks(log, &words->value);
	} else if (sr_event_locality(event) >= 0) {
		sr_text_add(&words->subject, "startup locality");
		sr_text_add(&words->value, "%u", event->data[16]);
	} else if (length >= 15 && memcmp(event->data, "SP800-155 Event", 15) == 0) {
		sr_text_add(&words->subject, "reference manifest (SP800-155)");
		say_size(words, event);
	} else {
		sr_text_add(&words->subject, "note");
		if (sr_text_is_ascii(event->data, event->size))
			sr_text_ascii(&words->value, event->data, event->size);
		else
			sr_text_ascii(&words->value, event->data, length);
	}
}

/* Where something was in memory: two numbers of 64 bits. */
static bool region(const struct sr_event *event, uint64_t *base, uint64_t *size)
{
	struct sr_bytes in = { event->data, event->size };

	return event->size == 16 && sr_bytes_u64(&in, base) && sr_bytes_u64(&in, size);
}

static void say_region(struct words *words, const char *what,
		       const struct sr_event *event)
{
	uint64_t base, size;

	if (region(event, &base, &size)) {
		sr_text_add(&words->subject, "%s at 0x%" PRIx64, what, base);
		sr_text_size(&words->value, size);
	} else if (sr_text_is_ascii(event->data, event->size)) {
		sr_text_add(&words->subject, "%s ", what);
		sr_text_ascii(&words->subject, event->data, event->size);
	} else {
		sr_text_add(&words->subject, "%s", what);
		say_data(&words->value, event->data, event->size);
	}
}

/* UTF-16 by the profile; a GUID, or ASCII and then something else, by the vendor. */
static void say_version(struct words *words, const struct sr_event *event)
{
	size_t ascii = strnlen((const char *)event->data, event->size);
	char guid[SR_GUID_TEXT];

	sr_text_add(&words->subject, "S-CRTM version");
	if (sr_text_is_utf16(event->data, event->size)) {
		sr_text_utf16(&words->value, event->data, event->size);
	} else if (sr_text_is_ascii(event->data, event->size)) {
		sr_text_ascii(&words->value, event->data, event->size);
	} else if (event->size == 16) {
		sr_guid_format(event->data, guid);
		sr_text_add(&words->value, "%s", guid);
	} else if (ascii > 1 && sr_text_is_ascii(event->data, ascii)) {
		sr_text_ascii(&words->value, event->data, ascii);
		sr_text_add(&words->value, " and %zu bytes", event->size - ascii);
	} else if (event->size > 2) {
		say_size(words, event);
	} else {
		sr_text_add(&words->value, "empty");
	}
}

/* Description with its length in front, then base and length. */
static void say_blob2(struct words *words, const struct sr_event *event)
{
	struct sr_bytes in = { event->data, event->size };
	const uint8_t *name;
	uint64_t base, size;
	uint8_t length;

	sr_text_add(&words->subject, "firmware volume");
	if (!sr_bytes_u8(&in, &length) || !sr_bytes_take(&in, length, &name) ||
	    !sr_bytes_u64(&in, &base) || !sr_bytes_u64(&in, &size)) {
		say_size(words, event);
		return;
	}
	sr_text_add(&words->subject, " ");
	sr_text_ascii(&words->subject, name, length);
	sr_text_add(&words->subject, " at 0x%" PRIx64, base);
	sr_text_size(&words->value, size);
}

static void say_separator(struct words *words, const struct sr_event *event)
{
	char hex[9];

	sr_text_add(&words->subject, "separator");
	if (event->size == 4 && memcmp(event->data, "\1\0\0\0", 4) == 0) {
		sr_text_add(&words->value, "error of the firmware");
	} else if (event->size > 1 && sr_text_is_ascii(event->data, event->size)) {
		sr_text_ascii(&words->value, event->data, event->size);
	} else if (event->size > 0 && event->size <= 4) {
		sr_hex_format(event->data, event->size, hex);
		sr_text_add(&words->value, "%s", hex);
	} else {
		say_size(words, event);
	}
}

/* What is said of a whole sentence is the sentence. */
static void say_sentence(struct words *words, const struct sr_event *event,
			 const char *what)
{
	if (sr_text_is_utf16(event->data, event->size) && event->size > 2) {
		sr_text_utf16(&words->subject, event->data, event->size);
	} else if (sr_text_is_ascii(event->data, event->size)) {
		sr_text_ascii(&words->subject, event->data, event->size);
	} else {
		sr_text_add(&words->subject, "%s", what);
		say_size(words, event);
	}
}

/* "kernel_cmdline: ..." and "grub_cmd: ...": a name, and what it was. */
static void say_loader(struct words *words, const struct sr_event *event)
{
	static const char *const names[] = { "grub_cmd: ", "grub_cmd ",
					     "kernel_cmdline: ", "grub_kernel_cmdline ",
					     "module_cmdline: " };
	bool ascii = sr_text_is_ascii(event->data, event->size);

	for (size_t i = 0; ascii && i < SR_COUNT(names); i++) {
		size_t length = strlen(names[i]);

		if (event->size <= length || memcmp(event->data, names[i], length) != 0)
			continue;
		sr_text_ascii(&words->subject, event->data, strcspn(names[i], ": "));
		sr_text_ascii(&words->value, event->data + length, event->size - length);
		return;
	}
	say_sentence(words, event, "boot loader");
}

/* TCG_PCClientTaggedEvent: an identifier, a size, and what its maker wants. */
static void say_tag(struct words *words, const struct sr_event *event)
{
	struct sr_bytes in = { event->data, event->size };
	uint32_t tag, size;

	if (!sr_bytes_u32(&in, &tag) || !sr_bytes_u32(&in, &size) || size != in.left) {
		say_name(words, event);
		return;
	}
	sr_text_add(&words->subject, "tag 0x%08x", tag);
	say_data(&words->value, in.data, in.left);
}

/* The names of files in a device path, which stand in nodes of type 4, subtype 4. */
static bool say_path(struct sr_text *text, struct sr_bytes in)
{
	bool any = false;

	while (in.left >= 4) {
		size_t size = in.data[2] | (size_t)in.data[3] << 8;

		if (size < 4 || size > in.left)
			break;
		if (in.data[0] == 4 && in.data[1] == 4 &&
		    sr_text_is_utf16(in.data + 4, size - 4)) {
			sr_text_utf16(text, in.data + 4, size - 4);
			any = true;
		} else if (in.data[0] == 4 && in.data[1] == 6 && size == 20) {
			char guid[SR_GUID_TEXT];

			sr_guid_format(in.data + 4, guid);
			sr_text_add(text, "%s", guid);
			any = true;
		}
		in.data += size;
		in.left -= size;
	}
	return any;
}

/* EFI_IMAGE_LOAD_EVENT: address, length, address it was linked for, device path */
static void say_image(struct words *words, const struct sr_event *event)
{
	struct sr_bytes in = { event->data, event->size };
	uint64_t base, size, linked, length;

	sr_text_add(&words->subject, event->type == SR_EV_EFI_BOOT_SERVICES_APPLICATION
					 ? "program "
					 : "driver ");
	if (!sr_bytes_u64(&in, &base) || !sr_bytes_u64(&in, &size) ||
	    !sr_bytes_u64(&in, &linked) || !sr_bytes_u64(&in, &length) ||
	    length > in.left) {
		sr_text_add(&words->subject, "(unreadable)");
		return;
	}
	in.left = (size_t)length;
	if (!say_path(&words->subject, in))
		sr_text_add(&words->subject, length > 4 ? "of a device" : "in memory");
	sr_text_size(&words->value, size);
}

static void say_tables(struct words *words, const struct sr_event *event)
{
	struct sr_bytes in = { event->data, event->size };
	const uint8_t *guid;
	char text[SR_GUID_TEXT];
	uint64_t count;

	sr_text_add(&words->subject, "tables");
	if (!sr_bytes_u64(&in, &count) || !sr_bytes_take(&in, 16, &guid)) {
		say_size(words, event);
		return;
	}
	sr_guid_format(guid, text);
	sr_text_add(&words->subject, " %s", text);
	if (count > 1)
		sr_text_add(&words->value, "%" PRIu64 " tables", count);
}

/* UEFI_GPT_DATA: the header of the table, where its disk's GUID is at 56 */
static void say_partitions(struct words *words, const struct sr_event *event)
{
	struct sr_bytes in = { event->data, event->size };
	const uint8_t *header;
	char guid[SR_GUID_TEXT];
	uint64_t count;

	sr_text_add(&words->subject, "partition table");
	if (!sr_bytes_take(&in, 92, &header) || !sr_bytes_u64(&in, &count)) {
		say_size(words, event);
		return;
	}
	sr_guid_format(header + 56, guid);
	sr_text_add(&words->value, "disk %s, %" PRIu64 " partitions", guid, count);
}

/* "267 hashes, 2 certificates, 12900 bytes" */
static void say_list(struct sr_text *text, const struct sr_siglist *list, size_t size)
{
	size_t hashes = 0, others;

	for (size_t i = 0; i < list->count; i++)
		hashes += sr_siglist_is_hash(&list->entry[i]);
	others = list->count - hashes;
	if (list->count == 0)
		sr_text_add(text, "empty, ");
	if (hashes > 0)
		sr_text_add(text, "%zu hash%s, ", hashes, hashes == 1 ? "" : "es");
	if (others > 0)
		sr_text_add(text, "%zu certificate%s, ", others, others == 1 ? "" : "s");
	sr_text_add(text, "%zu bytes", size);
}

static void say_switch(struct sr_text *text, const struct sr_variable *variable)
{
	if (variable->size != 1 || variable->data[0] > 1)
		say_data(text, variable->data, variable->size);
	else
		sr_text_add(text, "%s", variable->data[0] ? "on" : "off");
}

static bool is_switch(const struct sr_variable *variable)
{
	static const char *const names[] = { "SecureBoot", "AuditMode", "DeployedMode",
					     "SetupMode" };

	for (size_t i = 0; i < SR_COUNT(names); i++)
		if (sr_variable_is(variable, names[i]))
			return true;
	return false;
}

/* EFI_LOAD_OPTION: attributes, length of the path, description */
static void say_option(struct sr_text *text, const struct sr_variable *variable)
{
	if (variable->size > 6)
		sr_text_utf16(text, variable->data + 6, variable->size - 6);
	else
		sr_text_size(text, variable->size);
}

static void say_order(struct sr_text *text, const struct sr_variable *variable)
{
	for (size_t i = 0; i + 1 < variable->size; i += 2)
		sr_text_add(text, "%s%04x", i ? " " : "",
			    variable->data[i] | variable->data[i + 1] << 8);
}

static void say_authority(struct sr_text *text, const struct sr_event *event,
			  const struct sr_variable *variable)
{
	_cleanup_siglist_ struct sr_siglist list = { 0 };
	struct sr_siglist_text entry;

	if (sr_event_siglist(event, &list, NULL) < 0 || list.count == 0) {
		say_data(text, variable->data, variable->size);
		return;
	}
	sr_siglist_describe(&list.entry[0], &entry);
	if (*entry.subject)
		sr_text_add(text, "%s, ", entry.subject);
	sr_text_add(text, "%.16s", entry.hash);
}

static void say_variable(struct words *words, const struct sr_event *event)
{
	_cleanup_siglist_ struct sr_siglist list = { 0 };
	struct sr_variable variable;

	if (!sr_variable_read(event, &variable)) {
		say_name(words, event);
		return;
	}
	if (event->type == SR_EV_EFI_VARIABLE_AUTHORITY)
		sr_text_add(&words->subject, "authority ");
	sr_text_utf16(&words->subject, variable.name, variable.name_size);
	if (event->type == SR_EV_EFI_VARIABLE_AUTHORITY)
		say_authority(&words->value, event, &variable);
	else if (is_switch(&variable))
		say_switch(&words->value, &variable);
	else if (sr_variable_is_list(&variable) &&
		 sr_event_siglist(event, &list, NULL) == 0)
		say_list(&words->value, &list, variable.size);
	else if (sr_variable_is(&variable, "BootOrder"))
		say_order(&words->value, &variable);
	else if (event->type != SR_EV_EFI_VARIABLE_DRIVER_CONFIG &&
		 variable.name_size == 16)
		say_option(&words->value, &variable);
	else
		say_data(&words->value, variable.data, variable.size);
}

static void say_contents(struct words *words, const struct sr_event *event)
{
	uint64_t base, size;

	if (region(event, &base, &size)) {
		say_region(words, "S-CRTM contents", event);
		return;
	}
	sr_text_add(&words->subject, "S-CRTM contents");
	say_data(&words->value, event->data, event->size);
}

void sr_event_describe(const struct sr_eventlog *log, const struct sr_event *event,
		       struct sr_event_text *ret)
{
	struct words words = { SR_TEXT(ret->subject), SR_TEXT(ret->value) };

	switch (event->type) {
	case SR_EV_NO_ACTION:
		say_no_action(log, event, &words);
		break;
	case SR_EV_POST_CODE:
	case SR_EV_POST_CODE2:
		say_region(&words, "POST code", event);
		break;
	case SR_EV_SEPARATOR:
		say_separator(&words, event);
		break;
	case SR_EV_ACTION:
	case SR_EV_EFI_ACTION:
		say_sentence(&words, event, "action");
		break;
	case SR_EV_EVENT_TAG:
		say_tag(&words, event);
		break;
	case SR_EV_S_CRTM_CONTENTS:
		say_contents(&words, event);
		break;
	case SR_EV_S_CRTM_VERSION:
		say_version(&words, event);
		break;
	case SR_EV_IPL:
		say_loader(&words, event);
		break;
	case SR_EV_EFI_PLATFORM_FIRMWARE_BLOB:
		say_region(&words, "firmware volume", event);
		break;
	case SR_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
		say_blob2(&words, event);
		break;
	case SR_EV_EFI_BOOT_SERVICES_APPLICATION:
	case SR_EV_EFI_BOOT_SERVICES_DRIVER:
	case SR_EV_EFI_RUNTIME_SERVICES_DRIVER:
		say_image(&words, event);
		break;
	case SR_EV_EFI_HANDOFF_TABLES:
		say_tables(&words, event);
		break;
	case SR_EV_EFI_GPT_EVENT:
		say_partitions(&words, event);
		break;
	case SR_EV_EFI_VARIABLE_DRIVER_CONFIG:
	case SR_EV_EFI_VARIABLE_BOOT:
	case SR_EV_EFI_VARIABLE_BOOT2:
	case SR_EV_EFI_VARIABLE_AUTHORITY:
		say_variable(&words, event);
		break;
	default:
		say_name(&words, event);
	}
}
