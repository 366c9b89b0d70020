/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What REST asks of keys, apart from HTTP: a path and a JSON text come in, a status and one go out. */
#ifndef SERVE_API_H
#define SERVE_API_H

#include "rest_code.h"
#include "serve.h"

/**
 * struct api_request - one request
 * @method:	"GET"
 * @path:	without what stands behind a question mark, and unescaped
 * @format:	?format=; NULL if there was none
 * @body:	overwritten
 * @size:	bytes in @body
 */
struct api_request {
	const char *method;
	const char *path;
	const char *format;
	char *body;
	size_t size;
};

/**
 * struct api_answer - its answer; all but @status may be missing
 * @status:	of HTTP
 * @type:	of @text
 * @text:	malloc()ed
 * @secret:	instead of @text
 * @allow:	methods that a path has, when it was another one
 * @last:	nothing else is heard in this connection
 */
struct api_answer {
	unsigned int status;
	const char *type;
	char *text;
	struct sr_secret secret;
	const char *allow;
	bool last;
};

/** api_answer_done() - release */
void api_answer_done(struct api_answer *answer);

struct api_work;

/**
 * api_start() - do what is asked
 * @server:	the server
 * @request:	what; has to live until api_free()
 * @waiter:	who; gets a call if there is one to be waited for
 * @answer:	otherwise filled
 *
 * NULL if it is done. Else api_finish() makes the answer once the call is done.
 */
struct api_work *api_start(struct sr_server *server, const struct api_request *request,
			   struct waiter *waiter, struct api_answer *answer);

/** api_finish() - the answer to a call that is done */
void api_finish(const struct api_work *work, struct api_answer *answer);

/** api_free() - release; NULL is fine. Its call is the waiter's */
void api_free(struct api_work *work);

/** api_fail() - the answer to what has failed */
void api_fail(int r, const struct sr_err *why, struct api_answer *answer);

/** api_refuse() - ... for a reason that only HTTP has */
void api_refuse(unsigned int status, const char *word, const char *message,
		struct api_answer *answer);

#endif
