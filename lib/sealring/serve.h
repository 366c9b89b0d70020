/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serving keys to other programs: what happens between a request and its answer. */
#ifndef SEALRING_SERVE_H
#define SEALRING_SERVE_H

#include <sealring/sign.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct sr_peer - who asks
 * @uid:	user
 * @gid:	group
 * @groups:	the other groups
 * @group_count:	how many
 */
struct sr_peer {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t group_count;
};

/**
 * sr_rules_check() - read keys.d/NAME.conf, as the server would
 *
 * Returns 0, -EBADMSG or -EINVAL for what is refused, or -EIO.
 */
int sr_rules_check(const struct sr_store *store, const char *name, struct sr_err *err);

/**
 * struct sr_server_options - how keys are served
 * @store:	where they are; has to live as long as the server
 * @tcti:	as for sr_tpm_open(); has to live as long as the server
 * @diary:	a file that notes what is on the TPM: when the server was killed, the next
 *		one gets rid of that; NULL for none
 * @no_cache:	software keys are got from their ring for each signature
 * @report:	gets @arg and what goes wrong without a caller to be told: a file that is
 *		refused, a signature that could not be made
 * @arg:	the caller's
 */
struct sr_server_options {
	struct sr_store *store;
	const char *tcti;
	const char *diary;
	bool no_cache;
	void (*report)(void *arg, int r, const struct sr_err *why);
	void *arg;
};

/**
 * sr_server_new() - begin to serve; nothing is asked of the TPM before it is needed
 * @options:	how
 * @ret:	the server; release with sr_server_free()
 * @err:	says why, on failure
 *
 * Where the store has no directory for keys it is made, so that it can be watched. A thread
 * of its own talks to the TPM. All functions here are for one other thread, and
 * none of them waits for the TPM but sr_server_free().
 *
 * Returns 0, -ENOMEM or -EIO.
 */
struct sr_server;
int sr_server_new(const struct sr_server_options *options, struct sr_server **ret,
		  struct sr_err *err);

/** sr_server_free() - leave nothing on the TPM, and release; NULL is fine */
void sr_server_free(struct sr_server *server);

/** sr_server_changed() - keys or keys.d are not as they were: read before the next call */
void sr_server_changed(struct sr_server *server);

/** sr_server_leave() - nobody asked for a while: leave nothing on the TPM, and hang up */
void sr_server_leave(struct sr_server *server);

/** sr_server_remembers() - whether there is what would be lost: a lock, a PIN */
bool sr_server_remembers(struct sr_server *server);

/**
 * sr_server_forget() - forget the PINs and software keys that were not used for AutoLock=
 *
 * Returns when to call it next (CLOCK_BOOTTIME, seconds); 0 for never, as it is now.
 */
time_t sr_server_forget(struct sr_server *server);

/** enum sr_call_state - what a call waits for */
enum sr_call_state {
	SR_CALL_CONFIRM, /* for a person's consent: sr_call_confirm() */
	SR_CALL_PIN,	 /* for a person's PIN: sr_call_pin() */
	SR_CALL_WORK,	 /* for the TPM: sr_server_next() */
	SR_CALL_DONE,	 /* for nothing: sr_call_answer() */
};

/**
 * sr_agent_call() - a message of ssh-agent's protocol
 * @server:	the server
 * @peer:	who sent it
 * @message:	without the four bytes of its length
 * @size:	bytes in it
 * @arg:	for sr_call_arg()
 * @ret:	the call; release with sr_call_free()
 * @err:	says why, on failure
 *
 * Whatever is wrong with the message, there is an answer. To those who may not use a key
 * it is the same as if there were none.
 *
 * Returns 0 or -ENOMEM.
 */
struct sr_call;
int sr_agent_call(struct sr_server *server, const struct sr_peer *peer,
		  const uint8_t *message, size_t size, void *arg, struct sr_call **ret,
		  struct sr_err *err);

#define SR_AGENT_PREFIX 4 /* bytes in the length before each message */

/** sr_agent_length() - the length in a prefix; 0 if there is no such message */
size_t sr_agent_length(const uint8_t prefix[SR_AGENT_PREFIX]);

/** sr_call_state() - what it waits for now */
enum sr_call_state sr_call_state(struct sr_call *call);

/** sr_call_arg() - what the caller gave it */
void *sr_call_arg(const struct sr_call *call);

/** sr_call_key() - name of the key that it would use */
const char *sr_call_key(const struct sr_call *call);

/** sr_call_confirm() - what a person said */
void sr_call_confirm(struct sr_call *call, bool yes);

/** sr_call_pin() - the PIN that a person gave; NULL if nobody did. It is tried once */
void sr_call_pin(struct sr_call *call, const struct sr_secret *pin);

/** sr_call_answer() - what to send back, once it is done */
const uint8_t *sr_call_answer(const struct sr_call *call, size_t *size);

/** sr_call_free() - release, and give up what was not begun; NULL is fine */
void sr_call_free(struct sr_call *call);

/** sr_server_fd() - readable when sr_server_next() may have a call */
int sr_server_fd(const struct sr_server *server);

/** sr_server_next() - a call that was SR_CALL_WORK and is not any more; NULL if there is none */
struct sr_call *sr_server_next(struct sr_server *server);

#ifdef __cplusplus
}
#endif
#endif
