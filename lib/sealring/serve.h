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

/** sr_peer_is_trusted() - root, and who we run as: all keys are for them */
bool sr_peer_is_trusted(uid_t uid);

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
 * A thread of its own talks to the TPM. All functions here are for one other thread, and
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

/** sr_server_remembers() - whether there is what would be lost: a lock, a PIN, wrong ones */
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
 * @peer:	who sent it; has to live as long as the call
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

/**
 * sr_server_key() - a key, for somebody who may use it
 * @server:	the server
 * @peer:	who asks
 * @name:	its name or its fingerprint
 * @ret:	the key; valid until the next call of a function that takes @server
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY (there is none, or not for @peer), -EINVAL (not a name), -EUCLEAN.
 */
int sr_server_key(struct sr_server *server, const struct sr_peer *peer, const char *name,
		  const struct sr_key **ret, struct sr_err *err);

/** sr_server_store() - where its keys are */
struct sr_store *sr_server_store(const struct sr_server *server);

/** sr_server_certificate() - what is kept beside such a key, as sr_key_certificate() */
int sr_server_certificate(struct sr_server *server, const struct sr_peer *peer,
			  const char *name, char **ret, struct sr_err *err);

/** sr_server_verify() - sr_key_verify_any() with a key of sr_server_key() */
int sr_server_verify(struct sr_server *server, const struct sr_key *key,
		     const struct sr_sign_options *options,
		     const struct sr_digest *digest, const struct sr_signature *signature,
		     unsigned int *ret, struct sr_err *err);

/**
 * sr_server_next_key() - all of them, one after the other, from @at = 0; NULL at the end
 *
 * None for who has locked the agent.
 */
const struct sr_key *sr_server_next_key(struct sr_server *server,
					const struct sr_peer *peer, size_t *at);

/**
 * struct sr_sign_request - signatures that are asked for
 * @key:	name or fingerprint
 * @options:	how
 * @digests:	of what
 * @count:	how many
 * @pin:	of the key, or of the ring that a software key is in; empty for none. It is
 *		tried once, used for these, and not kept
 */
struct sr_sign_request {
	const char *key;
	const struct sr_sign_options *options;
	const struct sr_digest *digests;
	size_t count;
	const struct sr_secret *pin;
};

/**
 * sr_sign_call() - sign digests
 * @server:	the server
 * @peer:	who asks; has to live as long as the call
 * @request:	what; @options and @digests have to live as long as the call
 * @arg:	for sr_call_arg()
 * @ret:	the call; release with sr_call_free()
 * @err:	says why, on failure
 *
 * Once it is done sr_call_result() says how it went. Nobody is asked for a PIN, and none
 * is used that somebody typed for the agent.
 *
 * Returns 0, or as sr_server_key() and sr_key_sign() do before they ask the TPM.
 */
int sr_sign_call(struct sr_server *server, const struct sr_peer *peer,
		 const struct sr_sign_request *request, void *arg, struct sr_call **ret,
		 struct sr_err *err);

/**
 * struct sr_decrypt_request - what is to be decrypted
 * @key:	name or fingerprint
 * @padding:	as for sr_key_decrypt()
 * @cipher:	as long as the modulus
 * @pin:	as in struct sr_sign_request
 */
struct sr_decrypt_request {
	const char *key;
	const struct sr_padding *padding;
	const struct sr_secret *cipher;
	const struct sr_secret *pin;
};

/** sr_decrypt_call() - decrypt, as above */
int sr_decrypt_call(struct sr_server *server, const struct sr_peer *peer,
		    const struct sr_decrypt_request *request, void *arg,
		    struct sr_call **ret, struct sr_err *err);

/**
 * struct sr_derive_request - with whom a secret is to be shared
 * @key:	name or fingerprint
 * @peer:	as for sr_key_derive()
 * @size:	bytes in @peer
 * @pin:	as in struct sr_sign_request
 */
struct sr_derive_request {
	const char *key;
	const uint8_t *peer;
	size_t size;
	const struct sr_secret *pin;
};

/** sr_derive_call() - derive a shared secret, as above */
int sr_derive_call(struct sr_server *server, const struct sr_peer *peer,
		   const struct sr_derive_request *request, void *arg,
		   struct sr_call **ret, struct sr_err *err);

