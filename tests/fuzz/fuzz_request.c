/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes the address of a peer: what parses has names of its kind, and nothing else in it. */
#include <assert.h>
#include <string.h>

#include "ground/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_request request = { .unit = "untouched" };
	struct sr_err err = { 0 };
	char again[SR_UNIT_MAX + SR_NAME_MAX + 16];
	size_t tail;
	int r = sr_request_parse(data, size, &request, &err);

	if (r < 0) {
		assert(r == -EINVAL && err.text[0]);
		assert(strcmp(request.unit, "untouched") == 0);
		return 0;
	}
	assert(request.unit[0] && !strchr(request.unit, '/'));
	assert(sr_name_ok(request.credential));
	tail = (size_t)snprintf(again, sizeof(again), "/unit/%s/%s", request.unit,
				request.credential);
	assert(data[0] == 0 && tail + 2 <= size && size <= tail + 17);
	assert(memcmp(data + size - tail, again, tail) == 0);
	return 0;
}
