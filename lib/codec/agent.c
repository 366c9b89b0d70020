/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The protocol of ssh-agent (draft-miller-ssh-agent): what is asked, what is answered. */
#include "agent.h"

#include <string.h>

#include "ground/parse.h"
#include "ssh.h"

#define RSA_SHA2_256 2U
#define RSA_SHA2_512 4U

/* Numbers of messages (section 6.1 of the draft). */
enum {
	FAILURE = 5,
	SUCCESS = 6,
	REQUEST_IDENTITIES = 11,
	IDENTITIES_ANSWER = 12,
	SIGN_REQUEST = 13,
	SIGN_RESPONSE = 14,
	LOCK = 22,
	UNLOCK = 23,
};

int sr_agent_size(const uint8_t *header, size_t *ret)
{
	struct sr_reader from = { .data = header, .left = SR_AGENT_HEADER };
	uint32_t size = sr_get_number(&from);

	if (size == 0 || size > SR_AGENT_MAX)
		return -EBADMSG;
	*ret = size;
	return 0;
}

static bool read_sign(struct sr_reader *from, struct sr_agent_request *ret)
{
	ret->kind = SR_AGENT_SIGN;
	ret->key = sr_get_string(from);
	ret->data = sr_get_string(from);
	ret->flags = sr_get_number(from);
	return sr_get_end(from);
}

static bool read_lock(struct sr_reader *from, enum sr_agent_kind kind,
		      struct sr_agent_request *ret)
{
	ret->kind = kind;
	ret->data = sr_get_string(from);
	return sr_get_end(from) && ret->data.left <= SR_AGENT_PASSPHRASE;
}

int sr_agent_read(const uint8_t *message, size_t size, struct sr_agent_request *ret)
{
	struct sr_reader from = { .data = message, .left = size };
	struct sr_agent_request request = { 0 };
	bool good = size > 0;

	switch (sr_get_byte(&from)) {
	case REQUEST_IDENTITIES:
		request.kind = SR_AGENT_LIST;
		good = sr_get_end(&from);
		break;
	case SIGN_REQUEST:
		good = read_sign(&from, &request);
		break;
	case LOCK:
		good = read_lock(&from, SR_AGENT_LOCK, &request);
		break;
	case UNLOCK:
		good = read_lock(&from, SR_AGENT_UNLOCK, &request);
		break;
	}
	if (!good)
		return -EBADMSG;
	*ret = request;
	return 0;
}

int sr_agent_scheme(const struct sr_key_type *type, uint32_t flags, struct sr_scheme *ret)
{
	bool rsa = type->alg == TPM2_ALG_RSA;

	if (flags & ~(RSA_SHA2_256 | RSA_SHA2_512) || (rsa && flags == 0))
		return -EINVAL;
	*ret = sr_ssh_scheme(type);
	if (rsa && !(flags & RSA_SHA2_512))
		ret->hash = TPM2_ALG_SHA256;
	return 0;
}

/* Begins a message; its length is put in front when it ends. */
static size_t begin(struct sr_writer *to, uint8_t kind)
{
	size_t at = sr_put_begin(to);

	sr_put_byte(to, kind);
	return at;
}

int sr_agent_status(bool yes, struct sr_buf *ret, struct sr_err *err)
{
	uint8_t room[SR_AGENT_HEADER + 1];
	struct sr_writer to = SR_WRITER(room);

	sr_put_end(&to, begin(&to, yes ? SUCCESS : FAILURE));
	return sr_put_done(&to, ret, err);
}

int sr_agent_signature(const struct sr_buf *signature, struct sr_buf *ret,
		       struct sr_err *err)
{
	uint8_t room[SR_AGENT_HEADER + 1 + 4 + SR_SIGNATURE_MAX];
	struct sr_writer to = SR_WRITER(room);
	size_t at = begin(&to, SIGN_RESPONSE);

	sr_put_string(&to, signature->data, signature->size);
	sr_put_end(&to, at);
	return sr_put_done(&to, ret, err);
}

int sr_agent_keys_begin(struct sr_agent_keys *ret, struct sr_err *err)
{
	struct sr_agent_keys keys = { .to = { .room = SR_AGENT_HEADER + SR_AGENT_MAX } };

	keys.to.data = malloc(keys.to.room);
	if (!keys.to.data)
		return sr_fail_memory(err);
	(void)begin(&keys.to, IDENTITIES_ANSWER);
	(void)sr_put_begin(&keys.to);
	*ret = keys;
	return 0;
}

bool sr_agent_keys_add(struct sr_agent_keys *keys, const struct sr_buf *key,
		       const char *comment)
{
	size_t needed = 4 + key->size + 4 + strlen(comment);

	if (keys->count == SR_AGENT_KEYS || needed > keys->to.room - keys->to.size)
		return false;
	sr_put_string(&keys->to, key->data, key->size);
	sr_put_text(&keys->to, comment);
	keys->count++;
	return true;
}

int sr_agent_keys_end(struct sr_agent_keys *keys, struct sr_buf *ret, struct sr_err *err)
{
	struct sr_writer count = { .data = keys->to.data + SR_AGENT_HEADER + 1,
				   .room = 4 };

	sr_put_number(&count, keys->count);
	sr_put_end(&keys->to, 0);
	return sr_put_done(&keys->to, ret, err);
}
