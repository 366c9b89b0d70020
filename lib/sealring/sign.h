/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that sign and decrypt: wrapped by the TPM, or, what it lacks, secrets of a ring. */
#ifndef SEALRING_SIGN_H
#define SEALRING_SIGN_H

#include <sealring/ring.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SR_KEY_SIGN 1U
#define SR_KEY_DECRYPT 2U
#define SR_FINGERPRINT_TEXT 65 /* the longest fingerprint and its NUL */
#define SR_DIGEST_BYTES 64     /* the longest digest */

struct sr_key;

/**
 * struct sr_key_backup - who gets a copy of a new key
 * @owners:	certificates; any of their private keys decrypts it
 * @save:	gets @arg and the copy: PKCS#8 in CMS (DER), and puts it where it is safe;
 *		called before the key appears in the store. 0 or a negative errno
 * @arg:	the caller's
 */
struct sr_key_backup {
	const struct sr_escrow *owners;
	int (*save)(void *arg, const uint8_t *data, size_t size, struct sr_err *err);
	void *arg;
};

/**
 * struct sr_key_options - how a key is made
 * @type:	"p256" and others, see sr_key_type_name(); not for sr_key_import()
 * @usage:	SR_KEY_SIGN, SR_KEY_DECRYPT (keys of the TPM) or both; 0 for SR_KEY_SIGN
 * @pcrs:	PCR list that it is bound to, for good; NULL for none
 * @ring:	an open ring, whose secret a software key becomes; NULL for @open_ring
 * @bind:	a key of the TPM is bound to what that ring is sealed to, and follows when it
 *		is sealed anew; not with @pcrs
 * @pin:	its PIN, 1 to SR_PIN_MAX bytes; NULL for none
 * @accept_unmeasured:	take a bank that firmware did not measure into
 * @exportable:	it may be moved to other TPMs, with sr_key_export(); not with @pcrs or @bind
 * @tags:	"KEY=VALUE" each: what its owner says about it
 * @tag_count:	how many
 * @backup:	sr_key_generate(): made outside of the TPM, and a copy of it given away;
 *		NULL for none
 * @open_ring:	called with @arg once it is known that it takes a ring: gives an open one,
 *		which stays the caller's; 0 or a negative errno; may be NULL
 * @arg:	the caller's
 *
 * A software key takes neither @pcrs nor @pin, which are its ring's, and no @exportable and
 * @backup.
 */
struct sr_key_options {
	const char *type;
	unsigned int usage;
	const char *pcrs;
	struct sr_ring *ring;
	bool bind;
	const struct sr_secret *pin;
	bool accept_unmeasured;
	bool exportable;
	const char *const *tags;
	size_t tag_count;
	const struct sr_key_backup *backup;
	int (*open_ring)(void *arg, struct sr_ring **ret, struct sr_err *err);
	void *arg;
};

/**
 * struct sr_key_info - what is known of a key without using it
 * @name:	its name, or its file
 * @type:	"p256", "rsa2048" ...
 * @usage:	SR_KEY_SIGN, SR_KEY_DECRYPT or both
 * @pin:	using it takes a PIN
 * @limited:	the TPM slows down guessing of that PIN
 * @pcrs:	what it is bound to: "sha256:0+7"; "" for nothing
 * @in_tpm:	the TPM has it; otherwise it is in software, a secret of @ring
 * @ring:	that ring, or the one that it is bound to; NULL for none, "" if its file does
 *		not say which
 * @born_here:	made in the TPM and never outside, or in software here; false when it was
 *		imported
 * @made_outside:	it was imported for certain, and not just made so that it may be moved
 * @exportable:	it may be moved to other TPMs
 * @hash:	the hash that is used where none is chosen; "none" for what signs messages
 * @made:	when; 0 when the file does not tell
 * @version:	how many keys of that name there were, with this one: see sr_key_rotate()
 * @tags:	"KEY=VALUE" each
 * @tag_count:	how many
 * @ssh:	fingerprint as ssh-keygen -l shows it: "SHA256:..."; "" for what it lacks
 * @spki:	SHA-256 of the SubjectPublicKeyInfo, in hexadecimal
 */
