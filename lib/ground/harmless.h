/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text of strangers: whether a terminal only shows it. */
#ifndef SR_HARMLESS_H
#define SR_HARMLESS_H

#include <openssl/asn1.h>
#include <stdbool.h>
#include <string.h>

#define SR_LETTER_MAX 6 /* bytes in a letter, as UTF8_getc() takes them */

/**
 * sr_letter_is_harmless() - whether a letter of Unicode only shows itself
 *
 * That is neither a control character, of both kinds, nor a line's end, nor what has the text
 * behind it run the other way (Bidi_Control): it would look like another one.
 */
static inline bool sr_letter_is_harmless(unsigned long letter)
{
	bool control = letter < 0x20 || (letter >= 0x7f && letter < 0xa0);
	bool direction = letter == 0x61c || letter == 0x200e || letter == 0x200f ||
			 (letter >= 0x202a && letter <= 0x202e) ||
			 (letter >= 0x2066 && letter <= 0x2069);

	return !control && !direction && letter != 0x2028 && letter != 0x2029 &&
	       letter <= 0x10ffff;
}

/** sr_letter_size() - bytes of the harmless letter of UTF-8 at @at; 0 where there is none */
static inline size_t sr_letter_size(const unsigned char *at, size_t left)
{
	unsigned long letter;
	int used =
	    UTF8_getc(at, left > SR_LETTER_MAX ? SR_LETTER_MAX : (int)left, &letter);

	return used > 0 && sr_letter_is_harmless(letter) ? (size_t)used : 0;
}

/** sr_text_is_harmless() - whether it is UTF-8, all of whose letters are */
static inline bool sr_text_is_harmless(const void *text, size_t size)
{
	const unsigned char *at = text;

	for (size_t used; size > 0; at += used, size -= used) {
		used = sr_letter_size(at, size);
		if (used == 0)
			return false;
	}
	return true;
}

/** sr_text_make_harmless() - put "?" for each byte that is of no such letter */
static inline void sr_text_make_harmless(char *text)
{
	unsigned char *at = (unsigned char *)text;
	size_t left = strlen(text);

	for (size_t used; left > 0; at += used, left -= used) {
		used = sr_letter_size(at, left);
		if (used == 0) {
			*at = '?';
			used = 1;
		}
	}
}

#endif
