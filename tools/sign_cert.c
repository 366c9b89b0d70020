/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-sign: certificates and the requests for them. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "ground/harmless.h"
#include "sign_daemon.h"

#define DAYS_DEFAULT 365
#define DAYS_MAX 36500

static int parse_days(unsigned int *ret, struct sr_err *err)
{
	uint64_t days = DAYS_DEFAULT;
	int r = sign_choices.days
		    ? sr_number_parse(sign_choices.days, DAYS_MAX, &days, err)
		    : 0;

	*ret = (unsigned int)days;
	return r;
}

/* What a request, or a certificate, is made of. */
struct making {
	struct key_hand hand;
	struct sr_sign_options options;
	struct sr_subject subject;
};

static void making_done(struct making *making)
{
	key_hand_done(&making->hand);
}

/* By the daemon, where there is one; what is kept beside the key is not its business. */
static int prepare(struct making *making, const char *name, struct sr_err *err)
{
	struct sr_subject *subject = &making->subject;
	struct key_hand *hand = &making->hand;
	int r = parse_days(&subject->days, err);

	subject->name = sign_choices.subject;
	subject->alt_names = sign_choices.alt_names.item;
	subject->alt_count = sign_choices.alt_names.count;
	if (r == 0 && !subject->name)
		r = sr_fail(err, -EINVAL, "for whom? --subject /CN=example.org");
	if (r == 0)
		r = key_sign_options(&making->options, err);
	if (r < 0)
		return r;
	r = sign_choices.keep ? 0 : daemon_find(name, &hand->daemon, err);
	return key_hand_take(hand, r, name, true, err);
}

/* 1 if there is one already, and that is all that was asked for. */
static int is_kept(const char *name, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	int r;

	if (sign_choices.keep && sign_choices.output)
		return sr_fail(err, -EINVAL, "--keep and --output: choose one");
	if (sign_choices.if_missing && !sign_choices.keep)
		return sr_fail(err, -EINVAL, "--if-missing needs --keep");
	if (!sign_choices.if_missing)
		return 0;
	r = key_work_load(&work, name, false, err);
	return r < 0 ? r : sr_key_has_request(work.store, work.key, err);
}

static int keep(const struct key_work *work, const char *pem, struct sr_err *err)
{
	struct sr_key_info info;
	int r = sr_key_keep_request(work->store, work->key, pem, err);

	if (r == 0)
		r = sr_key_info(work->key, &info, err);
	if (r == 0)
		tool_say("the request of key %s is in %s/keys/%s.csr", info.name,
			 sr_store_path(work->store), info.name);
	return r;
}

int cmd_csr(int argc, char **argv, struct sr_err *err)
{
	_cleanup_(making_done) struct making making = { 0 };
	const struct key_work *work = &making.hand.work;
	_cleanup_free_ char *pem = NULL;
	int r = is_kept(argv[0], err);

	(void)argc;
	if (r != 0)
		return r < 0 ? r : 0;
	r = prepare(&making, argv[0], err);
	if (r == 0)
		r = sr_key_request(work->key, work->tpm, choices_ask(), &making.subject,
				   &making.options, &pem, err);
	if (r < 0)
		return r;
	return sign_choices.keep ? keep(work, pem, err)
				 : key_output(pem, strlen(pem), true, err);
}

int cmd_cert_self_sign(int argc, char **argv, struct sr_err *err)
{
	_cleanup_(making_done) struct making making = { 0 };
	const struct key_work *work = &making.hand.work;
	_cleanup_free_ char *pem = NULL;
	int r = prepare(&making, argv[0], err);

	(void)argc;
	if (r == 0)
		r = sr_key_self_sign(work->key, work->tpm, choices_ask(), &making.subject,
				     &making.options, &pem, err);
	return r < 0 ? r : key_output(pem, strlen(pem), true, err);
}

/* A CA's clock is not ours, and some are installed ahead of their time: they are kept. */
static void warn_of_time(const char *name, time_t from, time_t until)
{
	char text[SR_TIME_TEXT];
	time_t now = time(NULL);
	bool over = until <= now;

	if (!over && from <= now)
		return;
	sr_time_format(over ? until : from, text);
	tool_warn("%s: this certificate %s %s", name,
		  over ? "has expired, on" : "is not valid before", text);
}

