/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes archives of firmware, and the metadata in them. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cab.h"
#include "vendor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct vendor *vendor)
{
	assert(vendor->count <= VENDOR_MAX);
	for (size_t i = 0; i < vendor->count; i++)
		assert(vendor->value[i].given == 1 &&
		       sr_bank_size(vendor->value[i].bank));
}

static void parse(const uint8_t *data, size_t size)
{
	struct vendor vendor = { .count = 0 };
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	(void)vendor_parse(text, &vendor, NULL);
	check(&vendor);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vendor vendor = { .count = 0 };
	struct sr_err err = { 0 };
	char *content;
	size_t length;

	if (cab_extract(data, size, "", 1, 4096, &content, &length, &err) == 0) {
		assert(length <= 4096 && content[length] == '\0');
		free(content);
	}
	(void)vendor_read(data, size, "fuzz", &vendor, &err);
	check(&vendor);
	parse(data, size);
	return 0;
}
