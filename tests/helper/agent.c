/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients of an ssh-agent: many at once that sign, and one that sends what it should not. */
#include <assert.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "clients.h"
#include "codec/agent.h"
#include "sign/key.h"

/*
 *   agent sign CLIENTS COUNT [HOT]	each client signs COUNT times, with all keys in turn, or
 *					HOT of 100 times with one of the first two; prints
 *					how many signatures were good, and signatures a second
 *   agent garbage COUNT SEED		sends COUNT messages that are damaged in all ways; fails
 *					if the agent does not answer
 *   agent hold SECONDS		signs, waits, and signs once more in the same connection
 *   agent raw 0			sends standard input as it is; prints what is answered
 *   agent crowd COUNT			connects so often; prints how many connections stay, and
 *					keeps them
 *   agent hang-up COUNT		asks COUNT times for a signature, and leaves at once
 *   agent try NAME...		with each of these keys lists, and signs, in a connection of its
 *				own; prints what became of both: "good", "refused", "gone" for
 *				hung up, "wrong" for what it should never be
 *
 * The agent is at $SSH_AUTH_SOCK, the keys in $SEALRING_STATE_DIR.
 */

struct known {
	struct sr_buf blob;
	EVP_PKEY *pub;
	const struct sr_key_type *type;
};

static struct known keys[KEYS];

static int connect_agent(void)
{
	return connect_to("SSH_AUTH_SOCK");
}

/* False if the agent hung up. */
static bool receive(int fd, uint8_t *message, size_t *size)
{
	uint8_t prefix[SR_AGENT_HEADER];

	if (sr_read_full(fd, prefix, sizeof(prefix)) != sizeof(prefix))
		return false;
	assert(sr_agent_size(prefix, size) == 0);
	return sr_read_full(fd, message, *size) == (ssize_t)*size;
}

static size_t ask_list(uint8_t *message)
{
	struct sr_writer to = { .data = message, .room = 64 };
	size_t at = sr_put_begin(&to);

	sr_put_byte(&to, 11);
	sr_put_end(&to, at);
	return to.size;
}

static size_t ask_sign(uint8_t *message, size_t room, const struct known *key,
		       const uint8_t *data, size_t size)
{
	struct sr_writer to = { .data = message, .room = room };
	size_t at = sr_put_begin(&to);

	sr_put_byte(&to, 13);
	sr_put_string(&to, key->blob.data, key->blob.size);
	sr_put_string(&to, data, size);
	sr_put_number(&to, key->type->alg == TPM2_ALG_RSA ? 4 : 0);
	sr_put_end(&to, at);
	assert(!to.full);
	return to.size;
}

static void learn_key(struct sr_store *store, const char *name, struct known *ret)
{
	struct sr_key *key = NULL;

	assert(sr_key_load(store, name, &key, NULL) == 0);
	assert(sr_pubkey_evp(&key->file->pub, &ret->pub, NULL) == 0);
	assert(sr_ssh_public(&key->file->pub, &ret->blob, NULL) == 0);
	ret->type = key->type;
	sr_key_free(key);
}

/* What the agent lists, with the public keys that stand in the store under their names. */
static void learn_keys(void)
{
	static uint8_t message[SR_AGENT_MAX];
	struct sr_reader from = { .data = message };
	struct sr_store *store = open_store();
	int fd = connect_agent();

	assert(send_all(fd, message, ask_list(message)));
	assert(receive(fd, message, &from.left) && sr_get_byte(&from) == 12);
	key_count = sr_get_number(&from);
	assert(key_count > 0 && key_count <= KEYS);
	for (size_t i = 0; i < key_count; i++) {
		struct sr_reader blob = sr_get_string(&from);
		struct sr_reader comment = sr_get_string(&from);
		char name[SR_NAME_MAX + 1];

		(void)snprintf(name, sizeof(name), "%.*s", (int)comment.left,
			       (const char *)comment.data);
		learn_key(store, name, &keys[i]);
		assert(sr_wire_is(&blob, keys[i].blob.data, keys[i].blob.size));
	}
	assert(sr_get_end(&from));
	sr_store_close(store);
	(void)close(fd);
}

/* ---- signing ---- */

static bool take_number(struct sr_reader *from, uint8_t *ret, size_t field)
{
	struct sr_reader number = sr_get_string(from);

	return !number.bad && sr_pubkey_pad(number.data, number.left, ret, field);
}

