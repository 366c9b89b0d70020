/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ssh-agent without TPM: messages, locks, PINs, the queue. */
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "codec/agent.h"
#include "serve/locks.h"
#include "serve/pins.h"
#include "serve/queue.h"

/* ---- messages ---- */

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static void test_messages(void)
{
	static const struct {
		const char *what;
		const uint8_t *message;
		size_t size;
		int r;
		enum sr_agent_kind kind;
	} cases[] = {
		{ "nothing", BYTES(""), -EBADMSG, 0 },
		{ "list", BYTES("\x0b"), 0, SR_AGENT_LIST },
		{ "list and more", BYTES("\x0b\0"), -EBADMSG, 0 },
		{ "sign", BYTES("\x0d\0\0\0\1k\0\0\0\2da\0\0\0\4"), 0, SR_AGENT_SIGN },
		{ "sign nothing", BYTES("\x0d\0\0\0\0\0\0\0\0\0\0\0\0"), 0,
		  SR_AGENT_SIGN },
		{ "sign without flags", BYTES("\x0d\0\0\0\1k\0\0\0\2da"), -EBADMSG, 0 },
		{ "sign and more", BYTES("\x0d\0\0\0\1k\0\0\0\2da\0\0\0\4x"), -EBADMSG,
		  0 },
		{ "a string too long", BYTES("\x0d\xff\xff\xff\xffk\0\0\0\2da\0\0\0\4"),
		  -EBADMSG, 0 },
		{ "lock", BYTES("\x16\0\0\0\3abc"), 0, SR_AGENT_LOCK },
		{ "unlock", BYTES("\x17\0\0\0\0"), 0, SR_AGENT_UNLOCK },
		{ "lock, cut", BYTES("\x16\0\0\0\3ab"), -EBADMSG, 0 },
		{ "add", BYTES("\x11whatever"), 0, SR_AGENT_OTHER },
		{ "extension", BYTES("\x1b\0\0\0\1x"), 0, SR_AGENT_OTHER },
	};

	for (size_t i = 0; i < SR_COUNT(cases); i++) {
		struct sr_agent_request request = { 0 };
		int r = sr_agent_read(cases[i].message, cases[i].size, &request);

		if (r != cases[i].r || request.kind != cases[i].kind) {
			fprintf(stderr, "%s: %d, kind %d\n", cases[i].what, r,
				request.kind);
			assert(false);
		}
	}
}

static void test_sign_request(void)
{
	static const uint8_t message[] = "\x0d\0\0\0\1k\0\0\0\2da\0\0\0\4";
	struct sr_agent_request request;

	assert(sr_agent_read(message, sizeof(message) - 1, &request) == 0);
	assert(sr_wire_is_text(&request.key, "k") &&
	       sr_wire_is_text(&request.data, "da"));
	assert(request.flags == 4);
}

static void test_sizes(void)
{
	size_t size = 0;

	assert(sr_agent_size((const uint8_t *)"\0\0\0\1", &size) == 0 && size == 1);
	assert(sr_agent_size((const uint8_t *)"\0\4\0\0", &size) == 0 &&
	       size == SR_AGENT_MAX);
	assert(sr_agent_size((const uint8_t *)"\0\4\0\1", &size) == -EBADMSG);
	assert(sr_agent_size((const uint8_t *)"\0\0\0\0", &size) == -EBADMSG);
	assert(sr_agent_size((const uint8_t *)"\xff\xff\xff\xff", &size) == -EBADMSG);
}

static void test_schemes(void)
{
	static const struct {
		const char *type;
		uint32_t flags;
		TPMI_ALG_HASH hash; /* 0: refused */
	} cases[] = {
		{ "p256", 0, TPM2_ALG_SHA256 },
		{ "p384", 0, TPM2_ALG_SHA384 },
		{ "p521", 0, TPM2_ALG_SHA512 },
		{ "p256", 4, TPM2_ALG_SHA256 },
		{ "rsa2048", 2, TPM2_ALG_SHA256 },
		{ "rsa2048", 4, TPM2_ALG_SHA512 },
		{ "rsa2048", 6, TPM2_ALG_SHA512 },
		{ "rsa2048", 0, 0 },
		{ "rsa2048", 1, 0 },
		{ "p256", 8, 0 },
	};

	for (size_t i = 0; i < SR_COUNT(cases); i++) {
		struct sr_scheme scheme = { 0 };
		int r = sr_agent_scheme(sr_key_type_find(cases[i].type), cases[i].flags,
					&scheme);

		assert(r == (cases[i].hash ? 0 : -EINVAL));
		assert(scheme.hash == cases[i].hash && !scheme.pss);
	}
}

