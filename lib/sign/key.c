/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One key, as it is known. */
#include "key.h"

#include <string.h>

#include "codec/name.h"
#include "ground/parse.h"
#include "ground/strv.h"
#include "tpm/move.h"
#include "tpm/srk.h"

struct sr_key *sr_key_new(const char *name)
{
	struct sr_key *key = calloc(1, sizeof(*key));

	if (key)
		key->name = strdup(name);
	if (key && !key->name)
		free(take(key));
	if (key)
		key->version = 1;
	return key;
}

void sr_key_free(struct sr_key *key)
{
	if (!key)
		return;
	sr_tpmkey_free(key->file);
	sr_strv_free(key->tags);
	free(key->text);
	free(key->name);
	free(key);
}

int sr_fail_key(const struct sr_key *key, int r, struct sr_err *err)
{
	char prefix[SR_KEY_NAME + 8];

	if (strchr(key->name, '/'))
		return sr_prefix(err, r, key->name);
	(void)snprintf(prefix, sizeof(prefix), "key %s", key->name);
	return sr_prefix(err, r, prefix);
}

int sr_key_in_store(const struct sr_key *key, struct sr_err *err)
{
	if (!strchr(key->name, '/'))
		return 0;
	return sr_fail(err, -EINVAL, "%s is no key of the store", key->name);
}

bool sr_key_is_approved(const struct sr_key *key)
{
	return key->file->policy.count > 0 &&
	       key->file->policy.step[0].code == TPM2_CC_PolicyAuthorize;
}

bool sr_key_needs_pin(const struct sr_key *key)
{
	return key->file->policy.count ? sr_policy_needs_auth(&key->file->policy)
				       : !key->file->empty_auth;
}

static void add_pcrs(const struct sr_policy *policy, struct sr_pcrs *ret)
{
	for (size_t i = 0; i < policy->count; i++) {
		const TPMS_PCR_SELECTION *selection =
		    &policy->step[i].pcr.selection.pcrSelections[0];

		if (policy->step[i].code != TPM2_CC_PolicyPCR)
			continue;
		ret->bank = selection->hash;
		for (unsigned int pcr = 0; pcr < SR_PCR_COUNT; pcr++)
			if (selection->pcrSelect[pcr / 8] & 1U << pcr % 8)
				ret->mask |= 1U << pcr;
	}
}

void sr_key_pcrs(const struct sr_key *key, struct sr_pcrs *ret)
{
	*ret = (struct sr_pcrs){ 0 };
	add_pcrs(&key->file->policy, ret);
	for (size_t i = 0; i < key->file->signed_count; i++)
		add_pcrs(&key->file->signed_policy[i].policy, ret);
}

int sr_key_spki(const struct sr_key *key, char ret[SR_FINGERPRINT_TEXT],
		struct sr_err *err)
{
	_cleanup_buf_ struct sr_buf spki = { 0 };
	uint8_t digest[EVP_MAX_MD_SIZE];
	int r = sr_pubkey_spki(&key->file->pub, &spki, err);

	if (r < 0)
		return r;
	if (EVP_Digest(spki.data, spki.size, digest, NULL, EVP_sha256(), NULL) != 1)
		return sr_fail_libcrypto(err, "hashing a public key");
	sr_hex_format(digest, 32, ret);
	return 0;
}

int sr_key_info(const struct sr_key *key, struct sr_key_info *ret, struct sr_err *err)
{
	TPMA_OBJECT attributes = key->file->pub.publicArea.objectAttributes;
	struct sr_key_info info = {
		.name = key->name,
		.type = key->type->name,
		.usage = (attributes & TPMA_OBJECT_SIGN_ENCRYPT ? SR_KEY_SIGN : 0) |
			 (attributes & TPMA_OBJECT_DECRYPT ? SR_KEY_DECRYPT : 0),
		.pin = sr_key_needs_pin(key),
		.limited = !(attributes & TPMA_OBJECT_NODA),
		.in_tpm = !key->type->software,
		.ring = key->type->software || sr_key_is_approved(key) ? key->ring : NULL,
		.born_here = key->type->software
				 ? !key->imported
				 : attributes & TPMA_OBJECT_SENSITIVEDATAORIGIN &&
				       attributes & TPMA_OBJECT_FIXEDTPM,
		.made_outside = key->type->software
				    ? key->imported
				    : !(attributes & TPMA_OBJECT_SENSITIVEDATAORIGIN),
		.hash = key->type->hash,
		.made = key->made,
		.version = key->version,
		.tags = (const char *const *)key->tags,
		.tag_count = key->tag_count,
	};
	struct sr_pcrs pcrs;
	int r = key->type->ssh ? sr_ssh_fingerprint(&key->file->pub, info.ssh, err) : 0;

	if (r == 0)
		r = sr_key_spki(key, info.spki, err);
	if (r == 0)
		r = sr_move_allowed(&key->file->pub, err);
	if (r < 0)
		return sr_fail_key(key, r, err);
	info.exportable = r;
	sr_key_pcrs(key, &pcrs);
	if (pcrs.mask)
		sr_pcrs_format(&pcrs, info.pcrs);
	*ret = info;
	return 0;
}

bool sr_key_type_in_software(const char *name)
{
	const struct sr_key_type *type = sr_key_type_find(name);

	return type && type->software;
}

bool sr_key_is_of(const struct sr_key *key, const struct sr_tpm_facts *facts)
{
	TPM2B_NAME name;

	if (!key->pinned || key->file->parent != SR_SRK_HANDLE ||
	    sr_name_of(&key->parent, &name, NULL) < 0)
		return true;
	return name.size == facts->srk_name_size &&
	       memcmp(name.name, facts->srk_name, name.size) == 0;
}

const char *sr_key_type_name(size_t at)
{
	const struct sr_key_type *type = sr_key_type_at(at);

	return type ? type->name : NULL;
}

int sr_key_unreadable(int r, struct sr_err *err)
{
	if (r == -EBADMSG)
		r = -EUCLEAN;
	if (err)
		err->code = r;
	return r;
}
