/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What went wrong, as REST says it: a word and a status of HTTP for each errno. */
#ifndef REST_CODE_H
#define REST_CODE_H

#define REST_BODY_MAX                                                                    \
	(256U << 10) /* bytes in a request; what is larger is hashed first */

/** struct rest_code - one of them */
struct rest_code {
	int number; /* errno, positive */
	unsigned int status;
	const char *word;
};

/** rest_code_of() - for a negative errno; any that is not known is that of EIO */
const struct rest_code *rest_code_of(int r);

/** rest_code_named() - the same by its word; NULL if that is none */
const struct rest_code *rest_code_named(const char *word);

#endif