struct sr_key_info {
	const char *name;
	const char *type;
	unsigned int usage;
	bool pin;
	bool limited;
	char pcrs[96];
	bool in_tpm;
	const char *ring;
	bool born_here;
	bool made_outside;
	bool exportable;
	const char *hash;
	time_t made;
	unsigned int version;
	const char *const *tags;
	size_t tag_count;
	char ssh[SR_FINGERPRINT_TEXT];
	char spki[SR_FINGERPRINT_TEXT];
};

/** sr_key_type_name() - the kinds of keys, one after the other; NULL behind the last */
const char *sr_key_type_name(size_t at);

/** sr_key_type_in_software() - whether no TPM has this kind, so that it is kept in a ring */
bool sr_key_type_in_software(const char *type);

/**
 * sr_tpm_has_type() - whether the TPM has keys of a kind
 * @tpm:	an open TPM
 * @type:	its name
 * @err:	says why, on failure
 *
 * Returns 1, 0, -EINVAL (no such kind) or as sr_tpm_limits_guessing().
 */
int sr_tpm_has_type(struct sr_tpm *tpm, const char *type, struct sr_err *err);

/** sr_store_keys() - names of the keys in a store, as sr_store_rings() */
int sr_store_keys(const struct sr_store *store, char ***ret, struct sr_err *err);

/**
 * sr_key_load() - find a key; needs no TPM
 * @store:	where
 * @name:	a key of the store; a file, if there is a slash in it; or a fingerprint
 *		of a key of the store, either kind
 * @ret:	the key; release with sr_key_free()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY, -EINVAL (not a name), -EBADMSG (damaged, or no key that can be
 * used here) or -EIO.
 */
int sr_key_load(struct sr_store *store, const char *name, struct sr_key **ret,
		struct sr_err *err);

/**
 * sr_key_load_public() - a public key of anybody, for sr_key_verify() only
 * @file:	in PEM: a public key, or a certificate
 * @ret:	the key; release with sr_key_free()
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY (no such file), -EBADMSG (neither), -EINVAL (not a kind that is used here)
 * or -EIO.
 */
int sr_key_load_public(const char *file, struct sr_key **ret, struct sr_err *err);

/* Below. */
struct sr_sign_options;
struct sr_digest;
struct sr_signature;

/**
 * struct sr_elsewhere - who signs with a key that is not here
 * @sign:	as sr_key_sign()
 * @arg:	what it is called with
 */
struct sr_elsewhere {
	int (*sign)(void *arg, const struct sr_sign_options *options,
		    const struct sr_digest *digests, size_t count,
		    struct sr_signature *ret, struct sr_err *err);
	void *arg;
};

/**
 * sr_key_elsewhere() - a key of which only the public part is here, for sr_key_request() and
 *			sr_key_self_sign(), whose TPM is NULL then
 * @name:	of the key
 * @pem:	its public part
 * @usage:	SR_KEY_SIGN, SR_KEY_DECRYPT or both
 * @elsewhere:	has to live as long as the key
 * @ret:	the key; release with sr_key_free()
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG, -EINVAL or -ENOMEM.
 */
int sr_key_elsewhere(const char *name, const char *pem, unsigned int usage,
		     const struct sr_elsewhere *elsewhere, struct sr_key **ret,
		     struct sr_err *err);

/** sr_key_free() - release; NULL is fine */
void sr_key_free(struct sr_key *key);

/** sr_key_info() - describe a key; pointers are valid as long as the key */
int sr_key_info(const struct sr_key *key, struct sr_key_info *ret, struct sr_err *err);

/**
 * sr_key_is_of() - whether a key was made under the storage key that a TPM has
 *
 * True also where its file does not say which that was, or it is not at the usual handle.
 */
bool sr_key_is_of(const struct sr_key *key, const struct sr_tpm_facts *facts);

