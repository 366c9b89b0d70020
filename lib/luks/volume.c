/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A LUKS2 volume: what it is encrypted with, its keyslots, its tokens of ours. */
#include "volume.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

static const char by_uuid[] = "/dev/disk/by-uuid";

static bool is_null(const char *cipher)
{
	return !cipher || !*cipher || strstr(cipher, "null");
}

static int check_stable(struct crypt_device *cd, struct sr_err *err)
{
	uint32_t flags = 0;
	int r = crypt_persistent_flags_get(cd, CRYPT_FLAGS_REQUIREMENTS, &flags);

	if (r == 0 && flags == 0)
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

int sr_volume_uuid(struct crypt_device *cd, char ret[SR_UUID_TEXT], struct sr_err *err)
{
	const char *uuid = crypt_get_uuid(cd);
	size_t length = uuid ? strlen(uuid) : 0;

	if (length != SR_UUID_TEXT - 1 ||
	    strspn(uuid, "0123456789abcdefABCDEF-") != length)
		return sr_fail(err, -EBADMSG, "the header has no UUID");
	for (size_t i = 0; i <= length; i++)
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

int sr_volume_find(const char *uuid, char ret[64], struct sr_err *err)
{
	(void)snprintf(ret, 64, "%s/%.36s", by_uuid, uuid);
	if (access(ret, F_OK) == 0)
		return 0;
	return sr_fail(err, -ENOKEY, "volume %s is not here now", uuid);
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
