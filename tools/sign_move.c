/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: keys that go to another TPM. */
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
	return r < 0 ? r : key_output(text, strlen(text), true, err);
}
