/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients of REST: many at once that sign, and some that do what they should not. */
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "clients.h"
#include "ground/base64.h"

#define PATH "/api/v1/keys/"
#define ANSWER_MAX 65536

/*
 *   rest sign CLIENTS COUNT [HOT]	each client signs COUNT times, with all keys in turn, or
 *					HOT of 100 times with one of the first two; prints
 *					how many signatures were good, and signatures a second
 *   rest garbage COUNT SEED		sends COUNT requests that are damaged in all ways; fails
 *					if one is neither answered nor hung up on
 *   rest slow LETTERS			sends so many of a request, then one a second; prints
 *					after how many seconds it was hung up on
 *   rest crowd COUNT			connects so often; prints how many connections stay, and
 *					keeps them
 *   rest raw 0				sends standard input as it is; prints what is answered
 *   rest hang-up COUNT			asks COUNT times for a signature, and leaves at once
 *
 * The socket is $REST, the keys are in $SEALRING_STATE_DIR.
 */

static struct sr_key *keys[KEYS];
static char **names;

static void learn_keys(void)
{
	struct sr_store *store = open_store();

	assert(sr_store_keys(store, &names, NULL) >= 0);
	for (; names[key_count]; key_count++) {
		assert(key_count < KEYS);
		assert(sr_key_load(store, names[key_count], &keys[key_count], NULL) == 0);
	}
	sr_store_close(store);
}

static int connect_rest(void)
{
	return connect_to("REST");
}

