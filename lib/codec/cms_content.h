/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* EncryptedContentInfo (RFC 5652, 6.1), as messages and the files of secrets have it. */
#ifndef SR_CMS_CONTENT_H
#define SR_CMS_CONTENT_H

#include <openssl/asn1t.h>
#include <openssl/x509.h>

/*
 * The content may be left out where it is elsewhere. Nobody here would look for it there, so
 * it has to be in it, and no reader has to ask.
 */
struct encrypted_content {
	ASN1_OBJECT *type;
	X509_ALGOR *algorithm;
	ASN1_OCTET_STRING *bytes;
};

ASN1_SEQUENCE(ENCRYPTED_CONTENT) = {
	ASN1_SIMPLE(struct encrypted_content, type, ASN1_OBJECT),
	ASN1_SIMPLE(struct encrypted_content, algorithm, X509_ALGOR),
	ASN1_IMP(struct encrypted_content, bytes, ASN1_OCTET_STRING, 0),
} static_ASN1_SEQUENCE_END_name(struct encrypted_content, ENCRYPTED_CONTENT)

#endif
