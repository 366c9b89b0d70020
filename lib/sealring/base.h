/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Errors, secrets, texts, the TPM and its PCRs. */
#ifndef SEALRING_BASE_H
#define SEALRING_BASE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Every fallible function returns 0 or one of these, negative:
 *
 *   EINVAL		the caller's mistake, or a text the user mistyped
 *   EKEYREJECTED	the policy does not hold now (PCRs, time window, locality)
 *   EACCES		wrong or missing PIN or recovery key
 *   EBUSY		the TPM is in dictionary-attack lockout
 *   ENODEV		no TPM, or it cannot be reached
 *   EREMOTE		sealed by another TPM, or the TPM was cleared since
 *   EBADMSG		a file is damaged or refused
 *   EUCLEAN		a key's own file is, where EBADMSG is said of what the key is used on
 *   ENOKEY		no such secret, ring or key
 *   EEXIST		it is there already
 *   ETIMEDOUT		others have what is needed, and it was not waited for (any longer)
 *   EPERM		not permitted: by the configuration, or the kernel
 *   ENOMEM, EIO and others: something failed; the text says what
 *
 * An error of the operating system whose number is in this list is returned as EIO, so
 * that each number above has the one meaning given here.
 */

#define SR_EVENTLOG_BANKS 8 /* banks of a TPM, or in an event log */

#define SR_NAME_MAX 64 /* characters in the name of a ring, secret or key */

/**
 * struct sr_err - why a call failed
 * @code:	the negative errno that was returned
 * @tss:	the TSS2_RC behind it, or 0
 * @pcrs:	bit N: PCR N is not as approved
 * @ring:	the ring it is about, or ""
 * @secret:	the secret it is about, or ""
 * @text:	one line: object, cause, remedy; no newline
 *
 * Zero-initialise it. Functions fill it on failure only; a NULL pointer is allowed
 * wherever one is taken.
 */
struct sr_err {
	int code;
	uint32_t tss;
	uint32_t pcrs;
	char ring[SR_NAME_MAX + 1];
	char secret[SR_NAME_MAX + 1];
	char text[512];
};

/**
 * sr_fail() - describe a failure; for callbacks, and programs that do as the library does
 * @err:	filled unless NULL
 * @r:		the negative errno to return
 * @fmt:	one line: object, cause, remedy
 *
 * Returns @r.
 */
