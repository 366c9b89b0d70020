/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that were made elsewhere: in software, in this TPM by others, in another for this. */
#include <string.h>
#include <tss2/tss2_mu.h>

#include "make.h"
#include "newpin.h"
#include "tpm/srk.h"

int sr_key_import(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		  const struct sr_secret *private_key, const struct sr_ask *passphrase,
		  const struct sr_key_options *options, struct sr_key **ret,
		  struct sr_err *err)
{
	_cleanup_(sr_private_done) struct sr_private from = { 0 };
	struct sr_ask ask = sr_ask_new_pin(options->pin);
	struct sr_making making = {
		.tpm = tpm,
		.options = options,
		.from = &from,
		.imported = true,
		.ask = &ask,
	};
	int r;

	r = sr_private_read(private_key, passphrase, &from, err);
	if (r == 0)
		r = sr_key_make(store, &making, name, sr_key_type_of(&from.pub), ret,
				err);
	return r == 0 && from.certificates
		   ? sr_key_install(store, *ret, from.certificates,
				    strlen(from.certificates), err)
		   : r;
}

/* Of a policy there is but the digest. */
static int read_pair(const struct sr_key_pair *pair, struct sr_tpmkey *ret,
		     struct sr_err *err)
{
	const TPMT_PUBLIC *area = &ret->pub.publicArea;
	size_t pub_used = 0, priv_used = 0;
	int r;

	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(pair->pub, pair->pub_size, &pub_used,
					   &ret->pub) != TSS2_RC_SUCCESS ||
	    pub_used != pair->pub_size)
		return sr_fail(err, -EBADMSG, "the public part is no TPM2B_PUBLIC");
	if (Tss2_MU_TPM2B_PRIVATE_Unmarshal(pair->priv, pair->priv_size, &priv_used,
					    &ret->priv) != TSS2_RC_SUCCESS ||
	    priv_used != pair->priv_size)
		return sr_fail(err, -EBADMSG, "the private part is no TPM2B_PRIVATE");
	if (!sr_key_type_of(&ret->pub) || sr_key_type_of(&ret->pub)->software)
		return sr_fail(err, -EBADMSG, "none of the kinds of keys that there are");
	r = sr_key_check_scheme(&ret->pub, err);
	if (r < 0)
		return r;
	if (area->authPolicy.size > 0 ||
	    !(area->objectAttributes & TPMA_OBJECT_USERWITHAUTH))
		return sr_fail(err, -EBADMSG,
			       "it is bound to a policy, which such files do not tell: "
			       "only its digest");
	ret->type = SR_TPMKEY_LOADABLE;
	ret->has_empty_auth = true;
	ret->empty_auth = !pair->pin;
	ret->parent = SR_SRK_HANDLE;
	return 0;
}

int sr_key_adopt(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		 const struct sr_key_pair *pair, const struct sr_ask *ask,
		 struct sr_key **ret, struct sr_err *err)
{
	static const struct sr_key_options none = { 0 };
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *file = sr_tpmkey_new();
	struct sr_making making = {
		.tpm = tpm, .options = &none, .pair = file, .ask = ask
	};
	int r = file ? read_pair(pair, file, err) : sr_fail_memory(err);

	return r < 0 ? r
		     : sr_key_make(store, &making, name, sr_key_type_of(&file->pub), ret,
				   err);
}

bool sr_key_is_file(const struct sr_secret *content)
{
	static const char head[] = "-----BEGIN TSS2 PRIVATE KEY-----";

	return content->size > 0 &&
	       memmem(content->data, content->size, head, strlen(head));
}

int sr_key_adopt_file(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		      const struct sr_secret *content, const struct sr_ask *ask,
		      struct sr_key **ret, struct sr_err *err)
{
	static const struct sr_key_options none = { 0 };
	_cleanup_(sr_tpmkey_freep) struct sr_tpmkey *file = NULL;
	struct sr_making making = { .tpm = tpm, .options = &none, .ask = ask };
	int r =
	    sr_tpmkey_read(&(struct sr_buf){ content->data, content->size }, &file, err);

	if (r == 0 && (file->type == SR_TPMKEY_SEALED || !sr_key_type_of(&file->pub) ||
		       sr_key_type_of(&file->pub)->software))
		r = sr_fail(err, -EBADMSG, "not a kind of key that is used here");
	if (r == 0)
		r = sr_key_check_scheme(&file->pub, err);
	if (r == 0 && file->signed_count > 0)
		r = sr_fail(
		    err, -EBADMSG,
		    "it follows a ring, whose name is in its text: copy the file");
	if (r < 0)
		return r;
	making.pair = file;
	return sr_key_make(store, &making, name, sr_key_type_of(&file->pub), ret, err);
}
