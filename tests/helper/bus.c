/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What crossed the bus: the names of the TPM commands in a pcap: capture, one a line. */
#include <assert.h>
#include <byteswap.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#include "ground/io.h"

#define ENHANCED_PACKET 6U
#define BLOCK_DATA 28U /* bytes in a block before the packet */
#define IP_HEADERS 40U /* IPv4 and TCP, as the pcap TCTI makes them up */
#define TPM_HEADER 10U

static const struct {
	TPM2_CC code;
	const char *name;
} commands[] = {
	{ TPM2_CC_StartAuthSession, "StartAuthSession" },
	{ TPM2_CC_PolicyPCR, "PolicyPCR" },
	{ TPM2_CC_PolicyAuthValue, "PolicyAuthValue" },
	{ TPM2_CC_PolicyRestart, "PolicyRestart" },
	{ TPM2_CC_PolicyGetDigest, "PolicyGetDigest" },
	{ TPM2_CC_PolicyCounterTimer, "PolicyCounterTimer" },
	{ TPM2_CC_PolicyAuthorize, "PolicyAuthorize" },
	{ TPM2_CC_PolicyLocality, "PolicyLocality" },
	{ TPM2_CC_PolicyCommandCode, "PolicyCommandCode" },
	{ TPM2_CC_Load, "Load" },
	{ TPM2_CC_LoadExternal, "LoadExternal" },
	{ TPM2_CC_VerifySignature, "VerifySignature" },
	{ TPM2_CC_Import, "Import" },
	{ TPM2_CC_Duplicate, "Duplicate" },
	{ TPM2_CC_Unseal, "Unseal" },
	{ TPM2_CC_Sign, "Sign" },
	{ TPM2_CC_RSA_Decrypt, "RSA_Decrypt" },
	{ TPM2_CC_ECDH_ZGen, "ECDH_ZGen" },
	{ TPM2_CC_ObjectChangeAuth, "ObjectChangeAuth" },
	{ TPM2_CC_TestParms, "TestParms" },
	{ TPM2_CC_Create, "Create" },
	{ TPM2_CC_CreatePrimary, "CreatePrimary" },
	{ TPM2_CC_EvictControl, "EvictControl" },
	{ TPM2_CC_FlushContext, "FlushContext" },
	{ TPM2_CC_ReadClock, "ReadClock" },
	{ TPM2_CC_ContextSave, "ContextSave" },
	{ TPM2_CC_ContextLoad, "ContextLoad" },
	{ TPM2_CC_ReadPublic, "ReadPublic" },
	{ TPM2_CC_PCR_Read, "PCR_Read" },
	{ TPM2_CC_PCR_Event, "PCR_Event" },
	{ TPM2_CC_GetCapability, "GetCapability" },
	{ TPM2_CC_ReadClock, "ReadClock" },
	{ TPM2_CC_GetRandom, "GetRandom" },
};

static uint32_t read32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static void print_command(uint32_t code)
{
	for (size_t i = 0; i < SR_COUNT(commands); i++)
		if (commands[i].code == code) {
			puts(commands[i].name);
			return;
		}
	printf("0x%x\n", code);
}

/* A command has no size of its own in common with an answer but a code over 0x100. */
static void print_packet(const uint8_t *packet, uint32_t size)
{
	uint16_t tag;
	uint32_t code;

	if (size < IP_HEADERS + TPM_HEADER)
		return;
	packet += IP_HEADERS;
	memcpy(&tag, packet, sizeof(tag));
	tag = bswap_16(tag);
	code = bswap_32(read32(packet + 6));
	if ((tag == TPM2_ST_SESSIONS || tag == TPM2_ST_NO_SESSIONS) &&
	    code >= TPM2_CC_FIRST && code <= TPM2_CC_LAST)
		print_command(code);
}

/* Commands go to the port that the first packet went to; answers come from it. */
int main(int argc, char **argv)
{
	_cleanup_buf_ struct sr_buf capture = { 0 };
	uint16_t to = 0, port;
	size_t at = 0;

	assert(argc == 2);
	if (sr_read_file(-100, argv[1], 1U << 28, &capture, NULL) < 0)
		return 1;
	while (at + BLOCK_DATA + IP_HEADERS <= capture.size) {
		const uint8_t *block = capture.data + at;
		uint32_t length = read32(block + 4);

		assert(length >= 12 && length <= capture.size - at);
		if (read32(block) == ENHANCED_PACKET) {
			memcpy(&port, block + BLOCK_DATA + 22, sizeof(port));
			if (!to)
				to = port;
			if (port == to)
				print_packet(block + BLOCK_DATA, read32(block + 20));
		}
		at += length;
	}
	return 0;
}
