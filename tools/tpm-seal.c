/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tpm-seal: put a secret under a ring. */
#include <errno.h>
#include <string.h>

#include "choices.h"
#include "ground/attr.h"
#include "prompt.h"
#include "tool.h"

#define DEFAULT_RING "system"
#define GENERATE_DEFAULT 32
#define SOCKET "/sealring/credential.sock"

static const char *ring_name, *generate, *unit;
static bool replace, if_changed, do_remove, do_rename;

static const struct option_row options[] = {
	{ 'r', "ring", OPTION_TEXT, &ring_name, "RING", "under this ring (system)",
	  NULL },
	{ 'g', "generate", OPTION_MAY_TEXT, &generate, "N", "seal N random bytes (32)",
	  NULL },
	{ 0, "replace", OPTION_FLAG, &replace, NULL, "replace the secret if it exists",
	  NULL },
	{ 0, "if-changed", OPTION_FLAG, &if_changed, NULL,
	  "write only if the bytes differ", NULL },
	{ 0, "unit", OPTION_TEXT, &unit, "UNIT", "deliver it to a systemd service",
	  NULL },
	{ 0, "remove", OPTION_FLAG, &do_remove, NULL, "remove the secret NAME", NULL },
	{ 0, "rename", OPTION_FLAG, &do_rename, NULL,
	  "rename it: NAME is old, FILE is new", NULL },
	{ 0 },
};

/* Where the secret is already; a ring that was named must not be made in vain. */
static int choose_ring(struct sr_store *store, const char *name,
		       char ret[SR_NAME_MAX + 1], struct sr_err *err)
{
	const char *wanted = ring_name ? ring_name : DEFAULT_RING;
	int r = sr_store_find(store, name, ret, err);

	if (r < 0 && r != -ENOKEY)
		return r;
	if (r == 0 && ring_name && strcmp(ret, ring_name) != 0)
		return sr_fail(
		    err, -EEXIST,
		    "secret %s exists already in ring %s: choose another name, "
		    "or remove that one",
		    name, ret);
	if (r == 0)
		return 0;
	if (strlen(wanted) > SR_NAME_MAX)
		return sr_fail(err, -EINVAL,
			       "the name of a ring has at most %d characters",
			       SR_NAME_MAX);
	(void)snprintf(ret, SR_NAME_MAX + 1, "%s", wanted);
	return 0;
}

static int read_secret(const char *name, const char *file, struct sr_secret *ret,
		       struct sr_err *err)
{
	char question[SR_NAME_MAX + 16];
	uint64_t size = GENERATE_DEFAULT;
	int r = 0;

	if (generate) {
		if (file)
			return sr_fail(err, -EINVAL, "--generate needs no FILE");
		if (*generate)
			r = sr_number_parse(generate, SR_SECRET_MAX, &size, err);
		return r < 0 ? r : sr_secret_random(size, ret, err);
	}
	if (!file && isatty(STDIN_FILENO)) {
		(void)snprintf(question, sizeof(question), "Secret %.*s", SR_NAME_MAX,
			       name);
		return prompt_secret(question, 4096, ret, err);
	}
	return choices_read_file(file ? file : "-", SR_SECRET_MAX, ret, err);
}

/* What can't be delivered later is refused now. */
static int check_delivery(struct sr_store *store, const char *name, size_t size,
			  struct sr_err *err)
{
	__attribute__((cleanup(sr_delivery_done))) struct sr_delivery delivery = { 0 };
	int r = sr_delivery_read(store, name, &delivery, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return delivery.has_keyring ? sr_keyring_check(&delivery.keyring, size, err) : 0;
}

/* What secrets.d says already, of keyrings for instance, stays. */
static int describe_unit(struct sr_store *store, const char *name, const char *ring,
			 struct sr_delivery *ret, struct sr_err *err)
{
	int r = sr_delivery_read(store, name, ret, err);

	if (r < 0 && r != -ENOENT)
		return r;
	return sr_delivery_add_unit(ret, ring, name, unit, err);
}

/* From the socket, when the service starts; or, as only a person knows the PIN, before. */
static void print_drop_in(const char *name, const char *credential, bool pin)
{
	const char *manager = tool_is_system() ? "" : "--user ";
	const char *socket = tool_is_system() ? RUNSTATEDIR SOCKET : "%t" SOCKET;
	char needs[SR_NAME_MAX + 24] = "tpm-credential.socket";

	if (pin)
		(void)snprintf(needs, sizeof(needs), "tpm-unseal@%s.service", name);
	printf("# systemctl %sedit %s\n[Unit]\nRequires=%s\nAfter=%s\n\n[Service]\n",
	       manager, unit, needs, needs);
	if (pin)
		printf("LoadCredential=%s\n", credential);
	else
		printf("LoadCredential=%s:%s\n", credential, socket);
}

static int write_unit(struct sr_store *store, struct sr_ring *ring, const char *name,
		      const struct sr_delivery *delivery, struct sr_err *err)
{
	struct sr_ring_info info;
	int r = sr_ring_info(ring, &info, err);

	if (r == 0)
		r = sr_delivery_write(store, name, delivery, err);
	if (r == 0)
		print_drop_in(name, delivery->credential, info.pin);
	return r;
}

/* secrets.d is the admin's, so it stays, but its service will not find the secret. */
static void warn_of_delivery(struct sr_store *store, const char *name)
{
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };

	if (sr_delivery_read(store, name, &delivery, NULL) != -ENOENT)
		tool_warn("secrets.d/%s.conf stays: remove or rename it too", name);
}

static int seal(struct sr_store *store, const char *name, const char *file,
		struct sr_err *err)
{
	enum sr_seal_mode mode = if_changed ? SR_SEAL_IF_CHANGED
				 : replace  ? SR_SEAL_REPLACE
					    : SR_SEAL_NEW;
	_cleanup_secret_ struct sr_secret secret = { 0 };
	_cleanup_(sr_delivery_done) struct sr_delivery delivery = { 0 };
	_cleanup_tpm_ struct sr_tpm *tpm = NULL;
	_cleanup_ring_ struct sr_ring *ring = NULL;
	char where[SR_NAME_MAX + 1];
	int r = choose_ring(store, name, where, err);

	if (r == 0 && unit)
		r = describe_unit(store, name, where, &delivery, err);
	if (r == 0)
		r = read_secret(name, file, &secret, err);
	if (r == 0 && secret.size == 0)
		r = sr_fail(err, -EINVAL,
			    "secret %s: nothing to seal: the input is empty", name);
	if (r == 0)
		r = check_delivery(store, name, secret.size, err);
	if (r == 0)
		r = choices_use_ring(store, &tpm, where, &ring, err);
	if (r == 0)
		r = sr_ring_seal(ring, name, &secret, mode, err);
	if (r < 0)
		return r;
	tool_say(r ? "sealed %s under ring %s in %s"
		   : "%s under ring %s in %s is unchanged",
		 name, where, sr_store_path(store));
	return unit ? write_unit(store, ring, name, &delivery, err) : 0;
}

static int load_owner(struct sr_store *store, const char *name, struct sr_ring **ret,
		      struct sr_err *err)
{
	char where[SR_NAME_MAX + 1];
	int r = sr_store_find(store, name, where, err);

	return r < 0 ? r : sr_ring_load(store, where, ret, err);
}

static int remove_secret(struct sr_store *store, const char *name, struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	int r = load_owner(store, name, &ring, err);

	if (r == 0)
		r = sr_ring_delete(ring, name, err);
	if (r == 0)
		tool_say("removed %s from %s", name, sr_store_path(store));
	if (r == 0)
		warn_of_delivery(store, name);
	return r;
}

static int rename_secret(struct sr_store *store, const char *from, const char *to,
			 struct sr_err *err)
{
	_cleanup_ring_ struct sr_ring *ring = NULL;
	_cleanup_tpm_ struct sr_tpm *tpm = NULL;
	int r = load_owner(store, from, &ring, err);

	if (r == 0)
		r = tool_tpm(store, &tpm, err);
	if (r == 0)
		r = sr_ring_open_for_admin(ring, tpm, choices_ask(), err);
	if (r == 0)
		r = sr_ring_rename(ring, from, to, err);
	if (r == 0)
		tool_say("renamed %s to %s in %s", from, to, sr_store_path(store));
	if (r == 0)
		warn_of_delivery(store, from);
	return r;
}

static int run(int argc, char **argv, struct sr_err *err)
{
	_cleanup_store_ struct sr_store *store = NULL;
	int r;

	if (do_remove + do_rename + (replace || if_changed || generate || unit) > 1)
		return sr_fail(err, -EINVAL, "--remove and --rename stand alone");
	if ((do_rename || do_remove) && (argc == 2) != do_rename)
		return sr_fail(err, -EINVAL,
			       "usage: tpm-seal --rename OLD NEW, or --remove NAME");
	r = tool_store(&store, err);
	if (r < 0)
		return r;
	if (do_remove)
		return remove_secret(store, argv[0], err);
	if (do_rename)
		return rename_secret(store, argv[0], argv[1], err);
	return seal(store, argv[0], argc > 1 ? argv[1] : NULL, err);
}

int main(int argc, char **argv)
{
	static const struct tool tool = {
		.name = "tpm-seal",
		.usage = "[OPTIONS] NAME [FILE]",
		.summary =
		    "Seal a secret, from FILE or standard input, to this machine's boot "
		    "state.",
		.options = options,
		.more = ring_options,
		.min = 1,
		.max = 2,
		.run = run,
		.epilog =
		    "The first use of a ring makes it, with the options from --pcrs on.",
	};

	return tool_main(&tool, argc, argv);
}