/**
 * sr_key_generate() - make a key in the TPM, or in software what no TPM has
 * @store:	where
 * @tpm:	the TPM
 * @name:	a new name
 * @options:	how
 * @ret:	the key; release with sr_key_free()
 * @err:	says why, on failure
 *
 * It has signed or decrypted, and that was checked, before it appears; one that is bound
 * to PCR values other than the present ones has only been loaded.
 *
 * Returns 0, -EEXIST, -EINVAL (also a kind that the TPM lacks), -ENODEV, -EIO and others.
 */
int sr_key_generate(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		    const struct sr_key_options *options, struct sr_key **ret,
		    struct sr_err *err);

/**
 * sr_key_import() - bring a private key into the TPM, or under a ring
 * @store:	where
 * @tpm:	the TPM
 * @name:	a new name
 * @private_key:	PKCS#8, PKCS#1 or SEC1, PEM or DER; PKCS#12; OpenSSH's own
 * @passphrase:	asked for if it is encrypted; may be NULL
 * @options:	how
 * @ret:	the key; release with sr_key_free()
 * @err:	says why, on failure
 *
 * It crosses the bus encrypted. Certificates of PKCS#12 are installed beside the key.
 * Otherwise as sr_key_generate().
 */
int sr_key_import(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		  const struct sr_secret *private_key, const struct sr_ask *passphrase,
		  const struct sr_key_options *options, struct sr_key **ret,
		  struct sr_err *err);

/**
 * struct sr_key_pair - a key as TPM2_Create gives it, and tpm2-tools keep it in two files
 * @pub:	TPM2B_PUBLIC
 * @pub_size:	bytes
 * @priv:	TPM2B_PRIVATE
 * @priv_size:	bytes
 * @pin:	using it takes a PIN
 */
struct sr_key_pair {
	const uint8_t *pub;
	size_t pub_size;
	const uint8_t *priv;
	size_t priv_size;
	bool pin;
};

/**
 * sr_key_adopt() - take over a key that others made under this TPM's storage key
 * @store:	where
 * @tpm:	the TPM
 * @name:	a new name
 * @pair:	the key
 * @ask:	where its PIN comes from; may be NULL
 * @ret:	the key; release with sr_key_free()
 * @err:	says why, on failure
 *
 * Returns -EBADMSG for one with a policy, which can't be known; else as
 * sr_key_generate().
 */
int sr_key_adopt(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		 const struct sr_key_pair *pair, const struct sr_ask *ask,
		 struct sr_key **ret, struct sr_err *err);

/**
 * sr_ring_keys() - names of the keys that are bound to a ring, as sr_store_rings()
 * @ring:	a loaded ring
 * @ret:	NULL-terminated; release with sr_strv_free()
 * @err:	says why, on failure
 *
 * A file that can't be read as a key is left out. Returns how many, or as
 * sr_store_rings().
 */
int sr_ring_keys(const struct sr_ring *ring, char ***ret, struct sr_err *err);

/**
 * sr_ring_softkeys() - names of the software keys whose private parts a ring has
 *
 * As sr_ring_keys().
 */
int sr_ring_softkeys(const struct sr_ring *ring, char ***ret, struct sr_err *err);

/**
 * sr_ring_strays() - private parts of software keys that no key file names
 * @ring:	a loaded ring
 * @ret:	"HEX.softkey" each, as sr_key_remove() takes them; release with sr_strv_free()
 * @err:	says why, on failure
 *
 * A program that was killed while it made a key leaves one. Returns how many, -EBADMSG (the
 * file of a software key is damaged, so nobody knows) or as sr_store_rings().
 */
int sr_ring_strays(struct sr_ring *ring, char ***ret, struct sr_err *err);

/**
 * struct sr_key_following - what follows the approvals of rings
 * @skipped:	told of a key whose file stays as it is, and why; may be NULL
 * @arg:	the caller's
 */
struct sr_key_following {
	void (*skipped)(void *arg, const char *key, const struct sr_err *why);
	void *arg;
};

