/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An ssh-agent without socket: what the library answers to a peer of any user and groups. */
#include <assert.h>
#include <poll.h>
#include <string.h>

#include "codec/agent.h"
#include "sealring.h"
#include "sign/key.h"

/*
 *   peer UID GID[,GROUP...] list		the names that are listed
 *   peer UID GID[,GROUP...] sign KEYFILE	the answer in hexadecimal; "signed" for a signature
 *
 * The store is in $SEALRING_STATE_DIR and $SEALRING_CONFIG_DIR, the TPM in $SEALRING_TCTI.
 */

static void complain(void *arg, int r, const struct sr_err *why)
{
	(void)arg;
	(void)r;
	fprintf(stderr, "%s\n", why->text);
}

static size_t message_of(const char *keyfile, struct sr_store *store, uint8_t *room,
			 size_t size)
{
	struct sr_writer to = { .data = room, .room = size };
	struct sr_buf blob = { 0 };
	struct sr_key *key = NULL;

	if (!keyfile) {
		sr_put_byte(&to, 11);
		return to.size;
	}
	assert(sr_key_load(store, keyfile, &key, NULL) == 0);
	assert(sr_ssh_public(&key->file->pub, &blob, NULL) == 0);
	sr_put_byte(&to, 13);
	sr_put_string(&to, blob.data, blob.size);
	sr_put_string(&to, "x", 1);
	sr_put_number(&to, 0);
	sr_buf_done(&blob);
	sr_key_free(key);
	return to.size;
}

static void print_list(struct sr_reader *from)
{
	for (uint32_t count = sr_get_number(from); count > 0; count--) {
		struct sr_reader comment;

		(void)sr_get_string(from);
		comment = sr_get_string(from);
		printf("%.*s\n", (int)comment.left, (const char *)comment.data);
	}
	assert(sr_get_end(from));
}

static void print_answer(struct sr_call *call)
{
	struct sr_reader from = { 0 };
	size_t size;

	from.data = sr_call_answer(call, &size);
	from.left = size;
	(void)sr_get_number(&from);
	switch (sr_get_byte(&from)) {
	case 12:
		print_list(&from);
		break;
	case 14:
		puts("signed");
		break;
	default:
		for (size_t i = 0; i < size; i++)
			printf("%02x", sr_call_answer(call, &size)[i]);
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	struct sr_store_options where = { .config_dir = getenv("SEALRING_CONFIG_DIR"),
					  .state_dir = getenv("SEALRING_STATE_DIR") };
	struct sr_server_options how = { .report = complain,
					 .tcti = getenv("SEALRING_TCTI") };
	uint8_t message[4096];
	gid_t groups[16];
	struct sr_peer peer = { .groups = groups };
	struct sr_store *store = NULL;
	struct sr_server *server = NULL;
	struct sr_call *call = NULL;
	size_t size;

	assert(argc >= 4);
	peer.uid = (uid_t)strtoul(argv[1], NULL, 10);
	for (char *group = strtok(argv[2], ","); group; group = strtok(NULL, ","))
		groups[peer.group_count++] = (gid_t)strtoul(group, NULL, 10);
	peer.gid = groups[0];
	peer.groups++;
	peer.group_count--;
	assert(sr_store_open(&where, &store, NULL) == 0);
	how.store = store;
	assert(sr_server_new(&how, &server, NULL) == 0);
	size = message_of(argc > 4 ? argv[4] : NULL, store, message, sizeof(message));
	assert(sr_agent_call(server, &peer, message, size, NULL, &call, NULL) == 0);
	while (sr_call_state(call) == SR_CALL_WORK) {
		struct pollfd wait = { .fd = sr_server_fd(server), .events = POLLIN };

		assert(poll(&wait, 1, -1) == 1);
		(void)sr_server_next(server);
	}
	print_answer(call);
	sr_call_free(call);
	sr_server_free(server);
	sr_store_close(store);
	return 0;
}
