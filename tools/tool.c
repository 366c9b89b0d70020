/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all programs share: main, the store, the TPM, messages, exit status. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>

#include "ending.h"
#include "ground/attr.h"
#include "ground/harmless.h"
#include "journal.h"

static const struct tool *current;
static const char *tcti;
static bool use_system, use_user, quiet, show_help, show_version;
static int first_failure, given_status;
static struct options_found found;

static const struct option_row common_options[] = {
	{ 0, "system", OPTION_FLAG, &use_system, NULL, "use the system's store", NULL },
	{ 0, "user", OPTION_FLAG, &use_user, NULL, "use your own store", NULL },
	{ 0, "tcti", OPTION_TEXT, &tcti, "TCTI", "the TPM (default: /dev/tpmrm0)", NULL },
	{ 'q', "quiet", OPTION_FLAG, &quiet, NULL, "say nothing on success", NULL },
	{ 'h', "help", OPTION_FLAG, &show_help, NULL, "show this help", NULL },
	{ 0, "version", OPTION_FLAG, &show_version, NULL, "show the version", NULL },
	{ 0 },
};

int tool_status(int r)
{
	static const struct {
		int number;
		int status;
	} table[] = {
		{ 0, 0 },      { EINVAL, 2 },  { EKEYREJECTED, 3 }, { EACCES, 4 },
		{ EBUSY, 5 },  { ENODEV, 6 },  { EREMOTE, 7 },	    { EBADMSG, 8 },
		{ ENOKEY, 9 }, { EEXIST, 10 }, { EUCLEAN, 8 },
	};

	for (size_t i = 0; i < SR_COUNT(table); i++)
		if (table[i].number == -r)
			return table[i].status;
	return 1;
}

/* One name each, by which ASN.1 is looked up: EVP_add_digest() gives three or four. */
static void name_hashes(void)
{
	const EVP_MD *const hashes[] = {
		EVP_md5(),	EVP_sha1(),	EVP_sha224(),	  EVP_sha256(),
		EVP_sha384(),	EVP_sha512(),	EVP_sha512_224(), EVP_sha512_256(),
		EVP_sha3_224(), EVP_sha3_256(), EVP_sha3_384(),	  EVP_sha3_512()
	};

	for (size_t i = 0; i < SR_COUNT(hashes); i++)
		(void)OBJ_NAME_add(OBJ_nid2sn(EVP_MD_get_type(hashes[i])),
				   OBJ_NAME_TYPE_MD_METH, (const char *)hashes[i]);
}

static void name_ciphers(void)
{
	const EVP_CIPHER *const ciphers[] = { EVP_aes_256_gcm(), EVP_aes_256_cbc(),
					      EVP_aes_256_wrap() };

	for (size_t i = 0; i < SR_COUNT(ciphers); i++)
		(void)OBJ_NAME_add(OBJ_nid2sn(EVP_CIPHER_get_nid(ciphers[i])),
				   OBJ_NAME_TYPE_CIPHER_METH, (const char *)ciphers[i]);
}

void tool_quick_crypto(enum tool_crypto with)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
				      OPENSSL_INIT_NO_ADD_ALL_DIGESTS |
				      OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS,
				  NULL);
	if (with >= CRYPTO_CERTIFICATES)
		name_hashes();
	if (with >= CRYPTO_RECOVERY)
		name_ciphers();
}

bool tool_is_quiet(void)
{
	return quiet;
}

bool tool_is_terminal(void)
{
	return isatty(STDERR_FILENO);
}

const char *tool_bold(bool on, int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!isatty(fd) || (no_color && *no_color) || !term || strcmp(term, "dumb") == 0)
		return "";
	return on ? "\033[1m" : "\033[0m";
}

static void print_entry(const struct journal_entry *entry)
{
	if (!journal_write(entry))
		fprintf(stderr, "%s%s:%s %s\n", tool_bold(true, STDERR_FILENO),
			entry->program, tool_bold(false, STDERR_FILENO), entry->text);
}

static void print_line(int priority, const char *fmt, va_list ap)
{
	char text[PATH_MAX + 1024];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	sr_text_make_harmless(text);
	print_entry(&(struct journal_entry){
	    .program = current->name, .priority = priority, .text = text });
}

void tool_say(const char *fmt, ...)
{
	va_list ap;

	if (quiet)
		return;
	va_start(ap, fmt);
	print_line(LOG_INFO, fmt, ap);
	va_end(ap);
}

void tool_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_line(LOG_WARNING, fmt, ap);
	va_end(ap);
}

void tool_report(int r, const struct sr_err *err, const struct sr_request *request)
{
	const char *why = err->text[0] ? err->text : strerror(-r);
	struct journal_entry entry = {
		.program = current->name,
		.priority = LOG_ERR,
		.text = why,
		.r = r,
		.err = err,
		.request = request,
	};
	char text[sizeof(err->text) + sizeof(*request) + 64];

	if (request) {
		bool known = request->unit[0];

		(void)snprintf(text, sizeof(text), "%s%s%s: %s",
			       known ? request->unit : "a credential is refused",
			       known ? " does not get credential " : "",
			       request->credential, why);
		sr_text_make_harmless(text);
		entry.text = text;
	}
	print_entry(&entry);
}