int sr_fail(struct sr_err *err, int r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * sr_fail_sys() - describe a failure of the operating system
 * @err:	filled unless NULL
 * @number:	errno as the call left it
 * @fmt:	what was tried; ": strerror" is added
 *
 * Returns -@number, or -EIO where that number has a meaning of its own (above).
 */
int sr_fail_sys(struct sr_err *err, int number, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * struct sr_secret - the only holder of secret bytes
 * @data:	the bytes; NULL when empty
 * @size:	how many
 * @mapped:	bytes of locked memory behind them
 *
 * The memory is locked (where the limit allows), left out of core dumps, and wiped when
 * released. A zero-initialised one is empty and valid.
 */
struct sr_secret {
	uint8_t *data;
	size_t size;
	size_t mapped;
};

#define SR_SECRET_MAX 1048575 /* bytes in a sealed secret */
#define SR_PIN_MAX 32	      /* bytes in a PIN */
#define SR_UNIT_MAX 255	      /* characters in the name of a unit */

/**
 * sr_secret_alloc() - room for secret bytes
 * @size:	bytes; 0 makes an empty secret
 * @ret:	the secret, zero-filled; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0 or -ENOMEM.
 */
int sr_secret_alloc(size_t size, struct sr_secret *ret, struct sr_err *err);

/**
 * sr_secret_copy() - take a copy of secret bytes
 * @data:	what to copy; the caller still has to wipe it
 * @size:	bytes
 * @ret:	the copy; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0 or -ENOMEM.
 */
int sr_secret_copy(const void *data, size_t size, struct sr_secret *ret,
		   struct sr_err *err);

/**
 * sr_secret_random() - bytes from OpenSSL's private random generator
 * @size:	how many
 * @ret:	the secret; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOMEM or -EIO.
 */
int sr_secret_random(size_t size, struct sr_secret *ret, struct sr_err *err);

/**
 * sr_secret_read() - read a secret until end of file
 * @fd:		where from
 * @name:	what to call it in an error
 * @max:	bytes at most
 * @ret:	the secret; release with sr_secret_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (larger than @max), -ENOMEM or -EIO.
 */
int sr_secret_read(int fd, const char *name, size_t max, struct sr_secret *ret,
		   struct sr_err *err);

/**
 * sr_secret_write() - write a secret to a file descriptor
 * @secret:	what
 * @fd:		where to
 * @name:	what to call it in an error
 * @err:	says why, on failure
 *
 * Returns 0 or -EIO.
 */
int sr_secret_write(const struct sr_secret *secret, int fd, const char *name,
		    struct sr_err *err);

/**
 * sr_secret_write_file() - write a secret to a file, 0600, whole or not at all
 * @secret:	what
 * @file:	where; a file that is there is replaced in one step
 * @new_only:	refuse if it is there
 * @err:	says why, on failure
 *
 * Returns 0, -EEXIST or -EIO.
 */
int sr_secret_write_file(const struct sr_secret *secret, const char *file, bool new_only,
			 struct sr_err *err);

/**
 * sr_result_write_file() - write what can be made again to a file, whole or not at all
 * @data:	no secret
 * @size:	how many bytes
 * @file:	where; a file that is there is replaced in one step
 * @mode:	permissions, whatever the umask
 * @err:	says why, on failure
 *
 * Nobody waits for the disk: what a power cut takes is made once more.
 *
 * Returns 0 or -EIO.
 */
int sr_result_write_file(const void *data, size_t size, const char *file, mode_t mode,
			 struct sr_err *err);

/**
 * sr_secret_equal() - compare two secrets in constant time
 *
 * Returns true if both have the same bytes; only the sizes may leak through time.
 */
bool sr_secret_equal(const struct sr_secret *a, const struct sr_secret *b);

/** sr_secret_done() - wipe and release; the secret is empty afterwards */
void sr_secret_done(struct sr_secret *secret);

/** sr_secret_unlocked() - whether any secret of this process could not be locked */
bool sr_secret_unlocked(void);

/* ---- text ---- */

/**
 * sr_number_parse() - a number with nothing around it
 * @text:	decimal, or hex behind "0x"
 * @max:	what it may be at most
 * @ret:	the number
 * @err:	says why, on failure
 *
 * Returns 0 or -EINVAL.
 */
int sr_number_parse(const char *text, uint64_t max, uint64_t *ret, struct sr_err *err);

#define SR_TIME_TEXT 21 /* "2026-11-21T23:40:00Z" and its NUL */

/** sr_time_format() - write a time as RFC 3339 has it, in UTC */
void sr_time_format(time_t when, char ret[SR_TIME_TEXT]);

/* ---- the TPM ---- */

/**
 * sr_tpm_open() - connect to a TPM
 * @tcti:	"device:/dev/tpmrm0", "/dev/tpmrm0", "swtpm:path=...", any other tctildr
 *		configuration; NULL for the first of /dev/tpmrm*
 * @ret:	the connection; release with sr_tpm_close()
 * @err:	says why, on failure
 *
 * Returns 0, -ENODEV (absent, no permission, in use) or -ENOMEM.
 */
struct sr_tpm;
int sr_tpm_open(const char *tcti, struct sr_tpm **ret, struct sr_err *err);

/**
 * sr_tpm_open_until() - connect to a TPM, in a program that signals end
 * @tcti:	as for sr_tpm_open()
 * @stop:	what a handler of signals sets; has to live as long as the connection
 * @ret:	the connection; release with sr_tpm_close()
 * @err:	says why, on failure
 *
 * Once *@stop is not 0, the command on its way is still waited for, and of others only those
 * are sent that remove from the TPM what there is of this program; all else fails.
 *
 * Returns as sr_tpm_open().
 */
int sr_tpm_open_until(const char *tcti, const volatile sig_atomic_t *stop,
		      struct sr_tpm **ret, struct sr_err *err);

/** sr_tpm_close() - release; NULL is fine */
void sr_tpm_close(struct sr_tpm *tpm);

/**
 * sr_tpm_limits_guessing() - whether the TPM's lockout authorization is set
 * @tpm:	an open TPM
 * @err:	says why, on failure
 *
 * Without it anybody who talks to the TPM resets the counter of failed PINs.
 *
 * Returns 1, 0 or a negative errno.
 */
int sr_tpm_limits_guessing(struct sr_tpm *tpm, struct sr_err *err);

/** sr_tcti_is_managed() - whether what is named gives each program handles of its own */
bool sr_tcti_is_managed(const char *tcti);

/**
 * enum sr_srk_state - what is at the handle of the storage key
 */
enum sr_srk_state {
	SR_SRK_ABSENT, /* nothing: it is made when the first ring is */
	SR_SRK_USABLE, /* a storage key */
	SR_SRK_OTHER,  /* something that can't be one */
};

/**
 * struct sr_tpm_facts - what a TPM says about itself
 * @text:	manufacturer and firmware version; safe to print
 * @bank:	TPM_ALG_ID of each bank that is active, that is, has a PCR
 * @banks:	how many
 * @srk:	the storage key
 * @srk_name:	its Name
 * @srk_name_size:	bytes in that; 0 if there is none
 * @lockout_auth:	its lockout authorization is set
 * @in_lockout:	it refuses what has a PIN
 * @tries:	wrong ones that count
 * @max_tries:	at so many it refuses
 * @interval:	seconds until one is forgotten
 * @objects:	objects that are loaded; behind a resource manager only our own
 * @sessions:	sessions, loaded or saved
 */
struct sr_tpm_facts {
	char text[64];
	uint16_t bank[SR_EVENTLOG_BANKS];
	size_t banks;
	enum sr_srk_state srk;
	uint8_t srk_name[66];
	size_t srk_name_size;
	bool lockout_auth;
	bool in_lockout;
	uint32_t tries;
	uint32_t max_tries;
	uint32_t interval;
	size_t objects;
	size_t sessions;
};

/**
 * sr_tpm_facts() - ask a TPM about itself; nothing is changed
 * @tpm:	an open TPM
 * @ret:	what it says
 * @err:	says why, on failure
 *
 * Nine commands, ten where there is a storage key.
 *
 * Returns 0, -EIO or -ENODEV.
 */
int sr_tpm_facts(struct sr_tpm *tpm, struct sr_tpm_facts *ret, struct sr_err *err);

/**
 * struct sr_tpm_wait - how to wait for the TPM's device
 * @seconds:	how long, if firmware announces a TPM
 * @dev:	NULL for /dev
 * @sys:	NULL for /sys
 */
struct sr_tpm_wait {
	unsigned int seconds;
	const char *dev;
	const char *sys;
};

/**
 * sr_tpm_wait() - wait until the kernel has made a device for the TPM
 * @wait:	how
 * @err:	says which of both it is, on failure
 *
 * At once if it is there, or if firmware (ACPI, device tree) announces none.
 *
 * Returns 0 or -ENODEV.
 */
int sr_tpm_wait(const struct sr_tpm_wait *wait, struct sr_err *err);

/**
 * sr_tpm_extend() - extend a PCR in all banks of the TPM, as the latch does
 * @tpm:	an open TPM
 * @pcr:	which; 0 to 23
 * @text:	what is measured: each bank is extended by its hash of these bytes
 * @err:	says why, on failure
 *
 * One TPM command. It never makes a PCR what it was before, so that once too often does no
 * harm.
 *
 * Returns 0, -EINVAL, -EIO or -ENODEV.
 */
int sr_tpm_extend(struct sr_tpm *tpm, unsigned int pcr, const char *text,
		  struct sr_err *err);

/**
 * struct sr_ask - where a PIN comes from, once it is needed
 * @pin:	gets @arg, the name of what it opens, and gives the PIN; called only after
 *		all other conditions hold, and once; 0 or a negative errno (-EACCES when
 *there is none)
 * @arg:	the caller's
 */
struct sr_ask {
	int (*pin)(void *arg, const char *name, struct sr_secret *ret,
		   struct sr_err *err);
	void *arg;
};

/* ---- PCRs ---- */

#define SR_PCR_COUNT 24
#define SR_DIGEST_MAX 64

/**
 * struct sr_pcrs - PCRs of one bank, some or all with a value
 * @bank:	TPM_ALG_ID of the hash; 0 when the text neither named nor implied one
 * @mask:	bit N is set when PCR N is in the list
 * @given:	bit N is set when value[N] is known
 * @value:	digests of the bank's size
 */
struct sr_pcrs {
	uint16_t bank;
	uint32_t mask;
	uint32_t given;
	uint8_t value[SR_PCR_COUNT][SR_DIGEST_MAX];
};

/** sr_bank_name() - "sha256" for a TPM_ALG_ID; NULL if it is no hash we know */
const char *sr_bank_name(uint16_t bank);

/** sr_bank_size() - bytes in a digest of the bank; 0 if it is no hash we know */
size_t sr_bank_size(uint16_t bank);

/**
 * sr_pcrs_parse() - read "0+7", "sha256:0+7", "0+7=HEX" or "15=0"
 * @text:	the list; "0" as a value stands for all zeros
 * @ret:	the list, on success
 * @err:	says why, on failure
 *
 * In a list without a bank, the length of the first HEX implies it: 40 digits sha1, 64
 * sha256, 96 sha384, 128 sha512.
 *
 * Returns 0 or -EINVAL (unknown bank, number over 23, number twice, wrong length).
 */
int sr_pcrs_parse(const char *text, struct sr_pcrs *ret, struct sr_err *err);

/** sr_hex_format() - write 2 * @size lower-case digits and a NUL */
void sr_hex_format(const uint8_t *data, size_t size, char *ret);

/**
 * sr_pcr_read() - the present values of PCRs
 * @tpm:	an open TPM
 * @pcrs:	bank and mask say which; values not yet given are filled in
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (the bank is not active or lacks a PCR), -EIO, -ENODEV.
 */
int sr_pcr_read(struct sr_tpm *tpm, struct sr_pcrs *pcrs, struct sr_err *err);

#ifdef __cplusplus
}
#endif
#endif
