/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PCR 0 that a vendor says an update of the firmware leads to. */
#include "vendor.h"

#include <errno.h>
#include <string.h>

#include "cab.h"
#include "ground/attr.h"

#define METAINFO ".metainfo.xml"
#define METAINFO_MAX 1048576 /* bytes */
#define METAINFO_COUNT 16    /* components in an archive; each is unpacked by itself */
#define PCR_FIRMWARE 0

/* The next tag behind @at, comments left out; *@end is behind its '>'. */
static const char *next_tag(const char *at, const char **end)
{
	const char *tag = strchr(at, '<');

	while (tag && strncmp(tag, "<!--", 4) == 0) {
		const char *behind = strstr(tag + 4, "-->");

		tag = behind ? strchr(behind + 3, '<') : NULL;
	}
	if (!tag)
		return NULL;
	*end = strchr(tag, '>');
	if (!*end)
		return NULL;
	++*end;
	return tag;
}

static bool is_tag(const char *tag, const char *name)
{
	size_t length = strlen(name);

	return strncmp(tag, name, length) == 0 && strchr(" \t\r\n/>", tag[length]);
}

/* Whether the tag has this attribute, in quotes of either kind. */
static bool has(const char *tag, const char *end, const char *attribute)
{
	size_t length = strlen(attribute);

	for (const char *at = tag; at + length + 2 <= end; at++)
		if (strchr(" \t\r\n", *at) && strncmp(at + 1, attribute, length) == 0)
			return true;
	return false;
}

static bool is_of_device(const char *tag, const char *end)
{
	return has(tag, end, "target=\"device\"") || has(tag, end, "target='device'");
}

static int add_value(const char *text, struct vendor *vendor, struct sr_err *err)
{
	static const char space[] = " \t\r\n";
	char list[2 * SR_DIGEST_MAX + 3] = "0=";
	struct sr_pcrs value;
	size_t length;

	text += strspn(text, space);
	length = strcspn(text, " \t\r\n<");
	if (length > 2 * SR_DIGEST_MAX ||
	    text[length + strspn(text + length, space)] != '<')
		return sr_fail(err, -EBADMSG, "a device checksum is none");
	memcpy(list + 2, text, length);
	list[2 + length] = '\0';
	if (sr_pcrs_parse(list, &value, NULL) < 0 || !value.bank ||
	    value.given != 1U << PCR_FIRMWARE)
		return sr_fail(err, -EBADMSG, "a device checksum is none");
	if (vendor->count == VENDOR_MAX)
		return sr_fail(err, -EBADMSG, "more than %d device checksums",
			       VENDOR_MAX);
	vendor->value[vendor->count++] = value;
	return 0;
}

int vendor_parse(const char *xml, struct vendor *ret, struct sr_err *err)
{
	const char *end = xml, *tag = next_tag(xml, &end);
	bool release = false;
	int r = 0;

	for (; r == 0 && tag; tag = next_tag(end, &end)) {
		if (is_tag(tag, "<release"))
			release = true;
		else if (release && is_tag(tag, "</release"))
			break; /* what follows is older */
		else if (release && is_tag(tag, "<checksum") && is_of_device(tag, end))
			r = add_value(end, ret, err);
	}
	return r;
}

int vendor_read(const void *data, size_t size, const char *name, struct vendor *ret,
		struct sr_err *err)
{
	struct vendor vendor = { .count = 0 };
	struct sr_err why = { 0 };
	int r = 0;

	for (size_t index = 0; r == 0; index++) {
		_cleanup_free_ char *xml = NULL;
		size_t length;

		r = cab_extract(data, size, METAINFO, index, METAINFO_MAX, &xml, &length,
				&why);
		if (r == 0 && index == METAINFO_COUNT)
			r = sr_fail(&why, -EBADMSG, "more than %d components",
				    METAINFO_COUNT);
		if (r == 0)
			r = vendor_parse(xml, &vendor, &why);
	}
	if (r != -ENOENT)
		return sr_fail(err, r, "%s: %s", name, why.text);
	if (vendor.count == 0)
		return sr_fail(err, -EINVAL,
			       "%s: its vendor does not say what PCR 0 will be: "
			       "--next-boot needs no value",
			       name);
	*ret = vendor;
	return 0;
}
