/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes messages to the ssh-agent: what is taken from one lies in it, and is all of it. */
#include <assert.h>
#include <string.h>

#include "codec/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(const struct sr_reader *part, const uint8_t *data, size_t size)
{
	return !part->bad && part->data >= data && part->left <= size &&
	       (size_t)(part->data - data) <= size - part->left;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sr_agent_request request = { .flags = 0x5a5a5a5a };
	int r = sr_agent_read(data, size, &request);

	if (r < 0) {
		assert(r == -EBADMSG && request.flags == 0x5a5a5a5a);
		return 0;
	}
	switch (request.kind) {
	case SR_AGENT_LIST:
		assert(size == 1);
		break;
	case SR_AGENT_SIGN:
		assert(lies_in(&request.key, data, size));
		assert(lies_in(&request.data, data, size));
		assert(size == 1 + 4 + request.key.left + 4 + request.data.left + 4);
		break;
	case SR_AGENT_LOCK:
	case SR_AGENT_UNLOCK:
		assert(lies_in(&request.data, data, size));
		assert(size == 1 + 4 + request.data.left);
		break;
	default:
		break;
	}
	return 0;
}