/* Clients take 2048 keys, and 256 KiB. */
static void test_list(void)
{
	uint8_t bytes[200] = { 0 };
	struct sr_buf blob = { bytes, 40 }, answer = { 0 };
	struct sr_agent_keys keys;
	size_t count = 0;

	assert(sr_agent_keys_begin(&keys, NULL) == 0);
	while (sr_agent_keys_add(&keys, &blob, "name"))
		count++;
	assert(count == SR_AGENT_KEYS);
	assert(sr_agent_keys_end(&keys, &answer, NULL) == 0);
	assert(answer.size == 4 + 1 + 4 + count * (4 + 40 + 4 + 4));
	assert(memcmp(answer.data + 4, "\x0c\0\0\x08\0", 5) == 0);
	sr_buf_done(&answer);
	free(keys.to.data);

	blob.size = sizeof(bytes);
	assert(sr_agent_keys_begin(&keys, NULL) == 0);
	for (count = 0; sr_agent_keys_add(&keys, &blob, "name"); count++)
		;
	assert(count < SR_AGENT_KEYS);
	assert(sr_agent_keys_end(&keys, &answer, NULL) == 0);
	assert(answer.size <= SR_AGENT_HEADER + SR_AGENT_MAX);
	sr_buf_done(&answer);
	free(keys.to.data);
}

/* ---- locks ---- */

static bool opens(struct sr_locks *locks, uid_t uid, const char *phrase)
{
	return sr_locks_open(locks, uid, (const uint8_t *)phrase, strlen(phrase));
}

static void test_locks(void)
{
	struct sr_locks *locks = calloc(1, sizeof(*locks));

	assert(locks && !sr_locks_any(locks) && !opens(locks, 1, "a"));
	assert(sr_locks_add(locks, 1, (const uint8_t *)"abc", 3));
	assert(!sr_locks_add(locks, 1, (const uint8_t *)"abc", 3));
	assert(sr_locks_has(locks, 1) && !sr_locks_has(locks, 2) && sr_locks_any(locks));
	assert(!opens(locks, 2, "abc"));
	assert(!opens(locks, 1, "ab") && locks->lock[0].failures == 1);
	/* What comes too early is not looked at, and does not count. */
	locks->lock[0].not_before.tv_sec += 10;
	assert(!opens(locks, 1, "abc") && locks->lock[0].failures == 1);
	locks->lock[0].not_before = (struct timespec){ 0 };
	assert(!opens(locks, 1, "abcd") && locks->lock[0].failures == 2);
	locks->lock[0].not_before = (struct timespec){ 0 };
	assert(opens(locks, 1, "abc") && !sr_locks_any(locks));
	/* Also the passphrase of nothing; and no more users than there are places. */
	for (uid_t uid = 0; uid < SR_LOCKS_MAX; uid++)
		assert(sr_locks_add(locks, uid, (const uint8_t *)"", 0));
	assert(!sr_locks_add(locks, SR_LOCKS_MAX, (const uint8_t *)"", 0));
	assert(opens(locks, 7, "") && !sr_locks_has(locks, 7) && sr_locks_has(locks, 8));
	sr_locks_clear(locks);
	assert(!sr_locks_any(locks));
	free(locks);
}

/* ---- PINs ---- */

static void keep(struct sr_pins *pins, struct sr_served *served, uid_t uid,
		 const char *pin)
{
	struct sr_secret secret = { 0 };

	assert(sr_secret_copy(pin, strlen(pin), &secret, NULL) == 0);
	sr_pins_keep(pins, served, uid, *pin == 'p', &secret);
	assert(!secret.data);
}

static void test_pins(void)
{
	struct sr_pins *pins = calloc(1, sizeof(*pins));
	struct sr_served *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	assert(pins && a && b);
	a->users = b->users = 1;
	keep(pins, a, 1, "nothing is remembered for no time");
	assert(!sr_pins_typed(pins));
	pins->seconds = 100;
	keep(pins, a, 1, "pin");
	keep(pins, b, 2, "other");
	assert(sr_pins_find(pins, a, 1) && a->users == 2);
	assert(!sr_pins_free(pins, a, 1) && sr_pins_free(pins, b, 2));
	assert(sr_pins_typed(pins));
	assert(!sr_pins_find(pins, a, 2) && !sr_pins_find(pins, b, 1));
	assert(memcmp(sr_pins_find(pins, a, 1)->data, "pin", 3) == 0);
	pins->pin[0].until = 0;
	assert(!sr_pins_find(pins, a, 1) && a->users == 1);
	keep(pins, a, 1, "pin");
	sr_pins_forget(pins, NULL, 2);
	assert(sr_pins_find(pins, a, 1) && !sr_pins_find(pins, b, 2));
	for (uid_t uid = 0; uid < 2 * SR_PINS_MAX; uid++)
		keep(pins, b, uid, "many");
	assert(sr_pins_find(pins, b, 2 * SR_PINS_MAX - 1));
	sr_pins_clear(pins);
	assert(!sr_pins_typed(pins) && a->users == 1 && b->users == 1);
	free(a);
	free(b);
	free(pins);
}

