/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A LUKS2 volume: what it is encrypted with, its keyslots, its tokens of ours. */
#include "volume.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

static bool is_null(const char *cipher)
{
	return !cipher || !*cipher || strstr(cipher, "null");
}

static int check_stable(struct crypt_device *cd, struct sr_err *err)
{
	uint32_t flags = 0;
	int r = crypt_persistent_flags_get(cd, CRYPT_FLAGS_REQUIREMENTS, &flags);

	if (r < 0)
		return sr_fail(err, -EIO, "cannot tell what the header wants");
	if (flags == 0)
		return 0;
	return sr_fail(
	    err, -EBADMSG,
	    "the volume is being encrypted anew, or its header wants what we do "
	    "not know");
}

/* It is printed, too. */
static bool is_plain_text(const char *text)
{
	while (*text && (isalnum((unsigned char)*text) || strchr(" -_:(),.", *text)))
		text++;
	return *text == '\0';
}

int sr_volume_spec(struct crypt_device *cd, char ret[SR_SPEC_TEXT], struct sr_err *err)
{
	struct crypt_params_integrity integrity = { 0 };
	const char *cipher = crypt_get_cipher(cd), *mode = crypt_get_cipher_mode(cd);
	int bits = 8 * crypt_get_volume_key_size(cd), n, r = check_stable(cd, err);

	if (r < 0)
		return r;
	if (is_null(cipher) || (mode && strstr(mode, "null")) || bits <= 0)
		return sr_fail(err, -EBADMSG, "the header names no encryption");
	if (crypt_get_integrity_info(cd, &integrity) < 0 || !integrity.integrity)
		integrity.integrity = "";
	n = snprintf(ret, SR_SPEC_TEXT, "%s%s%s %d%s%s", cipher, mode && *mode ? "-" : "",
		     mode ? mode : "", bits, *integrity.integrity ? " " : "",
		     integrity.integrity);
	if (n >= SR_SPEC_TEXT || !is_plain_text(ret))
		return sr_fail(err, -EBADMSG, "the header names no encryption we know");
	return 0;
}

int sr_volume_check_slot(struct crypt_device *cd, int slot, struct sr_err *err)
{
	size_t size = 0;
	crypt_keyslot_info state = crypt_keyslot_status(cd, slot);

	if (state != CRYPT_SLOT_ACTIVE && state != CRYPT_SLOT_ACTIVE_LAST)
		return sr_fail(err, -EBADMSG, "keyslot %d is not in use", slot);
	if (is_null(crypt_keyslot_get_encryption(cd, slot, &size)) || size == 0)
		return sr_fail(err, -EBADMSG, "keyslot %d is not encrypted", slot);
	if (crypt_keyslot_get_key_size(cd, slot) != crypt_get_volume_key_size(cd))
		return sr_fail(err, -EBADMSG, "keyslot %d holds another key", slot);
	return 0;
}

bool sr_uuid_ok(const char *text)
{
	size_t length = strlen(text);

	return length == SR_UUID_TEXT - 1 &&
	       strspn(text, "0123456789abcdefABCDEF-") == length;
}

int sr_volume_uuid(struct crypt_device *cd, char ret[SR_UUID_TEXT], struct sr_err *err)
{
	const char *uuid = crypt_get_uuid(cd);

	if (!uuid || !sr_uuid_ok(uuid))
		return sr_fail(err, -EBADMSG, "the header has no UUID");
	for (size_t i = 0; i < SR_UUID_TEXT; i++)
		ret[i] = (char)tolower((unsigned char)uuid[i]);
	return 0;
}

/* Kept for the error to come, without the newline and what would change a terminal. */
static void note_log(int level, const char *message, void *arg)
{
	struct sr_volume *volume = arg;
	size_t length;

	if (level != CRYPT_LOG_ERROR)
		return;
	length = strcspn(message, "\n");
	(void)snprintf(volume->said, sizeof(volume->said), "%.*s", (int)length, message);
	length = strlen(volume->said);
	if (length > 0 && volume->said[length - 1] == '.')
		volume->said[length - 1] = '\0';
}

int sr_volume_fail(const struct sr_volume *volume, int r, const char *what,
		   struct sr_err *err)
{
	if (r == -ENOMEM)
		return sr_fail(err, -ENOMEM, "out of memory");
	if (volume->said[0])
		return sr_fail(err, -EIO, "%s: %s: %s", volume->path, what, volume->said);
	return sr_fail_sys(err, r < 0 ? -r : EIO, "%s: %s", volume->path, what);
}

static int load(struct sr_volume *volume, struct sr_err *err)
{
	int r = crypt_init(&volume->cd, volume->path);

	if (r < 0)
		return sr_fail_sys(err, -r, "cannot open %s", volume->path);
	crypt_set_log_callback(volume->cd, note_log, volume);
	r = crypt_load(volume->cd, CRYPT_LUKS, NULL);
	if (r == -EINVAL || r == -ENODEV)
		return sr_fail(err, -EINVAL, "%s is not a LUKS volume", volume->path);
	if (r < 0)
		return sr_volume_fail(volume, r, "cannot read its header", err);
	if (strcmp(crypt_get_type(volume->cd), CRYPT_LUKS2) != 0)
		return sr_fail(err, -EINVAL,
			       "%s is LUKS1, which has no tokens: cryptsetup convert "
			       "--type luks2 %s",
			       volume->path, volume->path);
	return sr_volume_uuid(volume->cd, volume->uuid, err);
}

