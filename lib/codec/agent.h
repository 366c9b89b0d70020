/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The protocol of ssh-agent (draft-miller-ssh-agent): what is asked, what is answered. */
#ifndef SR_AGENT_PROTOCOL_H
#define SR_AGENT_PROTOCOL_H

#include "signature.h"
#include "wire.h"

#define SR_AGENT_HEADER 4	 /* bytes that say how long a message is */
#define SR_AGENT_MAX 262144	 /* bytes of a message, as OpenSSH has it */
#define SR_AGENT_KEYS 2048	 /* keys in an answer, at most, as OpenSSH has it */
#define SR_AGENT_PASSPHRASE 1024 /* bytes of what an agent is locked with, at most */

enum sr_agent_kind {
	SR_AGENT_OTHER, /* to add and to remove keys, and extensions: refused */
	SR_AGENT_LIST,
	SR_AGENT_SIGN,
	SR_AGENT_LOCK,
	SR_AGENT_UNLOCK,
};

/**
 * struct sr_agent_request - what is asked
 * @kind:	what for
 * @key:	SR_AGENT_SIGN: the public key or certificate, as it was listed
 * @data:	SR_AGENT_SIGN: what to sign; SR_AGENT_LOCK, SR_AGENT_UNLOCK: the passphrase
 * @flags:	SR_AGENT_SIGN: how RSA signs
 *
 * It points into the message.
 */
struct sr_agent_request {
	enum sr_agent_kind kind;
	struct sr_reader key;
	struct sr_reader data;
	uint32_t flags;
};

/**
 * sr_agent_size() - how long a message is
 * @header:	its first SR_AGENT_HEADER bytes
 * @ret:	bytes that follow, at least 1
 *
 * Returns 0, or -EBADMSG: then nobody knows where the next one begins.
 */
int sr_agent_size(const uint8_t *header, size_t *ret);

/** sr_agent_read() - read a message without its header; 0, or -EBADMSG */
int sr_agent_read(const uint8_t *message, size_t size, struct sr_agent_request *ret);

/**
 * sr_agent_scheme() - how a key signs what an agent is asked for
 * @type:	of the key
 * @flags:	of the request
 * @ret:	the scheme
 *
 * Returns 0, or -EINVAL for what is not known, and for RSA with SHA-1.
 */
int sr_agent_scheme(const struct sr_key_type *type, uint32_t flags,
		    struct sr_scheme *ret);

/** sr_agent_status() - the answer that says yes or no, and nothing else */
int sr_agent_status(bool yes, struct sr_buf *ret, struct sr_err *err);

/** sr_agent_signature() - the answer with a signature of sr_ssh_signature() */
int sr_agent_signature(const struct sr_buf *signature, struct sr_buf *ret,
		       struct sr_err *err);

/**
 * struct sr_agent_keys - the answer that lists keys
 * @to:		where it is written
 * @count:	how many
 */
struct sr_agent_keys {
	struct sr_writer to;
	uint32_t count;
};

/** sr_agent_keys_begin() - begin it; release @ret->to.data with free() */
int sr_agent_keys_begin(struct sr_agent_keys *ret, struct sr_err *err);

/** sr_agent_keys_add() - one more, unless clients would not take so many: then false */
bool sr_agent_keys_add(struct sr_agent_keys *keys, const struct sr_buf *key,
		       const char *comment);

/** sr_agent_keys_end() - the answer; release with sr_buf_done() */
int sr_agent_keys_end(struct sr_agent_keys *keys, struct sr_buf *ret, struct sr_err *err);

#endif
