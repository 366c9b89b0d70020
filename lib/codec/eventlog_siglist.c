/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signature lists: what PK, KEK, db and dbx are made of. */
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

#include "bytes.h"
#include "eventlog.h"
#include "text.h"

#define GUID 16

static const struct kind {
	uint8_t guid[GUID];
	const char *name;
	size_t hash; /* bytes of it at the beginning of the data; 0 for something else */
} kinds[] = {
	{ { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36,
	    0x93, 0x43, 0x28 },
	  "sha256",
	  32 },
	{ { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c,
	    0x2b, 0xf0, 0x72 },
	  "x509",
	  0 },
	{ { 0x12, 0xa5, 0x6c, 0x82, 0x10, 0xcf, 0xc9, 0x4a, 0xb1, 0x87, 0xbe, 0x01, 0x49,
	    0x66, 0x31, 0xbd },
	  "sha1",
	  20 },
	{ { 0x07, 0x53, 0x3e, 0xff, 0xd0, 0x9f, 0xc9, 0x48, 0x85, 0xf1, 0x8a, 0xd5, 0x6c,
	    0x70, 0x1e, 0x01 },
	  "sha384",
	  48 },
	{ { 0xae, 0x0f, 0x3e, 0x09, 0xc4, 0xa6, 0x50, 0x4f, 0x9f, 0x1b, 0xd4, 0x1e, 0x2b,
	    0x89, 0xc1, 0x9a },
	  "sha512",
	  64 },
	{ { 0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20, 0xfc, 0xf9, 0x8e,
	    0xf1, 0x03, 0xed },
	  "x509-sha256",
	  32 },
	{ { 0x6e, 0x87, 0x76, 0x70, 0xc2, 0x80, 0xe6, 0x4e, 0xaa, 0xd2, 0x28, 0xb3, 0x49,
	    0xa6, 0x86, 0x5b },
	  "x509-sha384",
	  48 },
	{ { 0x63, 0xbf, 0x6d, 0x44, 0x02, 0x25, 0xda, 0x4c, 0xbc, 0xfa, 0x24, 0x65, 0xd2,
	    0xb0, 0xfe, 0x9d },
	  "x509-sha512",
	  64 },
	{ { 0xe8, 0x66, 0x57, 0x3c, 0x9c, 0x26, 0x34, 0x4e, 0xaa, 0x14, 0xed, 0x77, 0x6e,
	    0x85, 0xb3, 0xb6 },
	  "rsa2048",
	  0 },
};

static const struct kind *find_kind(const uint8_t *guid)
{
	for (size_t i = 0; i < SR_COUNT(kinds); i++)
		if (memcmp(kinds[i].guid, guid, GUID) == 0)
			return &kinds[i];
	return NULL;
}

void sr_siglist_done(struct sr_siglist *list)
{
	free(list->entry);
	*list = (struct sr_siglist){ 0 };
}

/* Doubled each time: an attacker's variable may consist of lists of one entry each. */
static size_t room_for(size_t count)
{
	size_t room = 1;

	while (room < count)
		room *= 2;
	return room;
}

static int make_room(struct sr_siglist *list, size_t count, struct sr_err *err)
{
	size_t room = room_for(list->count + count);
	void *larger;

	if (list->entry && room == room_for(list->count))
		return 0;
	larger = reallocarray(list->entry, room, sizeof(*list->entry));
	if (!larger)
		return sr_fail_memory(err);
	list->entry = larger;
	return 0;
}

static int take_entries(struct sr_bytes in, const uint8_t *type, size_t size,
			struct sr_siglist *ret, struct sr_err *err)
{
	size_t count = in.left / size;
	int r = make_room(ret, count, err);

	if (r < 0)
		return r;
	while (count-- > 0) {
		struct sr_siglist_entry *entry = &ret->entry[ret->count++];

		entry->type = type;
		entry->size = size - GUID;
		(void)sr_bytes_take(&in, GUID, &entry->owner);
		(void)sr_bytes_take(&in, entry->size, &entry->data);
	}
	return 0;
}

/* EFI_SIGNATURE_LIST: type, its size, size of a header, size of an entry, header, entries */
static int take_list(struct sr_bytes *in, struct sr_siglist *ret, struct sr_err *err)
{
	const uint8_t *type, *header, *entries;
	uint32_t list_size, header_size, size;
	size_t rest;

	if (!sr_bytes_take(in, GUID, &type) || !sr_bytes_u32(in, &list_size) ||
	    !sr_bytes_u32(in, &header_size) || !sr_bytes_u32(in, &size))
		return sr_fail(err, -EBADMSG, "signature list: ends in its header");
	if (list_size < GUID + 12 || list_size - GUID - 12 < header_size)
		return sr_fail(err, -EBADMSG, "signature list: %u bytes with its header",
			       list_size);
	rest = list_size - GUID - 12 - header_size;
	if (!sr_bytes_take(in, header_size, &header) ||
	    !sr_bytes_take(in, rest, &entries))
		return sr_fail(err, -EBADMSG,
			       "signature list: %u bytes, but fewer are there",
			       list_size);
	if (size <= GUID || rest % size != 0)
		return sr_fail(err, -EBADMSG,
			       "signature list: %zu bytes of entries of %u bytes", rest,
			       size);
	return take_entries((struct sr_bytes){ entries, rest }, type, size, ret, err);
}