/**
 * struct sr_rotate_request - a key that is to be replaced
 * @key:	name or fingerprint
 * @pin:	of the key, which the new one gets; where it has none, of its ring
 * @accept_unmeasured:	as in struct sr_key_options
 */
struct sr_rotate_request {
	const char *key;
	const struct sr_secret *pin;
	bool accept_unmeasured;
};

/**
 * sr_rotate_call() - put a new key in the place of one, as sr_key_rotate() does
 *
 * As above. Returns also -EPERM: keys.d does not let @peer, or the store or the key's ring
 * are not for the server to write. It fails with -ETIMEDOUT where another program has the
 * store locked, as others wait for the same thread.
 */
int sr_rotate_call(struct sr_server *server, const struct sr_peer *peer,
		   const struct sr_rotate_request *request, void *arg,
		   struct sr_call **ret, struct sr_err *err);

/**
 * sr_call_result() - what came of one of those above
 * @call:	a call that is done
 * @ret:	why it failed
 *
 * Returns 0 or a negative errno, as sr_key_sign(), sr_key_decrypt() and sr_key_rotate() do;
 * also -EPERM (a person said no, or has locked the agent) and -EAGAIN (too many wait).
 */
int sr_call_result(const struct sr_call *call, struct sr_err *ret);

/** sr_call_signature() - one of those that were asked for; valid as long as the call */
const struct sr_signature *sr_call_signature(const struct sr_call *call, size_t at);

/** sr_call_plain() - what was decrypted, or derived; valid as long as the call */
const struct sr_secret *sr_call_plain(const struct sr_call *call);

/** sr_call_renewed() - the key that took the place of one; valid as long as the call */
const struct sr_key *sr_call_renewed(const struct sr_call *call);

/** sr_call_rotates() - whether it is to replace a key, not only to use it */
bool sr_call_rotates(const struct sr_call *call);

/* What takes a TPM how many seconds: at most so many, or more than all of them. */
#define SR_LATENCY_BOUNDS                                                                \
	{                                                                                \
		0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0     \
	}
#define SR_LATENCY_BUCKETS 12

/**
 * struct sr_latency - how long one command of the TPM took
 * @command:	"Sign"
 * @count:	how often up to each of SR_LATENCY_BOUNDS; last: longer than all
 * @seconds:	all together
 */
struct sr_latency {
	const char *command;
	uint64_t count[SR_LATENCY_BUCKETS];
	double seconds;
};

/**
 * struct sr_server_counts - what a server did since it began
 * @signatures:	made
 * @decryptions:	made, with what was derived
 * @rotations:	keys that took the place of others
 * @failed_signatures:	not made
 * @failed_decryptions:	not made
 * @failed_rotations:	not made
 * @refusals:	a key was asked for that there is not, or not for that caller
 * @hits:	a key was on the TPM when it was needed
 * @loads:	a key was not
 * @queue:	how many wait for the TPM now
 */
struct sr_server_counts {
	uint64_t signatures;
	uint64_t decryptions;
	uint64_t rotations;
	uint64_t failed_signatures;
	uint64_t failed_decryptions;
	uint64_t failed_rotations;
	uint64_t refusals;
	uint64_t hits;
	uint64_t loads;
	size_t queue;
};

/** sr_server_counts() - what it did */
void sr_server_counts(const struct sr_server *server, struct sr_server_counts *ret);

/** sr_server_latency() - how long the TPM took, command by command; false behind the last */
bool sr_server_latency(const struct sr_server *server, size_t at, struct sr_latency *ret);

/** sr_call_state() - what it waits for now */
enum sr_call_state sr_call_state(struct sr_call *call);

/** sr_call_arg() - what the caller gave it */
void *sr_call_arg(const struct sr_call *call);

/** sr_call_key() - name of the key that it would use */
const char *sr_call_key(const struct sr_call *call);

/** sr_call_uses() - how often it would use it: one consent may be for many signatures */
size_t sr_call_uses(const struct sr_call *call);

/** sr_call_ring() - whose PIN it waits for; NULL if that is the key's */
const char *sr_call_ring(const struct sr_call *call);

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
