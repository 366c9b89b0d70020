/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What REST answers: an object, or why not. */
#include <string.h>

#include "serve_work.h"

const char api_json[] = "application/json";

void api_answer_done(struct api_answer *answer)
{
	free(answer->text);
	sr_secret_done(&answer->secret);
	*answer = (struct api_answer){ 0 };
}

void api_give(struct json_object *object, unsigned int status, struct api_answer *answer)
{
	const char *text = json_object_to_json_string_ext(
	    object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	answer->status = status;
	answer->type = api_json;
	if (!text || asprintf(&answer->text, "%s\n", text) < 0)
		answer->text = NULL;
	json_object_put(object);
}

void api_refuse(unsigned int status, const char *word, const char *message,
		struct api_answer *answer)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "code", word);
	json_add_text(object, "message", message);
	api_give(object, status, answer);
}

void api_fail(int r, const struct sr_err *why, struct api_answer *answer)
{
	const struct rest_code *code = rest_code_of(r);

	api_refuse(code->status, code->word, why->text[0] ? why->text : strerror(-r),
		   answer);
}