/**
 * sr_key_follow() - sign what a ring is sealed to into the files of its keys
 * @arg:	a struct sr_key_following
 * @ring:	a ring; while it is closed, what it is not sealed to any more only goes
 * @old:	the same ring with the key that it has still: what was signed stays
 * @settled:	not looked at
 * @err:	says why, on failure
 *
 * For struct sr_follow. Sends nothing to the TPM. Each file is replaced in one step, and
 * only if something changed. Approvals count that a holder of the ring key made.
 *
 * Returns 0, or -EIO and others when a file could not be written.
 */
int sr_key_follow(void *arg, struct sr_ring *ring, struct sr_ring *old, bool settled,
		  struct sr_err *err);

/**
 * sr_key_behind() - whether a key has other boot states than the ring it is bound to
 * @ring:	a loaded ring
 * @ret:	one of them
 */
bool sr_key_behind(const struct sr_ring *ring, char ret[SR_NAME_MAX + 1]);

/** sr_key_is_file() - whether this is a TSS2 PRIVATE KEY file, as PEM */
bool sr_key_is_file(const struct sr_secret *content);

/**
 * sr_key_adopt_file() - take over a key file: importable into this TPM, or of it
 * @store:	where
 * @tpm:	the TPM
 * @name:	a new name
 * @content:	the file
 * @ask:	where its PIN comes from; may be NULL
 * @ret:	the key; release with sr_key_free()
 * @err:	says why, on failure
 *
 * Returns -EREMOTE if it was made for another TPM; else as sr_key_generate().
 */
int sr_key_adopt_file(struct sr_store *store, struct sr_tpm *tpm, const char *name,
		      const struct sr_secret *content, const struct sr_ask *ask,
		      struct sr_key **ret, struct sr_err *err);

/** sr_storage_key() - public key (PEM) of the TPM's storage key, which is made if missing */
int sr_storage_key(struct sr_tpm *tpm, char **ret, struct sr_err *err);

/**
 * sr_key_export() - encrypt a key for another TPM
 * @key:	a loaded key
 * @tpm:	its TPM
 * @ask:	where its PIN comes from; may be NULL
 * @parent:	storage key of the other TPM: PEM of its public key, or TPM2B_PUBLIC
 * @ret:	an importable TSS2 PRIVATE KEY file; release with free()
 * @err:	says why, on failure
 *
 * Six TPM commands, seven with a PIN. The private key is in the clear nowhere.
 *
 * Returns 0, -EINVAL (it may not be moved, or @parent is no storage key) and what
 * sr_key_sign() returns.
 */
int sr_key_export(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		  const struct sr_secret *parent, char **ret, struct sr_err *err);

/**
 * sr_key_rotate() - put a new key in the place of one
 * @store:	where
 * @old:	a loaded key of it; of no use afterwards
 * @tpm:	the TPM
 * @ask:	where its PIN comes from, which the new one gets; may be NULL
 * @options:	@accept_unmeasured and @backup count; all else is as it is
 * @ret:	the new key; release with sr_key_free()
 * @err:	says why, on failure
 *
 * The PCRs that it is bound to are taken as they are now. The old one is "NAME@VERSION"
 * from then on, and so are its certificates: the new one has none.
 *
 * Returns as sr_key_generate() and sr_key_change_pin().
 */
int sr_key_rotate(struct sr_store *store, struct sr_key *old, struct sr_tpm *tpm,
		  const struct sr_ask *ask, const struct sr_key_options *options,
		  struct sr_key **ret, struct sr_err *err);

/** sr_key_older() - the newest version of a key, below @version, that is there; 0 if none */
unsigned int sr_key_older(const struct sr_store *store, const struct sr_key *key,
			  unsigned int version);

/**
 * sr_key_remove() - remove a key of the store, its older versions and its certificates
 *
 * Or what sr_ring_strays() found.
 */
int sr_key_remove(struct sr_store *store, const char *name, struct sr_err *err);

/**
 * sr_key_change_pin() - give a key that has a PIN another one
 * @store:	where
 * @key:	a loaded key
 * @tpm:	the TPM
 * @ask:	where its PIN comes from; may be NULL
 * @pin:	the new one, 1 to SR_PIN_MAX bytes
 * @err:	says why, on failure
 *
 * Copies of the old file still take the old PIN.
 *
 * Returns 0, -EINVAL (it has none) and what sr_key_sign() returns.
 */
