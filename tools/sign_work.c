/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the commands of tpm-sign share: loading a key, choosing how, writing results. */
#include <errno.h>
#include <string.h>

#include "key_text.h"
#include "sign.h"

struct sign_choices sign_choices;

void key_work_done(struct key_work *work)
{
	choices_done(&work->chosen);
	sr_key_free(work->key);
	sr_ring_free(work->ring);
	sr_tpm_close(work->tpm);
	sr_store_close(work->store);
}

int key_work_load(struct key_work *work, const char *name, bool with_tpm,
		  struct sr_err *err)
{
	int r = tool_store(&work->store, err);

	if (r == 0)
		r = sr_key_load(work->store, name, &work->key, err);
	if (r == 0 && with_tpm)
		r = tool_tpm(work->store, &work->tpm, err);
	return r;
}

int key_save(const char *file, const void *data, size_t size, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret content = { 0 };
	int r = sr_secret_copy(data, size, &content, err);

	return r < 0 ? r : tool_save(file, &content, false, err);
}

int key_output(const void *data, size_t size, bool text, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret content = { 0 };
	int r;

	if (sign_choices.output && strcmp(sign_choices.output, "-") != 0)
		return key_save(sign_choices.output, data, size, err);
	if (!text && isatty(STDOUT_FILENO))
		return sr_fail(err, -EINVAL,
			       "a terminal cannot show that: write it to a file with "
			       "--output");
	r = sr_secret_copy(data, size, &content, err);
	return r < 0 ? r
		     : sr_secret_write(&content, STDOUT_FILENO, "standard output", err);
}

int key_sign_options(struct sr_sign_options *ret, struct sr_err *err)
{
	const char *format = sign_choices.format ?: "der";

	*ret = (struct sr_sign_options){
		.hash = sign_choices.hash,
		.pss = sign_choices.pss,
		.name_space = sign_choices.name_space,
		.encrypt = sign_choices.encrypt_session,
	};
	return key_form_parse(format, &ret->form, err);
}