int sr_siglist_read(const uint8_t *data, size_t size, struct sr_siglist *ret,
		    struct sr_err *err)
{
	_cleanup_siglist_ struct sr_siglist list = { 0 };
	struct sr_bytes in = { data, size };
	int r = 0;

	while (r == 0 && in.left > 0)
		r = take_list(&in, &list, err);
	if (r == 0) {
		*ret = list;
		list = (struct sr_siglist){ 0 };
	}
	return r;
}

static int compare_contents(const void *left, const void *right)
{
	const struct sr_siglist_entry *a = left, *b = right;
	int r = memcmp(a->type, b->type, GUID);

	if (r == 0)
		r = (a->size > b->size) - (a->size < b->size);
	return r ? r : memcmp(a->data, b->data, a->size);
}

/* The owner comes last, so that a search may leave it out. */
static int compare_entries(const void *left, const void *right)
{
	const struct sr_siglist_entry *a = left, *b = right;
	int r = compare_contents(a, b);

	return r ? r : memcmp(a->owner, b->owner, GUID);
}

void sr_siglist_sort(struct sr_siglist *list)
{
	if (list->count > 0)
		qsort(list->entry, list->count, sizeof(*list->entry), compare_entries);
}

bool sr_siglist_has(const struct sr_siglist *sorted, const struct sr_siglist_entry *entry,
		    bool owner)
{
	return sorted->count > 0 &&
	       bsearch(entry, sorted->entry, sorted->count, sizeof(*entry),
		       owner ? compare_entries : compare_contents);
}

bool sr_siglist_is_hash(const struct sr_siglist_entry *entry)
{
	const struct kind *kind = find_kind(entry->type);

	return kind && kind->hash > 0;
}

void sr_guid_format(const uint8_t guid[GUID], char ret[SR_GUID_TEXT])
{
	/* The first three groups are little-endian numbers. */
	static const uint8_t order[GUID] = { 3, 2, 1,  0,  5,  4,  7,  6,
					     8, 9, 10, 11, 12, 13, 14, 15 };
	char *at = ret;

	for (size_t i = 0; i < GUID; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		sr_hex_format(&guid[order[i]], 1, at);
		at += 2;
	}
}

SR_DEFINE_CLEANUP(x509_freep, X509 *, X509_free)

static bool add_name(struct sr_text *text, const X509_NAME *name, int nid)
{
	int at = X509_NAME_get_index_by_NID((X509_NAME *)name, nid, -1);
	const ASN1_STRING *value =
	    at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));

	if (!value || ASN1_STRING_length(value) <= 0)
		return false;
	sr_text_ascii(text, ASN1_STRING_get0_data(value),
		      (size_t)ASN1_STRING_length(value));
	return true;
}

/* What a person calls a certificate; some have no common name. */
static void name_certificate(const struct sr_siglist_entry *entry, struct sr_text *text)
{
	const uint8_t *at = entry->data;
	_cleanup_(x509_freep) X509 *x509 = d2i_X509(NULL, &at, (long)entry->size);
	const X509_NAME *name = x509 ? X509_get_subject_name(x509) : NULL;

	ERR_clear_error();
	if (!name)
		sr_text_add(text, "unreadable certificate");
	else if (!add_name(text, name, NID_commonName) &&
		 !add_name(text, name, NID_organizationalUnitName) &&
		 !add_name(text, name, NID_organizationName))
		sr_text_add(text, "certificate without a name");
}

void sr_siglist_describe(const struct sr_siglist_entry *entry,
			 struct sr_siglist_text *ret)
{
	const struct kind *kind = find_kind(entry->type);
	struct sr_text subject = SR_TEXT(ret->subject);
	uint8_t hash[SHA256_DIGEST_LENGTH] = { 0 };
	size_t shown = entry->size > SR_DIGEST_MAX ? SR_DIGEST_MAX : entry->size;

	if (!kind)
		sr_guid_format(entry->type, ret->type);
	else
		(void)snprintf(ret->type, sizeof(ret->type), "%s", kind->name);
	if (!kind || kind->hash > 0) {
		sr_hex_format(entry->data,
			      kind && kind->hash < shown ? kind->hash : shown, ret->hash);
		return;
	}
	if (strcmp(kind->name, "x509") == 0)
		name_certificate(entry, &subject);
	(void)SHA256(entry->data, entry->size, hash);
	sr_hex_format(hash, sizeof(hash), ret->hash);
}
