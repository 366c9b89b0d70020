/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server without socket: what the library answers to a peer of any user and groups. */
#include <assert.h>
#include <poll.h>
#include <string.h>

#include "codec/agent.h"
#include "sealring.h"
#include "sign/key.h"

/*
 *   peer UID GID[,GROUP...] list		the names that are listed
 *   peer UID GID[,GROUP...] sign KEYFILE	the answer in hexadecimal; "signed" for a signature
 *   peer UID GID[,GROUP...] keys		the names of the keys that it may use otherwise
 *   peer UID GID[,GROUP...] use NAME [COMMAND]
 *					"signed", or "asked" for a person, or why not. With
 *					COMMAND he does that, and then says yes
 *   peer UID GID[,GROUP...] open NAME	why 256 zeros are not decrypted
 *   peer UID GID[,GROUP...] rotate NAME [COMMAND]
 *					"rotated", or as before
 *   peer UID GID[,GROUP...] both NAME	the same twice, both asked for before one was done
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

static void wait_for(struct sr_server *server, struct sr_call *call)
{
	while (sr_call_state(call) == SR_CALL_WORK) {
		struct pollfd wait = { .fd = sr_server_fd(server), .events = POLLIN };

		assert(poll(&wait, 1, -1) == 1);
		(void)sr_server_next(server);
	}
}

static void print_keys(struct sr_server *server, const struct sr_peer *peer)
{
	const struct sr_key *key;

	for (size_t at = 0; (key = sr_server_next_key(server, peer, &at));)
		puts(key->name);
}

static void use_key(struct sr_server *server, const struct sr_peer *peer,
		    const char *name, const char *how, const char *command)
{
	static const struct sr_sign_options options = { .hash = "sha256" };
	static const struct sr_padding oaep = { "sha256", 0 };
	static const struct sr_secret none;
	uint8_t zeros[256] = { 0 };
	struct sr_digest digest = { .size = 32 };
	struct sr_secret cipher = { .data = zeros, .size = sizeof(zeros) };
	struct sr_sign_request sign = { name, &options, &digest, 1, &none };
	struct sr_decrypt_request decrypt = { name, &oaep, &cipher, &none };
	struct sr_rotate_request rotate = { name, &none, false };
	struct sr_call *call = NULL;
	struct sr_err why = { 0 };
	int r = how[0] == 'o' ? sr_decrypt_call(server, peer, &decrypt, NULL, &call, &why)
		: how[0] == 'r' ? sr_rotate_call(server, peer, &rotate, NULL, &call, &why)
				: sr_sign_call(server, peer, &sign, NULL, &call, &why);

	if (call && command && sr_call_state(call) == SR_CALL_CONFIRM) {
		assert(system(command) == 0);
		sr_call_confirm(call, true);
	}
	if (call) {
		wait_for(server, call);
		r = sr_call_result(call, &why);
	}
	if (call && sr_call_state(call) == SR_CALL_CONFIRM)
		puts("asked");
	else
		puts(r < 0 ? why.text : how[0] == 'r' ? "rotated" : "signed");
	sr_call_free(call);
}

static void rotate_both(struct sr_server *server, const struct sr_peer *peer,
			const char *name)
{
	static const struct sr_secret none;
	struct sr_rotate_request rotate = { name, &none, false };
	struct sr_call *call[2] = { NULL, NULL };

	for (size_t i = 0; i < 2; i++)
		assert(sr_rotate_call(server, peer, &rotate, NULL, &call[i], NULL) == 0);
	for (size_t i = 0; i < 2; i++) {
		struct sr_err why = { 0 };

		wait_for(server, call[i]);
		puts(sr_call_result(call[i], &why) < 0 ? why.text : "rotated");
	}
	sr_call_free(call[0]);
	sr_call_free(call[1]);
}

static void ask_agent(struct sr_server *server, const struct sr_peer *peer,
		      struct sr_store *store, const char *keyfile)
{
	struct sr_call *call = NULL;
	uint8_t message[4096];
	size_t size = message_of(keyfile, store, message, sizeof(message));

	assert(sr_agent_call(server, peer, message, size, NULL, &call, NULL) == 0);
	wait_for(server, call);
	print_answer(call);
	sr_call_free(call);
}

int main(int argc, char **argv)
{
	struct sr_store_options where = { .config_dir = getenv("SEALRING_CONFIG_DIR"),
					  .state_dir = getenv("SEALRING_STATE_DIR") };
	struct sr_server_options how = { .report = complain,
					 .tcti = getenv("SEALRING_TCTI") };
	gid_t groups[16];
	struct sr_peer peer = { .groups = groups };
	struct sr_store *store = NULL;
	struct sr_server *server = NULL;
	const char *name;

	assert(argc >= 4);
	name = argc > 4 ? argv[4] : NULL;
	peer.uid = (uid_t)strtoul(argv[1], NULL, 10);
	for (char *group = strtok(argv[2], ","); group; group = strtok(NULL, ","))
		groups[peer.group_count++] = (gid_t)strtoul(group, NULL, 10);
	peer.gid = groups[0];
	peer.groups++;
	peer.group_count--;
	assert(sr_store_open(&where, &store, NULL) == 0);
	how.store = store;
	assert(sr_server_new(&how, &server, NULL) == 0);
	if (strcmp(argv[3], "keys") == 0)
		print_keys(server, &peer);
	else if (strcmp(argv[3], "use") == 0 || strcmp(argv[3], "open") == 0 ||
		 strcmp(argv[3], "rotate") == 0)
		use_key(server, &peer, name, argv[3], argc > 5 ? argv[5] : NULL);
	else if (strcmp(argv[3], "both") == 0)
		rotate_both(server, &peer, name);
	else
		ask_agent(server, &peer, store, name);
	sr_server_free(server);
	sr_store_close(store);
	return 0;
}
