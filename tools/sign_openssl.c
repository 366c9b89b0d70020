/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: the configuration by which programs that use OpenSSL use the keys. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "sign.h"

/* What the third provider is for: lib/ossl/sealring.c. */
static const char configuration[] =
    "# For OpenSSL 3 with the tpm2 provider: OPENSSL_CONF=FILE in the environment.\n"
    "# Which TPM that uses says TPM2OPENSSL_TCTI; without it, the resource manager.\n"
    "openssl_conf = openssl_init\n"
    "\n"
    "[openssl_init]\n"
    "providers = provider_sect\n"
    "alg_section = alg_sect\n"
    "\n"
    "[provider_sect]\n"
    "default = default_sect\n"
    "tpm2 = tpm2_sect\n"
    "sealring = sealring_sect\n"
    "\n"
    "[default_sect]\n"
    "activate = 1\n"
    "\n"
    "[tpm2_sect]\n"
    "activate = 1\n"
    "\n"
    "# Has each key used by the provider that holds it.\n"
    "[sealring_sect]\n"
    "activate = 1\n"
    "\n"
    "[alg_sect]\n"
    "default_properties = ?provider!=tpm2,?sealring.decoy\n";

/* Whoever has a configuration there would miss it. */
static int check_place(const char *file, struct sr_err *err)
{
	_cleanup_secret_ struct sr_secret there = { 0 };
	size_t size = strlen(configuration);
	struct stat st;

	if (sign_choices.force || stat(file, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if ((size_t)st.st_size == size &&
	    choices_read_file(file, size, &there, NULL) == 0 && there.size == size &&
	    memcmp(there.data, configuration, size) == 0)
		return 0;
	return sr_fail(err, -EEXIST,
		       "%s is there already: --force replaces it, and without FILE "
		       "openssl-conf prints what to add to it",
		       file);
}

int cmd_openssl_conf(int argc, char **argv, struct sr_err *err)
{
	int r = argc > 0 ? check_place(argv[0], err) : 0;

	if (r < 0)
		return r;
	return argc > 0 ? key_save(argv[0], configuration, strlen(configuration), err)
			: key_output(configuration, strlen(configuration), true, err);
}
