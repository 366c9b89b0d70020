/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: private keys that never leave the TPM. */
#include <openssl/crypto.h>
#include <string.h>

#include "sign.h"

/* What is done with a key that is in the TPM may take its PIN. */
#define USES "sign, decrypt, csr, cert self-sign, passwd, rotate, export"

static const struct option_row options[] = {
	{ 'j', "json", OPTION_FLAG, &sign_choices.json, NULL, "print JSON",
	  "list, info, algs" },
	{ 't', "type", OPTION_TEXT, &sign_choices.type, "TYPE",
	  "kind of key: p256, rsa2048 ... (p256)", "keygen" },
	{ 0, "usage", OPTION_TEXT, &sign_choices.usage, "USAGE",
	  "sign, decrypt or both (sign)", "keygen, import" },
	{ 0, "pcrs", OPTION_TEXT, &choices.pcrs, "LIST", "bind the key to these PCRs",
	  "keygen, import" },
	{ 'r', "ring", OPTION_TEXT, &sign_choices.ring, "RING",
	  "follow this ring; software: be its secret", "keygen, import" },
	{ 0, "pin", OPTION_FLAG, &choices.pin, NULL, "ask for a new PIN",
	  "keygen, import" },
	{ 0, "pin-file", OPTION_TEXT, &choices.pin_file, "FILE", "read the PIN from FILE",
	  "keygen, import, " USES },
	{ 0, "new-pin-file", OPTION_TEXT, &choices.new_pin_file, "FILE",
	  "read the new PIN from FILE", "keygen, import, passwd" },
	{ 0, "passphrase-file", OPTION_TEXT, &sign_choices.passphrase_file, "FILE",
	  "read the passphrase of what is imported", "import" },
	{ 0, "exportable", OPTION_FLAG, &sign_choices.exportable, NULL,
	  "it may be moved to another TPM", "keygen, import" },
	{ 0, "tag", OPTION_LIST, &sign_choices.tags, "NAME=VALUE",
	  "say that of it; list: only keys with it", "keygen, import, list" },
	{ 0, "backup", OPTION_LIST, &sign_choices.backup, "CERT",
	  "a copy for its owner goes to --output", "keygen, rotate" },
	{ 0, "to", OPTION_TEXT, &sign_choices.to, "FILE", "storage key of the other TPM",
	  "export" },
	{ 0, "accept-unmeasured", OPTION_FLAG, &choices.accept_unmeasured, NULL,
	  "take PCRs that firmware left alone", "keygen, import, rotate" },
	{ 0, "recovery-key-file", OPTION_TEXT, &choices.recovery_key_file, "FILE",
	  "recovery key: use FILE's, or write it", "keygen, import" },
	{ 0, "escrow", OPTION_LIST, &choices.escrow, "CERT",
	  "let this certificate's owner recover", "keygen, import" },
	{ 0, "no-recovery", OPTION_FLAG, &choices.no_recovery, NULL,
	  "nobody can recover: TPM or nothing", "keygen, import" },
	{ 0, "hash", OPTION_TEXT, &sign_choices.hash, "HASH",
	  "sha256, sha384, sha512; OAEP: sha1",
	  "sign, verify, decrypt, csr, cert self-sign" },
	{ 0, "pss", OPTION_FLAG, &sign_choices.pss, NULL,
	  "RSA: PSS instead of PKCS#1 v1.5", "sign, verify, csr, cert self-sign" },
	{ 0, "rsaes", OPTION_FLAG, &sign_choices.rsaes, NULL,
	  "PKCS#1 v1.5 instead of OAEP", "decrypt" },
	{ 0, "cms", OPTION_FLAG, &sign_choices.cms, NULL,
	  "a message to its certificate (CMS, S/MIME)", "decrypt" },
	{ 0, "digest", OPTION_FLAG, &sign_choices.digest, NULL,
	  "FILE is the hash of the message", "sign, verify" },
	{ 0, "format", OPTION_TEXT, &sign_choices.format, "FORMAT",
	  "der, plain, tss, ssh; pubkey, cert: pem, ssh",
	  "sign, verify, pubkey, cert show, cert remove" },
	{ 0, "namespace", OPTION_TEXT, &sign_choices.name_space, "NAME",
	  "what an ssh signature is for (file)", "sign, verify" },
	{ 's', "signature", OPTION_TEXT, &sign_choices.signature, "FILE", "the signature",
	  "verify" },
	{ 'o', "output", OPTION_TEXT, &sign_choices.output, "FILE",
	  "write to FILE, not standard output",
	  "pubkey, sign, decrypt, csr, cert self-sign, cert show, export, keygen, "
	  "rotate" },
	{ 0, "encrypt-session", OPTION_FLAG, &sign_choices.encrypt_session, NULL,
	  "encrypt also where nothing is secret", "sign, csr, cert self-sign" },
	{ 0, "if-missing", OPTION_FLAG, &sign_choices.if_missing, NULL,
	  "do nothing where there is one", "keygen, csr" },
	{ 0, "keep", OPTION_FLAG, &sign_choices.keep, NULL,
	  "keep the request beside the key", "csr" },
	{ 0, "direct", OPTION_FLAG, &sign_choices.direct, NULL,
	  "use the TPM, not the daemon", "sign, decrypt, csr, cert self-sign" },
	{ 0, "subject", OPTION_TEXT, &sign_choices.subject, "DN",
	  "whom it is for: /CN=example.org", "csr, cert self-sign" },
	{ 0, "alt-name", OPTION_LIST, &sign_choices.alt_names, "NAME",
	  "and also for: DNS:example.org", "csr, cert self-sign" },
	{ 0, "days", OPTION_TEXT, &sign_choices.days, "N", "how long it is valid (365)",
	  "cert self-sign" },
	{ 'f', "force", OPTION_FLAG, &sign_choices.force, NULL,
	  "delete: do not ask; openssl-conf: replace", "delete, openssl-conf" },
	{ 0 },
};

