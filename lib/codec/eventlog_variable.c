/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UEFI variables, as they are measured, and the signature lists in them. */
#include <string.h>

#include "bytes.h"
#include "eventlog.h"

/* EFI_CERT_X509_GUID: what shim and firmware have in mind who log a bare certificate. */
static const uint8_t x509_guid[16] = { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
				       0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72 };
static const uint8_t sha256_guid[16] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
					 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28 };
static const uint8_t no_owner[16];

bool sr_variable_read(const struct sr_event *event, struct sr_variable *ret)
{
	struct sr_bytes in = { event->data, event->size };
	struct sr_variable variable;
	uint64_t characters, size;

	switch (event->type) {
	case SR_EV_EFI_VARIABLE_DRIVER_CONFIG:
	case SR_EV_EFI_VARIABLE_BOOT:
	case SR_EV_EFI_VARIABLE_BOOT2:
	case SR_EV_EFI_VARIABLE_AUTHORITY:
		break;
	default:
		return false;
	}
	if (!sr_bytes_take(&in, 16, &variable.guid) || !sr_bytes_u64(&in, &characters) ||
	    !sr_bytes_u64(&in, &size) || characters > in.left / 2)
		return false;
	variable.name_size = 2 * (size_t)characters;
	(void)sr_bytes_take(&in, variable.name_size, &variable.name);
	/* shim once gave the size of the name in bytes; then there are too few. */
	if (size > in.left)
		return false;
	variable.size = (size_t)size;
	(void)sr_bytes_take(&in, variable.size, &variable.data);
	while (variable.name_size >= 2 && variable.name[variable.name_size - 1] == 0 &&
	       variable.name[variable.name_size - 2] == 0)
		variable.name_size -= 2;
	*ret = variable;
	return true;
}

bool sr_variable_is(const struct sr_variable *variable, const char *name)
{
	size_t length = strlen(name);

	if (variable->name_size != 2 * length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (variable->name[2 * i] != (uint8_t)name[i] ||
		    variable->name[2 * i + 1] != 0)
			return false;
	return true;
}

bool sr_variable_is_list(const struct sr_variable *variable)
{
	static const char *const names[] = { "PK",
					     "KEK",
					     "db",
					     "dbx",
					     "dbt",
					     "dbr",
					     "MokList",
					     "MokListX",
					     "MokListRT",
					     "MokListXRT",
					     "MokListTrustedRT" };

	for (size_t i = 0; i < SR_COUNT(names); i++)
		if (sr_variable_is(variable, names[i]))
			return true;
	return false;
}

static int take_one(const uint8_t *type, const uint8_t *owner, const uint8_t *data,
		    size_t size, struct sr_siglist *ret, struct sr_err *err)
{
	struct sr_siglist_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return sr_fail_memory(err);
	*entry = (struct sr_siglist_entry){ type, owner, data, size };
	*ret = (struct sr_siglist){ entry, 1 };
	return 0;
}

static bool looks_like_certificate(const uint8_t *data, size_t size)
{
	/* SEQUENCE with a length of two bytes */
	return size > 128 && data[0] == 0x30 && data[1] == 0x82;
}

/* EFI_SIGNATURE_DATA, or from shim its own certificate without an owner. */
static int read_authority(const struct sr_variable *variable, struct sr_siglist *ret,
			  struct sr_err *err)
{
	const uint8_t *data = variable->data;
	size_t size = variable->size;

	if (looks_like_certificate(data, size))
		return take_one(x509_guid, no_owner, data, size, ret, err);
	if (size > 16 && looks_like_certificate(data + 16, size - 16))
		return take_one(x509_guid, data, data + 16, size - 16, ret, err);
	if (size == 16 + 32)
		return take_one(sha256_guid, data, data + 16, size - 16, ret, err);
	return 0;
}

int sr_event_siglist(const struct sr_event *event, struct sr_siglist *ret,
		     struct sr_err *err)
{
	struct sr_siglist list = { 0 };
	struct sr_variable variable;
	int r = 0;

	if (!sr_variable_read(event, &variable))
		;
	else if (event->type == SR_EV_EFI_VARIABLE_AUTHORITY)
		r = read_authority(&variable, &list, err);
	else if (event->type == SR_EV_EFI_VARIABLE_DRIVER_CONFIG &&
		 sr_variable_is_list(&variable))
		r = sr_siglist_read(variable.data, variable.size, &list, err);
	if (r == 0)
		*ret = list;
	return r;
}