static bool verify(const struct known *key, const uint8_t *data,
		   const struct sr_buf *answer)
{
	struct sr_reader from = { .data = answer->data, .left = answer->size };
	bool rsa = key->type->alg == TPM2_ALG_RSA, whole = key->type->alg == SR_ALG_EDDSA;
	struct sr_scheme scheme;
	uint8_t plain[2 * SR_FIELD_MAX], digest[EVP_MAX_MD_SIZE];
	struct sr_buf form = { plain, (rsa ? 1U : 2U) * key->type->field }, der = { 0 };
	struct sr_reader signature, body;
	unsigned int size;
	bool good;

	assert(sr_agent_scheme(key->type, rsa ? 4 : 0, &scheme) == 0);
	if (sr_get_byte(&from) != 14)
		return false;
	signature = sr_get_string(&from);
	(void)sr_get_string(&signature);
	body = sr_get_string(&signature);
	if (!sr_get_end(&from) || !sr_get_end(&signature))
		return false;
	if (rsa || whole) {
		if (body.left != form.size)
			return false;
		memcpy(plain, body.data, body.left);
	} else if (!take_number(&body, plain, key->type->field) ||
		   !take_number(&body, plain + key->type->field, key->type->field)) {
		return false;
	}
	assert(whole ||
	       EVP_Digest(data, DATA, digest, &size, sr_scheme_md(&scheme), NULL) == 1);
	good = sr_signature_from_plain(&form, key->type, &der, NULL) == 0 &&
	       sr_signature_verify(key->pub, &scheme, whole ? data : digest,
				   whole ? DATA : size, &der, NULL) == 1;
	sr_buf_done(&der);
	return good;
}

static bool ask(int fd, struct done *one)
{
	static uint8_t message[SR_AGENT_MAX];
	size_t size = ask_sign(message, sizeof(message), &keys[one->key],
			       (const uint8_t *)one->data, DATA);

	if (!send_all(fd, message, size) || !receive(fd, message, &one->size))
		return false;
	one->answer = malloc(one->size);
	memcpy(one->answer, message, one->size);
	return true;
}

static bool verify_done(const struct done *one)
{
	return verify(&keys[one->key], (const uint8_t *)one->data,
		      &(struct sr_buf){ one->answer, one->size });
}

/* ---- what it should not send ---- */

static size_t good_message(uint8_t *message, size_t room)
{
	static const uint8_t kinds[] = { 1,  5,	 11, 13, 17, 18, 19,
					 20, 21, 22, 23, 25, 26, 27 };
	uint8_t data[64] = { 0 };
	struct sr_writer to = { .data = message, .room = room };
	size_t at;

	switch (random_number(4)) {
	case 0:
		return ask_list(message);
	case 1:
		return ask_sign(message, room, &keys[random_number((uint32_t)key_count)],
				data, random_number(sizeof(data)));
	default:
		at = sr_put_begin(&to);
		sr_put_byte(&to, kinds[random_number(sizeof(kinds))]);
		for (uint32_t i = random_number(4); i > 0; i--)
			sr_put_string(&to, data, random_number(sizeof(data)));
		sr_put_end(&to, at);
		return to.size;
	}
}

/* Of the right length as a whole or not; with a byte that is another, or many. */
static size_t damage(uint8_t *message, size_t size, bool *framed)
{
	struct sr_writer prefix = { .data = message, .room = SR_AGENT_HEADER };

	*framed = true;
	switch (random_number(5)) {
	case 0: /* cut, and the length is that of what is left */
		size =
		    SR_AGENT_HEADER + 1 + random_number((uint32_t)size - SR_AGENT_HEADER);
		sr_put_number(&prefix, (uint32_t)size - SR_AGENT_HEADER);
		break;
	case 1: /* more behind it */
		memset(message + size, 0x41, 16);
		size += 1 + random_number(15);
		sr_put_number(&prefix, (uint32_t)size - SR_AGENT_HEADER);
		break;
	case 2: /* a length inside that is not true */
		if (size >= 9)
			message[5 + random_number(4)] = (uint8_t)random_number(256);
		break;
	case 3:
		for (uint32_t i = 1 + random_number(8); i > 0; i--)
			message[SR_AGENT_HEADER +
				random_number((uint32_t)size - SR_AGENT_HEADER)] ^=
			    (uint8_t)(1U << random_number(8));
		break;
	default: /* the length before it */
		sr_put_number(&prefix,
			      random_number(2) ? 0 : SR_AGENT_MAX + 1 + seed % 1000);
		*framed = false;
	}
	return size;
}