int sr_key_change_pin(struct sr_store *store, struct sr_key *key, struct sr_tpm *tpm,
		      const struct sr_ask *ask, const struct sr_secret *pin,
		      struct sr_err *err);

enum sr_key_form {
	SR_FORM_PEM, /* SubjectPublicKeyInfo */
	SR_FORM_SSH, /* a line of authorized_keys */
};

/**
 * sr_key_tag() - change the tags of a key
 * @store:	where
 * @name:	a key of the store
 * @tags:	"KEY=VALUE" each; without VALUE that tag goes
 * @count:	how many
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY, -EINVAL or -EIO.
 */
int sr_key_tag(struct sr_store *store, const char *name, const char *const *tags,
	       size_t count, struct sr_err *err);

/** sr_key_public() - its public key as text; release with free() */
int sr_key_public(const struct sr_key *key, enum sr_key_form form, char **ret,
		  struct sr_err *err);

#define SR_MESSAGE_MAX 67108864 /* bytes that EdDSA signs, at most */

/**
 * struct sr_digest - what is signed
 * @data:	the hash of a message
 * @size:	bytes in @data
 * @message:	instead of that, the message: for Ed25519 and Ed448, which take all of it
 * @message_size:	bytes in @message
 */
struct sr_digest {
	uint8_t data[SR_DIGEST_BYTES];
	size_t size;
	uint8_t *message;
	size_t message_size;
};

enum sr_signature_form {
	SR_SIGNATURE_DER,   /* as OpenSSL and X.509 have it */
	SR_SIGNATURE_PLAIN, /* ECDSA: r and s, of full length */
	SR_SIGNATURE_TSS,   /* TPMT_SIGNATURE */
	SR_SIGNATURE_SSH,   /* an SSH SIGNATURE file (ssh-keygen -Y) */
};

/**
 * struct sr_sign_options - how a signature is made
 * @hash:	"sha256", "sha384" or "sha512": what the digests were made with; NULL for
 *		the key's, with SR_SIGNATURE_SSH for sha512
 * @pss:	RSA: PSS instead of PKCS#1 v1.5
 * @form:	how it is written
 * @name_space:	SR_SIGNATURE_SSH: what it is for; NULL for "file"
 * @encrypt:	use an encrypting session also where nothing secret is sent
 */
struct sr_sign_options {
	const char *hash;
	bool pss;
	enum sr_signature_form form;
	const char *name_space;
	bool encrypt;
};

/**
 * sr_key_hash() - the hash that a message is to be hashed with
 * @key:	a loaded key
 * @options:	how it is signed
 * @err:	says why, on failure
 *
 * Returns its name, "none" for a key that signs the message itself, or NULL if that hash
 * may not be used.
 */
const char *sr_key_hash(const struct sr_key *key, const struct sr_sign_options *options,
			struct sr_err *err);

/**
 * sr_digest_read() - hash what a descriptor gives until end of file
 * @fd:		where from
 * @name:	what to call it in an error
 * @hash:	as sr_key_hash() gave it: with "none" the message itself is read
 * @ret:	release with sr_digest_done()
 * @err:	says why, on failure
 *
 * Returns 0, -EINVAL (larger than SR_MESSAGE_MAX) or -EIO.
 */
int sr_digest_read(int fd, const char *name, const char *hash, struct sr_digest *ret,
		   struct sr_err *err);

/** sr_digest_done() - release */
void sr_digest_done(struct sr_digest *digest);

/**
 * struct sr_signature - a signature
 * @data:	release with free()
 * @size:	bytes
 */
struct sr_signature {
	uint8_t *data;
	size_t size;
};

