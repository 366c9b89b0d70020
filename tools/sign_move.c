/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: keys that go elsewhere: to another TPM, or to who keeps a copy. */
#include <errno.h>
#include <string.h>

#include "sign.h"

#define PARENT_MAX 4096 /* bytes in a file with a public key */

int key_print_storage(bool ssh, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_free_ char *text = NULL;
	int r = ssh ? sr_fail(err, -EINVAL, "--format ssh: a storage key signs nothing")
		    : tool_store(&work.store, err);

	if (r == 0)
		r = tool_tpm(work.store, &work.tpm, err);
	if (r == 0)
		r = sr_storage_key(work.tpm, &text, err);
	return r < 0 ? r : key_output(text, strlen(text), true, err);
}

/* It is on the disk before anybody deletes the key here. */
static int save_export(const char *text, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret content = { 0 };
	const char *file = sign_choices.output;
	int r;

	if (!file || strcmp(file, "-") == 0)
		return key_output(text, strlen(text), true, err);
	r = sr_secret_copy(text, strlen(text), &content, err);
	return r < 0 ? r : tool_save(file, &content, true, err);
}

int cmd_export(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_secret_ struct sr_secret parent = { 0 };
	_cleanup_free_ char *text = NULL;
	int r = sign_choices.to
		    ? choices_read_file(sign_choices.to, PARENT_MAX, &parent, err)
		    : sr_fail(err, -EINVAL,
			      "to which TPM? --to FILE, which tpm-sign pubkey prints "
			      "there");

	(void)argc;
	if (r == 0)
		r = key_work_load(&work, argv[0], true, err);
	if (r == 0)
		r = sr_key_export(work.key, work.tpm, choices_ask(), &parent, &text, err);
	return r < 0 ? r : save_export(text, err);
}

/* What is there may be the only copy of another key. */
static int save_backup(void *arg, const uint8_t *data, size_t size, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret content = { 0 };
	const char *file = arg;
	int r;

	if (strcmp(file, "-") == 0)
		return key_output(data, size, false, err);
	r = sr_secret_copy(data, size, &content, err);
	if (r == 0)
		r = sr_secret_write_file(&content, file, true, err);
	if (r == 0)
		tool_say("the copy of the key is in %s", file);
	return r;
}

int key_backup(struct key_work *work, struct sr_key_backup *ret, struct sr_err *err)
{
	const struct option_list *certificates = &sign_choices.backup;
	int r;

	if (certificates->count == 0)
		return sign_choices.output
			   ? sr_fail(err, -EINVAL,
				     "--output is for the copy of --backup: a key itself "
				     "goes to the store")
			   : 0;
	if (!sign_choices.output)
		return sr_fail(err, -EINVAL,
			       "where is the copy to go? --backup needs --output FILE");
	r = choices_certificates(certificates->item, certificates->count, &work->chosen,
				 err);
	*ret = (struct sr_key_backup){
		.owners = &work->chosen.escrow,
		.save = save_backup,
		.arg = (void *)sign_choices.output,
	};
	return r < 0 ? r : 1;
}