static int garbage(unsigned long count)
{
	static uint8_t message[SR_AGENT_MAX], answer[SR_AGENT_MAX];
	unsigned long answers = 0, refusals = 0, ends = 0;
	int fd = connect_agent();

	for (unsigned long i = 0; i < count; i++) {
		size_t size = good_message(message, sizeof(message) - 16), got = 0;
		struct sr_agent_request request = { 0 };
		bool framed, answered;

		size = damage(message, size, &framed);
		/* A lock that came out whole would be the end of it. */
		if (framed &&
		    sr_agent_read(message + SR_AGENT_HEADER, size - SR_AGENT_HEADER,
				  &request) == 0 &&
		    request.kind == SR_AGENT_LOCK)
			continue;
		answered = send_all(fd, message, size) && receive(fd, answer, &got);
		if (framed && !answered) {
			fprintf(stderr, "message %lu was not answered\n", i);
			return 1;
		}
		answers += answered;
		refusals += answered && answer[0] == 5;
		if (answered)
			continue;
		ends++;
		(void)close(fd);
		fd = connect_agent();
	}
	printf("%lu answers, %lu of them refusals, %lu times hung up\n", answers,
	       refusals, ends);
	return answers > 0 && refusals > 0 && ends > 0 ? 0 : 1;
}

static int hang_up(unsigned long count)
{
	uint8_t message[4096], data[DATA] = { 0 };

	for (unsigned long i = 0; i < count; i++) {
		int fd = connect_agent();
		size_t size =
		    ask_sign(message, sizeof(message), &keys[i % key_count], data, DATA);

		assert(send_all(fd, message, i % 3 == 0 ? size / 2 : size));
		(void)close(fd);
	}
	return 0;
}

static int hold(unsigned long seconds)
{
	static uint8_t message[SR_AGENT_MAX];
	int fd = connect_agent();

	for (unsigned int i = 0; i < 2; i++) {
		uint8_t data[DATA] = { 0 };
		struct sr_buf answer = { .data = message };

		if (i == 1)
			(void)sleep((unsigned int)seconds);
		answer.size = ask_sign(message, sizeof(message), &keys[0], data, DATA);
		if (!send_all(fd, message, answer.size) ||
		    !receive(fd, message, &answer.size))
			return 1;
		puts(verify(&keys[0], data, &answer) ? "signed" : "wrong");
		(void)fflush(stdout);
	}
	return 0;
}

/* ---- one request of each kind ---- */

static bool is_listed(const struct known *key, const struct sr_buf *answer)
{
	struct sr_reader from = { .data = answer->data + 1, .left = answer->size - 1 };
	bool found = false;

	for (uint32_t count = sr_get_number(&from); count > 0 && !from.bad; count--) {
		struct sr_reader blob = sr_get_string(&from);

		(void)sr_get_string(&from);
		found = found || sr_wire_is(&blob, key->blob.data, key->blob.size);
	}
	return found && sr_get_end(&from);
}

/* What became of a message; @kind is what answers it, beside a refusal. */
static const char *outcome(int fd, uint8_t *message, size_t size, uint8_t kind,
			   struct sr_buf *answer)
{
	if (!send_all(fd, message, size) || !receive(fd, message, &answer->size))
		return "gone";
	answer->data = message;
	if (answer->size == 1 && message[0] == 5)
		return "refused";
	return message[0] == kind ? "good" : "wrong";
}

static int try(char **names)
{
	static uint8_t message[SR_AGENT_MAX];
	struct sr_store *store = open_store();

	for (; *names; names++) {
		uint8_t data[DATA] = { 'd' };
		struct sr_buf answer = { 0 };
		struct known key = { 0 };
		const char *how;
		int fd = connect_agent();

		learn_key(store, *names, &key);
		how = outcome(fd, message, ask_list(message), 12, &answer);
		if (strcmp(how, "good") == 0 && !is_listed(&key, &answer))
			how = "unlisted";
		printf("%s ", how);
		how = outcome(fd, message,
			      ask_sign(message, sizeof(message), &key, data, DATA), 14,
			      &answer);
		if (strcmp(how, "good") == 0 && !verify(&key, data, &answer))
			how = "wrong";
		printf("%s%s", how, names[1] ? " " : "\n");
		sr_buf_done(&key.blob);
		EVP_PKEY_free(key.pub);
		(void)close(fd);
	}
	sr_store_close(store);
	return 0;
}

