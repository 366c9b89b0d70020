/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all programs share: main, the store, the TPM, messages, exit status. */
#ifndef TOOL_H
#define TOOL_H

#include "ground/attr.h"
#include "options.h"

/**
 * struct tool - a program
 * @name:	its name
 * @usage:	what stands behind the name
 * @summary:	one line
 * @options:	its own options
 * @more:	options it shares with others, or NULL
 * @commands:	its commands, or NULL: then @run is called
 * @min:	operands at least, without commands
 * @max:	operands at most, without commands
 * @run:	does it; 0 or a negative errno
 * @epilog:	last lines of --help, or NULL
 * @section:	of its manual page; 0 is 1
 */
struct tool {
	const char *name;
	const char *usage;
	const char *summary;
	const struct option_row *options;
	const struct option_row *more;
	const struct command_row *commands;
	int min;
	int max;
	int (*run)(int argc, char **argv, struct sr_err *err);
	const char *epilog;
	int section;
};

/** tool_main() - all of main(); returns the exit status */
int tool_main(const struct tool *tool, int argc, char **argv);

/** tool_store() - the store that --system, --user and the environment choose */
int tool_store(struct sr_store **ret, struct sr_err *err);

/** tool_has_runtime_dir() - whether there is a place for the state of this boot */
bool tool_has_runtime_dir(void);

/** tool_runtime_dir() - where the state of this boot is; NULL if nowhere. free() it */
char *tool_runtime_dir(void);

/** tool_config_dir() - where the store's configuration is. free() it */
char *tool_config_dir(void);

/** tool_state_dir() - where the store is. free() it */
char *tool_state_dir(void);

/** tool_tcti() - how to reach the TPM, as was chosen; NULL for the kernel's device */
const char *tool_tcti(const struct sr_store *store);

/** tool_chose_tpm() - whether that was by --tcti */
bool tool_chose_tpm(void);

/** tool_is_system() - whether that is the system's */
bool tool_is_system(void);

/** enum tool_crypto - what a program meets, each with what is before it */
enum tool_crypto {
	CRYPTO_OWN, /* keys and signatures of its own, whose algorithms it chooses */
	CRYPTO_CERTIFICATES, /* certificates, which name the hash that they are signed with */
	CRYPTO_RECOVERY,     /* recovery copies, which are CMS and name their ciphers */
};

/**
 * tool_quick_crypto() - start OpenSSL with no more names than are needed
 * @with:	what they are needed for
 *
 * To be called before anything uses OpenSSL. Without it, libcrypto gathers the names and
 * messages of all it ever had, for each of its contexts, and ESYS makes many: that is most
 * of what a program does that signs or unseals once. Each name counts.
 */
void tool_quick_crypto(enum tool_crypto with);

/**
 * tool_tpm() - the TPM that --tcti, the environment and the configuration choose
 *
 * From then on a signal waits until what the program has there is removed (ending.h).
 */
int tool_tpm(const struct sr_store *store, struct sr_tpm **ret, struct sr_err *err);

/** tool_say() - one line of success on stderr, unless --quiet */
void tool_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** tool_warn() - one line of warning on stderr */
void tool_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** tool_report() - print a failure, and whose request it was if @request is not NULL */
void tool_report(int r, const struct sr_err *err, const struct sr_request *request);

/** tool_complain() - print a failure and go on; remembers the first for the exit status
 */
void tool_complain(int r, const struct sr_err *err);

/**
 * tool_save() - write a result to a file: whole or not at all
 * @file:	where; a device or pipe is written to, a link followed
 * @content:	what
 * @secret:	only its owner may read the file; else what any program would let
 * @err:	says why, on failure
 */
int tool_save(const char *file, const struct sr_secret *content, bool secret,
	      struct sr_err *err);

/** tool_fail_silently() - what was printed says it all; only the exit status is missing
 */
void tool_fail_silently(int r);

/** tool_behind() - how many of the operands stood behind "--": the last ones */
int tool_behind(void);

/** tool_end_with() - this exit status, of a program that was run for somebody */
void tool_end_with(int status);

/** tool_progress() - "sealing 12 of 1000" on a terminal, once a second has passed */
void tool_progress(void *what, size_t done, size_t total);

/** tool_is_quiet() - whether nothing is to be said on success */
bool tool_is_quiet(void);

/** tool_is_terminal() - whether a person reads what goes to stderr */
bool tool_is_terminal(void);

/** tool_bold() - what starts or ends bold text on a terminal; "" elsewhere, or with NO_COLOR */
const char *tool_bold(bool on, int fd);

/** tool_status() - exit status for a negative errno (sealring(7)) */
int tool_status(int r);

SR_DEFINE_CLEANUP(sr_tpm_closep, struct sr_tpm *, sr_tpm_close)
SR_DEFINE_CLEANUP(sr_store_closep, struct sr_store *, sr_store_close)
SR_DEFINE_CLEANUP(sr_ring_freep, struct sr_ring *, sr_ring_free)
SR_DEFINE_CLEANUP(sr_strv_freep, char **, sr_strv_free)
#define _cleanup_tpm_ _cleanup_(sr_tpm_closep)
#define _cleanup_store_ _cleanup_(sr_store_closep)
#define _cleanup_ring_ _cleanup_(sr_ring_freep)
#define _cleanup_strv_ _cleanup_(sr_strv_freep)
#define _cleanup_secret_ _cleanup_(sr_secret_done)

#endif