/* ---- the queue ---- */

struct work {
	struct sr_job job;
	unsigned int number;
};

/* What the thread did, in order; it begins when it may. */
struct log {
	pthread_mutex_t gate;
	unsigned int done[64];
	size_t count;
	atomic_uint rests;
};

static void run(struct sr_job *job, void *context)
{
	struct log *log = context;

	(void)pthread_mutex_lock(&log->gate);
	log->done[log->count++] = ((struct work *)job)->number;
	(void)pthread_mutex_unlock(&log->gate);
}

static void rest(void *context)
{
	((struct log *)context)->rests++;
}

static void collect(struct sr_queue *queue, size_t count)
{
	while (count > 0) {
		struct pollfd wait = { .fd = sr_queue_fd(queue), .events = POLLIN };

		assert(poll(&wait, 1, 10000) == 1);
		while (sr_queue_done(queue))
			count--;
	}
	assert(!sr_queue_done(queue));
}

static void test_queue_is_fair(void)
{
	static const unsigned int wanted[] = { 0, 1, 10, 20, 2, 21, 3, 4 };
	struct log log = { .gate = PTHREAD_MUTEX_INITIALIZER };
	struct work work[30] = { 0 };
	struct sr_queue *queue = NULL;

	for (unsigned int i = 0; i < 30; i++)
		work[i] = (struct work){ .job.run = run, .number = i };
	assert(sr_queue_new(&log, rest, NULL, &queue, NULL) == 0);
	/* The thread waits in the first, so that the others stand in the queue. */
	(void)pthread_mutex_lock(&log.gate);
	assert(sr_queue_submit(queue, &work[0].job, 1));
	while (sr_queue_cancel(queue, &work[0].job))
		assert(sr_queue_submit(queue, &work[0].job, 1) && usleep(1000) == 0);
	for (unsigned int i = 1; i < 6; i++)
		assert(sr_queue_submit(queue, &work[i].job, 1));
	assert(sr_queue_submit(queue, &work[10].job, 2));
	assert(sr_queue_submit(queue, &work[20].job, 3));
	assert(sr_queue_submit(queue, &work[21].job, 3));
	assert(sr_queue_submit(queue, &work[22].job, 3));
	assert(sr_queue_cancel(queue, &work[5].job) &&
	       sr_queue_cancel(queue, &work[22].job));
	assert(!sr_queue_cancel(queue, &work[5].job));
	(void)pthread_mutex_unlock(&log.gate);
	collect(queue, SR_COUNT(wanted));
	assert(log.count == SR_COUNT(wanted) &&
	       memcmp(log.done, wanted, sizeof(wanted)) == 0);
	sr_queue_stop(queue);
	sr_queue_free(queue);
}

static void test_queue_is_bounded(void)
{
	struct log log = { .gate = PTHREAD_MUTEX_INITIALIZER };
	struct work *work = calloc(SR_QUEUE_TOTAL + SR_QUEUE_OWNER + 1, sizeof(*work));
	struct sr_queue *queue = NULL;
	unsigned int used = 0;

	assert(work && sr_queue_new(&log, rest, NULL, &queue, NULL) == 0);
	for (unsigned int i = 0; i <= SR_QUEUE_TOTAL + SR_QUEUE_OWNER; i++)
		work[i].job.run = run;
	(void)pthread_mutex_lock(&log.gate);
	assert(sr_queue_submit(queue, &work[used].job, 0));
	while (sr_queue_cancel(queue, &work[used].job))
		assert(sr_queue_submit(queue, &work[used].job, 0) && usleep(1000) == 0);
	for (used++; sr_queue_submit(queue, &work[used].job, 1); used++)
		;
	assert(used == 1 + SR_QUEUE_OWNER);
	for (uint64_t owner = 2; owner < 10; owner++)
		while (sr_queue_submit(queue, &work[used].job, owner))
			used++;
	assert(used == 1 + SR_QUEUE_TOTAL);
	for (unsigned int i = 1; i < used; i++)
		assert(sr_queue_cancel(queue, &work[i].job));
	(void)pthread_mutex_unlock(&log.gate);
	collect(queue, 1);
	/* Two seconds are enough for the second after which it rests, once. */
	for (int n = 0; n < 400 && log.rests == 0; n++)
		(void)usleep(10000);
	sr_queue_stop(queue);
	sr_queue_free(queue);
	assert(log.rests == 1);
	free(work);
}

int main(void)
{
	test_messages();
	test_sign_request();
	test_sizes();
	test_schemes();
	test_list();
	test_locks();
	test_pins();
	test_queue_is_fair();
	test_queue_is_bounded();
	return 0;
}