void tool_fail_silently(int r)
{
	if (!first_failure)
		first_failure = r;
}

void tool_complain(int r, const struct sr_err *err)
{
	if (!ending)
		tool_report(r, err, NULL);
	tool_fail_silently(r);
}

void tool_progress(void *what, size_t done, size_t total)
{
	static struct timespec start;
	static bool shown;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (done <= 1 || !start.tv_sec)
		start = now;
	if (quiet || !tool_is_terminal() || (!shown && now.tv_sec - start.tv_sec < 1))
		return;
	shown = done < total;
	fprintf(stderr, "\r%s: %s %zu of %zu%s", current->name, (const char *)what, done,
		total, shown ? "" : "\n");
}

bool tool_is_system(void)
{
	return use_system || (!use_user && geteuid() == 0);
}

static const char *from_env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* $OVERRIDE, else for the system @system, else $XDG/sealring, else $HOME/@fallback. */
static char *directory(const char *override, const char *system, const char *xdg,
		       const char *fallback)
{
	const char *set = from_env(override), *base = from_env(xdg),
		   *home = from_env("HOME");
	char *path = NULL;
	int n;

	if (set)
		n = asprintf(&path, "%s", set);
	else if (tool_is_system())
		n = asprintf(&path, "%s", system);
	else if (base && base[0] == '/')
		n = asprintf(&path, "%s/sealring", base);
	else
		n = asprintf(&path, "%s/%s/sealring", home ? home : ".", fallback);
	return n < 0 ? NULL : path;
}

/* An ordinary user's may be missing: nothing of theirs happens in the initramfs. */
bool tool_has_runtime_dir(void)
{
	return tool_is_system() || from_env("SEALRING_RUNTIME_DIR") ||
	       from_env("XDG_RUNTIME_DIR");
}

char *tool_runtime_dir(void)
{
	return tool_has_runtime_dir()
		   ? directory("SEALRING_RUNTIME_DIR", RUNSTATEDIR "/sealring",
			       "XDG_RUNTIME_DIR", ".cache")
		   : NULL;
}

char *tool_config_dir(void)
{
	return directory("SEALRING_CONFIG_DIR", SYSCONFDIR "/sealring", "XDG_CONFIG_HOME",
			 ".config");
}

char *tool_state_dir(void)
{
	return directory("SEALRING_STATE_DIR", LOCALSTATEDIR "/lib/sealring",
			 "XDG_STATE_HOME", ".local/state");
}

int tool_store(struct sr_store **ret, struct sr_err *err)
{
	_cleanup_free_ char *config = tool_config_dir();
	_cleanup_free_ char *state = tool_state_dir();
	_cleanup_free_ char *runtime = tool_runtime_dir();
	struct sr_store_options options = { .config_dir = config,
					    .state_dir = state,
					    .runtime_dir = runtime };

	if (use_system && use_user)
		return sr_fail(err, -EINVAL, "--system and --user: choose one");
	if (!config || !state || (!runtime && tool_has_runtime_dir()))
		return sr_fail(err, -ENOMEM, "out of memory");
	if (config[0] != '/' || state[0] != '/')
		return sr_fail(
		    err, -EINVAL,
		    "no place for the store: HOME, XDG_* and SEALRING_* must be "
		    "absolute paths");
	return sr_store_open(&options, ret, err);
}

bool tool_chose_tpm(void)
{
	return tcti;
}

const char *tool_tcti(const struct sr_store *store)
{
	const char *configured = store ? sr_store_config(store)->tcti : NULL;
	const char *choices[] = { tcti, from_env("SEALRING_TCTI"), configured,
				  from_env("TPM2TOOLS_TCTI"), from_env("TSS2_TCTI") };

	for (size_t i = 0; i < SR_COUNT(choices); i++)
		if (choices[i])
			return choices[i];
	return NULL;
}

int tool_tpm(const struct sr_store *store, struct sr_tpm **ret, struct sr_err *err)
{
	ending_heed();
	return sr_tpm_open_until(tool_tcti(store), &ending, ret, err);
}

/* A closed descriptor would be the next file's, or the TPM's. What has none is not empty. */
static void fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* No debugger of another process, no core file; ESYS must not log on our stderr. */
static void harden(void)
{
	fill_standard_descriptors();
#ifndef __SANITIZE_ADDRESS__ /* the leak checker is a debugger */
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
	/* Whatever was asked for: libtss2's trace has the keys in it. */
	(void)setenv("TSS2_LOG", "all+NONE", 1);
	(void)unsetenv("TSS2_LOGFILE");
	(void)signal(SIGXFSZ, SIG_IGN); /* an error to clean up after, like any other */
}

static void print_command(const struct command_row *row)
{
	char left[80];

	(void)snprintf(left, sizeof(left), "  %s %s", row->name, row->args);
	printf("%-32s%s\n", left, row->help);
}

