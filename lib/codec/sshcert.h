/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates of OpenSSH (PROTOCOL.certkeys): whether one is of a key. */
#ifndef SR_SSHCERT_H
#define SR_SSHCERT_H

#include "pubkey.h"

#define SR_SSHCERT_MAX 65536	    /* bytes in such a file, at most */
#define SR_SSHCERT_BLANKS " \t\r\n" /* what may stand around its words, and its line */

/**
 * sr_sshcert_read() - read a NAME-cert.pub, as ssh-keygen -s writes it
 * @file:	one line: kind, base64, comment; or one that ssh takes for it
 * @pub:	the key that it has to be of
 * @ret:	the certificate in binary; release with sr_buf_done()
 * @err:	says why, on failure
 *
 * Whether it is valid is for those to find out whom it is shown to.
 *
 * Returns 0, -EBADMSG (not a certificate, or of another key) or -ENOMEM.
 */
int sr_sshcert_read(const struct sr_buf *file, const TPM2B_PUBLIC *pub,
		    struct sr_buf *ret, struct sr_err *err);

/**
 * struct sr_sshcert_time - when a certificate is valid, in seconds since 1970
 * @after:	from then on
 * @before:	until then; all bits set for ever
 */
struct sr_sshcert_time {
	uint64_t after;
	uint64_t before;
};

/** sr_sshcert_valid() - when it is valid; else as sr_sshcert_read() */
int sr_sshcert_valid(const struct sr_buf *file, const TPM2B_PUBLIC *pub,
		     struct sr_sshcert_time *ret, struct sr_err *err);

#endif