static void be_patient(int fd, long milliseconds)
{
	struct timeval patience = { .tv_sec = milliseconds / 1000,
				    .tv_usec = milliseconds % 1000 * 1000 };

	assert(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
}

/* The status of HTTP; 0 if the server hung up, or lets us wait. */
static int receive(int fd, char answer[ANSWER_MAX])
{
	size_t used = 0, wanted = ANSWER_MAX - 1;
	char *body = NULL, *length;

	while (used < wanted) {
		ssize_t n = recv(fd, answer + used, wanted - used, 0);

		assert(n >= 0 || errno == ECONNRESET || errno == EPIPE ||
		       errno == EAGAIN);
		if (n <= 0)
			return 0;
		used += (size_t)n;
		answer[used] = '\0';
		if (body || !(body = strstr(answer, "\r\n\r\n")))
			continue;
		length = strcasestr(answer, "Content-Length: ");
		assert(length && length < body);
		wanted = (size_t)(body + 4 - answer) + strtoul(length + 16, NULL, 10);
		assert(wanted < ANSWER_MAX);
	}
	return atoi(answer + strlen("HTTP/1.1 "));
}

static size_t ask_sign(char *to, size_t room, const char *key, const char *data)
{
	char text[SR_BASE64_SIZE(128)], body[256];

	sr_base64_format((const uint8_t *)data, strlen(data), text);
	(void)snprintf(body, sizeof(body), "{\"data\":\"%s\",\"hash\":\"sha256\"}", text);
	return (size_t)snprintf(to, room,
				"POST " PATH "%s/sign HTTP/1.1\r\nHost: x\r\n"
				"Content-Length: %zu\r\n\r\n%s",
				key, strlen(body), body);
}

/* ---- signing ---- */

static bool verify(const struct done *one)
{
	struct sr_sign_options options = { .hash = "sha256" };
	struct sr_digest digest = { .size = 32 };
	struct sr_buf der = { 0 };
	char *text = strstr((char *)one->answer, "\"signature\":\""), *end;
	bool good = false;

	if (!text)
		return false;
	text += strlen("\"signature\":\"");
	end = strchr(text, '"');
	assert(end);
	*end = '\0';
	assert(EVP_Digest(one->data, strlen(one->data), digest.data, NULL, EVP_sha256(),
			  NULL) == 1);
	if (sr_base64_parse(text, 1024, &der, NULL) == 0)
		good = sr_key_verify(keys[one->key], &options, &digest,
				     &(struct sr_signature){ der.data, der.size },
				     NULL) == 0;
	free(der.data);
	return good;
}

static bool ask(int fd, struct done *one)
{
	static char message[ANSWER_MAX];
	size_t size = ask_sign(message, sizeof(message), names[one->key], one->data);

	if (!send_all(fd, message, size) || receive(fd, message) != 200) {
		fprintf(stderr, "%s\n", message);
		return false;
	}
	one->answer = (uint8_t *)strdup(message);
	return true;
}

/* ---- what it should not do ---- */

/* Pieces of bodies: some together are whole, most are not. */
static size_t make_body(char *to, size_t room)
{
	static const char *const pieces[] = {
		"{",
		"}",
		"[",
		"]",
		",",
		":",
		"\"",
		"\"data\"",
		"\"digest\"",
		"\"hash\"",
		"\"pin\"",
		"\"format\"",
		"\"pss\"",
		"true",
		"null",
		"1e9",
		"\"sha256\"",
		"\"AAAA\"",
		"\"\\u0000\"",
		"\"\\ud800\"",
		"\\u12",
		"\"namespace\"",
		"\x01",
		"\xff\xfe",
		"\"signature\"",
		"\"\\\"\\n\"",
		"\"ciphertext\"",
		"\"padding\"",
		"{\"data\":\"AAAA\"}",
		"{\"digest\":[\"AAAA\",",
	};
	size_t used = 0;

	if (random_number(8) == 0)
		return (size_t)snprintf(to, room, "{\"data\":\"AAAA\"}");
	for (uint32_t i = random_number(30); i > 0; i--) {
		const char *piece = pieces[random_number(SR_COUNT(pieces))];

		if (used + strlen(piece) >= room)
			break;
		memcpy(to + used, piece, strlen(piece));
		used += strlen(piece);
	}
	return used;
}

/* A request as it should be, but for its body; then as it should not. */
static size_t make_request(char *to, size_t room, bool *whole)
{
	static const char *const actions[] = {
		"/sign", "/verify", "/decrypt", "", "/public?format=%00", "/../..", "/%2e"
	};
	static const char *const methods[] = { "POST", "POST", "POST",	"GET",
					       "PUT",  "HEAD", "G\x01T" };
	char body[2048];
	size_t size = make_body(body, sizeof(body)), used;
	size_t said = random_number(16) ? size : random_number(100000);
	const char *method = methods[random_number(SR_COUNT(methods))];

	used = (size_t)snprintf(
	    to, room,
	    "%s " PATH "%s%s HTTP/1.%u\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method,
	    names[random_number((uint32_t)key_count)],
	    actions[random_number(SR_COUNT(actions))], random_number(2), said);
	memcpy(to + used, body, size);
	used += size;
	*whole = said == size;
	if (random_number(4) == 0) {
		*whole = false;
		for (uint32_t i = 1 + random_number(8); i > 0; i--)
			to[random_number((uint32_t)used)] ^=
			    (char)(1U << random_number(8));
	}
	if (random_number(16) == 0) {
		*whole = false;
		used = 1 + random_number((uint32_t)used);
	}
	return used;
}

static int garbage(unsigned long count)
{
	static char message[ANSWER_MAX], answer[ANSWER_MAX];
	unsigned long good = 0, refused = 0, ends = 0;

	for (unsigned long i = 0; i < count; i++) {
		int fd = connect_rest(), status;
		bool whole = false, sent;
		size_t size = make_request(message, sizeof(message), &whole);

		sent = send_all(fd, message, size);
		/*
		 * Of what is not whole nothing more comes. libmicrohttpd may not notice
		 * that before the server loses its patience, so nobody waits for it.
		 */
		if (!whole)
			(void)shutdown(fd, SHUT_WR);
		be_patient(fd, whole ? 30000 : 10);
		status = strncmp(message, "HEAD", 4) == 0 ? 0 : receive(fd, answer);
		if (whole && sent && status == 0 && message[0] == 'P') {
			fprintf(stderr, "request %lu was not answered:\n%s\n", i,
				message);
			return 1;
		}
		good += status == 200;
		refused += status >= 400;
		ends += status == 0;
		(void)close(fd);
	}
	printf("%lu good, %lu refused, %lu times hung up\n", good, refused, ends);
	return good > 0 && refused > 0 && ends > 0 ? 0 : 1;
}

static int slow(unsigned long letters)
{
	char message[1024];
	size_t size = ask_sign(message, sizeof(message), names[0], "slow");
	int fd = connect_rest();
	double began = now();

	assert(letters < size && send_all(fd, message, letters));
	for (size_t i = letters; i < size && now() - began < 60; i++) {
		char byte;

		be_patient(fd, 1000);
		if (recv(fd, &byte, 1, 0) >= 0 || errno != EAGAIN ||
		    !send_all(fd, &message[i], 1)) {
			printf("%.0f\n", now() - began);
			return 0;
		}
	}
	return 1;
}

static int crowd(unsigned long count)
{
	unsigned int stayed = 0;
	int fds[1024];

	assert(count <= SR_COUNT(fds));
	for (unsigned long i = 0; i < count; i++)
		fds[i] = connect_rest();
	for (unsigned long i = 0; i < count; i++) {
		static char answer[ANSWER_MAX];
		static const char message[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";

		stayed += send_all(fds[i], message, strlen(message)) &&
			  receive(fds[i], answer) == 200;
	}
	printf("%u\n", stayed);
	(void)fflush(stdout);
	(void)pause();
	return 0;
}

static int hang_up(unsigned long count)
{
	char message[1024];

	for (unsigned long i = 0; i < count; i++) {
		size_t size =
		    ask_sign(message, sizeof(message), names[i % key_count], "nobody");
		int fd = connect_rest();

		assert(send_all(fd, message, i % 3 == 0 ? size / 2 : size));
		(void)close(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long number = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long second = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	assert(argc > 2);
	if (strcmp(argv[1], "raw") == 0)
		return raw(connect_rest(), false);
	learn_keys();
	if (strcmp(argv[1], "sign") == 0)
		return sign_at_once(&(struct signing){
		    .connect = connect_rest,
		    .ask = ask,
		    .verify = verify,
		    .clients = number,
		    .count = second,
		    .hot = argc > 4 ? strtoul(argv[4], NULL, 10) : 0,
		});
	if (strcmp(argv[1], "slow") == 0)
		return slow(number);
	if (strcmp(argv[1], "crowd") == 0)
		return crowd(number);
	if (strcmp(argv[1], "hang-up") == 0)
		return hang_up(number);
	assert(strcmp(argv[1], "garbage") == 0);
	seed = (uint32_t)second;
	return garbage(number);
}