/* One that is not wanted is at its end at once. */
static int crowd(unsigned long count)
{
	unsigned long stay = 0;
	char byte;

	for (unsigned long i = 0; i < count; i++) {
		uint8_t message[64];
		int fd = connect_agent();

		stay +=
		    send_all(fd, message, ask_list(message)) && read(fd, &byte, 1) == 1;
	}
	printf("%lu\n", stay);
	(void)fflush(stdout);
	(void)pause();
	return 0;
}

/* Until all was read that was sent, or nobody reads it any more. */
static void wait_until_read(int fd)
{
	struct pollfd end = { .fd = fd };
	int left = 1;

	while (poll(&end, 1, 0) == 0 && ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0)
		(void)usleep(1000);
}

/* No kind of message has this number, so the answer is a refusal. */
static int load(unsigned long count, unsigned long size)
{
	static uint8_t message[SR_AGENT_HEADER + SR_AGENT_MAX], answer[SR_AGENT_MAX];
	struct sr_writer to = { .data = message, .room = sizeof(message) };
	unsigned long answered = 0;
	size_t unused;
	int fds[1024];

	assert(count <= 1024 && size < sizeof(message));
	sr_put_number(&to, (uint32_t)size + 1 - SR_AGENT_HEADER);
	sr_put_byte(&to, 255);
	for (unsigned long i = 0; i < count; i++) {
		fds[i] = connect_agent();
		(void)send_all(fds[i], message, size);
	}
	for (unsigned long i = 0; i < count; i++)
		wait_until_read(fds[i]);
	for (unsigned long i = 0; i < count; i++)
		answered +=
		    send_all(fds[i], message, 1) && receive(fds[i], answer, &unused);
	printf("%lu\n", answered);
	return 0;
}

static void lock(int fd, uint8_t kind)
{
	uint8_t message[64];
	struct sr_writer to = SR_WRITER(message);
	size_t at = sr_put_begin(&to);

	sr_put_byte(&to, kind);
	sr_put_text(&to, "x");
	sr_put_end(&to, at);
	assert(send_all(fd, message, to.size));
}

/* The agent stands still until all is there that it is asked. */
static int turns(unsigned long count, pid_t agent)
{
	static uint8_t message[SR_AGENT_MAX];
	size_t size = ask_list(message);
	uint8_t list[64];
	unsigned long before = 0;
	int many, other;

	memcpy(list, message, size);
	assert(kill(agent, SIGSTOP) == 0);
	many = connect_agent();
	for (unsigned long i = 0; i < count; i++)
		assert(send_all(many, list, size));
	other = connect_agent();
	lock(other, 22);
	assert(kill(agent, SIGCONT) == 0);
	for (unsigned long i = 0; i < count; i++) {
		struct sr_reader from = { .data = message };

		assert(receive(many, message, &from.left) && sr_get_byte(&from) == 12);
		before += sr_get_number(&from) > 0;
	}
	assert(receive(other, message, &size) && message[0] == 6);
	lock(other, 23);
	assert(receive(other, message, &size) && message[0] == 6);
	printf("%lu\n", before);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	assert(argc >= 3);
	if (strcmp(argv[1], "raw") == 0)
		return raw(connect_agent(), true);
	if (strcmp(argv[1], "try") == 0)
		return try(argv + 2);
	if (strcmp(argv[1], "crowd") == 0)
		return crowd(count);
	if (strcmp(argv[1], "load") == 0 && argc == 4)
		return load(count, strtoul(argv[3], NULL, 10));
	if (strcmp(argv[1], "turns") == 0 && argc == 4)
		return turns(count, (pid_t)strtoul(argv[3], NULL, 10));
	learn_keys();
	if (strcmp(argv[1], "sign") == 0 && argc >= 4)
		return sign_at_once(&(struct signing){
		    .connect = connect_agent,
		    .ask = ask,
		    .verify = verify_done,
		    .clients = count,
		    .count = strtoul(argv[3], NULL, 10),
		    .hot = argc > 4 ? strtoul(argv[4], NULL, 10) : 0,
		});
	if (strcmp(argv[1], "hang-up") == 0)
		return hang_up(count);
	if (strcmp(argv[1], "hold") == 0)
		return hold(count);
	assert(strcmp(argv[1], "garbage") == 0 && argc == 4);
	seed = (uint32_t)strtoul(argv[3], NULL, 10);
	return garbage(count);
}
