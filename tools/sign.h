/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of tpm-sign share: its options and its commands. */
#ifndef SIGN_H
#define SIGN_H

#include "choices.h"
#include "sealring.h"
#include "tool.h"

/** struct sign_choices - what the options of tpm-sign were given */
struct sign_choices {
	bool json;
	const char *type;
	const char *usage;
	const char *ring;
	const char *hash;
	bool pss;
	bool rsaes;
	bool cms;
	bool digest;
	const char *format;
	const char *name_space;
	const char *signature;
	const char *output;
	bool encrypt_session;
	bool direct;
	const char *subject;
	struct option_list alt_names;
	const char *days;
	bool force;
	bool exportable;
	const char *passphrase_file;
	const char *to;
	struct option_list backup;
	struct option_list tags;
	bool if_missing;
	bool keep;
};

extern struct sign_choices sign_choices;

/** struct key_work - what a command works with; all of it empty until it is needed */
struct key_work {
	struct sr_store *store;
	struct sr_tpm *tpm;
	struct sr_key *key;
	struct sr_ring *ring;
	bool ring_pin; /* it has one, which --pin-file is then */
	struct chosen chosen;
};

#define _cleanup_key_work_ __attribute__((cleanup(key_work_done)))

void key_work_done(struct key_work *work);

/** key_work_load() - the store, and a key in it; the TPM too if @with_tpm */
int key_work_load(struct key_work *work, const char *name, bool with_tpm,
		  struct sr_err *err);

/** key_output() - to --output, or standard output; what is no text not to a terminal */
int key_output(const void *data, size_t size, bool text, struct sr_err *err);

/** key_save() - to a file, replacing it */
int key_save(const char *file, const void *data, size_t size, struct sr_err *err);

/** key_sign_options() - how to sign, from the options */
int key_sign_options(struct sr_sign_options *ret, struct sr_err *err);

/** key_print_storage() - the public key of the TPM's storage key */
int key_print_storage(bool ssh, struct sr_err *err);

/** key_backup() - who gets a copy of a new key, and where it is written; from the options */
int key_backup(struct key_work *work, struct sr_key_backup *ret, struct sr_err *err);

/** key_has_tags() - whether a key has all that --tag names */
bool key_has_tags(const struct sr_key_info *info);

int cmd_keygen(int argc, char **argv, struct sr_err *err);
int cmd_import(int argc, char **argv, struct sr_err *err);
int cmd_list(int argc, char **argv, struct sr_err *err);
int cmd_info(int argc, char **argv, struct sr_err *err);
int cmd_pubkey(int argc, char **argv, struct sr_err *err);
int cmd_export(int argc, char **argv, struct sr_err *err);
int cmd_rotate(int argc, char **argv, struct sr_err *err);
int cmd_tag(int argc, char **argv, struct sr_err *err);
int cmd_passwd(int argc, char **argv, struct sr_err *err);
int cmd_delete(int argc, char **argv, struct sr_err *err);
int cmd_algs(int argc, char **argv, struct sr_err *err);
int cmd_sign(int argc, char **argv, struct sr_err *err);
int cmd_verify(int argc, char **argv, struct sr_err *err);
int cmd_decrypt(int argc, char **argv, struct sr_err *err);
int cmd_csr(int argc, char **argv, struct sr_err *err);
int cmd_cert_self_sign(int argc, char **argv, struct sr_err *err);
int cmd_cert_install(int argc, char **argv, struct sr_err *err);
int cmd_cert_remove(int argc, char **argv, struct sr_err *err);
int cmd_cert_show(int argc, char **argv, struct sr_err *err);
int cmd_openssl_conf(int argc, char **argv, struct sr_err *err);
int cmd_serve(int argc, char **argv, struct sr_err *err);

/** sign_serve() - become tpm-serve; returns where that failed, and cmd_serve() says why */
void sign_serve(int argc, char **argv);

#define _cleanup_digest_ __attribute__((cleanup(sr_digest_done)))

SR_DEFINE_CLEANUP(sr_key_freep, struct sr_key *, sr_key_free)
#define _cleanup_key_ _cleanup_(sr_key_freep)

#endif