/* A command's name may be two words: "recovery test". Returns how many match. */
static int match(const char *name, int argc, char **argv)
{
	char two[64];

	if (argc >= 1 && strcmp(name, argv[0]) == 0)
		return 1;
	if (argc < 2)
		return 0;
	(void)snprintf(two, sizeof(two), "%s %s", argv[0], argv[1]);
	return strcmp(name, two) == 0 ? 2 : 0;
}

/* The command that words name, or the first word of some: "recovery". */
static const char *command_of(int argc, char **argv)
{
	const struct command_row *row = current->commands;

	for (; row->name; row++)
		if (match(row->name, argc, argv))
			return row->name;
	for (row = current->commands; row->name; row++)
		if (argc == 1 && options_begin(row->name, argv[0]))
			return argv[0];
	return NULL;
}

static void print_usage(const char *command)
{
	const char *usage = "Usage:";

	for (const struct command_row *row = current->commands; row->name; row++) {
		if (!options_begin(row->name, command))
			continue;
		printf("%s %s %s [OPTIONS] %s\n       %s\n", usage, current->name,
		       row->name, row->args, row->help);
		usage = "      ";
	}
	putchar('\n');
}

static void print_summary(void)
{
	printf("Usage: %s %s\n%s\n\n", current->name, current->usage, current->summary);
	for (const struct command_row *row = current->commands; row && row->name; row++)
		print_command(row);
	if (current->commands)
		putchar('\n');
}

static int fail_command(int argc, char **argv, struct sr_err *err)
{
	for (const struct command_row *row = current->commands; row->name; row++) {
		if (!options_begin(row->name, argv[0]))
			continue;
		return argc > 1
			   ? sr_fail(err, -EINVAL, "no command \"%s %s\": see %s --help",
				     argv[0], argv[1], argv[0])
			   : sr_fail(err, -EINVAL, "%s: which? See %s --help", argv[0],
				     argv[0]);
	}
	return sr_fail(err, -EINVAL, "no command \"%s\": see --help", argv[0]);
}

static int print_help(const struct option_row *const tables[], int argc, char **argv,
		      struct sr_err *err)
{
	bool all = !current->commands || argc == 0;
	const char *command = all ? NULL : command_of(argc, argv);

	if (!all && !command)
		return fail_command(argc, argv, err);
	if (all)
		print_summary();
	else
		print_usage(command);
	options_print(tables, command);
	printf("\n%s%sSee %s(%d); exit status in sealring(7).\n",
	       all && current->epilog ? current->epilog : "",
	       all && current->epilog ? "\n" : "", current->name,
	       current->section ? current->section : 1);
	return 0;
}

static int check_count(int count, int min, int max, const char *usage, struct sr_err *err)
{
	if (count >= min && count <= max)
		return 0;
	return sr_fail(err, -EINVAL, "usage: %s %s", current->name, usage);
}

static int run_command(const struct option_row *const tables[], int argc, char **argv,
		       struct sr_err *err)
{
	for (const struct command_row *row = current->commands; row->name; row++) {
		int words = match(row->name, argc, argv), r;
		char usage[80];

		if (!words)
			continue;
		(void)snprintf(usage, sizeof(usage), "%s %s", row->name, row->args);
		r = options_check(tables, found.given, row->name, err);
		if (r == 0)
			r = check_count(argc - words, row->min, row->max, usage, err);
		return r < 0 ? r : row->run(argc - words, argv + words, err);
	}
	if (argc == 0)
		return sr_fail(err, -EINVAL, "which command? See --help");
	return fail_command(argc, argv, err);
}

int tool_behind(void)
{
	return found.behind;
}

void tool_end_with(int status)
{
	given_status = status;
}

static int run(int argc, char **argv, struct sr_err *err)
{
	const struct option_row *const all[] = { current->options, current->more,
						 common_options, NULL };
	const struct option_row *const without[] = { current->options, common_options,
						     NULL };
	const struct option_row *const *tables = current->more ? all : without;
	int r = options_parse(tables, &argc, argv, &found, err);

	if (r < 0)
		return r;
	argc -= found.first;
	argv += found.first;
	if (show_help)
		return print_help(tables, argc, argv, err);
	if (show_version) {
		printf("%s (sealring) %s\n", current->name, VERSION);
		return 0;
	}
	if (current->commands)
		return run_command(tables, argc, argv, err);
	r = check_count(argc, current->min, current->max, current->usage, err);
	return r < 0 ? r : current->run(argc, argv, err);
}

/* What failed before the end, stdio only remembers the fact of. */
static void check_output(void)
{
	bool lost = ferror(stdout);

	errno = EIO;
	if (fflush(stdout) == 0 && !lost)
		return;
	tool_warn("cannot write to standard output: %s", strerror(errno));
	first_failure = -EIO;
}

int tool_main(const struct tool *tool, int argc, char **argv)
{
	struct sr_err err = { 0 };
	int r;

	current = tool;
	harden();
	r = run(argc, argv, &err);
	ending_die();
	if (r < 0)
		tool_complain(r, &err);
	if (!first_failure)
		check_output();
	if (sr_secret_unlocked())
		tool_warn(
		    "the limit of locked memory (ulimit -l) was too small: secrets may "
		    "have been swapped");
	return given_status ? given_status : tool_status(first_failure);
}
