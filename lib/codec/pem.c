/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks of PEM. */
#include "pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

void sr_pem_done(struct sr_pem *pem)
{
	OPENSSL_free(pem->label);
	OPENSSL_free(pem->header);
	OPENSSL_clear_free(pem->data, (size_t)pem->size);
}

/* Why OpenSSL failed; never 0. */
static int failure_reason(void)
{
	int reason = ERR_GET_REASON(ERR_peek_last_error());

	return reason ? reason : ERR_R_INTERNAL_ERROR;
}

int sr_pem_next(BIO *bio, struct sr_pem *ret)
{
	int reason = 0;

	(void)ERR_set_mark();
	if (PEM_read_bio(bio, &ret->label, &ret->header, &ret->data, &ret->size) != 1)
		reason = failure_reason();
	(void)ERR_pop_to_mark();
	return reason;
}