/**
 * sr_key_sign() - sign digests
 * @key:	a loaded key
 * @tpm:	the TPM
 * @ask:	where a PIN comes from; may be NULL
 * @options:	how
 * @digests:	what to sign
 * @count:	how many
 * @ret:	as many signatures; on failure none
 * @err:	says why, on failure
 *
 * One conversation for all of them. For one digest three TPM commands; four with a PIN or
 * @options->encrypt; five for a key bound to PCRs, and six with a PIN too. For a software
 * key the five that open its ring. Each signature has been checked in software.
 *
 * Returns 0, -EINVAL (not for such keys), -EKEYREJECTED, -EACCES, -EBUSY, -ENODEV,
 * -EREMOTE, -EUCLEAN, -EBADMSG (a ring's file is damaged), -EIO.
 */
int sr_key_sign(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		const struct sr_sign_options *options, const struct sr_digest *digests,
		size_t count, struct sr_signature *ret, struct sr_err *err);

/**
 * sr_key_verify() - check a signature; needs no TPM
 * @key:	a loaded key
 * @options:	how it was made
 * @digest:	what was signed
 * @signature:	the signature
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (it is none of this key for this digest), -EINVAL or -EIO.
 */
int sr_key_verify(const struct sr_key *key, const struct sr_sign_options *options,
		  const struct sr_digest *digest, const struct sr_signature *signature,
		  struct sr_err *err);

/**
 * sr_key_verify_any() - the same with a key, and then with its older versions
 * @store:	where they are
 * @ret:	whose it is; 0 for @key itself
 *
 * The rest is as for sr_key_verify(). Where an older version can't be read nobody knows whose it
 * is: then it fails as sr_key_load() does, but with -EUCLEAN where that is damaged.
 */
int sr_key_verify_any(struct sr_store *store, const struct sr_key *key,
		      const struct sr_sign_options *options,
		      const struct sr_digest *digest,
		      const struct sr_signature *signature, unsigned int *ret,
		      struct sr_err *err);

/**
 * struct sr_padding - how something was encrypted to an RSA key
 * @oaep:	hash of OAEP; NULL for PKCS#1 v1.5
 * @size:	PKCS#1 v1.5: bytes of the key that it hides. Where it does not hide one of that
 *		size, as many random bytes come out, without a word and in the same time, so
 *		that nobody can have others' messages decrypted by sending many of his own
 *		(RFC 3218). 0: what is there comes out, or -EBADMSG
 */
struct sr_padding {
	const char *oaep;
	size_t size;
};

/**
 * sr_key_decrypt() - decrypt with an RSA key
 * @key:	a loaded key
 * @tpm:	the TPM
 * @ask:	where a PIN comes from; may be NULL
 * @padding:	how it was encrypted
 * @cipher:	as long as the modulus
 * @ret:	the plaintext, which crosses the bus encrypted
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (not encrypted to this key in this way), and as sr_key_sign().
 */
int sr_key_decrypt(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_padding *padding, const struct sr_secret *cipher,
		   struct sr_secret *ret, struct sr_err *err);

/**
 * sr_key_derive() - what an EC key shares with a peer: ECDH
 * @key:	a loaded key
 * @tpm:	the TPM
 * @ask:	where a PIN comes from; may be NULL
 * @peer:	the peer's public key: SubjectPublicKeyInfo (DER), or a point (SEC 1, 2.3.3)
 * @size:	bytes in @peer
 * @ret:	the x of the point that both can find (SEC 1, 3.3.1), as long as the curve's
 *		field; it crosses the bus encrypted. A key is made of it by a KDF
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (@peer is no point of the key's curve), and as sr_key_sign().
 */
int sr_key_derive(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		  const uint8_t *peer, size_t size, struct sr_secret *ret,
		  struct sr_err *err);

/**
 * struct sr_subject - who a certificate is for
 * @name:	"/CN=example.org/O=Example", as openssl-req(1) takes it, also with "+"; but what
 *		that would skip is refused
 * @alt_names:	"DNS:example.org", "IP:192.0.2.1", "email:a@example.org" ...
 * @alt_count:	how many
 * @days:	sr_key_self_sign(): how long it is valid
 */
struct sr_subject {
	const char *name;
	const char *const *alt_names;
	size_t alt_count;
	unsigned int days;
};