static bool to_time(const ASN1_TIME *from, time_t *ret)
{
	struct tm parts;

	if (ASN1_TIME_to_tm(from, &parts) != 1)
		return false;
	*ret = timegm(&parts);
	return true;
}

/* Of the key's; those behind it are its issuers'. False if it is no such certificate. */
static bool warn_of_chain(const char *name, const struct sr_secret *pem)
{
	BIO *in = BIO_new_mem_buf(pem->data, (int)pem->size);
	X509 *first = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	bool found = first;
	time_t from, until;

	if (found && to_time(X509_get0_notBefore(first), &from) &&
	    to_time(X509_get0_notAfter(first), &until))
		warn_of_time(name, from, until);
	ERR_clear_error();
	X509_free(first);
	BIO_free(in);
	return found;
}

static void warn_of_certificate(const struct key_work *work, const char *name,
				const struct sr_secret *content)
{
	struct sr_ssh_certificate ssh = { 0 };

	if (!warn_of_chain(name, content) &&
	    sr_key_ssh_certificate(work->store, work->key, &ssh, NULL) == 0)
		warn_of_time(name, ssh.from, ssh.until);
	free(ssh.line);
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
	if (r < 0)
		return r;
	tool_say("key %s in %s has a certificate", argv[0], sr_store_path(work.store));
	warn_of_certificate(&work, argv[0], &pem);
	return 0;
}

/* -- what was installed ------------------------------------------------------------- */

#define NAME_FLAGS (XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB)

static void print_time(BIO *out, const ASN1_TIME *time)
{
	char text[SR_TIME_TEXT];
	time_t when;

	if (!to_time(time, &when))
		return;
	sr_time_format(when, text);
	(void)BIO_puts(out, text);
}

/* As it is, unless a terminal would do something else than show it. */
static void print_name(BIO *out, const X509_NAME *name)
{
	BIO *plain = BIO_new(BIO_s_mem());
	unsigned char *text = NULL;
	long size = 0;

	if (plain && X509_NAME_print_ex(plain, name, 0, NAME_FLAGS) >= 0)
		size = BIO_get_mem_data(plain, &text);
	(void)X509_NAME_print_ex(
	    out, name, 0,
	    sr_text_is_harmless(text, (size_t)size) ? NAME_FLAGS : XN_FLAG_ONELINE);
	BIO_free(plain);
}

/* What a CA wrote there may be anything. */
static void print_names(BIO *out, X509 *one)
{
	int at = X509_get_ext_by_NID(one, NID_subject_alt_name, -1);
	BIO *names = at < 0 ? NULL : BIO_new(BIO_s_mem());
	char *text = NULL;
	long size;

	if (!names)
		return;
	(void)X509V3_EXT_print(names, X509_get_ext(one, at), 0, 0);
	size = BIO_get_mem_data(names, &text);
	(void)BIO_puts(out, "\nNames:       ");
	for (long i = 0; i < size; i++)
		(void)BIO_write(out, text[i] < ' ' || text[i] > '~' ? "?" : &text[i], 1);
	BIO_free(names);
}

/* Text before a block of PEM is for people, and programs pass over it (RFC 7468). */
static bool print_certificate(BIO *out, X509 *one)
{
	unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
	char fingerprint[65];

	(void)BIO_puts(out, "Subject:     ");
	print_name(out, X509_get_subject_name(one));
	(void)BIO_puts(out, "\nIssuer:      ");
	print_name(out, X509_get_issuer_name(one));
	print_names(out, one);
	(void)BIO_puts(out, "\nValid:       ");
	print_time(out, X509_get0_notBefore(one));
	(void)BIO_puts(out, " to ");
	print_time(out, X509_get0_notAfter(one));
	(void)X509_digest(one, EVP_sha256(), digest, NULL);
	sr_hex_format(digest, 32, fingerprint);
	(void)BIO_printf(out, "\nSHA-256:     %s\n", fingerprint);
	return PEM_write_bio_X509(out, one) == 1;
}