int sr_volume_open(const char *path, struct sr_volume **ret, struct sr_err *err)
{
	_cleanup_volume_ struct sr_volume *volume = calloc(1, sizeof(*volume));
	struct stat st;
	int r;

	if (volume)
		volume->path = strdup(path);
	if (!volume || !volume->path)
		return sr_fail(err, -ENOMEM, "out of memory");
	if (stat(path, &st) < 0)
		return sr_fail_sys(err, errno, "cannot open %s", path);
	r = load(volume, err);
	if (r == 0)
		*ret = take(volume);
	return r;
}

void sr_volume_close(struct sr_volume *volume)
{
	if (!volume)
		return;
	crypt_free(volume->cd);
	free(volume->path);
	free(volume);
}

int sr_volume_reload(struct sr_volume *volume, struct sr_err *err)
{
	char uuid[SR_UUID_TEXT];
	int r;

	memcpy(uuid, volume->uuid, sizeof(uuid));
	crypt_free(take(volume->cd));
	r = load(volume, err);
	if (r == 0 && strcmp(uuid, volume->uuid) != 0)
		return sr_fail(err, -EIO, "%s became another volume meanwhile",
			       volume->path);
	return r;
}

int sr_volume_check(struct sr_volume *volume, char ret[SR_SPEC_TEXT], struct sr_err *err)
{
	struct sr_err why = { 0 };
	int r = sr_volume_spec(volume->cd, ret, &why);

	return r < 0 ? sr_fail(err, r, "%s: %s", volume->path, why.text) : 0;
}

bool sr_volume_active(const struct sr_volume *volume, int slot)
{
	crypt_keyslot_info state = crypt_keyslot_status(volume->cd, slot);

	return state == CRYPT_SLOT_ACTIVE || state == CRYPT_SLOT_ACTIVE_LAST;
}

int sr_volume_opens(struct sr_volume *volume, int slot,
		    const struct sr_secret *passphrase, struct sr_err *err)
{
	int r = crypt_activate_by_passphrase(
	    volume->cd, NULL, slot, (const char *)passphrase->data, passphrase->size, 0);

	if (r >= 0)
		return r;
	if (r == -EPERM || r == -ENOENT)
		return sr_fail(err, -EACCES, "%s: the passphrase does not open it",
			       volume->path);
	return sr_volume_fail(volume, r, "cannot try the passphrase", err);
}

static int fail_key(const struct sr_volume *volume, int r, struct sr_err *err)
{
	switch (-r) {
	case EPERM:
		return sr_fail(err, -EACCES, "%s: the passphrase does not open it",
			       volume->path);
	case ENOENT:
		return sr_fail(err, -EACCES, "%s: none of its tokens opens it",
			       volume->path);
	case ENOANO:
		return sr_fail(err, -EACCES, "%s: the token's PIN is wrong or missing",
			       volume->path);
	case EAGAIN:
		return sr_fail(err, -EACCES, "%s: what its token needs is not there",
			       volume->path);
	default:
		return sr_volume_fail(volume, r, "cannot get its key", err);
	}
}

/* Takes the context over. Returns as libcryptsetup does, or -ENOMEM. */
static int get_key(struct sr_volume *volume, struct crypt_keyslot_context *way,
		   struct sr_secret *ret)
{
	_cleanup_(sr_secret_done) struct sr_secret key = { 0 };
	size_t size = (size_t)crypt_get_volume_key_size(volume->cd);
	int r = size ? sr_secret_alloc(size, &key, NULL) : -EINVAL;

	if (r == 0)
		r = crypt_volume_key_get_by_keyslot_context(volume->cd, CRYPT_ANY_SLOT,
							    (char *)key.data, &size, way);
	crypt_keyslot_context_free(way);
	if (r < 0)
		return r;
	*ret = key;
	key = (struct sr_secret){ 0 };
	return 0;
}

int sr_volume_key(struct sr_volume *volume, const struct sr_secret *passphrase,
		  struct sr_secret *ret, struct sr_err *err)
{
	struct crypt_keyslot_context *way = NULL;
	int r = crypt_keyslot_context_init_by_passphrase(
	    volume->cd, (const char *)passphrase->data, passphrase->size, &way);

	if (r == 0)
		r = get_key(volume, way, ret);
	return r < 0 ? fail_key(volume, r, err) : 0;
}

static int by_token(struct sr_volume *volume, const struct sr_secret *pin,
		    struct sr_secret *ret)
{
	struct crypt_keyslot_context *way = NULL;
	int r = crypt_keyslot_context_init_by_token(volume->cd, CRYPT_ANY_TOKEN, NULL,
						    pin ? (const char *)pin->data : NULL,
						    pin ? pin->size : 0, NULL, &way);

	return r < 0 ? r : get_key(volume, way, ret);
}

int sr_volume_key_by_token(struct sr_volume *volume, const struct sr_ask *ask,
			   struct sr_secret *ret, struct sr_err *err)
{
	_cleanup_(sr_secret_done) struct sr_secret pin = { 0 };
	int r = by_token(volume, NULL, ret);

	if (r == -ENOANO && ask) {
		int asked = ask->pin(ask->arg, volume->path, &pin, err);

		if (asked < 0)
			return asked;
		r = by_token(volume, &pin, ret);
	}
	return r < 0 ? fail_key(volume, r, err) : 0;
}

int sr_volume_backup(struct sr_volume *volume, const char *file, struct sr_err *err)
{
	int r;

	if (access(file, F_OK) == 0)
		return sr_fail(err, -EEXIST, "%s exists already", file);
	r = crypt_header_backup(volume->cd, NULL, file);
	if (r < 0)
		return sr_volume_fail(volume, r, "cannot back up its header", err);
	return chmod(file, 0600) < 0 ? sr_fail_sys(err, errno, "cannot chmod %s", file)
				     : 0;
}