/**
 * sr_key_request() - a certificate request (PKCS#10)
 * @key:	a loaded key
 * @tpm:	the TPM; NULL for a key that is elsewhere
 * @ask:	where a PIN comes from; may be NULL
 * @subject:	who it is for
 * @options:	@hash, @pss and @encrypt count
 * @ret:	PEM; release with free()
 * @err:	says why, on failure
 *
 * Returns as sr_key_sign().
 */
int sr_key_request(const struct sr_key *key, struct sr_tpm *tpm, const struct sr_ask *ask,
		   const struct sr_subject *subject,
		   const struct sr_sign_options *options, char **ret, struct sr_err *err);

/** sr_key_self_sign() - a certificate that the key itself has signed; as above */
int sr_key_self_sign(const struct sr_key *key, struct sr_tpm *tpm,
		     const struct sr_ask *ask, const struct sr_subject *subject,
		     const struct sr_sign_options *options, char **ret,
		     struct sr_err *err);

/**
 * sr_key_install() - keep a certificate, and the chain behind it, beside its key
 * @store:	where
 * @key:	a loaded key of it
 * @pem:	the key's certificate first; or one of OpenSSH, in its one line
 * @size:	bytes in @pem
 * @err:	says why, on failure
 *
 * Returns 0, -EBADMSG (it is not for this key) or -EIO.
 */
int sr_key_install(struct sr_store *store, const struct sr_key *key, const char *pem,
		   size_t size, struct sr_err *err);

/**
 * sr_key_keep_request() - keep a certificate request (PEM) beside its key
 *
 * Returns 0, -EBADMSG (it is not for this key) or -EIO.
 */
int sr_key_keep_request(struct sr_store *store, const struct sr_key *key, const char *pem,
			struct sr_err *err);

/**
 * sr_key_has_request() - whether one is kept that is for this key
 *
 * Returns 1, 0, or -EIO, -ENOMEM ... if nobody knows, as it can't be read.
 */
int sr_key_has_request(const struct sr_store *store, const struct sr_key *key,
		       struct sr_err *err);

/**
 * sr_key_has_certificate() - whether there is one for this key
 * @store:	where
 * @key:	a loaded key
 * @form:	SR_FORM_PEM or SR_FORM_SSH
 * @err:	says why, on failure
 *
 * Whether those behind it issued it is not looked at: that takes as long as signing. One that is
 * damaged, or of another key, is none.
 *
 * Returns 1, 0, or -EIO, -ENOMEM ... if nobody knows, as it can't be read.
 */
int sr_key_has_certificate(struct sr_store *store, const struct sr_key *key,
			   enum sr_key_form form, struct sr_err *err);

/**
 * sr_key_certificate() - what was installed; release with free()
 *
 * Returns 0, -ENOKEY if there is none, or -EBADMSG if it is for another key.
 */
int sr_key_certificate(struct sr_store *store, const struct sr_key *key, char **ret,
		       struct sr_err *err);

#define SR_TIME_LAST                                                                     \
	253402300799 /* 9999-12-31: what is valid until then is so for ever */

/**
 * struct sr_ssh_certificate - a certificate of OpenSSH
 * @line:	as ssh-keygen -s writes it; release with free()
 * @from:	when it is valid
 * @until:	SR_TIME_LAST, at most
 */
struct sr_ssh_certificate {
	char *line;
	time_t from;
	time_t until;
};

/** sr_key_ssh_certificate() - the one of OpenSSH that was installed; as above */
int sr_key_ssh_certificate(struct sr_store *store, const struct sr_key *key,
			   struct sr_ssh_certificate *ret, struct sr_err *err);

/**
 * sr_key_uninstall() - remove what was installed
 * @store:	where
 * @key:	a loaded key of it
 * @form:	SR_FORM_SSH the certificate of OpenSSH, or SR_FORM_PEM the others
 * @err:	says why, on failure
 *
 * Returns 0, -ENOKEY if there is none, or -EIO.
 */
int sr_key_uninstall(struct sr_store *store, const struct sr_key *key,
		     enum sr_key_form form, struct sr_err *err);

#ifdef __cplusplus
}
#endif
#endif
