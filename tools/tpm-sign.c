/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: private keys that never leave the TPM. */
#include <openssl/crypto.h>
#include <string.h>

#include "sign.h"

static const struct option_row options[] = {
	{ 'j', "json", OPTION_FLAG, &sign_choices.json, NULL,
	  "list, info and algs as JSON" },
	{ 't', "type", OPTION_TEXT, &sign_choices.type, "TYPE",
	  "kind of key: p256, rsa2048 ... (p256)" },
	{ 0, "usage", OPTION_TEXT, &sign_choices.usage, "USAGE",
	  "sign, decrypt or both" },
	{ 0, "pcrs", OPTION_TEXT, &choices.pcrs, "LIST", "bind the key to these PCRs" },
	{ 0, "pin", OPTION_FLAG, &choices.pin, NULL, "ask for a new PIN" },
	{ 0, "pin-file", OPTION_TEXT, &choices.pin_file, "FILE",
	  "read the PIN from FILE" },
	{ 0, "new-pin-file", OPTION_TEXT, &choices.new_pin_file, "FILE",
	  "passwd: read the new PIN from FILE" },
	{ 0, "accept-unmeasured", OPTION_FLAG, &choices.accept_unmeasured, NULL,
	  "take PCRs that firmware left alone" },
	{ 0, "hash", OPTION_TEXT, &sign_choices.hash, "HASH",
	  "sha256, sha384 or sha512" },
	{ 0, "pss", OPTION_FLAG, &sign_choices.pss, NULL,
	  "RSA: PSS instead of PKCS#1 v1.5" },
	{ 0, "rsaes", OPTION_FLAG, &sign_choices.rsaes, NULL,
	  "decrypt: PKCS#1 v1.5 instead of OAEP" },
	{ 0, "digest", OPTION_FLAG, &sign_choices.digest, NULL,
	  "FILE is the hash of the message" },
	{ 0, "format", OPTION_TEXT, &sign_choices.format, "FORMAT",
	  "der, plain, tss, ssh; pubkey: pem, ssh" },
	{ 0, "namespace", OPTION_TEXT, &sign_choices.name_space, "NAME",
	  "what an ssh signature is for (file)" },
	{ 's', "signature", OPTION_TEXT, &sign_choices.signature, "FILE",
	  "verify: the signature" },
	{ 'o', "output", OPTION_TEXT, &sign_choices.output, "FILE",
	  "write to FILE, not standard output" },
	{ 0, "encrypt-session", OPTION_FLAG, &sign_choices.encrypt_session, NULL,
	  "encrypt also where nothing is secret" },
	{ 0, "direct", OPTION_FLAG, &sign_choices.direct, NULL,
	  "sign, decrypt: not by way of the daemon" },
	{ 0, "subject", OPTION_TEXT, &sign_choices.subject, "DN",
	  "csr, cert: as in /CN=example.org" },
	{ 0, "alt-name", OPTION_LIST, &sign_choices.alt_names, "NAME",
	  "csr, cert: as in DNS:example.org" },
	{ 0, "days", OPTION_TEXT, &sign_choices.days, "N", "cert: how long it is valid" },
	{ 'f', "force", OPTION_FLAG, &sign_choices.force, NULL, "delete without asking" },
	{ 0 },
};

static const struct command_row commands[] = {
	{ "keygen", "NAME", 1, 1, cmd_keygen, "make a key in the TPM" },
	{ "import", "NAME [FILE [PUB]]", 1, 3, cmd_import,
	  "bring a private key into the TPM" },
	{ "list", "[NAME]", 0, 1, cmd_list, "what keys there are" },
	{ "info", "NAME", 1, 1, cmd_info, "all that is known of a key" },
	{ "pubkey", "NAME", 1, 1, cmd_pubkey, "its public key" },
	{ "sign", "NAME [FILE...]", 1, 1000, cmd_sign, "sign FILE, or standard input" },
	{ "verify", "NAME [FILE]", 1, 2, cmd_verify, "check a signature, without TPM" },
	{ "decrypt", "NAME [FILE]", 1, 2, cmd_decrypt, "decrypt with an RSA key" },
	{ "csr", "NAME", 1, 1, cmd_csr, "a certificate request" },
	{ "cert self-sign", "NAME", 1, 1, cmd_cert_self_sign,
	  "a certificate signed by the key itself" },
	{ "cert install", "NAME [FILE]", 1, 2, cmd_cert_install,
	  "keep a certificate beside the key" },
	{ "passwd", "NAME", 1, 1, cmd_passwd, "change its PIN" },
	{ "delete", "NAME", 1, 1, cmd_delete, "remove a key" },
	{ "algs", "[TYPE]", 0, 1, cmd_algs, "what kinds of keys this TPM has" },
	{ "openssl-conf", "[FILE]", 0, 1, cmd_openssl_conf,
	  "configuration for OpenSSL to use the keys" },
	{ "serve", "[OPTIONS]", 0, 0, cmd_serve, "the ssh-agent: see serve --help" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-sign",
		.usage = "[OPTIONS] COMMAND",
		.summary = "Private keys that never leave the TPM. NAME is a key of the "
			   "store,\nits fingerprint, or with a slash a key file.",
		.options = options,
		.commands = commands,
	};

	/*
	 * A configuration that has OpenSSL use the TPM's keys (openssl-conf) would have this
	 * program call itself; and where one signature is a whole process, reading it and
	 * tidying up at the end are a good part.
	 */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT,
				  NULL);
	/* It has options of its own; that it could not be run is said below. */
	if (argc > 1 && strcmp(argv[1], "serve") == 0) {
		sign_serve(argc - 2, argv + 2);
		argc = 2;
	}
	return tool_main(&tool, argc, argv);
}