static bool print_chain(BIO *out, const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	bool good = in;
	X509 *one;

	for (bool first = true; good && (one = PEM_read_bio_X509(in, NULL, NULL, NULL));
	     first = false) {
		if (!first)
			(void)BIO_puts(out, "\n");
		good = print_certificate(out, one);
		X509_free(one);
	}
	ERR_clear_error();
	BIO_free(in);
	return good;
}

/* What ssh-keygen -L shows of it; that passes over lines with such a mark. */
static bool print_ssh(BIO *out, const struct sr_ssh_certificate *ssh)
{
	char from[SR_TIME_TEXT], until[SR_TIME_TEXT];

	sr_time_format(ssh->from, from);
	sr_time_format(ssh->until, until);
	return BIO_printf(out, "# OpenSSH, valid: %s to %s\n%s", from,
			  ssh->until == SR_TIME_LAST ? "forever" : until, ssh->line) > 0;
}

/* Which of both kinds --format asks for; both, if nothing does. */
static int parse_kinds(bool *pem, bool *ssh, struct sr_err *err)
{
	const char *format = sign_choices.format;

	*pem = !format || strcmp(format, "pem") == 0;
	*ssh = !format || strcmp(format, "ssh") == 0;
	return *pem || *ssh
		   ? 0
		   : sr_fail(err, -EINVAL, "no format \"%s\": pem or ssh", format);
}

/* Of both kinds, that one is not there is no failure. */
static int show_kinds(const struct key_work *work, BIO *out, bool pem, bool ssh,
		      struct sr_err *err)
{
	struct sr_ssh_certificate line = { 0 };
	_cleanup_free_ char *chain = NULL;
	bool good = out;
	int r = -ENOKEY, s = -ENOKEY;

	if (ssh)
		s = sr_key_ssh_certificate(work->store, work->key, &line, err);
	if (pem && (s == 0 || s == -ENOKEY))
		r = sr_key_certificate(work->store, work->key, &chain, err);
	if (r == 0)
		good = good && print_chain(out, chain);
	if (r == 0 && s == 0)
		good = good && BIO_puts(out, "\n") > 0;
	if (s == 0)
		good = good && print_ssh(out, &line);
	free(line.line);
	r = r == -ENOKEY ? s : r;
	return r < 0 || good ? r : sr_fail(err, -ENOMEM, "out of memory");
}

int cmd_cert_show(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	BIO *out = BIO_new(BIO_s_mem());
	bool pem, ssh;
	char *text = NULL;
	long size;
	int r = parse_kinds(&pem, &ssh, err);

	(void)argc;
	if (r == 0)
		r = key_work_load(&work, argv[0], false, err);
	if (r == 0)
		r = show_kinds(&work, out, pem, ssh, err);
	size = r == 0 ? BIO_get_mem_data(out, &text) : 0;
	if (r == 0)
		r = key_output(text, (size_t)size, true, err);
	BIO_free(out);
	return r;
}

int cmd_cert_remove(int argc, char **argv, struct sr_err *err)
{
	_cleanup_key_work_ struct key_work work = { 0 };
	bool pem, ssh;
	int r = parse_kinds(&pem, &ssh, err), s;

	(void)argc;
	if (r == 0)
		r = key_work_load(&work, argv[0], false, err);
	if (r < 0)
		return r;
	r = s = -ENOKEY;
	if (ssh)
		s = sr_key_uninstall(work.store, work.key, SR_FORM_SSH, err);
	if (pem && (s == 0 || s == -ENOKEY))
		r = sr_key_uninstall(work.store, work.key, SR_FORM_PEM, err);
	if (r == -ENOKEY)
		r = s;
	if (r == 0)
		tool_say("key %s in %s has no certificate%s any more", argv[0],
			 sr_store_path(work.store),
			 pem && ssh ? ""
			 : ssh	    ? " of OpenSSH"
				    : " of X.509");
	return r;
}
