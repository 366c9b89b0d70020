/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the commands of tpm-sign share: loading a key, choosing how, writing results. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sign.h"

struct sign_choices sign_choices;

void key_work_done(struct key_work *work)
{
	choices_done(&work->chosen);
	sr_key_free(work->key);
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

static int write_all(int fd, const char *name, const uint8_t *data, size_t size,
		     struct sr_err *err)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return sr_fail_sys(err, errno, "cannot write %s", name);
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int key_save(const char *file, const void *data, size_t size, struct sr_err *err)
{
	_cleanup_close_ int fd =
	    open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		return sr_fail_sys(err, errno, "cannot write %s", file);
	return write_all(fd, file, data, size, err);
}

int key_output(const void *data, size_t size, bool text, struct sr_err *err)
{
	if (sign_choices.output && strcmp(sign_choices.output, "-") != 0)
		return key_save(sign_choices.output, data, size, err);
	if (!text && isatty(STDOUT_FILENO))
		return sr_fail(err, -EINVAL,
			       "a terminal cannot show that: write it to a file with "
			       "--output");
	return write_all(STDOUT_FILENO, "standard output", data, size, err);
}

int key_sign_options(struct sr_sign_options *ret, struct sr_err *err)
{
	static const struct {
		const char *name;
		enum sr_signature_form form;
	} forms[] = {
		{ "der", SR_SIGNATURE_DER },
		{ "plain", SR_SIGNATURE_PLAIN },
		{ "tss", SR_SIGNATURE_TSS },
		{ "ssh", SR_SIGNATURE_SSH },
	};
	const char *format = sign_choices.format ?: "der";

	*ret = (struct sr_sign_options){
		.hash = sign_choices.hash,
		.pss = sign_choices.pss,
		.name_space = sign_choices.name_space,
		.encrypt = sign_choices.encrypt_session,
	};
	for (size_t i = 0; i < SR_COUNT(forms); i++)
		if (strcmp(forms[i].name, format) == 0) {
			ret->form = forms[i].form;
			return 0;
		}
	return sr_fail(err, -EINVAL, "no format \"%s\": der, plain, tss or ssh", format);
}