static const struct command_row commands[] = {
	{ "keygen", "NAME", 1, 1, cmd_keygen, "make a key in the TPM" },
	{ "import", "NAME [FILE [PUB]]", 1, 3, cmd_import,
	  "bring a private key into the TPM" },
	{ "list", "[NAME]", 0, 1, cmd_list, "what keys there are" },
	{ "info", "NAME", 1, 1, cmd_info, "all that is known of a key" },
	{ "pubkey", "[NAME]", 0, 1, cmd_pubkey,
	  "its public key, or the TPM's storage key" },
	{ "sign", "NAME [FILE...]", 1, 1000, cmd_sign, "sign FILE, or standard input" },
	{ "verify", "NAME [FILE]", 1, 2, cmd_verify, "check a signature, without TPM" },
	{ "decrypt", "NAME [FILE]", 1, 2, cmd_decrypt,
	  "decrypt FILE, or standard input" },
	{ "csr", "NAME", 1, 1, cmd_csr, "a certificate request" },
	{ "cert self-sign", "NAME", 1, 1, cmd_cert_self_sign,
	  "a certificate signed by the key itself" },
	{ "cert install", "NAME [FILE]", 1, 2, cmd_cert_install,
	  "keep a certificate beside the key" },
	{ "cert show", "NAME", 1, 1, cmd_cert_show, "the certificates beside the key" },
	{ "cert remove", "NAME", 1, 1, cmd_cert_remove,
	  "remove the certificates beside the key" },
	{ "rotate", "NAME", 1, 1, cmd_rotate, "a new key in its place" },
	{ "tag", "NAME [TAG=VALUE...]", 1, 17, cmd_tag, "say something about a key" },
	{ "export", "NAME", 1, 1, cmd_export, "encrypt a key for another TPM" },
	{ "passwd", "NAME", 1, 1, cmd_passwd, "change its PIN" },
	{ "delete", "NAME", 1, 1, cmd_delete, "remove a key" },
	{ "algs", "[TYPE]", 0, 1, cmd_algs, "what kinds of keys this TPM has" },
	{ "openssl-conf", "[FILE]", 0, 1, cmd_openssl_conf,
	  "configuration for OpenSSL to use the keys" },
	{ "serve", "[OPTIONS]", 0, 0, cmd_serve, "ssh-agent and REST: see serve --help" },
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
		.epilog = "tpm-sign COMMAND --help shows the options of one command.",
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
