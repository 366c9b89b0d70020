/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: certificates, and the keys in programs that use OpenSSL. */
#include <errno.h>
#include <string.h>

#include "sign.h"

#define DAYS_DEFAULT 365
#define DAYS_MAX 36500

/* The properties keep everything that is not a key of the TPM out of it. */
static const char openssl_conf[] =
    "# For OpenSSL 3 with the tpm2 provider: OPENSSL_CONF=FILE in the environment.\n"
    "# Which TPM that uses says TPM2OPENSSL_TCTI; without it, the resource manager.\n"
    "openssl_conf = openssl_init\n"
    "\n"
    "[openssl_init]\n"
    "providers = provider_sect\n"
    "alg_section = alg_sect\n"
    "\n"
    "[provider_sect]\n"
    "tpm2 = tpm2_sect\n"
    "default = default_sect\n"
    "\n"
    "[default_sect]\n"
    "activate = 1\n"
    "\n"
    "[tpm2_sect]\n"
    "activate = 1\n"
    "\n"
    "[alg_sect]\n"
    "default_properties = "
    "?provider=tpm2,tpm2.digest!=yes,tpm2.cipher!=yes,tpm2.rand!=yes\n";

static int parse_days(unsigned int *ret, struct sr_err *err)
{
	uint64_t days = DAYS_DEFAULT;
	int r = sign_choices.days
		    ? sr_number_parse(sign_choices.days, DAYS_MAX, &days, err)
		    : 0;

	*ret = (unsigned int)days;
	return r;
}

static int prepare(struct key_work *work, const char *name, struct sr_subject *subject,
		   struct sr_sign_options *options, struct sr_err *err)
{
	int r = parse_days(&subject->days, err);

	subject->name = sign_choices.subject;
	subject->alt_names = sign_choices.alt_names.item;
	subject->alt_count = sign_choices.alt_names.count;
	if (r == 0 && !subject->name)
		r = sr_fail(err, -EINVAL, "for whom? --subject /CN=example.org");
	if (r == 0)
		r = key_sign_options(options, err);
	return r < 0 ? r : key_work_load(work, name, true, err);
}

int cmd_csr(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_free_ char *pem = NULL;
	struct sr_sign_options options;
	struct sr_subject subject;
	int r = prepare(&work, argv[0], &subject, &options, err);

	(void)argc;
	if (r == 0)
		r = sr_key_request(work.key, work.tpm, choices_ask(), &subject, &options,
				   &pem, err);
	return r < 0 ? r : key_output(pem, strlen(pem), true, err);
}

int cmd_cert_self_sign(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_free_ char *pem = NULL;
	struct sr_sign_options options;
	struct sr_subject subject;
	int r = prepare(&work, argv[0], &subject, &options, err);

	(void)argc;
	if (r == 0)
		r = sr_key_self_sign(work.key, work.tpm, choices_ask(), &subject,
				     &options, &pem, err);
	return r < 0 ? r : key_output(pem, strlen(pem), true, err);
}

int cmd_cert_install(int argc, char **argv, struct sr_err *err)
{
	const char *file = argc > 1 ? argv[1] : "-";
	_cleanup_key_work_ struct key_work work = { 0 };
	_cleanup_secret_ struct sr_secret pem = { 0 };
	int r = key_work_load(&work, argv[0], false, err);

	if (r == 0)
		r = choices_read_file(file, CHOICES_PEM_MAX, &pem, err);
	if (r == 0)
		r = sr_key_install(work.store, work.key, (const char *)pem.data, pem.size,
				   err);
	if (r == 0)
		tool_say("key %s in %s has a certificate", argv[0],
			 sr_store_path(work.store));
	return r;
}

int cmd_openssl_conf(int argc, char **argv, struct sr_err *err)
{
	return argc > 0 ? key_save(argv[0], openssl_conf, strlen(openssl_conf), err)
			: key_output(openssl_conf, strlen(openssl_conf), true, err);
}
